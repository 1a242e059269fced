"""Which keys a query attends to, and changes of its scores, as lines of a mask_mod and a score_mod of flex_attention.

flash_attn's window, soft cap and ALiBi follow its docstrings: query i of a sequence is at key position
p = i + seqlen_k - seqlen_q; a window (left, right) keeps the keys from p - left to p + right; the soft cap applies to the
scaled scores, and -slope * distance is added after it (test_flash_attn.attention_ref upstream).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from compile_doctor.source.code_of import code_of
from compile_doctor.source.flash_attn.writer import UNKNOWN, Writer


@dataclass
class Positions:
    """How index i of a query and j of a key become comparable positions."""

    shift: list[str] = field(default_factory=list)
    """Lines that turn i (and j) into positions on one scale."""
    keep: list[str] = field(default_factory=list)
    """Conditions that apply even without a requested mask: the same document, a used slot of the cache."""
    before: list[str] = field(default_factory=list)
    """Lines before `shift` that these conditions need."""
    sequence: str = "b"
    """The index of the sequence, for slopes of shape (sequences, heads)."""
    sequences: str = ""
    """The number of sequences."""


@dataclass
class Asked:
    """What a call requests besides plain attention."""

    causal: str = ""
    """`True`, an expression, or empty."""
    left: str = ""
    right: str = ""
    """The bounds of the window: a literal, an expression, or empty for no bound."""
    softcap: str = ""
    slopes: str = ""
    dropout: str = ""
    scale: str = ""

    @property
    def window(self) -> bool:
        return bool(self.left or self.right)


def asked(writer: Writer) -> Asked:
    """Reads the options of a call; a literal default counts as not given."""
    found = Asked()
    causal = writer.value("causal")
    if causal:
        found.causal = "True" if causal is not UNKNOWN else writer.shared("causal")
    found.left, found.right = _window(writer)
    if found.causal == "True":
        found.right = ""  # causal means a right bound of 0
    for name, attribute in (("softcap", "softcap"), ("alibi_slopes", "slopes"), ("dropout_p", "dropout")):
        value = writer.value(name)
        if value is UNKNOWN or (isinstance(value, (int, float)) and value > 0):
            setattr(found, attribute, writer.argument(name) if attribute != "softcap" else writer.shared(name))
    if writer.value("softmax_scale") is not None:
        found.scale = writer.argument("softmax_scale")
    return found


def _window(writer: Writer) -> tuple[str, str]:
    value, text = writer.value("window_size"), writer.call.arguments.get("window_size", "")
    if value is None:
        return "", ""
    tree = ast.parse(text, mode="eval").body
    if isinstance(tree, (ast.Tuple, ast.List)) and len(tree.elts) == 2 and (value is not UNKNOWN or not writer.wrapped):
        bounds = [code_of(one) for one in tree.elts]
    else:
        whole = writer.shared("window_size")
        bounds = [f"{whole}[0]", f"{whole}[1]"]
    return _bound(writer, "left", bounds[0]), _bound(writer, "right", bounds[1])


def _bound(writer: Writer, name: str, text: str) -> str:
    try:
        value = ast.literal_eval(text)
    except ValueError:
        return writer.steady(name, text)
    return "" if value is None or value < 0 else str(value)


def mask_lines(wanted: Asked, positions: Positions) -> list[str]:
    """The body of `mask_mod(b, h, i, j)`; empty if every query attends to every key."""
    terms = []
    if wanted.causal:
        terms.append("(j <= i)" if wanted.causal == "True" else f"((not {wanted.causal}) | (j <= i))")
    for bound, condition in ((wanted.left, "j >= i - {}"), (wanted.right, "j <= i + {}")):
        if bound:
            inside = f"({condition.format(bound)})"
            terms.append(inside if bound.isdigit() else f"(({bound} < 0) | {inside})")
    if not terms and not positions.keep:
        return []
    shift = positions.shift if terms else []
    every = [*positions.keep, *terms]
    whole = every[0][1:-1] if len(every) == 1 and every[0].startswith("(") else " & ".join(every)
    return [*positions.before, *shift, f"return {whole}"]


def score_lines(wanted: Asked, positions: Positions, slopes: str) -> list[str]:
    """The body of `score_mod(score, b, h, i, j)`; empty if the scores do not change. `slopes`: a name."""
    lines = []
    if wanted.softcap:
        capped = f"{wanted.softcap} * torch.tanh(score / {wanted.softcap})"
        known = _literal_number(wanted.softcap)
        lines.append(f"score = {capped}" if known else f"score = {capped} if {wanted.softcap} > 0 else score")
    if wanted.slopes:
        lines += [
            f"slope = {slopes}[{positions.sequence}, h]",
            *positions.shift,
            "score = score - slope * (j - i).abs()",
        ]
    return [*lines[:-1], lines[-1].replace("score = ", "return ", 1)] if lines else []


def _literal_number(text: str) -> bool:
    try:
        return isinstance(ast.literal_eval(text), (int, float))
    except ValueError:
        return False
