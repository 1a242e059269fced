"""The comparison without --numerics: nested tensors, other random numbers, and differences that prove nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from compile_doctor.probe.calls import compare, other_random_state, random_state, seed, unlike
from compile_doctor.probe.numerics.second_look import MOVES, UNSTEADY, second_look
from compile_doctor.probe.numerics.trees import leaves


def test_a_nested_tensor_is_compared_by_its_components():
    parts = [torch.randn(n, 4) for n in (3, 5)]
    one, other = (torch.nested.nested_tensor(parts, layout=torch.jagged) for _ in range(2))
    assert one.shape != other.shape  # j1 and j2: two names for the same ragged size
    assert unlike([one], [other]) is None
    assert compare([one], [other])[0] == 0.0
    shorter = torch.nested.nested_tensor([parts[0], parts[1][:4]], layout=torch.jagged)
    assert unlike([one], [shorter]) == "compiled returns shape [5, 4], eager [4, 4]"
    assert [name for name, _ in leaves((one,), "output")] == ["output[0][0]", "output[0][1]"]


def test_numpys_and_pythons_generators_are_watched():
    import random

    numpy = pytest.importorskip("numpy")
    seed()
    before = other_random_state()
    assert other_random_state() == before
    random.random()
    drawn = other_random_state()
    assert drawn != before
    numpy.random.rand()
    assert other_random_state() != drawn


class Choice(nn.Module):
    """Takes the row with the larger sum; `tie` makes the two sums differ only in how they are added up."""

    def __init__(self, tie):
        super().__init__()
        self.tie = tie

    def forward(self, x):
        scores = torch.stack([x.sum(-1), x.flip(-1).cumsum(-1)[..., -1] + (0.0 if self.tie else 9.0)], dim=-1)
        return torch.where(scores.argmax(-1)[..., None] == 0, x, -x)


def looked_at(tie, wrong):
    torch.manual_seed(0)
    inputs = ((torch.randn(256, 64),), {})
    model = Choice(tie)

    def eagerly(change):
        (args, kwargs) = change(inputs)
        return [model(*args, **kwargs)]

    expected = eagerly(lambda value: value)
    return second_look(eagerly, [wrong(expected[0])], expected)


def test_a_discrete_choice_explains_a_large_difference():
    def other_choice(output):
        return torch.cat([-output[:8], output[8:]])

    assert looked_at(True, other_choice) == MOVES


def test_a_wrong_result_stays_wrong():
    assert looked_at(False, lambda output: output * 1.5) == ""


def test_whole_numbers_are_not_moved():
    """`long()` of a 1 that is given is 1: no rounding explains another result."""
    ones = ((torch.ones(8),), {})

    def eagerly(change):
        (args, _) = change(ones)
        return [args[0].long()]

    assert second_look(eagerly, [torch.full((8,), 2)], eagerly(lambda value: value)) == ""


def test_eager_that_is_not_steady_explains_it():
    calls = []

    def eagerly(change):
        calls.append(0)
        return [torch.full((2,), float(len(calls)))]

    assert second_look(eagerly, [torch.zeros(2)], [torch.full((2,), 5.0)]) == UNSTEADY


def test_a_counter_of_the_module_explains_it_if_it_changes_little():
    """The weight goes from 1 to 0.04 in the compiled run, and only to 0.03 when eager runs again."""
    calls = [24]

    def eagerly(change):
        calls.append(calls[-1] + 12)
        return [torch.full((8,), 1 / calls[-2])]

    assert second_look(eagerly, [torch.ones(8)], eagerly(lambda value: value)) == UNSTEADY


def test_rounding_that_changes_from_run_to_run_explains_nothing():
    runs = iter((1.0, 1.0 + 1e-6, 1.0, 1.0))

    def eagerly(change):
        return [torch.full((8,), next(runs))]

    assert second_look(eagerly, [torch.full((8,), 1.5)], eagerly(lambda value: value)) == ""


def test_the_random_state_needs_no_numpy(monkeypatch):
    """torch runs without numpy, and `.numpy()` then raises: every target would have failed in eager mode (CD002)."""

    def missing(tensor):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(torch.Tensor, "numpy", missing)
    before = random_state()
    assert before == random_state()
    torch.rand(1)
    assert before != random_state()
