"""Why a flex_attention call ran dense: the first cause that fits what the probe saw around the call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compile_doctor.analysis.attention.calls import AttentionCall, in_flex, place
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.model.attention import CompiledFunction, DenseCall, Graph
from compile_doctor.model.stacks import Frame, function_name
from compile_doctor.source import locations

ISOLATED = """\
compiled_flex = torch.compile(flex_attention)
@torch.compiler.disable
def isolated(q, k, v, **kwargs):  # disable a plain function, which calls the compiled one
    return compiled_flex(q, k, v, **kwargs)"""
_COMPILE = "Call a compiled flex_attention here: compiled_flex = torch.compile(flex_attention), once, at module level."


@dataclass(frozen=True)
class DenseCause:
    """One cause; `check` is the name of the check that reports it, empty if only `flex-dense-fallback` does."""

    check: str
    key: str
    why: str
    fix: str
    frame: Frame | None = None
    """The line to change, if it is not that of the call."""
    evidence: tuple[str, ...] = ()


def dense_cause(seen: AnalysisContext, site: AttentionCall) -> DenseCause:
    """The cause of the site's dense executions. Every site has one; the last one has the key `unknown`."""
    causes = [next(_causes(seen, site, call), None) for call in site.dense]
    known = [cause for cause in causes if cause is not None]
    return (
        known[0]
        if known
        else DenseCause("", "unknown", "It ran outside compiled code; the cause is unknown.", _COMPILE)
    )


def _causes(seen: AnalysisContext, site: AttentionCall, call: DenseCall) -> Iterator[DenseCause]:
    if call.modes:
        yield _mode(call.modes[-1])
    if any(one.function == "flex_attention" for one in call.wrappers):
        yield _disabled(seen, call)
    graph = _graph(seen, call)
    if graph is not None:
        yield _backend(seen, graph)
    state = call.state
    if state.get("disabled"):
        yield DenseCause(
            "", "switched-off", "torch.compile is switched off: TORCHDYNAMO_DISABLE, or torch._dynamo.config.disable.",
            "Unset TORCHDYNAMO_DISABLE and TORCH_COMPILE_DISABLE.",
        )  # fmt: skip
    if state.get("stance") not in (None, "default"):
        yield DenseCause(
            "", "stance", f'torch.compiler.set_stance("{state["stance"]}") was set, so compiled code ran eagerly.',
            "Use the stance \"default\" around attention.",
        )  # fmt: skip
    limit = next((log for log in seen.evidence.logs if log.kind == "limit" and _concerns(log.message, site)), None)
    if limit:
        yield DenseCause(
            "recompile-limit", "recompile-limit",
            "Its frame hit torch's recompile limit, and runs in plain Python, dense, from then on.",
            _what_varied(seen, site),
            evidence=(limit.message.splitlines()[0][:200],),
        )  # fmt: skip
    failed = next(
        (c for c in seen.evidence.compilations if c.guarded is False and c.fail_type not in (None, "Unsupported")), None
    )
    if state.get("suppress_errors") and failed:
        reason = (failed.fail_reason or "").strip().split("\n", 1)[0][:200]
        yield DenseCause(
            "", "suppressed-error", f"Compiling it failed, and torch._dynamo.config.suppress_errors hides the error: {reason}",
            "Set suppress_errors to False to see the error, and fix it.",
            evidence=(f"{failed.fail_type}: {reason}",),
        )  # fmt: skip
    if call.wrappers:
        name = call.wrappers[-1].function
        at = locations.find_definition(seen.evidence.sources, name)
        yield DenseCause(
            "", "in-disabled-function",
            f"It is called in {name}, which is under torch.compiler.disable, and it is not compiled itself.",
            _COMPILE, Frame(at[0], at[1], name) if at else None,
        )  # fmt: skip
    yield from _given_up(seen, site)
    if not seen.evidence.compilations or not any(c.guarded for c in seen.evidence.compilations):
        yield DenseCause("", "nothing-compiled", "Nothing was compiled in this run.", _COMPILE)
    yield DenseCause("", "never-compiled", "It was called outside any compiled function.", _COMPILE)


def _mode(mode: str) -> DenseCause:
    return DenseCause(
        "flex-under-dispatch-mode", "dispatch-mode", f"{mode.rsplit('.', 1)[-1]}, a TorchDispatchMode, was active around it.",
        "Leave the mode before attention is called; count its FLOPs with the formula 4 × B × H × Sq × Skv × D.",
        evidence=(f"active dispatch mode: {mode}",),
    )  # fmt: skip


def _disabled(seen: AnalysisContext, call: DenseCall) -> DenseCause:
    was = next((one for one in seen.evidence.attention.disabled if one.function == "flex_attention"), None)
    if was is None:
        return DenseCause(
            "",
            "flex-disabled",
            "flex_attention itself is under torch.compiler.disable, and was never compiled.",
            ISOLATED,
        )
    at = place(was.stack, seen.torch_root)
    where = f" ({locations.short(at.file)}:{at.line})" if at else ""
    return DenseCause(
        "flex-compile-disabled", "disable-unwraps",
        f"torch.compiler.disable was applied to an already compiled flex_attention{where}. It unwraps the compiled "
        "function, so the original one runs.",
        ISOLATED, at,
        ("a torch.compiler.disable wrapper around flex_attention itself was on the stack",
         "when it was made, its argument was a compiled function"),
    )  # fmt: skip


def _graph(seen: AnalysisContext, call: DenseCall) -> Graph | None:
    for compilation in seen.evidence.compilations:
        if compilation.graph and (compilation.process, compilation.graph.number) == (call.process, call.graph):
            inner = locations.is_interior(compilation.file, compilation.function)
            return None if inner else compilation.graph
    return None


def _backend(seen: AnalysisContext, graph: Graph) -> DenseCause:
    made = compiled_with(seen, graph.backend)
    at = place(made.stack, seen.torch_root) if made else None
    return DenseCause(
        "flex-backend-not-lowering", f"backend:{graph.backend}",
        f"It was compiled with backend {graph.backend}, which does not lower the operator.",
        "Compile it with the default backend: torch.compile(flex_attention).", at,
        (f"its graph was passed to backend {graph.backend}",),
    )  # fmt: skip


def compiled_with(seen: AnalysisContext, backend: str) -> CompiledFunction | None:
    """The torch.compile call that named a backend."""
    return next((one for one in seen.evidence.attention.compiled if one.options.get("backend") == backend), None)


def _what_varied(seen: AnalysisContext, site: AttentionCall) -> str:
    """The fix at the recompile limit: what made the frames of this call compile again."""
    frames = {(frame.file, frame.function) for frame in site.stack}
    of_site = [
        group
        for group in seen.recompiled
        if any((one.file, function_name(one.function)) in frames or in_flex(one) for one in group.compilations)
    ]
    if not of_site:
        return "Remove what makes its frame compile again (see CD202)."
    varied = "; ".join(dict.fromkeys(group.guard.words for group in of_site[:3]))
    return f"Remove what made its frame compile again: {varied}. The findings about recompilations (CD201 to CD206) say how."


def _concerns(message: str, site: AttentionCall) -> bool:
    names = {frame.function for frame in site.stack} | {"flex_attention"}
    return any(f"function: '{name}'" in message or f" {name} (" in message for name in names)


def _given_up(seen: AnalysisContext, site: AttentionCall) -> Iterator[DenseCause]:
    for skipped in seen.skipped:
        first = skipped.first
        inside = any(frame.file == first.file and frame.function == first.function for frame in site.stack)
        if inside or (first.file == site.frame.file and first.function == site.frame.function):
            why = f": {skipped.site.cause.title}" if skipped.site else ""
            at = skipped.site.frame if skipped.site else None
            yield DenseCause(
                "frame-skipped", "frame-given-up",
                f"Dynamo gave up on {first.function}{why}; the whole function runs in plain Python, flex_attention too.",
                "Fix the graph break, or call a compiled flex_attention: compiled_flex = torch.compile(flex_attention).",
                at,
            )  # fmt: skip
