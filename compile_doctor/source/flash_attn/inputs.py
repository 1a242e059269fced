"""q, k and v of each flash_attn function in torch's layout, and the positions of their queries and keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from compile_doctor.source.flash_attn.masks import Asked, Positions
from compile_doctor.source.flash_attn.signatures import parameters
from compile_doctor.source.flash_attn.writer import Writer, grouped, untransposed


@dataclass
class Inputs:
    """q, k and v in torch's layout, (batch, heads, tokens, dim), with their description; all as source text."""

    tensors: list[str]
    queries: str
    keys: str
    """The number of keys, as text."""
    like: str
    """A tensor on the same device, with the batch dimension first."""
    positions: Positions
    behind: str = ".transpose(1, 2)"
    """What turns the output into flash_attn's layout."""
    batched_mask: str = ""
    """The batch size, if the mask differs between sequences; else empty."""
    square: bool = False
    """Whether queries and keys are known to have the same length."""
    gqa: bool = True
    plain_causal: bool = True
    """Whether the meaning of causal depends only on the lengths."""
    packed: bool = False
    """Whether all sequences are in one row."""
    notes: list[str] = field(default_factory=list)


def _dense(writer: Writer, wanted: Asked, flex: bool) -> Inputs:
    """flash_attn_func and its packed forms: (batch, tokens, heads, dim)."""
    packed = writer.call.api == "flash_attn_qkvpacked_func"
    square = packed or writer.call.same_length
    lengths = flex or bool(wanted.window or wanted.slopes) or (bool(wanted.causal) and not square)
    if packed:
        qkv = writer.shared("qkv") if lengths else writer.argument("qkv")
        tensors, (like, tokens) = [_unpacked(qkv)], (qkv, f"{qkv}.shape[1]")
        keys = tokens
    else:
        q, tokens, like = _operand(writer, "q", lengths)
        tensors = [q]
        if writer.call.api == "flash_attn_kvpacked_func":
            kv = writer.shared("kv") if lengths else writer.argument("kv")
            tensors.append(_unpacked(kv))
            keys = f"{kv}.shape[1]"
        else:
            k, keys, _ = _operand(writer, "k", lengths)
            tensors += [k, _operand(writer, "v", False)[0]]
    positions = Positions(sequences=f"{like}.shape[0]")
    if not square and (wanted.causal or wanted.window or wanted.slopes) and (flex or wanted.window or wanted.slopes):
        offset = writer.bind("offset", f"{keys} - {tokens}")
        positions.shift = [f"i = i + {offset}"]
    return Inputs(tensors, tokens, keys, like, positions, square=square, gqa=not packed)


def _operand(writer: Writer, name: str, shared: bool) -> tuple[str, str, str]:
    """((batch, heads, tokens, dim), its number of tokens, the tensor) of a (batch, tokens, heads, dim) argument."""
    text = writer.argument(name)
    inner = untransposed(text)
    if inner:
        inner = writer.bind(name, inner) if shared and not inner.isidentifier() else inner
        return inner, f"{inner}.shape[2]", inner
    text = writer.shared(name) if shared else text
    return f"{grouped(text)}.transpose(1, 2)", f"{text}.shape[1]", text


def _unpacked(text: str) -> str:
    """The parts of a (batch, tokens, 2 or 3, heads, dim) tensor."""
    return f"*{grouped(text)}.transpose(1, 3).unbind(2)"


def _packed_rows(writer: Writer, wanted: Asked, flex: bool) -> Inputs:
    """The varlen functions: all sequences in one row, (tokens, heads, dim), with their bounds in cu_seqlens."""
    api = writer.call.api
    rows = [name for name in ("q", "k", "v", "qkv", "kv") if name in parameters(writer.call.name)]
    bounds = ["cu_seqlens", "cu_seqlens"] if api == "flash_attn_varlen_qkvpacked_func" else []
    bounds = bounds or ["cu_seqlens_q", "cu_seqlens_k"]
    texts = {name: writer.shared(name) for name in rows}
    tensors = [
        f"*{texts[name]}.transpose(0, 2)[None].unbind(2)"
        if name.endswith("kv")
        else f"{texts[name]}.transpose(0, 1)[None]"
        for name in rows
    ]
    like, last = texts[rows[0]], texts["k"] if "k" in texts else texts[rows[-1]]
    cu_q, cu_k = writer.shared(bounds[0]), writer.shared(bounds[1])
    documents = {}
    for side, tensor, cu in (("q", like, cu_q), ("k", last, cu_k)):
        if cu in documents:
            continue
        tail = "" if cu_q == cu_k else f"_{side}"
        tokens = writer.fresh(f"token{tail}")
        writer.lines.append(f"{tokens} = torch.arange({tensor}.shape[0], device={cu}.device, dtype={cu}.dtype)")
        document = writer.fresh(f"document{tail}")
        writer.lines.append(f"{document} = torch.bucketize({tokens}, {cu}, right=True) - 1")
        documents[cu] = (document, tokens)
    (document_q, token_q), (document_k, token_k) = documents[cu_q], documents[cu_k]
    positions = Positions(sequence=f"{document_q}[i]", sequences=f"{cu_q}.shape[0] - 1")
    positions.keep = [f"({document_q}[i] == {document_k}[j])"]
    if cu_q != cu_k and (wanted.causal or wanted.window or wanted.slopes):
        at_q, at_k = writer.fresh("at_q"), writer.fresh("at_k")
        writer.lines.append("# positions from each sequence's end: flash_attn aligns queries and keys there")
        writer.lines.append(f"{at_q} = {token_q} - {cu_q}[{document_q} + 1]")
        writer.lines.append(f"{at_k} = {token_k} - {cu_k}[{document_k} + 1]")
        same = writer.fresh("same")
        positions.before = [f"{same} = {document_q}[i] == {document_k}[j]"]
        positions.keep = [f"{same}"]
        positions.shift = [f"i, j = {at_q}[i], {at_k}[j]"]
    return Inputs(
        tensors,
        f"{like}.shape[0]",
        f"{last}.shape[0]",
        like,
        positions,
        behind="[0].transpose(0, 1)",
        gqa=api != "flash_attn_varlen_qkvpacked_func",
        plain_causal=False,
        packed=True,
    )


def _cache(writer: Writer, wanted: Asked, flex: bool) -> Inputs:
    """flash_attn_with_kvcache: writes new keys into the cache in place; each sequence has its own length."""
    q, k, v = writer.shared("q"), writer.shared("k_cache"), writer.shared("v_cache")
    queries, batch, device = f"{q}.shape[1]", f"{q}.shape[0]", f"device={q}.device"
    tensors = [f"{q}.transpose(1, 2)"]
    table = next((name for name in ("block_table", "page_table") if writer.value(name) is not None), "")
    given = {n: writer.value(n) is not None for n in ("k", "v", "cache_seqlens", "cache_batch_idx", "cache_leftpad")}
    positions = Positions(sequences=batch)
    notes = []
    row = ""
    if given["k"] or given["cache_batch_idx"] or table:
        row = writer.fresh("row")
        start = writer.argument("cache_batch_idx") if given["cache_batch_idx"] else f"torch.arange({batch}, {device})"
        start = writer.argument(table) if table else start
        writer.lines.append(f"{row} = {start}")
    if not given["cache_seqlens"]:
        inputs = Inputs(tensors, queries, f"{k}.shape[1]", q, positions)
    else:
        used = writer.fresh("used")
        length = f"torch.as_tensor({writer.argument('cache_seqlens')}, {device}).expand({batch})"
        if given["k"]:
            new_k, new_v = writer.shared("k"), writer.argument("v")
            start, slot = writer.fresh("start"), writer.fresh("slot")
            writer.lines.append(f"{start} = {length}")
            writer.lines.append(f"{slot} = {start}[:, None] + torch.arange({new_k}.shape[1], {device})")
            place = f"{row}[:, None], {slot}"
            if table:
                page = f"{row}.gather(1, {slot} // {k}.shape[1])"
                place = f"{page}, {slot} % {k}.shape[1]"
            writer.lines.append(f"{k}[{place}], {v}[{place}] = {new_k}, {new_v}")
            length = f"{start} + {new_k}.shape[1]"
        writer.lines.append(f"{used} = {length}")
        positions.shift = [f"i = i + {used}[b] - {queries}"]
        if wanted.causal != "True":
            positions.keep.append(f"(j < {used}[b])")
        inputs = Inputs(tensors, queries, f"{k}.shape[1]", q, positions, batched_mask=batch, plain_causal=False)
        notes.append(
            "Unused slots of the cache are masked, not skipped: make the cache with torch.zeros, not torch.empty."
        )
    if given["cache_leftpad"]:
        leftpad = writer.bind("leftpad", writer.argument("cache_leftpad"))
        positions.keep.append(f"(j >= {leftpad}[b])")
        inputs.batched_mask, inputs.plain_causal = batch, False
    if given["cache_batch_idx"] or table:
        gathered = f"[{row}].flatten(1, 2)" if table else f"[{row}]"
        keys = writer.bind("keys", f"{k}{gathered}")
        values = writer.bind("values", f"{v}{gathered}")
        notes.append("Every call copies the rows or pages of its sequences out of the cache.")
    else:
        keys, values = k, v
    if not given["cache_seqlens"] and not positions.shift and (flex or wanted.window or given["cache_leftpad"]):
        positions.shift = [f"i = i + {writer.bind('offset', f'{keys}.shape[1] - {queries}')}"]
    inputs.keys = f"{keys}.shape[1]"
    inputs.tensors += [f"{keys}.transpose(1, 2)", f"{values}.transpose(1, 2)"]
    inputs.notes = notes
    return inputs


INPUTS: dict[str, Callable[[Writer, Asked, bool], Inputs]] = {
    "flash_attn_func": _dense,
    "flash_attn_qkvpacked_func": _dense,
    "flash_attn_kvpacked_func": _dense,
    "flash_attn_varlen_func": _packed_rows,
    "flash_attn_varlen_qkvpacked_func": _packed_rows,
    "flash_attn_varlen_kvpacked_func": _packed_rows,
    "flash_attn_with_kvcache": _cache,
}
