"""Prints what torch finds on this machine as one line of JSON; `compile-doctor env` runs it in a child process.

Its argument is JSON: the shapes, dtypes, device and options for which SDPA's backends are listed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def facts() -> dict[str, Any]:
    import torch

    from compile_doctor.probe import devices

    found: dict[str, Any] = {
        "torch": torch.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "CPU capability": torch.backends.cpu.get_cpu_capability(),
        "C++ compiler": _cpp_compiler(),
        "Triton": _triton(),
        "GPU": devices.best().summary(),
        "OpenMP": torch.backends.openmp.is_available(),
        "backends": ", ".join(torch.compiler.list_backends()),
        "settings": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("TORCHDYNAMO", "TORCH_COMPILE", "TORCHINDUCTOR", "TORCH_LOGS"))
            and not name.endswith("_CACHE_DIR")
        },
        "depyf": _version("depyf"),
    }
    if capability := devices.best().facts(devices.best().type).get("capability"):
        found["compute capability"] = capability
    disabled = os.environ.get("TORCHDYNAMO_DISABLE") == "1" or os.environ.get("TORCH_COMPILE_DISABLE") == "1"
    gpu_ready = found["GPU"] is not None and found["Triton"] is not None
    found["can compile"] = not disabled and (found["C++ compiler"] is not None or gpu_ready)
    if disabled:
        found["problem"] = "TORCHDYNAMO_DISABLE or TORCH_COMPILE_DISABLE switches torch.compile off: unset it"
    elif not found["can compile"]:
        found["problem"] = (
            "Inductor needs a C++ compiler (Debian: apt-get install g++); --backend eager works without one"
        )
    return found


def sdpa(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """For each shape and dtype: {"shape", "dtype", "device", "options", "grad"} and the result of `memory.sdpa.table`, or "error"."""
    from compile_doctor.probe import devices
    from compile_doctor.probe.memory.sdpa import table

    device = asked["device"] or devices.best().type
    for shape in asked["shapes"]:
        for dtype in asked["dtypes"] or ["bfloat16" if devices.of(device).runs_kernels else "float32"]:
            options: dict[str, Any] = {"is_causal": True} if asked["causal"] else {}
            options |= {"enable_gqa": True} if shape["kv_heads"] != shape["heads"] else {}
            options |= {"dropout_p": asked["dropout"]} if asked["dropout"] else {}
            mask = [shape["batch"], 1, shape["tokens"], shape["kv_tokens"]]
            options |= {"attn_mask": {"shape": mask, "dtype": "bool", "device": device}} if asked["mask"] else {}
            found = {"shape": shape, "dtype": dtype, "device": device, "options": options, "grad": asked["grad"]}
            try:
                yield {**found, **table({"inputs": _inputs(shape, dtype, device, asked["grad"]), "options": options})}
            except Exception as error:  # a missing device, a shape that fills its memory: torch's own message
                yield {**found, "error": str(error).strip().splitlines()[0] if str(error).strip() else repr(error)}


def _inputs(shape: Mapping[str, int], dtype: str, device: str, grad: bool) -> dict[str, dict[str, Any]]:
    keys = [shape["batch"], shape["kv_heads"], shape["kv_tokens"]]
    shapes = {
        "query": [shape["batch"], shape["heads"], shape["tokens"], shape["dim"]],
        "key": [*keys, shape["dim"]],
        "value": [*keys, shape["value_dim"]],
    }
    same = {"dtype": dtype, "device": device, "requires_grad": grad}
    return {name: {"shape": sizes, **same} for name, sizes in shapes.items()}


def _cpp_compiler() -> str | None:
    """The compiler that Inductor would use (`CXX`, then its own search), if it runs."""
    usual = ("clang++",) if sys.platform == "darwin" else ("g++", "clang++")
    for name in (os.environ["CXX"],) if os.environ.get("CXX") else usual:
        path = shutil.which(name)
        if path is None:
            continue
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return f"{done.stdout.splitlines()[0]} ({path})"
    return None


def _triton() -> str | None:
    return _version("triton") if importlib.util.find_spec("triton") else None


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    Path.cwd()  # fails early, and with a clear message, if the working directory is gone
    print(json.dumps({**facts(), "sdpa": list(sdpa(json.loads(sys.argv[1])))}))
