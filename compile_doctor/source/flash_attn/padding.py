"""The functions of flash_attn.bert_padding, which varlen calls need, in plain torch."""

from __future__ import annotations

from collections.abc import Callable

from compile_doctor.source.flash_attn.writer import Writer, grouped


def _unpad(writer: Writer) -> str:
    """unpad_input: (rows, indices, cu_seqlens, longest, used); flash_attn before 2.7 returns only the first four."""
    hidden, mask = writer.argument("hidden_states"), writer.shared("attention_mask")
    lengths = writer.bind("lengths", f"{mask}.sum(-1, dtype=torch.int32)")
    indices = writer.bind("indices", f"{mask}.flatten().nonzero().flatten()")
    bounds = f"torch.nn.functional.pad({lengths}.cumsum(0, dtype=torch.int32), (1, 0))"
    used = "" if writer.call.unpacked == 4 else f", {lengths}"
    return f"({grouped(hidden)}.flatten(0, 1)[{indices}], {indices}, {bounds}, int({lengths}.max()){used})"


def _pad(writer: Writer) -> str:
    hidden, indices = writer.shared("hidden_states"), writer.argument("indices")
    batch, length = writer.shared("batch"), writer.shared("seqlen")
    rows = f"{hidden}.new_zeros({batch} * {length}, *{hidden}.shape[1:])"
    return f"{rows}.index_copy(0, {indices}, {hidden}).unflatten(0, ({batch}, {length}))"


def _index(writer: Writer) -> str:
    return f"{grouped(writer.argument('input'))}[{writer.argument('indices')}]"


PADDING: dict[str, Callable[[Writer], str]] = {"unpad_input": _unpad, "pad_input": _pad, "index_first_axis": _index}
