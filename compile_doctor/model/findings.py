"""A finding: one cause at one location, with its evidence and what to do about it."""

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
    "attention": "what keeps attention from its fused kernel",
    "float8": "dtypes that attention does not support",
    "kernels": "the kernel that attention used",
    "cold-start": "what a new process compiles again although torch's cache on disk could have it",
    "numerics": "results that differ from eager's",
    "machine": "the machine and its packages, not the code",
    "ranks": "what differs between the ranks of a distributed run, and how they ended",
    "patches": "the requested recipes",
    "other": "anything else",
}
"""What a check can be about, with its meaning. The rest of the tool uses these words and never a code."""


@dataclass(frozen=True)
class Location:
    """A location in source code; `line` counts from 1."""

    file: str
    line: int
    function: str
    snippet: str = ""


@dataclass(frozen=True)
class Cost:
    """What a finding costs, as far as the trace shows."""

    graphs: int = 0
    """Graphs that would not exist without it."""
    seconds: float = 0.0
    """Compile time of those frames, in wall-clock seconds."""


@dataclass(frozen=True, kw_only=True)
class CheckFacts:
    """What is true for all findings of a check. The check defines it, and its findings have a reference to it."""

    category: str = "other"
    """A key of CATEGORIES."""
    exit_code: int | None = None
    """2 or 3 if its finding ends the diagnosis without a verdict; such a finding cannot be waived."""
    target_fails: bool = False
    """The target fails by itself: other findings are not reported, and the evidence is shown as the target's output."""
    from_source: bool = False
    """It reads only the target's sources, nothing of the run: its findings are valid even if the run failed."""
    stops: bool = False
    """It prevents the compiled run from producing an output; its title becomes the sentence behind the verdict."""
    consequence: bool = False
    """It is a consequence of something that has its own finding, which is listed first."""
    dense: bool = False
    """It is about attention that keeps every score and has no row of its own in the report: --require-fused fails."""
    uncaptured: bool = False
    """Something is not captured in a CUDA graph: --require-cudagraphs fails."""
    unproven: bool = False
    """With it, attention is not proven to be fused: not a pass with --require-fused."""
    own_recipe: bool = False
    """It finds its recipe itself; the signatures of recipes are not matched with its findings."""
    bytecode: bool = False
    """-v shows the decompiled bytecode around its location."""
    compares_ranks: bool = False
    """It compares the ranks of a distributed run; all other checks look at each rank by itself."""
    compares_starts: bool = False
    """It compares two starts of the target, which `coldstart` makes."""
    effect: tuple[str, str] | None = None
    """What the functions at the end of its titles do, singular and plural: for the sentence behind the verdict."""


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
    """The normalised cause, independent of values, lines and torch versions: part of the finding's identity."""
    fix: str = ""
    recipe: str | None = None
    evidence: tuple[str, ...] = ()
    via: Location | None = None
    """The line of the user's own code that leads there, if the location is in a package."""
    also: tuple[Location, ...] = ()
    """Other lines that break, and only because of this one: they have no finding of their own."""
    cost: Cost = field(default_factory=Cost)
    late: bool = False
    """It is less informative than similar findings, and is listed after them whatever its count."""
    baseline_cause: str = ""
    """What a baseline has instead of cause and upstream, if those depend on what torch met first."""
    breaks_at: int | None = None
    """The line of its location's file at which a function that was skipped breaks. Not part of any document."""
    ranks: tuple[int, ...] = ()
    """The ranks on which it was seen; empty for a run without ranks."""
    facts: CheckFacts = field(default_factory=CheckFacts, compare=False, repr=False)
    """The facts of its check. Not part of any document."""

    @property
    def is_outcome(self) -> bool:
        """Whether it ends the diagnosis without a verdict."""
        return self.facts.exit_code is not None
