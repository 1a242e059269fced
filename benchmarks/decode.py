"""A decode loop with each mistake of `example:decode-loop`, and the same loop fixed: recompilations and time per token."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from statistics import median
from typing import Any

import tables

PAIRS = (
    ("growing_static", "growing", "CD205"),
    ("new_score_mod", "build_model", "CD204"),
    ("captured_shape", "build_model", "CD204"),
    ("step_counter", "build_model", "CD203"),
    ("layer_index", "build_model", "CD203"),
    ("mask_each_step", "build_model", "CD308"),
    ("output_dtype", "autocast", "CD309"),
)
"""(mistake, fixed loop, code), in the order of the table."""
HEADER = (
    "mistake",
    "code",
    "recompilations",
    "mended",
    "s for all tokens",
    "mended",
    "median s per token",
    "mended",
    "ratio",
    "ms per token, compiled",
    "mended",
    "ratio",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=6, help="decoded tokens; from 9 on the recompile limit is hit")
    parser.add_argument("--rounds", type=int, default=20, help="rounds over the same tokens, all compiled by then")
    parser.add_argument("--backend", default="inductor")
    parser.add_argument("--only", nargs="*", metavar="MISTAKE", help="these pairs; the others keep their last figures")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    import compile_doctor.auto  # noqa: F401  on a CPU some loops compile with recipes only

    with tempfile.TemporaryDirectory(prefix="decode-cache-") as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # every graph is compiled here for the first time
        wanted = [pair for pair in PAIRS if not options.only or pair[0] in options.only]
        how = {name: getattr(options, name) for name in ("tokens", "rounds", "backend")}
        last = tables.load("decode")
        found = last.get("loops", {}) if options.only and last.get("how") == how else {}
        for name in dict.fromkeys(name for wrong, fixed, _ in wanted for name in (fixed, wrong)):
            found[name] = measured(name, options)
            tables.save("decode", {"how": how, "loops": found})
    rows = [
        [f"`{wrong}`", code, *columns(found[wrong], found[fixed])]
        for wrong, fixed, code in PAIRS
        if {wrong, fixed} <= found.keys()
    ]
    tables.publish("decode", tables.table(HEADER, rows), options.write)


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Times one loop: the first pass, which compiles, and later passes, when everything is compiled."""
    import torch
    from torch._dynamo.utils import counters

    from compile_doctor.examples import decode_loop

    # Loops share their code, and so the code that torch compiled for it: an earlier loop may not affect a later one.
    torch._dynamo.reset()
    counters.clear()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, inputs = getattr(decode_loop, name)(options.backend), decode_loop.example_inputs()
    with torch.no_grad():
        first = tokens(model, inputs, options.tokens)
        graphs = counters["stats"]["unique_graphs"]
        again = [one for _ in range(options.rounds) for one in tokens(model, inputs, options.tokens)]
    found = {
        "recompilations": graphs - 2,  # one graph for prefill and one for decoding are necessary
        "seconds": [round(one, 4) for one in first],
        "median_seconds": round(median(first), 4),
        "median_compiled_ms": round(median(again) * 1e3, 3),
    }
    print(name, found, flush=True)
    return found


def tokens(model: Any, inputs: tuple[Any, Any], count: int) -> list[float]:
    """Seconds of each decoded token, without prefill."""
    prompt, mask = inputs
    logits = model.start(prompt, mask)
    seconds = []
    for length in range(prompt.shape[1], prompt.shape[1] + count):
        started = time.perf_counter()
        logits = model.step(logits.argmax(-1), length)
        seconds.append(time.perf_counter() - started)
    return seconds


def columns(wrong: dict[str, Any], fixed: dict[str, Any]) -> list[object]:
    both = (wrong, fixed)
    return [
        *(one["recompilations"] for one in both),
        *(f"{sum(one['seconds']):.1f}" for one in both),
        *(f"{one['median_seconds']:.4f}" for one in both),
        f"{wrong['median_seconds'] / fixed['median_seconds']:.1f}",
        *(one["median_compiled_ms"] for one in both),
        wrong["median_compiled_ms"] / fixed["median_compiled_ms"],
    ]


if __name__ == "__main__":
    main()
