"""Where the cost of `run` is in a rank that compiles: the shares of torch's own trace and of the probe, by a profile."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

from processes import ROOT

SITE = ROOT / "compile_doctor" / "probe" / "entry" / "site"
PROGRAM = """
import cProfile, pstats, sys, time, torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), nn.LayerNorm(width)

    def forward(self, x):
        return x + self.b(nn.functional.gelu(self.a(self.norm(x))))

net, x = torch.compile(nn.Sequential(*[Block(32) for _ in range(int(sys.argv[1]))]), backend=sys.argv[2]), torch.randn(8, 32)
profile = cProfile.Profile(time.process_time)
profile.runcall(lambda: net(x).sum().backward())
found = pstats.Stats(profile)
whole = found.total_tt
trace = probe = 0.0
for (file, _, name), (_, _, own, total, _) in found.stats.items():
    trace = total if name == "trace_structured" else trace
    # The probe calls torch's compiler from within its own functions: their own time, and that of what they time.
    probe += total if name == "measure" and "compile_doctor" in file else own if "compile_doctor" in file else 0.0
print(f"{whole:.2f} s of CPU under the profiler: torch's trace {trace / whole:.2%}, the probe {probe / whole:.2%}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--backend", default="inductor")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "PYTHONPATH": f"{SITE}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1", "RANK": "0", "WORLD_SIZE": "1",
            "COMPILE_DOCTOR_CAPTURE": folder, "TORCH_TRACE": f"{folder}/trace", "TORCHINDUCTOR_CACHE_DIR": f"{folder}/cache",
        }  # fmt: skip
        command = [sys.executable, "-c", PROGRAM, str(options.blocks), options.backend]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
