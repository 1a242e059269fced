"""Who owns a file: an installed package, Python, the doctor, or the user. Does not import torch."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

_DOCTOR = str(Path(__file__).resolve().parent.parent.parent).replace("\\", "/") + "/"
_PYTHON = tuple(sysconfig.get_path(name).replace("\\", "/").rstrip("/") + "/" for name in ("stdlib", "platstdlib"))


def packaged(file: str) -> bool:
    """Whether a file belongs to an installed version of a package, of Python, or of the doctor."""
    name = file.replace("\\", "/")
    if "/site-packages/" in name or "/dist-packages/" in name or name.startswith(_PYTHON):
        return True
    return name.startswith(_DOCTOR) and not name.startswith(_DOCTOR + "examples/")


def installed(file: str) -> bool:
    """Whether a file belongs to an installed package, to Python, or to the doctor; Inductor's generated code counts too."""
    name = file.replace("\\", "/")
    return packaged(name) or "/lib/python3" in name or "/torchinductor" in name


def file_of(module: Any) -> str | None:
    """The file of a module; None without one. An object in sys.modules may be anything, and may raise on any access."""
    try:
        file = module.__file__
    except Exception:  # a lazy module whose package is not installed
        return None
    return file if isinstance(file, str) else None
