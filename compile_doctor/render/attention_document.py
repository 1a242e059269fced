"""The sections `attention` and `cuda_graphs` of the document `report`: what ran on the device, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from compile_doctor.render.document import Count, Record, Size, one_of
from compile_doctor.render.finding_document import Location, Owner

CALL = ("fused", "dense", "mixed", "unverified")
CallVerdict = Annotated[str, one_of(*CALL)]
StepVerdict = Annotated[str, one_of(*CALL, "dense (from growth)", "mixed (from growth)", "not run")]
Piece = Annotated[str, one_of("lowered", "executed", "bounded")]


class Pieces(Record):
    """The evidence for a fused kernel. Null: it could not be checked, and `reasons` says why."""

    lowered: bool | None
    """The generated code has a fused kernel for this call."""
    executed: bool | None
    """That kernel ran, and nothing dense did."""
    bounded: bool | None
    """Memory did not grow as the score matrix would."""


class Step(Record):
    """One size of `--tokens`."""

    tokens: Count
    """Tokens at this size."""
    ran: bool
    """Whether this size was run."""
    verdict: StepVerdict
    """The verdict on the call at this size; "from growth": derived from the smaller sizes."""
    peak_bytes: Count | None
    """Bytes, measured; null if they were not."""
    dense_bytes: Count | None
    """Bytes that the dense path needs, measured or predicted; null if that is not known."""
    fused_bytes: Count | None
    """Bytes that a fused kernel would need; null if that is not known."""
    reason: str
    """Why it was not run; empty if it was."""


class Attention(Record):
    """One line that calls attention."""

    location: Location
    """The line of the call."""
    owner: Owner
    """Whose code it is."""
    api: Annotated[str, one_of("flex_attention", "sdpa", "varlen_attn")]
    """What is called."""
    verdict: CallVerdict
    """How it ran; `unverified` is not a pass."""
    kernel: str | None
    """The generated kernel; null if there is none."""
    backend: str | None
    """For `sdpa` the backend that ran, for `flex_attention` that of its graph; null if it is not known."""
    implementation: str | None
    """Which of torch's implementations computed it (`triton`, `flash-2`, `math`, …); null if that is not known."""
    tokens: Count | None
    """Keys at the largest size that ran; null if the shapes are not known."""
    q_shape: tuple[Count, ...] | None
    """The query's shape; null if it is not known."""
    kv_shape: tuple[Count, ...] | None
    """The key's shape; null if it is not known."""
    dtype: str | None
    """The query's dtype, such as `bfloat16`; null if it is not known."""
    device: str | None
    """The query's device; null if it is not known."""
    peak_bytes: Count | None
    """The peak of allocated bytes while it ran; null if that was not measured."""
    dense_bytes: Count | None
    """Bytes of the score matrix alone; null if the shapes are not known."""
    evidence: Pieces
    """The three pieces of evidence behind the verdict."""
    reason: str
    """Why it is not `fused`; empty if it is."""
    reasons: Mapping[Piece, str]
    """For each piece of evidence that is not true, why."""
    ladder: tuple[Step, ...]
    """The sizes of `--tokens`, smallest first."""


class Memory(Record):
    """The memory of one compiled call over time, under torch's profiler."""

    peak_bytes: Count
    """The highest point, in bytes beyond what was allocated before the call."""
    points: tuple[tuple[Count, int], ...]
    """Microseconds since the call began, and bytes from then on; at most 500."""


class CudaGraphReason(Record):
    """Why something is not captured."""

    text: str
    """torch's words."""
    count: Size
    """Operators with this reason."""
    location: Location | None
    """The line that torch names; null if it names none."""


class CudaGraph(Record):
    """One compiled graph of a run that asked for CUDA graphs."""

    compile_id: str
    """torch's id of the compilation, such as `0/0`."""
    location: Location
    """The function that was compiled."""
    state: Annotated[str, one_of("captured", "partly", "skipped", "not-recorded")]
    """What became of it; `not-recorded`: it ran too seldom."""
    functions: Count
    """Parts that were wrapped, forward and backward."""
    recordings: Count
    """The most recordings of one part."""
    replays: Count
    """Replays of all parts."""
    reasons: tuple[CudaGraphReason, ...]
    """Why it is not captured whole."""
