"""What ran inside a block of code: graphs with attention, the dense path of flex_attention, SDPA's own operators."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from compile_doctor.model.kernels import MARKERS, find_kernels
from compile_doctor.probe import compat, observe
from compile_doctor.probe.observe.attention import Observer
from compile_doctor.probe.observe.events import EventLog


@dataclass
class Seen:
    """Counts of one block."""

    graphs: int = 0
    """Executions of compiled graphs that have attention."""
    dense: int = 0
    """Executions of flex_attention's dense entry."""
    kernels: list[str] | None = None
    """Names of the attention kernels in the code that Inductor generated (or took from its cache); None if not read."""
    operators: list[str] = field(default_factory=list)
    """Fused SDPA operators that were dispatched: `_scaled_dot_product_flash_attention_for_cpu`, …"""


class _Silent(EventLog):
    """Drops the observer's events: only its counts are needed here."""

    def __init__(self) -> None:
        super().__init__(Path())

    def write(self, event: Any) -> None:
        pass


class Watcher:
    """One per process, because torch cannot remove the hooks."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: for traces while a cell runs. A process that dies leaves its trace there; the folder's creator deletes it."""
        self.folder = folder
        self.observer = Observer(_Silent(), guard=False)
        self.observer.install(observe.__name__)  # Dynamo must trace the masks and scores beside this file

    @contextmanager
    def watch(self, generated: bool = False, dispatched: bool = False) -> Iterator[Seen]:
        """Yields a Seen, which it fills in at its end.

        `generated`: read the generated code, for a call that compiles. `dispatched`: record SDPA's operators, for a
        call that does not (flex_attention and compiled code cannot run under a dispatch mode).
        """
        seen, graphs, dense = Seen(), self._graphs(), self._dense()
        with tempfile.TemporaryDirectory(prefix="compile-doctor-", dir=self.folder) as folder:
            try:
                with ExitStack() as stack:
                    if generated:
                        stack.enter_context(compat.trace_into(folder))
                    if dispatched:
                        stack.enter_context(FusedOperators(seen.operators))
                    yield seen
            finally:
                seen.graphs, seen.dense = self._graphs() - graphs, self._dense() - dense
                if generated:
                    seen.kernels = [name for file in sorted(Path(folder).rglob("*.log")) for name in _kernels(file)]

    def _graphs(self) -> int:
        return sum(self.observer.ran.values())

    def _dense(self) -> int:
        return sum(self.observer.dense.counts.values())


def _kernels(file: Path) -> list[str]:
    """Names of the attention kernels in a trace's records of generated code."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if not any(marker.decode() in text for marker in MARKERS):
        return []
    code = "\n".join(line[1:] for line in text.splitlines() if line.startswith("\t"))
    return [kernel.name for kernel in find_kernels(code)]


class FusedOperators(TorchDispatchMode):
    """Records which fused SDPA operators are dispatched, below autograd."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).removeprefix("aten.").split(".")[0]
        if name.startswith("_scaled_dot_product_"):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))
