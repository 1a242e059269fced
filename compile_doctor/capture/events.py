"""Converts the probe's events of all processes to evidence. Lines that cannot be read are named in `lost`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.capture.attention import AttentionReader, read_tensors
from compile_doctor.capture.reading import BadRecordError, decode_event
from compile_doctor.capture.trace.contents import Trace
from compile_doctor.capture.trace.read import MOST_BAD
from compile_doctor.model.asked import Asked
from compile_doctor.model.comparisons import Comparison
from compile_doctor.model.compilations import CalledInVain, Counts, LateHook, LogRecord, NeverCalled
from compile_doctor.model.cuda_graphs import CudaGraphFunction
from compile_doctor.model.evidence import Child, Evidence, Facts, Failure, Patch
from compile_doctor.model.guards import GuardCost
from compile_doctor.model.ranks import CompileCall
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import Call

PHASES = ("import", "build", "inputs", "compiled", "eager", "numerics")


def read_failure(event: schema.Raised | schema.Outcome, phase: str) -> Failure:
    """An exception, as `probe.failures.describe` wrote it."""
    return Failure(phase, event.chain, event.text, read_tensors(event.attention) if event.attention else ())


class EventReader:
    """Collects the events of all processes of a capture."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        self.notes: dict[str, None] = {}
        self.environment: dict[str, Any] = {}
        self.logs: list[LogRecord] = []
        self.counts: dict[str, Counts] = {}
        self.failures: list[Failure] = []
        self.phases: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.bytecode: list[schema.Bytecode] = []
        self.never_called: list[NeverCalled] = []
        self.called_in_vain: list[CalledInVain] = []
        self.late_hooks: list[LateHook] = []
        self.compile_calls: list[CompileCall] = []
        self.generated: dict[tuple[str, int, str], Frame] = {}
        self.facts = Facts()
        self.difference: float | None = None
        self.comparisons: list[Comparison] = []
        self.calls: list[Call] = []
        self.guards: list[tuple[str, GuardCost]] = []
        self.attention = AttentionReader()
        self.patches: dict[str, Patch] = {}
        self.cuda_graphs: list[CudaGraphFunction] | None = None
        self.mesh = ""
        self.begun: dict[str, str] = {}
        """Processes that wrote something, with their command."""
        self.ended: set[str] = set()

    def read(self, name: str, lines: Iterable[bytes]) -> None:
        """The events of one process, from `process-PID.jsonl`."""
        process = name.removeprefix("process-").removesuffix(".jsonl")
        self.begun.setdefault(process, "")
        bad = 0
        for number, line in enumerate(lines, 1):
            try:
                event = decode_event(line)
            except BadRecordError as error:
                self.lost.append(f"{name}, line {number}: {error}")
                bad += 1
                if bad == MOST_BAD:
                    self.lost.append(f"{name}: too many lines are not events, so the rest was not read")
                    break
                continue
            if isinstance(event, schema.End):
                self._end(name, process, event, number)
            elif not self.attention.take(process, event):
                _TAKES[type(event)](self, process, event)

    def _end(self, name: str, process: str, event: schema.End, number: int) -> None:
        if event.events > number - 1:
            self.lost.append(f"{name}: it has {number - 1} of the {event.events} events that were written")
        elif event.events < number - 1:
            self.lost.append(
                f"{name}: it has more events than its process wrote, which continued as another program (exec)"
            )
        self.ended.add(process)

    def evidence(self, asked: Asked, children: tuple[Child, ...], trace: Trace) -> Evidence:
        environment = dict(self.environment)
        environment.setdefault("torch", trace.torch_version)
        compiled = {one.process for one in trace.compilations}
        unended = [one for one in sorted({*self.begun, *compiled}) if one not in self.ended]
        return Evidence(
            asked=asked,
            facts=replace(self.facts, beyond_limit=trace.beyond_limit),
            environment=environment,
            compilations=tuple(trace.compilations),
            aside=tuple(trace.aside),
            calls=tuple(self.calls),
            guards=tuple(self.guards),
            breaks=tuple(trace.breaks),
            logs=tuple(self.logs),
            never_called=tuple(self.never_called),
            called_in_vain=tuple(self.called_in_vain),
            late_hooks=tuple(self.late_hooks),
            compile_calls=tuple(self.compile_calls),
            generated=self.generated,
            counts=tuple(self.counts.values()),
            failures=tuple(self.failures),
            children=children,
            phases={name: self.phases[name] for name in PHASES if name in self.phases},
            seconds=self.seconds,
            max_difference=self.difference,
            comparisons=tuple(self.comparisons),
            unknown=dict(sorted(trace.unknown.items())),
            attention=self.attention.evidence(),
            patches=tuple(self.patches[name] for name in sorted(self.patches)),
            cuda_graphs=None if self.cuda_graphs is None else tuple(self.cuda_graphs),
            notes=(*self.notes, *_untimed(trace)),
            lost=tuple(self.lost),
            unended=tuple(self._unended(one) for one in unended),
            mesh=self.mesh,
        )

    def _unended(self, process: str) -> str:
        """A sentence about a process without an end; without events, it is known only from torch's trace."""
        if process not in self.begun:
            return (
                f"process {process} compiled without compile-doctor's probe "
                "(another process of the target, or python -I, -E or -S)"
            )
        what = f" ({self.begun[process]})" if self.begun[process] else ""
        return f"process {process}{what} ended without its last record (killed, a terminated pool, os._exit or exec?)"

    def _start(self, process: str, event: schema.Start) -> None:
        self.environment.setdefault("python", event.python)
        self.begun[process] = " ".join(event.argv)[:100]
        self.facts = replace(self.facts, search_path=(*self.facts.search_path, *event.path))

    def _environment(self, process: str, event: schema.Environment) -> None:
        self.environment.update(event.values)

    def _target(self, process: str, event: schema.Target) -> None:
        self.facts = replace(self.facts, convention=event.convention)

    def _not_a_target(self, process: str, event: schema.NotATarget) -> None:
        self.facts = replace(self.facts, not_a_target=event.message)

    def _usage(self, process: str, event: schema.Usage) -> None:
        self.facts = replace(self.facts, usage=event.message)

    def _compile(self, process: str, event: schema.Compile) -> None:
        self.facts = replace(self.facts, as_is=event.as_is, compiled_parts=event.parts)

    def _compiled_run(self, process: str, event: schema.CompiledRun) -> None:
        harmless = event.stance in ("default", "fail_on_recompile")  # with these, nothing runs eagerly
        stance = "" if harmless else f'torch.compiler.set_stance("{event.stance}") was in effect'
        switched = "torch._dynamo.config.disable was set" if event.disabled else stance
        alone = event.graphs_after == event.graphs_before
        self.facts = replace(self.facts, nothing_new=alone, restrained=switched)

    def _clean_cache(self, process: str, event: schema.CleanCache) -> None:
        self.facts = replace(self.facts, damaged_cache=event.folders)

    def _phase(self, process: str, event: schema.Phase) -> None:
        self.phases[event.name] = event.state
        if event.seconds is not None:
            self.seconds[event.name] = event.seconds

    def _run(self, process: str, event: schema.Run) -> None:
        self.facts = replace(self.facts, runs=max(self.facts.runs, event.index + 1))

    def _failure(self, process: str, event: schema.Raised) -> None:
        self.failures.append(read_failure(event, event.phase))

    def _log(self, process: str, event: schema.Log) -> None:
        self.logs.append(LogRecord(process, event.kind, event.message, event.compile_id))

    def _counters(self, process: str, event: schema.Counters) -> None:
        self.counts[process] = Counts(process, event.counters)

    def _difference(self, process: str, event: schema.Difference) -> None:
        self.difference = event.value
        self.facts = replace(
            self.facts,
            not_compared=event.reason,
            unlike=event.unlike,
            doubt=event.doubt or "",
            looked_twice=event.doubt is not None,
            largest_output=event.scale,
            random=event.random,
        )

    def _called(self, process: str, event: schema.Called) -> None:
        if event.begun is not None:
            self.calls.append(Call(event.phase, event.index, int(event.begun), int(event.seconds * 1e6)))
        if event.phase == "compiled" and event.index:
            known = self.facts.warm_call
            self.facts = replace(self.facts, warm_call=min(event.seconds, event.seconds if known is None else known))

    def _compared(self, process: str, event: Comparison) -> None:
        self.comparisons.append(event)

    def _bytecode(self, process: str, event: schema.Bytecode) -> None:
        self.bytecode.append(event)

    def _never_called(self, process: str, event: schema.NeverCalled) -> None:
        self.never_called.append(NeverCalled(event.function, tuple(event.stack), event.module, event.owner))

    def _called_in_vain(self, process: str, event: schema.CalledInVain) -> None:
        self.called_in_vain.append(CalledInVain(event.function, tuple(event.stack), event.owner, event.of_torch))

    def _late_hook(self, process: str, event: schema.LateHook) -> None:
        self.late_hooks.append(LateHook(event.module, event.type, event.kind, event.hook, event.file, event.line))

    def _compile_call(self, process: str, event: schema.CompileCall) -> None:
        settings = tuple(sorted(event.settings.items()))
        self.compile_calls.append(CompileCall(event.function, tuple(event.stack), settings))

    def _generated(self, process: str, event: schema.Generated) -> None:
        self.generated[event.file, event.line, event.function] = event.at

    def _modules(self, process: str, event: schema.Modules) -> None:
        self.facts = replace(self.facts, files=tuple(event.files))

    def _float8_layers(self, process: str, event: schema.Float8Layers) -> None:
        self.facts = replace(self.facts, float8_layers=tuple(event.names))

    def _memory_left(self, process: str, event: schema.MemoryLeft) -> None:
        self.facts = replace(self.facts, memory_left=event.bytes)

    def _patches(self, process: str, event: schema.Patches) -> None:
        self.facts = replace(self.facts, patches_seen=True)
        for one in event.recipes:
            # If a recipe has different states in several processes, keep the one in which something went wrong.
            if one.id not in self.patches or self.patches[one.id].state in ("active", "applicable"):
                self.patches[one.id] = one

    def _cuda_graphs(self, process: str, event: schema.CudaGraphs) -> None:
        self.cuda_graphs = [*(self.cuda_graphs or ()), *event.functions]

    def _guard_cost(self, process: str, event: GuardCost) -> None:
        self.guards.append((process, event))

    def _mesh(self, process: str, event: schema.MeshMade) -> None:
        """Of several meshes, the last one that has a dimension counts for it."""
        pairs = (part.partition("=") for text in (self.mesh, event.coordinates) for part in text.split(", ") if part)
        known = {name: at for name, _, at in pairs}
        self.mesh = ", ".join(f"{name}={at}" for name, at in known.items())

    def _note(self, process: str, event: schema.Note) -> None:
        self.notes[event.text] = None

    def _lost(self, process: str, event: schema.Lost) -> None:
        self.lost.append(f"process {process}: {event.text}")

    def _probe_error(self, process: str, event: schema.ProbeError) -> None:
        self.facts = replace(self.facts, probe_error=event.text)

    def _nothing(self, process: str, event: object) -> None:
        """Ignores events of `bench`, which reads them itself."""


def _untimed(trace: Trace) -> list[str]:
    lost = trace.untimed
    return [f"{lost:,} of torch's timed events could not be read: compile times are incomplete"] if lost else []


_TAKES: dict[type, Any] = {
    kind: getattr(EventReader, "_" + word.replace("-", "_"), EventReader._nothing)
    for word, kind in schema.EVENTS.items()
}
