"""Every `before` in causes.yaml breaks the graph with its cause, and every `after` compiles into one graph."""

from __future__ import annotations

import itertools
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compile_doctor.analysis.graph_breaks.causes import Cause, causes, find_cause

pytestmark = pytest.mark.compile
torch = pytest.importorskip("torch")

TORCH = tuple(int(number) for number in torch.__version__.split(".")[:2])

NUMBERS = itertools.count()
SHOWN = [cause for cause in causes() if cause.before is not None]


@pytest.fixture(autouse=True)
def _clean_slate() -> Iterator[None]:
    rng, threads = torch.get_rng_state(), torch.get_num_threads()
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
    torch.set_rng_state(rng)
    torch.set_num_threads(threads)


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The break reasons as they go into the structured trace, which has them all: counters miss branches."""
    seen: list[str] = []

    def record(
        _name: str, metadata_fn: Callable[[], Any] = dict, *, payload_fn: Callable[[], Any] = str, **_: Any
    ) -> None:
        if metadata_fn().get("name") == "dynamo_graph_break_reason":
            seen.append(payload_fn())

    monkeypatch.setattr(torch._logging, "trace_structured", record)
    return seen


@pytest.fixture
def snippet(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module to run a snippet in: Dynamo up to 2.12 imports the module that a function says it is from, and keeps it."""
    module = types.ModuleType(f"compile_doctor_snippet_{next(NUMBERS)}")
    vars(module).update(torch=torch, nn=torch.nn, F=torch.nn.functional)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def call(fn: Callable[..., Any], **options: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.compile(fn, backend="eager", **options)(torch.linspace(-1, 1, 32).reshape(4, 8))


@pytest.mark.skipif(TORCH > (2, 13), reason="newer torch traces some of it")
@pytest.mark.parametrize("cause", SHOWN, ids=lambda cause: cause.key)
def test_before_breaks_with_its_cause(cause: Cause, snippet: types.ModuleType, reasons: list[str]) -> None:
    if "numpy" in (cause.before or ""):
        pytest.importorskip("numpy")
    exec(cause.before or "", vars(snippet))
    call(snippet.forward)
    assert [find_cause(reason, None).key for reason in reasons[:1]] == [cause.key], "\n".join(reasons)


@pytest.mark.parametrize("cause", [cause for cause in SHOWN if cause.after], ids=lambda cause: cause.key)
def test_after_is_one_graph(cause: Cause, snippet: types.ModuleType, reasons: list[str]) -> None:
    if cause.key == "hook" and TORCH < (2, 11):
        pytest.skip("hooks on intermediate tensors are traced from torch 2.11 on")
    exec(cause.after or "", vars(snippet))
    call(snippet.forward, fullgraph=True)
    # fullgraph=True traces some things that plain torch.compile breaks on (.item(), nonzero): hence a second look.
    torch._dynamo.reset()
    call(snippet.forward)
    assert not reasons


def test_every_before_has_an_after() -> None:
    assert [cause.key for cause in SHOWN if not cause.after] == []
