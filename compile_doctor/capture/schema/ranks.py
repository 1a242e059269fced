"""Events of a distributed run: which rank a process is, and where it is in its device mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compile_doctor.model.ranks import Identity
from compile_doctor.model.stacks import Frame


@dataclass(frozen=True)
class Ranked:
    """This process is one of several ranks."""

    who: Identity


@dataclass(frozen=True)
class MeshMade:
    """This rank's coordinates in a mesh that `init_device_mesh` returned: `dp=0, tp=1`; or its stages of a pipeline."""

    coordinates: str


@dataclass(frozen=True)
class CompileCall:
    """The last frame of the stack called torch.compile, with these settings; of each such call once, and only of ranks."""

    stack: Sequence[Frame]
    function: str
    settings: Mapping[str, str]
