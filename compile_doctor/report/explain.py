"""What a code means and how to fix it: the text behind `compile-doctor explain`."""

from __future__ import annotations

import re
import textwrap
from importlib import resources

from compile_doctor.analysis.graph_breaks.causes import explain_upstream, registry
from compile_doctor.checks import all_checks, find_check, unusable
from compile_doctor.checks.base import Check
from compile_doctor.errors import UsageError
from compile_doctor.recipes.catalogue import all_recipes
from compile_doctor.recipes.page import page
from compile_doctor.schemas import IDENTIFIERS, published

WIDTH = 100
SKILL = "skill"
"""Prints the instructions for coding assistants."""
URL = "https://meta-pytorch.github.io/compile-graph-break-site/gb/{}.html"


def upstream_url(gb_id: str) -> str:
    """The page of PyTorch's graph-break site for an id such as `GB0170`."""
    return URL.format(gb_id.lower())


def explain(code: str) -> str:
    """The page for `CD101`, `graph-break` or `GB0170`, the schema for `compile-doctor/report/1`, the file `skill`.

    Raises UsageError, listing the known codes, for an unknown one.
    """
    if code.strip().lower() == SKILL:
        return resources.files("compile_doctor.data").joinpath("skill.md").read_text(encoding="utf-8")
    check = find_check(code)
    if check:
        return _check_page(check)
    recipe = next((one for one in all_recipes() if one.id == code.strip().lower()), None)
    if recipe:
        return page(recipe)
    schema = published(code)
    if schema:
        return schema
    match = re.fullmatch(r"gb[-_ ]?(\d{1,4})", code.strip(), re.IGNORECASE)
    if match:
        gb_id = f"GB{int(match[1]):04}"
        try:
            return _wrapped(explain_upstream(gb_id).rstrip()) + "\n"
        except KeyError:
            raise UsageError(
                f"{gb_id} does not exist in torch 2.8 to 2.15.",
                hint=f"The {len(registry())} known ids are between {min(registry())} and {max(registry())}.",
            ) from None
    problem = dict(unusable()).get(code.strip().upper())
    if problem:
        raise UsageError(f"{code.strip().upper()} cannot be explained: {problem}.")
    raise UsageError(
        f"{code!r} is not a known code.",
        hint="Codes: "
        + ", ".join(check.code for check in all_checks())
        + "; or a graph break of torch: GBxxxx; or a recipe: "
        + ", ".join(recipe.id for recipe in all_recipes())
        + f"; or {SKILL}, instructions for coding assistants"
        + "; or the schema of a document: "
        + ", ".join(IDENTIFIERS.values())
        + ".",
    )


def _check_page(check: Check) -> str:
    severity = check.severity or "outcome"
    parts = [f"{check.code} {check.name} ({severity})", "", check.summary, "", check.explanation.rstrip()]
    if check.fires:
        parts += ["", "Fires on", "", _indented(check.fires)]
    if check.silent:
        parts += ["", "Does not fire on", "", _indented(check.silent)]
    return "\n".join(parts) + "\n"


def _wrapped(text: str) -> str:
    """Wraps prose; code (indented) is not changed."""
    lines = []
    for line in text.splitlines():
        bullet = "    " if line.startswith("  - ") else ""
        code = line.startswith("    ")
        lines += (
            [line]
            if code or len(line) <= WIDTH
            else textwrap.wrap(line, WIDTH, subsequent_indent=bullet, break_long_words=False)
        )
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.rstrip().splitlines())
