"""Prints what torch finds on this machine, as one line of JSON; run by `compile-doctor env` in a child process."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any


def facts() -> dict[str, Any]:
    import torch

    found: dict[str, Any] = {
        "torch": torch.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
        "CPU capability": torch.backends.cpu.get_cpu_capability(),
        "C++ compiler": _cpp_compiler(),
        "Triton": _triton(),
        "GPU": _gpu(torch),
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
    disabled = os.environ.get("TORCHDYNAMO_DISABLE") == "1" or os.environ.get("TORCH_COMPILE_DISABLE") == "1"
    gpu_ready = torch.cuda.is_available() and found["Triton"] is not None
    found["can compile"] = not disabled and (found["C++ compiler"] is not None or gpu_ready)
    if disabled:
        found["problem"] = "TORCHDYNAMO_DISABLE or TORCH_COMPILE_DISABLE switches torch.compile off"
    elif not found["can compile"]:
        found["problem"] = "Inductor needs a C++ compiler (Debian: apt-get install g++); --backend eager works without"
    return found


def _cpp_compiler() -> str | None:
    """The compiler that Inductor would take (`CXX`, then its own search), if it runs."""
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


def _gpu(torch: Any) -> str | None:
    if not torch.cuda.is_available():
        return None
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    major, minor = torch.cuda.get_device_capability()
    return f"{', '.join(names)} (CUDA {torch.version.cuda}, sm_{major}{minor})"


if __name__ == "__main__":
    Path.cwd()  # fails early, and with a clear message, where the working directory is gone
    print(json.dumps(facts()))
