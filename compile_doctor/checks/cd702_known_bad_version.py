"""CD702: this torch has a known defect that raises no error, and the model may be affected."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recipe_match import concerned, used_by
from compile_doctor.checks.attention_program import attention_program
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding, Location
from compile_doctor.recipes.catalogue import all_recipes
from compile_doctor.recipes.errors import about
from compile_doctor.recipes.page import ranges
from compile_doctor.recipes.recipe import Recipe
from compile_doctor.source import locations


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    compared = seen.evidence.max_difference is not None and not seen.evidence.facts.random
    finished = seen.evidence.phases.get("compiled", "done") == "done" and seen.failure is None
    active = {one.id for one in seen.evidence.patches if one.state == "active"}
    for recipe in all_recipes():
        quiet = recipe.silent_wrong_result or recipe.action == "warn"
        if recipe.silent_wrong_result and ((compared and not recipe.later_calls) or not finished):
            continue  # the first call's result was compared (CD601), or there was none
        if not quiet or recipe.id in active or not about(recipe, seen.evidence.environment):
            continue
        if not {"uses", "source"} & recipe.conditions.keys():
            continue  # a run does not show whether it matters; `patches list` has it
        used, at = concerned(recipe, [one.site for one in seen.attention], seen.own_sources)
        if not used:
            continue
        location = _location(recipe, seen, at)
        fixed = ", ".join(f"{package} {version}" for package, version in recipe.fixed_in.items())
        yield CHECK.finding(
            recipe.title,
            f"{' '.join(recipe.explanation.split())} compile-doctor did not test whether this model is affected.",
            location=location,
            owner="mine" if location else "torch",
            cause=f"known:{recipe.id}",
            fix=" ".join(recipe.workaround.split()) or (f"Update: fixed in {fixed}." if fixed else ""),
            recipe=None if recipe.action == "warn" else recipe.id,
            evidence=(
                f"torch {seen.evidence.environment.get('torch')} is in {ranges(recipe.affects)}",
                *(recipe.upstream[:1]),
            ),
        )


def _location(recipe: Recipe, seen: AnalysisContext, at: tuple[str, int] | None) -> Location | None:
    """The line of the model that uses the feature: by the recipe's pattern, else the first attention call."""
    if at is not None:
        return seen.location(*at, locations.enclosing(seen.own_sources, *at))
    frame = next((one.site.frame for one in seen.attention if used_by(recipe, one.site)), None)
    return seen.location(frame.file, frame.line, frame.function) if frame else None


CHECK = Check(
    code="CD702",
    name="known-bad-version",
    severity="warning",
    category="machine",
    own_recipe=True,
    summary="This torch has a known defect that raises no error, the model uses the affected feature, and no recipe fixes it.",
    explanation="""\
Some defects of a torch release are silent: a wrong result, or unexpected memory or time. They are known from upstream's
issues, and most were reproduced for the recipes of compile-doctor. The finding states that this torch has the defect
and that the model uses the affected feature; it does not state that the model is affected. Defects that raise an error
are not listed: if one occurs, the finding about the error names its recipe. A wrong result is not listed either if the
output of the first call was compared with eager mode, because CD601 reports it; unless only later calls are wrong.

`compile-doctor patches list` lists all recipes for this torch. `--patches auto`, or `import compile_doctor.auto` in
your program, applies those that are safe.
""",
    detect=detect,
    # Dropout draws random numbers: compiled and eager output cannot be compared, and nothing else would show it.
    fires=attention_program(
        "return torch.nn.functional.dropout(flex_attention(q, k, v, block_mask=self.mask), 0.1, self.training)"
    ),
    silent=attention_program(),
)
