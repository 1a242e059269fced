"""What findings about attention share: the location, the owner and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from compile_doctor.analysis.attention.dense_cause import DenseCause, dense_cause
from compile_doctor.analysis.attention.input_errors import Refusal
from compile_doctor.analysis.attention.verdicts import Verdict
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.attention import Tensor
from compile_doctor.model.sizes import human
from compile_doctor.model.stacks import Frame
from compile_doctor.source.static_facts import producer

NAMES = ("query", "key", "value")


def at_frame(seen: AnalysisContext, frame: Frame | None) -> dict[str, Any]:
    """Location and owner of a line."""
    if frame is None:
        return {}
    return {"location": seen.location(frame.file, frame.line, frame.function), "owner": seen.owner(frame.file)}


def at_site(seen: AnalysisContext, verdict: Verdict) -> dict[str, Any]:
    """Location, owner, and the user's own line if the call is in a package."""
    site = verdict.site
    return {**at_frame(seen, site.frame), "via": seen.via(site.stack, site.frame)}


def dense_sites(seen: AnalysisContext) -> Iterator[tuple[Verdict, DenseCause]]:
    """Every flex_attention call that ran dense, with its cause."""
    for verdict in seen.attention:
        if verdict.site.api == "flex_attention" and verdict.verdict in ("dense", "mixed"):
            yield verdict, dense_cause(seen, verdict.site)


def seen_of(verdict: Verdict) -> tuple[str, ...]:
    """The evidence behind a verdict, one line for each piece."""
    site = verdict.site
    lines = []
    calls = sum(call.count for call in site.dense)
    if calls:
        lines.append(f"the operator's dense entry was called {calls}×")
    for piece in ("lowered", "executed", "bounded"):
        state = {True: "yes", False: "no", None: "not known"}[getattr(verdict, piece)]
        reason = verdict.reasons.get(piece)
        lines.append(f"{piece}: {state}" + (f" ({reason})" if reason else ""))
    if site.peak is not None and site.dense_bytes is not None:
        lines.append(
            f"peak {human(site.peak)} at {site.tokens:,} tokens; one float32 score matrix is {human(site.dense_bytes)}"
        )
    if verdict.growth is not None:
        lines.append(f"memory ×{2**verdict.growth:.2f} per doubling of the tokens")
    return tuple(lines)


def refusal_values(seen: AnalysisContext, refusal: Refusal) -> dict[str, Any]:
    """Location and evidence of a refusal."""
    eager = seen.evidence.phases.get("eager")
    control = {"failed": "eager mode fails too", "done": "eager mode works"}.get(
        eager or "", "eager mode was not tried"
    )
    return {**at_frame(seen, refusal.frame), "evidence": (f"torch: {refusal.message}", control)}


def origin(seen: AnalysisContext, refusal: Refusal, index: int) -> str:
    """What computed query, key or value: from the graph, else from the source of the call; empty if neither shows it."""
    tensor = refusal.inputs[index] if index < len(refusal.inputs) else None
    if tensor is not None and tensor.made_at is not None and tensor.made_by not in ("", "input"):
        module = f" (module {tensor.module})" if tensor.module else ""
        return f"made by {tensor.made_by}{module} at line {tensor.made_at.line}"
    if refusal.frame is not None:
        found = producer(seen.evidence.sources.get(refusal.frame.file, ""), refusal.frame.line, index)
        if found:
            return f"according to the source, {found[1]} at line {found[0]}"
    return ""


def described(seen: AnalysisContext, refusal: Refusal, odd: Iterable[int]) -> str:
    """`key is bfloat16, made by linear (module k_proj) at line 12; …` for the inputs with these indices."""
    parts = []
    for index in odd:
        tensor: Tensor | None = refusal.inputs[index] if index < len(refusal.inputs) else None
        kind = (
            f"{tensor.type} of {tensor.dtype}" if tensor and tensor.type != "Tensor" else tensor.dtype if tensor else ""
        )
        from_where = origin(seen, refusal, index)
        parts.append(f"{NAMES[index]}{f' is {kind}' if kind else ''}{f', {from_where}' if from_where else ''}")
    return "; ".join(parts)
