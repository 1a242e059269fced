"""The result of `fix` as SARIF 2.1.0: a result for each changed file, with a `fix` that a viewer can apply.

The changes of a file belong together: they were run together.
"""

from __future__ import annotations

import json
from typing import Any

from compile_doctor import __version__
from compile_doctor.clean import cleaned
from compile_doctor.mend.result import Hunk, Mended, hunks, short
from compile_doctor.model.findings import Location
from compile_doctor.render.mend_words import step_line
from compile_doctor.render.sarif_format import SCHEMA, location, message


@cleaned
def render(mended: Mended, verbosity: int = 0, colour: bool = False) -> str:
    results = [_result(mended, path, *texts) for path, texts in sorted(mended.files.items())]
    rules = sorted({one["ruleId"] for one in results})
    driver = {
        "name": "compile-doctor",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [{"id": code} for code in rules],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"compile-doctor/fix/{mended.target}/"},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(mended: Mended, path: str, old: str, new: str) -> dict[str, Any]:
    steps = [step for step in mended.kept if step.finding.location and step.finding.location.file == path]
    place = location(Location(short(path, mended.cwd), steps[0].finding.location.line, ""))  # type: ignore[union-attr]
    replaced = [_replacement(one) for one in hunks(old, new)]
    artifact = place["physicalLocation"]["artifactLocation"]
    return {
        "ruleId": steps[0].finding.code,
        "level": "warning",
        "message": message("\n".join(step_line(step, mended) for step in steps)),
        "locations": [place],
        "fixes": [
            {
                "description": message("Shown to be equal on the inputs that were run, not proven for all."),
                "artifactChanges": [{"artifactLocation": artifact, "replacements": replaced}],
            }
        ],
    }


def _replacement(hunk: Hunk) -> dict[str, Any]:
    """Whole lines: a region that ends before the first column of the next line."""
    region = {"startLine": hunk.first, "startColumn": 1, "endLine": hunk.last + 1, "endColumn": 1}
    return {"deletedRegion": region, "insertedContent": {"text": hunk.text}}
