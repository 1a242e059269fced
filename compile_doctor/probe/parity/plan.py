"""What the settings ask for: implementations × cases × heads × dtypes × directions, without what this device lacks."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

from compile_doctor.probe.load import import_file
from compile_doctor.probe.parity.cases import BATCH, DTYPES, HEADS, Case, Problem, case_names
from compile_doctor.probe.parity.implementations import COMPILED, IMPLEMENTATIONS, Implementation, Target, Unsupported
from compile_doctor.probe.parity.judge import Verdict, why


class UsageMistake(Exception):  # noqa: N818
    """The settings cannot be met; the message is for the user."""


@dataclass
class Plan:
    """`units`: {"case", "heads", "dtype", "cells": [[implementation, direction], …]}, in the order of the table."""

    device: str
    units: list[dict[str, Any]]
    implementations: dict[str, Implementation]
    _plainest: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def refusal(self, name: str, dtype: str, direction: str) -> Verdict | None:
        """Why the implementation does not accept even the simplest attention, so that no case must be tried; else None.

        N/A if it accepts none in any dtype, forward: this device has no such implementation.
        Compiled ones are tried for their backward only; for the forward, each case shows it.
        """
        implementation = self.implementations[name]
        if isinstance(implementation, Target) or (implementation.proof in COMPILED and direction == "forward"):
            return None
        reason = self._asked(implementation, dtype, direction)
        if reason is None:
            return None
        if implementation.proof not in COMPILED and all(self._asked(implementation, one, "forward") for one in DTYPES):
            return Verdict("N/A", reason=f"not available on {self.device}: {reason}")
        return Verdict("UNSUPPORTED", reason=reason)

    def _asked(self, implementation: Implementation, dtype: str, direction: str) -> str | None:
        key = (implementation.name, dtype, direction)
        if key not in self._plainest:
            self._plainest[key] = _refused(implementation, dtype, self.device, direction == "backward")
        return self._plainest[key]


def _refused(implementation: Implementation, dtype: str, device: str, backward: bool) -> str | None:
    """Why the implementation refuses 64 tokens without a mask; None if it computes them."""
    case = Case("plainest", "", 64, 64)
    q, k, v = (torch.randn(BATCH, 4, 64, 64, device=device, dtype=getattr(torch, dtype)) for _ in range(3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call = implementation.prepare(Problem(case, "mha", q, k, v, torch.ones_like(q), None))
            for one in (q, k, v) if backward else ():
                one.requires_grad_()
            output = call(q, k, v)
            if backward:
                torch.autograd.grad(output, (q, k, v), torch.ones_like(output))
        except Unsupported as refusal:
            return str(refusal)
        except Exception as error:  # whatever it raises is the answer
            return why(error, [str(one.message) for one in caught])
    return None


def make_plan(settings: dict[str, Any]) -> Plan:
    """The plan. Raises UsageMistake for a missing device, a pattern that fits nothing, or a target that is not a function."""
    device = settings["device"]
    _check_device(device)
    columns: tuple[Implementation, ...] = IMPLEMENTATIONS
    if settings.get("target"):
        columns = (Target(settings["name"], _function(settings)),)
    implementations = {one.name: one for one in columns}
    chosen = _chosen(
        settings.get("only") or [],
        {
            "case": case_names(),
            "heads": tuple(HEADS),
            "dtype": tuple(settings["dtypes"]),
            "direction": tuple(settings["directions"]),
            "implementation": tuple(implementations),
        },
    )
    cells = [[name, direction] for direction in chosen["direction"] for name in chosen["implementation"]]
    units = [
        {"case": case, "heads": heads, "dtype": dtype, "cells": cells}
        for dtype in chosen["dtype"]
        for case in chosen["case"]
        for heads in chosen["heads"]
    ]
    return Plan(device, units, implementations)


def _chosen(patterns: list[str], axes: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Each pattern selects on the axis whose names it fits: `causal*` cases, `gqa` heads. Several on one axis add up."""
    found: dict[str, list[str]] = {}
    for pattern in patterns:
        fitting = {axis: [name for name in names if fnmatch(name, pattern)] for axis, names in axes.items()}
        if not any(fitting.values()):
            known = "; ".join(", ".join(names) for names in axes.values())
            raise UsageMistake(f"--only {pattern!r} fits nothing. There are: {known}.")
        for axis, names in fitting.items():
            if names:
                found.setdefault(axis, []).extend(names)
    return {axis: [name for name in names if name in found.get(axis, names)] for axis, names in axes.items()}


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except Exception as error:  # torch raises many types for a missing device
        raise UsageMistake(f"--device {device}: {str(error).splitlines()[0]}") from None


def _function(settings: dict[str, Any]) -> Callable[..., Any]:
    try:
        module = import_file(Path(settings["path"])) if settings["path"] else _import_name(settings["module"])
    except Exception as error:  # of the target's own
        raise UsageMistake(f"{settings['target']} cannot be imported: {type(error).__name__}: {error}") from error
    value: Any = module
    for part in settings["attr"].split("."):
        value = getattr(value, part, None)
    if not callable(value):
        raise UsageMistake(f"{settings['target']}: there is no function {settings['attr']!r}.")
    function: Callable[..., Any] = value
    return function


def _import_name(name: str) -> Any:
    """Imports a dotted name, also from the working directory."""
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")
    return importlib.import_module(name)
