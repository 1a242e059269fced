"""A target whose `build_model()` gives the same module again: its state may be what the compiled run left."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from compile_doctor.probe.equality.same_model import FirstModel


class Counter(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.calls = 0


def test_the_same_module_that_was_written() -> None:
    model = Counter()
    first = FirstModel(model)
    assert not first.was_changed(model)
    model.seen += 1
    assert first.was_changed(model)
    assert not first.was_changed(Counter())


def test_the_same_module_with_another_number() -> None:
    model = Counter()
    first = FirstModel(model)
    model.calls += 1
    assert first.was_changed(model)


def test_a_function_has_no_state_of_its_own() -> None:
    assert not FirstModel(len).was_changed(len)
