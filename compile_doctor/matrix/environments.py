"""Python environments for the cells: those that exist, and those that uv makes, one for each torch, kept in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from compile_doctor.errors import InconclusiveError, UsageError
from compile_doctor.processes.cache_place import cache_place
from compile_doctor.processes.children import ask

ASKING = 120.0
INSTALLING = 3600.0
"""Time limits in seconds: to ask a Python for its torch, and to install everything."""
_VERSION = "import importlib.metadata as m; print(m.version('torch'))"


@dataclass(frozen=True)
class Environment:
    """One Python with a torch, or why there is none."""

    torch: str
    """The version that was asked for, or that the Python says it has."""
    python: str = ""
    """Its executable; empty if it could not be made, or if a Ray cluster makes it."""
    requirements: tuple[str, ...] = ()
    """What was installed there."""
    problem: str = ""
    """Why no cell can run there, in one sentence."""


def existing(python: str) -> Environment:
    """The environment of a Python. Raises UsageError if that is no executable file."""
    found = shutil.which(python)
    if found is None:
        raise UsageError(
            f"--python {python}: there is no such program.", hint="Give the path of a Python that has torch."
        )
    if Path(found).absolute() == Path(sys.executable).absolute():
        return current()
    try:
        asked = ask([found, "-c", _VERSION], os.environ, ASKING)
    except subprocess.TimeoutExpired:
        return Environment(python, found, problem=f"{python} did not answer within {ASKING:g} s.")
    if asked.returncode:
        return Environment(python, found, problem=f"{python} has no torch: {_last(asked.stderr)}")
    return Environment(asked.stdout.strip(), found)


def current() -> Environment:
    """The environment of this process. Raises InconclusiveError if it has no torch."""
    try:
        return Environment(importlib.metadata.version("torch"), sys.executable)
    except importlib.metadata.PackageNotFoundError:
        raise InconclusiveError(
            f"torch is not installed for {sys.executable}.",
            "Name the environments: --torch 2.13.0, or --python PATH of one that has torch.",
        ) from None


def all_requirements(torch: str, more: Sequence[str]) -> tuple[str, ...]:
    """torch, what compile-doctor itself needs, and what the target needs. Raises UsageError for an invalid version."""
    try:
        wanted = str(Requirement(f"torch=={torch}"))
    except InvalidRequirement:
        raise UsageError(f"--torch {torch}: this is not a version. Give one such as 2.13.0.") from None
    return (wanted, "numpy", "setuptools", *_own(), *more)


def make(torch: str, more: Sequence[str]) -> Environment:
    """An environment with this torch, from the cache if it was made before. What uv refuses is its `problem`."""
    wanted = all_requirements(torch, more)
    root = cache_place()
    if root is None:
        raise UsageError("There is no home directory for the environments. Set HOME, or use --python.")
    python = ".".join(map(str, sys.version_info[:2]))
    name = hashlib.sha256(json.dumps([python, sorted(wanted)]).encode()).hexdigest()[:10]
    folder = root / "environments" / f"{torch}-{name}"
    executable, done = folder / "bin" / "python", folder / "complete.json"
    with _locked(folder):
        if not (done.exists() and executable.exists()):
            if problem := _install(folder, executable, python, wanted):
                return Environment(torch, "", wanted, problem)
            done.write_text(json.dumps(wanted), encoding="utf-8")
    return Environment(torch, str(executable), wanted)


def _install(folder: Path, executable: Path, python: str, wanted: Sequence[str]) -> str:
    """Installs everything with uv, in one resolution; returns why that failed, else an empty string."""
    uv = shutil.which("uv")
    if uv is None:
        raise UsageError("--torch needs uv, which is not installed. Install it with", hint="pip install uv")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", python, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(executable), *wanted],
    ):
        try:
            done = ask(command, os.environ, INSTALLING)
        except subprocess.TimeoutExpired:
            return f"uv did not finish within {INSTALLING:g} s."
        if done.returncode:
            return f"The environment could not be made: {_refused(done.stderr)}"
    return ""


def _own() -> list[str]:
    """What compile-doctor needs, from its own package, without torch and extras."""
    try:
        listed = importlib.metadata.requires("compile-doctor") or []
    except importlib.metadata.PackageNotFoundError:
        raise InconclusiveError(
            "What compile-doctor itself needs is unknown, because it runs from a folder and is not installed.",
            "Install it (pip install .), or use --python with an environment that has what it needs.",
        ) from None
    found = [Requirement(one) for one in listed]
    return [str(one) for one in found if one.name != "torch" and "extra" not in str(one.marker or "")]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs never install into the same environment at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _last(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    return lines[-1][:200] if lines else "it said nothing"


def _refused(text: str) -> str:
    """uv's explanation without its drawing, in one line."""
    words = " ".join(text.replace("╰─▶", " ").replace("×", " ").split())
    return words[:400] or "uv said nothing"
