"""The result of `fix` as JSON, schema compile-doctor/fix/1: for editors, coding assistants and CI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from compile_doctor.clean import cleaned
from compile_doctor.mend import result
from compile_doctor.render import document
from compile_doctor.render.document import ENVIRONMENT, Count, Figure, Record, Size, Texts, one_of
from compile_doctor.render.finding_document import Finding
from compile_doctor.render.json_format import finding_of
from compile_doctor.render.trial_document import Verdict


class Figures(Record):
    """One diagnosis in numbers."""

    findings: Count
    """Findings about the target."""
    graphs: Count
    """FX graphs that were compiled."""
    graph_breaks: Count
    """Distinct locations and causes of graph breaks."""
    recompiles: Count
    """Compilations of a frame that had been compiled before."""
    compile_seconds: Figure
    """Seconds of all compilations, wall clock."""


class Step(Record):
    """One rewrite of one finding, tried."""

    finding: Finding
    """The finding, with its line at that time."""
    rewrite: str
    """The rewrite's name, for `--only`."""
    title: str
    """What it changes, in a few words."""
    state: Annotated[str, one_of(*result.STATES)]
    """Whether it was kept."""
    reason: str
    """Why it was dropped; empty if it was kept."""


class Left(Record):
    """A finding that is still there."""

    finding: Finding
    """The finding, in the changed files."""
    reason: str
    """Why it is left."""


class Replacement(Record):
    """Lines that are replaced."""

    first_line: Size
    """The first line of the old text that is replaced, from 1; new lines are put before it if `last_line` is smaller."""
    last_line: Count
    """The last line of the old text that is replaced; smaller than `first_line` if lines are only added."""
    text: str
    """The new lines; empty if lines are only deleted."""


class File(Record):
    """A file that changed."""

    file: str
    """Relative to the working directory, if it is inside."""
    replacements: tuple[Replacement, ...]
    """The changes, from the top."""
    text: str
    """The whole new text."""


class Compared(Record):
    """What was compared with the original."""

    eager_inputs: Count
    """Inputs on which results are equal in eager mode: the target's own first, others made from them."""
    compiled_inputs: Count
    """Those of them on which compiled results were compared too, as far as there was time."""
    gradients: bool
    """Whether gradients were compared."""
    gradient_inputs: Count
    """Inputs on which gradients were compared in eager mode, as far as there was memory: each has those of the whole model."""
    unlike: Texts
    """What is not the same although results are equal, such as messages that compiled code leaves out."""


class CompileOptions(Record):
    """Options of torch.compile that the result needs; null: as before."""

    dynamic: bool | None
    """`dynamic=`."""


class Seconds(Record):
    """Median wall-clock seconds of one compiled call."""

    before: Figure
    """With the original files."""
    after: Figure
    """With the changed files."""


class Mended(Record):
    """What `fix` writes with `--format json`."""

    schema: Literal["compile-doctor/fix/1"]
    """The name of this schema, with its version."""
    target: str
    """The target as it was written."""
    environment: Annotated[Mapping[str, Any], Meta(extra_json_schema=ENVIRONMENT)]
    """What it ran on, as far as it is known."""
    exit_code: Count
    """The exit code: 0 if no finding of severity error is left, 1 if there is, 3 without a verdict."""
    verdict_before: Verdict
    """The verdict of the diagnosis of the original."""
    verdict_after: Verdict
    """The verdict of the diagnosis of the changed files."""
    before: Figures
    """The diagnosis of the original."""
    after: Figures
    """The diagnosis of the changed files."""
    steps: tuple[Step, ...]
    """What was tried, in this order."""
    left: tuple[Left, ...]
    """The findings that are still there."""
    files: tuple[File, ...]
    """The files that changed; nothing is written without `--write` or `--vendor`."""
    compile_options: CompileOptions
    """Options of torch.compile that the result needs."""
    compared: Compared
    """The comparison of the changed files with the original."""
    call_seconds: Seconds | None
    """The time of one compiled call; null if it was not measured."""
    written: Texts
    """The files that were written."""
    unfinished: str
    """Why the search ended before it was done; empty if it was done."""
    notes: Texts
    """Further notes, such as why no time was measured."""


@cleaned
def render(mended: result.Mended, verbosity: int = 0, colour: bool = False) -> str:
    return document.as_text(as_dict(mended))


def as_dict(mended: result.Mended) -> dict[str, Any]:
    sources = {result.short(path, mended.cwd): new for path, (_, new) in mended.files.items()}
    untimed = (f"no time was measured: {mended.untimed}",) if mended.untimed else ()
    found = Mended(
        schema="compile-doctor/fix/1",
        target=mended.target,
        environment=dict(mended.environment),
        exit_code=mended.exit_code,
        verdict_before=mended.verdict[0],
        verdict_after=mended.verdict[1],
        before=Figures(**vars(mended.before)),
        after=Figures(**vars(mended.after)),
        steps=tuple(
            Step(
                finding=finding_of(mended.near(one.finding)),
                rewrite=one.rewrite,
                title=one.title,
                state=one.state,
                reason=one.reason,
            )
            for one in mended.steps
        ),
        left=tuple(
            Left(finding=finding_of(mended.near(one.finding), sources), reason=one.reason) for one in mended.left
        ),
        files=tuple(_file(path, *texts, mended.cwd) for path, texts in sorted(mended.files.items())),
        compile_options=CompileOptions(dynamic=mended.compiling.get("dynamic")),
        compared=Compared(
            eager_inputs=mended.cases[0],
            compiled_inputs=mended.cases[1],
            gradients=mended.gradients > 0,
            gradient_inputs=mended.gradients,
            unlike=mended.unlike,
        ),
        call_seconds=Seconds(before=mended.seconds[0], after=mended.seconds[1]) if mended.seconds else None,
        written=tuple(result.short(path, mended.cwd) for path in mended.written),
        unfinished=mended.unfinished,
        notes=(*mended.notes, *untimed),
    )
    return document.as_dict(found)


def _file(path: str, old: str, new: str, cwd: str) -> File:
    parts = tuple(
        Replacement(first_line=one.first, last_line=one.last, text=one.text) for one in result.hunks(old, new)
    )
    return File(file=result.short(path, cwd), replacements=parts, text=new)
