"""The cells of a matrix: environments × values, each with its command line, its folder, and what makes a result its own."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import compile_doctor
from compile_doctor.matrix.cell_process import arguments
from compile_doctor.matrix.environments import Environment
from compile_doctor.targets.signature import source_file
from compile_doctor.targets.target import Target
from compile_doctor.targets.variants import Axes, Value, combinations


@dataclass(frozen=True)
class Wanted:
    """A cell that is to be run."""

    environment: Environment
    values: Mapping[str, Value]
    target: str
    options: tuple[str, ...]
    """Those of `diagnose`."""
    folder: Path
    key: str
    """What its result depends on: with another key a kept result is not used."""
    timeout: float

    @property
    def name(self) -> str:
        """`torch 2.8.0 float8=on window=none`, for messages."""
        return " ".join([f"torch {self.environment.torch}", *(f"{k}={one.label}" for k, one in self.values.items())])

    @property
    def compiled(self) -> bool:
        return all(value.compiled for value in self.values.values())

    @property
    def command(self) -> str:
        python = self.environment.python or "python"
        return shlex.join([python, *arguments(self.target, self.options)])


def cells(
    target: Target, environments: Sequence[Environment], axes: Axes, shared: Sequence[str], timeout: float, folder: Path
) -> list[Wanted]:
    """Every cell, environment by environment. `shared`: options of `diagnose` for all of them."""
    file = source_file(target)
    source = hashlib.sha256(file.read_bytes()).hexdigest() if file else ""
    found = []
    for environment in environments:
        for values in combinations(axes):
            options = (*shared, *(option for value in values.values() for option in value.options))
            options += ("--timeout", f"{timeout:g}")
            about = [compile_doctor.__version__, target.text, source, environment.torch, environment.python, *options]
            about.append(os.environ.get("COMPILE_DOCTOR_PATCHES", ""))  # `--patches` of every cell
            key = hashlib.sha256(json.dumps([*about, environment.requirements]).encode()).hexdigest()
            name = re.sub(r"[^\w.-]+", "_", environment.torch.rpartition("/")[2])[:40]
            place = folder / "cells" / f"{name}-{key[:8]}"
            found.append(Wanted(environment, values, target.text, options, place, key, timeout))
    return found


def copy_of_doctor(folder: Path) -> Path:
    """A folder with compile-doctor and nothing else, as in its wheel: environments import it from there.

    Its own folder would not do: an installed one has all the other packages of this environment beside it.
    """
    package = Path(compile_doctor.__file__).resolve().parent
    copy = folder / "doctor"
    shutil.rmtree(copy, ignore_errors=True)
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(package, copy / package.name, ignore=unwanted)
    for name, inside in (("recipes", "shipped"), ("patches", "patches")):
        beside, within = package.parent / name, copy / package.name / "recipes" / inside
        if not within.is_dir() and beside.is_dir():  # a checkout
            shutil.copytree(beside, within, ignore=unwanted)
    return copy
