"""CD804: ranks run with different versions or settings."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.ranks.surroundings import differing
from compile_doctor.checks.base import Check
from compile_doctor.checks.ranks_in_words import who
from compile_doctor.model.findings import Finding

SHOWN = 6
_VERSIONS = ("torch", "python", "platform", "cuda", "rocm", "xpu", "gpu", "device")


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    found = list(differing(seen.evidence.ranks))
    if not found:
        return
    others = tuple(sorted({number for one in found for numbers in list(one.values.values())[1:] for number in numbers}))
    lines = [
        f"{one.name}: "
        + "; ".join(f"{value[:80]} on {who(seen, numbers)}" for value, numbers in list(one.values.items())[:4])
        for one in found
    ]
    more = f" And {len(lines) - SHOWN} more: -v." if len(lines) > SHOWN else ""
    versions = any(one.name in _VERSIONS for one in found)
    yield CHECK.finding(
        f"Ranks run with different {'versions' if versions else 'settings'}: {found[0].name}",
        f"{'. '.join(lines[:SHOWN])}.{more} With other {'versions' if versions else 'settings'}, ranks may compile other graphs and kernels.",
        cause=found[0].name,
        fix="Start all ranks with the same environment, and set torch's options on all of them alike.",
        count=len(found),
        ranks=others,
        evidence=tuple(lines),
    )


CHECK = Check(
    code="CD804",
    name="rank-settings-differ",
    severity="warning",
    category="ranks",
    compares_ranks=True,
    summary="Ranks run with different versions of torch, other variables, or other settings of Dynamo or Inductor.",
    explanation="""\
Compared are versions, the device, variables such as `TORCHDYNAMO_…`, and the settings of Dynamo and Inductor, as torch wrote them at the
first compilation of each rank. Folders, ports, thread counts and visible devices may differ and are left out.
""",
    detect=detect,
)
