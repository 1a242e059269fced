"""A finding, and the place in source code that every section names."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from compile_doctor.model.findings import SEVERITIES
from compile_doctor.render.document import Count, Figure, Record, Size, Texts, one_of

Code = Annotated[str, Meta(pattern="^[A-Z]{2,6}[0-9]{3}$")]
Owner = Annotated[str, one_of("mine", "dependency", "torch")]


class Location(Record):
    """A location in source code."""

    file: str
    """Relative to the working directory, if it is inside."""
    line: Size
    """Counted from 1."""
    function: str
    """Qualified, such as `Model.forward`."""
    snippet: str
    """The line's text without its indentation; empty if it is not known."""


class Span(Record):
    """The statement at a location."""

    first_line: Size
    """The line in which it begins, from 1."""
    first_column: Size
    """The column in which it begins, in bytes of UTF-8 from 1."""
    last_line: Size
    """The line in which it ends."""
    end_column: Size
    """The column after its last byte."""


class Upstream(Record):
    """torch's own page about a cause."""

    id: Annotated[str, Meta(pattern="^GB[0-9]+$")]
    """torch's id of the graph break."""
    url: str
    """Its page on PyTorch's graph-break site."""


class Cost(Record):
    """What a finding costs, as far as the trace shows."""

    graphs: Count
    """Graphs that would not exist without it."""
    seconds: Figure
    """Seconds of compile time of those graphs, wall clock."""


class Finding(Record):
    """One cause at one location."""

    code: Code
    """The check's code; `compile-doctor explain CODE` explains it."""
    name: str
    """The check's name, such as `graph-break`."""
    severity: Annotated[str, one_of(*SEVERITIES)]
    """How bad it is."""
    title: str
    """What it is, in a few words."""
    message: str
    """What happened, in sentences."""
    location: Location | None
    """Where it is; null if the finding is about the whole run."""
    via: Location | None
    """The user's own line that leads there, if the location is in a package; else null."""
    also: tuple[Location, ...]
    """Other lines that break, and only because of this one: they have no finding of their own."""
    owner: Owner
    """Whose code is at the location."""
    count: Size
    """Occurrences that were folded into this finding."""
    cause: str
    """The normalised cause, which does not depend on values, lines and torch versions."""
    upstream: Upstream | None
    """torch's id of the cause; null if it has none."""
    fix: str
    """What to change; empty if nothing is known."""
    recipe: str | None
    """The recipe that would help; null if there is none."""
    rewrites: Texts
    """The rewrites of `fix` for this cause, the first to try first: `compile-doctor fix TARGET --only NAME`."""
    span: Span | None
    """The statement at the location; null if its source is not known."""
    cost: Cost
    """What it costs."""
    evidence: Texts
    """The evidence, line by line."""
    ranks: str
    """The ranks on which it was seen, such as `0-3, 7`; empty for a run without ranks."""
