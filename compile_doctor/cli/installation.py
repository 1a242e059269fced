"""A package that compile-doctor needs and that is not installed: the installation is incomplete, nothing is defective."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires

from compile_doctor.errors import DoctorError, InconclusiveError

OWN = "compile_doctor"
DISTRIBUTIONS = {"yaml": "pyyaml"}
"""Packages that pip knows by another name than Python."""


def missing_package(error: ImportError) -> DoctorError | None:
    """What the user can do about it; None if what is missing is a part of compile-doctor, or of Python."""
    module = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or module in ("", OWN) or module in sys.stdlib_module_names:
        return None
    wanted = shlex.join([sys.executable, "-m", "pip", "install", _requirement(DISTRIBUTIONS.get(module, module))])
    return InconclusiveError(
        f"{module} is not installed for {sys.executable}, and compile-doctor needs it.", f"Install it: {wanted}"
    )


def _requirement(distribution: str) -> str:
    """With the versions that compile-doctor can use, as far as its own installation states them."""
    try:
        declared = requires("compile-doctor") or []
    except PackageNotFoundError:  # it runs from a checkout
        declared = []
    found = [one.partition(";")[0].strip() for one in declared]
    return next((one for one in found if re.split(r"[^\w-]", one)[0].lower() == distribution), distribution)
