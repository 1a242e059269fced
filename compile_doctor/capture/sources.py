"""The text of the files that findings point to: only program sources of the user and of packages.

The names come from a trace, which anybody may have written: a file is read only if its suffix is that of a source file
and it is in a folder of programs.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from compile_doctor.capture.safe_files import read_bytes
from compile_doctor.model.evidence import Evidence
from compile_doctor.source import locations

LARGEST = 1_000_000
"""Largest size of one file in bytes."""
MOST = 16_000_000
"""Largest size of all files together in bytes."""
_SUFFIXES = (".py", ".pyi", ".pyx")
_PACKAGES = ("/site-packages/", "/dist-packages/")


def read_sources(evidence: Evidence, roots: Iterable[str]) -> dict[str, str]:
    """The text of the files that the evidence names, if they are below `roots` or in packages, except torch's."""
    torch = evidence.environment.get("torch_root")
    allowed = [os.path.join(os.path.realpath(root), "") for root in roots if root]
    allowed += [os.path.join(os.path.realpath(sysconfig.get_path(name)), "") for name in ("purelib", "platlib")]
    found: dict[str, str] = {}
    left = MOST
    for name in sorted(dict.fromkeys(_named(evidence))):
        if locations.owner(name, torch) == "torch" or locations.is_stdlib(name) or not _is_source(name, allowed):
            continue
        text = _text(Path(name), min(left, LARGEST))
        if text is not None:
            found[name] = text
            left -= len(text)
    return found


def roots_of(evidence: Evidence) -> Iterator[str]:
    """The folders of a run's programs: its working directory, its search path, and those of loaded files."""
    yield evidence.asked.cwd
    target = evidence.asked.target.partition(":")[0]
    if target.endswith(".py"):
        yield os.path.dirname(os.path.join(evidence.asked.cwd, target))
    yield from set(evidence.facts.search_path)
    yield from {os.path.dirname(file) for file in evidence.facts.files}
    yield str(Path(__file__).resolve().parent.parent)  # the shipped examples


def _named(evidence: Evidence) -> Iterator[str]:
    yield from evidence.facts.files
    stacks = [item.stack for item in evidence.breaks]
    stacks += [link.stack for failure in evidence.failures for link in failure.chain]
    stacks += [unused.stack[-1:] for unused in evidence.never_called]
    stacks += [called.stack[-1:] for called in evidence.called_in_vain]
    stacks += [call.stack for call in evidence.compile_calls]
    for stack in stacks:
        yield from (frame.file for frame in stack)
    for compilation in evidence.compilations:
        yield compilation.file
        yield from (frame.file for frame in compilation.stack[-4:])
        graph = compilation.graph
        held = [*(one.stack for one in graph.attention), *(one.stack for one in graph.written)] if graph else []
        yield from (frame.file for stack in held for frame in stack[-4:])
    yield from (hook.file for hook in evidence.late_hooks)
    yield from (place.file for place in evidence.generated.values())
    for one in evidence.comparisons:
        if one.explained:
            yield one.explained.frame.file
        yield from (frame.file for link in one.chain for frame in link.stack)


def _is_source(name: str, roots: list[str]) -> bool:
    if not name.endswith(_SUFFIXES) or not os.path.isabs(name) or "\0" in name:
        return False
    real = os.path.realpath(name)
    return real.endswith(_SUFFIXES) and (
        real.startswith(tuple(roots)) or any(part in real.replace("\\", "/") for part in _PACKAGES)
    )


def _text(path: Path, limit: int) -> str | None:
    try:
        return read_bytes(path, limit).decode("utf-8", errors="replace")
    except (OSError, ValueError):
        return None
