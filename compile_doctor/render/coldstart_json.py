"""The starts as JSON, schema compile-doctor/coldstart/1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from compile_doctor.clean import cleaned
from compile_doctor.coldstart import result
from compile_doctor.render import document
from compile_doctor.render.compile_time_document import Phases
from compile_doctor.render.document import ENVIRONMENT, Count, Figure, Record, Texts, one_of
from compile_doctor.render.finding_document import Finding, Location
from compile_doctor.render.json_format import finding_of
from compile_doctor.render.start_words import relative


class Spread(Record):
    """The least and the most of what was measured several times."""

    least_seconds: Figure
    """The least."""
    most_seconds: Figure
    """The most."""


class Start(Record):
    """One start of the target in a new process."""

    start: Annotated[str, one_of(*result.NAMES)]
    """`cold`: with an empty cache; `warm`: with the cache that the cold start left; `own`: with the user's own cache; `dynamic`, `regional`: cold, with what was tried."""
    first_call_seconds: Figure
    """The first call; null if it did not return."""
    later_call_seconds: Figure
    """The quickest call after the first; null if there was none."""
    compile_seconds: Figure
    """What torch timed as compiling, in all calls; null if nothing was timed."""
    phases: Phases
    """The same, by phase."""
    graphs: Count
    """Graphs that were compiled."""
    recompiles: Count
    """Frames that were compiled again."""
    hits: Count
    """Graphs that Inductor's cache had; without an answer of it, those that AOTAutograd's had."""
    misses: Count
    """Graphs that it did not have."""
    bypasses: Count
    """Graphs for which a cache was bypassed."""
    problem: str
    """Why the start has no figures, as a sentence; else empty."""
    made: Count
    """How often it was made. If more than once, the figures are those of the one whose compile time is the median."""
    first_call_spread: Spread | None
    """The first call in all of them; null if the start was made once."""
    compile_spread: Spread | None
    """`compile_seconds` in all of them; null if the start was made once."""


class Graph(Record):
    """One compilation of the cold start, beside that of the warm start."""

    compile_id: str
    """torch's id, such as `0/1`."""
    location: Location
    """The function that was compiled, or the line at which it resumes."""
    cold_seconds: Figure
    """In the cold start."""
    warm_seconds: Figure
    """In the warm start; null if it was not compiled there."""
    answer: str
    """What the caches answered in the warm start, in words: `2 hits`, `1 miss`, `not asked`, `not compiled`."""
    reason: str
    """torch's reason for a bypass; else empty."""


class Advice(Record):
    """Something that would make a start shorter."""

    kind: Annotated[str, one_of("shared-cache", "regional", "dynamic")]
    """What it is."""
    text: str
    """What to do."""
    gain_seconds: Figure
    """Seconds that a start becomes shorter, the difference of the medians; null if it does not, if that is within the spread, or if the start that was tried failed."""
    loss_seconds: Figure
    """Seconds that it became longer when it was tried; else null, also if that is within the spread."""
    measured: bool
    """Whether that start was made; else the gain is an estimate."""
    measurable: bool
    """False if starts that were made alike differ as much: then there is neither gain nor loss."""
    spread: Spread | None
    """The least and the most that the gain or the loss may be, by the starts that were made or by the estimate; null if a start was made only once, and if it is not measurable."""
    made: Count
    """How often each of the two starts was made that are compared; 0 for an estimate."""
    basis: str
    """What the gain is computed from."""


class ColdStart(Record):
    """What `coldstart` writes with `--format json`."""

    schema: Literal["compile-doctor/coldstart/1"]
    """The name of this schema, with its version."""
    target: str
    """What was started, as it was written."""
    environment: Annotated[Mapping[str, Any], Meta(extra_json_schema=ENVIRONMENT)]
    """What it ran on, as far as it is known."""
    problem: str
    """Why the starts could not be compared, as a sentence; empty if they could."""
    starts: tuple[Start, ...]
    """The starts, in the order in which they were made."""
    graphs: tuple[Graph, ...]
    """The compilations of the cold start, the longest first."""
    findings: tuple[Finding, ...]
    """What the warm start compiled again, and why."""
    advice: tuple[Advice, ...]
    """What would help."""
    notes: Texts
    """Further notes: what could not be observed, and which figure could not be written."""


@cleaned
def render(found: result.ColdStart, verbosity: int = 0, colour: bool = False) -> str:
    return document.as_text(as_dict(found))


def as_dict(found: result.ColdStart) -> dict[str, Any]:
    found = relative(found)
    known = {key: value for key, value in found.environment.items() if key != "torch_root" and value is not None}
    return document.as_dict(
        ColdStart(
            schema="compile-doctor/coldstart/1",
            target=found.target,
            environment=known,
            problem=found.problem,
            starts=tuple(map(_start, found.starts)),
            graphs=tuple(map(_graph, found.graphs)),
            findings=tuple(finding_of(one, found.sources) for one in found.findings),
            advice=tuple(
                Advice(
                    kind=one.name,
                    text=one.text,
                    gain_seconds=round(one.gain, 3)
                    if one.gain is not None and one.gain >= 0 and one.measurable
                    else None,
                    loss_seconds=round(-one.gain, 3)
                    if one.gain is not None and one.gain < 0 and one.measurable
                    else None,
                    measurable=one.measurable,
                    spread=_gained(one),
                    made=one.made if one.measured else 0,
                    measured=one.measured,
                    basis=one.basis,
                )
                for one in found.advice
            ),
            notes=(*((found.busy,) if found.busy else ()), *found.notes),
        )
    )


def _start(one: result.Started) -> Start:
    return Start(
        start=one.name,
        first_call_seconds=_rounded(one.first_call),
        later_call_seconds=_rounded(one.later_call),
        compile_seconds=_rounded(one.compiling),
        phases={name: round(value, 4) for name, value in one.phases.items()},
        graphs=one.graphs,
        recompiles=one.recompiles,
        hits=one.hits,
        misses=one.misses,
        bypasses=one.bypasses,
        problem=one.problem,
        made=one.made,
        first_call_spread=_spread(one.first_calls),
        compile_spread=_spread(one.compilings),
    )


def _spread(one: result.Spread | None) -> Spread | None:
    return None if one is None else Spread(least_seconds=round(one.least, 3), most_seconds=round(one.most, 3))


def _gained(one: result.Advice) -> Spread | None:
    """Of the gain, or of the loss: both are positive."""
    if one.spread is None or not one.measurable:
        return None
    least, most = sorted((abs(one.spread.least), abs(one.spread.most)))
    return _spread(result.Spread(least, most))


def _graph(one: result.StartedGraph) -> Graph:
    return Graph(
        compile_id=one.compile_id,
        location=Location(
            file=one.frame.file, line=max(one.frame.line, 1), function=one.frame.function, snippet=one.frame.code
        ),
        cold_seconds=_rounded(one.cold),
        warm_seconds=_rounded(one.warm),
        answer=one.answer,
        reason=one.reason,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
