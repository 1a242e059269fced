"""Programs with several ranks: what compile-doctor and tlparse say of them."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import labels
import tables
from others import find_tlparse
from processes import ROOT, run

sys.path.insert(0, str(ROOT))

from compile_doctor.capture import load_capture
from compile_doctor.model.ranks import ranges
from compile_doctor.report.make import make_report

PROGRAMS = ROOT / "tests" / "programs" / "ranks"
RECORDED = ROOT / "tests" / "evidence" / "ranks"
TORCH = "2.13.0"
WARNING = re.compile(r"Diverging ([A-Za-z -]+?) detected|divergence in ([a-z -]+)", re.IGNORECASE)
ABOUT_RANKS = ("CD801", "CD802", "CD803", "CD804", "CD805", "CD806", "CD807", "CD808")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tlparse", type=Path)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    suite(parser.parse_args())


def suite(options: argparse.Namespace) -> None:
    found = {program.stem: one(program, options) for program in labels.programs(PROGRAMS)}
    tables.save("ranks", found)
    parting = {name: each for name, each in found.items() if not name.startswith("same_")}
    alike = {name: each for name, each in found.items() if name.startswith("same_")}
    programs = f"of {len(parting)} programs"
    rows: list[list[Any]] = [
        ["programs that differ: something said about ranks", *_both(parting, "said"), programs],
        ["… the right finding, line and ranks", sum(each["right"] for each in parting.values()), "–", programs],
        ["programs that do the same: something said about ranks", *_both(alike, "said"), f"of {len(alike)} programs"],
        ["findings about ranks: expected", sum(each["expected"] for each in found.values()), "–", ""],
        ["findings about ranks: missed", sum(each["missed"] for each in found.values()), "–", ""],
        ["findings about ranks: false", sum(each["false"] for each in found.values()), "–", ""],
    ]
    tables.publish("ranks", tables.table(["", "compile-doctor", "tlparse --all-ranks-html", ""], rows), options.write)


def _both(found: dict[str, Any], key: str) -> tuple[Any, Any]:
    others = [each["tlparse"] for each in found.values() if each["tlparse"] is not None]
    return sum(each[key] for each in found.values()), sum(bool(each) for each in others) if others else "–"


def one(program: Path, options: argparse.Namespace) -> dict[str, Any]:
    label = labels.read(program)
    report = make_report(load_capture(RECORDED / f"{program.stem.replace('_', '-')}.zip"))
    expected = Counter((each.code, each.line, each.label) for each in label.expected(TORCH))
    anywhere = {code for code, line, _ in expected if line is None}
    found: Counter[tuple[str, int | None, str]] = Counter()
    for each in report.findings:
        line = each.location.line if each.location and each.code not in anywhere else None
        found[each.code, line, ranges(each.ranks)] += 1
    about = [Counter({key: n for key, n in side.items() if key[0] in ABOUT_RANKS}) for side in (expected, found)]
    return {
        "said": bool(about[1]),
        "right": expected == found,
        "expected": about[0].total(),
        "missed": (about[0] - about[1]).total(),
        "false": (about[1] - about[0]).total(),
        "tlparse": tlparse(program, options.tlparse),
    }


def tlparse(program: Path, chosen: Path | None) -> list[str] | None:
    """The warnings on its page of all ranks; None without tlparse."""
    tool = str(chosen) if chosen else find_tlparse()
    if tool is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        unpack(RECORDED / f"{program.stem.replace('_', '-')}.zip", Path(folder) / "trace")
        finished = run(
            [tool, Path(folder) / "trace", "--all-ranks-html", "-o", out, "--overwrite", "--no-browser"], timeout=120
        )
        page = out / "index.html"
        if finished.code or not page.exists():
            return []
        text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL)
    return sorted({(match[1] or match[2]).strip() for match in WARNING.finditer(text)})


def unpack(recording: Path, to: Path) -> None:
    """The traces of a recording, with the names that torch gives them, by which tlparse knows the ranks."""
    to.mkdir()
    with zipfile.ZipFile(recording) as archive:
        for name in archive.namelist():
            if name.endswith(".log"):
                content = archive.read(name)
                rank = re.search(rb'"rank": (\d+)', content)
                known = rank[1].decode() if rank else "none"
                (to / f"dedicated_log_torch_trace_rank_{known}_{Path(name).stem}.log").write_bytes(content)


if __name__ == "__main__":
    main()
