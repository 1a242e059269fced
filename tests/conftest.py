"""What several test files share: the command line in a child process, and a capture to render."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recipes_helper import lab  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# A developer's own settings must not change what the tests see.
for name in (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "TORCH_LOGS",
    "TORCH_TRACE",
    "TORCHDYNAMO_DISABLE",
    "TORCH_COMPILE_DISABLE",
):
    os.environ.pop(name, None)

# Two workers of two threads each on two cores: threads that wait by spinning would keep the others from working.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Nor may they write into their cache.
_CACHE = tempfile.TemporaryDirectory(prefix="compile-doctor-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run_doctor(
    cwd: Path, *arguments: object, timeout: float = 120, env: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m compile_doctor ARGUMENTS` in `cwd`; a None in `env` takes a variable away."""
    wanted = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    made = {name: value for name, value in wanted.items() if value is not None}
    command = [sys.executable, "-m", "compile_doctor", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=made,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler of SIGINT: a shell starts what is in the background with that signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run_cli(tmp_path: Path) -> Run:
    """Runs the command line in an empty working directory."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return run_doctor(options.pop("cwd", tmp_path), *arguments, **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A small capture with one graph break."""
    from helpers import write_capture

    return write_capture(tmp_path / "capture")
