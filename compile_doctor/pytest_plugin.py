"""pytest plugin: what a block of a test, or a whole test, may cost under torch.compile. Imports no torch by itself.

    def test_one_graph(compile_health):
        with compile_health.expect(graphs=1, graph_breaks=0, recompiles=0, attention="fused"):
            torch.compile(model)(x)

    @pytest.mark.compile_health(max_graph_breaks=0)
    def test_no_break(): ...

Only what is compiled within the block counts: `torch._dynamo.reset()` first where the same code was compiled before.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from compile_doctor.report.make import Report

MARK = "compile_health"
FIGURES = ("graphs", "graph_breaks", "recompiles", "frames_skipped")


def pytest_configure(config: pytest.Config) -> None:
    """Makes the mark known, for --strict-markers."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(graphs=, graph_breaks=, recompiles=, frames_skipped=, max_…=, attention=): what the test may cost "
        "under torch.compile (compile-doctor)",
    )


class CompileHealth:
    """The fixture; `report` is that of the last block."""

    def __init__(self) -> None:
        self.report: Report | None = None

    @contextmanager
    def expect(self, **expected: Any) -> Iterator[CompileHealth]:
        """Fails the test, with the findings and their lines, where the block costs something else.

        `graphs`, `graph_breaks`, `recompiles` and `frames_skipped` are exact, with `max_` in front a limit.
        `attention="fused"`: each call was lowered to a kernel, which ran, and the dense path did not; memory is not
        measured in a test. Raises TypeError for another name, RuntimeError for a block within a block.
        """
        wanted = _checked(expected)
        from compile_doctor.api import watch
        from compile_doctor.report.make import relative

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
    """The mark, around the test's own call: fixtures that compile are not counted."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        yield
        return
    if mark.args:
        raise TypeError(f"the mark {MARK} takes names only, such as max_graph_breaks=0, not {mark.args[0]!r}")
    block = CompileHealth().expect(**mark.kwargs)
    block.__enter__()
    outcome: Any = yield
    raised = outcome.excinfo or (None, None, None)
    try:
        block.__exit__(*raised)
    except BaseException as error:
        if error is not raised[1]:  # the test's own failure is what is shown
            outcome.force_exception(error)


def _checked(expected: dict[str, Any]) -> dict[str, Any]:
    """Raises TypeError or ValueError for an expectation that could not fail, before the block runs."""
    known = {*FIGURES, *(f"max_{name}" for name in FIGURES), "attention"}
    if not expected:
        raise TypeError(f"compile_health expects nothing: give at least one of {', '.join(sorted(known))}")
    for name, value in expected.items():
        if name not in known:
            raise TypeError(f"compile_health knows no {name!r}: {', '.join(sorted(known))}")
        if name == "attention":
            if value != "fused":
                raise TypeError('attention="fused" is the only value')
        elif type(value) is not int:
            raise TypeError(f"{name} is a whole number, not {value!r}")
        elif value < 0:
            raise ValueError(f"{name} is 0 or more, not {value}")
    return expected


def differences(report: Report, expected: dict[str, Any]) -> Iterator[str]:
    """What is not as it was expected, a sentence each; evidence that is lost is never as expected."""
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
            yield f"{found} {words}, at most {value} expected"
        elif not limit and found != value:
            yield f"{found} {words}, {value} expected"
    if expected and not report.summary["frames_compiled"]:
        yield "nothing was compiled in this block: torch._dynamo.reset() first, if it was compiled before"


def _attention(report: Report) -> Iterator[str]:
    if not report.attention:
        yield "no attention call was seen, fused expected"
    for entry in report.attention:
        place = f"{entry.location.file}:{entry.location.line}"
        if entry.verdict in ("dense", "mixed"):
            yield f"attention is {entry.verdict} at {place}, fused expected: {entry.reason}"
        elif entry.verdict != "fused" and not (entry.lowered and entry.executed):
            yield f"attention is not proven to be fused at {place}: {entry.reason}"


def _shown(report: Report) -> str:
    from compile_doctor.render.text_format import render_without_verdict

    return render_without_verdict(report)
