"""Reads the text of a graph in torch's trace, as far as the graphs of several ranks are compared by it.

def forward(self, L_x_: "f32[2, s77][s77, 1]cpu"):
    # File: model.py:16 in forward, code: x = x * 2
    x: "f32[3][1]cpu" = l_x_ * 2;  l_x_ = None
    tensor: "f32[3][1]cpu" = torch.ops._c10d_functional.all_reduce(x, 'sum', '0')
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from compile_doctor.capture.trace.once import once
from compile_doctor.model.compilations import Operator, Traced

_COLLECTIVE = re.compile(
    r"c10d_functional\.(?!wait_tensor)(\w+?)(?:\.default)?\((.*?)\)(?:;|\s*(?:#.*)?$)", re.MULTILINE
)
_NAMES = re.compile(r"^[A-Za-z_]\w*$")
_INPUT = re.compile(r'\b(L_\w+): "([^"\n]+)"')
_PARAMETER = re.compile(r"_(?:parameters|buffers)_")
_PLACE = re.compile(r"\s*# File: (.+):(\d+) in ")
_COMPUTED = re.compile(r"(?<![\w.])\d+\.\d{4,}(?:e[+-]?\d+)?|(?<![\w.])\d{5,}(?![\w.])")
_CHILD = re.compile(r"(L_\w*?_modules_)(\d+)(_\w*(?:parameters|buffers)_\w+)$")
"""`L_self_modules_layers_modules_0_modules_fc_parameters_weight_`: a parameter of a child with a number."""
_ANNOTATION = re.compile(r':\s*"[^"\n]*"')
_DTYPE = re.compile(r'\s*\w+: "(\w+)\[')
_CLEARED = re.compile(r";  [\w ,=]+ = None$", re.MULTILINE)
_NUMBER = re.compile(r"\b0x[0-9a-f]+|\bs?\d[\d.]*(?:e[+-]?\d+)?\b")
GROUP = re.compile(r"'(\d+|[0-9a-f]{16,})'")
"""The name of a process group: a number, or a digest."""
MOST_INPUTS = 40
MOST_OPERATORS = 300
LONGEST = 160
"""Characters of an operator that are kept."""


def find_collectives(payload: bytes) -> tuple[str, ...]:
    """The calls of collectives in a graph, in order, without the tensors that they are given."""
    if b"c10d_functional" not in payload:
        return ()
    return tuple(_call(match) for match in _COLLECTIVE.finditer(payload.decode(errors="replace")))


def _call(match: re.Match[str]) -> str:
    """`all_reduce('sum', '0')`: the tensors' names depend on what else is in the graph."""
    arguments = [part.strip() for part in re.sub(r"\[[^\[\]]*\]", "", match[2]).split(",")]
    return f"{match[1]}({', '.join(part for part in arguments if part and not _NAMES.match(part))})"


def canonical(calls: Iterable[str]) -> tuple[str, ...]:
    """The calls with groups numbered by their first use: a group of some ranks has another name on other ranks."""
    names: dict[str, str] = {}
    return tuple(GROUP.sub(lambda match: names.setdefault(match[1], f"group {len(names)}"), call) for call in calls)


@once
def read_graph_text(payload: bytes) -> Traced:
    """A graph from `dynamo_output_graph`."""
    text = payload.decode(errors="replace")
    inputs = [f"{name}: {kind}" for name, kind in _INPUT.findall(text) if not _PARAMETER.search(name)]
    operators = list(_operators(text))
    digest = hashlib.sha256("\n".join(f"{one.dtype} {one.plain}" for one in operators).encode()).hexdigest()[:16]
    return Traced(
        digest,
        tuple(inputs[:MOST_INPUTS]),
        find_collectives(payload),
        tuple(_constants(text)),
        _blocks(text),
        tuple(operators[:MOST_OPERATORS]),
    )


def _constants(text: str) -> Iterator[tuple[str, str, int]]:
    """Numbers with so many digits that somebody computed them, each once."""
    known: set[str] = set()
    place: tuple[str, int] | None = None
    for line in text.splitlines():
        at = _PLACE.match(line)
        if at:
            place = at[1], int(at[2])
        elif place is not None and "=" in line:
            for literal in _COMPUTED.findall(_ANNOTATION.sub("", line)):
                if literal not in known and len(known) < MOST_INPUTS:
                    known.add(literal)
                    yield literal, *place


def _blocks(text: str) -> int:
    """How many children of one container have parameters with equal names and shapes, of the largest such container."""
    found: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for name, kind in _INPUT.findall(text):
        match = _CHILD.match(name)
        if match:
            found.setdefault(match[1], {}).setdefault(match[2], set()).add((match[3], kind))
    alike = (Counter(frozenset(one) for one in children.values()) for children in found.values())
    most = max((count for counts in alike for count in counts.values()), default=0)
    return most if most > 1 else 0


def _operators(text: str) -> Iterator[Operator]:
    """What the lines compute; `plain` is without what may depend on the rank, such as sizes, and without renamed inputs."""
    file, at = "", 0
    for line in text.splitlines():
        source = _PLACE.match(line)
        if source:
            file, at = source[1], int(source[2])
            continue
        bare = _CLEARED.sub("", _ANNOTATION.sub("", line)).strip()
        computed = bare.partition(" = ")[2]
        if computed and not bare.startswith("#") and not _NAMES.match(_NUMBER.sub("0", computed)):
            dtype = _DTYPE.match(line)
            plain = _NUMBER.sub("0", computed)
            yield Operator(file, at, dtype[1] if dtype else "", computed[:LONGEST], plain)
