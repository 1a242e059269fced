"""The advice for breaks in packages, applied to the programs of `libraries.py`: which lines of torch's records are gone."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import tables
import yaml
from libraries import place

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*", help="words in the names of programs; all by default")
    parser.add_argument("--outputs", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--only-table", action="store_true", help="publish the last results")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    if options.outputs:
        print(json.dumps(same(*map(Path, options.outputs))))
        return
    texts = {one["name"]: one["text"] for one in yaml.safe_load((HERE / "libraries.yaml").read_text(encoding="utf-8"))}
    cases = yaml.safe_load((HERE / "outside.yaml").read_text(encoding="utf-8"))
    results: dict[str, Any] = tables.load("outside").get("programs", {})
    for case in cases:
        wanted = not options.programs or any(word in case["name"] for word in options.programs)
        if wanted and not options.only_table:
            results[case["name"]] = found = measured(case, texts[case["name"]])
            print(f"{case['name']}: {found}", file=sys.stderr, flush=True)
            tables.save("outside", {"programs": results})
    tables.publish("outside", table(results), options.write)


def measured(case: dict[str, Any], text: str) -> dict[str, Any]:
    """The lines before and after, and whether the outputs in eager mode are the same."""
    before = "import torch\n\n" + text
    after = edited(before, [*case["edit"], *case.get("input", [])])
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"program_{word}.py" for word in ("before", "after")]
        for file, program in zip(files, (before, after), strict=True):
            file.write_text(program, encoding="utf-8")
        first, then = (asked("libraries.py", "--truth", str(file)) for file in files)
        equal = None if case.get("random") else asked("outside.py", "--outputs", *map(str, files))
    if "missing" in first or "missing" in then:
        return {"missing": first.get("missing") or then.get("missing")}
    lines = [{(place(file), line) for file, line in one["sites"]} for one in (first, then)]
    own = {one for one in lines[1] if one[0] == files[1].name}
    return {
        "before": len(lines[0]),
        "gone": len(lines[0] - lines[1]),
        "new": len(lines[1] - lines[0] - own),
        "own": len(own),
        "records": [first["records"], then["records"]],
        "failed": then["failed"],
        "equal": equal,
    }


def edited(text: str, pairs: list[list[str]]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def asked(script: str, *arguments: str) -> Any:
    child = subprocess.run([sys.executable, HERE / script, *arguments], capture_output=True, text=True, check=False)
    lines = child.stdout.splitlines()
    return json.loads(lines[-1]) if child.returncode == 0 and lines else {"missing": child.stderr[-300:]}


def same(*files: Path) -> bool:
    """Whether two programs give the same in eager mode. Runs in a process of its own."""
    import torch
    from torch.utils._pytree import tree_leaves

    outputs = []
    for file in files:
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        torch.manual_seed(0)
        spec.loader.exec_module(module)
        torch.manual_seed(0)
        model, sets = module.build_model(), module.example_input_sets()
        torch.manual_seed(0)
        outputs.append(tree_leaves([model(*args) for args in sets]))
    return len(outputs[0]) == len(outputs[1]) and all(
        one.shape == other.shape and torch.allclose(one, other, atol=1e-5, equal_nan=True)
        for one, other in zip(*outputs, strict=True)
        if isinstance(one, torch.Tensor)
    )


def table(results: dict[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    words = {True: "yes", False: "no", None: "random"}
    for name, found in sorted(results.items()):
        if "missing" in found:
            rows.append((name, *["–"] * 6))
            continue
        figures = (found["before"], found["gone"], found["new"], found["own"])
        rows.append((name, *figures, " → ".join(map(str, found["records"])), words[found["equal"]]))
    sums = [sum(one.get(key, 0) for one in results.values()) for key in ("before", "gone", "new", "own")]
    rows.append((f"all {len(results)}", *sums, "", ""))
    header = ("model", "true lines", "gone", "came to light", "breaks in the program", "records", "same output")
    return tables.table(header, rows)


if __name__ == "__main__":
    main()
