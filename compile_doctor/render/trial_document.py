"""The sections `patches` and `trial` of the document `report`: recipes, and what they change."""

from __future__ import annotations

from typing import Annotated

from compile_doctor.render.attention_document import CALL
from compile_doctor.render.document import Figure, Record, one_of
from compile_doctor.render.finding_document import Finding

Verdict = Annotated[str, one_of("healthy", "unhealthy", "inconclusive")]
RecipeState = Annotated[
    str, one_of("applicable", "active", "not-affected", "refused", "disabled", "failed", "too-late")
]


class Recipe(Record):
    """A recipe in the process of the target."""

    id: str
    """The recipe's name."""
    state: RecipeState
    """What happened to it."""
    reason: str | None
    """Why, if it is not active; else null."""


class Verdicts(Record):
    """The verdict without and with the recipes."""

    before: Verdict
    """Without them."""
    after: Verdict
    """With them."""


class Figures(Record):
    """A figure without and with the recipes."""

    before: Figure
    """Without them; null if there is no figure."""
    after: Figure
    """With them; null if there is no figure."""


class TrialAttention(Record):
    """A call of attention whose verdict the recipes changed. "–": the call was not reached."""

    place: str
    """File and line."""
    before: Annotated[str, one_of(*CALL, "–")]
    """Its verdict without the recipes."""
    after: Annotated[str, one_of(*CALL, "–")]
    """Its verdict with them."""


class Trial(Record):
    """What `--try-recipes` changed."""

    recipes: tuple[Recipe, ...]
    """The recipes of the second run."""
    verdict: Verdicts
    """The verdict of the two runs."""
    gone: tuple[Finding, ...]
    """Findings of the first run that the second does not have."""
    new: tuple[Finding, ...]
    """Findings of the second run that the first does not have."""
    attention: tuple[TrialAttention, ...]
    """Calls whose verdict changed."""
    max_difference: Figures
    """The largest absolute difference between compiled and eager output."""
    compile_seconds: Figures
    """Seconds of all compilations, wall clock."""
