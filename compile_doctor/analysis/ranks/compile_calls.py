"""The same call of torch.compile with other settings on some ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from compile_doctor.analysis.ranks.comparable import stages
from compile_doctor.model.ranks import CompileCall, Ranks
from compile_doctor.model.stacks import Frame

Key = tuple[str, str, str]
"""File and name of the function that calls torch.compile, and what it compiles: other things may have other settings."""


@dataclass(frozen=True)
class CallSetting:
    """An argument of a call of torch.compile with several values."""

    name: str
    values: Mapping[str, tuple[int, ...]]
    """The ranks by value, the most frequent value first."""
    function: str
    at: Frame
    """The call, as the ranks with the least frequent value make it."""


def differing_calls(ranks: Ranks) -> Iterator[CallSetting]:
    """Every argument with several values, in the order of the calls; only ranks whose calls were recorded are compared."""
    by_group = [_by_key(group.compile_calls) for group in ranks.groups]
    for members in stages(ranks):
        known = [one for one in members if by_group[one.group]]
        for key in dict.fromkeys(key for one in known for key in by_group[one.group]):
            calls = {one.number: by_group[one.group][key] for one in known if key in by_group[one.group]}
            yield from _differing(key, calls)


def _by_key(calls: Sequence[CompileCall]) -> dict[Key, list[CompileCall]]:
    found: dict[Key, list[CompileCall]] = defaultdict(list)
    for call in calls:
        if call.stack:
            found[call.stack[-1].file, call.stack[-1].function, call.function].append(call)
    return found


def _differing(key: Key, calls: Mapping[int, list[CompileCall]]) -> Iterator[CallSetting]:
    """Calls at a line that all ranks have are compared with each other; else the first, second, … with one another."""
    lines = [{call.stack[-1].line for call in own} for own in calls.values()]
    shared = set.intersection(*lines)
    aligned: list[Mapping[int, Sequence[CompileCall]]] = [
        {rank: [call for call in own if call.stack[-1].line == line] for rank, own in calls.items()}
        for line in sorted(shared)
    ]
    aligned.append({rank: [call for call in own if call.stack[-1].line not in shared] for rank, own in calls.items()})
    for one in aligned:
        for together in zip_longest(*one.values()):
            present = {rank: call for rank, call in zip(one, together) if call is not None}
            if len(present) > 1:
                yield from _settings(key[2], present)


def _settings(function: str, calls: Mapping[int, CompileCall]) -> Iterator[CallSetting]:
    given = {rank: dict(call.settings) for rank, call in calls.items()}
    for name in dict.fromkeys(name for settings in given.values() for name in settings):
        values: dict[str, list[int]] = defaultdict(list)
        for rank, settings in given.items():
            if name in settings:
                values[settings[name]].append(rank)
        if len(values) > 1:
            ordered = sorted(values.items(), key=lambda item: (-len(item[1]), item[1][0]))
            odd = ordered[-1][1][0]
            yield CallSetting(
                name, {value: tuple(sorted(own)) for value, own in ordered}, function, calls[odd].stack[-1]
            )
