"""What findings about a comparison share if one of its runs raised: the exception, the sizes of chunks, the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.root_cause import root_cause
from compile_doctor.checks.attention_values import at_frame
from compile_doctor.model.comparisons import Comparison
from compile_doctor.model.evidence import Failure


def values_of(seen: AnalysisContext, raised: Sequence[Comparison]) -> dict[str, Any]:
    """Message, location and traceback of the first; `raised` has at least one."""
    first = raised[0]
    failure = Failure("numerics", first.chain, first.text)
    chunks = [one.case.removeprefix("chunk-") for one in raised if one.case != "full"]
    listed = " and ".join(filter(None, [", ".join(chunks[:-1]), *chunks[-1:]]))
    return {
        "message": first.reason + (f" (in chunks of {listed})." if listed else "."),
        "evidence": tuple(first.text.rstrip().splitlines()),
        **(at_frame(seen, root_cause(failure, seen.torch_root).frame) if first.chain else {}),
    }


def hook(comparison: Comparison) -> str:
    """The function of the target file that raised."""
    return "full()" if comparison.case == "full" else "incremental()"
