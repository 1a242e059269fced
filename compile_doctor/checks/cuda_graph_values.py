"""What findings about CUDA graphs share: the place of a graph, torch's reason in the field's words, what to do about it."""

from __future__ import annotations

from typing import Any

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.cuda_graphs import Captured, Reason
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.model.stacks import function_name

_FIXES = (
    (
        ("cpu device", "cpu ops", "DeviceCopy"),
        "Keep the tensor on the GPU: make it there (device=x.device), or register it as a buffer; pass a Python number instead of a "
        "tensor of one element on the CPU. Copies to and from the CPU belong outside of the compiled function.",
    ),
    (
        ("mutated inputs",),
        "Do not write into an input of the compiled function: return the new value. If the write is wanted (a cache), make the tensor a "
        "buffer of the module, or mark it with torch._dynamo.mark_static_address(tensor): what has a fixed address may be written.",
    ),
    (
        ("symbolic shapes", "dynamic shape"),
        "Pad to a few sizes, or compile with dynamic=False and a few sizes: a CUDA graph has one size.",
    ),
    (
        ("unbacked",),
        "The size depends on values (nonzero, a boolean index, .item()): a graph cannot hold it. Use an operator with a fixed size "
        "(torch.where, a mask), or torch.nonzero_static.",
    ),
    (
        ("Conditional",),
        "torch.cond chooses on the host. Compute both sides and choose with torch.where, if they are small.",
    ),
    (
        ("custom op", "unsafe custom"),
        "The operator is registered as unsafe for CUDA graphs (torch.Tag.cudagraph_unsafe), or listed in "
        "torch._inductor.config.custom_should_partition_ops. Remove that if it neither synchronises nor allocates by itself.",
    ),
    (("multiple devices",), "Compile the parts on each device by themselves: a CUDA graph belongs to one device."),
    (("non-Tensor inputs",), "Pass tensors and numbers only."),
    (("complex memory overlap",), "Pass an input that does not overlap itself: x.clone() instead of x.expand(…)."),
    (
        ("re-recording limit",),
        "The addresses of inputs change from call to call: copy into the same tensors each time.",
    ),
)


def why(reason: Reason) -> str:
    """`cpu ops (3 operators) at model.py:7`, in torch's words."""
    return reason.text + (f" ({reason.count} operators)" if reason.count > 1 else "")


def fix_of(reasons: tuple[Reason, ...]) -> str:
    """What to do about the first reason that is known."""
    for reason in reasons:
        for words, fix in _FIXES:
            if any(word in reason.text for word in words):
                return fix
    return "TORCH_LOGS=cudagraphs shows torch's own account, operator by operator."


def place_of(seen: AnalysisContext, one: Captured) -> dict[str, Any]:
    """The line that torch names for the first reason, else the function that was compiled."""
    frame = next((reason.frame for reason in one.reasons if reason.frame), None)
    if frame is not None:
        return at_frame(seen, frame)
    compilation = one.compilation
    location = seen.location(compilation.file, compilation.line, function_name(compilation.function))
    return {"location": location, "owner": seen.owner(compilation.file)}


def evidence_of(one: Captured) -> tuple[str, ...]:
    lines = [f"compiled as [{one.compilation.label}]"]
    lines += [
        f"{function.mode}: {function.warm_ups} warm-ups, {function.recordings} recordings, {function.replays} replays"
        for function in one.functions
    ]
    if one.partitions:
        lines.append(f"torch cut it into {one.partitions[0]} partitions, of which {one.partitions[1]} can be captured")
    lines += [f"torch: {why(reason)}" for reason in one.reasons]
    return tuple(lines)
