"""A finding: one cause at one place, with what was seen and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field

SEVERITIES = ("error", "warning", "info")
OWNERS = ("mine", "dependency", "torch")
CATEGORIES = {
    "target": "the target itself cannot be run, or fails without torch.compile too",
    "breaks": "a line at which Dynamo breaks the graph",
    "frames": "code that is not compiled",
    "compile-errors": "an exception or a crash under torch.compile",
    "recompiles": "code that is compiled again and again",
    "attention": "what takes the fused kernel away from attention",
    "float8": "dtypes that attention does not take",
    "kernels": "what attention ran as",
    "numerics": "results that differ from eager's",
    "machine": "the machine and its packages, not the code",
    "patches": "recipes that were asked for",
    "other": "anything else",
}
"""What a check can be about, with what that means. The rest of the tool goes by these words and never by a code."""


@dataclass(frozen=True)
class Location:
    """A place in source code; `line` counts from 1."""

    file: str
    line: int
    function: str
    snippet: str = ""


@dataclass(frozen=True)
class Cost:
    """What a finding costs, as far as the trace tells."""

    graphs: int = 0
    """Graphs that would not be there without it."""
    seconds: float = 0.0
    """Compile time of those frames, in seconds of wall clock."""


@dataclass(frozen=True, kw_only=True)
class CheckFacts:
    """What holds for all findings of a check, whatever it found. The check owns them, and its findings carry them."""

    category: str = "other"
    """A key of CATEGORIES."""
    exit_code: int | None = None
    """2 or 3 if its finding ends the diagnosis without a verdict; no waiver covers it then."""
    target_fails: bool = False
    """The target fails by itself: what else was found is not reported, and its evidence is shown as the target's output."""
    from_source: bool = False
    """It reads the target's sources and nothing of the run: what it finds holds if the run failed, too."""
    stops: bool = False
    """It keeps the compiled run from an output that could be compared; its title is the sentence behind the verdict."""
    consequence: bool = False
    """Of something that has a finding of its own, which is listed before it."""
    unproven: bool = False
    """It leaves open whether attention is fused: no pass under --require-fused."""
    own_recipe: bool = False
    """It looks for its recipe by itself; the signatures of recipes are not tried on its findings."""
    bytecode: bool = False
    """-v shows the decompiled bytecode around its place."""
    effect: tuple[str, str] | None = None
    """What the functions at the end of its titles do then, one and several: for the sentence behind the verdict."""


@dataclass(frozen=True)
class Finding:
    """One entry of the report; the fields are those of `findings` in the JSON schema, plus `via` and `cost`."""

    code: str
    name: str
    severity: str
    title: str
    message: str
    location: Location | None = None
    owner: str = "mine"
    count: int = 1
    upstream: str | None = None
    cause: str = ""
    """The normalised cause, stable over values, lines and torch versions: part of the finding's identity."""
    fix: str = ""
    recipe: str | None = None
    evidence: tuple[str, ...] = ()
    via: Location | None = None
    """Where the user's own code leads there, when the place is in a package."""
    cost: Cost = field(default_factory=Cost)
    late: bool = False
    """It says less than its neighbours do, and stands behind them however often it was seen."""
    baseline_cause: str = ""
    """What a baseline has in place of cause and upstream, if those depend on what torch met first."""
    facts: CheckFacts = field(default_factory=CheckFacts, compare=False, repr=False)
    """Of its check. In no document."""

    @property
    def is_outcome(self) -> bool:
        """Whether it ends the diagnosis without a verdict."""
        return self.facts.exit_code is not None
