"""Events of a distributed run: which rank a process is, and where it is in its device mesh."""

from __future__ import annotations

from dataclasses import dataclass

from compile_doctor.model.ranks import Identity


@dataclass(frozen=True)
class Ranked:
    """This process is one of several ranks."""

    who: Identity


@dataclass(frozen=True)
class MeshMade:
    """`init_device_mesh` returned a mesh: this rank's coordinates in it, as `dp=0, tp=1`."""

    coordinates: str
