"""How each rank ended: from what it recorded itself, and from what its launcher reports about the processes it watched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compile_doctor.analysis.ranks.comparable import evidence_of
from compile_doctor.analysis.root_cause import RootCause, root_cause
from compile_doctor.model.evidence import Evidence, Failure
from compile_doctor.model.ranks import Rank
from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations

LAUNCHER = "ChildFailedError"
_REPORTED = re.compile(
    r"rank\s*: (\d+) \(local_rank: \d+\)\s*\n\s*exitcode\s*: (-?\d+) \(pid: (\d+)\)(?:[^\S\n]*\((SIG\w+)\))?"
)
_FIRST = re.compile(r"Root Cause \(first observed failure\):\s*\n(.*)", re.DOTALL)
_BY_OTHERS = re.compile(
    r"[Cc]onnection (?:closed|reset|refused)|[Bb]roken pipe|[Tt]imed? ?out|DistNetworkError|DistBackendError|"
    r"NCCL|\bheartbeat\b|recvValue|store->get|RendezvousConnectionError|unhandled system error",
)
"""What the ranks that wait for a dead one raise."""
_COMMUNICATES = re.compile(r"[/\\]torch[/\\]distributed[/\\](?!c10d_logger)")
STOPPED = ("SIGTERM", "SIGKILL", "SIGINT")


@dataclass(frozen=True)
class Ending:
    """How a rank ended, if not in order."""

    rank: Rank
    cause: RootCause | None
    """The exception that it raised."""
    signal: str
    exit_code: int | None
    stood: Frame | None
    """The user's line at which it was when the time was up."""
    waits_in: Frame | None
    """Where in torch it stood, if it was inside of torch."""
    compiling: Frame | None
    """The frame that it was compiling."""
    first: bool
    """Whether the launcher saw this one fail first."""
    open: bool
    """Whether its last record is missing."""
    last: Frame | None = None
    """The last frame that it compiled."""

    @property
    def failed(self) -> bool:
        """Whether it failed by itself, and was not stopped."""
        stopped = self.signal in STOPPED and not (self.first and self.signal == "SIGKILL")
        return bool(self.cause) or (bool(self.signal) and not stopped) or (self.exit_code or 0) > 0

    @property
    def follows(self) -> bool:
        """Whether it only failed because another one did."""
        return bool(self.cause and _BY_OTHERS.search(f"{self.cause.type}: {self.cause.words}"))


def endings(evidence: Evidence) -> tuple[Ending, ...]:
    """Every rank that did not end in order."""
    root = evidence.environment.get("torch_root")
    reported, first = _reported(evidence)
    found = []
    for one in evidence.ranks.all:
        group = evidence.ranks.groups[one.group]
        own = evidence_of(evidence, group)
        code, signal = reported.get(one.number, (None, ""))
        raised = own.failure("compiled") if own else None
        opened = bool(own and own.unended and evidence.children)  # a bare trace never shows how its process ended
        if not raised and not opened and not code and not signal:
            continue
        cause = root_cause(raised, root) if raised else None
        stood, waits = _standing(own, root)
        last = group.steps[-1] if group.steps else None
        frame = Frame(last.file, last.line, last.function) if last else None
        compiling = frame if last and not last.finished else None
        found.append(Ending(one, cause, signal, code, stood, waits, compiling, one.number == first, opened, frame))
    return tuple(found)


def culprit(found: tuple[Ending, ...]) -> Ending | None:
    """The rank that failed by itself: what the others raise when a rank is gone is no cause."""
    failed = [one for one in found if one.failed]
    own = [one for one in failed if not one.follows]
    pool = own or failed
    return next((one for one in pool if one.first), pool[0] if pool else None)


def launcher_failures(evidence: Evidence) -> Iterator[Failure]:
    """What the launcher raised about its ranks."""
    outside = evidence.ranks.outside
    for failure in outside.failures if outside else ():
        if any(LAUNCHER in link.type for link in failure.chain):
            yield failure


def _reported(evidence: Evidence) -> tuple[Mapping[int, tuple[int | None, str]], int | None]:
    """By rank, the exit code and signal that the launcher reports, and the rank that failed first."""
    found: dict[int, tuple[int | None, str]] = {}
    first = None
    for failure in launcher_failures(evidence):
        text = failure.chain[-1].message
        for match in _REPORTED.finditer(text):
            found[int(match[1])] = int(match[2]), match[4] or ""
        after = _FIRST.search(text)
        root = _REPORTED.search(after[1]) if after else None
        first = int(root[1]) if root else first
    return found, first


def _standing(own: Evidence | None, root: str | None) -> tuple[Frame | None, Frame | None]:
    stack = own.standing if own else ()
    mine = locations.innermost_mine(stack, root)
    inside = next((frame for frame in reversed(stack) if _COMMUNICATES.search(frame.file)), None)
    return mine, inside
