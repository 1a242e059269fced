"""pytest plugin: limits what a block of a test, or a whole test, compiles. It does not import torch itself.

    def test_one_graph(compile_health):
        with compile_health.expect(graphs=1, graph_breaks=0, recompiles=0, attention="fused"):
            torch.compile(model)(x)

    @pytest.mark.compile_health(max_graph_breaks=0)
    def test_no_break(): ...

Only what is compiled within the block counts: call `torch._dynamo.reset()` first if the same code was compiled before.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from compile_doctor.report.report import Report

MARK = "compile_health"
FIGURES = ("graphs", "graph_breaks", "recompiles", "frames_skipped")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark, for --strict-markers."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(graphs=, graph_breaks=, recompiles=, frames_skipped=, max_…=, attention=): limits what the test "
        "compiles with torch.compile (compile-doctor)",
    )


class CompileHealth:
    """The fixture; `report` is the report of the last block."""

    def __init__(self) -> None:
        self.report: Report | None = None

    @contextmanager
    def expect(self, **expected: Any) -> Iterator[CompileHealth]:
        """Fails the test, with the findings and their lines, if the block differs from what is expected.

        `graphs`, `graph_breaks`, `recompiles` and `frames_skipped` are exact; with the prefix `max_` they are limits.
        `attention="fused"`: each call was lowered to a kernel that ran, and the dense path did not run; memory is not
        measured in a test. Raises TypeError for another name, ValueError for a negative number, RuntimeError for a
        block within a block.
        """
        wanted = _checked(expected)
        from compile_doctor.api import watch
        from compile_doctor.report.relative import relative

        with watch() as seen:
            yield self
        self.report = relative(seen.report)
        wrong = list(differences(self.report, wanted))
        if wrong:
            pytest.fail("\n".join([*wrong, "", _shown(self.report)]), pytrace=False)


@pytest.fixture
def compile_health() -> CompileHealth:
    """`with compile_health.expect(graphs=1, graph_breaks=0):` around code that compiles."""
    return CompileHealth()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Applies the mark around the test's own call: what fixtures compile is not counted."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        yield
        return
    if mark.args:
        raise TypeError(f"the mark {MARK} takes only keywords, such as max_graph_breaks=0, not {mark.args[0]!r}")
    block = CompileHealth().expect(**mark.kwargs)
    block.__enter__()
    outcome: Any = yield
    raised = outcome.excinfo or (None, None, None)
    try:
        block.__exit__(*raised)
    except BaseException as error:
        if error is not raised[1]:  # if the test itself failed, pytest shows that failure
            outcome.force_exception(error)


def _checked(expected: dict[str, Any]) -> dict[str, Any]:
    """Raises TypeError or ValueError for an expectation that could not fail, before the block runs."""
    known = {*FIGURES, *(f"max_{name}" for name in FIGURES), "attention"}
    if not expected:
        raise TypeError(f"compile_health has no expectation. Give at least one of {', '.join(sorted(known))}")
    for name, value in expected.items():
        if name not in known:
            raise TypeError(f"compile_health: {name!r} is not a known keyword. Give some of {', '.join(sorted(known))}")
        if name == "attention":
            if value != "fused":
                raise TypeError(f'compile_health: attention has to be "fused", not {value!r}')
        elif type(value) is not int:
            raise TypeError(f"compile_health: {name} has to be a whole number, not {value!r}")
        elif value < 0:
            raise ValueError(f"compile_health: {name} has to be 0 or more, not {value}")
    return expected


def differences(report: Report, expected: dict[str, Any]) -> Iterator[str]:
    """The differences from what is expected, one sentence each; missing evidence is always a difference."""
    yield from (f"evidence is missing: {text}" for text in report.lost)
    for name, value in expected.items():
        if name == "attention":
            yield from _attention(report)
            continue
        limit = name.startswith("max_")
        found = report.summary[name.removeprefix("max_")]
        words = name.removeprefix("max_").replace("_", " ")
        words = words.removesuffix("s") if found == 1 else words
        if limit and found > value:
            yield f"{found} {words}, expected at most {value}"
        elif not limit and found != value:
            yield f"{found} {words}, expected {value}"
    if expected and not report.summary["frames_compiled"]:
        yield "nothing was compiled in this block. If the code was compiled before, call torch._dynamo.reset() first"


def _attention(report: Report) -> Iterator[str]:
    if not report.attention:
        yield "no attention call was seen, expected fused"
    for entry in report.attention:
        place = f"{entry.location.file}:{entry.location.line}"
        if entry.verdict in ("dense", "mixed"):
            yield f"attention is {entry.verdict} at {place}, expected fused: {entry.reason}"
        elif entry.verdict != "fused" and not (entry.lowered and entry.executed):
            yield f"attention is not proven to be fused at {place}: {entry.reason}"


def _shown(report: Report) -> str:
    from compile_doctor.render.text_report import render_without_verdict

    return render_without_verdict(report)
