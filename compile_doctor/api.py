"""compile-doctor from Python: what the command line does, as functions that return a `Report`.

    import compile_doctor

    report = compile_doctor.diagnose("model.py:build", tokens=16384)   # in a child process, as the command does
    report = compile_doctor.diagnose(model, inputs)                    # in this process
    with compile_doctor.watch() as seen:                               # around code that compiles
        step(batch)
    print(seen.report.render("markdown"))
    report = compile_doctor.load("run1")                               # a capture

A notebook shows a report as Markdown. Nothing here imports torch before a target has to run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from compile_doctor.errors import UsageError
from compile_doctor.model.evidence import Evidence
from compile_doctor.report import make, report, verdict


@dataclass(frozen=True)
class Report(report.Report):
    """The result of a diagnosis. The fields are those of the JSON document (docs/json.md), as Python values."""

    def render(self, format: str = "text", verbosity: int = 0) -> str:  # noqa: A002
        """The report as `text`, `json`, `markdown`, `html`, `sarif`, `github`, `gitlab`, `junit` or `perfetto`, without colours.

        `verbosity` 1 is `-v`. Raises UsageError for an unknown format.
        """
        from compile_doctor.render import renderer

        return renderer(format)(self, verbosity)

    def exit_code(self, fail_on: str = "error") -> int:
        """The exit code (0, 1, 2 or 3) of the command with `--fail-on` error, warning or never."""
        return verdict.exit_code(self, fail_on)

    def __str__(self) -> str:
        return self.render()

    def _repr_markdown_(self) -> str:
        return self.render("markdown")


class Watched:
    """What a block compiled; `report` is set when the block has ended."""

    def __init__(self) -> None:
        self.report: Report


def diagnose(
    target: Any, inputs: Any = None, *, capture: str | os.PathLike[str] | None = None, **options: Any
) -> Report:
    """Runs a target under `torch.compile` and reports what went wrong.

    A TARGET string (`model.py`, `model.py:attr`, `package.module:attr`, `example:NAME`) runs in a child process,
    compiled and then in eager mode, as with `compile-doctor diagnose`; `options` are those of the command with
    underscores (`device`, `tokens`, `backend`, `mode`, `dynamic`, `grad`, `as_is`, `repeat`, `timeout` in seconds,
    `memory_limit` in bytes, `require_fused`, `require_cudagraphs`, `patches`, `numerics`), and `capture` is a folder that keeps the evidence.

    A callable with its `inputs` (a tuple of positional arguments, a dict of keyword arguments, or one value) is
    compiled and called twice in this process, under `torch.no_grad()` unless `grad=True`; `backend`, `mode` and
    `dynamic` are passed to `torch.compile`. That is quicker, with limits: a crash ends this process, there is no eager
    control run, memory is not measured, and Dynamo's caches are reset before.

    Raises UsageError for an unknown option or an invalid TARGET. If the target fails, the report shows it.
    """
    if not isinstance(target, str):
        return _here(target, inputs, options)
    if inputs is not None:
        raise UsageError("A TARGET string has its own inputs. Give `inputs` only with a callable.")
    from compile_doctor.model.asked import Settings
    from compile_doctor.run.launch import diagnose as launch
    from compile_doctor.run.progress import Progress
    from compile_doctor.targets.target import not_a_target, parse_target

    _check(options, {one.name for one in fields(Settings)})
    with ExitStack() as stack:
        kept = Path(capture) if capture is not None else None
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="compile-doctor-")))
        evidence = launch(parse_target(target), Settings(**options), folder.resolve(), kept is not None, Progress(True))
    if evidence.facts.usage:
        raise UsageError(f"torch.compile refuses these options: {evidence.facts.usage}")
    if evidence.facts.not_a_target:
        raise UsageError(evidence.facts.not_a_target, hint=not_a_target())
    return _report(evidence)


@contextmanager
def watch() -> Iterator[Watched]:
    """Observes what is compiled in this process while the block runs: `with compile_doctor.watch() as seen`.

    Only what is compiled within the block counts: call `torch._dynamo.reset()` first if the code was compiled before.
    An exception in the block is raised again; `seen.report` is set even then. Raises RuntimeError for a block within
    another block, also in another thread.
    """
    with _watched("this block") as seen:
        yield seen


def load(path: str | os.PathLike[str]) -> Report:
    """The report of a capture: a folder, a .zip, or a folder of TORCH_TRACE files.

    Raises CaptureError if it cannot be read.
    """
    from compile_doctor.capture.load import load_capture

    return _report(load_capture(Path(path)))


def _report(evidence: Evidence) -> Report:
    made = make.make_report(evidence)
    return Report(**{one.name: getattr(made, one.name) for one in fields(made)})


@contextmanager
def _watched(name: str) -> Iterator[Watched]:
    from compile_doctor.capture.store import CaptureDirectory
    from compile_doctor.model.asked import Asked
    from compile_doctor.model.evidence import Child
    from compile_doctor.probe.entry import inprocess

    seen = Watched()
    with tempfile.TemporaryDirectory(prefix="compile-doctor-") as folder:
        directory = CaptureDirectory(Path(folder), Asked(name, str(Path.cwd()), temporary=True))
        try:
            with inprocess.watch(directory.path):
                yield seen
        finally:
            seen.report = _report(directory.close((Child("test", 0),)))


def _here(function: Any, inputs: Any, options: dict[str, Any]) -> Report:
    from compile_doctor.probe.entry import inprocess

    if not callable(function):
        raise UsageError(
            f"An object of type {type(function).__name__} cannot be called. "
            "Give a TARGET string, or a callable and its inputs."
        )
    _check(options, {"backend", "mode", "dynamic", "grad"})
    with _watched(f"{getattr(function, '__qualname__', type(function).__name__)} in this process") as seen:
        inprocess.compile_and_call(function, inputs, **options)
    return seen.report


def _check(options: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(options) - known)
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not a known option. The options are {', '.join(sorted(known))}.")
