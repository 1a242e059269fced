"""`baseline diff`: how the results of the same targets differ between two torch versions, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from compile_doctor.checks import all_checks
from compile_doctor.clean import say
from compile_doctor.cli.output import answer
from compile_doctor.errors import InconclusiveError
from compile_doctor.gate import baseline, baseline_files
from compile_doctor.gate.baseline import Baseline, Call, Entry, Summary
from compile_doctor.gate.config import choose

_WORDS = {"ops_captured": "operators captured"}


def diff_baselines(old: str, new: str) -> int:
    """Target by target; names those that cannot be read. Raises InconclusiveError if nothing can be compared."""
    configuration, _ = choose(())
    old, new = baseline.minor(old), baseline.minor(new)
    stored, code = [], 0
    for _, one in baseline_files.stored(configuration.baseline_dir):
        if isinstance(one, InconclusiveError):
            say(f"not compared: {one}")
            code = one.exit_code
        else:
            stored.append(one)
    found = {(entry.target, entry.device, entry.torch): entry for entry in stored}
    names = sorted({(name, device) for name, device, torch in found if torch in (old, new)})
    if not any((*name, old) in found and (*name, new) in found for name in names):
        known = {entry.torch for entry in stored}
        raise _nothing(old, new, sorted(known, key=lambda torch: [int(part) for part in re.findall(r"\d+", torch)]))
    for name, device in names:
        before, after = found.get((name, device, old)), found.get((name, device, new))
        if before is None or after is None:
            answer(f"{name} ({device}): no baseline for torch {old if before is None else new}")
            continue
        lines = list(differences(before, after))
        answer(f"{name} ({device}):" + ("" if lines else f" the same under torch {old} and {new}"))
        for line in lines:
            answer(f"  {line}")
    return code


def _nothing(old: str, new: str, known: list[str]) -> InconclusiveError:
    return InconclusiveError(
        f"No target has a baseline for both torch {old} and torch {new}. "
        + (f"There are baselines for torch {', '.join(known)}." if known else "There are no baselines."),
        hint="Run `compile-doctor baseline update` under each of the two versions.",
    )


def differences(before: Baseline, after: Baseline) -> Iterator[str]:
    """A line for each thing that differs: figures, findings, verdicts on attention."""
    if before.settings != after.settings:
        yield f"made with other settings: {baseline.differing(before.settings, after.settings)}"
    for key in Summary.__struct_fields__:
        was, now = getattr(before.summary, key), getattr(after.summary, key)
        if was != now:
            yield f"{_WORDS.get(key, key.replace('_', ' '))}: {was} → {now}"
    gone, new = baseline.differences(before.findings, after.findings)
    pairs, gone, new = baseline.paired(gone, new, lambda one: (one.code, one.file, one.function))
    for same, entry in pairs:
        yield f"{_named(entry)}: cause {_cause(same)} → {_cause(entry)}"
    yield from (f"gone: {_named(entry)}: {_cause(entry)}" for entry in gone)
    yield from (f"new: {_named(entry)}: {_cause(entry)}" for entry in new)
    yield from _attention(before.attention, after.attention)


def _attention(before: Sequence[Call], after: Sequence[Call]) -> Iterator[str]:
    was, now = ({(one.api, one.function, one.file, one.number): one for one in entries} for entries in (before, after))
    for key in sorted({*was, *now}):
        old, new = was.get(key), now.get(key)
        detailed = bool(old and new and old.verdict == new.verdict and old.implementation and new.implementation)
        words = [_how(call, detailed) for call in (old, new)]
        if words[0] != words[1]:
            api, function, file, number = key
            nth = f", call {number}" if number > 1 else ""
            yield f"{api} in {function} ({file}{nth}): {words[0]} → {words[1]}"


def _named(entry: Entry) -> str:
    name = next((check.name for check in all_checks() if check.code == entry.code), "")
    place = f" ({entry.file})" if entry.file else ""
    whose = "" if entry.owner == "mine" else f", {entry.owner}"
    return f"{entry.code} {name} in {entry.function or 'the target'}{place}{whose}"


def _cause(entry: Entry) -> str:
    return str(entry.cause) + (f" [{entry.upstream}]" if entry.upstream else "")


def _how(call: Call | None, detailed: bool) -> str:
    """`fused`, or `fused (flash-2)` if both files have what computes the call."""
    if call is None:
        return "not seen"
    return call.verdict + (f" ({call.implementation})" if detailed else "")
