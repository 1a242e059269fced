"""Reads the probe's event files into evidence; a line that was cut off by the process' death is noted, not fatal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from compile_doctor.evidence import (
    Child,
    Compared,
    Comparison,
    Counts,
    ErrorLink,
    Evidence,
    Explained,
    Failure,
    Frame,
    LogRecord,
    Patch,
    Positions,
)
from compile_doctor.read_attention import AttentionReader, read_tensors
from compile_doctor.trace import Trace

PHASES = ("import", "build", "inputs", "compiled", "eager", "numerics")


def read_failure(event: Mapping[str, Any], phase: str) -> Failure:
    """What `probe.failures.describe` wrote of an exception."""
    chain = tuple(
        ErrorLink(link["type"], link["message"], tuple(Frame(f[0], int(f[1]), f[2], f[3]) for f in link["stack"]))
        for link in event["chain"]
    )
    inputs = event.get("attention")
    return Failure(phase, chain, event["text"], read_tensors(inputs) if inputs else ())


class EventReader:
    """Gathers the events of all processes of a capture."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self.environment: dict[str, Any] = {}
        self.logs: list[LogRecord] = []
        self.counts: dict[str, Counts] = {}
        self.failures: list[Failure] = []
        self.phases: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.bytecode: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}
        self.difference: float | None = None
        self.comparisons: list[Comparison] = []
        self.attention = AttentionReader()
        self.patches: dict[str, Patch] = {}

    def read(self, name: str, text: str) -> None:
        process = name.removeprefix("process-").removesuffix(".jsonl")
        for number, line in enumerate(text.splitlines(), 1):
            try:
                event = json.loads(line)
                if self.attention.take(process, event):
                    continue
                getattr(self, "_" + event["event"].replace("-", "_"), self._other)(process, event)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError):
                self.notes.append(f"{name}: line {number} is cut off or unknown and was left out")

    def evidence(self, manifest: dict[str, Any], trace: Trace) -> Evidence:
        environment = dict(self.environment)
        environment.setdefault("torch", trace.torch_version)
        children = tuple(self._children(manifest.get("children") or ()))
        return Evidence(
            target=str(manifest.get("target", "trace")),
            manifest={**manifest, **self.facts, "beyond_limit": trace.beyond_limit},
            environment=environment,
            compilations=tuple(trace.compilations),
            breaks=tuple(trace.breaks),
            logs=tuple(self.logs),
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
            notes=tuple(self.notes),
        )

    def _children(self, listed: Any) -> Iterator[Child]:
        for child in listed if isinstance(listed, (list, tuple)) else [listed]:
            try:
                yield Child(child["mode"], child.get("exit_code"), child.get("signal"), child.get("ended", "exited"))
            except (KeyError, TypeError, AttributeError):
                self.notes.append("capture.json: how a child process ended is damaged and was left out")

    def _start(self, process: str, event: dict[str, Any]) -> None:
        self.environment.setdefault("python", event.get("python"))

    def _environment(self, process: str, event: dict[str, Any]) -> None:
        self.environment.update({key: value for key, value in event.items() if key != "event"})

    def _target(self, process: str, event: dict[str, Any]) -> None:
        self.facts["convention"] = event["convention"]

    def _not_a_target(self, process: str, event: dict[str, Any]) -> None:
        self.facts["not_a_target"] = event["message"]

    def _usage(self, process: str, event: dict[str, Any]) -> None:
        self.facts["usage"] = event["message"]

    def _compile(self, process: str, event: dict[str, Any]) -> None:
        self.facts["as_is"] = event["as_is"]

    def _phase(self, process: str, event: dict[str, Any]) -> None:
        self.phases[event["name"]] = event["state"]
        if "seconds" in event:
            self.seconds[event["name"]] = float(event["seconds"])

    def _run(self, process: str, event: dict[str, Any]) -> None:
        self.facts["runs"] = max(self.facts.get("runs", 0), int(event["index"]) + 1)

    def _failure(self, process: str, event: dict[str, Any]) -> None:
        self.failures.append(read_failure(event, event["phase"]))

    def _log(self, process: str, event: dict[str, Any]) -> None:
        self.logs.append(LogRecord(process, event["kind"], event["message"], event.get("compile_id")))

    def _counters(self, process: str, event: dict[str, Any]) -> None:
        self.counts[process] = Counts(process, event["counters"])

    def _difference(self, process: str, event: dict[str, Any]) -> None:
        self.difference = None if event["value"] is None else float(event["value"])
        self.facts["not_compared"] = event.get("reason")
        self.facts["unlike"] = event.get("unlike")
        self.facts["largest_output"] = event.get("scale")
        self.facts["random"] = event.get("random")

    def _compared(self, process: str, event: dict[str, Any]) -> None:
        values = {name: value for name, value in event.items() if name != "event"}
        positions, explained = values.pop("positions"), values.pop("explained")
        self.comparisons.append(
            Comparison(
                **{
                    **values,
                    "rows": tuple(Compared(**row) for row in values["rows"]),
                    "positions": Positions(**positions) if positions else None,
                    "explained": Explained(**{**explained, "frame": Frame(*explained["frame"])}) if explained else None,
                    "notes": tuple(values["notes"]),
                }
            )
        )

    def _bytecode(self, process: str, event: dict[str, Any]) -> None:
        self.bytecode.append(event)

    def _modules(self, process: str, event: dict[str, Any]) -> None:
        self.facts["files"] = [str(file) for file in event["files"]]

    def _float8_layers(self, process: str, event: dict[str, Any]) -> None:
        self.facts["float8_layers"] = [str(name) for name in event["names"]]

    def _memory_left(self, process: str, event: dict[str, Any]) -> None:
        self.facts["memory_left"] = event["bytes"]

    def _patches(self, process: str, event: dict[str, Any]) -> None:
        for one in event["recipes"]:
            # Of several processes, the one where something went wrong is worth telling.
            if self.patches.get(one["id"], Patch("", "active")).state in ("active", "applicable"):
                self.patches[one["id"]] = Patch(one["id"], one["state"], one.get("reason") or "")

    def _note(self, process: str, event: dict[str, Any]) -> None:
        self.notes.append(str(event["text"]))

    def _probe_error(self, process: str, event: dict[str, Any]) -> None:
        self.facts["probe_error"] = event["text"]

    def _other(self, process: str, event: dict[str, Any]) -> None:
        self.notes.append(f"event {event.get('event')!r} is of a newer compile-doctor and was left out")
