"""Reads what the probe wrote about attention, in the trace and in its own events, into evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from compile_doctor.evidence import (
    AttentionEvidence,
    AttentionNode,
    CompiledFunction,
    DenseCall,
    DisabledCompiled,
    EagerSdpa,
    Frame,
    Graph,
    MaskMade,
    SdpaChoice,
    Tensor,
    Window,
    Wrapper,
)

_NAMES = ("query", "key", "value")


def read_graph(record: Mapping[str, Any]) -> Graph:
    """The `compile_doctor_graph` record of one graph."""
    return Graph(
        number=int(record["number"]),
        backend=str(record["backend"]),
        attention=tuple(_node(entry) for entry in record["attention"]),
        inlined=tuple(_compiled(entry) for entry in record["inlined"]),
        callers=_stack(record.get("callers") or ()),
    )


def choice_key(inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> str:
    """The same for two SDPA calls for which torch chooses the same backend."""
    kept = [
        {name: tensor.get(name) for name in ("shape", "strides", "dtype", "device")} if tensor else None
        for tensor in (inputs.get(name) for name in _NAMES)
    ]
    return json.dumps([kept, dict(options or {})], sort_keys=True, default=str)


class AttentionReader:
    """Gathers the probe's events of all processes; `_name` takes the event `name`."""

    def __init__(self) -> None:
        self.watched = False
        self.ran: dict[tuple[str, int], int] = {}
        self.dense: list[DenseCall] = []
        self.counts: dict[str, list[int]] = {}
        self.refused: list[Mapping[str, Any]] = []
        self.sdpa: list[EagerSdpa] = []
        self.masks: list[MaskMade] = []
        self.windows: dict[str, Window] = {}
        self.memory: tuple[bool, str] = (False, "")
        self.disabled: list[DisabledCompiled] = []
        self.compiled: list[CompiledFunction] = []
        self.choices: dict[str, SdpaChoice] = {}

    def take(self, process: str, event: dict[str, Any]) -> bool:
        """Whether the event is one of attention's. Raises KeyError, ValueError or TypeError for a damaged one."""
        method = getattr(self, "_" + event["event"].replace("-", "_"), None)
        if method is None:
            return False
        method(process, event)
        return True

    def evidence(self) -> AttentionEvidence:
        seen: dict[str, int] = {}
        dense = []
        for call in self.dense:
            index = seen.get(call.process, 0)
            seen[call.process] = index + 1
            counts = self.counts.get(call.process, [])
            dense.append(replace(call, count=counts[index] if index < len(counts) else 1))
        return AttentionEvidence(
            watched=self.watched,
            ran=self.ran,
            dense=tuple(dense),
            refused=tuple(self.refused),
            eager_sdpa=tuple(self.sdpa),
            masks=tuple(self.masks),
            windows=tuple(self.windows.values()),
            measured=self.memory[0],
            not_measured=self.memory[1],
            disabled=tuple(self.disabled),
            compiled=tuple(self.compiled),
            choices=self.choices,
        )

    def _attention_watched(self, process: str, event: dict[str, Any]) -> None:
        self.watched = True

    def _graph_ran(self, process: str, event: dict[str, Any]) -> None:
        self.ran[process, int(event["number"])] = 1

    def _attention_counts(self, process: str, event: dict[str, Any]) -> None:
        self.ran.update({(process, int(number)): int(count) for number, count in event["graphs"].items()})
        self.counts[process] = [int(count) for count in event["dense"]]

    def _dense(self, process: str, event: dict[str, Any]) -> None:
        self.dense.append(_dense(process, event))

    def _dense_refused(self, process: str, event: dict[str, Any]) -> None:
        self.refused.append({name: event[name] for name in ("phase", "needed", "left")})

    def _sdpa_ran(self, process: str, event: dict[str, Any]) -> None:
        inputs = event["inputs"]
        self.sdpa.append(
            EagerSdpa(
                process=process,
                graph=event.get("graph"),
                stack=_stack(event["stack"]),
                backend=event["backend"],
                inputs=read_tensors(inputs),
                peak=int(event["peak"]),
                largest=int(event["largest"]),
                key=choice_key(inputs, {}),
            )
        )

    def _mask_made(self, process: str, event: dict[str, Any]) -> None:
        self.masks.append(
            MaskMade(
                _stack(event["stack"]),
                int(event["peak"]),
                int(event["largest"]),
                event.get("queries"),
                event.get("keys"),
            )
        )

    def _memory(self, process: str, event: dict[str, Any]) -> None:
        name = event["window"] if event["window"] == "call" else f"{process}:{event['window']}"
        self.windows[name] = Window(name, int(event["peak"]), int(event["largest"]), tuple(event["kernels"]))

    def _memory_pass(self, process: str, event: dict[str, Any]) -> None:
        self.memory = bool(event["done"]), str(event.get("reason") or "")

    def _disabled_compiled(self, process: str, event: dict[str, Any]) -> None:
        self.disabled.append(DisabledCompiled(event["function"], event["module"], _stack(event["stack"])))

    def _compiled_function(self, process: str, event: dict[str, Any]) -> None:
        self.compiled.append(_compiled(event))

    def _sdpa_choice(self, process: str, event: dict[str, Any]) -> None:
        refused = {name: tuple(reasons) for name, reasons in (event.get("refused") or {}).items()}
        key = choice_key(event["inputs"], event.get("options"))
        self.choices[key] = SdpaChoice(event.get("choice"), refused, event.get("error"))


def _stack(entries: Iterable[Any]) -> tuple[Frame, ...]:
    return tuple(Frame(str(file), int(line), str(name), str(code)) for file, line, name, code in entries)


def read_tensors(inputs: Mapping[str, Any]) -> tuple[Tensor | None, ...]:
    """Query, key and value, as the probe described them."""
    return tuple(_tensor(inputs.get(name)) for name in _NAMES)


def _tensor(entry: Mapping[str, Any] | None) -> Tensor | None:
    if not entry:
        return None
    made = entry.get("made") or {}
    at = _stack(made.get("stack") or ())
    return Tensor(
        shape=tuple(int(size) for size in entry["shape"]),
        dtype=str(entry["dtype"]),
        device=str(entry["device"]),
        type=str(entry["type"]),
        made_by=str(made.get("by", "")),
        module=str(made.get("module", "")),
        made_at=at[0] if at else None,
    )


def _node(entry: Mapping[str, Any]) -> AttentionNode:
    output = entry.get("output") or {}
    return AttentionNode(
        api=str(entry["api"]),
        node=str(entry["node"]),
        stack=_stack(entry["stack"]),
        inputs=read_tensors(entry["inputs"]),
        output_dtype=output.get("dtype"),
        cast_back=bool(entry.get("cast_back")),
        key=choice_key(entry["inputs"], entry.get("options")) if entry["api"] == "sdpa" else "",
    )


def _compiled(entry: Mapping[str, Any]) -> CompiledFunction:
    return CompiledFunction(str(entry["function"]), _stack(entry["stack"]), dict(entry["options"]))


def _dense(process: str, event: Mapping[str, Any]) -> DenseCall:
    return DenseCall(
        process=process,
        graph=event["graph"],
        index=event["index"],
        stack=_stack(event["stack"]),
        wrappers=tuple(Wrapper(one["function"], one["module"], one["recursive"]) for one in event["wrappers"]),
        modes=tuple(event["modes"]),
        state=dict(event["state"]),
        inputs=read_tensors(event["inputs"]),
    )
