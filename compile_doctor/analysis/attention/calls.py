"""Collects the evidence about attention by call site: what was lowered there, what ran, and how much memory it took."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from compile_doctor.model.attention import AttentionNode, DenseCall, EagerSdpa, MaskTable, Tensor, Window
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.kernels import Kernel
from compile_doctor.model.sizes import are_large, item_bytes
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations

_INNER = re.compile(r"[/\\]torch[/\\]nn[/\\]attention[/\\]flex_attention\.py$")

Key = tuple[str, int, str]


@dataclass(frozen=True)
class Lowering:
    """One attention call of one compiled graph."""

    compilation: Compilation
    node: AttentionNode
    kernel: Kernel | None
    lowered: bool | None
    """Whether the generated code has a kernel for it; None if that is unknown."""
    runs: int
    dense: int
    """Dense executions while this graph ran."""

    @property
    def computes_scores(self) -> bool:
        """Whether a graph that ran computes the scores itself; not if a run of it need not come to this call."""
        return self.lowered is False and self.runs > 0 and not self.node.conditional


@dataclass(frozen=True)
class AttentionCall:
    """One line that calls attention, with everything that was seen of it; `verdicts.judge` derives the verdict."""

    frame: Frame
    api: str
    lowerings: tuple[Lowering, ...] = ()
    dense: tuple[DenseCall, ...] = ()
    eager: tuple[EagerSdpa, ...] = ()
    inputs: tuple[Tensor | None, ...] = ()
    stack: tuple[Frame, ...] = ()
    peak: int | None = None
    """Peak bytes of the graph or the dense call that contains it, in the profiled call."""
    largest: int | None = None
    """Bytes of the largest single allocation there."""
    too_small: int | None = None
    """The peak that was read, if it is less than the output alone takes: then the window saw something else, or nothing."""
    beside_dense: bool = False
    """Another call in one of its graphs runs dense: the memory of the graph is not that of this call."""
    kernels_ran: tuple[str, ...] = ()
    """Names of the CUDA kernels in the profiler's events."""
    table: int = 0
    """Bytes that SDPA holds of the largest attn_mask of queries × keys, a bool one as numbers; 0 if none was seen."""
    backward_unmeasured: bool = False
    """The backward of one of its graphs ran while memory was measured, and its own memory is not known."""
    profiled: bool = False
    """Whether a call of it ran under the profiler."""

    @property
    def key(self) -> Key:
        return self.frame.file, self.frame.line, self.api

    @property
    def ran_dense(self) -> bool:
        """Whether any path computed and kept the scores."""
        by_math = any(one.backend == "math" for one in self.eager)
        decomposed = self.api == "sdpa" and any(one.computes_scores for one in self.lowerings)
        return bool(self.dense) or by_math or decomposed

    @property
    def output_bytes(self) -> int | None:
        """Bytes of the result, (…, queries, width of value): what the call allocates at least. None if a shape is unknown."""
        query, value = self.query, self.inputs[2] if len(self.inputs) > 2 else None
        if query is None or value is None or not query.shape or not value.shape:
            return None
        return math.prod(query.shape[:-1]) * value.shape[-1] * item_bytes(query.dtype)

    @property
    def graphs(self) -> set[tuple[str, int]]:
        """(process, number) of the graphs that contain it."""
        held = ((one.compilation.process, one.compilation.graph) for one in self.lowerings)
        return {(process, graph.number) for process, graph in held if graph is not None}

    @property
    def memory_tells(self) -> bool:
        """False if the scores are no larger than the inputs (a decoding step, a short context): both paths are linear."""
        query, scores = self.query, self.dense_bytes
        if query is None or scores is None or len(query.shape) < 2 or query.shape[-2] == self.tokens:
            return True
        return are_large(scores, sum(math.prod(one.shape) for one in self.inputs if one))

    @property
    def query(self) -> Tensor | None:
        return self.inputs[0] if self.inputs else None

    @property
    def tokens(self) -> int | None:
        """The number of keys, with which the score matrix grows, also in decoding. None if the shape is unknown."""
        shape = self.inputs[1].shape if len(self.inputs) > 1 and self.inputs[1] else ()
        return shape[-2] if len(shape) >= 2 else None

    @property
    def dense_bytes(self) -> int | None:
        """Bytes of the float32 score matrix, which every dense path holds at least once: B × H × Sq × Skv × 4.

        For sequences packed into one row, what their own matrices take, padded to the longest, if that is less.
        """
        query, tokens = self.query, self.tokens
        if query is None or tokens is None or len(query.shape) < 2:
            return None
        given = [*(one.node.lengths for one in self.lowerings), *(one.lengths for one in self.eager)]
        packed = [math.prod(one) for one in given if one]
        pairs = query.shape[-2] * tokens
        return math.prod(query.shape[:-2]) * min(pairs, max(packed, default=pairs)) * 4


def sites(evidence: Evidence) -> tuple[AttentionCall, ...]:
    """Every line that called attention, in the order in which it was first seen."""
    root: str | None = evidence.environment.get("torch_root")
    gathered: dict[Key, _Gathered] = {}

    def at(stack: tuple[Frame, ...], api: str) -> _Gathered | None:
        frame = place(stack, root)
        if frame is None:
            return None
        key = (frame.file, frame.line, api)
        return gathered.setdefault(key, _Gathered(frame, api, stack))

    asked = asked_backend(evidence)
    for compilation in evidence.compilations:
        for lowering in _lowerings(evidence, compilation):
            stack = lowering.node.stack
            if place(stack, root) is None and compilation.graph:  # flex_attention was compiled by itself
                stack = (*compilation.graph.callers, *stack)
            found = at(stack, lowering.node.api)
            if found:
                found.lowerings.append(lowering)
                found.inputs.append(lowering.node.inputs)
    for call in evidence.attention.dense:
        node = _node_of(evidence, call.process, call.graph, call.index, "flex_attention")
        inside = node is not None and place(node.stack, root) is not None
        found = at(node.stack, "flex_attention") if node and inside else at(call.stack, "flex_attention")
        if found and not (inside and asked is not None):
            found.dense.append(call)
        if found:
            found.inputs.append(call.inputs)
    called: dict[tuple[str, int | None, str], int] = {}
    for ran in evidence.attention.eager_sdpa:
        index = called.get((ran.process, ran.graph, ran.api), 0)
        called[ran.process, ran.graph, ran.api] = index + 1
        node = _node_of(evidence, ran.process, ran.graph, index, ran.api)
        found = at(node.stack if node else ran.stack, ran.api)
        if found:
            found.eager.append(ran)
            found.inputs.append(ran.inputs)
    made = [one.site(evidence) for one in gathered.values()]
    dense = {(one.key, graph) for one in made if one.ran_dense for graph in one.graphs}
    return tuple(
        replace(one, beside_dense=any(key != one.key and graph in one.graphs for key, graph in dense)) for one in made
    )


def place(stack: Iterable[Frame], torch_root: str | None) -> Frame | None:
    """The innermost line outside torch and the standard library: the call in the source."""
    own = [f for f in stack if locations.owner(f.file, torch_root) != "torch" and not locations.is_stdlib(f.file)]
    return Frame(own[-1].file, own[-1].line, function_name(own[-1].function), own[-1].code) if own else None


def is_inner(compilation: Compilation) -> bool:
    """Whether it is flex_attention's own wrapper, compiled in eager mode with a backend that lowers nothing."""
    return in_flex(compilation) and compilation.function == "_flex_attention_hop_wrapper"


def in_flex(compilation: Compilation) -> bool:
    """Whether the compiled frame is in torch's own file of flex_attention: the function itself was compiled."""
    return bool(_INNER.search(compilation.file))


class _Gathered:
    """A call site whose evidence is still being collected."""

    def __init__(self, frame: Frame, api: str, stack: tuple[Frame, ...]) -> None:
        self.frame, self.api, self.stack = frame, api, stack
        self.lowerings: list[Lowering] = []
        self.dense: list[DenseCall] = []
        self.eager: list[EagerSdpa] = []
        self.inputs: list[tuple[Tensor | None, ...]] = []

    def _measured_at_the_largest(self, windows: Mapping[str, Window]) -> bool:
        """Whether the graph with the most scores was measured: the memory of a smaller one says nothing about it."""
        ran = [one for one in self.lowerings if one.runs and one.compilation.graph]
        if self.dense or not ran:
            return True
        most = max(_scores(one.node.inputs) for one in ran)
        return any(
            f"{one.compilation.process}:graph:{one.compilation.graph.number}" in windows
            for one in ran
            if one.compilation.graph and _scores(one.node.inputs) == most
        )

    def _gets(self, table: MaskTable) -> bool:
        return any(
            (one.compilation.process, one.compilation.graph.number, one.node.node)
            == (table.process, table.graph, table.node)
            for one in self.lowerings
            if one.compilation.graph
        )

    def site(self, evidence: Evidence) -> AttentionCall:
        windows = {window.name: window for window in evidence.attention.windows}
        numbers: dict[str, int] = {}
        names = []
        for call in evidence.attention.dense:
            number = numbers.get(call.process, 0)
            numbers[call.process] = number + 1
            if any(call is one for one in self.dense):
                names.append(f"{call.process}:dense:{number}")
        if not names:
            names = [
                f"{one.compilation.process}:graph:{one.compilation.graph.number}"
                for one in self.lowerings
                if one.compilation.graph
            ]
        backwards = [name.replace(":graph:", ":backward:") for name in names if ":graph:" in name]
        ran = {f"{process}:backward:{number}" for process, number in evidence.attention.backwards}
        held = [windows[name] for name in (*names, *backwards) if name in windows]
        if not self._measured_at_the_largest(windows):
            held = []
        called = [windows["call"]] if "call" in windows else []
        seen = [window.peak for window in held] + [one.peak for one in self.eager]
        made = AttentionCall(
            frame=self.frame,
            api=self.api,
            lowerings=tuple(self.lowerings),
            dense=tuple(self.dense),
            eager=tuple(self.eager),
            inputs=max(self.inputs, key=_scores, default=()),
            stack=self.stack,
            peak=max(seen, default=None),
            largest=max([*(window.largest for window in held), *(one.largest for one in self.eager)], default=None),
            # The profiler lists the kernels of the whole call: their names show which ones are this site's.
            kernels_ran=tuple(dict.fromkeys(name for window in [*called, *held] for name in window.kernels)),
            table=max((_held(one) for one in evidence.attention.tables if self._gets(one)), default=0),
            backward_unmeasured=any(name in ran and name not in windows for name in backwards),
            profiled=bool(called or held),
        )
        if made.peak is not None and made.peak < max(1, made.output_bytes or 0):
            return replace(made, peak=None, largest=None, too_small=made.peak)
        return made


def _held(table: MaskTable) -> int:
    """SDPA's kernel on a CPU adds a mask to the scores: a bool one becomes a table of numbers first."""
    return table.bytes * (4 if table.dtype == "bool" else 1)


def _scores(inputs: tuple[Tensor | None, ...]) -> int:
    query, key = (inputs[0], inputs[1]) if len(inputs) > 1 else (None, None)
    return math.prod(query.shape[:-1]) * key.shape[-2] if query and key and len(key.shape) > 1 else 0


def asked_backend(evidence: Evidence) -> str | None:
    """The backend of `diagnose --backend` if it does not lower attention: then the model is not the cause of a dense run."""
    backend = None if evidence.facts.as_is else evidence.asked.settings.backend
    return backend if backend and backend != "inductor" else None


def _lowerings(evidence: Evidence, compilation: Compilation) -> list[Lowering]:
    graph = compilation.graph
    if graph is None or is_inner(compilation):
        return []
    ran = evidence.attention.ran.get((compilation.process, graph.number), 0)
    found = []
    for api in ("flex_attention", "sdpa", "varlen_attn"):
        nodes = [node for node in graph.attention if node.api == api]
        kernels = [k for k in compilation.kernels or () if k.api == api for _ in range(max(k.calls, 1))]
        for index, node in enumerate(nodes):
            named = next((kernel for kernel in kernels if node.node in kernel.nodes), None)
            lowered, kernel = _match(compilation, index, named, nodes, kernels)
            dense = sum(
                call.count
                for call in evidence.attention.dense
                if api == "flex_attention"
                and (call.process, call.graph) == (compilation.process, graph.number)
                and call.index is not None
                and call.index % len(nodes) == index
            )
            found.append(Lowering(compilation, node, kernel, lowered, ran, dense))
    return found


def _match(
    compilation: Compilation, index: int, named: Kernel | None, nodes: list[AttentionNode], kernels: list[Kernel]
) -> tuple[bool | None, Kernel | None]:
    if compilation.kernels is None:
        return None, None
    if named is not None:
        return True, named
    # A kernel that names another call of the graph is that one's, also where it runs again in the backward. One that names
    # only calls of another function is that one's too: MultiheadAttention has its own beside an SDPA call.
    function, names = _function(nodes[index].node), {node.node for node in nodes}
    named_by = {name for kernel in kernels for name in kernel.nodes}
    free = [one for one in kernels if not names & set(one.nodes)]
    own = [one for one in free if not one.nodes or function in map(_function, one.nodes)]
    foreign = [one for one in free if one not in own and _is_foreign(compilation, one)]
    possible = [one for one in free if one in own or one in foreign]
    if not possible:
        return False, None
    same = [node for node in nodes if _function(node.node) == function and node.node not in named_by]
    before = same.index(nodes[index])
    # One without a name may be what the pattern matcher put in for a table that the graph writes out.
    written = compilation.graph.written if compilation.graph and not all(one.nodes for one in possible) else ()
    rivals = sum(not named_by & set(one.nodes) for one in written)
    if len(possible) >= len(same) + rivals:
        return True, possible[before]
    # Fewer kernels than calls: which call has none is known only if all kernels name their nodes.
    return (False, None) if all(kernel.nodes and kernel not in foreign for kernel in possible) else (None, None)


def _is_foreign(compilation: Compilation, kernel: Kernel) -> bool:
    """Whether a kernel names the nodes of another program: code from the cache on disk has the names for which it was generated."""
    written = compilation.graph.written if compilation.graph else ()
    known = {name for one in written for name in one.nodes}
    return any(one.endswith("_hit") for one in compilation.cache) and not known & set(kernel.nodes)


def _function(node: str) -> str:
    """`scaled_dot_product_attention_1` is the graph's second call of scaled_dot_product_attention."""
    return re.sub(r"_\d+$", "", node)


def _node_of(evidence: Evidence, process: str, graph: int | None, index: int | None, api: str) -> AttentionNode | None:
    for compilation in evidence.compilations:
        held = compilation.graph
        if held is not None and (compilation.process, held.number) == (process, graph):
            nodes = [node for node in held.attention if node.api == api]
            return nodes[(index or 0) % len(nodes)] if nodes else None
    return None
