"""What a rank passes to torch.compile: torch's trace has neither the backend nor the mode."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from compile_doctor.capture import schema
from compile_doctor.model.stacks import Frame
from compile_doctor.probe import compat
from compile_doctor.probe.observe import ranks
from compile_doctor.probe.observe.events import EventLog

MOST = 200
"""Records of a process; a program may compile in a loop."""
SETTINGS = ("backend", "mode", "dynamic", "fullgraph", "options")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class CompileCalls:
    """The distinct calls. They wait until the process knows its rank, and are not written if it is none."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._waiting: list[schema.CompileCall] = []
        self._seen: set[str] = set()
        self._last: object = None

    def saw(self, context: object, arguments: Mapping[str, Any], stack: Sequence[Frame], function: str) -> None:
        """`context`: of torch.compile; one that comes again is for a part of the same module, such as its `__call__`.
        `arguments`: the local variables of torch.compile, which has replaced the backend by its wrapper.
        """
        if context is self._last:
            return
        self._last = context
        given = {name: _readable(arguments.get(name)) for name in SETTINGS}
        if compat.is_inductor(arguments.get("backend")):
            given["backend"] = "inductor"
        if given["mode"] == "None":
            given["mode"] = "default"  # torch puts it in only if there are no options
        key = repr((stack[-1:], function, given))
        if key not in self._seen and len(self._seen) < MOST:
            self._seen.add(key)
            self._waiting.append(schema.CompileCall(stack[-3:], function, given))
        self.write()

    def write(self) -> None:
        if self._waiting and ranks.identify(self._log):
            for one in self._waiting:
                self._log.write(one)
            self._waiting.clear()


def _readable(value: Any) -> str:
    """As the user would write it, without what differs in every process."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!s}: {_readable(one)}" for key, one in sorted(value.items(), key=str)) + "}"
    name = getattr(value, "compiler_name", None) or getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return name
    if isinstance(value, (str, bool, int, float, type(None))):
        return str(value)
    return _ADDRESS.sub("", str(value))[:200]
