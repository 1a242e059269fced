"""What the formats of `parity` share: the sections of the table, and the reasons, each once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compile_doctor.parity.result import STATUSES, Cell, Parity
from compile_doctor.recipes.catalogue import all_recipes


@dataclass(frozen=True)
class Row:
    """One line of the table: a case, and the kinds of heads with the same result."""

    case: str
    heads: str
    cells: tuple[tuple[Cell, ...], ...]
    """For each column the cells of those heads; empty if it was not requested."""


@dataclass(frozen=True)
class Section:
    """The rows of one dtype and direction."""

    dtype: str
    direction: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Reason:
    """The reason that some cells share."""

    status: str
    text: str
    cells: tuple[Cell, ...]


def columns(parity: Parity) -> tuple[str, ...]:
    """Implementations that have at least one cell other than N/A; all of them if there is no such cell."""
    names = tuple(dict.fromkeys(cell.implementation for cell in parity.cells))
    shown = {cell.implementation for cell in parity.cells if cell.status != "N/A"}
    return tuple(name for name in names if name in shown) or names


def sections(parity: Parity, merged: bool) -> list[Section]:
    """`merged`: heads whose cells all have the same status share a row."""
    names = columns(parity)
    grouped: dict[tuple[str, str], dict[str, dict[str, dict[str, Cell]]]] = {}
    for cell in parity.cells:
        cases = grouped.setdefault((cell.dtype, cell.direction), {})
        cases.setdefault(cell.case, {}).setdefault(cell.heads, {})[cell.implementation] = cell
    return [
        Section(
            dtype, direction, tuple(row for case, heads in cases.items() for row in _rows(case, heads, names, merged))
        )
        for (dtype, direction), cases in grouped.items()
    ]


def _rows(case: str, heads: dict[str, dict[str, Cell]], names: Sequence[str], merged: bool) -> Iterable[Row]:
    alike: dict[object, list[str]] = {}
    for kind, found in heads.items():
        alike.setdefault(tuple(found[n].word if n in found else "" for n in names) if merged else kind, []).append(kind)
    for kinds in alike.values():
        yield Row(case, " ".join(kinds), tuple(tuple(heads[k][n] for k in kinds if n in heads[k]) for n in names))


def reasons(parity: Parity) -> list[Reason]:
    """Worst status first, each text once; those of PASS and N/A last."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in parity.cells:
        if cell.reason:
            text = f"{cell.known}, a defect of this torch, {_remedy(cell.known)}: {cell.reason}" if cell.known else ""
            found.setdefault((cell.word, text or cell.reason), []).append(cell)
    order = {status: number for number, status in enumerate(("FAIL", "KNOWN", "DRIFT", "UNSUPPORTED", "PASS", "N/A"))}
    made = [Reason(status, text, tuple(cells)) for (status, text), cells in found.items()]
    return sorted(made, key=lambda reason: order[reason.status])


def _remedy(known: str) -> str:
    """What to do about a known defect: not every one has a recipe that changes torch."""
    warns = any(recipe.id == known and recipe.action == "warn" for recipe in all_recipes())
    return f"which you avoid as `compile-doctor explain {known}` says" if warns else "fixed by --patches auto"


def where(reason: Reason) -> str:
    """`sdpa-flash causal gqa float32 forward`, or the implementations and how many cells."""
    implementations = dict.fromkeys(cell.implementation for cell in reason.cells)
    if len(reason.cells) == 1:
        cell = reason.cells[0]
        return " ".join(filter(None, (cell.implementation, cell.case, cell.heads, cell.dtype, cell.direction)))
    cases = tuple(dict.fromkeys(cell.case for cell in reason.cells))
    directions = tuple(dict.fromkeys(cell.direction for cell in reason.cells))
    parts = [", ".join(implementations), cases[0] if len(cases) == 1 else f"{len(cases)} cases"]
    dtypes = tuple(dict.fromkeys(cell.dtype for cell in reason.cells))
    parts += [names[0] for names in (dtypes, directions) if len(names) == 1]
    return " ".join(parts) + f" ({len(reason.cells)} cells)"


def counts(parity: Parity) -> str:
    """`570 cells: 500 PASS, 70 UNSUPPORTED`."""
    found = [(sum(cell.word == status for cell in parity.cells), status) for status in ("KNOWN", *STATUSES)]
    return f"{len(parity.cells):,} cells: " + ", ".join(f"{count:,} {status}" for count, status in found if count)


def verdict(parity: Parity) -> tuple[str, str]:
    """The word for the first line, and what it means."""
    statuses = [cell.word for cell in parity.cells]
    known = statuses.count("KNOWN")
    ran = len(statuses) - statuses.count("UNSUPPORTED") - statuses.count("N/A")
    if parity.missing and "FAIL" not in statuses:
        return (
            "INCONCLUSIVE",
            f"It was interrupted: {parity.missing:,} comparison{'s are' if parity.missing > 1 else ' is'} missing.",
        )
    if parity.exit_code == 1 or parity.missing:
        failed = statuses.count("FAIL")
        differ = f"{failed:,} of {ran:,} comparisons differ{'s' * (ran == 1)} from the reference."
        return "FAIL", differ if failed else f"{len(parity.findings)} finding{'s' * (len(parity.findings) != 1)}."
    if parity.exit_code == 3:
        return "INCONCLUSIVE", "Nothing could be compared."
    drifted = statuses.count("DRIFT")
    all_of_them = "The one comparison is right" if ran == 1 else f"All {ran:,} comparisons are right"
    right = all_of_them if not known else f"{ran - known:,} of {ran:,} comparisons are right"
    drift = (", with a drift" if ran == 1 else f", {drifted:,} of them with a drift") if drifted else ""
    wrong = f"; {known:,} fail{'s' * (known == 1)} because of a known defect of this torch" if known else ""
    return "PASS", f"{right}{drift}{wrong}."


def facts(parity: Parity) -> list[str]:
    environment = parity.environment
    device = str(environment.get("gpu") or environment.get("device") or "")
    return [fact for fact in (parity.subject, f"torch {environment.get('torch', '?')}", device) if fact]
