"""Which files and folders a target reads, from Python's audit events, for the cache of `check`; and why some may be missing.

Audit events show files that Python opens, folders that it lists, and imports, each in its state before the first access.
They do not show what a C extension opens by itself, or a plain `os.path.exists`. If an extension that may read files is
loaded, or a process or a connection was started, `unseen` names it.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import marshal
import os
import struct
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from types import CodeType
from typing import Any

from compile_doctor.model.seen_files import KINDS, MOST, Look, Seen, look
from compile_doctor.probe.observe.installed import file_of, installed, packaged

# fmt: off
NATIVE = frozenset({
    "torch", "torchgen", "functorch", "torchao", "triton", "cuda", "numpy", "scipy", "yaml", "markupsafe", "regex", "charset_normalizer",
    "psutil", "mpmath", "gmpy2", "einops", "pydantic_core", "xxhash", "cffi", "_cffi_backend", "wrapt", "msgspec", "compile_doctor",
})
# fmt: on
"""Packages whose extensions open no files by themselves."""
PROCESSES = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn")
COMPILERS = ("/torch/_inductor/", "/torch/_dynamo/", "/triton/", "/ctypes/util.py")
"""Code that starts processes which read none of the target's files: compilers, and ldconfig, which ctypes asks for a
library of the system (torch's CUDA build does so when it is imported). torch's DataLoader starts some that do."""


class Files:
    """What one process read. One instance per process, because an audit hook cannot be removed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.looks: dict[str, Look] = {}
        self.early: list[str] = []
        self.unseen: set[str] = set()
        self._made: set[str] = set()
        """Files and folders that the target made itself, which are not inputs."""
        self._compiled: dict[str, str] = {}
        """Sources for which Python may have loaded a compiled file, and that file."""
        # Called now, because it takes a lock that the target may hold when it opens a file.
        self._generated = os.path.join(tempfile.gettempdir(), "torchinductor_")
        self._room = MOST
        self._folder_open = False
        self._inside = threading.local()
        self._done = False

    def install(self) -> None:
        for _, file in _modules():
            if not self._ours(file) and file not in self.looks:
                self.early.append(file)
                self._look(file)
        for folder in map(_name, sys.path):  # a new file there would be imported instead of the old one
            if not self._ours(folder):
                self._look(folder)
        sys.addaudithook(self._event)

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raises nothing, because the target's own call would raise it. Takes no lock, because the target may hold it.

        Its own file accesses make no events.
        """
        if self._done or getattr(self._inside, "busy", False):
            return
        self._inside.busy = True
        try:
            self._seen(event, arguments)
        except Exception as error:  # a path may be any object: the run goes on, and is not cached
            self.unseen.add(f"a path could not be checked ({type(error).__name__})")
        finally:
            self._inside.busy = False

    def _seen(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._open(*arguments[:3])
        elif event in ("os.listdir", "os.scandir"):
            name = _name(arguments[0] if arguments[0] is not None else ".")
            if not self._ours(name) and not _deletes():
                self._look(name)
        elif event == "os.mkdir":
            name = _name(arguments[0])
            if not self._ours(name) and not os.path.lexists(name):
                self._made.add(name)
        elif event == "import":  # of an extension: the system opens its file
            name = _name(arguments[1] or 0)
            if not self._ours(name):
                self._look(name)
        elif event == "ctypes.dlopen":  # by a path: the system's libraries have names
            name = _name(arguments[0] or 0)
            if os.sep in os.fsdecode(arguments[0] or "") and not self._ours(name):
                self._look(name)
                self.unseen.add(f"{name} may read files by itself")
        elif event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
            self.unseen.add("it used the network")
        elif event in PROCESSES and not _by_compiler():
            self.unseen.add("it started a process")

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        name = _name(path)
        if mode is None and name:  # os.open: the event does not show whether the path is relative to an open folder
            if _deletes():
                return
            if self._folder_open and not os.path.isabs(os.fspath(path)):
                self.unseen.add("it opened a file relative to an open folder")
            self._folder_open = self._folder_open or os.path.isdir(name)
        if self._ours(name):
            return
        source = _source_of(name)
        if source is not None:
            if not self._ours(source):
                self._look(source)
                if os.path.exists(name):
                    self._compiled[source] = name
            return
        if self._creates(name, int(flags or 0)):
            self._made.add(name)
        elif (int(flags or 0) & os.O_ACCMODE) != os.O_WRONLY:
            self._look(name)

    @staticmethod
    def _creates(name: str, flags: int) -> bool:
        """Whether nothing of the file's former content can be read afterwards."""
        if flags & (os.O_TRUNC | os.O_EXCL):
            return True
        return bool(flags & os.O_CREAT) and not os.path.lexists(name)

    def _look(self, name: str) -> None:
        if name in self.looks:
            return
        found = self.looks[name] = look(name, self._room)
        if found.content.kind == "file":
            self._room -= found.content.size
        elif found.content.kind in KINDS:
            self.unseen.add(f"{name} {KINDS[found.content.kind]}")

    def _ours(self, name: str) -> bool:
        """Whether the file is not an input: no name, installed, a cache of torch, the capture, a device, or made by the target."""
        if not name or packaged(name) or name.startswith((f"{self.directory}/", "/proc/", "/sys/")):
            return True
        if name.startswith("/dev/") and not name.startswith("/dev/shm/"):
            return True
        cache = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
        if name.startswith(self._generated) or (cache and name.startswith(cache.rstrip("/") + "/")):
            return True
        if not self._made or "/../" in name:
            return False
        return name in self._made or any(str(one) in self._made for one in Path(name).parents)

    def write(self) -> None:
        """Writes `files-PID.json` into the capture. If the process dies before, the file is missing, and nothing is cached."""
        self._done = True
        for package, file in _modules():
            if not self._ours(file):
                self._look(file)
            elif not packaged(file):
                continue  # compiled by Inductor, or made by the target
            if not file.endswith((".py", ".pyc")) and package not in NATIVE and package not in sys.stdlib_module_names:
                self.unseen.add(f"{package} may read files by itself")
        for source, compiled in self._compiled.items():
            if not _same_code(source, compiled, self.looks[source]):
                self.unseen.add(f"{compiled} may not be compiled from the current {source}: delete it")
        # By its type: isinstance reads an object's __class__, which may run the user's code.
        script = getattr(getattr(sys.modules.get("torch"), "jit", None), "RecursiveScriptModule", None)
        if script is not None and any(issubclass(type(one), script) for one in gc.get_objects()):
            self.unseen.add("torch.jit reads its files by itself")
        if any(not _is_text(name) for name in self.looks):
            self.unseen.add("the name of a file is not valid UTF-8")
        found = asdict(Seen(self.looks, self.early, sorted(self.unseen)))
        (self.directory / f"files-{os.getpid()}.json").write_text(json.dumps(found), encoding="utf-8")


def _modules() -> list[tuple[str, str]]:
    """(package, file) of the loaded modules."""
    files = ((module, file_of(module)) for module in list(sys.modules.values()))
    return [
        (module.__name__.split(".", 1)[0], file)
        for module, file in files
        if isinstance(file, str) and os.path.isabs(file)
    ]


def _name(path: Any) -> str:
    """The absolute path; empty for a number and for what is not a path."""
    if isinstance(path, int):
        return ""
    try:
        name = os.fsdecode(path)
        name = name if os.path.isabs(name) else os.path.join(os.getcwd(), name)
    except (TypeError, ValueError):
        return ""
    if name.startswith("/proc/"):  # /proc/self/cwd is another name of a folder
        return os.path.realpath(name)
    # `link/..` may be another folder than its text: only the system can resolve it.
    return name if "/../" in f"{name}/" else os.path.normpath(name)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _source_of(name: str) -> str | None:
    """The source that a file in `__pycache__` was compiled from; None for any other file."""
    if not name.endswith(".pyc"):
        return None
    try:
        return importlib.util.source_from_cache(name)
    except (ValueError, NotImplementedError):
        return None


def _same_code(source: str, compiled: str, seen: Look) -> bool:
    """Whether the code that Python loads from the compiled file is that of the source.

    Python compares size and time, but the time can be set: a source that was touched later is compiled again here.
    """
    try:
        content, text = Path(compiled).read_bytes(), Path(source).read_bytes()
        by_hash, always = content[4] & 1, content[4] == 1
        if by_hash:
            same = content[8:16] == importlib.util.source_hash(text)
        else:
            *_, size, modified, touched = seen.marks[-1]
            same = content[8:16] == struct.pack("<II", modified // 10**9 & 0xFFFFFFFF, size & 0xFFFFFFFF)
            always = same and touched > os.stat(compiled).st_ctime_ns
        if not always or (by_hash and same):
            return True  # or Python saw that they differ, and used the source
        loaded = marshal.loads(content[16:])
        return isinstance(loaded, CodeType) and loaded == compile(text, source, "exec", dont_inherit=True)
    except (OSError, ValueError, EOFError, TypeError, SyntaxError, IndexError):
        return False


def _deletes() -> bool:
    """Whether shutil.rmtree makes the call: what it lists is not an input."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and frame.f_code.co_name.startswith("_rmtree") and frame.f_globals["__name__"] == "shutil"


def _by_compiler() -> bool:
    """Whether torch started the process, as Inductor does a C++ compiler: by the innermost frame outside Python's library."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if any(part in name for part in COMPILERS):
            return True
        if name != __file__ and not name.startswith("<frozen") and not (installed(name) and "-packages/" not in name):
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return True
