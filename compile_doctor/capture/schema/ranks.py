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
    """This rank's coordinates in a mesh that `init_device_mesh` returned: `dp=0, tp=1`; or its stages of a pipeline."""

    coordinates: str
