"""Groups evidence into what the checks need: break sites, skipped frames, recompilations, attention, and their costs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from compile_doctor.analysis.attention.calls import place as place_of_call
from compile_doctor.analysis.attention.growth import verdicts
from compile_doctor.analysis.attention.input_errors import Refusal, explain
from compile_doctor.analysis.attention.verdicts import Verdict
from compile_doctor.analysis.attention.written import WrittenScores, written_scores
from compile_doctor.analysis.cuda_graphs import Captured, captured
from compile_doctor.analysis.decorated import written_at
from compile_doctor.analysis.graph_breaks.advice import advised, cause_at
from compile_doctor.analysis.graph_breaks.causes import Cause, find_cause
from compile_doctor.analysis.graph_breaks.follow_ons import fold_follow_ons
from compile_doctor.analysis.graph_breaks.inputs import inputs_at
from compile_doctor.analysis.graph_breaks.skipped import COMPREHENSIONS, Skipped, find_skipped
from compile_doctor.analysis.ranks.comparable import evidence_of
from compile_doctor.analysis.recompiles.groups import Recompiled, group_recompilations
from compile_doctor.analysis.starts import Asked, asked_again
from compile_doctor.capture.trace.read import function_name
from compile_doctor.model.attention import Graph
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Evidence, Failure
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations
from compile_doctor.source.static_facts import StaticFacts, read_static

_DISABLED = re.compile(
    r"<function (\S+) at 0x[0-9a-f]+>.*?(?:was|is) wrapped with `torch\.compiler\.disable`", re.DOTALL
)


UNKNOWN_RESTART = "Unknown fail_and_restart_analysis"
RAISED = "observed-exception"


@dataclass(frozen=True)
class BreakSite:
    """One root cause of graph breaks: a line, and why Dynamo stops there."""

    frame: Frame
    cause: Cause
    upstream: str | None
    reason: str
    breaks: tuple[Break, ...]
    callers: int
    """The number of calling frames that broke only because of it."""
    told: bool
    """False if torch named no line of the user's: the place is only where it was noticed."""
    loop: bool
    """Whether the line is in a loop of a frame that Dynamo gave up because of it."""
    followed: tuple[Break, ...] = ()
    """Breaks for other reasons that are only there because of this one."""

    @property
    def all_breaks(self) -> tuple[Break, ...]:
        return (*self.breaks, *self.followed)


def is_safe_softmax(reason: str) -> bool:
    """Whether a break is about `torch._safe_softmax`, of torch's own dense attention: CD307."""
    return "_safe_softmax" in reason


class AnalysisContext:
    """The evidence and what is derived from it, each part computed once. Every check's `detect` gets one of these."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.torch_root: str | None = evidence.environment.get("torch_root")
        self._roots = locations.user_roots(evidence.asked.cwd, evidence.asked.target, evidence.facts.search_path)

    @cached_property
    def cuda_graphs(self) -> tuple[Captured, ...]:
        """What became of each compiled graph under CUDA graphs; empty if nobody asked for them, or without such a device."""
        return captured(self.evidence)

    @cached_property
    def written(self) -> tuple[WrittenScores, ...]:
        """Attention whose scores are written out, without a call of SDPA or flex_attention."""
        return written_scores(self.evidence)

    @cached_property
    def asked_again(self) -> tuple[Asked, ...]:
        """What torch's caches answered in the second of two starts; empty unless `coldstart` made them."""
        return tuple(asked_again(self.evidence))

    @cached_property
    def of_groups(self) -> tuple[AnalysisContext | None, ...]:
        """One context for each group of ranks that did the same; None for one whose evidence is not kept."""
        whole = self.evidence
        found = (evidence_of(whole, group) for group in whole.ranks.groups)
        return tuple(AnalysisContext(one) if one else None for one in found)

    @cached_property
    def sites(self) -> tuple[BreakSite, ...]:
        groups: dict[tuple[str, int, str], list[Break]] = defaultdict(list)
        causes: dict[str, Cause] = {}
        for item in self.evidence.breaks:
            if self.raised is not None and self.compilation(item) is self.raised:
                continue  # fullgraph=True turned it into an error: CD106
            if self._is_interior(item):
                continue
            frame = self.place(item)
            if self.refused_at(item):
                continue
            text = self.evidence.sources.get(frame.file, "")
            cause = cause_at(find_cause(item.reason, item.upstream), text, frame.line, inputs_at(self, frame))
            causes[cause.key] = cause
            groups[frame.file, frame.line, cause.key].append(item)
        for item in self._unrecorded():
            cause = find_cause(item.reason, None)
            causes[cause.key] = cause
            groups[item.recorded_at[0], item.recorded_at[1], cause.key].append(item)
        self._fold_raised(groups)
        followed = fold_follow_ons(self, groups)
        for key in [key for key, items in groups.items() if all(map(self.is_leftover, items))]:
            del groups[key]  # of a frame whose break is not in the trace
        return tuple(self._site(breaks, causes[key[2]], followed.get(key, ())) for key, breaks in groups.items())

    def _unrecorded(self) -> Iterator[Break]:
        """Breaks that torch 2.8 and 2.9 record only as a restart: the frame is known, neither the line nor the reason."""
        recorded = {item.compilation for item in self.evidence.breaks}
        for index, compilation in enumerate(self.evidence.compilations):
            if UNKNOWN_RESTART in compilation.restarts and index not in recorded:
                name = function_name(compilation.function)
                line = locations.definition_line(self.evidence.sources, compilation.file, compilation.line, name)
                yield Break(
                    index, self._only_reason(), None, (), (compilation.file, line), False, "compilation_metrics"
                )

    def _only_reason(self) -> str:
        """What Dynamo could not do according to its counters, if that is a single thing."""
        reasons = {reason for counts in self.evidence.counts for reason in counts.counters.get("unimplemented", {})}
        return reasons.pop() if len(reasons) == 1 else "Break without a record"

    def _fold_raised(self, groups: dict[tuple[str, int, str], list[Break]]) -> None:
        """An exception is recorded where it leaves a `finally` or a decorator; the frame that raised it has a record too."""
        left = {key: number for number, key in enumerate(groups) if key[2] == RAISED}
        led: dict[tuple[str, str], set[tuple[str, int, str]]] = defaultdict(set)
        """By (file, function), the breaks that it led to."""
        for key in left:
            for frame in {f for item in groups[key] for f in self._outer_frames(item)}:
                led[frame.file, frame.function].add(key)
        for key in tuple(left):
            first = groups[key][0]
            inside = led[key[0], self.place(first).function] & left.keys() - {key}
            if locations.in_finally(self.evidence.sources, key[0], key[1]):
                later = (other for other in left if groups[other][0].compilation > first.compilation)
                inside |= {*islice(later, 1)}
            if inside:
                into = min(inside, key=left.__getitem__)
                for item in groups[key]:
                    for frame in self._outer_frames(item):
                        led[frame.file, frame.function].add(into)
                groups[into].extend(groups.pop(key))
                del left[key]

    def _outer_frames(self, item: Break) -> tuple[Frame, ...]:
        """The frames that led to the break: a `dynamo_error` has only those below the compiled one."""
        compilation = self.compilation(item)
        return (compilation.stack[:-1] if compilation else ()) + item.stack[:-1]

    def is_leftover(self, item: Break) -> bool:
        """A comprehension that Dynamo compiles separately, because it gave up the function around it, has no iterator."""
        compilation = self.compilation(item)
        return compilation is not None and compilation.function in COMPREHENSIONS and "tp_iternext" in item.reason

    def _is_interior(self, item: Break) -> bool:
        """Dynamo traced flex_attention's dense path from inside: what breaks there is a consequence (CD301, CD307)."""
        compilation = self.compilation(item)
        if compilation is not None and locations.is_interior(compilation.file, function_name(compilation.function)):
            return True
        last = item.stack[-1] if item.stack else None
        return last is not None and compilation is not None and locations.is_flex(compilation.file, last.file)

    def refused_at(self, item: Break) -> bool:
        """Attention refused an input and that ended the run: a break at its line is the same event, not another finding."""
        refused = self.refusal.frame if self.refusal else None
        return refused is not None and any((f.file, f.line) == (refused.file, refused.line) for f in item.stack)

    @cached_property
    def interior_breaks(self) -> tuple[Break, ...]:
        """The breaks inside flex_attention's own code."""
        return tuple(item for item in self.evidence.breaks if self._is_interior(item))

    @cached_property
    def attention(self) -> tuple[Verdict, ...]:
        """One verdict for each line that called attention."""
        return verdicts(self.evidence.rungs, self.evidence)

    @cached_property
    def refusal(self) -> Refusal | None:
        """What attention refused, if that ended the compiled run; also if torch.compile stumbled over the same input before."""
        if self.failure is None:
            return None
        eager = self.evidence.failure("eager")
        return explain(self.evidence, self.failure, self.torch_root) or explain(self.evidence, eager, self.torch_root)

    @cached_property
    def refused_eagerly(self) -> Refusal | None:
        """What attention refused in the eager control run only: the compiled run is then judged without a control."""
        done = self.evidence.phases.get("compiled") == "done" and self.failure is None
        return explain(self.evidence, self.evidence.failure("eager"), self.torch_root) if done else None

    @cached_property
    def failing_graph(self) -> Graph | None:
        """The graph with attention in it that failed to compile."""
        graphs = (c.graph for c in reversed(self.evidence.compilations) if c.guarded is not True)
        return next((graph for graph in graphs if graph and graph.attention), None)

    def failing_attention(self) -> Frame | None:
        """The line of the attention call in the graph that failed to compile, if that graph has exactly one such line."""
        graph = self.failing_graph
        if graph is None:
            return None
        root = self.torch_root
        found = {place_of_call(node.stack, root) or place_of_call(graph.callers, root) for node in graph.attention}
        return found.pop() if len(found) == 1 else None

    @cached_property
    def static(self) -> StaticFacts:
        """What the sources of the target show, without running them."""
        return read_static(self.own_sources)

    @cached_property
    def own_sources(self) -> dict[str, str]:
        """The target's own files, by name."""
        return {name: text for name, text in self.evidence.sources.items() if self.owner(name) == "mine"}

    def place(self, item: Break) -> Frame:
        """The innermost line outside torch; for a disabled function without one, its `def`; else what torch names."""
        frame = locations.innermost(item.stack, self.torch_root)
        compilation = self.compilation(item)
        if compilation and (frame is None or (locations.is_called(frame.file) and not self.is_known(frame.file))):
            # torch 2.8 compiles logging and similar modules separately: the place is the line that called them.
            frame = locations.innermost(compilation.stack, self.torch_root) or frame
        if frame is None or locations.is_plumbing(frame.file):
            disabled = _DISABLED.search(item.reason)
            found = locations.find_definition(self.evidence.sources, disabled[1]) if disabled else None
            frame = Frame(found[0], found[1], disabled[1]) if found and disabled else frame
        name = function_name(compilation.function) if compilation else "?"
        return frame or Frame(item.recorded_at[0], item.recorded_at[1], name)

    def is_known(self, file: str) -> bool:
        """Whether it is generated code of which the probe knows what it stands for."""
        return any(file == name for name, _, _ in self.evidence.generated)

    def same_function(self, compilation: Compilation, frame: Frame) -> bool:
        """Whether a stack's frame is the compiled one: two classes of a file may both have a `forward`."""
        name = function_name(compilation.function)
        if frame.file != compilation.file or frame.function != name:
            return False
        sources = self.evidence.sources
        return locations.qualified(sources, frame.file, frame.line, name) == locations.qualified(
            sources, frame.file, compilation.line, name
        )

    def _site(self, breaks: list[Break], cause: Cause, followed: Iterable[Break]) -> BreakSite:
        frame = self.place(breaks[0])
        own = [item for item in breaks if self._is_own_frame(item, frame)]
        callers = {item.compilation for item in breaks} - {item.compilation for item in own}
        loop = any(self.in_loop(item) for item in own)
        led = self.via(breaks[0].stack, frame)
        frame = written_at(self.evidence, frame)
        return BreakSite(
            frame=frame,
            cause=advised(
                cause,
                breaks[0].reason,
                self.evidence.sources,
                frame,
                self.owner(frame.file),
                led,
                inputs_at(self, frame),
                breaks[0].stack,
                self._called_back(led) if led else (),
            ),
            upstream=next((item.upstream for item in breaks if item.upstream), None),
            reason=breaks[0].reason,
            breaks=tuple(breaks),
            callers=len(callers),
            told=bool(breaks[0].stack)
            and not (cause.key == RAISED and locations.in_finally(self.evidence.sources, frame.file, frame.line)),
            loop=loop,
            followed=tuple(followed),
        )

    @cached_property
    def _back(self) -> dict[tuple[str, int | None], tuple[int, ...]]:
        """What `_called_back` has found: many breaks are behind one line of the user."""
        return {}

    def _called_back(self, led: Location) -> tuple[int, ...]:
        """Lines of the file of a user's line that ran when the package, which that line had called, called them."""
        if (led.file, led.line) in self._back:
            return self._back[led.file, led.line]
        found: dict[int, None] = {}
        for one in self.evidence.compilations:
            at = next(
                (n for n, frame in enumerate(one.stack) if (frame.file, frame.line) == (led.file, led.line)), None
            )
            inner = [frame.file for frame in one.stack[at + 1 :]] if at is not None else []
            if any(self.owner(file) == "dependency" and not locations.is_stdlib(file) for file in inner):
                operators = one.traced.operators if one.traced else ()
                lines = [one.line] if one.file == led.file else []
                found.update(dict.fromkeys([*lines, *(each.line for each in operators if each.file == led.file)]))
        self._back[led.file, led.line] = tuple(found)
        return self._back[led.file, led.line]

    def _is_own_frame(self, item: Break, frame: Frame) -> bool:
        """Whether the frame being compiled is the one that holds the breaking line."""
        compilation = self.compilation(item)
        return compilation is not None and self.same_function(compilation, frame)

    def in_loop(self, item: Break) -> bool:
        """Whether the break is in a loop of its own frame: from torch (2.9 and later), or from the source (2.8)."""
        compilation = self.compilation(item)
        if compilation is None or not self.gave_up(compilation):
            return False
        at = self.line_in(compilation, item)
        return item.in_loop or locations.in_loop(self.evidence.sources, compilation.file, at, compilation.line)

    def line_in(self, compilation: Compilation, item: Break) -> int:
        return next((frame.line for frame in item.stack if self.same_function(compilation, frame)), compilation.line)

    def compilation(self, item: Break) -> Compilation | None:
        return self.evidence.compilations[item.compilation] if item.compilation >= 0 else None

    def gave_up(self, compilation: Compilation) -> bool:
        return compilation.guarded is False and compilation is not self.raised

    @cached_property
    def raised(self) -> Compilation | None:
        """The compilation that ended the compiled run with an exception: an error, not a skipped frame."""
        failure = self.failure
        if failure is None:
            return None
        last = next((c for c in reversed(self.evidence.compilations) if c.fail_type or c.guarded is None), None)
        if last is None:
            return None
        first_line = (last.fail_reason or "").strip().split("\n", 1)[0]
        same = any(first_line and first_line in link.message for link in failure.chain)
        return last if same or last.guarded is None or last.fail_type != "Unsupported" else None

    @cached_property
    def failure(self) -> Failure | None:
        return self.evidence.failure("compiled")

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """What ran in plain Python because of a break or an error."""
        return find_skipped(self)

    @cached_property
    def site_of(self) -> dict[Break, BreakSite]:
        return {item: site for site in reversed(self.sites) for item in site.all_breaks}

    @cached_property
    def recompiled(self) -> tuple[Recompiled, ...]:
        return group_recompilations(self.evidence, self.torch_root, [site.frame for site in self.sites])

    def snippet(self, file: str, line: int) -> str:
        return locations.snippet(self.evidence.sources, file, line)

    def location(self, file: str, line: int, function: str) -> Location:
        qualified = locations.qualified(self.evidence.sources, file, line, function)
        return Location(file, line, qualified, self.snippet(file, line))

    def owner(self, file: str) -> str:
        whose = locations.owner(file, self.torch_root)
        return "dependency" if whose == "mine" and locations.is_generated(file, self._roots) else whose

    def via(self, stack: Iterable[Frame], place: Frame) -> Location | None:
        """The line that leads to a place in a package: the user's own, or (for a place in torch) another package's."""
        whose = self.owner(place.file)
        if whose == "mine":
            return None
        frame = next((one for one in reversed(tuple(stack)) if self.owner(one.file) == "mine"), None)
        if frame is None and whose == "torch":
            packages = (f for f in stack if self.owner(f.file) == "dependency" and not locations.is_stdlib(f.file))
            frame = locations.innermost(packages, self.torch_root)
        return self.location(frame.file, frame.line, frame.function) if frame else None
