"""Scores of the labelled suite: precision and recall per code, and for each tool the accuracy of its break counts and places."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from labels import BREAK_CODES
from processes import ROOT
from tables import table

from compile_doctor.checks import own_checks

Site = tuple[str, str | None, int | None]

# They describe the machine, not the program, so the labels of a program cannot always include them.
ENVIRONMENT_CODES = frozenset(check.code for check in own_checks() if check.category in ("machine", "patches"))


def differences(result: dict[str, Any]) -> tuple[set[Site], set[Site]]:
    """The labels that were missed, and the findings without a label; code, file and line must all agree.

    Any finding with its code meets an expectation without a line.
    """
    found = {(one["code"], one["file"], one["line"]) for one in result["doctor"].get("findings", [])}
    expected = {(code, file, line) for code, file, line in result["expected"]}
    anywhere = {code for code, _, line in expected if line is None}
    missing = {
        one
        for one in expected
        if one not in found and not (one[2] is None and one[0] in {code for code, _, _ in found})
    }
    labelled = {code for code, _, _ in expected}
    spurious = {
        one
        for one in found - expected
        if one[0] not in anywhere and (one[0] not in ENVIRONMENT_CODES or one[0] in labelled)
    }
    return missing, spurious


def per_code(results: dict[str, Any]) -> dict[str, dict[str, int]]:
    """True positives, misses and false alarms per code, for the programs that have a report."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in reported(results):
        missing, spurious = differences(result)
        for code, file, line in result["expected"]:
            counts[code]["missed" if (code, file, line) in missing else "right"] += 1
        for code, _, _ in spurious:
            counts[code]["false"] += 1
    return {code: {key: counts[code][key] for key in ("right", "missed", "false")} for code in sorted(counts)}


def code_table(totals: dict[str, dict[str, int]]) -> str:
    sums = {key: sum(one[key] for one in totals.values()) for key in ("right", "missed", "false")}
    rows = [[code, *ratios(one)] for code, one in [*totals.items(), ("all", sums)]]
    return table(["code", "expected", "right", "missed", "false", "precision", "recall"], rows)


def ratios(one: dict[str, int]) -> list[object]:
    right, missed, false = one["right"], one["missed"], one["false"]
    precision = right / (right + false) if right + false else None
    recall = right / (right + missed) if right + missed else None
    return [right + missed, right, missed, false, precision, recall]


COUNTS: dict[str, Callable[[dict[str, Any]], int | None]] = {
    "compile-doctor graph_breaks": lambda result: result["doctor"].get("summary", {}).get("graph_breaks"),
    "explain graph_break_count": lambda result: result["others"].get("explain", {}).get("breaks"),
    "tlparse failure rows": lambda result: result["others"].get("tlparse", {}).get("rows"),
    "tlparse break artifacts": lambda result: result["others"].get("tlparse", {}).get("artifacts"),
    "TORCH_LOGS records": lambda result: result["others"].get("torch_logs", {}).get("records"),
}
SITES: dict[str, Callable[[dict[str, Any]], set[str]]] = {
    "compile-doctor graph_breaks": lambda result: {
        place(one["file"], one["line"]) for one in result["doctor"].get("findings", []) if one["code"] in BREAK_CODES
    },
    "explain graph_break_count": lambda result: set(result["others"].get("explain", {}).get("sites", [])),
    "tlparse break artifacts": lambda result: set(result["others"].get("tlparse", {}).get("sites", [])),
    "TORCH_LOGS records": lambda result: set(result["others"].get("torch_logs", {}).get("sites", [])),
}


def site_table(results: dict[str, Any]) -> str:
    """The error of each tool's counts, and whether its distinct places are the true ones.

    If a tool has no result for a program, its error there is the number of sites.
    """
    rows = []
    for name, count in COUNTS.items():
        errors = [abs((count(result) or 0) - result["graph_breaks"]) for result in results.values()]
        exact = sum(count(result) == result["graph_breaks"] for result in results.values())
        right, missed, false = placed(results, SITES[name]) if name in SITES else (0, 0, 0)
        rows.append(
            [
                name,
                f"{exact}/{len(results)}",
                sum(errors) / len(errors) if errors else None,
                max(errors, default=0),
                right / (right + false) if right + false else None,
                right / (right + missed) if name in SITES and right + missed else None,
            ]
        )
    return table(["tool", "exact counts", "mean error", "worst", "places: precision", "places: recall"], rows)


def placed(results: dict[str, Any], sites: Callable[[dict[str, Any]], set[str]]) -> tuple[int, int, int]:
    right = missed = false = 0
    for result in results.values():
        truth = {place(file, line) for code, file, line in result["expected"] if code in BREAK_CODES}
        named = sites(result)
        right, missed, false = right + len(truth & named), missed + len(truth - named), false + len(named - truth)
    return right, missed, false


def place(file: str | None, line: int | None) -> str:
    return f"{ROOT / file}:{line}" if file else ""


def reported(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [result for result in results.values() if "summary" in result["doctor"]]


def mistakes(results: dict[str, Any]) -> Iterator[str]:
    """One line per disagreement, to fix the tool or the label."""
    for name, result in results.items():
        report = result["doctor"]
        if "summary" not in report:
            yield f"{name}: {report.get('error', 'no report')}"
            continue
        missing, spurious = differences(result)
        yield from (f"{name}: missed {one}" for one in sorted(missing, key=str))
        yield from (f"{name}: not labelled {one}" for one in sorted(spurious, key=str))
        shown = {**report["summary"], "verdict": report.get("verdict"), "exit": report.get("exit")}
        for key, value in result["summary"].items():
            if key in shown and str(shown[key]) != value:
                yield f"{name}: {key} is {shown[key]}, labelled {value}"
