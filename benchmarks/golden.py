"""`compile-doctor fix` on models of a public corpus of graph breaks, drawn before anybody looked at them.

Needs a checkout of penguinwu/oss-model-graph-break-corpus (`--corpus`), whose own recipes build the models, and its
transformers (5.4.0 with huggingface_hub 1.8.0). All runs are on the CPU, with random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

import fix
import fix_models
import tables

SEED = 21
SMALL = {
    "intermediate_size": 128,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "d_ff": 64,
    "ffn_dim": 64,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_queries": 20,
    "depth": 2,
}
"""The most of each field of a configuration: the corpus' own sizes take minutes on a CPU. The code that runs is the same."""
TARGET = """\
import copy
import sys

sys.path[:0] = [{here!r}, {sweep!r}]

import torch
import worker

import golden

golden.shrinking(worker)
SPEC = {{"name": {name!r}, "source": "hf"}}


INPUTS = []


def build_model():
    torch.manual_seed(0)
    model, named, plain = worker.create_model(SPEC, "cpu")
    INPUTS[:] = [plain or named]
    return model.eval()


def example_inputs():
    if not INPUTS:
        build_model()
    return copy.deepcopy(INPUTS[0])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="a checkout of the corpus")
    parser.add_argument("--count", type=int, default=44, help="how many models, in the order of the draw")
    parser.add_argument("--only", action="append", help="only this model; may be repeated")
    parser.add_argument("--budget", type=float, default=240)
    parser.add_argument("--inputs", type=int, default=20)
    parser.add_argument("--resume", type=Path, help="a folder that keeps each search, so that it can go on")
    parser.add_argument("--only-table", action="store_true", help="publish the last results")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    counts = theirs(options.corpus)
    names = drawn(options.corpus, counts)[: options.count]
    results: dict[str, Any] = tables.load("golden").get("models", {})
    for name in [] if options.only_table else options.only or names:
        path = Path.cwd() / f"{name}.py"
        sweep = str((options.corpus / "sweep").resolve())
        path.write_text(TARGET.format(here=str(tables.HERE), sweep=sweep, name=name))
        began = time.monotonic()
        found = fix_models.mend(path, options.budget, options.inputs, options.resume)
        path.unlink()
        results[name] = {**found, "theirs": counts[name], "seconds": round(time.monotonic() - began, 1)}
        print(f"{name}: {fix.line(results[name])}", file=sys.stderr, flush=True)
        tables.save("golden", {"models": results})
    tables.publish("golden", table([(name, results[name]) for name in names if name in results]), options.write)


def theirs(corpus: Path) -> dict[str, tuple[int, int]]:
    """(graph breaks, their different lines) of the corpus' own run of each transformers model (torch 2.10, a GPU)."""
    runs = json.loads((corpus / "sweep_results" / "pt2.10" / "explain_results.json").read_text())["results"]
    found = {}
    for run in runs:
        if run["mode"] == "eval" and run["source"] == "hf" and run["status"] == "ok":
            texts = [one["reason"] for one in run.get("break_reasons", ())]
            places = {tuple(re.findall(r'File "([^"]+)", line (\d+)', text)[-1:]) for text in texts}
            found[run["name"]] = (run["graph_break_count"], len(places - {()}))
    return found


def drawn(corpus: Path, known: dict[str, tuple[int, int]]) -> list[str]:
    """The models of the golden set that break and have counts, in random order."""
    models = json.loads((corpus / "corpus" / "golden_set.json").read_text())["models"]
    names = sorted(one["name"] for one in models if one["eval"]["status"] == "graph_break" and one["name"] in known)
    random.Random(SEED).shuffle(names)
    return names


def shrinking(worker: Any) -> None:
    """Makes the configurations of the corpus' recipes smaller. A field that refuses stays as it is."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    recipe = worker._fix_config
    worker._fix_config = lambda name, config: shrunk(recipe(name, config))


def shrunk(config: Any) -> Any:
    for name, most in SMALL.items():
        value = getattr(config, name, None)
        if type(value) is int and value > most:
            try:
                setattr(config, name, most)
            except Exception:  # a property, or a check of the class
                continue
    for name, value in list(vars(config).items()):
        if name.endswith("config") and hasattr(value, "to_dict"):
            shrunk(value)
    return config


def table(results: list[tuple[str, dict[str, Any]]]) -> str:
    """A model is fixed if no line breaks its graph any more and nothing is left to plain Python."""
    rows: list[tuple[object, ...]] = []
    broken = mended = better = 0
    total = [0, 0, 0, 0]
    for name, found in results:
        breaks, sites = found["theirs"]
        missing = found.get("error") or ("" if found["before"]["graphs"] else "not run: it takes more memory")
        if missing:
            rows.append((name, breaks, sites, "–", "–", "–", "–", missing[:90]))
            continue
        a, b = found["before"], found["after"]
        cells = (a["graph_breaks"], b["graph_breaks"], a["graphs"], b["graphs"])
        total = [x + y for x, y in zip(total, cells)]
        broken += bool(a["graph_breaks"])
        mended += bool(a["graph_breaks"]) and not b["graph_breaks"]
        better += b["graph_breaks"] < a["graph_breaks"]
        kept = ", ".join(dict.fromkeys(one.split()[1] for one in found["kept"])) or "none"
        rows.append((name, breaks, sites, *cells, kept + (f" ({found['unfinished']})" if found["unfinished"] else "")))
    rows.append(
        ("all", "", "", *total, f"{mended} of {broken} models that break here end without a break, {better} with fewer")
    )
    header = ("model", "their breaks", "their lines", "lines", "after", "graphs", "after", "rewrites that were kept")
    return tables.table(header, rows)


if __name__ == "__main__":
    main()
