"""torch's structured trace, and the loggers of its artifacts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


def artifact_loggers(*names: str) -> Iterator[tuple[str, logging.Logger]]:
    """(artifact, logger) for each logger of an artifact such as `graph_breaks`; they exist after Dynamo is imported."""
    from torch._logging import _internal

    for qualified in sorted(_internal.log_registry.get_artifact_log_qnames()):
        for name in names:
            if qualified.endswith(f".__{name}"):
                yield name, logging.getLogger(qualified)


def artifact_enabled(name: str) -> bool:
    """Whether the user enabled the artifact with TORCH_LOGS or set_logs."""
    from torch._logging import _internal

    return bool(_internal.log_state.is_artifact_enabled(name))


def enable_artifact(name: str) -> None:
    """Makes torch log the artifact's records; the handlers of its loggers decide whether they are printed."""
    from torch._logging import _internal

    _internal.log_state.enable_artifact(name)


def trace_artifact(name: str, text: str) -> None:
    """Adds a record to torch's structured trace, as part of the current compilation."""
    from torch._logging import trace_structured

    trace_structured(
        "artifact", lambda: {"name": name, "encoding": "json"}, payload_fn=lambda: text, expect_trace_id=False
    )


@contextmanager
def trace_muted() -> Iterator[None]:
    """Keeps compilations inside the block out of the structured trace: the doctor's own calls are not evidence."""
    from torch._logging import _internal

    handlers = list(_internal.trace_log.handlers)
    for handler in handlers:
        _internal.trace_log.removeHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            _internal.trace_log.addHandler(handler)


def retarget_trace(directory: str | None) -> None:
    """Sends torch's structured trace to another directory from now on (None: nowhere), as if the process began now."""
    from torch._logging import _internal, structured

    structured.INTERN_TABLE.clear()
    for handler in list(_internal.trace_log.handlers):
        if isinstance(handler, _internal.LazyTraceHandler):
            handler.root_dir = directory


@contextmanager
def trace_into(directory: str) -> Iterator[None]:
    """Writes torch's structured trace of the block into a directory, in addition to where it already goes."""
    from torch._logging import _internal, structured

    # File names are written once per process, and referred to by number: this trace needs its own.
    known = dict(structured.INTERN_TABLE)
    structured.INTERN_TABLE.clear()
    handler = _internal.LazyTraceHandler(directory)
    handler.setFormatter(_internal.TorchLogsFormatter(trace=True))
    level = _internal.trace_log.level
    # The trace is not for people to read: pytest adds its handlers to loggers that do not propagate, and would show it.
    others = [one for one in _internal.trace_log.handlers if not isinstance(one, _internal.LazyTraceHandler)]
    for other in others:
        _internal.trace_log.removeHandler(other)
    _internal.trace_log.setLevel(logging.DEBUG)
    _internal.trace_log.addHandler(handler)
    try:
        yield
    finally:
        _internal.trace_log.removeHandler(handler)
        _internal.trace_log.setLevel(level)
        for other in others:
            _internal.trace_log.addHandler(other)
        handler.close()
        structured.INTERN_TABLE.clear()
        structured.INTERN_TABLE.update(known)
