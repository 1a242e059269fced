"""The advice is applied: each program of advice.yaml breaks, gets a fix in the words of its line, and compiles with it."""

from __future__ import annotations

import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.applied import applied
from compile_doctor.analysis.graph_breaks.advice import advised, cause_at
from compile_doctor.analysis.graph_breaks.causes import Cause, causes, find_cause
from compile_doctor.model.stacks import Frame

pytestmark = pytest.mark.compile
torch = pytest.importorskip("torch")

TORCH = tuple(int(number) for number in torch.__version__.split(".")[:2])
PAIRS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "advice.yaml").read_text(encoding="utf-8"))
NAMES = [f"{pair['cause']}-{number}" for number, pair in enumerate(PAIRS)]


@pytest.fixture(autouse=True)
def _clean_slate() -> Iterator[None]:
    rng, config = torch.get_rng_state(), torch._dynamo.config.save_config()
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
    torch._dynamo.config.load_config(config)
    torch.set_rng_state(rng)


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []

    def record(
        _name: str, metadata_fn: Callable[[], Any] = dict, *, payload_fn: Callable[[], Any] = str, **_: Any
    ) -> None:
        if metadata_fn().get("name") == "dynamo_graph_break_reason":
            seen.append(payload_fn())

    monkeypatch.setattr(torch._logging, "trace_structured", record)
    return seen


def run(text: str, name: str) -> Any:
    """The output of a compiled program, which is a module: Dynamo up to 2.12 imports the module that a function names."""
    module = types.ModuleType(f"compile_doctor_advice_{re.sub(r'[^a-z0-9]', '_', name)}")
    vars(module).update(torch=torch, nn=torch.nn, F=torch.nn.functional)
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, "<program>", "exec"), vars(module))
        args = getattr(module, "args", (torch.linspace(-1, 1, 32).reshape(4, 8),))
        args = args() if callable(args) else args
        model = torch.compile(module.forward, backend="eager")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            return model(*args)
    finally:
        del sys.modules[module.__name__]


def diagnosis(reason: str, text: str) -> tuple[Cause, int]:
    stack = reason.partition("Stack variable source attribution")[0]  # behind it are lines that made other values
    places = re.findall(r'(?:in user code at |File ")<program>(?:", line |:)(\d+)', stack)
    line = int(places[-1])
    place = Frame("<program>", line, "forward")
    return advised(cause_at(find_cause(reason, None), text, line), reason, {"<program>": text}, place, "mine"), line


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return bool(torch.allclose(torch.as_tensor(one).float(), torch.as_tensor(other).float(), atol=1e-5))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.skipif(TORCH[0] == 2 and TORCH[1] != 13, reason="the reasons and lines of torch 2.13")
@pytest.mark.parametrize("pair", PAIRS, ids=NAMES)
def test_the_fix_holds(pair: dict[str, Any], reasons: list[str], request: pytest.FixtureRequest) -> None:
    if "numpy" in pair["before"]:
        pytest.importorskip("numpy")
    name = request.node.name
    wanted = run(pair["before"], name)
    assert reasons, "no break"
    cause, line = diagnosis(reasons[0], pair["before"])
    assert cause.key == pair["cause"], reasons[0]
    assert pair["fix"] in cause.fix, cause.fix
    assert pair.get("never", "\0") not in cause.fix, cause.fix
    assert not re.search(r"\{[a-z]+\d?\}", cause.fix + cause.why)
    torch._dynamo.reset()
    reasons.clear()
    if pair.get("setting"):
        assert pair["setting"] in cause.fix
        setattr(torch._dynamo.config, pair["setting"], True)
    after = pair.get("after") or (applied(pair["before"], line, cause.fix) if pair.get("apply") else pair["before"])
    got = run(after, name + "-after")
    assert not reasons, reasons[0].split("User code traceback")[0]
    if not pair.get("random"):
        assert same(got, wanted)


def test_no_setting_is_offered_without_a_condition() -> None:
    """A setting that was not seen to work for this use makes some programs raise."""
    for cause in causes():
        for text in (cause.fix, *(advice.fix for advice in cause.advice)):
            lines = text.splitlines()
            for number, one in enumerate(lines):
                if "config.capture_" in one and not one.startswith("#"):
                    assert number or "# for " in one, (cause.key, text)
