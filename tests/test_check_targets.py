"""How many children of the gate run at a time, and what goes on beside them."""

import threading
from types import SimpleNamespace

import pytest

from compile_doctor.gate import check_targets
from compile_doctor.gate.check_targets import run_targets
from compile_doctor.gate.config_tables import GateTarget
from compile_doctor.gate.outcome import Outcome
from compile_doctor.model.evidence import Facts
from compile_doctor.run import side_by_side
from compile_doctor.run.side_by_side import Children

WAIT = 30.0
"""Seconds after which something that should happen has not."""


def test_no_more_children_than_asked_for_and_as_many():
    children, both, seen = Children(2), threading.Barrier(2), []

    def start(*_):
        seen.append(children._running)
        both.wait(WAIT)  # raises unless another one runs beside it

    threads = [threading.Thread(target=children.limited(start), args=("diagnose", [], {}, None)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert not both.broken and len(seen) == 6 and max(seen) == 2


def test_where_memory_is_short_one_runs_alone(monkeypatch):
    monkeypatch.setattr(side_by_side, "_free", lambda: side_by_side.ROOM - 1)
    children, seen = Children(4), []
    start = children.limited(lambda *_: seen.append(children._running))
    threads = [threading.Thread(target=start, args=("diagnose", [], {}, None)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert seen == [1, 1, 1, 1]


def test_a_child_that_cannot_be_started_leaves_its_place():
    children = Children(1)

    def start(*_):
        raise OSError("no")

    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            children.limited(start)("diagnose", [], {}, None)


def test_when_it_is_ended_nothing_more_is_started(monkeypatch):
    """Neither the next target, whose thread waits already, nor a control run of the one that was ended."""
    started, running, ended = [], threading.Event(), threading.Event()

    def start(mode, command, environment, timeout):
        started.append(command)
        running.set()
        ended.wait(WAIT)

    def diagnose(target, settings, folder, keep, progress, begin):
        if target.text != "a":
            begin("diagnose", target.text, {}, None)
            begin("control", target.text, {}, None)
        return SimpleNamespace(facts=Facts(), cached=False)

    def interrupted(target, found):
        assert running.wait(WAIT)
        raise KeyboardInterrupt

    monkeypatch.setattr(check_targets, "end_all", ended.set)
    monkeypatch.setattr(check_targets, "diagnose", diagnose)
    monkeypatch.setattr(check_targets, "parse_target", lambda text: SimpleNamespace(text=text))
    targets = [GateTarget(name=name, target=name) for name in "abc"]
    with pytest.raises(KeyboardInterrupt):
        run_targets(targets, 1, None, SimpleNamespace(start=start, stop=lambda: None), None, interrupted)
    assert len(started) == 1


def test_what_a_child_saw_is_read_while_the_next_one_runs(monkeypatch):
    second, order = threading.Event(), []

    def start(mode, command, environment, timeout):
        order.append(command)
        if command == "b":
            second.set()

    def diagnose(target, settings, folder, keep, progress, begin):
        begin("diagnose", target.text, {}, None)
        if target.text == "a":
            assert second.wait(WAIT), "the next one waits until the first is read"
        return SimpleNamespace(facts=Facts(), cached=False, text=target.text)

    monkeypatch.setattr(check_targets, "diagnose", diagnose)
    monkeypatch.setattr(check_targets, "parse_target", lambda text: SimpleNamespace(text=text))
    targets = [GateTarget(name=name, target=name) for name in "abc"]
    forks = SimpleNamespace(start=start, stop=lambda: None)
    found = run_targets(targets, 1, None, forks, None, lambda target, found: Outcome(found.text, "pass", "", None))
    assert [outcome.name for outcome in found] == sorted(order) == ["a", "b", "c"]
