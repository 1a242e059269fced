"""flash_attn's imports and calls in sources: which function, each argument, and what CD504 says. No torch."""

from __future__ import annotations

import ast

import pytest
from helpers import MODEL, evidence

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import find_check
from compile_doctor.report.make import make_report
from compile_doctor.source.flash_attn.calls import find_flash_attn
from compile_doctor.source.flash_attn.replace import replacement
from compile_doctor.source.flash_attn.signatures import generation, parameters


def calls(text, **others):
    return find_flash_attn({"m.py": text, **{f"{name}.py": source for name, source in others.items()}}).calls


def findings(text, **environment):
    known = {"torch": "2.13.0+cpu", "device": "cpu", **environment}
    return list(find_check("CD504").detect(AnalysisContext(evidence(sources={MODEL: text}, environment=known))))


# ---------------------------------------------------------------- which function is called


@pytest.mark.parametrize(
    ("imported", "used", "name"),
    [
        ("from flash_attn import flash_attn_func", "flash_attn_func", "flash_attn.flash_attn_func"),
        ("from flash_attn import flash_attn_func as fa", "fa", "flash_attn.flash_attn_func"),
        ("import flash_attn", "flash_attn.flash_attn_func", "flash_attn.flash_attn_func"),
        ("import flash_attn as fa", "fa.flash_attn_func", "flash_attn.flash_attn_func"),
        ("import flash_attn.flash_attn_interface as i", "i.flash_attn_func", "flash_attn.flash_attn_interface.flash_attn_func"),
        ("import flash_attn.flash_attn_interface", "flash_attn.flash_attn_interface.flash_attn_func", "flash_attn.flash_attn_interface.flash_attn_func"),
        ("from flash_attn import flash_attn_interface", "flash_attn_interface.flash_attn_func", "flash_attn.flash_attn_interface.flash_attn_func"),
        ("from flash_attn.flash_attn_interface import flash_attn_func as f", "f", "flash_attn.flash_attn_interface.flash_attn_func"),
        ("from flash_attn_interface import flash_attn_func", "flash_attn_func", "flash_attn_interface.flash_attn_func"),
        ("import flash_attn_interface as f3", "f3.flash_attn_func", "flash_attn_interface.flash_attn_func"),
        ("from flash_attn.cute import flash_attn_func", "flash_attn_func", "flash_attn.cute.flash_attn_func"),
        ("from flash_attn import flash_attn_func\nattend = flash_attn_func", "attend", "flash_attn.flash_attn_func"),
        ("from flash_attn import flash_attn_func\nself.attend = flash_attn_func", "self.attend", "flash_attn.flash_attn_func"),
    ],
)  # fmt: skip
def test_a_call_whatever_it_is_called(imported, used, name):
    (found,) = calls(f"{imported}\ny = {used}(q, k, v, causal=True)\n")
    assert (found.name, found.api) == (name, "flash_attn_func")
    assert found.arguments == {"q": "q", "k": "k", "v": "v", "causal": "True"}


@pytest.mark.parametrize(
    "text",
    [
        "def flash_attn_func(q): return q\nflash_attn_func(q)",
        "from flash_attn_2 import flash_attn_func\nflash_attn_func(q, k, v)",
        "from transformers import flash_attn_func\nflash_attn_func(q, k, v)",
        "from flash_attn import flash_attn_func\nflash_attn_func\nother(q, k, v)",
        "from flash_attn.layers.rotary import apply_rotary_emb\napply_rotary_emb(x, cos, sin)",
        "import flash_attn\nflash_attn.__version__.split('.')",
        "# flash_attn_func(q, k, v)\n'flash_attn_func(q, k, v)'",
    ],
)
def test_what_is_no_call_of_it(text):
    assert calls(text) == ()


def test_a_function_that_another_of_the_files_imports():
    attention = "try:\n    from flash_attn import flash_attn_func\nexcept ImportError:\n    flash_attn_func = None\n"
    for imported in ("from .attention import flash_attn_func as f", "from model.attention import flash_attn_func as f"):
        (found,) = calls(f"{imported}\nf(q, k, v)\n", attention=attention)
        assert (found.file, found.name) == ("m.py", "flash_attn.flash_attn_func")
    assert calls("from .other import flash_attn_func as f\nf(q, k, v)\n", attention=attention) == ()


def test_the_place_of_a_call():
    text = "from flash_attn import flash_attn_func\n\nclass A:\n    def forward(self, q):\n        return flash_attn_func(q, q, q)\n"
    (found,) = calls(text)
    assert (found.line, found.function) == (5, "A.forward")


# ---------------------------------------------------------------- its arguments

HEAD = "from flash_attn import flash_attn_func, flash_attn_varlen_func\n"


@pytest.mark.parametrize(
    ("given", "arguments", "unread"),
    [
        ("q, k, v, 0.1, s, True, (8, 0)", {"dropout_p": "0.1", "softmax_scale": "s", "causal": "True", "window_size": "(8, 0)"}, ()),
        ("q, k, v=v, softmax_scale=self.d ** -0.5", {"softmax_scale": "self.d ** -0.5"}, ()),
        ("q, k, v, **kwargs", {}, ("**kwargs",)),
        ("q, k, v, *rest", {}, ("*rest",)),
        ("q, k, v, *rest, causal=c", {"causal": "c"}, ("*rest",)),
        ("q, k, v, sinks=s", {}, ("sinks=s",)),
        ("q, k, v, *a, b", {}, ("*a", "b")),
        ("q, k,\n  v, causal=(a\n  and b)", {"causal": "a and b"}, ()),
    ],
)  # fmt: skip
def test_arguments_by_position_and_by_name(given, arguments, unread):
    (found,) = calls(f"{HEAD}y = flash_attn_func({given})\n")
    assert {name: text for name, text in found.arguments.items() if name not in "qkv"} == arguments
    assert found.unread == unread


def test_positions_are_those_of_the_package_that_it_comes_from():
    third = {
        name: parameters(f"{name}.flash_attn_func")[3]
        for name in ("flash_attn", "flash_attn_interface", "flash_attn.cute")
    }
    assert third == {"flash_attn": "dropout_p", "flash_attn_interface": "softmax_scale", "flash_attn.cute": "qv"}
    assert [generation(name) for name in ("flash_attn.x", "flash_attn_3.x", "flash_attn.cute.x", "flash.x")] == [
        "2",
        "3",
        "4",
        "",
    ]


BOTH = """\
try:
    from flash_attn_interface import flash_attn_func
except ImportError:
    from flash_attn import flash_attn_func
y = flash_attn_func({})
"""


@pytest.mark.parametrize(("given", "ambiguous"), [("q, k, v, causal=True", False), ("q, k, v, 0.5, causal=True", True)])
def test_two_packages_under_one_name(given, ambiguous):
    (found,) = findings(BOTH.format(given))
    assert (
        "read as those of flash_attn.flash_attn_func; flash_attn_interface.flash_attn_func differs" in found.message
    ) == ambiguous


# ---------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("flash_attn_func(q, k, v, **kwargs)", "**kwargs"),
        ("flash_attn_func(q, k, v, softcap=30.0, dropout_p=self.p)", "dropout_p=self.p"),
        ("flash_attn_func(q, k, v, return_attn_probs=self.probs)", "return_attn_probs=self.probs"),
        ("flash_attn_varlen_func(q, k, v, cu, cu, m, m, block_table=table)", "block_table=table"),
    ],
)
def test_what_is_not_translated_is_named(call, named):
    (found,) = findings(f"{HEAD}y = {call}\n")
    assert "may change the result: " in found.message
    assert named in found.message
    assert f"# {named} is not translated: it may change the result\n" in found.fix


@pytest.mark.parametrize(
    "call", ["flash_attn_func(*qkv, causal=True)", "flash_attn_func(**inputs)", "flash_attn_varlen_func(q, k, v)"]
)
def test_a_call_that_cannot_be_read_gets_no_lines_of_its_own(call):
    (found,) = findings(f"{HEAD}y = {call}\n")
    assert "cannot be read" in found.message
    assert "y = " not in found.fix


def test_new_keys_without_a_length_are_not_replaced():
    call = "from flash_attn import flash_attn_with_kvcache\ny = flash_attn_with_kvcache(q, kc, vc, k=k, v=v)\n"
    (found,) = findings(call)
    assert "k without cache_seqlens" in found.message


def test_arguments_of_speed_alone_are_left_out_without_a_word():
    (found,) = findings(f"{HEAD}y = flash_attn_func(q, k, v, deterministic=True)\n")
    assert "may change" not in found.message


def test_one_finding_for_each_call_and_none_for_the_import():
    text = f"{HEAD}def f(q, k, v):\n    a = flash_attn_func(q, k, v)\n    b = flash_attn_func(q, k, v, causal=True)\n    return a + b\n"
    assert [(one.location.line, one.severity, one.count) for one in findings(text)] == [(3, "info", 1), (4, "info", 1)]


def test_the_same_statement_twice_in_a_function_is_one_finding():
    line = "    q = flash_attn_func(q, k, v, causal=True)\n"
    (found,) = findings(f"{HEAD}def f(q, k, v):\n{line}    q = q + 1\n{line}    return q\n")
    assert found.count == 2
    assert "the same at line 5" in found.evidence


GUARDED = "try:\n    from flash_attn import flash_attn_func\nexcept ImportError:\n    flash_attn_func = None\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GUARDED, ["Nothing in the target's own files calls it", "The import is guarded"]),
        (f"{GUARDED}print(flash_attn_func is not None)\n", ["Nothing in the target's own files calls it"]),
        ("from flash_attn import flash_attn_func\n", ["Nothing in the target's own files calls it"]),
        (
            "from flash_attn.layers.rotary import apply_rotary_emb\nq = apply_rotary_emb(q, c, s)\n",
            ["built for one version of CUDA and one of torch", "used at line 2."],
        ),
    ],
)
def test_an_import_without_a_call(text, said):
    (found,) = findings(text)
    assert found.severity == "info"
    for part in said:
        assert part in found.message
    assert ("guarded" in found.message) == text.startswith("try")


@pytest.mark.parametrize(
    ("line", "followed"),
    [
        ("ATTN = {'flash': flash_attn_func}", False),
        ("ATTN['flash'] = flash_attn_func", False),
        ("layer = Layer(flash_attn_func if flash_attn_func else None)", False),
        ("layer = Layer(flash_attn_func or other)", False),
        ("attend = flash_attn_func\nLayer(attend)", False),
        ("attend = flash_attn_func", True),
        ("attend = functools.partial(flash_attn_func, causal=True) if flash_attn_func else None", True),
        ("assert not flash_attn_func and True", True),
        ("print(flash_attn_func.__name__)", True),
    ],
)
def test_a_name_that_is_used_without_a_call_is_said_not_to_be_followed(line, followed):
    text = f"import functools\n{GUARDED}y = flash_attn_func(q, k, v)\n{line}\n"
    found = [one for one in findings(text) if "does not follow it" in one.message]
    last = 6 + line.count("\n") + 1
    assert [(one.location.line, one.location.snippet) for one in found] == (
        [] if followed else [(last, line.splitlines()[-1])]
    )
    assert not any("imported" in one.title for one in findings(text))


def test_what_another_of_the_files_calls_is_called():
    user = "from model import apply_rotary_emb as rot, flash_attn_func as f\nf(q, k, v)\nrot(q, c, s)\n"
    head = "from flash_attn.layers.rotary import apply_rotary_emb\n" + GUARDED
    sources = {MODEL: head, MODEL.replace("model", "user"): user}
    (call, rotary) = find_check("CD504").detect(AnalysisContext(evidence(sources=sources)))
    assert call.location.line == 2
    assert "used at user.py:3." in rotary.message


def test_the_rows_of_rotary_embeddings_are_code():
    (found,) = findings("from flash_attn.layers.rotary import apply_rotary_emb\napply_rotary_emb(x, c, s)\n")
    tree = ast.parse(found.fix)
    assert "interleaved" in ast.unparse(tree)


def test_a_star_brings_what_is_called():
    (found,) = findings("from flash_attn import *\ny = flash_attn_func(q, k, v)\n")
    assert found.location.line == 2
    (found,) = findings("from flash_attn.layers.rotary import *\n")
    assert not found.fix


def test_imports_stand_behind_the_calls_and_those_alike_are_one():
    unused = "".join(f"from flash_attn.modules.m{n} import M{n}\n" for n in range(3))
    report = make_report(evidence(sources={MODEL: f"{HEAD}{unused}y = flash_attn_func(q, k, v)\n"}))
    assert [(one.location.line, one.count) for one in report.findings] == [(5, 1), (2, 3)]
    assert "M0, M1, M2" in report.findings[1].title


def test_an_import_of_several_of_which_one_is_called():
    assert [one.title for one in findings(f"{HEAD}y = flash_attn_func(q, k, v)\n")] == [
        "flash_attn_func: SDPA can do it"
    ]


# ---------------------------------------------------------------- the text


VARLEN = f"{HEAD}y = flash_attn_varlen_func(q, k, v, cu, cu, n, n, {{}})\n"


def test_varlen_attn_where_this_torch_has_it():
    (found,) = findings(VARLEN.format("softmax_scale=s, causal=True"), torch="2.13.0", device="cuda")
    assert found.fix.splitlines()[-1] == (
        "y = varlen_attn(q, k, v, cu, cu, n, n, scale=s, window_size=(-1, 0), enable_gqa=True)"
    )


@pytest.mark.parametrize(
    ("options", "torch", "device"),
    [
        ("causal=True", "2.11.0", "cuda"),
        ("causal=True", "2.13.0", "cpu"),
        ("causal=True", None, "cuda"),
        ("softcap=1.0", "2.13.0", "cuda"),
        ("alibi_slopes=s", "2.13.0", "cuda"),
        ("return_attn_probs=True", "2.13.0", "cuda"),
    ],
)
def test_flex_attention_where_it_has_not(options, torch, device):
    (found,) = findings(VARLEN.format(options), torch=torch, device=device)
    lines = [line for line in found.fix.splitlines() if not line.startswith("#")]
    assert "flex_attention(" in "\n".join(lines)
    assert "varlen_attn(" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("head", "function"),
    [
        ("", "torch.nn.functional.scaled_dot_product_attention"),
        ("import torch.nn.functional as F\n", "F.scaled_dot_product_attention"),
        ("from torch import nn\n", "nn.functional.scaled_dot_product_attention"),
        ("from torch.nn import functional\n", "functional.scaled_dot_product_attention"),
        ("from torch.nn.functional import scaled_dot_product_attention as sdpa\n", "sdpa"),
        ("import torch as t\n", "t.nn.functional.scaled_dot_product_attention"),
    ],
)
def test_names_are_those_of_the_file(head, function):
    (found,) = findings(f"{head}{HEAD}y = flash_attn_func(q, k, v)\n")
    assert f"y = {function}(" in found.fix
    assert found.fix.startswith("import torch\n") == (head == "")


def test_what_is_imported_already_is_not_imported_again():
    flex = "from torch.nn.attention.flex_attention import create_block_mask as cbm, flex_attention\n"
    (found,) = findings(f"import torch\n{flex}{HEAD}y = flash_attn_func(q, k, v, window_size=(8, 8))\n")
    assert "import" not in found.fix
    assert "cbm(" in found.fix


@pytest.mark.parametrize(
    "statement",
    [
        "y: object = flash_attn_func(q, k, v, causal=True)",
        "x += self.out(flash_attn_func(q, k, v, causal=True)[:, -1])",
        "x[0], y = flash_attn_func(q, k, v, causal=True), 1",
        "if flash_attn_func(q, k, v).any(): pass",
        "while flash_attn_func(q, k, v, causal=True).any(): pass",
        "for y in flash_attn_func(q, k, v, causal=True): pass",
        "assert flash_attn_func(q, k, v, causal=True) is not None",
        "y = {'out': flash_attn_func(\n    q, k,\n    v, causal=True)}",
        "y = [\n  1,\n  2,\n  3,\n  4,\n  5,\n  6,\n  7,\n  8,\n  flash_attn_func(q, k, v, causal=True),\n]",
        "y = 'é', flash_attn_func(q, k, v, causal=True)",
        "y = flash_attn_func(q, k, v, causal=lambda: 1)",
    ],
)
def test_every_text_is_python(statement):
    (call,) = calls(f"{HEAD}{statement}\n")
    code = replacement(call).code
    ast.parse(code)
    assert "flash_attn_func" not in code


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        ("if (z := flash_attn_func(q, k, v, softcap=30.)) is not None:  # note: é", "if (z := flex_attention("),
        ("while flash_attn_func(q, k, v, softcap=30.).any():", "while attend(q, k, v).any():"),
        ("for z in flash_attn_func(q, k, v, softcap=30.):", "for z in flex_attention("),
        ("with open(a) as f, hold(\n  flash_attn_func(q, k, v, softcap=30.)  # as: is\n):", "with open(a) as f, hold("),
        ("if a or flash_attn_func(q, k, v, softcap=30.).any(): z = 1", "if a or attend(q, k, v).any():"),
        ("assert flash_attn_func(q, k, v, softcap=30.).all(), 'no'", "assert attend(q, k, v).all(), 'no'"),
    ],
)
def test_the_head_of_a_statement_that_holds_others_is_printed(head, shown):
    body = "" if head[-1] in "1'" else "\n        # the body: 'é'\n        x = z"
    (call,) = calls(f"{HEAD}def f(q, k, v):\n    {head}{body}\n")
    code = replacement(call).code
    tree = ast.parse(code)
    assert f"\n{shown}" in code
    assert "in the place of" not in code
    assert head.startswith("assert") or ast.unparse(tree.body[-1].body) == "..."


@pytest.mark.parametrize(
    "statement",
    [
        "if a: pass\nelif flash_attn_func(q, k, v, causal=True).any(): pass",
        "def f(x=flash_attn_func(q, k, v, causal=True).any()): pass",
        "match flash_attn_func(q, k, v, causal=True).any():\n  case _: pass",
    ],
)
def test_a_statement_that_is_not_shown_is_said_to_be_left_alone(statement):
    (call,) = calls(f"{HEAD}{statement}\n")
    assert "# instead of the call:\nattend(q, k, v)" in replacement(call).code
