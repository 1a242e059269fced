"""What is wrong with a configuration although each of its values is valid."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec

from compile_doctor import checks
from compile_doctor.errors import UsageError
from compile_doctor.gate.config_records import shown
from compile_doctor.gate.config_tables import GateTarget, Waiver
from compile_doctor.model.sizes import parse_size

FOR_COMMANDS = (
    *("name", "command", "ranks", "same_on_all_ranks", "patches", "require_fused", "timeout"),
    *("max_compile_seconds", "max_graphs", "max_graph_breaks", "max_recompiles"),
)
"""The keys of a target with a command: the command line decides the rest."""


def check_kind(where: str, target: GateTarget) -> None:
    """Raises UsageError unless a target is either something to diagnose, or a command to observe, with the keys of its kind."""
    if bool(target.target) == bool(target.command):
        which = "both target and command are given" if target.target else "target is missing"
        raise UsageError(f"{where}: {which}. Give target, or command for a program that calls torch.compile itself.")
    for one in msgspec.structs.fields(GateTarget):
        given = getattr(target, one.name) != one.default
        if given and target.command and one.name not in FOR_COMMANDS:
            raise UsageError(
                f"{where}: {one.encode_name} has no effect on a command. Remove it, or set it within the command."
            )
        if given and target.target and one.name in ("ranks", "same_on_all_ranks"):
            raise UsageError(f"{where}: {one.encode_name} needs a command that starts several ranks.")
    if target.command:
        try:
            words = shlex.split(target.command)
        except ValueError as error:
            raise UsageError(f"{where}: command = {shown(target.command)} cannot be split: {error}.") from None
        if not words:
            raise UsageError(f"{where}: command is empty.")


def check_size(where: str, text: str) -> None:
    """Raises UsageError unless the text is a size in bytes, such as `8GB`."""
    try:
        parse_size(text)
    except ValueError:
        raise UsageError(f"{where}: memory-limit = {text!r} is not valid: it has to be a size such as 8GB.") from None


def check_waiver(where: str, waiver: Waiver, targets: Sequence[str]) -> None:
    """Raises UsageError unless the code can be waived and the target, if any, is one of the names."""
    codes = checks.codes()  # imports no check, because that takes long
    if waiver.code not in codes:
        near = get_close_matches(waiver.code.upper(), codes, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"the known codes are {', '.join(codes)}."
        raise UsageError(f"{where}: code = {waiver.code!r} is not the code of a check; {hint}")
    check = checks.find_check(waiver.code)
    if check is not None and check.exit_code is not None:
        raise UsageError(
            f"{where}: code = {waiver.code!r} cannot be waived: a target with this code has no result to compare.",
            hint=f"compile-doctor explain {waiver.code}",
        )
    if waiver.target and waiver.target not in targets:
        raise UsageError(
            f"{where}: target = {waiver.target!r} is not the name of a target; "
            + (f"the names are {', '.join(targets)}." if targets else "the file has no targets.")
        )


def check_folder(where: str, folder: Path) -> None:
    """Raises UsageError unless the folder exists or can be made."""
    there = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    if not os.path.isdir(there):
        raise UsageError(f"{where} cannot be used as a folder: {there} is not a folder.")
