"""The known defects of this environment: the recipes that affect its torch and its devices, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compile_doctor.recipes.catalogue import all_recipes, why_not_affected
from compile_doctor.recipes.errors import can_occur_at


def known_defects(devices: Sequence[str], capability: str | None = None) -> list[dict[str, Any]]:
    """{id, title, action, default, silent_wrong_result} of each; wrong results without an error come first."""
    found = [
        {
            "id": recipe.id,
            "title": recipe.title,
            "action": recipe.action,
            "default": recipe.default,
            "silent_wrong_result": recipe.silent_wrong_result,
        }
        for recipe in all_recipes()
        if not why_not_affected(recipe)
        and (not recipe.conditions.get("device") or set(recipe.conditions["device"].split("|")) & set(devices))
        and can_occur_at(recipe, capability)
    ]
    return sorted(found, key=lambda one: (not one["silent_wrong_result"], one["id"]))


def as_lines(defects: Sequence[dict[str, Any]]) -> list[str]:
    """One line for each defect, with the way its recipe is applied."""
    if not defects:
        return ["", "Known defects: none of the recipes affects this torch on these devices."]
    width = max(len(one["id"]) for one in defects)
    lines = ["", f"Known defects of this torch here: {len(defects)} (details: compile-doctor patches show ID)"]
    for one in defects:
        how = "no recipe" if one["action"] == "warn" else "default" if one["default"] else "by name"
        wrong = "wrong result: " if one["silent_wrong_result"] else ""
        lines.append(f"  {one['id']:<{width}}  {how:<9}  {wrong}{one['title']}")
    return lines
