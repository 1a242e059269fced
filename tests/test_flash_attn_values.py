"""CD504's replacements are equal to flash_attn: the same program runs before and after, the printed text put in."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from pathlib import Path

import flash_attn_reference
import pytest
import torch
from helpers import MODEL, evidence
from torch.nn.attention import flex_attention

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import find_check

HEADER = "import torch\nimport torch.nn.functional as F\nfrom flash_attn import {}\n"
LENGTHS = [(5, 5), (3, 8), (1, 8), (8, 3)]
TOLERANCE = 5e-6  # float32, rows of at most a dozen keys: some 40 times its rounding


CUDA = {"torch": "2.13.0", "device": "cuda"}


def findings(source, **environment):
    known = {"torch": "2.13.0+cpu", "device": "cpu", **environment}
    return list(find_check("CD504").detect(AnalysisContext(evidence(sources={MODEL: source}, environment=known))))


def migrated(source, **environment):
    """The source with the statement of a finding replaced by the finding's text, until no call is left."""
    for _ in range(10):
        found = next((one for one in findings(source, **environment) if "imported" not in one.title), None)
        if found is None:
            return source
        lines, line = source.splitlines(), found.location.line
        statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
        inner = max((one for one in statements if one.lineno <= line <= one.end_lineno), key=lambda one: one.lineno)
        head = found.fix.endswith(":\n    ...")  # of a statement that holds others: what it holds stays
        end = inner.body[0].lineno - 1 if head else inner.end_lineno
        code = textwrap.indent(found.fix.removesuffix("    ..."), " " * inner.col_offset)
        lines[inner.lineno - 1 : end] = code.splitlines()
        source = "\n".join(lines) + "\n"
    raise AssertionError(f"findings are left in\n{source}")


def module_of(source):
    found = sys.modules["program"] = types.ModuleType("program")
    exec(compile(source, "program", "exec"), found.__dict__)
    return found


@pytest.fixture(autouse=True)
def package(monkeypatch):
    """A flash_attn to import, written out."""
    for name in ("flash_attn", "flash_attn.flash_attn_interface", "flash_attn.bert_padding"):
        made = types.ModuleType(name)
        made.__dict__.update({k: v for k, v in vars(flash_attn_reference).items() if not k.startswith("_")})
        monkeypatch.setitem(sys.modules, name, made)
    monkeypatch.setitem(sys.modules, "program", types.ModuleType("program"))
    flash_attn_reference.CALLS.clear()
    # Eager flex_attention compiles a wrapper of its own on every call: a second each. This runs the operator itself.
    monkeypatch.setattr(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True, raising=False)


def both(source, **inputs):
    """(before, after) as lists of tensors: what `run` returns, and its inputs, which it may have written to."""
    found = []
    for text in (source, migrated(source)):
        given = {name: one.clone() if torch.is_tensor(one) else one for name, one in inputs.items()}
        calls = len(flash_attn_reference.CALLS)
        with torch.no_grad():
            result = module_of(text).run(**given)
        assert (len(flash_attn_reference.CALLS) > calls) == (text is source), "which of the two called flash_attn"
        results = result if isinstance(result, tuple) else (result,)
        found.append([*results, *(one for one in given.values() if torch.is_tensor(one))])
    return found


def assert_same(source, **inputs):
    for before, after in zip(*both(source, **inputs), strict=True):
        if before is None:
            continue
        assert before.shape == after.shape
        torch.testing.assert_close(after.double(), before.double(), atol=TOLERANCE, rtol=TOLERANCE)


def program(call, parameters="q, k, v", names="*", before=""):
    body = textwrap.indent(before + call, "    ")
    imported = names if names != "*" else "flash_attn_func"
    return HEADER.format(imported) + f"\n\ndef run({parameters}):\n{body}\n"


def tensors(queries, keys, heads=4, heads_k=2, batch=2, dim=8):
    torch.manual_seed(queries * 100 + keys)
    q = torch.randn(batch, queries, heads, dim)
    return q, torch.randn(batch, keys, heads_k, dim), torch.randn(batch, keys, heads_k, dim)


DENSE = {
    "plain": "return flash_attn_func(q, k, v)",
    "causal": "return flash_attn_func(q, k, v, causal=True)",
    "not-causal": "return flash_attn_func(q, k, v, causal=False)",
    "causal-by-position": "return flash_attn_func(q, k, v, 0.0, None, True)",
    "scale": "return flash_attn_func(q, k, v, softmax_scale=0.3, causal=True)",
    "scale-of-the-queries": "return flash_attn_func(q, k, v, softmax_scale=q.shape[-1] ** -1.0)",
    "no-dropout": "return flash_attn_func(q, k, v, dropout_p=0.0, causal=True)",
    "causal-is-an-expression": "return flash_attn_func(q, k, v, causal=q.shape[1] > 1)",
    "causal-is-a-variable": "causal = True\nout = flash_attn_func(q, k, v, causal=causal)\nreturn out",
    "not-causal-is-a-variable": "causal = False\nout = flash_attn_func(q, k, v, causal=causal)\nreturn out",
    "within-an-expression": "return flash_attn_func(q, k, v, causal=True).flatten(2) * 2",
    "arguments-are-calls": "return flash_attn_func(torch.sin(q), torch.cos(k), v + 1, causal=True)",
    "on-several-lines": "out = flash_attn_func(\n    q,\n    k, v, causal=True)\nreturn out",
    "window": "return flash_attn_func(q, k, v, causal=True, window_size=(2, 0))",
    "window-both-sides": "return flash_attn_func(q, k, v, window_size=(1, 2))",
    "window-left": "return flash_attn_func(q, k, v, window_size=(2, -1))",
    "window-right": "return flash_attn_func(q, k, v, window_size=(-1, 1))",
    "no-window": "return flash_attn_func(q, k, v, causal=True, window_size=(-1, -1))",
    "window-is-a-variable": "w = (2, 0)\nreturn flash_attn_func(q, k, v, causal=True, window_size=w)",
    "no-window-is-a-variable": "w = -1\nreturn flash_attn_func(q, k, v, causal=True, window_size=(w, w))",
    "window-hidden-by-an-index": "i = 2\nreturn flash_attn_func(q, k, v, causal=True, window_size=(i, 0))",
    "window-by-a-condition": "return flash_attn_func(q, k, v, window_size=(2 if q is not None else -1, 0))",
    "causal-variable-and-window": "c = False\nreturn flash_attn_func(q, k, v, causal=c, window_size=(2, 1))",
    "soft-cap": "return flash_attn_func(q, k, v, causal=True, softcap=1.5)",
    "soft-cap-is-a-variable": "cap = 1.5\nreturn flash_attn_func(q, k, v, softcap=cap)",
    "no-soft-cap-is-a-variable": "cap = 0.0\nreturn flash_attn_func(q, k, v, softcap=cap)",
    "soft-cap-with-a-scale": "return flash_attn_func(q, k, v, softmax_scale=2.0, softcap=0.7)",
    "logsumexp": "out, lse, _ = flash_attn_func(q, k, v, causal=True, return_attn_probs=True)\nreturn out, lse",
    "in-a-lambda": "f = lambda a, b, c: flash_attn_func(a, b, c, causal=True, window_size=(2, 0))\nreturn f(q, k, v)",
    "in-a-condition": "return flash_attn_func(q, k, v, causal=True) if q is not None else None",
    "in-a-list": "return [flash_attn_func(q, k, v, causal=c) for c in (False, True)][1]",
    "partial": "from functools import partial\nf = partial(flash_attn_func, causal=True, window_size=(2, 0))\nreturn f(q, k, v)",
    "two-in-a-statement": "return flash_attn_func(q, k, v, causal=True) - 0.5 * flash_attn_func(q, k, v, window_size=(1, 0))",
    "names-in-use": "mask = block_mask = mask_mod = offset = 1\nout = flash_attn_func(q, k, v, causal=True, window_size=(mask, 0))\nreturn out * offset",
    "in-the-head-of-an-if": "if (out := flash_attn_func(q, k, v, softcap=1.5)) is not None:\n    out = out * 2\nreturn out",
    "in-the-head-of-a-while": "turns = [1, 2]\nwhile flash_attn_func(q, k, v, softcap=1.5).shape[1] and turns:\n    q = q / turns.pop()\nreturn q",
    "in-the-head-of-a-loop": "for q in flash_attn_func(q, k, v, softcap=1.5):\n    q = q * 2\nreturn q",
    "keywords-that-change-nothing": "return flash_attn_func(q, k, v, causal=True, deterministic=True)",
}


@pytest.mark.parametrize(("queries", "keys"), LENGTHS)
@pytest.mark.parametrize("call", DENSE.values(), ids=DENSE)
def test_flash_attn_func(call, queries, keys):
    q, k, v = tensors(queries, keys)
    assert_same(program(call), q=q, k=k, v=v)


@pytest.mark.parametrize("heads_k", [1, 2, 4])
@pytest.mark.parametrize("options", ["causal=True", "window_size=(2, 0)"])
def test_heads_are_shared_as_in_flash_attn(heads_k, options):
    q, k, v = tensors(4, 6, heads_k=heads_k)
    assert_same(program(f"return flash_attn_func(q, k, v, {options})"), q=q, k=k, v=v)


@pytest.mark.parametrize("per_sequence", [False, True])
@pytest.mark.parametrize("options", ["", ", causal=True", ", causal=True, window_size=(2, 0), softcap=2.0"])
@pytest.mark.parametrize(("queries", "keys"), LENGTHS)
def test_alibi(options, queries, keys, per_sequence):
    q, k, v = tensors(queries, keys)
    slopes = torch.rand(2, 4) if per_sequence else torch.rand(4)
    call = f"return flash_attn_func(q, k, v, alibi_slopes=slopes{options})"
    assert_same(program(call, "q, k, v, slopes"), q=q, k=k, v=v, slopes=slopes)


@pytest.mark.parametrize(
    "call",
    [
        "return flash_attn_func(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), causal=True).transpose(1, 2)",
        "return flash_attn_func(q.transpose(2, 1), k.transpose(1, 2), v.transpose(1, 2), window_size=(1, 1))",
        "return flash_attn_func((q * 2).transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), causal=True)",
    ],
)
def test_inputs_that_were_transposed_for_flash_attn(call):
    q, k, v = (one.transpose(1, 2) for one in tensors(3, 6))
    assert_same(program(call), q=q, k=k, v=v)


def test_a_transposition_is_taken_back_not_repeated():
    source = program("return flash_attn_func(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), causal=False)")
    (found,) = findings(source)
    assert "scaled_dot_product_attention(q, k, v, " in found.fix


@pytest.mark.parametrize("options", ["", "causal=True", "causal=True, window_size=(2, 0)", "softcap=1.0, causal=True"])
def test_packed(options):
    torch.manual_seed(0)
    qkv, names = torch.randn(2, 6, 3, 4, 8), "flash_attn_qkvpacked_func"
    assert_same(program(f"return {names}(qkv, {options})", "qkv", names), qkv=qkv)
    assert_same(program(f"return {names}(qkv * 1, {options})", "qkv", names), qkv=qkv)
    q, kv, names = torch.randn(2, 3, 4, 8), torch.randn(2, 6, 2, 2, 8), "flash_attn_kvpacked_func"
    assert_same(program(f"return {names}(q, kv, {options})", "q, kv", names), q=q, kv=kv)


def test_parts_of_one_tensor_need_no_mask():
    source = program("q, k, v = qkv.unbind(2)\nreturn flash_attn_func(q, k, v, causal=True)", "qkv")
    (found,) = findings(source)
    assert "is_causal=True" in found.fix
    assert "mask" not in found.fix
    assert_same(source, qkv=torch.randn(2, 5, 3, 4, 8))


@pytest.mark.parametrize(
    "maker",
    [
        "q, k, v = qkv.unbind(2)\nk = torch.cat([k, k], 1)\nv = torch.cat([v, v], 1)",
        "q, k, v = qkv.chunk(3, dim=1)\nk, v = torch.cat([k, v], 1), torch.cat([v, k], 1)",
        "q, k, v = qkv.split([1, 2, 2], 1)\nq, k, v = (one[:, :, 0] for one in (q, k, v))",
        "q, k, v = make(qkv)",
    ],
)
def test_parts_that_may_differ_in_length_need_the_mask(maker):
    (found,) = findings(program(f"{maker}\nreturn flash_attn_func(q, k, v, causal=True)", "qkv"))
    assert "tril" in found.fix


ROWS = {
    "plain": "",
    "causal": "causal=True",
    "window": "causal=True, window_size=(1, 0)",
    "window-both-sides": "window_size=(1, 1)",
    "soft-cap": "softcap=1.5",
    "scale": "softmax_scale=0.2, causal=True",
    "alibi": "alibi_slopes=torch.linspace(0.1, 0.9, 4)",
    "alibi-per-sequence": "causal=True, alibi_slopes=torch.linspace(0.1, 2.4, 12).view(3, 4)",
    "causal-is-an-expression": "causal=q.shape[0] > 1",
}


@pytest.mark.parametrize("options", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize(
    "lengths", [([3, 5, 1], [3, 5, 1]), ([2, 1, 3], [6, 4, 3]), ([4, 1, 2], [2, 3, 0]), ([2, 0, 3], [2, 0, 3])]
)
def test_flash_attn_varlen_func(options, lengths):
    bounds = [torch.tensor([0, *torch.tensor(one).cumsum(0)], dtype=torch.int32) for one in lengths]
    torch.manual_seed(1)
    q, k, v = torch.randn(sum(lengths[0]), 4, 8), torch.randn(sum(lengths[1]), 2, 8), torch.randn(sum(lengths[1]), 2, 8)
    call = f"return flash_attn_varlen_func(q, k, v, cu_q, cu_k, 6, 6, {options})"
    source = program(call, "q, k, v, cu_q, cu_k", "flash_attn_varlen_func")
    assert_same(source, q=q, k=k, v=v, cu_q=bounds[0], cu_k=bounds[1])
    if lengths[0] == lengths[1]:
        source = program(call.replace("cu_q, cu_k", "cu, cu"), "q, k, v, cu", "flash_attn_varlen_func")
        assert_same(source, q=q, k=k, v=v, cu=bounds[0])


@pytest.mark.parametrize("options", ["causal=True", "causal=True, window_size=(2, 0), softcap=1.0"])
def test_varlen_packed(options):
    cu = torch.tensor([0, 3, 8], dtype=torch.int32)
    qkv, names = torch.randn(8, 3, 4, 8), "flash_attn_varlen_qkvpacked_func"
    assert_same(program(f"return {names}(qkv, cu, 5, {options})", "qkv, cu", names), qkv=qkv, cu=cu)
    q, kv, names = torch.randn(8, 4, 8), torch.randn(8, 2, 2, 8), "flash_attn_varlen_kvpacked_func"
    call = f"return {names}(q, kv, cu, cu, max_seqlen_q=5, max_seqlen_k=5, {options})"
    assert_same(program(call, "q, kv, cu", names), q=q, kv=kv, cu=cu)


def test_varlen_logsumexp():
    cu, q = torch.tensor([0, 3, 8], dtype=torch.int32), torch.randn(8, 4, 8)
    call = "out, lse, _ = flash_attn_varlen_func(q, q, q, cu, cu, 5, 5, return_attn_probs=True)\nreturn out, lse"
    assert_same(program(call, "q, cu", "flash_attn_varlen_func"), q=q, cu=cu)


CACHE = {
    "whole-cache": "",
    "causal": "causal=True",
    "lengths": "cache_seqlens=lengths",
    "lengths-causal": "cache_seqlens=lengths, causal=True",
    "one-length": "cache_seqlens=5, causal=True",
    "append": "k=k, v=v, cache_seqlens=lengths, causal=True",
    "append-by-position": "k, v, None, None, lengths, causal=True",
    "append-at-one-place": "k, v, cache_seqlens=5",
    "append-not-causal": "k=k, v=v, cache_seqlens=lengths",
    "window": "k=k, v=v, cache_seqlens=lengths, causal=True, window_size=(3, 0)",
    "soft-cap": "k=k, v=v, cache_seqlens=lengths, causal=True, softcap=2.0",
    "alibi": "k=k, v=v, cache_seqlens=lengths, causal=True, alibi_slopes=torch.tensor([0.1, 0.2, 0.3, 0.4])",
    "scale": "cache_seqlens=lengths, softmax_scale=1.0, causal=True, num_splits=4",
    "leftpad": "cache_seqlens=lengths, cache_leftpad=torch.tensor([0, 2]), causal=True",
    "leftpad-whole-cache": "cache_leftpad=torch.tensor([0, 2]), causal=True",
    "batch-index": "k=k, v=v, cache_seqlens=lengths, cache_batch_idx=torch.tensor([2, 0]), causal=True",
    "logsumexp": "k=k, v=v, cache_seqlens=lengths, causal=True, return_softmax_lse=True",
    "causal-is-an-expression": "k=k, v=v, cache_seqlens=lengths, causal=q.shape[1] > 1",
}


@pytest.mark.parametrize("queries", [1, 3])
@pytest.mark.parametrize("options", CACHE.values(), ids=CACHE)
def test_flash_attn_with_kvcache(options, queries):
    torch.manual_seed(2)
    batch = 3 if "batch_idx" in options else 2
    k_cache, v_cache = torch.randn(batch, 12, 2, 8), torch.randn(batch, 12, 2, 8)
    k, v, q = torch.randn(2, queries, 2, 8), torch.randn(2, queries, 2, 8), torch.randn(2, queries, 4, 8)
    names = "flash_attn_with_kvcache"
    source = program(f"return {names}(q, k_cache, v_cache, {options})", "q, k_cache, v_cache, k, v, lengths", names)
    lengths = torch.tensor([7, 4], dtype=torch.int32)
    assert_same(source, q=q, k_cache=k_cache, v_cache=v_cache, k=k, v=v, lengths=lengths)


@pytest.mark.parametrize("new", ["", "k=k, v=v, "])
def test_a_paged_cache(new):
    torch.manual_seed(3)
    k_cache, v_cache = torch.randn(8, 4, 2, 8), torch.randn(8, 4, 2, 8)
    k, v, q = torch.randn(2, 3, 2, 8), torch.randn(2, 3, 2, 8), torch.randn(2, 3, 4, 8)
    names = "flash_attn_with_kvcache"
    call = f"return {names}(q, k_cache, v_cache, {new}cache_seqlens=lengths, block_table=table, causal=True)"
    assert_same(
        program(call, "q, k_cache, v_cache, k, v, lengths, table", names),
        q=q,
        k_cache=k_cache,
        v_cache=v_cache,
        k=k,
        v=v,
        lengths=torch.tensor([6, 9], dtype=torch.int32),
        table=torch.tensor([[5, 0, 3], [1, 7, 2]], dtype=torch.int32),
    )


@pytest.mark.parametrize("names", ["kept, indices, cu, longest, used", "kept, indices, cu, longest"])
def test_bert_padding(names):
    source = (
        "import torch\nfrom flash_attn.bert_padding import index_first_axis, pad_input, unpad_input\n"
        "from flash_attn import flash_attn_varlen_func\n\n\ndef run(x, mask):\n"
        f"    {names} = unpad_input(x, mask)\n"
        "    out = flash_attn_varlen_func(kept, kept, kept, cu, cu, longest, longest, causal=True)\n"
        "    other = index_first_axis(x.flatten(0, 1), indices)\n"
        "    return pad_input(out, indices, x.shape[0], x.shape[1]), cu, other\n"
    )
    x, mask = torch.randn(2, 5, 4, 8), torch.tensor([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]])
    if names.endswith("longest"):
        source = source.replace("longest = unpad", "longest, *_ = unpad")
        assert "lengths)" in migrated(source)
        source_of_four = source.replace(", *_ = unpad", " = unpad")
        assert_same(source, x=x, mask=mask)
        module_of(migrated(source_of_four)).run(x, mask)  # unpacks four, as flash_attn before 2.7 returned
    else:
        assert_same(source, x=x, mask=mask)


@pytest.mark.parametrize(
    ("options", "softcap"), [("causal=True", False), ("causal=True, window_size=(2, 0)", False), ("softcap=1.0", True)]
)
def test_dropout_drops_probabilities_and_scales_the_rest(options, softcap):
    """With the unit matrix as values the output is the probabilities: each is dropped, or divided by 1 - p."""
    torch.manual_seed(4)
    q, k = torch.randn(1, 8, 2, 8), torch.randn(1, 8, 2, 8)
    v = torch.eye(8)[None, :, None].expand(1, 8, 2, 8).contiguous()
    source = program(f"return flash_attn_func(q, k, v, dropout_p=0.25, {options})")
    (found,) = findings(source)
    after = module_of(migrated(source)).run(q, k, v)
    kept = module_of(source.replace("0.25", "0.0")).run(q, k, v)
    if softcap:  # neither SDPA nor flex_attention has both: it is said
        assert "dropout_p=0.25" in found.message
        torch.testing.assert_close(after.double(), kept, atol=TOLERANCE, rtol=TOLERANCE)
        return
    dropped = after == 0
    torch.testing.assert_close(after.double(), (kept / 0.75).masked_fill(dropped, 0.0), atol=TOLERANCE, rtol=TOLERANCE)
    share = float(dropped[kept > 0].double().mean())
    assert 0.05 < share < 0.5


def test_a_program_that_runs_without_the_package_runs_with_the_replacement():
    """The labelled program, its flash_attn branch taken."""
    source = (Path(__file__).parent / "programs" / "attn_flash_attn_import.py").read_text()
    source = source.replace("flash_attn_func is not None and q.is_cuda", "flash_attn_func is not None")
    torch.manual_seed(5)
    before = module_of(source).build_model()
    after = module_of(migrated(source)).build_model()
    after.load_state_dict(before.state_dict())
    x = torch.randn(1, 6, 64)
    attended = vars(flash_attn_reference)["flash_attn_func"]
    sys.modules["flash_attn"].flash_attn_func = lambda *a, **k: attended(*a, **k).float()
    before.forward.__globals__["flash_attn_func"] = sys.modules["flash_attn"].flash_attn_func
    with torch.no_grad():
        torch.testing.assert_close(after(x), before(x), atol=TOLERANCE, rtol=TOLERANCE)


VARLEN = {
    "plain": "",
    "causal": "causal=True",
    "window": "window_size=(2, 1)",
    "causal-window": "causal=True, window_size=(1, 0), softmax_scale=0.3",
    "causal-is-a-variable": "causal=c",
    "causal-variable-and-window": "causal=c, window_size=(1, 2)",
    "window-is-a-variable": "causal=True, window_size=w",
}


def varlen_program(options, packed=False):
    name = "flash_attn_varlen_qkvpacked_func" if packed else "flash_attn_varlen_func"
    inputs = "qkv, cu_q, 6" if packed else "q, k, v, cu_q, cu_k, 6, 6"
    before = "w = (1, 0)\nc = cu_q.shape[0] == 4\n" + "q, k, v = qkv.unbind(1)\n" * packed
    parameters = "qkv, cu_q, cu_k" if packed else "q, k, v, cu_q, cu_k"
    return program(f"return {name}({inputs}, {options})", parameters, name, before)


def varlen_inputs(packed, device="cpu", dtype=torch.float32, dim=8):
    cu_q, cu_k = ([0, 2, 3, 6], [0, 6, 10, 13]) if not packed else ([0, 2, 3, 6], [0, 2, 3, 6])
    torch.manual_seed(6)
    made = {"cu_q": torch.tensor(cu_q, dtype=torch.int32), "cu_k": torch.tensor(cu_k, dtype=torch.int32)}
    if packed:
        made["qkv"] = torch.randn(6, 3, 4, dim, dtype=dtype)
    else:
        made |= {"q": torch.randn(6, 4, dim, dtype=dtype), "k": torch.randn(13, 2, dim, dtype=dtype)}
        made["v"] = torch.randn(13, 2, dim, dtype=dtype)
    return {name: one.to(device) for name, one in made.items()}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", VARLEN.values(), ids=VARLEN)
def test_varlen_attn_by_its_documentation(monkeypatch, options, packed):
    """It needs CUDA: here its docstring stands in for it, behind the real signature."""
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    real = inspect.signature(varlen.varlen_attn)
    if "enable_gqa" not in real.parameters:
        pytest.skip("varlen_attn takes no grouped heads before torch 2.12")

    def documented(*given, **named):
        bound = real.bind(*given, **named)
        bound.apply_defaults()
        query, key, value, cu_q, cu_k, max_q, max_k = (bound.arguments[name] for name in list(real.parameters)[:7])
        options = {name: bound.arguments[name] for name in ("scale", "window_size", "enable_gqa")}
        assert options["enable_gqa"] or query.shape[1] == key.shape[1]
        assert type(options["window_size"]) is tuple  # (-1, 0) is compared with a tuple, up to 2.14
        return flash_attn_reference.flash_attn_varlen_func(
            query, key, value, cu_q, cu_k, max_q, max_k, 0.0, options["scale"], False, options["window_size"]
        )

    monkeypatch.setattr(varlen, "varlen_attn", documented)
    source, inputs = varlen_program(options, packed), varlen_inputs(packed)
    after = migrated(source, **CUDA)
    assert "varlen_attn(" in after
    assert "flex" not in after
    torch.testing.assert_close(module_of(after).run(**inputs), module_of(source).run(**inputs))


@pytest.mark.gpu
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", VARLEN.values(), ids=VARLEN)
def test_varlen_attn_on_a_gpu(options, packed):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    if "enable_gqa" not in inspect.signature(varlen.varlen_attn).parameters:
        pytest.skip("varlen_attn takes no grouped heads before torch 2.12")
    source, inputs = varlen_program(options, packed), varlen_inputs(packed, "cuda", torch.bfloat16, 64)
    before, after = module_of(source).run(**inputs), module_of(migrated(source, **CUDA)).run(**inputs)
    torch.testing.assert_close(after.cpu().double(), before.cpu(), atol=2e-2, rtol=2e-2)


COMPILED = {
    "causal": ("flash_attn_func(q, k, v, causal=True)", "flash_attn_func"),
    "window": ("flash_attn_func(q, k, v, causal=True, window_size=(2, 0), softcap=3.0)", "flash_attn_func"),
    "cache": (
        "flash_attn_with_kvcache(q, kc, vc, k, v, cache_seqlens=lengths, causal=True)",
        "flash_attn_with_kvcache",
    ),
    "varlen": (
        "flash_attn_varlen_func(q[0], kc[0], vc[0], cu_q, cu_k, 3, 7, causal=True)",
        "flash_attn_varlen_func",
    ),
}


@pytest.mark.compile
@pytest.mark.parametrize(("call", "name"), COMPILED.values(), ids=COMPILED)
def test_a_replacement_is_one_graph(call, name):
    """Traced by Dynamo without a break, shapes symbolic, and equal: `causal_lower_right` would not be."""
    source = program(f"return {call}", "q, k, v, kc, vc, lengths, cu_q, cu_k", name)
    run = module_of(migrated(source)).run
    (q, k, v), (_, kc, vc) = tensors(3, 3), tensors(3, 12)
    inputs = [q, k if name.endswith("cache") else kc, v if name.endswith("cache") else vc, kc, vc]
    inputs += [torch.tensor(one, dtype=torch.int32) for one in ([4, 7], [0, 1, 3], [0, 5, 12])]
    with torch.no_grad():
        expected = run(*[one.clone() for one in inputs])
        compiled = torch.compile(run, backend="eager", fullgraph=True, dynamic=True)
        torch.testing.assert_close(compiled(*inputs), expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("turned", [8, 4])
def test_rotary_embeddings(interleaved, turned):
    """Each pair is turned by its angle: as complex numbers."""
    (found,) = findings("from flash_attn.layers.rotary import apply_rotary_emb\napply_rotary_emb(x, c, s)\n")
    program = {"torch": torch}
    exec(found.fix, program)
    x, angles = torch.randn(2, 5, 3, 8), torch.randn(7, turned // 2)
    after = program["apply_rotary_emb"](x, angles.cos(), angles.sin(), interleaved=interleaved)
    assert torch.equal(after[..., turned:], x[..., turned:])
    for pair in range(turned // 2):
        a, b = (2 * pair, 2 * pair + 1) if interleaved else (pair, pair + turned // 2)
        expected = torch.complex(x[..., a], x[..., b]) * torch.exp(1j * angles[:5, pair])[:, None]
        torch.testing.assert_close(after[..., a], expected.real)
        torch.testing.assert_close(after[..., b], expected.imag)
    half = program["apply_rotary_emb"](x.bfloat16(), angles.cos(), angles.sin())
    assert half.dtype is torch.bfloat16
