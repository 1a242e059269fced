"""A branch whose sides are more than assignments: both run, one after the other, and the device chooses what they wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import libcst as cst

from compile_doctor.mend.blocks import indented, known_before, leaves, read_after, targets, text_of
from compile_doctor.mend.conditions import as_tensor_test
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.rewrites.messages_outside import is_message
from compile_doctor.mend.site import Candidate, Site, Source, lines_of, names, statements, walk


def propose(site: Site) -> Iterator[Candidate]:
    branch = site.statement
    if not isinstance(branch, cst.If) or isinstance(branch.orelse, cst.If) or site.function is None:
        return
    then = list(branch.body.body)
    other = list(branch.orelse.body.body) if branch.orelse is not None else []
    if leaves([*then, *other]) or any(is_message(one) for part in (*then, *other) for one in statements(part)):
        return
    source = site.source
    made = _made_once(source, [*then, *other])
    chosen = _needed(site, branch, [*then, *other], made)
    if not chosen:
        return
    used = set(names(site.function))
    ends = ("", *(f"_{number}" for number in range(2, 100)))  # an earlier step may have used the same names
    end = next(one for one in ends if not used & {_own(word, name, one) for name in chosen for word in _WORDS})
    taken = f"taken{end}"
    old, new = ({name: _own(word, name, end) for name in chosen} for word in ("old", "new"))
    in_other = set(_certain(source, other))
    saved = [name for name in chosen if name not in in_other or _reads(source, other, name)]
    lines = [f"{taken} = {as_tensor_test(source, branch.test)}"]
    lines += [f"{old[name]} = {name}" for name in saved]
    lines += indented(source, then, "")
    lines += [f"{new[name]} = {name}" for name in chosen]
    lines += [f"{name} = {old[name]}" for name in saved]
    lines += indented(source, other, "")
    lines += [f"{name} = torch.where({taken}, {new[name]}, {name})" for name in chosen]
    changed = cst.FlattenSentinel(lines_of("".join(f"{line}\n" for line in lines), branch))
    sides = tuple(source.lines(part[0])[0] for part in (then, other) if part)
    last = tuple(sorted(name.rpartition(".")[2] for name in made))
    yield Candidate(
        "runs both sides and chooses with torch.where",
        source.edited({branch: changed}),
        sides=sides,
        made=last,
    )


_WORDS = ("taken", "old", "new")


def _own(word: str, name: str, end: str) -> str:
    """A name for what a side has written: `new_self_scale`."""
    plain = "".join(part if part.isalnum() else "_" for part in name).strip("_")
    return f"{word}_{plain}{end}" if word != "taken" else f"taken{end}"


def _needed(site: Site, branch: Any, body: Sequence[Any], made: set[str]) -> list[str]:
    """What the sides write, without names that end with them and what they make once."""
    known, later = known_before(site, branch), read_after(site, branch)
    found = [name for name in targets(site.source, body) if name not in made]
    return [name for name in found if not name.isidentifier() or name in later or name in known]


def _made_once(source: Source, body: Sequence[Any]) -> set[str]:
    """`self.x` for `if not hasattr(self, "x")`."""
    return {
        f"{source.code(node.args[0].value)}.{text_of(node.args[1].value)}"
        for one in body
        for node in walk(one)
        if isinstance(node, cst.Call) and source.code(node.func) == "hasattr" and len(node.args) == 2
    }


def _certain(source: Source, body: Sequence[Any]) -> list[str]:
    """What a block assigns whatever happens in it."""
    return targets(source, [one for one in body if isinstance(one, cst.SimpleStatementLine)])


def _reads(source: Source, body: Sequence[Any], name: str) -> bool:
    """Whether a block mentions a name other than as a target; too many are no harm."""
    mentions = [
        node
        for one in body
        for node in walk(one)
        if isinstance(node, (cst.Name, cst.Attribute)) and source.code(node) == name
    ]
    return any(not isinstance(source.parent(node), cst.AssignTarget) for node in mentions)


REWRITE = Rewrite("branch-both-sides", ("data-dependent-branch", "error:Unsupported.*"), propose, rank=34)
