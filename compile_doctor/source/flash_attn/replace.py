"""The torch code that replaces a flash_attn call, with the call's own arguments."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.source.flash_attn.calls import FlashCall
from compile_doctor.source.flash_attn.inputs import INPUTS, Inputs
from compile_doctor.source.flash_attn.masks import Asked, asked, mask_lines, score_lines
from compile_doctor.source.flash_attn.padding import PADDING
from compile_doctor.source.flash_attn.signatures import SPEED_ONLY, generation
from compile_doctor.source.flash_attn.writer import UNKNOWN, Writer, called, grouped

VARLEN_SINCE = (2, 12)
"""`torch.nn.attention.varlen.varlen_attn` exists since 2.10, with scale and window_size since 2.11, enable_gqa 2.12."""
_SDPA = "torch.nn.functional.scaled_dot_product_attention"
_FLEX = "torch.nn.attention.flex_attention."


_VARLEN = {
    "flash_attn_varlen_func": ("max_seqlen_q", "max_seqlen_k"),
    "flash_attn_varlen_qkvpacked_func": ("max_seqlen",),
    "flash_attn_varlen_kvpacked_func": ("max_seqlen_q", "max_seqlen_k"),
}
"""The additional arguments that varlen_attn needs."""
_REQUIRED = {
    "flash_attn_func": ("q", "k", "v"),
    "flash_attn_qkvpacked_func": ("qkv",),
    "flash_attn_kvpacked_func": ("q", "kv"),
    "flash_attn_varlen_func": ("q", "k", "v", "cu_seqlens_q", "cu_seqlens_k"),
    "flash_attn_varlen_qkvpacked_func": ("qkv", "cu_seqlens"),
    "flash_attn_varlen_kvpacked_func": ("q", "kv", "cu_seqlens_q", "cu_seqlens_k"),
    "flash_attn_with_kvcache": ("q", "k_cache", "v_cache"),
    "unpad_input": ("hidden_states", "attention_mask"),
    "pad_input": ("hidden_states", "indices", "batch", "seqlen"),
    "index_first_axis": ("input", "indices"),
}


@dataclass(frozen=True)
class Replacement:
    """`code` replaces the whole statement with the call (only the call if the statement is long); it is empty if the call
    cannot be read."""

    by: str
    """`SDPA`, `flex_attention`, `varlen_attn` or `torch`."""
    code: str
    left_out: tuple[str, ...] = ()
    """Arguments, as written, that may change the result and are not in `code`."""
    notes: tuple[str, ...] = ()


def replacement(call: FlashCall, torch: tuple[int, int] | None = None, device: str = "") -> Replacement:
    """The replacement for the torch (major, minor) and device of the diagnosis, if known: `varlen_attn` needs 2.12 and CUDA."""
    needed = _REQUIRED.get(call.api, ())
    missing = [name for name in needed if name not in call.arguments]
    if missing and not call.partial:
        return Replacement("", "", call.unread)
    if call.api == "flash_attn_with_kvcache" and "k" in call.arguments and "cache_seqlens" not in call.arguments:
        return Replacement("", "", ("k without cache_seqlens",))  # the package refuses it too
    plain = _written(Writer(call, wrapped=call.partial), torch, device)
    if call.hoist or call.partial or not plain[0].lines:
        return plain[1]
    return _written(Writer(call, wrapped=True), torch, device)[1]


def _written(writer: Writer, torch: tuple[int, int] | None, device: str) -> tuple[Writer, Replacement]:
    call = writer.call
    if call.api in PADDING:
        expression = PADDING[call.api](writer)
        left_out = _left_out(writer)
        return writer, Replacement("torch", _told(left_out, writer.text(expression)), left_out)
    wanted = asked(writer)
    lse = next((n for n in ("return_attn_probs", "return_softmax_lse", "return_lse") if writer.value(n) is True), "")
    flex = bool(wanted.softcap or lse or ((wanted.window or wanted.slopes) and not wanted.dropout))
    inputs = INPUTS[call.api](writer, wanted, flex)
    flex = flex or (inputs.packed and not wanted.dropout)
    notes = list(inputs.notes)
    if flex:
        expression = _flex(writer, wanted, inputs, lse)
        by = "flex_attention"
    else:
        expression, by = _sdpa(writer, wanted, inputs), "SDPA"
        if wanted.window or wanted.slopes or inputs.packed:
            notes.append(
                "flex_attention would keep the mask sparse, but has no dropout: this code makes the full mask, "
                "queries × keys. If dropout_p is always 0, remove it and diagnose again."
            )
    left_out = _left_out(writer)
    if lse:
        notes.append(
            "AuxRequest needs torch 2.9. Before 2.9, pass return_lse=True, which returns the logsumexp itself."
        )
    if flex and wanted.dropout:
        left_out = (*left_out, f"dropout_p={wanted.dropout}")
    varlen = _varlen(call, wanted, lse) if call.api in _VARLEN else ""
    if varlen and torch and torch >= VARLEN_SINCE and device.startswith("cuda"):
        return writer, Replacement(
            "varlen_attn", _told(left_out, varlen), left_out, ("It takes float16 and bfloat16.",)
        )
    code = writer.text(expression)
    if varlen:
        head = "# On CUDA, in float16 and bfloat16, torch 2.12 and newer have one call for it:"
        code += "\n\n" + "\n".join([head, *(f"#     {line}" for line in varlen.splitlines() if line)])
    return writer, Replacement(by, _told(left_out, code), left_out, tuple(notes))


def _told(left_out: tuple[str, ...], code: str) -> str:
    """The code, with a comment for each argument that it leaves out: users copy only the code."""
    return "\n".join([*(f"# {one} is not translated: it may change the result" for one in left_out), code])


def _left_out(writer: Writer) -> tuple[str, ...]:
    """The arguments that are given and not used, without those that only affect speed and literals that request nothing."""
    given = [(name, text) for name, text in writer.call.arguments.items() if name not in writer.read | SPEED_ONLY]
    asks = [f"{name}={text}" for name, text in given if writer.value(name) not in (None, False, 0, 0.0)]
    flags = [n for n in ("return_attn_probs", "return_softmax_lse", "return_lse") if writer.value(n) is UNKNOWN]
    return (*asks, *(f"{name}={writer.call.arguments[name]}" for name in flags), *writer.call.unread)


# ---------------------------------------------------------------- SDPA, flex_attention, varlen_attn


def _sdpa(writer: Writer, wanted: Asked, inputs: Inputs) -> str:
    options: list[tuple[str, str]] = []
    plain = inputs.plain_causal and not wanted.window and not wanted.slopes
    if plain and wanted.causal and inputs.square:
        options.append(("is_causal", wanted.causal))
    elif plain and wanted.causal:
        mask = writer.fresh("mask")
        asks = "" if wanted.causal == "True" else f"{wanted.causal} and "
        writer.lines += [
            f"{mask} = None",
            f"if {asks}{inputs.queries} != {inputs.keys}:  # is_causal is aligned top left, flash_attn bottom right",
            f"    {mask} = torch.ones({inputs.queries}, {inputs.keys}, dtype=torch.bool, device={inputs.like}.device)",
            f"    {mask} = {mask}.tril({inputs.keys} - {inputs.queries})",
        ]
        causal = f"bool({asks}{mask} is None)" if asks else f"{mask} is None"
        options += [("attn_mask", mask), ("is_causal", causal)]
    elif mask := _whole_mask(writer, wanted, inputs):
        options.append(("attn_mask", mask))
    options += [("dropout_p", wanted.dropout)] if wanted.dropout else []
    options += [("scale", wanted.scale)] if wanted.scale else []
    options += [("enable_gqa", "True")] if inputs.gqa else []
    return called(writer.function(_SDPA), inputs.tensors, options, inputs.behind)


def _whole_mask(writer: Writer, wanted: Asked, inputs: Inputs) -> str:
    """A name for the full mask: flex_attention's functions, evaluated at every query and key; empty without a mask."""
    keep = mask_lines(wanted, inputs.positions)
    slopes = _slopes(writer, wanted, inputs)
    score = score_lines(wanted, inputs.positions, slopes)
    if not keep and not score:
        return ""
    device = f"device={inputs.like}.device"
    keep_name = writer.define("mask_mod", "b, h, i, j", keep) if keep else ""
    score_name = writer.define("score_mod", "score, b, h, i, j", score) if score else ""
    i, j, b = writer.fresh("i"), writer.fresh("j"), "None"
    writer.lines.append(f"{i} = torch.arange({inputs.queries}, {device})[:, None]")
    writer.lines.append(f"{j} = torch.arange({inputs.keys}, {device})")
    if (inputs.batched_mask or score) and not inputs.packed:
        b = writer.fresh("b")
        batch = inputs.batched_mask or inputs.positions.sequences
        writer.lines.append(f"{b} = torch.arange({batch}, {device})[:, None, None, None]")
    mask = writer.fresh("mask")
    if keep:
        writer.lines.append(f"{mask} = {keep_name}({b}, None, {i}, {j})")
    if score:
        h = writer.fresh("h")
        bias = writer.fresh("bias") if keep else mask
        writer.lines.append(f"{h} = torch.arange({slopes}.shape[1], {device})[:, None, None]")
        writer.lines.append(f"{bias} = {score_name}(0.0, {b}, {h}, {i}, {j}).to({inputs.like}.dtype)")
        writer.lines += [f"{mask} = {bias}.masked_fill(~{mask}, float('-inf'))"] if keep else []
    return mask


def _flex(writer: Writer, wanted: Asked, inputs: Inputs, lse: str) -> str:
    options: list[tuple[str, str]] = []
    slopes = _slopes(writer, wanted, inputs)
    score = score_lines(wanted, inputs.positions, slopes)
    if score:
        options.append(("score_mod", writer.define("score_mod", "score, b, h, i, j", score)))
    keep = mask_lines(wanted, inputs.positions)
    if keep:
        name = writer.define("mask_mod", "b, h, i, j", keep)
        batch = inputs.batched_mask or "None"
        made = called(
            writer.function(_FLEX + "create_block_mask"),
            [name, batch, "None", inputs.queries, inputs.keys],
            [("device", f"{inputs.like}.device")],
        )
        mask = writer.fresh("block_mask")
        writer.lines.append("# one block mask serves all layers: make it once for each batch")
        writer.lines += f"{mask} = {made}".splitlines()
        options.append(("block_mask", mask))
    options += [("scale", wanted.scale)] if wanted.scale else []
    options += [("enable_gqa", "True")] if inputs.gqa else []
    function = writer.function(_FLEX + "flex_attention")
    if not lse:
        return called(function, inputs.tensors, options, inputs.behind)
    out, logs = writer.fresh("out"), writer.fresh("aux")
    request = f"{writer.function(_FLEX + 'AuxRequest')}(lse=True)"
    writer.lines += (
        f"{out}, {logs} = {called(function, inputs.tensors, [*options, ('return_aux', request)])}".splitlines()
    )
    shown = f"{logs}.lse[0]" if inputs.packed else f"{logs}.lse"
    probabilities = ", None" if lse == "return_attn_probs" and generation(writer.call.name) == "2" else ""
    return f"({out}{inputs.behind}, {shown}{probabilities})"


def _slopes(writer: Writer, wanted: Asked, inputs: Inputs) -> str:
    """A name for the slopes as (sequences, heads), from either of the two shapes in which they can be given."""
    if not wanted.slopes:
        return ""
    return writer.bind("slopes", f"{grouped(wanted.slopes)}.expand({inputs.positions.sequences}, -1)")


def _varlen(call: FlashCall, wanted: Asked, lse: str) -> str:
    """The statement with varlen_attn; empty if varlen_attn lacks an option."""
    given = _REQUIRED[call.api] + _VARLEN[call.api]
    if wanted.dropout or wanted.softcap or wanted.slopes or lse or not call.hoist or set(given) - call.arguments.keys():
        return ""
    writer = Writer(call, wrapped=False)
    wanted = asked(writer)
    options: list[tuple[str, str]] = [("scale", wanted.scale)] if wanted.scale else []
    if wanted.causal or wanted.window:
        right = wanted.right or "-1"
        if wanted.causal:
            right = "0" if wanted.causal == "True" else f"0 if {wanted.causal} else {right}"
        options.append(("window_size", f"({wanted.left or '-1'}, {right})"))
    texts = {name: writer.argument(name) for name in given}
    packed = call.api == "flash_attn_varlen_qkvpacked_func"
    options += [] if packed else [("enable_gqa", "True")]
    names = ("qkv", "cu_seqlens", "cu_seqlens", "max_seqlen", "max_seqlen") if packed else given
    inputs = [f"*{grouped(texts[name])}.unbind(1)" if name.endswith("kv") else texts[name] for name in names]
    return writer.text(called(writer.function("torch.nn.attention.varlen.varlen_attn"), inputs, options))
