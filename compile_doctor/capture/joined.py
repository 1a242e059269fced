"""The evidence of all groups of ranks as one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from compile_doctor.model.asked import Asked
from compile_doctor.model.compilations import Break
from compile_doctor.model.evidence import Child, Evidence
from compile_doctor.model.ranks import Ranks, named


def joined(ranks: Ranks, asked: Asked, children: tuple[Child, ...]) -> Evidence:
    """The evidence of a run with ranks: that of one rank of each group, and of the processes that are no rank."""
    labelled: list[tuple[str, Evidence]] = []
    for number, group in enumerate(ranks.groups):
        if group.evidence is not None:
            members = [one.number for one in (*ranks.of_group(number), *ranks.earlier_of_group(number))]
            labelled.append((named(members, ranks.world_size) + ": ", group.evidence))
    if ranks.outside is not None:
        labelled.append(("", ranks.outside))
    parts = [evidence for _, evidence in labelled]
    shift = 0
    breaks: list[Break] = []
    for part in parts:
        breaks += [replace(b, compilation=b.compilation + shift if b.compilation >= 0 else -1) for b in part.breaks]
        shift += len(part.compilations)
    first = parts[0] if parts else Evidence(asked)
    return replace(
        first,
        asked=asked,
        children=children,
        facts=replace(
            first.facts,
            search_path=tuple(dict.fromkeys(path for part in parts for path in part.facts.search_path)),
            files=tuple(dict.fromkeys(file for part in parts for file in part.facts.files)),
            beyond_limit={label: count for part in parts for label, count in part.facts.beyond_limit.items()},
        ),
        compilations=tuple(one for part in parts for one in part.compilations),
        aside=tuple(span for part in parts for span in part.aside),
        calls=tuple(call for part in parts for call in part.calls),
        guards=tuple(one for part in parts for one in part.guards),
        breaks=tuple(breaks),
        logs=tuple(one for part in parts for one in part.logs),
        never_called=tuple(one for part in parts for one in part.never_called),
        called_in_vain=tuple(one for part in parts for one in part.called_in_vain),
        late_hooks=tuple(one for part in parts for one in part.late_hooks),
        compile_calls=tuple(one for part in parts for one in part.compile_calls),
        counts=tuple(one for part in parts for one in part.counts),
        failures=tuple(one for part in parts for one in part.failures),
        bytecode={key: one for part in parts for key, one in part.bytecode.items()},
        unknown=dict(sorted(sum((Counter(part.unknown) for part in parts), Counter[str]()).items())),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        lost=tuple(label + text for label, part in labelled for text in part.lost),
        unended=tuple(label + text for label, part in labelled for text in part.unended),
        mesh="",
        standing=(),
        ranks=ranks,
    )
