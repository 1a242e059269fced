"""Converts torch's structured trace (`TORCH_TRACE`) to evidence: compilations, breaks, recompile reasons."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from compile_doctor.capture.attention import read_graph
from compile_doctor.capture.reading import BadRecordError, decode
from compile_doctor.capture.schema import GraphSeen
from compile_doctor.capture.trace import records as trace_records
from compile_doctor.capture.trace.cached import read_answer
from compile_doctor.capture.trace.graph_text import find_collectives, read_graph_text
from compile_doctor.capture.trace.kinds import COMPARED, WANTED, is_known
from compile_doctor.capture.trace.once import once
from compile_doctor.capture.trace.records import Ids
from compile_doctor.capture.trace.stream import Record, records, without_tabs
from compile_doctor.capture.trace.timing import Timer
from compile_doctor.model.compilations import Break, Compilation, Given, Specialization
from compile_doctor.model.kept_text import LONGEST, KeptText, kept
from compile_doctor.model.kernels import MARKERS, Kernel, find_kernels
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import Span

_SITE = re.compile(r"\s*Graph break in user code at (.*):(\d+)\nGraph Break Reason: ", re.DOTALL)
_GAVE_UP = re.compile(
    r"\s*(?:Graph break: (?:skip: from user code at:|torch\.compile cannot properly resume)|WON'T CONVERT )"
)
"""Not a break, but a frame that runs as plain Python; its `dynamo_error` or its metrics have the full reason."""
_USER_STACK = re.compile(r"\nUser code traceback:\n")
_UPSTREAM = re.compile(r"/gb/gb(\d{4})\.html")
_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in (.+)$(?:\n +(?!File ")(\S.*))?', re.MULTILINE)
RESUMED = re.compile(r"^torch_dynamo_resume_in_(.+)_at_\d+$")
_LOOP = re.compile(r"graph break in (?:a )?(?:for/while )?loop")
_SECTIONS = ("\n\nUser code traceback:\n", "\n\nStack variable source attribution:\n", "\n\nfrom user code:\n")
_INPUT = re.compile(
    r"[LG]\['(\w+)'\](?:\.(?!_modules\b|_parameters\b|_buffers\b|__dict__\b)(\w+)|\._(?:parameters|buffers)\['(\w+)'\]"
    r"|\.__dict__\['(\w+)'\])?((?:\[(?:\d+|'\w+')\])*)"
)
"""`L['x']`, `G['count']`, `L['self'].scale`, `L['self']._buffers['step']`, `L['batch']['x'][0]`: what the frame's own source may name."""
_NOBODYS = re.compile(
    r"/torch/(?:_dynamo/|_compile\.py)|/compile_doctor/(?:probe/|run/|launch\.py|cli/|__main__\.py)|/tests/record\.py|^<frozen "
)
"""Frames of the tracer and of compile-doctor, which are not shown."""

_LABEL = re.compile(r"(?:!(\d+)/)?(\d+)/(\d+)")
"""A compile id in torch's words: `3/1`, or `!0/3/1` under compiled autograd."""
_NO_FRAME = (None, None, None)
_FIRST_EVENT = "dynamo"
"""The outermost event of each compilation."""
MOST_BAD = 100
"""After this many records that cannot be read, a file is not considered a trace."""
MOST_KINDS = 1000
"""After this many unknown kinds of records, a file is not considered a trace; a new torch has only a few."""
Key = tuple[str, Any, Any, Any]


def function_name(name: str) -> str:
    """The user's name of a function: a resume function is the function that it continues."""
    match = RESUMED.match(name)
    return match[1] if match else name


@lru_cache(maxsize=16)
def _is_static(config: str | None) -> bool:
    """Whether torch.compile had dynamic=False, which sets these two options while a frame is compiled."""
    settings = decode((config or "{}").encode(), dict[str, Any])
    return settings.get("automatic_dynamic_shapes") is False and settings.get("assume_static_by_default") is True


@once
def _kernels(raw: bytes) -> tuple[Kernel, ...]:
    if not any(marker in raw for marker in MARKERS):
        return ()
    return find_kernels(without_tabs(raw).decode(errors="replace"))


@dataclass
class Trace:
    """The contents of one or more trace files; `Break.compilation` is an index into `compilations`."""

    detailed: bool = True
    """Whether times and the keys of caches are read as well; ranks are not compared by them."""
    compilations: list[Compilation] = field(default_factory=list)
    aside: list[Span] = field(default_factory=list)
    """What was timed outside of any compilation."""
    room: int = 4_000_000
    """Bytes of graphs and code that may still be kept."""
    untimed: int = 0
    """Timed events that could not be read."""
    breaks: list[Break] = field(default_factory=list)
    beyond_limit: dict[str, int] = field(default_factory=dict)
    """Number of recompilations that torch refused, by frame: it logged the guard and then did not compile."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Number of records by kind, for kinds that this version does not know."""
    lost: list[str] = field(default_factory=list)
    """Records that could not be read: the file, the number of the record, and the error."""
    torch_version: str | None = None
    names: dict[int, set[str]] = field(default_factory=dict)
    """File names by torch's number, of all processes: a forked child continues with its parent's table."""


def read_trace(files: Iterable[Path]) -> Trace:
    """Reads trace files in the given order; the result has what could be read of each."""
    trace = Trace()
    for path in files:
        with path.open("rb") as stream:
            read_stream(stream, trace, path.name)
    return trace


def read_stream(stream: BinaryIO, trace: Trace, name: str = "trace") -> None:
    """Adds the records of one file, called `name`, to `trace`."""
    reader = _Reader(trace)
    bad = 0
    for record in records(stream, WANTED if trace.detailed else COMPARED, is_known):
        try:
            reader.take(record)
        except (BadRecordError, ValueError) as error:
            trace.lost.append(f"{name}, record {record.number} ({record.kind}): {error}")
            bad += 1
        if bad == MOST_BAD or len(trace.unknown) > MOST_KINDS:
            trace.lost.append(f"{name}: too many records are not those of torch, so the rest was not read")
            break
    reader.finish()


class _Reader:
    """The state for one file: torch interns file names per process, and compile ids restart after a reset."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.names: dict[tuple[str, int], str] = {}
        self.current: dict[Key, int] = {}
        self.pending: dict[Key, tuple[str, ...]] = {}
        self.timers: dict[Key, Timer] = {}
        self.changed: dict[int, dict[str, Any]] = {}
        """What is known of each compilation since it began; put into it at the end."""
        self.broken: set[int] = set()
        self.stacks: dict[tuple[Frame, ...], tuple[Frame, ...]] = {}
        self.texts: dict[str, str] = {}
        self.described: dict[tuple[str, int], trace_records.Tensor] = {}
        """By process and number, the tensors that have no name yet."""

    def take(self, record: Record) -> None:
        """Takes a record. Raises ValueError, of which BadRecordError is a subclass, if it cannot be read."""
        if record.kind == "malformed":
            raise BadRecordError("it is not a record of a torch trace")
        kind = trace_records.KINDS.get(record.kind)
        if kind is not None:
            self._taker(record.kind)(record, decode(record.json, kind))
        else:
            self.trace.unknown[record.kind] += 1

    def _taker(self, kind: str) -> Callable[[Record, Any], None]:
        """The method for a kind: the one with its name, or the one that several kinds share."""
        if kind in trace_records.AOT_GRAPHS:
            return self._aot_graph
        if kind in trace_records.CACHES:
            return self._cache
        found: Callable[[Record, Any], None] = getattr(self, "_" + kind.removeprefix("artifact:"))
        return found

    def finish(self) -> None:
        for index, values in self.changed.items():
            self.trace.compilations[index] = replace(self.trace.compilations[index], **values)
        for (pid, frame, _, _), _reasons in self.pending.items():
            label = f"{pid}:{frame}"
            self.trace.beyond_limit[label] = self.trace.beyond_limit.get(label, 0) + 1
        for timer in self.timers.values():
            self._take_time(timer)

    def _take_time(self, timer: Timer) -> None:
        """Keeps what was timed, with the compilation if there is one."""
        timing = timer.timing()
        if timing is None:
            return
        if timer.index >= 0:
            self.trace.compilations[timer.index] = replace(self.trace.compilations[timer.index], timing=timing)
        else:
            self.trace.aside += timing.spans

    def _once(self, text: str | None) -> str:
        """One object for equal texts: torch repeats its settings in each compilation."""
        return self.texts.setdefault(text or "", text or "")

    def _kept(self, record: Record) -> KeptText | None:
        """The payload, while there is room: a page shows a few graphs, not those of a whole suite."""
        if not self.trace.detailed:
            return None
        text = without_tabs(record.raw[:LONGEST]).strip(b"\n")
        size = len(text) if len(record.raw) <= LONGEST else len(record.raw)
        self.trace.room -= len(text)
        return kept(text, size) if self.trace.room >= 0 else KeptText(size)

    def _key(self, record: Record, header: Ids) -> Key:
        return record.pid, header.frame_id, header.frame_compile_id, header.compiled_autograd_id

    def _change(self, key: Key, **values: Any) -> int:
        index = self.current.get(key, -1)
        if index >= 0:
            self.changed.setdefault(index, {}).update(values)
        return index

    def _so_far(self, index: int, name: str) -> tuple[Any, ...]:
        """What earlier records have put into a field of a compilation that has several entries."""
        return self.changed.get(index, {}).get(name) or ()

    def _stack(self, frames: Iterable[Frame]) -> tuple[Frame, ...]:
        stack = tuple(frame for frame in frames if not _NOBODYS.search(frame.file))
        return self.stacks.setdefault(stack, stack)

    def _str(self, record: Record, header: trace_records.Interned) -> None:
        name, number = header.string
        self.names[record.pid, number] = name
        self.trace.names.setdefault(number, set()).add(name)

    def _name(self, pid: str, number: int) -> str:
        """A file name by number. A forked child continues with its parent's names, from this file or (2.13) another."""
        own = self.names.get((pid, number))
        others = self.trace.names.get(number, set())
        return own or (next(iter(others)) if len(others) == 1 else "?")

    def _dynamo_start(self, record: Record, header: trace_records.Started) -> None:
        key = self._key(record, header)
        frames = [
            Frame(self._name(record.pid, entry.filename), entry.line, entry.name, entry.loc or "")
            for entry in header.dynamo_start.stack or ()
        ]
        own = frames[-1] if frames else Frame("?", 0, "?")
        started = Compilation(
            process=record.pid,
            frame_id=-1 if header.frame_id is None else header.frame_id,
            frame_compile_id=-1 if header.frame_compile_id is None else header.frame_compile_id,
            function=own.function,
            file=own.file,
            line=own.line,
            stack=self._stack(frames),
            recompile_reasons=self.pending.pop(key, ()),
        )
        self.current[key] = len(self.trace.compilations)
        if key in self.timers:  # its first event comes before
            self.timers[key].index = len(self.trace.compilations)
        self.trace.compilations.append(started)

    def _dynamo_output_graph(self, record: Record, header: Ids) -> None:
        # After a restart, Dynamo passes the graph to the backend again, so a frame has at most one.
        traced = read_graph_text(record.raw)
        self._change(self._key(record, header), graphs=1, traced=traced, graph_text=self._kept(record))

    def _dynamo_cpp_guards_str(self, record: Record, header: Ids) -> None:
        self._change(self._key(record, header), guards_text=self._kept(record))

    def _aot_graph(self, record: Record, header: Ids) -> None:
        index = self.current.get(self._key(record, header), -1)
        if index >= 0:  # the forward pass, and later the backward pass
            before = self._so_far(index, "collectives")
            self._change(self._key(record, header), collectives=(*before, *find_collectives(record.raw)))

    def _cache(self, record: Record, header: Ids) -> None:
        index = self.current.get(self._key(record, header), -1)
        if index >= 0:
            answer = record.kind.removeprefix("artifact:")
            key = self._key(record, header)
            self._change(key, cache=(*self._so_far(index, "cache"), answer))
            if self.trace.detailed:
                read = read_answer(record.kind, record.payload)
                self._change(key, answers=(*self._so_far(index, "answers"), read))

    def _chromium_event(self, record: Record, header: Ids) -> None:
        try:
            event = decode(record.payload, trace_records.Timed)
        except BadRecordError:  # nothing that a finding rests on
            self.trace.untimed += 1
            return
        inside = header.frame_id is not None
        key = self._key(record, header) if inside else self._timed_key(record.pid, event.args.compile_id)
        timer = self.timers.get(key)
        if event.ph == "B":
            if timer is not None and timer.index >= 0 and event.name == _FIRST_EVENT:
                self._take_time(timer)  # the same id again, after torch._dynamo.reset()
                timer = None
            if timer is None:
                timer = self.timers[key] = Timer()
            timer.begin(event.name, int(event.ts))
        elif event.ph == "E" and timer is not None:
            timer.end(event.name, int(event.ts))

    def _timed_key(self, pid: str, label: str | None) -> Key:
        """Which compilation an event is about that is not within one: autotuning at the first call, CUDA graphs."""
        match = _LABEL.fullmatch(label or "")
        if match is None:
            return pid, *_NO_FRAME
        graph, frame, times = (None if part is None else int(part) for part in match.groups())
        return pid, frame, times, graph

    def _compilation_metrics(self, record: Record, header: trace_records.Measured) -> None:
        metrics = header.compilation_metrics
        file, line = metrics.fail_user_frame_filename, metrics.fail_user_frame_lineno
        self._change(
            self._key(record, header),
            ops=metrics.graph_op_count or 0,
            begun=metrics.start_time_us,
            seconds=metrics.entire_frame_compile_time_s,
            guarded=metrics.guard_count is not None,
            guards=(metrics.guard_count, metrics.guard_latency_us),
            static=_is_static(metrics.dynamo_config),
            settings=(self._once(metrics.dynamo_config), self._once(metrics.inductor_config)),
            restarts=tuple(text.split("\n", 1)[0] for text in metrics.restart_reasons or ()),
            fail_type=metrics.fail_type,
            fail_reason=metrics.fail_reason[:4000] if metrics.fail_reason else None,
            fail_at=(file, line) if file and line else None,
        )

    def _symbolic_shape_specialization(self, record: Record, header: trace_records.Specialized) -> None:
        fixed = header.symbolic_shape_specialization
        index = self.current.get(self._key(record, header), -1)
        entries = fixed.user_stack or ()
        if index < 0 or not entries:
            return
        stack = self._stack(
            Frame(self._name(record.pid, one.filename), one.line, function_name(one.name), one.loc or "")
            for one in entries
        )
        before = self._so_far(index, "specialized")
        found = tuple(Specialization(source, fixed.value, stack) for source in fixed.sources)
        self._change(self._key(record, header), specialized=(*before, *(one for one in found if one not in before)))

    def _describe_tensor(self, record: Record, header: trace_records.Described) -> None:
        tensor = header.describe_tensor
        self.described[record.pid, tensor.id] = tensor

    def _describe_source(self, record: Record, header: trace_records.Named) -> None:
        named = header.describe_source
        tensor = self.described.pop((record.pid, named.id), None)
        found = _INPUT.fullmatch(named.source)
        index = self.current.get(self._key(record, header), -1)
        if tensor is None or tensor.describer_id != named.describer_id or found is None or index < 0:
            return
        if not all(isinstance(size, int) for size in tensor.size):
            return
        *names, inside = found.groups()
        given = Given(".".join(filter(None, names)) + inside, tensor.dtype, tuple(tensor.size))
        before = self._so_far(index, "inputs")
        if given not in before:
            self._change(self._key(record, header), inputs=(*before, given))

    def _recompile_reasons(self, record: Record, header: Ids) -> None:
        # Since torch 2.11, a single reason is a plain string.
        quoted = record.payload.lstrip()[:1] in (b"[", b'"')
        reasons = decode(record.payload, trace_records.Reasons) if quoted else record.payload.decode()
        listed = [reasons] if isinstance(reasons, str) else reasons
        named = tuple(reason.strip() for reason in listed if reason.strip())
        if not named:
            raise BadRecordError("it names no guard")
        self.pending[self._key(record, header)] = named

    def _dynamo_graph_break_reason(self, record: Record, header: Ids) -> None:
        text = record.payload.decode(errors="replace")
        match = _SITE.match(text)
        if match is None and _GAVE_UP.match(text):
            return
        if match is None:
            raise BadRecordError("it names no line")
        reason, *rest = _USER_STACK.split(text[match.end() :], maxsplit=1)  # torch 2.8 leaves the blank line out
        user = "".join(rest).partition("\n\nTraceback (most recent call last):\n")[0]
        self._add_break(record, header, reason, user, (match[1], int(match[2])))

    def _dynamo_error(self, record: Record, header: Ids) -> None:
        text = record.payload.decode(errors="replace")
        index = self._change(self._key(record, header), error=text[-4000:])
        head, _, user = text.partition("\n\nfrom user code:\n")
        exceptions = list(re.finditer(r"^torch\._dynamo\.exc\.Unsupported: ", head, re.MULTILINE))
        if index in self.broken or not exceptions:
            return
        # torch 2.8 writes no break record for a break inside `try` or `with`: this is the only record of it.
        at = next(iter(_FRAME.finditer(user)), None)
        site = (at[1], int(at[2])) if at else ("?", 0)
        self._add_break(record, header, head[exceptions[-1].end() :], user, site)

    def _torch_version(self, record: Record, header: Ids) -> None:
        self.trace.torch_version = decode(record.payload, trace_records.Version).pytorch_version

    def _inductor_output_code(self, record: Record, header: Ids) -> None:
        found = _kernels(record.raw)
        index = self.current.get(self._key(record, header), -1)
        if index >= 0:  # a graph has one for the forward and one for the backward pass
            before = self._so_far(index, "kernels")
            text = self._kept(record)
            texts = (*self._so_far(index, "code_texts"), *([text] if text else ()))
            self._change(self._key(record, header), kernels=(*before, *found), code_texts=texts)

    def _compile_doctor_graph(self, record: Record, header: Ids) -> None:
        self._change(self._key(record, header), graph=read_graph(decode(record.payload, GraphSeen)))

    def _add_break(self, record: Record, header: Ids, reason: str, user: str, at: tuple[str, int]) -> None:
        index = self.current.get(self._key(record, header), -1)
        self.broken.add(index)
        for section in _SECTIONS:
            reason = reason.partition(section)[0]
        upstream = _UPSTREAM.search(reason)
        frames = (
            Frame(m[1], int(m[2]), function_name(m[3].strip()), (m[4] or "").strip()) for m in _FRAME.finditer(user)
        )
        self.trace.breaks.append(
            Break(
                compilation=index,
                reason=reason.strip()[:4000],
                upstream=f"GB{upstream[1]}" if upstream else None,
                stack=self._stack(frames),
                recorded_at=at,
                in_loop=bool(_LOOP.search(reason)),
                source=record.kind.removeprefix("artifact:"),
            )
        )
