"""Groups evidence into what the checks need: break sites, skipped frames, recompilations, attention, and their costs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from compile_doctor.analysis.attention.growth import verdicts
from compile_doctor.analysis.attention.input_errors import Refusal, explain
from compile_doctor.analysis.attention.verdicts import Verdict
from compile_doctor.analysis.attention.written import WrittenScores, written_scores
from compile_doctor.analysis.cuda_graphs import Captured, captured
from compile_doctor.analysis.graph_breaks.sites import BreakSite, break_sites
from compile_doctor.analysis.graph_breaks.skipped import COMPREHENSIONS, Skipped, find_skipped
from compile_doctor.analysis.ranks.comparable import evidence_of
from compile_doctor.analysis.recompiles.groups import Recompiled, group_recompilations
from compile_doctor.analysis.starts import Asked, asked_again
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Evidence, Failure
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations
from compile_doctor.source.static_facts import StaticFacts, read_static

_ITERATES_IN_C = re.compile(r"tp_iternext|implements '__next__' in C")
"""torch up to 2.13, and from 2.14 on."""
_DISABLED = re.compile(
    r"<function (\S+) at 0x[0-9a-f]+>.*?(?:was|is) wrapped with `torch\.compiler\.disable`", re.DOTALL
)


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
    def sites(self) -> tuple[BreakSite, ...]:
        """The graph breaks, by root cause."""
        return break_sites(self)

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

    def is_leftover(self, item: Break) -> bool:
        """A comprehension that Dynamo compiles separately, because it gave up the function around it, has no iterator."""
        compilation = self.compilation(item)
        return (
            compilation is not None
            and compilation.function in COMPREHENSIONS
            and bool(_ITERATES_IN_C.search(item.reason))
        )

    def is_interior(self, item: Break) -> bool:
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
        return tuple(item for item in self.evidence.breaks if self.is_interior(item))

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
