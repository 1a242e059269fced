"""The parity suite on a CUDA device: float16 and bfloat16, forward and backward. No network is needed.

    COMPILE_DOCTOR_RECORD=DIR pytest -m gpu tests/test_gpu_parity.py

also keeps the table as DIR/parity-TORCH-GPU.md and .json.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
from pathlib import Path

import pytest
from conftest import run_doctor

pytestmark = pytest.mark.gpu

DTYPES = ("float16", "bfloat16")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The suite's JSON; skipping costs no import of torch where there is no driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        pytest.skip("needs a CUDA device: this machine has no CUDA driver (libcuda.so.1)")
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip(f"needs a CUDA device: torch {torch.__version__} finds none")
    folder = tmp_path_factory.mktemp("parity")
    wanted = [part for dtype in DTYPES for part in ("--dtype", dtype)]
    arguments = ("--suite", "--device", "cuda", *wanted, "--format", "json", "-o", "markdown:parity.md")
    done = run_doctor(folder, "parity", *arguments, timeout=7200)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    keep = os.environ.get("COMPILE_DOCTOR_RECORD")
    if keep:
        environment = document["environment"]
        name = re.sub(r"[^\w.+-]+", "_", f"parity-{environment['torch']}-{environment['gpu']}")
        Path(keep).mkdir(parents=True, exist_ok=True)
        (Path(keep) / f"{name}.json").write_text(done.stdout, encoding="utf-8")
        (Path(keep) / f"{name}.md").write_text((folder / "parity.md").read_text(encoding="utf-8"), encoding="utf-8")
    return document["cells"]


def of(cells, implementation, direction):
    return [cell for cell in cells if (cell["implementation"], cell["direction"]) == (implementation, direction)]


def test_nothing_computes_something_else(found):
    wrong = [(cell["implementation"], cell["case"], cell["reason"]) for cell in found if cell["status"] == "FAIL"]
    assert wrong == []


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("implementation", ["flex-eager", "flex-compiled", "sdpa-math", "sdpa-compiled"])
def test_what_every_gpu_has_is_compared(found, implementation, direction):
    cells = of(found, implementation, direction)
    ran = [cell for cell in cells if cell["status"] in ("PASS", "DRIFT")]
    assert {cell["dtype"] for cell in ran} == set(DTYPES)
    assert len(ran) > len(cells) / 2, {cell["reason"] for cell in cells if cell["reason"]}


@pytest.mark.parametrize("implementation", ["sdpa-flash", "sdpa-efficient", "sdpa-cudnn"])
def test_fused_backends_run_or_say_why_not(found, implementation):
    cells = of(found, implementation, "forward")
    assert any(cell["status"] == "PASS" for cell in cells) or all(cell["reason"] for cell in cells)
    assert all(cell["reason"] for cell in cells if cell["status"] in ("UNSUPPORTED", "N/A"))
