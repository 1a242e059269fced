"""Events of a distributed run: which rank a process is, its device mesh, and where it stood when the time was up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compile_doctor.model.ranks import Identity
from compile_doctor.model.stacks import Frame
from compile_doctor.model.units import Seconds


@dataclass(frozen=True)
class Ranked:
    """This process is one of several ranks."""

    who: Identity


@dataclass(frozen=True)
class MeshMade:
    """`init_device_mesh` returned a mesh: this rank's coordinates in it, as `dp=0, tp=1`."""

    coordinates: str


@dataclass(frozen=True)
class Standing:
    """Where the main thread was, shortly before the time limit of `run` ends."""

    stack: Sequence[Frame]
    after: Seconds
