"""The result of `fix` as one HTML file: what was gained, the changes, what was compared, and what is left."""

from __future__ import annotations

from compile_doctor.clean import cleaned
from compile_doctor.mend.result import Mended
from compile_doctor.render import mend_words as words
from compile_doctor.render.entries import cut
from compile_doctor.render.html.page import Page, Section, written

ROWS = 1_000
"""Rows of one table."""
PATCH = 1_000_000
"""Characters of the changes that are shown."""


@cleaned
def render(mended: Mended, verbosity: int = 0, colour: bool = False) -> str:
    made = []
    if mended.kept:
        made.append(
            Section(
                "gains",
                "Before and after",
                "table.html",
                ("Before and after", ("", "before", "after"), words.gains(mended)),
            )
        )
        kept = [(step.rewrite, cut(words.step_line(step, mended), 400)) for step in mended.kept[:ROWS]]
        made.append(Section("kept", "Kept", "details.html", [("", kept)], count=len(mended.kept)))
    patch = mended.patch()
    if patch:
        hidden = "" if len(patch) <= PATCH else "\n… the rest is in --format patch\n"
        made.append(Section("changes", "Changes", "patch.html", patch[:PATCH] + hidden, count=len(mended.files)))
    if mended.left:
        left = [("", cut(words.left_line(one, mended), 600)) for one in mended.left[:ROWS]]
        made.append(Section("left", "Left", "details.html", [("", left)], count=len(mended.left)))
    dropped = [step for step in mended.steps if step.state == "dropped"]
    if dropped:
        tried = [("", cut(f"{words.step_line(one, mended)}: {one.reason}", 600)) for one in dropped[:ROWS]]
        made.append(Section("dropped", "Tried and dropped", "details.html", [("", tried)], count=len(dropped)))
    notes = [("", cut(line, 600)) for line in (*words.honesty(mended), *words.closing(mended))]
    if notes:
        made.append(Section("notes", "What was compared, and what is next", "details.html", [("", notes)]))
    word, tone = _verdict(mended)
    known = [f"torch {mended.environment.get('torch')}", str(mended.environment.get("device") or "")]
    return written(
        Page(f"fix {mended.target}", word, tone, words.headline(mended), [one for one in known if one], made)
    )


def _verdict(mended: Mended) -> tuple[str, str]:
    """The verdict after the changes, and how it looks."""
    word = mended.verdict[1]
    if mended.unfinished or word == "inconclusive":
        return ("unfinished" if mended.unfinished else word), "open"
    return word, "bad" if mended.exit_code else "good" if word == "healthy" else "open"
