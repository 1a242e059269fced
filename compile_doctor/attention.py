"""Folds the evidence on attention into one verdict per call site, from three separate pieces: lowered, executed, bounded."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from compile_doctor import places
from compile_doctor.evidence import AttentionNode, Compilation, DenseCall, EagerSdpa, Evidence, Frame, Tensor
from compile_doctor.kernels import Kernel
from compile_doctor.trace import function_name

FAR_BELOW = 0.5
"""A peak up to this share of the score matrix is far below it: the dense path needs more than three of them."""
NO_SCORES = 0.25
"""Without an allocation of this share of the float32 score matrix there is none in bfloat16 either, nor a written-out mask."""
LINEAR, QUADRATIC = 1.5, 1.7
"""Exponents of the growth of memory with tokens: 1 for a fused kernel, 2 for the dense path."""
_GPU_NAMES = {"flash": ("flash",), "efficient": ("fmha", "efficient"), "cudnn": ("cudnn", "sdpa")}
"""What the CUDA kernels of SDPA's backends are called (upstream's names, not measured here)."""
_INNER = re.compile(r"[/\\]torch[/\\]nn[/\\]attention[/\\]flex_attention\.py$")

Key = tuple[str, int, str]


@dataclass(frozen=True)
class Lowering:
    """One attention call of one compiled graph."""

    compilation: Compilation
    node: AttentionNode
    kernel: Kernel | None
    lowered: bool | None
    """Whether the generated code holds a kernel for it; None where that cannot be told."""
    runs: int
    dense: int
    """Dense executions while this graph ran."""


@dataclass(frozen=True)
class Site:
    """One line that calls attention, with all that was seen of it; the verdict is derived in `judge`."""

    frame: Frame
    api: str
    lowerings: tuple[Lowering, ...] = ()
    dense: tuple[DenseCall, ...] = ()
    eager: tuple[EagerSdpa, ...] = ()
    inputs: tuple[Tensor | None, ...] = ()
    stack: tuple[Frame, ...] = ()
    peak: int | None = None
    """Bytes, of the graph or the dense call that holds it, in the profiled call."""
    largest: int | None = None
    """Bytes of the largest single allocation in it."""
    beside_dense: bool = False
    """Another call in one of its graphs runs dense: the graph's memory is not this call's."""
    kernels_ran: tuple[str, ...] = ()
    """CUDA kernels in the profiler's events."""

    @property
    def key(self) -> Key:
        return self.frame.file, self.frame.line, self.api

    @property
    def ran_dense(self) -> bool:
        """Whether scores were computed and kept, by whatever path."""
        math = any(one.backend == "math" for one in self.eager)
        decomposed = self.api == "sdpa" and any(one.lowered is False and one.runs for one in self.lowerings)
        return bool(self.dense) or math or decomposed

    @property
    def graphs(self) -> set[tuple[str, int]]:
        """(process, number) of the graphs that hold it."""
        held = ((one.compilation.process, one.compilation.graph) for one in self.lowerings)
        return {(process, graph.number) for process, graph in held if graph is not None}

    @property
    def memory_tells(self) -> bool:
        """False where the scores are no larger than the inputs (a decoding step, a short context): both paths are linear."""
        query, scores = self.query, self.dense_bytes
        if query is None or scores is None or len(query.shape) < 2 or query.shape[-2] == self.tokens:
            return True
        return scores > 4 * sum(math.prod(one.shape) for one in self.inputs if one)

    @property
    def query(self) -> Tensor | None:
        return self.inputs[0] if self.inputs else None

    @property
    def tokens(self) -> int | None:
        """Length of the keys: what the score matrix grows with in decoding too."""
        shape = self.inputs[1].shape if len(self.inputs) > 1 and self.inputs[1] else ()
        return shape[-2] if len(shape) >= 2 else None

    @property
    def dense_bytes(self) -> int | None:
        """The score matrix in float32, which every dense path holds at least once: B × H × Sq × Skv × 4."""
        query, tokens = self.query, self.tokens
        if query is None or tokens is None or len(query.shape) < 2:
            return None
        return math.prod(query.shape[:-1]) * tokens * 4


@dataclass(frozen=True)
class Verdict:
    """What is known of a site: `reasons` says for each piece that is not True why."""

    site: Site
    verdict: str
    """`fused`, `dense`, `mixed` or `unverified`."""
    lowered: bool | None
    executed: bool | None
    bounded: bool | None
    kernel: str | None
    backend: str | None
    reasons: Mapping[str, str] = field(default_factory=dict)
    growth: float | None = None
    """Exponent of the growth of the peak with tokens, between the two largest sizes."""


def sites(evidence: Evidence) -> tuple[Site, ...]:
    """Every line that called attention, in the order in which it was first seen."""
    root: str | None = evidence.environment.get("torch_root")
    gathered: dict[Key, _Gathered] = {}

    def at(stack: tuple[Frame, ...], api: str) -> _Gathered | None:
        frame = place(stack, root)
        if frame is None:
            return None
        key = (frame.file, frame.line, api)
        return gathered.setdefault(key, _Gathered(frame, api, stack))

    asked = _asked_backend(evidence)
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
    called: dict[tuple[str, int | None], int] = {}
    for ran in evidence.attention.eager_sdpa:
        index = called.get((ran.process, ran.graph), 0)
        called[ran.process, ran.graph] = index + 1
        node = _node_of(evidence, ran.process, ran.graph, index, "sdpa")
        found = at(node.stack if node else ran.stack, "sdpa")
        if found:
            found.eager.append(ran)
            found.inputs.append(ran.inputs)
    made = [one.site(evidence) for one in gathered.values()]
    dense = {(one.key, graph) for one in made if one.ran_dense for graph in one.graphs}
    return tuple(
        replace(one, beside_dense=any(key != one.key and graph in one.graphs for key, graph in dense)) for one in made
    )


def place(stack: Iterable[Frame], torch_root: str | None) -> Frame | None:
    """The innermost line that is not torch's: the call as somebody wrote it."""
    own = [f for f in stack if places.owner(f.file, torch_root) != "torch" and not places.is_stdlib(f.file)]
    return Frame(own[-1].file, own[-1].line, function_name(own[-1].function), own[-1].code) if own else None


def is_inner(compilation: Compilation) -> bool:
    """flex_attention compiles a wrapper of its own, with a backend that lowers nothing, when it is called in eager mode."""
    return bool(_INNER.search(compilation.file)) and compilation.function == "_flex_attention_hop_wrapper"


def judge(site: Site, evidence: Evidence, smaller: Iterable[Site] = ()) -> Verdict:
    """The verdict from what was seen; `smaller` is the same site at smaller sizes, for the growth of memory."""
    reasons: dict[str, str] = {}
    lowered = _lowered(site, evidence, reasons)
    executed = _executed(site, evidence, reasons)
    bounded, growth = _bounded(site, evidence, list(smaller), reasons)
    fused_runs = sum(one.runs for one in site.lowerings if one.lowered and not one.dense) + sum(
        1 for one in site.eager if one.backend not in (None, "math")
    )
    dense_runs = len(site.dense) + sum(1 for one in site.eager if one.backend == "math")
    dense_runs += sum(one.runs for one in site.lowerings if site.api == "sdpa" and one.lowered is False)
    if dense_runs:
        verdict = "mixed" if fused_runs else "dense"
    elif executed and bounded and (lowered or (lowered is None and _only_eager(site))):
        verdict = "fused"
    else:
        verdict = "unverified"
    kernel = next((one.kernel for one in site.lowerings if one.kernel), None)
    return Verdict(
        site,
        verdict,
        lowered,
        executed,
        bounded,
        kernel.name if kernel else None,
        _backend(site, kernel),
        reasons,
        growth,
    )


def _only_eager(site: Site) -> bool:
    """SDPA outside of graphs: torch's own fused operator ran, and there is no generated code to look at."""
    return bool(site.eager) and not site.lowerings


def _lowered(site: Site, evidence: Evidence, reasons: dict[str, str]) -> bool | None:
    known = [one.lowered for one in site.lowerings]
    if not known:
        if site.dense:
            reasons["lowered"] = "it is in no compiled graph"
            return False
        reasons["lowered"] = "it ran outside of a graph: there is no generated code"
        return None
    if any(one.compilation.guarded is not True for one in site.lowerings):
        reasons["lowered"] = "its graph could not be compiled"
        return None
    if any(one is None for one in known):
        asked = _asked_backend(evidence)
        reasons["lowered"] = (
            f"backend {asked} generates no code: diagnose without --backend"
            if asked
            else "the trace holds no generated code for its graph, or not a kernel for each call"
        )
        return None
    if not all(known):
        reasons["lowered"] = "the generated code of its graph holds no fused kernel for this call"
        return False
    return True


def _executed(site: Site, evidence: Evidence, reasons: dict[str, str]) -> bool | None:
    if site.dense:
        reasons["executed"] = f"the operator's dense entry was called {sum(call.count for call in site.dense)}×"
        return False
    if any(one.backend == "math" for one in site.eager):
        reasons["executed"] = "the math operator ran"
        return False
    if site.ran_dense:
        reasons["executed"] = "its graph ran, and computes the scores itself"
        return False
    if not evidence.attention.watched and not evidence.attention.ran:
        reasons["executed"] = "no probe watched this run: a trace tells what was compiled, not what ran"
        return None
    asked = _asked_backend(evidence)
    if asked and any(one.lowered is None for one in site.lowerings):
        reasons["executed"] = f"backend {asked} runs the operator as it is"
        return None
    if any(one.runs for one in site.lowerings) or any(one.backend for one in site.eager):
        device = site.query.device if site.query else "cpu"
        if device == "cuda" and evidence.attention.measured and not _on_gpu(site):
            reasons["executed"] = "its graph ran, but the profiler's events hold no kernel of its name"
            return None
        return True
    if not any(one.compilation.guarded is not True for one in site.lowerings):
        reasons["executed"] = "its graph was compiled, and was not seen to run"
    return None


def _on_gpu(site: Site) -> bool:
    """Whether the profiler saw the site's own kernel: by the generated name, for SDPA by its backend's."""
    wanted = {one.kernel.name for one in site.lowerings if one.kernel and one.kernel.api == "flex_attention"}
    if site.api == "sdpa":
        backends = {one.kernel.backend for one in site.lowerings if one.kernel} | {one.backend for one in site.eager}
        wanted = {word for backend in backends for word in _GPU_NAMES.get(str(backend), ())}
        return any(word in ran for word in wanted for ran in site.kernels_ran)
    return any(name[:200] in site.kernels_ran for name in wanted)


def _bounded(
    site: Site, evidence: Evidence, smaller: list[Site], reasons: dict[str, str]
) -> tuple[bool | None, float | None]:
    if site.peak is None:
        why = evidence.attention.not_measured
        if not why and ("executed" in reasons or "lowered" in reasons):
            return None, None  # it did not come to that
        reasons["bounded"] = f"memory could not be measured: {why}" if why else "memory was not measured in this run"
        return None, None
    scores = site.dense_bytes
    if scores is None:
        reasons["bounded"] = "the shapes are not known"
        return None, None
    growth = _growth(site, smaller)
    if site.ran_dense:
        reasons["bounded"] = "the dense path ran"
        return False, growth
    if site.beside_dense:
        reasons["bounded"] = "another attention call of the same graph runs dense: memory cannot be told apart"
        return None, growth
    if not site.memory_tells:
        return True, growth  # nothing to bound: the scores themselves are as small as the inputs
    far_below = site.peak <= FAR_BELOW * scores
    if growth is None:
        if far_below or (site.peak < scores and site.largest is not None and site.largest < NO_SCORES * scores):
            return True, None
        reasons["bounded"] = (
            f"at {site.tokens:,} tokens what is around the attention needs as much as the scores would: "
            "diagnose with --tokens N, where the target has a parameter `tokens`"
        )
        return None, None
    if far_below and growth < LINEAR:
        return True, growth
    if growth >= QUADRATIC and not far_below:
        reasons["bounded"] = f"memory grows with the {growth:.1f}th power of the tokens"
        return False, growth
    reasons["bounded"] = f"memory grows with the {growth:.1f}th power of the tokens, which settles nothing at this size"
    return None, growth


def _growth(site: Site, smaller: list[Site]) -> float | None:
    """log(peak ratio) / log(token ratio) between this size and the next smaller one that was measured."""
    other = next(
        (one for one in reversed(smaller) if one.peak and one.tokens and one.tokens < (site.tokens or 0)), None
    )
    if other is None or not site.peak or not other.peak or not site.tokens or not other.tokens:
        return None
    return math.log(site.peak / other.peak) / math.log(site.tokens / other.tokens)


def _backend(site: Site, kernel: Kernel | None) -> str | None:
    if site.api == "sdpa":
        ran = next((one.backend for one in site.eager if one.backend), None)
        math_graph = any(one.lowered is False and one.runs for one in site.lowerings)
        return "math" if math_graph else ran or (kernel.backend if kernel else None)
    graph = next((one.compilation.graph for one in site.lowerings if one.compilation.graph), None)
    return graph.backend if graph else None


class _Gathered:
    """A site while it is put together."""

    def __init__(self, frame: Frame, api: str, stack: tuple[Frame, ...]) -> None:
        self.frame, self.api, self.stack = frame, api, stack
        self.lowerings: list[Lowering] = []
        self.dense: list[DenseCall] = []
        self.eager: list[EagerSdpa] = []
        self.inputs: list[tuple[Tensor | None, ...]] = []

    def site(self, evidence: Evidence) -> Site:
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
        held = [windows[name] for name in names if name in windows]
        peaks = [window.peak for window in held] + [one.peak for one in self.eager]
        return Site(
            frame=self.frame,
            api=self.api,
            lowerings=tuple(self.lowerings),
            dense=tuple(self.dense),
            eager=tuple(self.eager),
            inputs=max(self.inputs, key=_scores, default=()),
            stack=self.stack,
            peak=max(peaks, default=None),
            largest=max([*(window.largest for window in held), *(one.largest for one in self.eager)], default=None),
            # The profiler's list is of the whole call: which kernels are this site's is told by their names.
            kernels_ran=windows["call"].kernels if "call" in windows else (),
        )


def _scores(inputs: tuple[Tensor | None, ...]) -> int:
    query, key = (inputs[0], inputs[1]) if len(inputs) > 1 else (None, None)
    return math.prod(query.shape[:-1]) * key.shape[-2] if query and key and len(key.shape) > 1 else 0


def _asked_backend(evidence: Evidence) -> str | None:
    """The backend of `diagnose --backend`, where it is none that lowers: then nothing dense is the model's fault."""
    backend = (evidence.manifest.get("options") or {}).get("backend") if not evidence.manifest.get("as_is") else None
    return str(backend) if backend and backend != "inductor" else None


def _lowerings(evidence: Evidence, compilation: Compilation) -> list[Lowering]:
    graph = compilation.graph
    if graph is None or is_inner(compilation):
        return []
    ran = evidence.attention.ran.get((compilation.process, graph.number), 0)
    found = []
    for api in ("flex_attention", "sdpa"):
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
    if not kernels:
        return False, None
    if len(kernels) >= len(nodes):
        return True, kernels[index]
    # Fewer kernels than calls: which call has none is known only where all kernels name their nodes.
    return (False, None) if all(kernel.nodes for kernel in kernels) else (None, None)


def _node_of(evidence: Evidence, process: str, graph: int | None, index: int | None, api: str) -> AttentionNode | None:
    for compilation in evidence.compilations:
        held = compilation.graph
        if held is not None and (compilation.process, held.number) == (process, graph):
            nodes = [node for node in held.attention if node.api == api]
            return nodes[(index or 0) % len(nodes)] if nodes else None
    return None
