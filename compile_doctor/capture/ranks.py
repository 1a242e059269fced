"""Reads the ranks of a distributed run one by one, and keeps the evidence of one of those that did the same.

Ranks of one program mostly do the same. Kept are: for each rank who it is and its times; for each group of equal ranks
their steps, by which groups are compared; for the first groups also the whole evidence, from which findings are made.
So memory does not grow with the ranks, but with what differs.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from compile_doctor.capture.members import Members
from compile_doctor.capture.reading import BadRecordError, decode_event
from compile_doctor.capture.schema import Ranked, SharedRank
from compile_doctor.capture.trace.graph_text import canonical
from compile_doctor.model.asked import Asked
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.ranks import Identity, Rank, RankGroup, Ranks, Step, named
from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations

RANKS = "ranks.json"
"""Of a digest: all ranks, of which only some have files."""
MOST_GROUPS = 48
"""Groups whose evidence is kept whole."""
_HEAD = 1 << 16
"""Bytes at the beginning of a file in which a process says which rank it is."""
_IN_NAME = re.compile(r"(?:^|[_/])rank_(\d{1,9})_")
_IN_RECORD = re.compile(rb'"rank": (\d{1,9})[,}]')
_PROCESS = re.compile(rb"^V\d{4} \S+ (\d+) ")
_OWN = re.compile(rb"0x[0-9a-f]{6,}|\b\d{12,}\b|\bprocess[- ]\d+\b")
"""Addresses, ids of objects, process ids: they differ in every process."""
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}|\b\d{12,}\b")
_VALUE = re.compile(r"(?<![\w\[])-?\d[\d.e+-]*|'[^']*'")
"""Numbers and texts in a guard, but not the index of what is guarded."""
_LOCAL = re.compile(r"VISIBLE_DEVICES|^TORCHINDUCTOR_CACHE_DIR$|^torch_root$|^threads$")
"""Facts of the environment that may differ on purpose, or by the machine."""


@dataclass
class Files:
    """The files of one rank, or of all processes that are none."""

    who: Identity | None
    traces: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    processes: set[str] = field(default_factory=set)


def files_by_rank(members: Members, traces: Iterable[str], events: Iterable[str]) -> list[Files]:
    """The files of each rank, in the order of the ranks of each launch; last those of processes that are no rank."""
    known: dict[str, Identity] = {}
    by_process: dict[str, tuple[list[str], list[str]]] = {}
    for name in events:
        process = name.rpartition("/")[2].removeprefix("process-").removesuffix(".jsonl")
        by_process.setdefault(process, ([], []))[1].append(name)
        who = _identity(_head(members, name))
        if who is not None:
            known[process] = who
    for name in traces:
        head = _head(members, name)
        found = _PROCESS.match(head)
        process = found[1].decode() if found else name
        by_process.setdefault(process, ([], []))[0].append(name)
        said = _IN_NAME.search(name) or _IN_RECORD.search(head)
        if said:
            known.setdefault(process, Identity(int(said[1])))
    groups: dict[tuple[str, int, int] | None, Files] = {}
    for process, (logs, lines) in by_process.items():
        who = known.get(process)
        key = (who.launch, who.restart, who.rank) if who else None
        files = groups.setdefault(key, Files(who))
        files.traces += logs
        files.events += lines
        files.processes.add(process)
    order = sorted(groups, key=lambda key: (key is None, key or ()))
    return [groups[key] for key in order]


def several(parts: Iterable[Files]) -> bool:
    """Whether this is a run of several ranks, of which perhaps only one is here."""
    found = [part.who for part in parts if part.who is not None]
    return len({who.rank for who in found}) > 1 or any((who.world_size or 1) > 1 for who in found)


def _head(members: Members, name: str) -> bytes:
    try:
        with members.open(name) as stream:
            return stream.read(_HEAD)
    except Exception:  # reading the whole file reports the error
        return b""


def _identity(head: bytes) -> Identity | None:
    for line in head.split(b"\n"):
        if b'"ranked"' in line[:40]:
            try:
                event = decode_event(line)
            except BadRecordError:
                return None
            return event.who if isinstance(event, Ranked) else None
    return None


def sameness(evidence: Evidence) -> str:
    """A digest that is equal for ranks that did the same: without times, process ids, addresses and names of files."""
    plain = replace(
        evidence,
        environment=_facts(evidence),
        compilations=tuple(map(_without_process, evidence.compilations)),
        aside=(),
        calls=(),
        guards=(),
        logs=tuple(replace(one, process="") for one in evidence.logs),
        counts=tuple(replace(one, process="") for one in evidence.counts),
        attention=replace(evidence.attention, ran={}, blocks={}),
        seconds={},
        mesh="",
        facts=replace(evidence.facts, beyond_limit={}),
    )
    ran = sorted((number, count) for (_, number), count in evidence.attention.ran.items())
    refused = sorted(evidence.facts.beyond_limit.values())
    text = msgspec.json.encode([plain, ran, refused], enc_hook=str)
    found = hashlib.sha256(_OWN.sub(b"", text))
    for settings in dict.fromkeys(one.settings for one in evidence.compilations):  # long texts, without addresses
        found.update("\0".join(settings).encode())
    return found.hexdigest()


def _without_process(one: Compilation) -> Compilation:
    """A compilation without what differs in every process: its id, its times, the names of groups of some ranks."""
    graph = one.traced
    traced = replace(graph, collectives=canonical(graph.collectives), constants=(), operators=()) if graph else None
    calls = canonical(one.collectives) if one.collectives is not None else None
    bare = replace(
        one, process="", begun=None, seconds=None, settings=("", ""), timing=None, answers=(), guards=(None, None)
    )
    return replace(bare, traced=traced, collectives=calls)


def _facts(evidence: Evidence) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in evidence.environment.items()
        if value is not None and not _LOCAL.search(name)
    }


class Collector:
    """Takes the ranks one after the other; `ranks` is the result."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._groups: list[RankGroup] = []
        self._outlines: set[str] = set()
        self._steps: dict[Step, Step] = {}
        self._facts: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
        self._all: list[Rank] = []

    def add(self, files: Files, evidence: Evidence, whole: Callable[[], Evidence]) -> None:
        """Adds a rank that was just read. `whole` reads it with all details, if it is the first of its group."""
        assert files.who is not None
        key = sameness(evidence)
        if key not in self._numbers:
            steps = tuple(steps_of(evidence))
            group = RankGroup(key, outline_of(steps, evidence), steps, None, evidence.compile_calls)
            self._take(replace(group, evidence=whole() if self._keeps(group) else None))
        self._all.append(
            Rank(
                replace(files.who, mesh=evidence.mesh) if evidence.mesh else files.who,
                self._numbers[key],
                processes=tuple(sorted(files.processes)),
                seconds=tuple(one.seconds for one in evidence.compilations),
                begun=tuple(one.begun for one in evidence.compilations),
                facts=self._once(_facts(evidence)),
            )
        )

    def knows(self, groups: Iterable[RankGroup]) -> bool:
        """Whether ranks that did the same as all of these were added before."""
        return all(group.key in self._numbers for group in groups)

    def add_all(self, ranks: Ranks, source: str = "") -> None:
        """Adds the ranks of another process, or another capture."""
        for group in ranks.groups:
            if group.key not in self._numbers:
                self._take(group if self._keeps(group) else replace(group, evidence=None))
        for one in (*ranks.all, *ranks.earlier):
            self.add_rank(one, ranks.groups[one.group].key, source)

    def add_rank(self, rank: Rank, key: str, source: str = "") -> None:
        """Adds a rank whose group is known."""
        facts = self._once(rank.facts)
        self._all.append(replace(rank, group=self._numbers[key], source=source or rank.source, facts=facts))

    def add_shared(self, shared: Iterable[SharedRank]) -> None:
        """Adds the ranks of a digest that share the files of one that was read."""
        shared = tuple(shared)
        read = {(one.who.launch, one.who.restart, one.number): self._groups[one.group].key for one in self._all}
        keys = {
            one.key: read[identity]
            for one in shared
            if (identity := (one.rank.who.launch, one.rank.who.restart, one.rank.number)) in read
        }
        for one in shared:
            known = (one.rank.who.launch, one.rank.who.restart, one.rank.number) in read
            if not known and one.key in keys:
                self.add_rank(one.rank, keys[one.key])

    def _keeps(self, group: RankGroup) -> bool:
        """Whether the evidence of a new group is kept."""
        new = group.outline not in self._outlines
        return len(self._groups) < MOST_GROUPS or (new and len(self._outlines) < MOST_GROUPS)

    def _take(self, group: RankGroup) -> None:
        steps = tuple(self._steps.setdefault(step, step) for step in group.steps)
        self._outlines.add(group.outline)
        self._numbers[group.key] = len(self._groups)
        self._groups.append(replace(group, steps=steps))

    def _once(self, facts: Mapping[str, str]) -> Mapping[str, str]:
        """One object for the equal facts of many ranks."""
        return self._facts.setdefault(tuple(facts.items()), facts)

    def everything(self) -> Ranks:
        """All ranks as they were added, of whatever launch."""
        return Ranks(tuple(self._all), tuple(self._groups))

    def ranks(self, outside: Evidence | None) -> Ranks:
        """The result: the ranks of the last launch, and apart from them those of earlier ones."""
        read_at = {(one.who.launch, one.who.restart): at for at, one in enumerate(self._all)}
        # Later restarts are later; of different launches, the one that was read last.
        last = max(read_at, default=("", 0), key=lambda launch: (launch[1], read_at[launch]))
        now = [one for one in self._all if (one.who.launch, one.who.restart) == last]
        earlier = [one for one in self._all if (one.who.launch, one.who.restart) != last]
        ordered = tuple(sorted(now, key=lambda one: one.number))
        return Ranks(ordered, tuple(self._groups), outside, tuple(earlier))


def joined(ranks: Ranks, asked: Asked, children: tuple[Child, ...]) -> Evidence:
    """The evidence of a run with ranks: that of one rank of each group, and of the processes that are no rank."""
    labelled: list[tuple[str, Evidence]] = []
    for number, group in enumerate(ranks.groups):
        if group.evidence is not None:
            members = [one.number for one in (*ranks.of_group(number), *ranks.earlier_of_group(number))]
            labelled.append((named(members, ranks.world_size) + ": ", group.evidence))
    if ranks.outside is not None:
        labelled.append(("", ranks.outside))
    parts = [evidence for _, evidence in labelled]
    shift = 0
    breaks: list[Break] = []
    for part in parts:
        breaks += [replace(b, compilation=b.compilation + shift if b.compilation >= 0 else -1) for b in part.breaks]
        shift += len(part.compilations)
    first = parts[0] if parts else Evidence(asked)
    return replace(
        first,
        asked=asked,
        children=children,
        facts=replace(
            first.facts,
            search_path=tuple(dict.fromkeys(path for part in parts for path in part.facts.search_path)),
            files=tuple(dict.fromkeys(file for part in parts for file in part.facts.files)),
            beyond_limit={label: count for part in parts for label, count in part.facts.beyond_limit.items()},
        ),
        compilations=tuple(one for part in parts for one in part.compilations),
        aside=tuple(span for part in parts for span in part.aside),
        calls=tuple(call for part in parts for call in part.calls),
        guards=tuple(one for part in parts for one in part.guards),
        breaks=tuple(breaks),
        logs=tuple(one for part in parts for one in part.logs),
        never_called=tuple(one for part in parts for one in part.never_called),
        called_in_vain=tuple(one for part in parts for one in part.called_in_vain),
        late_hooks=tuple(one for part in parts for one in part.late_hooks),
        compile_calls=tuple(one for part in parts for one in part.compile_calls),
        counts=tuple(one for part in parts for one in part.counts),
        failures=tuple(one for part in parts for one in part.failures),
        bytecode={key: one for part in parts for key, one in part.bytecode.items()},
        unknown=dict(sorted(sum((Counter(part.unknown) for part in parts), Counter[str]()).items())),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        lost=tuple(label + text for label, part in labelled for text in part.lost),
        unended=tuple(label + text for label, part in labelled for text in part.unended),
        mesh="",
        standing=(),
        ranks=ranks,
    )


def steps_of(evidence: Evidence) -> Iterator[Step]:
    """Each compilation, as ranks are compared by."""
    breaks: dict[int, list[tuple[str, int, str]]] = {}
    root = evidence.environment.get("torch_root")
    for item in evidence.breaks:
        at = locations.innermost(item.stack, root) or Frame(*item.recorded_at, "")
        breaks.setdefault(item.compilation, []).append((at.file, at.line, item.reason.partition("\n")[0][:200]))
    for index, one in enumerate(evidence.compilations):
        yield _step(one, tuple(breaks.get(index, ())), root)


def outline_of(steps: Iterable[Step], evidence: Evidence) -> str:
    """A digest of what was done and how it ended, without sizes, values and what caches answered."""
    plain = [
        (
            *(
                one.file,
                one.line,
                one.function,
                one.label,
                one.breaks,
                one.finished,
                one.graph,
                canonical(one.collectives),
            ),
            tuple(_VALUE.sub("", reason) for reason in one.reasons),
        )
        for one in steps
    ]
    ended = [_VALUE.sub("", text) for text in (*evidence.lost, *evidence.unended)]
    raised = [(one.phase, *(link.type for link in one.chain)) for one in evidence.failures]
    return hashlib.sha256(repr((plain, ended, raised, evidence.standing)).encode()).hexdigest()


def _step(one: Compilation, breaks: tuple[tuple[str, int, str], ...], root: str | None) -> Step:
    traced = one.traced
    seen = one.graph.collectives if one.graph else ()
    calls = one.collectives if one.collectives is not None else traced.collectives if traced else ()
    return Step(
        file=one.file,
        line=one.line,
        function=one.function,
        label=one.label,
        stack=one.stack[-3:],
        reasons=tuple(_ADDRESS.sub("…", reason.splitlines()[0])[:300] for reason in one.recompile_reasons),
        breaks=breaks,
        finished=one.guarded is not None,
        graph=traced.digest if traced else "",
        operators=traced.operators if traced else (),
        sizes=traced.sizes if traced else (),
        collectives=calls,
        lines=tuple(locations.innermost_mine(stack, root) or stack[-1] for stack in seen if stack),
        cache=one.cache,
        settings=one.settings,
    )
