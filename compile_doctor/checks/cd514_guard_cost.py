"""CD514: evaluating guards takes a real share of each call."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.guard_cost import guard_share
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding, Location

SHARE = 0.2
"""Of a call; below it nothing is reported."""
SECONDS = 100e-6
"""A call that spends less on its guards is not worth a change of the program."""


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    found = guard_share(seen.evidence)
    if found is None or found.share < SHARE or found.seconds < SECONDS:
        return
    first = found.guards[0]
    python = sum(one.cost.python for one in found.guards)
    every = sum(one.cost.guards for one in found.guards)
    slowest = [guard for one in found.guards for guard in one.cost.slowest][:6]
    modules = any("_modules" in guard.source or "_parameters" in guard.source for guard in slowest)
    filtered = (
        "torch.compiler.skip_guard_on_inbuilt_nn_modules_unsafe"
        if modules
        else "torch.compiler.keep_tensor_guards_unsafe"
    )
    yield CHECK.finding(
        f"guards: {first.frame.function}",
        f"Evaluating {every:,} guards takes at least {found.seconds * 1e6:,.0f} µs of each call, {100 * found.share:.0f} % of "
        f"{found.call * 1e6:,.0f} µs." + (f" {python} of them call{'s' * (python == 1)} Python." if python else ""),
        location=Location(*first.frame[:2], first.frame.function, first.frame.code),
        owner=seen.owner(first.frame.file),
        count=len(found.guards),
        cause="guards",
        fix="If nothing that the code depends on changes any more after a warm-up, skip the guards there (torch then does not notice "
        "a change):  with torch.compiler.set_stance(skip_guard_eval_unsafe=True): …   Or leave guards out when compiling: "
        f'torch.compile(…, options={{"guard_filter_fn": {filtered}}}). Give the compiled function fewer, larger arguments, and '
        "compile a larger part of the program, so that it is entered less often.",
        evidence=tuple(f"{guard.microseconds:.1f} µs for {guard.source}: {guard.guard}" for guard in slowest),
    )


CHECK = Check(
    code="CD514",
    name="guard-cost",
    severity="info",
    category="recompiles",
    summary="Evaluating guards takes at least a fifth of each call after the first, and 100 µs.",
    explanation="""\
Before each call of compiled code torch checks that everything which it was compiled for still holds: types, sizes, attributes of modules,
globals. A small model with many modules, or a function that takes long lists, can spend more on that than on its kernels. compile-doctor
times the guards of each compilation after torch has built them, and compares them with the quickest call after the first. `-v` has the
slowest ones. The figure is a lower bound: a function that is entered several times in a call counts once.
""",
    detect=detect,
)
