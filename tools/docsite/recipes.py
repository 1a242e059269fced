"""One page for each recipe: the defect, what the recipe changes, where it was verified, its program and its code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from compile_doctor.recipes.catalogue import all_recipes, folders
from compile_doctor.recipes.page import changes, how_applied, ranges
from compile_doctor.recipes.recipe import Recipe
from compile_doctor.recipes.verified import read_table
from docsite.page import Page, bullets, code, escape, facts, inline, prose, sections, table


def pages() -> Iterator[Page]:
    """The index, which begins with recipes/README.md, and a page for each recipe."""
    rows = [
        (f"[{one.id}]({one.id}.md)", escape(one.title), inline(ranges(one.affects)), _kind(one))
        for one in all_recipes()
    ]
    own = (folders()[0] / "README.md").read_text(encoding="utf-8").strip()
    body = f"{own}\n\n{table(('Recipe', 'Defect', 'Affects', 'Applied'), rows)}"
    yield Page(
        "recipes/README.md",
        "Recipes",
        "Known defects of torch, and the workarounds for them.",
        body,
        "recipes/README.md",
    )
    yield _verified()
    for one in all_recipes():
        yield Page(
            f"recipes/{one.id}.md",
            one.id,
            one.title,
            _body(one),
            f"recipes/{one.file.name}",
            f"{one.id}: {escape(one.title)}",
        )


def _verified() -> Page:
    """The table that `make verify-recipes` wrote."""
    title, _, body = (folders()[0] / "VERIFIED.md").read_text(encoding="utf-8").partition("\n")
    about = "Every recipe on every torch: whether its program fails without it and passes with it."
    rows = re.sub(r"^\| ([a-z][\w-]+) \|(?= (?!\d))", r"| [\1](\1.md) |", body, flags=re.MULTILINE)
    return Page("recipes/VERIFIED.md", title.lstrip("# "), about, rows, "recipes/VERIFIED.md", hide=("toc",))


def _kind(recipe: Recipe) -> str:
    if recipe.action == "warn":
        return "a warning only"
    return "by `auto`" if recipe.default else "by name"


def _body(recipe: Recipe) -> str:
    how = escape(re.sub(r"(?<!`)(compile_doctor\.apply\(.*\))", r"`\1`", how_applied(recipe)))
    about = facts(
        [
            ("Affects", inline(ranges(recipe.affects))),
            ("Fixed in", ", ".join(f"{package} {version}" for package, version in recipe.fixed_in.items())),
            ("Only if", ", ".join(f"{key} is {inline(value)}" for key, value in recipe.conditions.items())),
            ("Applied", how),
            ("Without it", "the result is wrong, without an error" if recipe.silent_wrong_result else ""),
            ("Recognised by", ", ".join(recipe.signature.codes)),
        ]
    )
    patch = recipe.code
    return sections(
        ("", about),
        ("The defect", prose(recipe.explanation)),
        ("By hand", prose(recipe.workaround) if recipe.workaround else ""),
        ("What it changes", bullets(inline(change) for change in changes(recipe))),
        ("Verified", _verified_on(recipe)),
        ("Upstream", bullets(f"<{url}>" for url in recipe.upstream)),
        ("The program that verifies it", code(recipe.verify) if recipe.verify else ""),
        ("The code", _code(patch) if patch else ""),
    )


def _verified_on(recipe: Recipe) -> str:
    row = read_table().get(recipe.id)
    if not row:
        return ""
    words = (
        "`ok`: the program below fails without the recipe, passes with it, and fails again once it is reverted. `–`: this "
        "torch is not in the recipe's range, and the program passes without it. `seen`: it fails, and the recipe only warns."
    )
    command = f"`compile-doctor patches verify {recipe.id}` runs it on your machine. [The results of all recipes](VERIFIED.md)."
    return f"{table(['torch', *row], [['result', *row.values()]])}\n\n{words}\n{command}"


def _code(patch: Path) -> str:
    return f"[patches/{patch.name}](../patches/{patch.name})\n\n{code(patch.read_text(encoding='utf-8'))}"
