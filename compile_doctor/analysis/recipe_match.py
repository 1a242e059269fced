"""Which recipe fixes what was found. Nothing here imports torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from compile_doctor.analysis.attention.calls import AttentionCall
from compile_doctor.model.findings import Finding
from compile_doctor.recipes.catalogue import all_recipes
from compile_doctor.recipes.errors import about
from compile_doctor.recipes.recipe import Recipe


def with_recipe(
    finding: Finding, environment: Mapping[str, Any], attention: Collection[AttentionCall], sources: Mapping[str, str]
) -> Finding:
    """The finding with the recipe whose signature it has, if there is one; some checks have already set theirs.

    `attention` is every line that called attention in the run, `sources` the target's own files.
    """
    if finding.recipe or finding.facts.own_recipe:
        return finding
    text = "\n".join((finding.title, finding.message, finding.fix, *finding.evidence))
    for recipe in all_recipes():
        wanted = recipe.signature
        if recipe.action == "warn" or finding.code not in wanted.codes or not about(recipe, environment):
            continue
        if wanted.message is not None and not wanted.message.search(text):
            continue
        if concerned(recipe, attention, sources)[0]:
            return replace(finding, recipe=recipe.id)
    return finding


def concerned(
    recipe: Recipe, attention: Collection[AttentionCall], sources: Mapping[str, str]
) -> tuple[bool, tuple[str, int] | None]:
    """Whether a run used what a recipe is about, and the (file, line) that did, if the recipe has a pattern for it."""
    uses, pattern = recipe.conditions.get("uses"), recipe.conditions.get("source")
    if uses and not any(used_by(recipe, site) for site in attention):
        return False, None
    if not pattern:
        return True, None
    places = ((file, _line_of(pattern, text)) for file, text in sorted(sources.items()))
    found = next(((file, line) for file, line in places if line), None)
    return found is not None, found


@lru_cache(maxsize=4096)
def _line_of(pattern: str, text: str) -> int:
    """The first line at which a pattern matches; 0 if none does. Cached, because each finding looks at the same files."""
    found = re.search(pattern, text)
    return text.count("\n", 0, found.start()) + 1 if found else 0


def used_by(recipe: Recipe, site: AttentionCall) -> bool:
    """Whether a recipe about attention is about this call: its function, and what else matters of it."""
    wanted = recipe.conditions
    if site.api != wanted.get("uses"):
        return False
    if "kernel" in wanted and not any(one.kernel and one.kernel.backend == wanted["kernel"] for one in site.lowerings):
        return False
    shape = site.query.shape if site.query is not None else ()
    if "queries" in wanted and not (len(shape) > 1 and shape[-2] >= int(wanted["queries"])):
        return False
    return "head_dim" not in wanted or (bool(shape) and str(shape[-1]) in wanted["head_dim"].split("|"))
