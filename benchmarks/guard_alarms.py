"""How often CD514 speaks on ordinary models, and whether rightly: each is diagnosed, and its guards are measured again.

The second measurement is the share of a call that `TorchDynamo Cache Lookup` takes in torch's profiler (the median of
many calls): guards in their place, between the kernels of the model. Models of transformers are left out without it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ordinary
import tables
import torch
from torch.profiler import ProfilerActivity, profile

from compile_doctor.analysis.guard_cost import GuardShare, guard_share
from compile_doctor.capture import load_capture
from compile_doctor.report import make_report

HERE = Path(__file__).resolve().parent
NAMES = (
    "mlp",
    "convolutions",
    "depthwise",
    "lstm",
    "encoder",
    "many_modules",
    "list_of_tensors",
    "llama",
    "bert",
    "vit",
)
SHARE, MICROSECONDS = 0.2, 100


def in_the_profiler(name: str, calls: int) -> tuple[float, float]:
    """Microseconds of all lookups of a call, and of the call: those of the call in the middle."""
    torch._dynamo.reset()
    model, inputs = getattr(ordinary, name)()
    compiled = torch.compile(model)
    with torch.no_grad():
        for _ in range(3):
            compiled(*inputs)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            for _ in range(calls):
                with torch.profiler.record_function("one call"):
                    compiled(*inputs)
    events = profiled.events()
    lookups = [one.time_range for one in events if "Cache Lookup" in one.name]
    spent = []
    for whole in (one.time_range for one in events if one.name == "one call"):
        within = sum(one.elapsed_us() for one in lookups if whole.start <= one.start < whole.end)
        spent.append((within, whole.elapsed_us()))
    return sorted(spent)[len(spent) // 2]


def diagnosed(name: str, repeat: int) -> tuple[GuardShare | None, str]:
    """What the report makes of the guards, and CD514's message if it speaks."""
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "capture"
        command = [sys.executable, "-m", "compile_doctor", "diagnose", ordinary.__file__, "--set", f"name={name}"]
        command += ["--repeat", str(repeat), "--capture", str(capture), "-q"]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(HERE.parent)}, check=False, capture_output=True)
        evidence = load_capture(capture)
    said = [one.message for one in make_report(evidence).findings if one.code == "CD514"]
    return guard_share(evidence), "".join(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=NAMES)
    parser.add_argument("--calls", type=int, default=21)
    parser.add_argument("--repeat", type=int, default=6)
    options = parser.parse_args()
    rows = []
    for name in options.models:
        try:
            getattr(ordinary, name)()
        except ImportError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        found, said = diagnosed(name, options.repeat)
        if found is None:
            print(f"{name}: no guards or no calls were timed", file=sys.stderr)
            continue
        lookups, call = in_the_profiler(name, options.calls)
        right = lookups / call >= SHARE and lookups >= MICROSECONDS
        figures = (f"{found.seconds * 1e6:,.0f}", f"{found.call * 1e6:,.0f}", f"{100 * found.share:.0f} %")
        seen = (f"{lookups:,.0f}", f"{call:,.0f}", f"{100 * lookups / call:.0f} %")
        word = "right" if bool(said) == right else "false alarm" if said else "missed"
        rows.append((name, *figures, "speaks" if said else "silent", *seen, word))
        print(rows[-1], file=sys.stderr, flush=True)
    heads = ("model", "guards, µs", "call, µs", "share", "CD514", "profiler: lookups, µs", "call, µs", "share", "it is")
    print(tables.table(heads, rows))


if __name__ == "__main__":
    main()
