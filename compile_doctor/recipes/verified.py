"""`recipes/VERIFIED.md`: which recipe was verified on which torch. `make verify-recipes` writes it; do not edit it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from packaging.version import Version

from compile_doctor.recipes.catalogue import folders
from compile_doctor.recipes.verify import Proof

OK, CLEAN, SEEN = "ok", "–", "seen"
_TITLE = """\
# Recipes, and the versions of torch on which they were verified

`make verify-recipes` writes this page: it runs the `verify` program of each recipe on each torch (CPU, Linux). Do not edit it.

- `ok`: the program fails without the recipe, passes with it, and fails again after it is reverted
- `seen`: the program fails, as expected for a recipe that only warns
- `–`: this torch is not in the recipe's range, and the program passes without the recipe
- any other text is a mistake in the recipe or in its range

"""


def verified_on(name: str) -> tuple[str, ...]:
    """The versions of torch on which a recipe was verified, oldest first."""
    return tuple(version for version, cell in read_table().get(name, {}).items() if cell == OK)


@lru_cache(maxsize=1)
def read_table() -> dict[str, dict[str, str]]:
    """{recipe: {torch: cell}}; empty if there is no table."""
    path = folders()[0] / "VERIFIED.md"
    return parse(path.read_text(encoding="utf-8")) if path.is_file() else {}


def parse(text: str) -> dict[str, dict[str, str]]:
    """{recipe: {torch: cell}} of a page that `render` wrote."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if "|" in line]
    if not rows:
        return {}
    versions = rows[0][1:]
    return {row[0]: dict(zip(versions, row[1:])) for row in rows[2:]}


def cell(proof: Proof) -> str:
    """`ok`, `seen`, `–`, or what went wrong, in a few words."""
    if proof.ok:
        return CLEAN if not proof.affected else OK if proof.patched else SEEN
    if not proof.affected:
        return f"out of range, and {proof.without}"
    return f"{proof.without} without, {proof.with_} with, {proof.reverted} reverted"


def render(table: Mapping[str, Mapping[str, str]]) -> str:
    """The page, with recipes and versions sorted."""
    versions = sorted({version for row in table.values() for version in row}, key=Version)
    lines = ["| recipe | " + " | ".join(versions) + " |", "| --- |" + " --- |" * len(versions)]
    lines += [
        f"| {name} | " + " | ".join(table[name].get(version, "not run") for version in versions) + " |"
        for name in sorted(table)
    ]
    return _TITLE + "\n".join(lines) + "\n"


def merge(path: Path, proofs: Iterable[Proof], known: Iterable[str]) -> None:
    """Writes proofs into the page. What was not run keeps its cell; recipes that are not in `known` are removed."""
    table = parse(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for proof in proofs:
        table.setdefault(proof.id, {})[proof.torch.partition("+")[0]] = cell(proof)
    keep = set(known)
    path.write_text(render({name: row for name, row in table.items() if name in keep}), encoding="utf-8")
