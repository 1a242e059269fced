"""A recipe as text: `patches show` and `explain`."""

from __future__ import annotations

import re
import textwrap

from compile_doctor.recipes.catalogue import why_not_affected
from compile_doctor.recipes.recipe import Recipe
from compile_doctor.recipes.verified import verified_on

WIDTH = 100


def page(recipe: Recipe) -> str:
    """Everything in the recipe's file, and the versions of torch on which it was verified."""
    parts = [f"{recipe.id}: {recipe.title}", "", _paragraphs(recipe.explanation)]
    if recipe.workaround:
        parts += ["", "By hand: " + _paragraphs(recipe.workaround)]
    facts = [("Affects", ranges(recipe.affects))]
    if recipe.fixed_in:
        facts.append(("Fixed in", ", ".join(f"{package} {version}" for package, version in recipe.fixed_in.items())))
    if recipe.conditions:
        facts.append(("Only with", ", ".join(f"{key} {value}" for key, value in recipe.conditions.items())))
    facts.append(("Here", why_not_affected(recipe) or "this environment is affected"))
    facts.append(("Applied", how_applied(recipe)))
    if recipe.silent_wrong_result:
        facts.append(("Severity", "the result is wrong, without an error"))
    facts += [("Changes", change) for change in changes(recipe)]
    if recipe.verify:
        facts.append(
            ("Verified", ("on torch " + ", ".join(on)) if (on := verified_on(recipe.id)) else "on no torch yet")
        )
    facts += [("Upstream", url) for url in recipe.upstream]
    parts += ["", *(f"{label:<10} {text}" for label, text in facts)]
    if recipe.verify:
        parts += [
            "",
            f"This program fails without the recipe (compile-doctor patches verify {recipe.id} runs it):",
            "",
            textwrap.indent(recipe.verify.rstrip(), "    "),
        ]
    return "\n".join(parts) + "\n"


def ranges(found: dict[str, str]) -> str:
    """`torch >=2.8,<2.12`."""
    return ", ".join(f"{package} {spec}" for package, spec in found.items())


def how_applied(recipe: Recipe) -> str:
    """How a recipe is applied: by `auto`, by name only, or not at all."""
    if recipe.action == "warn":
        return "never: nothing can be patched safely"
    if recipe.default:
        return f'by `import compile_doctor.auto`, or compile_doctor.apply("{recipe.id}")'
    return f'by name only: compile_doctor.apply("{recipe.id}")'


def changes(recipe: Recipe) -> list[str]:
    """What it changes in torch, one entry for each change."""
    found = [f"{one.attribute}{_where(one.versions)}" for one in recipe.replaces]
    found += [f"an entry in {one.module}{_where(one.versions)}" for one in recipe.registers]
    found += [f"{one.setting}: {one.after!r} instead of {one.before!r}{_where(one.versions)}" for one in recipe.config]
    return found


def _where(versions: str) -> str:
    return f" (torch {versions})" if versions else ""


def _paragraphs(text: str) -> str:
    """Prose wrapped at WIDTH characters; indented blocks, which are code, are not changed."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(
        block if block.startswith("  ") or "\n  " in block else textwrap.fill(" ".join(block.split()), WIDTH)
        for block in blocks
    )
