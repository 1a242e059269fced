"""The gate on ten targets: its time, compared with a plain script for the same ten, and whether its output is always the same."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import tables
from processes import ROOT, environment

TARGETS = {
    "mlp": "nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))",
    "norm": "nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.SiLU(), nn.RMSNorm(64))",
    "conv": "nn.Sequential(nn.Unflatten(-1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten())",
    "deep": "nn.Sequential(*(nn.Linear(64, 64) for _ in range(12)))",
    "glu": "nn.Sequential(nn.Linear(64, 128), nn.GLU(), nn.Linear(64, 10), nn.LogSoftmax(-1))",
    "residual": "Residual()",
    "attention": "Attention()",
    "experts": "Experts()",
    "breaks": "Breaks()",
    "shapes": "nn.Sequential(nn.Linear(64, 64), nn.Tanh())",
}
"""Nine clean targets, and one with a known graph break; `shapes` is called with three batch sizes."""
MODULES = """\
import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(6))

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x).relu()
        return x


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(64, 192)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (4, 16)).transpose(0, 1)[None] for part in self.qkv(x).chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(64, 4)
        self.experts = nn.Parameter(torch.randn(4, 64, 64) / 8)

    def forward(self, x):
        return torch.einsum("bi,eio,be->bo", x, self.experts, self.gate(x).softmax(-1))


class Breaks(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, x):
        x = self.one(x)
        print("seen")
        return self.other(x)
"""


def write_repository(folder: Path) -> None:
    """A package with ten target files and a pyproject.toml that names them."""
    (folder / "modules.py").write_text(MODULES)
    lines = ["[tool.compile-doctor]"]
    for name, model in TARGETS.items():
        sizes = (4, 5, 6) if name == "shapes" else (4,)
        sets = ", ".join(f"(torch.randn({size}, 64),)" for size in sizes)
        (folder / f"{name}.py").write_text(
            f"from modules import *\n\n\ndef build_model():\n    return {model}\n\n\n"
            f"def example_input_sets():\n    return [{sets}]\n"
        )
        lines += ["[[tool.compile-doctor.targets]]", f'name = "{name}"', f'target = "{name}.py"', 'backend = "eager"']
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")
    (folder / "plain.py").write_text(PLAIN)


PLAIN = f"""\
import importlib
import torch

for name in {list(TARGETS)!r}:
    target = importlib.import_module(name)
    torch.manual_seed(0)
    model = target.build_model()
    inputs = target.example_input_sets()
    inputs = inputs * 2 if len(inputs) == 1 else inputs
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        for one in inputs:
            compiled(*one)
    torch._dynamo.reset()
"""
"""The comparison without compile-doctor: one process compiles each model and runs it with its inputs."""


def doctor(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "compile_doctor", *arguments]


def call(folder: Path, command: list[str]) -> tuple[float, subprocess.CompletedProcess[bytes]]:
    env = {**environment(), "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)
    return time.perf_counter() - started, done


def timing(folder: Path, rounds: int) -> dict[str, Any]:
    """Runs the commands in turns, so that other load on the machine affects all of them."""
    commands = {
        "plain script": [sys.executable, "plain.py"],
        "check": doctor("check", "--no-cache"),
        "check -j 2": doctor("check", "--no-cache", "-j", "2"),
        "check from the cache": doctor("check", "--cache"),
    }
    call(folder, commands["check from the cache"])
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            seconds, done = call(folder, command)
            assert done.returncode == 0, (name, done.stdout, done.stderr)
            found[name].append(seconds)
        print({name: round(times[-1], 2) for name, times in found.items()}, flush=True)
    plain = median(found["plain script"])
    ratios = {
        name: median(time / base for time, base in zip(times, found["plain script"], strict=True))
        for name, times in found.items()
    }
    return {
        "rounds": rounds,
        "median": {n: round(median(t), 2) for n, t in found.items()},
        "ratio": ratios,
        "plain": plain,
    }


def sameness(folder: Path, runs: int) -> dict[str, Any]:
    """Counts the different exit codes and outputs of many runs, half of them while the other core is busy."""
    found: dict[str, int] = {}
    busy: subprocess.Popen[bytes] | None = None
    try:
        for number in range(runs):
            if number == runs // 2:
                busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            _, done = call(folder, doctor("check", "--no-cache", "-j", "2", "--format", "json"))
            key = f"exit {done.returncode}, {hashlib.sha256(done.stdout).hexdigest()[:12]}"
            found[key] = found.get(key, 0) + 1
            if len(found) > 1 and found[key] == 1:
                (Path(tempfile.gettempdir()) / f"check-{number}.json").write_bytes(done.stdout)
            print(number + 1, found, flush=True)
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()
    return {"runs": runs, "outputs": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        write_repository(folder)
        _, done = call(folder, doctor("baseline", "update"))
        assert done.returncode == 0, done.stdout + done.stderr
        results = {"time": timing(folder, options.rounds), "same": sameness(folder, options.runs)}
    tables.save("check", results)
    times, same = results["time"], results["same"]
    rows: list[list[object]] = [
        [name, f"{times['median'][name]:.2f} s", f"{times['ratio'][name]:.2f}"] for name in times["median"]
    ]
    counts = "; ".join(f"{count} × {key}" for key, count in sorted(same["outputs"].items()))
    rows.append([f"{same['runs']} runs of check -j 2, half of them with a busy core", counts, ""])
    header = ["ten targets, --backend eager", f"median of {times['rounds']}", "against the plain script"]
    tables.publish("check", tables.table(header, rows), options.write)


if __name__ == "__main__":
    main()
