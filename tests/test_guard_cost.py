"""What guards cost: joined with their functions, as a share of a call, and timed by the probe in a real compilation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from helpers import MODEL, SOURCE, compilation, evidence

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.guard_cost import guard_share, timed_guards
from compile_doctor.checks.cd514_guard_cost import CHECK
from compile_doctor.model.evidence import Evidence, Facts
from compile_doctor.model.guards import GuardCost, SlowGuard
from compile_doctor.render import json_format, text_format
from compile_doctor.report.make import make_report

SLOW = SlowGuard("L['weights'][5]", "L['weights'][5] == 5", 0.5)


def seen(*costs: GuardCost, call: float | None = 2e-3, **values: Any) -> Evidence:
    compiled = (compilation(0), compilation(0, frame_compile_id=1), compilation(1))
    values = {"compilations": compiled, "sources": {MODEL: SOURCE}, "facts": Facts(warm_call=call), **values}
    return evidence(guards=tuple(("7", cost) for cost in costs), **values)


def cost(compile_id: str = "0/0", microseconds: float = 900.0, **values: Any) -> GuardCost:
    return GuardCost(
        **{
            "compile_id": compile_id,
            "microseconds": microseconds,
            "guards": 6000,
            "python": 1,
            "slowest": (SLOW,),
            **values,
        }
    )


def test_guards_have_the_function_that_they_are_of():
    found = timed_guards(seen(cost(), cost("1/0", 1000.0), cost("9/0")))
    assert [(one.cost.compile_id, one.frame.function) for one in found] == [
        ("1/0", "Model.forward"),
        ("0/0", "Model.forward"),
    ]


def test_the_last_of_equal_ids_counts():
    assert [one.cost.microseconds for one in timed_guards(seen(cost(), cost("0/0", 5.0)))] == [5.0]


def test_of_several_compilations_of_a_frame_the_cheapest_counts():
    found = guard_share(seen(cost("0/0", 900.0), cost("0/1", 100.0), cost("1/0", 300.0)))
    assert found is not None and found.seconds == pytest.approx(400e-6) and found.share == pytest.approx(0.2)


def test_guards_that_take_longer_than_the_call_around_them_were_not_timed_well():
    assert guard_share(seen(cost("0/0", 2_500.0), call=2e-3)) is None
    assert guard_share(seen(cost("0/0", 1_500.0), call=2e-3)) is not None


@pytest.mark.parametrize(
    ("found", "reported"),
    [
        (seen(cost()), True),
        (seen(cost(), call=5e-3), False),  # less than a fifth of the call
        (seen(cost("0/0", 50.0), call=1e-4), False),  # half of the call, and nobody minds 50 µs
        (seen(cost(), call=None), False),
        (seen(), False),
    ],
)
def test_only_a_real_share_of_a_call_is_reported(found, reported):
    assert bool(list(CHECK.detect(AnalysisContext(found)))) is reported


def test_the_finding_has_the_share_and_the_slowest_guards():
    (found,) = CHECK.detect(AnalysisContext(seen(cost())))
    assert "6,000 guards takes at least 900 µs of each call, 45 % of 2,000 µs" in found.message
    assert found.evidence == ("0.5 µs for L['weights'][5]: L['weights'][5] == 5",)
    assert "keep_tensor_guards_unsafe" in found.fix


def test_text_and_json_show_them():
    report = make_report(seen(cost(), compilations=(compilation(0, guards=(6000, 1658.0)),)))
    shown = text_format.render(report, 1)
    assert "[0/0]  900.0 µs, 1,658 µs with flushed caches: 6,000 guards, 1 of them in Python" in shown
    assert "Guards" not in text_format.render(report)
    (one,) = json_format.as_dict(report)["guards"]
    assert (one["microseconds"], one["flushed_microseconds"], one["slowest"][0]["source"]) == (
        900.0,
        1658.0,
        SLOW.source,
    )
    assert json_format.as_dict(make_report(replace(seen(), guards=())))["guards"] == []


@pytest.mark.compile
def test_the_probe_times_the_guards_of_a_compilation():
    torch = pytest.importorskip("torch")
    from torch._dynamo import guards as torch_guards

    from compile_doctor.probe.observe import guards

    class Log:
        def __init__(self) -> None:
            self.events: list[Any] = []

        def write(self, event: Any) -> None:
            self.events.append(event)

    log = Log()

    before = torch_guards.guard_manager_testing_hook_fn
    try:
        torch._dynamo.reset()
        guards.watch(log)  # type: ignore[arg-type]
        torch.compile(lambda x, w: x * sum(w.values()), backend="eager")(torch.ones(2), {n: n for n in range(50)})
    finally:
        torch_guards.guard_manager_testing_hook_fn = before
        torch._dynamo.reset()
    (found,) = log.events
    assert found.compile_id.endswith("/0") and found.microseconds > 0
    assert found.guards >= 101  # each key and each value has one
    times = [one.microseconds for one in found.slowest]  # which they are, the machine decides
    assert times and min(times) > 0 and times == sorted(times, reverse=True)
