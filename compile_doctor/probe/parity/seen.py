"""What ran while a block of code ran: graphs with attention, the dense path of flex_attention, SDPA's own operators."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from compile_doctor.model.kernels import MARKERS, find_kernels
from compile_doctor.probe import compat
from compile_doctor.probe.observe.attention import Observer
from compile_doctor.probe.observe.events import EventLog


@dataclass
class Seen:
    """Counts of one block."""

    graphs: int = 0
    """Executions of compiled graphs that hold attention."""
    dense: int = 0
    """Executions of flex_attention's dense entry."""
    kernels: list[str] | None = None
    """Attention kernels in the code that Inductor generated in the block (or took from its cache), by name; None: not read."""
    operators: list[str] = field(default_factory=list)
    """Fused SDPA operators that were dispatched: `_scaled_dot_product_flash_attention_for_cpu`, …"""


class _Silent(EventLog):
    """The observer's events, which nobody reads here; its counts are what is wanted."""

    def __init__(self) -> None:
        super().__init__(Path())

    def write(self, event: Any) -> None:
        pass


class Watcher:
    """One per process: torch has no way to take the hooks back."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: where traces lie while a cell runs. One that dies leaves its own there: whoever made it deletes it."""
        self.folder = folder
        self.observer = Observer(_Silent(), guard=False)
        self.observer.install(Observer.__module__)  # the masks and scores beside this file are to be traced

    @contextmanager
    def watch(self, generated: bool = False, dispatched: bool = False) -> Iterator[Seen]:
        """Fills in the Seen at its end.

        `generated`: read the generated code, for a call that compiles. `dispatched`: notice SDPA's operators, for a
        call that does not (flex_attention and compiled code run under no dispatch mode).
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
        return sum(self.observer.dense_calls)


def _kernels(file: Path) -> list[str]:
    """Names of the attention kernels in a trace's records of generated code."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if not any(marker.decode() in text for marker in MARKERS):
        return []
    code = "\n".join(line[1:] for line in text.splitlines() if line.startswith("\t"))
    return [kernel.name for kernel in find_kernels(code)]


class FusedOperators(TorchDispatchMode):
    """Notes which fused SDPA operators are dispatched, below autograd."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).removeprefix("aten.").split(".")[0]
        if name.startswith("_scaled_dot_product_"):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))
