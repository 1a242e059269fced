"""CD511: torch neither looks a graph up in its cache nor stores it."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.base import Check
from compile_doctor.checks.cold_start_values import CACHES, lines_of, values
from compile_doctor.model.findings import Finding

_FIXES = (
    ("Unsupported call_function target", "Register the function as a custom operator (torch.library.custom_op), which the cache can name. "
     "If it is pure and its results depend on nothing else, torch._inductor.config.unsafe_marked_cacheable_functions can name it."),
    ("custom pass", "Make the pass a torch._inductor.custom_graph_pass.CustomGraphPass with a uuid() that changes with its code: a plain "
     "function has no key."),
    ("frozen", "Compile without freezing (torch._inductor.config.freezing), which puts the weights into the code."),
    ("freezing", "Compile without freezing (torch._inductor.config.freezing), which puts the weights into the code."),
    ("cache_hash", "Give the context_fn of checkpoint a cache_hash attribute, as torch's message says."),
    ("uuid", "Give the object that torch's reason names a uuid() that changes with its code."),
    ("HigherOrder", "Move the operator that torch's reason names out of this graph, if the rest is large: a graph is cached whole or not at all."),
    ("higher order", "Move the operator that torch's reason names out of this graph, if the rest is large: a graph is cached whole or not at all."),
    ("torchbind", "Pass tensors instead of the torch script object."),
    ("mkldnn", "Do not put mkldnn tensors into the graph."),
    ("TensorSubclass", "Give the subclass what torch's cache needs (_stable_hash_for_caching), or unwrap it before the compiled function."),
)  # fmt: skip
"""By what torch's reason contains."""
_GENERAL = "Take what torch's reason names out of this graph, or let a new process load it with torch.compiler.load_cache_artifacts if it can."


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    bypassed = [one for one in seen.asked_again if one.answer.answer == "bypass"]
    for (place, reason), ones in lines_of(seen, bypassed, lambda one: one.answer.reason):
        named = " and ".join(sorted({CACHES[one.answer.cache] for one in ones}))
        first = reason.strip().splitlines()[0] if reason.strip() else "torch gives no reason"
        known = next((fix for words, fix in _FIXES if words.lower() in reason.lower()), "")
        yield CHECK.finding(
            f"{named} bypassed: {place.function}",
            f"{named} neither looked this graph up nor stored it, so each new process compiles it again. torch: {first}",
            fix=known or _GENERAL,
            cause=next((words for words, _ in _FIXES if words.lower() in reason.lower()), "bypass")
            .replace(" ", "-")
            .lower(),
            **values(seen, place, ones),
            evidence=tuple(f"torch: {line}" for line in reason.strip().splitlines()[:6]),
        )


CHECK = Check(
    code="CD511",
    name="cache-bypassed",
    severity="warning",
    category="cold-start",
    compares_starts=True,
    summary="`coldstart`: torch's cache on disk is bypassed for a graph, with torch's reason.",
    explanation="""\
Inductor and AOTAutograd keep what they compile in a folder (TORCHINDUCTOR_CACHE_DIR), and a new process takes it from there. For some
graphs torch refuses: an operator that it cannot name in a key, a custom pass without a uuid, frozen weights. Then each start compiles them
in full. A bypass of AOTAutograd's cache alone is cheaper: Inductor's cache may still have the kernels.
""",
    detect=detect,
)
