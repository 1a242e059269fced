"""One page for each check: what it means, and two programs, one on which it fires and one on which it does not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from compile_doctor.analysis.graph_breaks.causes import Cause, causes
from compile_doctor.checks import all_checks
from compile_doctor.checks.base import Check
from compile_doctor.recipes.catalogue import all_recipes
from docsite.page import Page, bullets, code, escape, facts, prose, sections, table

INTRODUCTION = """\
What a diagnosis can find. A released code keeps its meaning. `compile-doctor explain CD101` shows a page in a terminal. An
*outcome* ends the diagnosis without a verdict on `torch.compile`."""


def pages() -> Iterator[Page]:
    """The index, and a page for each check, by code."""
    rows = [(f"[{one.code}]({file(one)})", one.name, severity(one), escape(one.summary)) for one in all_checks()]
    body = f"{INTRODUCTION}\n\n{table(('Code', 'Name', 'Severity', 'Fires when'), rows)}"
    yield Page("checks/index.md", "Checks", "Every code that compile-doctor reports, and when it fires.", body)
    for one in all_checks():
        yield Page(
            f"checks/{file(one)}",
            f"{one.code} {one.name}",
            one.summary,
            _body(one),
            f"compile_doctor/checks/{_module(one)}",
        )


def file(check: Check) -> str:
    """The file name of its page."""
    return f"{check.code.lower()}.md"


def severity(check: Check) -> str:
    """`error`, `warning`, `info` or `outcome`."""
    return check.severity or "outcome"


def of_cause(cause: Cause) -> str:
    """The code of a break with this cause, if no loop or `try` around it changes the code."""
    return "CD102" if cause.data_dependent_branch else "CD101"


def _body(check: Check) -> str:
    command = f"compile-doctor diagnose model.py {check.options}"
    shown = bool(check.fires or check.silent)
    about = facts(
        [
            ("Severity", severity(check)),
            ("Torch", f"`{check.versions}`" if check.versions else ""),
            ("Show it", f"`{command}`, with a program below as `model.py`" if shown else ""),
        ]
    )
    return sections(
        ("", escape(check.summary)),
        ("", about),
        ("What it means", prose(check.explanation)),
        ("Fires on", code(check.fires) if check.fires else ""),
        ("Does not fire on", code(check.silent) if check.silent else ""),
        (
            "Causes",
            bullets(
                f"[{escape(one.title)}](../causes/{one.key}.md)" for one in causes() if of_cause(one) == check.code
            ),
        ),
        (
            "Recipes that may help",
            bullets(
                f"[{one.id}](../recipes/{one.id}.md): {escape(one.title)}"
                for one in all_recipes()
                if check.code in one.signature.codes
            ),
        ),
    )


def _module(check: Check) -> str:
    return Path(inspect.getfile(check.detect)).name
