"""The kinds of trace records: those that are read, and those that are known and ignored.

They are from all `trace_structured(` calls of torch 2.8 to 2.15. The report counts other kinds in `unknown_events`:
they come from a newer torch, or from another program.
"""

from __future__ import annotations

import re
from functools import lru_cache

from compile_doctor.capture.trace.records import KINDS

WANTED = frozenset(KINDS)
COMPARED = WANTED - {"chromium_event", "describe_tensor", "describe_source", "dynamo_cpp_guards_str"}
"""What ranks are compared by: without the times of what torch did, which are two thirds of all records, and the inputs."""

IGNORED = frozenset(
    [
        "aot_joint_graph",
        "bwd_compilation_metrics",
        "compiled_autograd_graph",
        "create_symbol",
        "create_unbacked_symbol",
        "describe_storage",
        "dump_file",
        "dynamo_guards",
        "exported_program",
        "export",
        "expression_created",
        "graph_dump",
        "guard_added",
        "guard_added_fast",
        "guard_on_data_dependent_error",
        "inductor_input_graph",
        "inductor_post_grad_graph",
        "link",
        "mismatched_fake_kernel",
        "missing_fake_kernel",
        "optimize_ddp_split_child",
        "optimize_ddp_split_graph",
        "propagate_real_tensors",
        "propagate_real_tensors_provenance",
        "aot_autograd_backward_compilation_metrics",
    ]
)

IGNORED_PATTERN = re.compile(
    r"""^artifact:(
      .*_(ORIGINAL|MODIFIED)_BYTECODE
    | .*_graph(s|_.*)? | .*_code | .*_code_state | .*_cache_.* | .*cache_(hit|miss|bypass|entries|exception)
    | (aot|inductor|fx|overlap|fusion|pre_|post_|before_|after_|min_cut|compile_worker|flex_gemm|optimus|reorder|sink).*
    | .*_(pre|post)_grad | compiled_(autograd|function|fn).* | (backward|forward|runtime|subclass)_.* | .*_prologue
    | torch\._functorch\.config | .*\.config | triton_kernel_info | make_fx_fail_partial | pge_profile.* | scheduler_.*
    | eager_compile_backwards_failure | cprofile_manifold_url | compiler_collective | precompile_.* | graph_execution
    | dynamo_side_effects | guard_collective | invoke_subgraph.*
    )$""",
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def is_known(kind: str) -> bool:
    """Whether a kind is one that is read, or one that is ignored on purpose."""
    return kind in WANTED or kind in IGNORED or IGNORED_PATTERN.search(kind) is not None
