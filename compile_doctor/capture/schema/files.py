"""The files of a capture beside its events and traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Child
from compile_doctor.model.ranks import Rank
from compile_doctor.model.units import Bytes, Count, Meta, Positive, Word

CAPTURE = "compile-doctor/capture/2"
SEAL = "compile-doctor/seal/1"


@dataclass(frozen=True)
class RungListed:
    """One size of `--tokens`: the folder of its capture, or why it was not run."""

    tokens: Positive
    directory: Annotated[str, Meta(pattern=r"^rung-[0-9]{1,12}\Z")] | None = None
    reason: str | None = None
    predicted: Bytes | None = None


@dataclass(frozen=True)
class StartListed:
    """One start of `coldstart`: its name, and the folder of its capture."""

    name: Annotated[str, Meta(pattern=r"^(cold|warm|own|dynamic|regional)\Z")]
    number: Positive = 1
    """Which of several that were made alike."""

    @property
    def directory(self) -> str:
        return f"start-{self.name}" + (f"-{self.number}" if self.number > 1 else "")


@dataclass(frozen=True)
class Manifest:
    """capture.json: what was requested, and how it ended."""

    schema: Word
    asked: Asked
    children: tuple[Child, ...] = ()
    rungs: tuple[RungListed, ...] = ()
    starts: tuple[StartListed, ...] = ()


@dataclass(frozen=True)
class Member:
    """One file of a capture, with `\\n` as line ends: its bytes, its digest, and for events the number of records."""

    size: Bytes
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    lines: Count | None = None


@dataclass(frozen=True)
class Seal:
    """seal.json, written last: all other files of a capture."""

    schema: Word
    members: Mapping[str, Member]


@dataclass(frozen=True)
class SharedRank:
    """A rank in a digest. Those with the same `key` did the same, and only one of them has files."""

    rank: Rank
    key: Word


@dataclass(frozen=True)
class Shared:
    """ranks.json of a digest."""

    ranks: tuple[SharedRank, ...]
