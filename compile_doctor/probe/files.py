"""Which files and folders a target looks at, by Python's audit events, for the cache of `check`; and why that may not be all.

Seen are files that Python opens, folders that it lists, and what is imported. What a C extension opens by itself is not, nor is
a mere `os.path.exists`: where an extension that may read files is loaded, or a process or a connection was started, that is said.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from compile_doctor.probe.load import installed

# fmt: off
NATIVE = frozenset({
    "torch", "torchgen", "functorch", "torchao", "triton", "cuda", "numpy", "scipy", "yaml", "markupsafe", "regex", "charset_normalizer",
    "psutil", "mpmath", "gmpy2", "einops", "pydantic_core", "xxhash", "cffi", "_cffi_backend", "wrapt", "compile_doctor",
})
# fmt: on
"""Packages whose extensions read no file behind Python's back."""
PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn")


class Files:
    """What one process looked at. An audit hook stays for the life of the process: one instance."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.written: set[str] = set()
        self.unseen: set[str] = set()

    def install(self) -> None:
        sys.addaudithook(self._event)

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._open(*arguments[:3])
        elif event in ("os.listdir", "os.scandir"):
            name = _name(arguments[0] if arguments[0] is not None else ".")
            if name and not self._ours(name):
                self.folders.add(name)
        elif event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
            self.unseen.add("it used the network")
        elif event in PROCESSES and not _by_torch():
            self.unseen.add("it started a process")

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        name = _name(path)
        if not name or name.endswith(".pyc") or self._ours(name):
            return
        reads = "r" in mode or "+" in mode if isinstance(mode, str) else (int(flags or 0) & os.O_ACCMODE) != os.O_WRONLY
        if not reads:
            self.written.add(name)
        elif name not in self.written:  # what it wrote itself is no input
            self.files.add(name)

    def _ours(self, name: str) -> bool:
        """Installed, torch's caches, the capture itself, and what is no file."""
        if name.startswith(("/proc/", "/sys/", "/dev/", str(self.directory))) or "torchinductor" in name:
            return True
        cache = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
        return bool(cache and name.startswith(cache)) or installed(name) or name.startswith(sys.prefix + os.sep)

    def write(self) -> None:
        """Into the capture: `files-PID.json`. Not written where the process dies, and then nothing is cached."""
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and os.path.isabs(file):
                if not self._ours(file):
                    self.files.add(file)
                elif not file.endswith((".py", ".pyc")) and "-packages" in file:
                    package = module.__name__.split(".", 1)[0]
                    if package not in NATIVE and package not in sys.stdlib_module_names:
                        self.unseen.add(f"{package} may read files by itself")
        # By its type: isinstance asks an object for its __class__, and what a user's object answers is the user's code.
        if any(issubclass(type(one), torch.jit.RecursiveScriptModule) for one in gc.get_objects()):
            self.unseen.add("torch.jit reads its files by itself")
        found = {"files": sorted(self.files), "folders": sorted(self.folders), "unseen": sorted(self.unseen)}
        (self.directory / f"files-{os.getpid()}.json").write_text(json.dumps(found), encoding="utf-8")


def _name(path: Any) -> str:
    """An absolute path, or nothing for a number and for what is no name."""
    if isinstance(path, int):
        return ""
    try:
        return os.path.abspath(os.fsdecode(path))
    except (TypeError, ValueError):
        return ""


def _by_torch() -> bool:
    """Whether torch started it, as Inductor starts a C++ compiler: the innermost frame outside of Python's own library."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if "/torch/" in name or "/triton/" in name:
            return True
        if name != __file__ and not name.startswith("<frozen") and not (installed(name) and "-packages/" not in name):
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return True
