"""Attention: a table of the calls and their sizes, and for each call its memory over the number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.analysis.attention.entries import AttentionEntry
from compile_doctor.model.sizes import human
from compile_doctor.render.entries import at, cut
from compile_doctor.render.html.chart import Chart, Series, chart
from compile_doctor.render.html.room import fitting

_TONES = {"fused": "good", "dense": "bad", "mixed": "bad"}


@dataclass(frozen=True)
class Size:
    """One row of the ladder."""

    tokens: str
    peak: str
    dense: str
    fused: str
    verdict: str
    tone: str
    reason: str


@dataclass(frozen=True)
class Call:
    """One line that calls attention."""

    id: str
    place: str
    snippet: str
    api: str
    verdict: str
    tone: str
    facts: tuple[str, ...]
    pieces: tuple[tuple[str, str, str], ...]
    """Name, answer, and why not."""
    reason: str
    sizes: tuple[Size, ...]
    chart: Chart | None


@dataclass(frozen=True)
class Attention:
    """What the template shows."""

    calls: tuple[Call, ...]
    hidden: int


def attention(entries: Sequence[AttentionEntry], prefix: str, room: float) -> Attention:
    made = (_call(entry, f"{prefix}attention-{number}") for number, entry in enumerate(entries, 1))
    calls = fitting(made, room)
    return Attention(calls, len(entries) - len(calls))


def _call(entry: AttentionEntry, name: str) -> Call:
    facts = [
        f"query {list(entry.q_shape)}" if entry.q_shape else "",
        f"key {list(entry.kv_shape)}" if entry.kv_shape else "",
    ]
    facts += [entry.dtype or "", entry.device or "", entry.implementation or entry.backend or ""]
    facts += [f"kernel {entry.kernel}" if entry.kernel else ""]
    answers = {True: "yes", False: "no", None: "not known"}
    meanings = {
        "lowered": "compiled into an attention kernel",
        "executed": "that kernel ran, and nothing dense",
        "bounded": "memory stayed far below the score matrix",
    }
    pieces = tuple(
        (f"{piece}: {meaning}", answers[getattr(entry, piece)], cut(entry.reasons.get(piece, ""), 600))
        for piece, meaning in meanings.items()
    )
    return Call(
        id=name,
        place=at(entry.location),
        snippet=cut(entry.location.snippet, 300),
        api={"flex_attention": "flex_attention", "sdpa": "scaled_dot_product_attention"}.get(entry.api, entry.api),
        verdict=entry.verdict,
        tone=_TONES.get(entry.verdict, "open"),
        facts=tuple(cut(fact, 120) for fact in facts if fact),
        pieces=pieces,
        reason=cut(entry.reason, 1_500),
        sizes=tuple(_sizes(entry)),
        chart=_chart(entry),
    )


def _sizes(entry: AttentionEntry) -> list[Size]:
    measured = entry.verdict in ("dense", "mixed") and entry.peak_bytes is not None
    return [
        Size(
            f"{step.tokens:,}" if step.tokens else "–",
            human(step.peak) if step.peak is not None else ("not measured" if step.ran else "not run"),
            ("" if measured and step.ran else "about ") + human(step.dense) if step.dense is not None else "–",
            human(step.fused) if step.fused is not None else "–",
            cut(step.verdict, 80),
            _TONES.get(step.verdict.split(" ", 1)[0], "open"),
            cut(step.reason, 300),
        )
        for step in entry.ladder
    ]


def _chart(entry: AttentionEntry) -> Chart | None:
    def line(name: str, style: int, key: str) -> Series:
        found = [(step.tokens, value) for step in entry.ladder if (value := getattr(step, key))]
        return Series(name, found, style, [f"{name}: {human(y)} at {x:,} tokens" for x, y in found])

    series = [
        line("measured peak", 0, "peak"),
        line("what the dense path needs", 1, "dense"),
        line("what a fused kernel needs", 2, "fused"),
    ]
    place = at(entry.location)
    return chart(series, "tokens", "memory of the call", human, f"Memory over tokens of the attention call at {place}")
