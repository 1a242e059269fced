"""A recipe as people read it: `patches show` and `explain`."""

from __future__ import annotations

import re
import textwrap

from compile_doctor.recipes.catalogue import why_not_affected
from compile_doctor.recipes.recipe import Recipe
from compile_doctor.recipes.verified import verified_on

WIDTH = 100


def page(recipe: Recipe) -> str:
    """Everything that the recipe says of itself, and the versions that it was proven on."""
    parts = [f"{recipe.id}: {recipe.title}", "", _paragraphs(recipe.explanation)]
    if recipe.workaround:
        parts += ["", "By hand: " + _paragraphs(recipe.workaround)]
    facts = [("Affects", ranges(recipe.affects))]
    if recipe.fixed_in:
        facts.append(("Fixed in", ", ".join(f"{package} {version}" for package, version in recipe.fixed_in.items())))
    if recipe.conditions:
        facts.append(("Where", ", ".join(f"{key} {value}" for key, value in recipe.conditions.items())))
    facts.append(("Here", why_not_affected(recipe) or "it is about this environment"))
    facts.append(("Applied", how_applied(recipe)))
    if recipe.silent_wrong_result:
        facts.append(("Mends", "a result that is wrong without an error"))
    facts += [("Changes", change) for change in changes(recipe)]
    if recipe.verify:
        facts.append(("Proven on", ", ".join(verified_on(recipe.id)) or "nothing yet"))
    facts += [("Upstream", url) for url in recipe.upstream]
    parts += ["", *(f"{label:<10} {text}" for label, text in facts)]
    if recipe.verify:
        parts += [
            "",
            f"Fails without it (compile-doctor patches verify {recipe.id} runs it):",
            "",
            textwrap.indent(recipe.verify.rstrip(), "    "),
        ]
    return "\n".join(parts) + "\n"


def ranges(found: dict[str, str]) -> str:
    """`torch >=2.8,<2.12`."""
    return ", ".join(f"{package} {spec}" for package, spec in found.items())


def how_applied(recipe: Recipe) -> str:
    """By whom: `auto`, by name only, or not at all."""
    if recipe.action == "warn":
        return "not: there is nothing that could be patched safely"
    if recipe.default:
        return f'by `import compile_doctor.auto`, or compile_doctor.apply("{recipe.id}")'
    return f'by name only: compile_doctor.apply("{recipe.id}")'


def changes(recipe: Recipe) -> list[str]:
    """What of torch's it touches."""
    found = [f"{one.attribute}{_where(one.versions)}" for one in recipe.replaces]
    found += [f"an entry in {one.module}{_where(one.versions)}" for one in recipe.registers]
    found += [f"{one.setting}: {one.after!r} in place of {one.before!r}{_where(one.versions)}" for one in recipe.config]
    return found


def _where(versions: str) -> str:
    return f" (torch {versions})" if versions else ""


def _paragraphs(text: str) -> str:
    """Prose filled to a width that can be read; indented lines, which are code, as they are."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(
        block if block.startswith("  ") or "\n  " in block else textwrap.fill(" ".join(block.split()), WIDTH)
        for block in blocks
    )
