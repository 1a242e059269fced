"""The environment and the options of a run, as the report shows them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from compile_doctor.model.evidence import Evidence


def settings_of(evidence: Evidence) -> dict[str, Any]:
    """The effective options: a target that is already compiled does not need --as-is."""
    as_is = {"as_is": True} if evidence.facts.as_is else {}
    return {**(asdict(evidence.asked.options) if evidence.asked.options else {}), **as_is}


def environment_of(evidence: Evidence) -> dict[str, Any]:
    """Versions, device and backend, as far as they are known."""
    hidden = ("torch_root",)
    found = {key: value for key, value in evidence.environment.items() if key not in hidden and value is not None}
    options = evidence.asked.options
    if options and options.device:
        found.setdefault("device", options.device)
    if evidence.facts.as_is:
        parts = evidence.facts.compiled_parts
        several = f" for {parts} submodule{'s' * (parts != 1)}" if parts else ""
        found["backend"] = f"as the target set it{several}"
    elif options:
        found["backend"] = options.backend or "inductor"
    return found
