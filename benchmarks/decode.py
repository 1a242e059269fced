"""A decode loop with each of the mistakes of `example:decode-loop`, beside the same loop mended: recompilations and time per token."""

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
"""(mistake, mended, code), in the order of the table."""
HEADER = (
    "mistake",
    "code",
    "recompilations",
    "mended",
    "s per token",
    "mended",
    "ratio",
    "ms per token, all compiled",
    "mended",
    "ratio",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=6, help="decoded tokens; from 9 on the recompile limit is hit")
    parser.add_argument("--rounds", type=int, default=20, help="rounds over the same tokens, all compiled by then")
    parser.add_argument("--backend", default="inductor")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="decode-cache-") as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # every graph is compiled here for the first time
        results = [measured(*pair, options) for pair in PAIRS]
    tables.save("decode", {"tokens": options.tokens, "rounds": options.rounds, "pairs": results})
    tables.publish("decode", tables.table(HEADER, [row(result) for result in results]), options.write)


def measured(wrong: str, mended: str, code: str, options: argparse.Namespace) -> dict[str, Any]:
    """Both loops of a pair: the first time through, compiling, then in turn with everything compiled."""
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    found: dict[str, Any] = {"mistake": wrong, "mended_by": mended, "code": code}
    with torch.no_grad():
        loops = {"wrong": Loop(wrong, options), "mended": Loop(mended, options)}
        for name, loop in loops.items():
            seconds, recompiled = loop.first()
            found[name] = {"recompilations": recompiled, "compiling": [round(one, 4) for one in seconds]}
        steady: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(options.rounds):
            for name, loop in loops.items():
                steady[name] += loop.tokens()
    for name, times in steady.items():
        found[name]["median_seconds"] = round(median(found[name]["compiling"]), 4)
        found[name]["median_compiled_ms"] = round(median(times) * 1e3, 3)
    print(found, flush=True)
    return found


class Loop:
    """One variant of the example."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        import torch

        from compile_doctor.examples import decode_loop

        torch._dynamo.reset()
        self.count = options.tokens
        self.model = getattr(decode_loop, name)(options.backend)
        self.inputs = decode_loop.example_inputs()

    def first(self) -> tuple[list[float], int]:
        """(seconds of each token, graphs compiled beyond the first for decoding and for prefill)."""
        from torch._dynamo.utils import counters

        counters.clear()
        seconds = self.tokens()
        return seconds, counters["stats"]["unique_graphs"] - 2

    def tokens(self) -> list[float]:
        """Seconds of each decoded token; prefill is not in them."""
        prompt, mask = self.inputs
        logits = self.model.start(prompt, mask)
        seconds = []
        for length in range(prompt.shape[1], prompt.shape[1] + self.count):
            started = time.perf_counter()
            logits = self.model.step(logits.argmax(-1), length)
            seconds.append(time.perf_counter() - started)
        return seconds


def row(result: dict[str, Any]) -> list[object]:
    wrong, mended = result["wrong"], result["mended"]
    return [
        f"`{result['mistake']}`",
        result["code"],
        wrong["recompilations"],
        mended["recompilations"],
        f"{wrong['median_seconds']:.4f}",
        f"{mended['median_seconds']:.4f}",
        f"{wrong['median_seconds'] / mended['median_seconds']:.1f}",
        wrong["median_compiled_ms"],
        mended["median_compiled_ms"],
        wrong["median_compiled_ms"] / mended["median_compiled_ms"],
    ]


if __name__ == "__main__":
    main()
