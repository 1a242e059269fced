"""The work of the child process: finds what the target is, and measures the one case that it was started for."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch

from compile_doctor.capture import schema
from compile_doctor.probe.bench.attention import AttentionSubject
from compile_doctor.probe.bench.dense import DenseGuard
from compile_doctor.probe.bench.machine import ran_on
from compile_doctor.probe.bench.model import ModelSubject
from compile_doctor.probe.bench.timing import Contender, Judge, Timing
from compile_doctor.probe.load import import_file
from compile_doctor.probe.observe.events import EventLog
from compile_doctor.targets.signature import attention_function
from compile_doctor.targets.target import Target


class Subject(Protocol):
    """A model, or attention itself."""

    convention: str
    """How the target is interpreted."""
    kind: str
    """`model` or `attention`."""
    device: str
    """`cpu` or `cuda`; for a model, known after it is built."""

    def groups(self) -> list[dict[str, Any]]:
        """{"case", "implementations"} for each case, at any size."""

    def contest(self, case: str, tokens: int | None) -> tuple[list[Contender], Judge]:
        """(implementations, the function that compares their outputs)."""


def plan(settings: dict[str, Any], log: EventLog) -> None:
    """Writes what can be measured. Raises NotATargetError, or whatever importing the target raises."""
    subject = _subject(settings, log, DenseGuard())
    log.write(schema.Environment(ran_on(subject.device, None)))
    log.write(schema.Plan(kind=subject.kind, convention=subject.convention, groups=subject.groups()))


def work(settings: dict[str, Any], log: EventLog) -> None:
    """Measures `settings["implementations"]` of one case at one size."""
    # torch advises to compile flex_attention, but here both ways are measured on purpose.
    warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
    dense = DenseGuard()
    subject = _subject(settings, log, dense)
    with torch.set_grad_enabled(bool(settings["case"].endswith("backward"))):
        contenders, judge = subject.contest(settings["case"], settings["tokens"])
        alive = [one for one in contenders if one.name not in settings["dead"]]
        Timing(log, lambda: subject.device, float(settings["seconds"])).run(alive, judge, settings["implementations"])


def _subject(settings: dict[str, Any], log: EventLog, dense: DenseGuard) -> Subject:
    """An attention function is recognised by its parameters; without `:attr`, a file with a model is a model target."""
    if not settings["target"]:
        return AttentionSubject(settings, log, dense)
    path = Path(settings["path"]) if settings["path"] else None
    named = attention_function(Target(settings["target"], path, settings["module"], settings["attr"]))
    module = _import(settings)
    if (
        named
        and named.attr
        and (settings["attr"] or not any(hasattr(module, name) for name in ("build_model", "Model")))
    ):
        return AttentionSubject(settings, log, dense, getattr(module, named.attr))
    return ModelSubject(module, settings, log)


def _import(settings: dict[str, Any]) -> ModuleType:
    search = settings.get("search") or []
    sys.path[:0] = search
    if settings["path"]:
        return import_file(Path(settings["path"]))
    sys.path.insert(len(search), os.getcwd())
    return importlib.import_module(settings["module"])
