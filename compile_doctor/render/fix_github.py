"""The result of `fix` as a review of a pull request with suggestions, for GitHub's API:

compile-doctor fix model.py --format github | gh api repos/OWNER/NAME/pulls/NUMBER/reviews --input -
"""

from __future__ import annotations

import json
from typing import Any

from compile_doctor.clean import cleaned
from compile_doctor.mend.result import Hunk, Mended, hunks, short
from compile_doctor.render.markdown_escape import code_block, inline
from compile_doctor.render.mend_words import closing, headline, honesty, step_line


@cleaned
def render(mended: Mended, verbosity: int = 0, colour: bool = False) -> str:
    comments = [
        _comment(short(path, mended.cwd), old, one)
        for path, (old, new) in sorted(mended.files.items())
        for one in hunks(old, new)
    ]
    lines = [
        headline(mended),
        *(f"- {step_line(step, mended)}" for step in mended.kept),
        *honesty(mended),
        *closing(mended),
    ]
    body = "\n".join(("- " if line.startswith("- ") else "") + inline(line.removeprefix("- ")) + "\n" for line in lines)
    return json.dumps({"event": "COMMENT", "body": body, "comments": comments}, indent=2) + "\n"


def _comment(path: str, old: str, hunk: Hunk) -> dict[str, Any]:
    """A suggestion replaces at least one line: if lines are only added, it repeats the one before or after them."""
    first, last, text = hunk.first, hunk.last, hunk.text
    lines = old.splitlines(keepends=True)
    if last < first and lines:
        last = first = max(1, first - 1)
        text = lines[first - 1] + text if hunk.first > 1 else text + lines[0]
    start = {"start_line": first, "start_side": "RIGHT"} if last > first else {}
    return {"path": path, **start, "line": last, "side": "RIGHT", "body": code_block(text.rstrip("\n"), "suggestion")}
