"""Converts what the probe wrote about attention, in the trace and in its own events, to evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.model.attention import (
    POINTS,
    AttentionEvidence,
    AttentionNode,
    CompiledFunction,
    DenseCall,
    DenseRefused,
    DisabledCompiled,
    EagerSdpa,
    Graph,
    MaskMade,
    MaskTable,
    SdpaChoice,
    Tensor,
    Window,
    Wrapper,
    Written,
)

_NAMES = ("query", "key", "value")


def read_graph(record: schema.GraphSeen) -> Graph:
    """The `compile_doctor_graph` record of one graph."""
    return Graph(
        number=record.number,
        backend=record.backend,
        attention=tuple(_node(entry) for entry in record.attention),
        inlined=tuple(_compiled(entry) for entry in record.inlined),
        callers=tuple(record.callers),
        written=tuple(
            Written(
                one["how"],
                tuple(one["nodes"]),
                tuple(one["stack"]),
                tuple(one["scores"]),
                one["inputs"],
                one["dtype"],
                one.get("dropout", False),
            )
            for one in record.written
        ),
        collectives=tuple(tuple(stack) for stack in record.collectives),
    )


def choice_key(inputs: schema.Inputs, options: Mapping[str, Any] | None) -> str:
    """A key that two SDPA calls share if torch chooses the same backend for both."""
    kept = [
        {name: tensor.get(name) for name in ("shape", "strides", "dtype", "device")} if tensor else None
        for tensor in (inputs.get(name) for name in _NAMES)
    ]
    return json.dumps([kept, dict(options or {})], sort_keys=True, default=str)


class AttentionReader:
    """Collects the probe's events about attention from all processes."""

    def __init__(self) -> None:
        self.watched = False
        self.ran: dict[tuple[str, int], int] = {}
        self.dense: list[DenseCall] = []
        self.counts: dict[str, list[int]] = {}
        self.refused: list[DenseRefused] = []
        self.sdpa: list[EagerSdpa] = []
        self.masks: list[MaskMade] = []
        self.tables: list[MaskTable] = []
        self.backwards: dict[tuple[str, int], None] = {}
        self.blocks: dict[tuple[str, int, str], bool] = {}
        self.windows: dict[str, Window] = {}
        self.memory = schema.MemoryPass(done=False)
        self.disabled: list[DisabledCompiled] = []
        self.compiled: list[CompiledFunction] = []
        self.choices: dict[str, SdpaChoice] = {}

    def take(self, process: str, event: Any) -> bool:
        """Takes an event about attention; returns whether it is one."""
        method = _TAKES.get(type(event))
        if method is None:
            return False
        method(self, process, event)
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
            tables=tuple(self.tables),
            blocks=self.blocks,
            backwards=tuple(self.backwards),
            windows=tuple(self.windows.values()),
            measured=self.memory.done,
            not_measured=self.memory.reason or "",
            cuda_graphs_off=self.memory.cuda_graphs_off,
            disabled=tuple(self.disabled),
            compiled=tuple(self.compiled),
            choices=self.choices,
        )

    def _attention_watched(self, process: str, event: schema.AttentionWatched) -> None:
        self.watched = True

    def _graph_ran(self, process: str, event: schema.GraphRan) -> None:
        self.ran[process, event.number] = 1

    def _attention_counts(self, process: str, event: schema.AttentionCounts) -> None:
        self.ran.update({(process, number): count for number, count in event.graphs.items()})
        self.counts[process] = list(event.dense)

    def _dense(self, process: str, event: schema.Dense) -> None:
        self.dense.append(
            DenseCall(
                process=process,
                graph=event.graph,
                index=event.index,
                stack=tuple(event.stack),
                wrappers=tuple(Wrapper(one["function"], one["module"], one["recursive"]) for one in event.wrappers),
                modes=tuple(event.modes),
                state=event.state,
                inputs=read_tensors(event.inputs),
            )
        )

    def _dense_refused(self, process: str, event: DenseRefused) -> None:
        self.refused.append(event)

    def _sdpa_ran(self, process: str, event: schema.SdpaRan) -> None:
        self.sdpa.append(
            EagerSdpa(
                process=process,
                graph=event.graph,
                stack=tuple(event.stack),
                backend=event.backend,
                inputs=read_tensors(event.inputs),
                peak=event.peak,
                largest=event.largest,
                key=choice_key(event.inputs, {}),
                api=event.api,
                lengths=_known(event.lengths),
            )
        )

    def _mask_made(self, process: str, event: schema.MaskMade) -> None:
        self.masks.append(MaskMade(tuple(event.stack), event.peak, event.largest, event.queries, event.keys))

    def _sdpa_mask(self, process: str, event: schema.SdpaMask) -> None:
        shape = tuple(event.shape)
        self.tables.append(MaskTable(process, event.graph, event.node, shape, event.dtype, event.bytes, event.pattern))

    def _block_mask_read(self, process: str, event: schema.BlockMaskRead) -> None:
        self.blocks[process, event.graph, event.node] = event.differs

    def _backward_ran(self, process: str, event: schema.BackwardRan) -> None:
        self.backwards[process, event.number] = None

    def _memory(self, process: str, event: schema.Memory) -> None:
        name = event.window if event.window == "call" else f"{process}:{event.window}"
        self.windows[name] = Window(name, event.peak, event.largest, tuple(event.kernels), tuple(event.series[:POINTS]))

    def _memory_pass(self, process: str, event: schema.MemoryPass) -> None:
        if event.done or not self.memory.done:  # with several processes, what one has measured was measured
            self.memory = event

    def _disabled_compiled(self, process: str, event: schema.DisabledCompiled) -> None:
        self.disabled.append(DisabledCompiled(event.function, event.module, tuple(event.stack)))

    def _compiled_function(self, process: str, event: schema.CompiledFunction) -> None:
        self.compiled.append(_compiled(event))

    def _sdpa_choice(self, process: str, event: schema.SdpaChoice) -> None:
        refused = {name: tuple(reasons) for name, reasons in event.refused.items()}
        key = choice_key(event.inputs, event.options)
        self.choices[key] = SdpaChoice(event.choice, refused, event.error)


_TAKES: dict[type, Any] = {
    kind: getattr(AttentionReader, "_" + word.replace("-", "_"))
    for word, kind in schema.EVENTS.items()
    if hasattr(AttentionReader, "_" + word.replace("-", "_"))
}


def read_tensors(inputs: schema.Inputs) -> tuple[Tensor | None, ...]:
    """Query, key and value, as the probe described them."""
    return tuple(_tensor(inputs.get(name)) for name in _NAMES)


def _tensor(entry: schema.TensorSeen | None) -> Tensor | None:
    if not entry:
        return None
    made = entry.get("made")
    return Tensor(
        shape=tuple(entry["shape"]),
        dtype=entry["dtype"],
        device=entry["device"],
        type=entry["type"],
        made_by=made["by"] if made else "",
        module=made["module"] if made else "",
        made_at=made["stack"][0] if made and made["stack"] else None,
    )


def _known(lengths: Sequence[int]) -> tuple[int, ...]:
    """varlen_attn's lengths; empty if one of them is not known."""
    return tuple(lengths) if min(lengths, default=-1) >= 0 else ()


def _node(entry: schema.NodeSeen) -> AttentionNode:
    output = entry["output"]
    return AttentionNode(
        api=entry["api"],
        node=entry["node"],
        stack=tuple(entry["stack"]),
        inputs=read_tensors(entry["inputs"]),
        output_dtype=output["dtype"] if output else None,
        cast_back=entry["cast_back"],
        autocast=entry.get("autocast"),
        mask=tuple(entry.get("mask", ())),
        conditional=entry.get("conditional", False),
        key=choice_key(entry["inputs"], entry["options"]) if entry["api"] == "sdpa" else "",
        tma=entry.get("tma", False),
        lengths=_known(entry.get("lengths", ())),
    )


def _compiled(entry: schema.CompiledFunction) -> CompiledFunction:
    return CompiledFunction(entry.function, tuple(entry.stack), entry.options)
