"""What the formats for `fix` say: the same sentences for the terminal and for Markdown."""

from __future__ import annotations

from compile_doctor.mend.result import Left, Mended, Step, short
from compile_doctor.model.findings import Finding
from compile_doctor.render.bench_text import seconds

SLOWER = 1.2
"""From how many times of the time before a compiled call is said to be slower: two measurements differ by less."""
FOR_ALL_SIZES = ("dynamic-sizes", "marked-dimension")
"""Rewrites that compile one kernel for all sizes."""


def place(finding: Finding, mended: Mended) -> str:
    """`model.py:12`; empty for a finding about the whole run."""
    return f"{short(finding.location.file, mended.cwd)}:{finding.location.line}" if finding.location else ""


def headline(mended: Mended) -> str:
    count = len(mended.kept)
    if not count and mended.unfinished:
        return "Nothing was changed so far."
    outcome = next((left.finding for left in mended.left if left.finding.is_outcome), None)
    if not count and outcome:
        return f"Nothing was changed: {outcome.title[:1].lower()}{outcome.title[1:]}."
    if not count:
        return (
            "Nothing was changed: there is nothing to fix."
            if not mended.left
            else "Nothing was changed: no rewrite helped."
        )
    return f"{count} change{'s' * (count > 1)} kept; {len(mended.left)} finding{'s' * (len(mended.left) != 1)} left."


def gains(mended: Mended) -> list[tuple[str, str, str]]:
    """(what, before, after) in the order of importance."""
    a, b = mended.before, mended.after
    rows = [
        ("verdict", *mended.verdict),
        ("findings", str(a.findings), str(b.findings)),
        ("graphs", str(a.graphs), str(b.graphs)),
        ("graph breaks", str(a.graph_breaks), str(b.graph_breaks)),
        ("recompilations", str(a.recompiles), str(b.recompiles)),
        ("compile time", f"{a.compile_seconds:.1f} s", f"{b.compile_seconds:.1f} s"),
    ]
    if mended.seconds:
        rows.append(("one compiled call", seconds(mended.seconds[0]), seconds(mended.seconds[1])))
    return rows


def honesty(mended: Mended) -> list[str]:
    """What was compared, and what is not the same."""
    if not mended.kept:
        return []
    eager, compiled = mended.cases
    what = "Outputs, gradients and state" if mended.gradients else "Outputs and state"
    lines = [
        f"{what} equal those of the original on {eager} inputs in eager mode, and on {compiled} compiled: "
        "the target's own, and others made from them. This is shown on these inputs, not proven for all."
    ]
    if 0 < mended.gradients < eager:
        lines.append(f"Gradients were compared on {mended.gradients} of them: those of all take too much memory.")
    lines += [f"Not the same: {text}." for text in mended.unlike]
    if mended.seconds and mended.seconds[1] > SLOWER * mended.seconds[0]:
        before, after = mended.seconds
        lines.append(
            f"A compiled call takes {after / before:.1f} times as long as before. It was measured with the first inputs: code for "
            "any size may be slower than code for one size. Weigh it against the compile time, or leave the change out."
            if any(step.rewrite in FOR_ALL_SIZES for step in mended.kept)
            else f"A compiled call takes {after / before:.1f} times as long as before: weigh it against what the change gains."
        )
    if mended.untimed:
        lines.append(f"The time of a call was not measured: {mended.untimed}")
    return lines


def closing(mended: Mended) -> list[str]:
    """What was written, and what to do next."""
    lines = list(mended.notes)
    if mended.unfinished:
        lines.append(
            f"The search is not complete: {mended.unfinished}. --budget gives it more time, --resume continues it."
        )
    if mended.left:
        lines.append(f"Advice for what is left: compile-doctor diagnose {mended.target} -v")
    if mended.compiling:
        options = ", ".join(f"{name}={value!r}" for name, value in mended.compiling.items())
        lines.append(f"Compile with these options: torch.compile(model, {options})")
    if mended.written:
        lines += [f"Written: {short(path, mended.cwd)}" for path in mended.written]
    elif mended.files:
        lines.append("Nothing was written. --write DIR writes the changed files, --write . changes them in place.")
    if mended.vendor:
        lines.append(f"To use the patched packages: PYTHONPATH={mended.vendor}")
    return lines


def step_line(step: Step, mended: Mended) -> str:
    return " ".join(filter(None, [step.finding.code, place(step.finding, mended), step.title]))


def left_line(left: Left, mended: Mended) -> str:
    parts = [left.finding.code, place(left.finding, mended), left.finding.title]
    # Why nothing could be compared: the exception of the target, for instance.
    why = f" ({left.finding.message.splitlines()[0]})" if left.finding.is_outcome and left.finding.message else ""
    return " ".join(filter(None, parts)) + f"{why}: {left.reason}"
