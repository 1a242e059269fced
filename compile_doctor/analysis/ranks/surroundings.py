"""Versions, variables and settings of torch that should be the same on all ranks, and are not."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from compile_doctor.analysis.ranks.comparable import stages
from compile_doctor.model.ranks import Ranks, Step

_LOCAL = re.compile(
    r"(?:^|_)(?:dirs?|path|folder|url|rank|seed|port|threads|workers|username|hostname|timestamp)(?:_|$)|cache_dir|_file$",
    re.IGNORECASE,
)
"""Settings that say where something is, or whose it is: they may differ."""
_OPTIONS = {
    "automatic_dynamic_shapes": "automatic_dynamic_shapes, set by torch.compile(dynamic=…)",
    "assume_static_by_default": "assume_static_by_default, set by torch.compile(dynamic=…)",
}
"""Settings that an option of torch.compile sets while a frame is compiled."""
FOLLOWS = {"dynamic": tuple(_OPTIONS)}
"""By argument of torch.compile, the settings that it changes while a frame is compiled."""
_KINDS = ("torch._dynamo.config", "torch._inductor.config")


@dataclass(frozen=True)
class Setting:
    """A fact, variable or setting with several values."""

    name: str
    values: Mapping[str, tuple[int, ...]]
    """The ranks by value, the most frequent value first."""
    option: str = ""
    """torch's name of a setting that torch.compile may have set; else empty."""


def differing(ranks: Ranks) -> Iterator[Setting]:
    """Every setting with several values, versions first."""
    facts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in ranks.all:
        for name, value in one.facts.items():
            facts[name][value].append(one.number)
    silent = [one.number for one in ranks.all if not one.facts]
    known = len(ranks.all) - len(silent)
    for name, values in facts.items():
        missing = [one.number for one in ranks.all if one.facts and name not in one.facts]
        if missing and name.isupper():  # a variable that is not set there; other facts may just be unknown
            values["not set"] += missing
        if known > 1 and len(values) > 1 and not (name.isupper() and _LOCAL.search(name)):
            yield _setting(name, values)
    yield from _configured(ranks)


def _configured(ranks: Ranks) -> Iterator[Setting]:
    by_group = [_texts(group.steps) for group in ranks.groups]
    for index, kind in enumerate(_KINDS):
        texts: dict[str, list[int]] = defaultdict(list)
        for one in ranks.all:
            if by_group[one.group][index]:
                texts[by_group[one.group][index]].append(one.number)
        if len(texts) < 2:
            continue
        decoded = {text: _decoded(text) for text in texts}
        for name in sorted({name for settings in decoded.values() for name in settings}):
            values: dict[str, list[int]] = defaultdict(list)
            for text, numbers in texts.items():
                if name in decoded[text]:
                    values[json.dumps(decoded[text][name])].extend(numbers)
            if len(values) > 1 and not _LOCAL.search(name) and not (name in _OPTIONS and _by_stage(ranks, values)):
                yield _setting(_OPTIONS.get(name, f"{kind}.{name}"), values, name)


def _by_stage(ranks: Ranks, values: Mapping[str, list[int]]) -> bool:
    """Whether each stage of a pipeline has one value: its call of torch.compile may have an option of its own."""
    value_of = {number: value for value, numbers in values.items() for number in numbers}
    return all(len({value_of[one.number] for one in stage if one.number in value_of}) < 2 for stage in stages(ranks))


def _texts(steps: tuple[Step, ...]) -> tuple[str, str]:
    """The settings of the first compilation that has them: later ones may be changed for one call."""
    first = [next((step.settings[index] for step in steps if step.settings[index]), "") for index in (0, 1)]
    return first[0], first[1]


@cache
def _decoded(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _setting(name: str, values: Mapping[str, list[int]], option: str = "") -> Setting:
    ordered = sorted(values.items(), key=lambda item: (-len(item[1]), item[1][0]))
    return Setting(name, {value: tuple(sorted(numbers)) for value, numbers in ordered}, option)
