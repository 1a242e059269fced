"""Sets the memory limit of the child process, so that only its own allocation fails, and not the whole machine."""

from __future__ import annotations

from compile_doctor.capture import schema
from compile_doctor.probe.observe.events import EventLog


def limit_memory(log: EventLog, size: int) -> None:
    """Limits private memory (RLIMIT_DATA) to `size` bytes: malloc then fails, and torch raises a RuntimeError."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    except (ImportError, ValueError, OSError) as error:
        log.write(schema.Note(text=f"--memory-limit could not be set on this system: {error}"))
