"""The verdict on CUDA graphs, compiled graph by compiled graph: captured, in part, or not, with torch's reason and its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from compile_doctor.analysis.attention.calls import place
from compile_doctor.model.compilations import Compilation, LogRecord
from compile_doctor.model.cuda_graphs import CudaGraphFunction
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame

ASKED = ("reduce-overhead", "max-autotune")
"""The modes of torch.compile that use CUDA graphs."""
_SKIPPED = re.compile(
    r"skipping cudagraphs? due to (?:skipping cudagraphs? due to )*(.*?)\.?(?: Found from :?|$)", re.DOTALL
)
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in ([^\n]+)(?:\n\s+(?!File ")([^\n]+))?')
_LEFT_OUT = re.compile(r"^    \S+: reason=(.*?)(?:, ir=.*)?$", re.DOTALL)
_MADE = re.compile(r"^Created (\d+) graph partitions: (\d+) cudagraphable")


@dataclass(frozen=True)
class Reason:
    """Why something is not captured, in torch's words, and the line of the source; None if torch names none."""

    text: str
    frame: Frame | None
    count: int = 1


@dataclass(frozen=True)
class Captured:
    """What became of one compiled graph under CUDA graphs."""

    compilation: Compilation
    state: str
    """`captured`, `partly`, `skipped`, or `not-recorded`: it ran too seldom for torch to record it."""
    functions: tuple[CudaGraphFunction, ...]
    """Its parts that were wrapped, forward and backward."""
    partitions: tuple[int, int] | None
    """(all, those that can be captured), as torch cut the graph; None if it did not say so (before 2.11)."""
    reasons: tuple[Reason, ...]

    @property
    def recordings(self) -> int:
        return max((one.recordings for one in self.functions), default=0)

    @property
    def replays(self) -> int:
        return sum(one.replays for one in self.functions)


def captured(evidence: Evidence) -> tuple[Captured, ...]:
    """One for each compiled graph of a run that asked for CUDA graphs, on a device that has them; else nothing."""
    if evidence.cuda_graphs is None:
        return ()
    asked = evidence.asked.settings.mode in ASKED or evidence.asked.settings.backend == "cudagraphs"
    found = []
    for compilation in evidence.compilations:
        functions = tuple(one for one in evidence.cuda_graphs if one.compile_id == compilation.label)
        logs = [log for log in evidence.logs if log.kind == "cudagraph" and log.compile_id == compilation.label]
        late = [log for log in evidence.logs if log.kind == "cudagraph" and log.compile_id is None and functions]
        if compilation.guarded and compilation.ops and (asked or functions or logs):
            found.append(_judge(evidence, compilation, functions, logs, late))
    return tuple(found)


def _judge(
    evidence: Evidence,
    compilation: Compilation,
    functions: tuple[CudaGraphFunction, ...],
    logs: Sequence[LogRecord],
    late: Sequence[LogRecord],
) -> Captured:
    root: str | None = evidence.environment.get("torch_root")
    reasons = tuple(_merged([*_skipped(logs, root), *_left_out(logs, root)]))
    if not functions and not reasons:
        reasons = tuple(_merged(_skipped(late, root)))
    made = [(int(match[1]), int(match[2])) for log in logs if (match := _MADE.match(log.message))]
    partitions = (sum(one for one, _ in made), sum(one for _, one in made)) if made else None
    if any(one.recordings for one in functions):
        # Without torch's log (before 2.11, or code from the cache): a graph that is not cut is one function for each
        # direction, if its shapes are static. With dynamic shapes there is one for each size.
        static = compilation.frame_compile_id == 0 and not evidence.asked.settings.dynamic
        cut = static and partitions is None and len(functions) > len({one.mode for one in functions})
        state = "partly" if reasons or cut else "captured"
    elif functions and not any(_SKIPPED.search(log.message) for log in (*logs, *late)):
        state = "not-recorded"
    else:
        state = "skipped"
        reasons = reasons or tuple(_merged(_skipped(late, root)))
    return Captured(compilation, state, functions, partitions, reasons)


def _skipped(logs: Sequence[LogRecord], root: str | None) -> Iterator[Reason]:
    for log in logs:
        match = _SKIPPED.search(log.message)
        if match:
            yield Reason(" ".join(match[1].split()).strip("[]'\" "), _line(log.message, root))


def _left_out(logs: Sequence[LogRecord], root: str | None) -> Iterator[Reason]:
    """What lies outside of the partitions that are captured: each operator, followed by the lines of its stack."""
    open_reason, stack = "", ""
    for log in logs:
        match = _LEFT_OUT.match(log.message)
        if match:
            if open_reason:
                yield Reason(open_reason, _line(stack, root))
            open_reason, stack = match[1].strip(), ""
        elif log.message.startswith("         "):
            stack += log.message.strip() + "\n"
    if open_reason:
        yield Reason(open_reason, _line(stack, root))


def _line(text: str, root: str | None) -> Frame | None:
    frames = [Frame(m[1], int(m[2]), m[3].strip(), (m[4] or "").strip()) for m in _FRAME.finditer(text)]
    return place(frames, root)


def _merged(reasons: Iterable[Reason]) -> Iterator[Reason]:
    """Each reason at each line once, with its count."""
    counts: dict[tuple[str, str, int], list[Reason]] = {}
    for one in reasons:
        key = (one.text, one.frame.file if one.frame else "", one.frame.line if one.frame else 0)
        counts.setdefault(key, []).append(one)
    for found in counts.values():
        yield Reason(found[0].text, found[0].frame, len(found))
