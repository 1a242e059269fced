"""Records of graph breaks."""

from __future__ import annotations

import re

from compile_doctor.capture.reading import BadRecordError
from compile_doctor.capture.trace.records import Ids
from compile_doctor.capture.trace.state import Reading
from compile_doctor.capture.trace.stream import Record
from compile_doctor.model.compilations import Break
from compile_doctor.model.stacks import Frame, function_name

_SITE = re.compile(r"\s*Graph break in user code at (.*):(\d+)\nGraph Break Reason: ", re.DOTALL)
_GAVE_UP = re.compile(
    r"\s*(?:Graph break: (?:skip: from user code at:|torch\.compile cannot properly resume)|WON'T CONVERT )"
)
"""Not a break, but a frame that runs as plain Python; its `dynamo_error` or its metrics have the full reason."""
_USER_STACK = re.compile(r"\nUser code traceback:\n")
_UPSTREAM = re.compile(r"/gb/gb(\d{4})\.html")
_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in (.+)$(?:\n +(?!File ")(\S.*))?', re.MULTILINE)
_LOOP = re.compile(r"graph break in (?:a )?(?:for/while )?loop")
_SECTIONS = ("\n\nUser code traceback:\n", "\n\nStack variable source attribution:\n", "\n\nfrom user code:\n")


def dynamo_graph_break_reason(state: Reading, record: Record, header: Ids) -> None:
    text = record.payload.decode(errors="replace")
    match = _SITE.match(text)
    if match is None and _GAVE_UP.match(text):
        return
    if match is None:
        raise BadRecordError("it names no line")
    reason, *rest = _USER_STACK.split(text[match.end() :], maxsplit=1)  # torch 2.8 leaves the blank line out
    user = "".join(rest).partition("\n\nTraceback (most recent call last):\n")[0]
    _add_break(state, record, header, reason, user, (match[1], int(match[2])))


def dynamo_error(state: Reading, record: Record, header: Ids) -> None:
    text = record.payload.decode(errors="replace")
    index = state.change(state.key(record, header), error=text[-4000:])
    head, _, user = text.partition("\n\nfrom user code:\n")
    exceptions = list(re.finditer(r"^torch\._dynamo\.exc\.Unsupported: ", head, re.MULTILINE))
    if index in state.broken or not exceptions:
        return
    # torch 2.8 writes no break record for a break inside `try` or `with`: this is the only record of it.
    at = next(iter(_FRAME.finditer(user)), None)
    site = (at[1], int(at[2])) if at else ("?", 0)
    _add_break(state, record, header, head[exceptions[-1].end() :], user, site)


def _add_break(state: Reading, record: Record, header: Ids, reason: str, user: str, at: tuple[str, int]) -> None:
    index = state.index(record, header)
    state.broken.add(index)
    for section in _SECTIONS:
        reason = reason.partition(section)[0]
    upstream = _UPSTREAM.search(reason)
    frames = (Frame(m[1], int(m[2]), function_name(m[3].strip()), (m[4] or "").strip()) for m in _FRAME.finditer(user))
    state.trace.breaks.append(
        Break(
            compilation=index,
            reason=reason.strip()[:4000],
            upstream=f"GB{upstream[1]}" if upstream else None,
            stack=state.stack(frames),
            recorded_at=at,
            in_loop=bool(_LOOP.search(reason)),
            source=record.kind.removeprefix("artifact:"),
        )
    )
