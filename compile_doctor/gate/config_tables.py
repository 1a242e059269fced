"""The tables of the configuration, and what each of their values has to be."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

Owner = Literal["mine", "dependency", "torch"]

OWNERS: tuple[Owner, ...] = get_args(Owner)

# What a value has to be. The description ends the message for an invalid value.
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"

Flag = Annotated[bool, Meta(description="true or false")]

Text = Annotated[str, Meta(pattern=r"\w", description="text with a letter or digit in it")]

Name = Annotated[
    str,
    Meta(
        pattern=rf"^(?=.*\w)[^\\{_UNSEEN}]+\Z",
        description="text with a letter or digit in it, and without backslashes (write /) or invisible characters",
    ),
]

Positive = Annotated[int, Meta(ge=1, le=10**15, description="a whole number of at least 1, and at most 10**15")]

Limit = Annotated[int, Meta(ge=0, le=10**15, description="a whole number from 0 to 10**15")]

Seconds = Annotated[float, Meta(ge=0.1, le=1e6, description="a number of seconds from 0.1 to 1,000,000")]

Day = Annotated[datetime.date, Meta(description="a day without a time or quotes, such as 2027-01-31")]

Owners = Annotated[
    tuple[Owner, ...], Meta(min_length=1, description=f"a list of {', '.join(OWNERS)}, with at least one of them")
]


class Waiver(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """A finding that is known and accepted until a date."""

    code: Name
    place: Name
    """`path/file.py`, or `path/file.py:Class.method`."""
    reason: Text
    expires: Day
    target: Name = ""
    """Empty: any target."""


class GateTarget(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """One `[[tool.compile-doctor.targets]]`; the options are those of `diagnose`, or for a `command` those of `run`."""

    name: Name
    target: Name = ""
    tokens: Positive | None = None
    device: Name | None = None
    backend: Name | None = None
    mode: Name | None = None
    dynamic: Flag | None = None
    grad: Flag = False
    as_is: Flag = False
    repeat: Positive = 2
    patches: Name | None = None
    require_fused: Flag = False
    timeout: Seconds = 900.0
    memory_limit: Name | None = None
    numerics: Flag = False
    max_compile_seconds: Seconds | None = None
    max_peak_bytes: Positive | None = None
    require_cudagraphs: Flag = False
    max_graphs: Positive | None = None
    max_graph_breaks: Limit | None = None
    max_recompiles: Limit | None = None
    """Of each rank, if there are several."""
    command: Text = ""
    """A command line instead of a target, such as `torchrun --nproc-per-node 2 train.py`."""
    ranks: Positive | None = None
    """The number of ranks that have to be seen."""
    same_on_all_ranks: Flag = False


class Table(Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """`[tool.compile-doctor]` itself. Its inner tables are read one by one, so that an error names the table."""

    baseline_dir: Name = ".compile-doctor"
    targets: list[Any] = []
    owners: Owners = ("mine",)
    waivers: list[Any] = []
    jobs: Positive = 1
    cache: Flag | None = None
