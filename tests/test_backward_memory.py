"""The window around the backward of a graph, with autograd nodes that are named as AOTAutograd's are."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from compile_doctor.capture import schema
from compile_doctor.probe.observe.backward import Backwards


class CompiledFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        if gradient.numel() == 3:
            raise ValueError("the program's own")
        return gradient * 2


class Log(list):
    write = list.append


class Windows:
    """What was entered, and how it was left."""

    def __init__(self):
        self.seen = []

    @contextmanager
    def __call__(self, name):
        try:
            yield
        except Exception as error:
            self.seen.append((name, str(error)))
            raise
        self.seen.append((name, ""))


@pytest.fixture
def watching():
    log, window = Log(), Windows()
    return Backwards(log, lambda: window), log, window


def called(backwards, x, number=1):
    result = CompiledFunction.apply(x)
    backwards.watch(number, (x,), result)
    return result


def test_the_backward_of_a_graph_is_in_a_window(watching):
    backwards, log, window = watching
    x = torch.ones(4, requires_grad=True)
    called(backwards, x).view(2, 2).sum().backward()
    assert torch.equal(x.grad, torch.full((4,), 2.0))  # the hooks change nothing
    assert (window.seen, log) == ([("backward:1", "")], [schema.BackwardRan(1)])


def test_two_calls_are_measured_and_no_more(watching):
    backwards, log, window = watching
    for _ in range(4):
        called(backwards, torch.ones(4, requires_grad=True)).sum().backward()
    assert window.seen == [("backward:1", "")] * 2 and len(log) == 1


def test_a_result_of_an_earlier_graph_is_not_this_graphs(watching):
    backwards, _, window = watching
    earlier = CompiledFunction.apply(torch.ones(4, requires_grad=True))
    backwards.watch(2, (earlier,), (earlier, earlier.view(2, 2)))
    earlier.sum().backward()
    assert window.seen == []


def test_a_backward_that_raises_ends_as_without_the_doctor_and_leaves_no_window_open(watching):
    backwards, log, window = watching
    with pytest.raises(ValueError, match="the program's own"):
        called(backwards, torch.ones(3, requires_grad=True)).sum().backward()
    backwards.close()
    assert window.seen == [("backward:1", "the backward did not end")]
    called(backwards, torch.ones(4, requires_grad=True)).sum().backward()
    assert window.seen[1:] == [("backward:1", "")] and log == [schema.BackwardRan(1)]


def test_without_gradients_nothing_is_watched(watching):
    backwards, log, _ = watching
    with torch.no_grad():
        called(backwards, torch.ones(4))
    assert log == []


def test_a_backward_that_is_compiled_as_a_whole_is_not_measured_and_not_forgotten(watching, monkeypatch):
    backwards, log, window = watching
    monkeypatch.setattr("compile_doctor.probe.compat.compiles_autograd", lambda: True)
    called(backwards, torch.ones(4, requires_grad=True)).sum().backward()
    assert (window.seen, log) == ([], [schema.BackwardRan(1)])


def test_a_run_that_measures_no_more_has_no_window():
    log = Log()
    backwards = Backwards(log, lambda: None)
    called(backwards, torch.ones(4, requires_grad=True)).sum().backward()
    assert log == []
