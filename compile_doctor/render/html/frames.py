"""The picture of the frames: a row for each function, its graphs from left to right, and where it was cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from compile_doctor.analysis.frame_map import Attempt, Cut, FrameMap, Lane, Piece
from compile_doctor.model.ranks import named
from compile_doctor.render.entries import cut as shortened
from compile_doctor.render.html.room import fitting, weight
from compile_doctor.source import locations

LANES = 60
"""Functions in one picture; the table below it has more."""
PIECES = 200
"""Parts of one function in the picture."""
_CHARACTER = 8.0
"""Width of a character of the picture's font, in its own units."""
_BOX, _GAP, _LABEL, _STEP, _INDENT = 46, 112, 24, 16, 26
_WIDEST = 1_080
"""A row longer than this goes on below."""

Anchors = Mapping[tuple[str, int], tuple[int, str]]
"""By file and line, the number of a finding and its anchor."""


@dataclass(frozen=True)
class Box:
    """A piece of a function."""

    x: float
    y: float
    width: float
    kind: str
    """`graph`, `none`, `python` or `failed`."""
    head: str
    text: str
    again: int
    """How often it was compiled again."""


@dataclass(frozen=True)
class Gap:
    """A graph break between two boxes, or behind the last one."""

    x: float
    y: float
    width: float
    text: str
    finding: str
    href: str
    title: str
    resumes: bool
    """Whether something follows."""


@dataclass(frozen=True)
class Row:
    """One function."""

    x: float
    y: float
    name: str
    place: str
    foreign: str
    """`torch` or `dependency`, if it is not the user's."""
    edge: str
    """The path from its caller; empty without one."""
    boxes: tuple[Box, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class Picture:
    """One map, drawn."""

    ranks: str
    rows: tuple[Row, ...]
    width: float
    height: float
    hidden: int
    """Functions that are not drawn."""
    summary: str
    head: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    unlisted: int
    """Rows that the table leaves out."""


HEAD = (
    "function",
    "place",
    "called from",
    "part",
    "compile ids",
    "what became of it",
    "operators",
    "seconds",
    "breaks at",
)


def pictures(maps: Sequence[FrameMap], anchors: Anchors, world_size: int, room: float) -> tuple[Picture, ...]:
    """One for each map that has anything in it."""
    return tuple(_picture(one, anchors, world_size, room / len(maps)) for one in maps if one.lanes)


def _picture(found: FrameMap, anchors: Anchors, world_size: int, room: float) -> Picture:
    drawing, left = _Drawing(anchors), room / 2
    for lane in found.lanes[:LANES]:
        drawing.add(lane)
        left -= weight(drawing.rows[-1])
        if left < 0:
            break
    rows = [row for lane in found.lanes for row in _table(lane)]
    used = [n for n in range(len(HEAD)) if any(row[n] for row in rows)]
    listed = fitting((tuple(row[n] for n in used) for row in rows), room / 2)
    pieces = [piece for lane in found.lanes for piece in lane.pieces]
    graphs = sum(attempt.outcome == "compiled" for piece in pieces for attempt in piece.attempts)
    cuts = len({(cut.location.file, cut.location.line) for lane in found.lanes for cut in lane.cuts})
    python = sum(bool(lane.eager) for lane in found.lanes)
    parts = [f"{len(found.lanes):,} function{'s' * (len(found.lanes) != 1)}", f"{graphs:,} graph{'s' * (graphs != 1)}"]
    parts += [f"{cuts:,} line{'s' * (cuts != 1)} that break{'s' * (cuts == 1)} a graph"] if cuts else []
    parts += [f"{python:,} function{'s' * (python != 1)} with a part in plain Python"] if python else []
    summary = ", ".join(parts)
    return Picture(
        named(found.ranks, world_size) if found.ranks else "",
        tuple(drawing.rows),
        drawing.width,
        drawing.y,
        len(found.lanes) - len(drawing.rows),
        summary,
        tuple(HEAD[n] for n in used),
        listed,
        len(rows) - len(listed),
    )


@dataclass
class _Drawing:
    anchors: Anchors
    rows: list[Row] = field(default_factory=list)
    y: float = 8
    width: float = 320
    below: list[tuple[float, float]] = field(default_factory=list)
    """Of each row, the point from which lines lead to what it calls."""

    def add(self, lane: Lane) -> None:
        x = 8 + min(lane.depth, 12) * _INDENT
        top = self.y
        boxes: list[Box] = []
        gaps: list[Gap] = []
        at, y = float(x), top + _LABEL
        pieces = lane.pieces[:PIECES]
        before: dict[int, list[Cut]] = {}
        for cut in lane.cuts:
            before.setdefault(_gap_of(cut, pieces), []).append(cut)
        for number, piece in enumerate([*pieces, None]):
            cuts = before.get(number, [])
            rest = piece is None and lane.eager not in ("", "all of it")
            if number and (cuts or rest or piece is not None):
                if at + _GAP > _WIDEST and piece is not None:
                    at, y = float(x), y + _BOX + _STEP
                gaps.append(self._gap(at, y, cuts, rest or piece is not None))
                at += _GAP
            if piece is not None:
                box = _box(at, y, piece)
            elif rest:
                box = Box(at, y, _wide(f"{lane.eager}:", "plain Python"), "python", f"{lane.eager}:", "plain Python", 0)
            else:
                break
            boxes.append(box)
            at += box.width
            self.width = max(self.width, at + 16)
        self.width = max(self.width, at + 16)
        name, place = lane.location.function, f"{locations.short(lane.location.file)}:{lane.location.line}"
        name, place = shortened(name, 60), shortened(place, 80)
        edge = ""
        if lane.parent is not None and lane.parent < len(self.below):
            from_x, from_y = self.below[lane.parent]
            edge = f"M{from_x:g} {from_y:g}V{top + 12:g}H{x - 3:g}"
        foreign = "" if lane.owner == "mine" else lane.owner
        label = len(name) + len(place) + len(foreign) + 2 * bool(foreign)
        self.width = max(self.width, x + (label + 4) * _CHARACTER)
        self.rows.append(Row(x, top, name, place, foreign, edge, tuple(boxes), tuple(gaps)))
        self.y = y + _BOX + _STEP
        self.below.append((x + 10, self.y - _STEP))

    def _gap(self, at: float, y: float, cuts: Sequence[Cut], resumes: bool) -> Gap:
        if not cuts:
            return Gap(at, y, _GAP, "", "", "", "resumes behind a graph break", resumes)
        more = f" +{len(cuts) - 1}" if len(cuts) > 1 else ""
        line = f"line {cuts[0].line}{more}" if cuts[0].line else "in a call" if not more else f"in {len(cuts)} calls"
        known = next(
            (found for cut in cuts if (found := self.anchors.get((cut.location.file, cut.location.line)))), None
        )
        return Gap(
            at,
            y,
            _GAP,
            line,
            f"finding {known[0]}" if known else "",
            known[1] if known else "",
            shortened("; ".join(map(_told, cuts[:6])), 600),
            resumes,
        )


def _told(cut: Cut) -> str:
    """`line 41: a Python number read from a tensor, at model.py:13 in rope_scale`."""
    place = f"{cut.location.file.rpartition('/')[2]}:{cut.location.line} in {cut.location.function}"
    where = "" if cut.line == cut.location.line else f", at {place}"
    return f"line {cut.line}: {cut.title}{where}" if cut.line else f"{cut.title}{where}"


def _gap_of(cut: Cut, pieces: Sequence[Piece]) -> int:
    """The piece before which the cut lies: the one that resumes there; else the end."""
    return next((n for n, piece in enumerate(pieces) if piece.resumes and piece.line >= (cut.line or 0)), len(pieces))


def _box(at: float, y: float, piece: Piece) -> Box:
    last, attempts = piece.attempts[-1], piece.attempts
    compiled = [one for one in attempts if one.outcome == "compiled"]
    shown = compiled[-1] if compiled else last
    ids = attempts[0].label if len(attempts) == 1 else f"{attempts[0].label} … {last.label.rpartition('/')[2]}"
    kinds = {"compiled": "graph", "no graph": "none", "plain Python": "python", "unfinished": "failed"}
    kind = kinds.get(shown.outcome, "failed")
    seconds = sum(one.seconds or 0.0 for one in attempts)
    head = f"{'graph' if kind == 'graph' else shown.outcome} {ids}"
    parts = [f"{shown.ops:,} op{'s' * (shown.ops != 1)}"] if kind == "graph" else []
    parts += [f"{seconds:.1f} s"] if seconds >= 0.05 else []
    again = sum(bool(one.why or one.failed_entry) for one in attempts)
    if len(attempts) > 1:
        parts.append(f"{len(attempts)} times")
    text = " · ".join(parts)
    return Box(at, y, _wide(head, text), kind, head, text, again)


def _wide(*texts: str) -> float:
    return round(max(len(text) for text in texts) * _CHARACTER + 24, 1)


def _table(lane: Lane) -> list[tuple[str, ...]]:
    """The same as rows of texts."""
    name, place = lane.location.function, f"{locations.short(lane.location.file)}:{lane.location.line}"
    called = f"{locations.short(lane.called.file)}:{lane.called.line}" if lane.called else ""
    found: list[tuple[str, ...]] = []
    for number, piece in enumerate(lane.pieces):
        breaks = [cut for cut in lane.cuts if _gap_of(cut, lane.pieces) == number + 1]
        part = f"from line {piece.line}" if piece.resumes else "from its beginning"
        seconds = sum(one.seconds or 0.0 for one in piece.attempts)
        found.append(
            (
                name if not number else "",
                place if not number else "",
                called if not number else "",
                part,
                _labels(piece.attempts),
                ", ".join(dict.fromkeys(one.outcome for one in piece.attempts)),
                str(max(one.ops for one in piece.attempts)),
                f"{seconds:.2f}",
                "; ".join(dict.fromkeys(map(_told, breaks[:8]))),
            )
        )
    if lane.eager:
        found.append(("", "", "", lane.eager, "", "plain Python", "", "", ""))
    return found


def _labels(attempts: Sequence[Attempt]) -> str:
    texts = [one.label for one in attempts]
    return ", ".join(texts) if len(texts) <= 8 else f"{', '.join(texts[:6])}, … {texts[-1]} ({len(texts):,})"
