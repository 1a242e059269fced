"""Records torch's log messages about graph breaks, recompilations and the recompile limit, without printing them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from compile_doctor.capture import schema
from compile_doctor.probe import compat
from compile_doctor.probe.observe.cuda_graphs import is_told
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.probe.observe.generated import named, originals

_KINDS: dict[str, schema.LogKind] = {
    "graph_breaks": "graph_break",
    "recompiles": "recompile",
    "cudagraphs": "cudagraph",
    "perf_hints": "cudagraph",
}
_LIMIT = "recompile_limit"
LONGEST = 2_000
_generated: set[str] = set()
"""What torch named as the file of a break or a recompilation, and is none."""
MOST_OF_CUDA_GRAPHS = 500
"""Records about CUDA graphs: one graph can have thousands of operators on a CPU."""


def _cut(message: str) -> str:
    """At most LONGEST characters, and whole lines."""
    return message if len(message) <= LONGEST else message[:LONGEST].rpartition("\n")[0]


class _Handler(logging.Handler):
    def __init__(self, log: EventLog, kind: schema.LogKind) -> None:
        super().__init__(logging.DEBUG)
        self.log = log
        self.kind = kind
        self.told = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            kind = "limit" if self.kind == "warning" and _LIMIT in message else self.kind
            if kind == "cudagraph":
                self.told += is_told(message)
                if self.told > MOST_OF_CUDA_GRAPHS or not is_told(message):
                    return
            _generated.update(named(message))
            if kind != "warning":
                self.log.write(schema.Log(kind=kind, message=_cut(message), compile_id=compat.current_compile_id()))
        except Exception as error:  # a logging handler must never break the program that logs
            self.log.write(schema.Lost(text=f"a log record could not be kept: {type(error).__name__}: {error}"))


def listen(log: EventLog) -> None:
    """Adds handlers to torch's loggers, after `torch._dynamo.convert_frame` is imported. Artifacts that the user enabled still print."""
    asked = {artifact for artifact in _KINDS if compat.artifact_enabled(artifact)}
    for artifact, logger in compat.artifact_loggers(*_KINDS):
        if any(isinstance(handler, _Handler) for handler in logger.handlers):
            continue
        logger.propagate = artifact in asked
        logger.setLevel(logging.DEBUG)
        logger.addHandler(_Handler(log, _KINDS[artifact]))
    for artifact in _KINDS:
        compat.enable_artifact(artifact)
    warned = logging.getLogger("torch._dynamo.convert_frame")
    if not any(isinstance(handler, _Handler) for handler in warned.handlers):
        handler = _Handler(log, "warning")
        handler.setLevel(logging.WARNING)
        warned.addHandler(handler)


def write_counts(log: EventLog) -> None:
    """Writes Dynamo's own counters, which are compared with the trace; and what the generated code that it met stands for."""
    log.write(schema.Counters(counters=compat.counters(), metrics=compat.metrics_count()))
    for one in originals(_generated):
        log.write(one)
    _generated.clear()


@contextmanager
def alone() -> Iterator[None]:
    """Removes the handlers of others from the artifacts' loggers inside the block: pytest would show every record."""
    taken = [
        (logger, handler)
        for _, logger in compat.artifact_loggers(*_KINDS)
        if not logger.propagate
        for handler in logger.handlers
        if not isinstance(handler, _Handler)
    ]
    for logger, handler in taken:
        logger.removeHandler(handler)
    try:
        yield
    finally:
        for logger, handler in taken:
            logger.addHandler(handler)


@contextmanager
def muted() -> Iterator[None]:
    """Keeps what torch logs inside the block out of the evidence."""
    loggers = [logger for _, logger in compat.artifact_loggers(*_KINDS)] + [
        logging.getLogger("torch._dynamo.convert_frame")
    ]
    handlers = [handler for logger in loggers for handler in logger.handlers if isinstance(handler, _Handler)]
    for handler in handlers:
        handler.addFilter(_nothing)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False
