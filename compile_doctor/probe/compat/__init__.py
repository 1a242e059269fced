"""The only part that depends on the torch version, 2.8 to 2.15: private and changing parts of torch that the probe uses.

Nothing here asks for the version: what is there is looked at, so that a nightly and a fork work too.
"""

from compile_doctor.probe.compat.attention import create_block_mask, flex_operator, replace_dense_entry, varlen_codes
from compile_doctor.probe.compat.backends import (
    around_each_call,
    backend_name,
    inlined_modules,
    is_inductor,
    is_packaged,
    register_bytecode_hook,
    replace_backend_call,
    replace_compile_call,
    replace_unwrap,
)
from compile_doctor.probe.compat.compiling import (
    compile_by_default,
    compiled_parts,
    compiler_state,
    disabled_function,
    force_eager,
    forget_compilations,
    guards_hooks,
    is_compiled,
    keep_out_of_graphs,
    keeps_out,
    same_random,
)
from compile_doctor.probe.compat.counts import cache_hits, counters, current_compile_id, graphs_compiled, metrics_count
from compile_doctor.probe.compat.cuda_graphs import begin_step, has_cuda_graphs, watch_cuda_graphs, without_cuda_graphs
from compile_doctor.probe.compat.guards import epilogue_guards, inner_guards, is_python_guard, on_guards
from compile_doctor.probe.compat.modes import (
    compiles_autograd,
    dispatch_modes,
    in_backward,
    is_profiling,
    outside_modes,
)
from compile_doctor.probe.compat.trace import (
    artifact_enabled,
    artifact_loggers,
    enable_artifact,
    retarget_trace,
    trace_artifact,
    trace_into,
    trace_muted,
)

__all__ = [
    "around_each_call",
    "artifact_enabled",
    "artifact_loggers",
    "backend_name",
    "begin_step",
    "cache_hits",
    "compile_by_default",
    "compiled_parts",
    "compiler_state",
    "compiles_autograd",
    "counters",
    "create_block_mask",
    "current_compile_id",
    "disabled_function",
    "dispatch_modes",
    "enable_artifact",
    "epilogue_guards",
    "flex_operator",
    "force_eager",
    "forget_compilations",
    "graphs_compiled",
    "guards_hooks",
    "has_cuda_graphs",
    "in_backward",
    "inlined_modules",
    "inner_guards",
    "is_compiled",
    "is_inductor",
    "is_packaged",
    "is_profiling",
    "is_python_guard",
    "keep_out_of_graphs",
    "keeps_out",
    "metrics_count",
    "on_guards",
    "outside_modes",
    "register_bytecode_hook",
    "replace_backend_call",
    "replace_compile_call",
    "replace_dense_entry",
    "replace_unwrap",
    "retarget_trace",
    "same_random",
    "trace_artifact",
    "trace_into",
    "trace_muted",
    "varlen_codes",
    "watch_cuda_graphs",
    "without_cuda_graphs",
]
