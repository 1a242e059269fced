"""Connects to a Ray cluster, with this compile-doctor as a module of its nodes. Ray is an optional dependency."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compile_doctor.errors import InconclusiveError, UsageError


@contextmanager
def connected(address: str, package: Path, **files: str) -> Iterator[Any]:
    """The module `ray`, connected. `package` is the folder of compile_doctor that goes to the nodes.

    `files` are further entries of Ray's runtime environment. Raises UsageError without ray, and InconclusiveError if
    the cluster cannot be reached, or refuses the files.
    """
    ray = _ray()
    try:
        environment = {"py_modules": [str(package)], **files}
        ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level="warning")
    except Exception as error:  # ray raises ConnectionError, RuntimeError, ValueError and its own
        raise InconclusiveError(f"The Ray cluster {address} cannot be used: {last_line(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def last_line(error: BaseException) -> str:
    """Of an error that Ray raised: the line that says what happened."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:400]


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError(
            "--ray needs Ray, which is not installed. Install it with", hint="pip install 'compile-doctor[ray]'"
        ) from None
    return ray
