"""The parts of the JSON documents: typed records, from which both the text and its published schema are made.

The docstrings of a record are the schema's descriptions: `make schemas` writes compile_doctor/schemas/ from them.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import msgspec
from msgspec import Meta


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """An object with these keys and no others, in this order."""


def one_of(*values: Any) -> Meta:
    """A value that has to be one of these."""
    return Meta(extra_json_schema={"enum": list(values)})


Count = Annotated[int, Meta(ge=0)]
Size = Annotated[int, Meta(ge=1)]
"""A number of at least 1: tokens, heads, occurrences, lines."""
Figure = Annotated[float, Meta(ge=0)] | None
"""Seconds, differences, tolerances. Also null for a number that JSON cannot express: see `as_dict`."""
Texts = tuple[str, ...]

ENVIRONMENT: dict[str, Any] = {
    "properties": {
        "torch": {"type": "string", "description": "torch's version, such as `2.13.0+cpu`."},
        "python": {"type": "string", "description": "Python's version, such as `3.11.7`."},
        "platform": {"type": "string", "description": "Operating system and architecture."},
        "processor": {"type": "string", "description": "What torch's kernels use of the CPU, such as `AVX2`."},
        "threads": {"type": "integer", "minimum": 1, "description": "torch's threads for one operation."},
        "device": {"type": "string", "description": "What it ran on: `cpu`, `cuda`, …"},
        "gpu": {"type": "string", "description": "The GPU by name, if it ran on one."},
        "capability": {
            "type": "string",
            "description": "The compute capability of the NVIDIA GPU that it ran on, such as `9.0`.",
        },
        "cuda": {"type": ["string", "null"], "description": "The CUDA version of torch, if it ran on a GPU."},
        "rocm": {"type": "string", "description": "The ROCm version of torch, if it ran on an AMD GPU."},
        "xpu": {"type": ["string", "null"], "description": "The oneAPI version of torch, if it ran on an Intel GPU."},
        "backend": {"type": "string", "description": "torch.compile's backend, or `as the target set it`."},
    },
    "patternProperties": {
        "^[A-Z]": {"type": "string", "description": "An environment variable that changes what torch.compile does."}
    },
    "additionalProperties": False,
}
"""Only what is known is included: a bare trace has hardly any of it."""


def as_dict(document: Record) -> dict[str, Any]:
    """The document for JSON. NaN and infinities, which JSON cannot express, become null, with a note for each."""
    found: dict[str, Any] = msgspec.to_builtins(document)
    lost: list[str] = []
    found = _finite(found, "", lost)
    found["notes"] += lost
    return found


def as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _finite(value: Any, path: str, lost: list[str]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        lost.append(f"{path} is null: it was {value}, which is not a finite number")
        return None
    if isinstance(value, dict):
        return {key: _finite(one, f"{path}.{key}" if path else key, lost) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one, f"{path}[{number}]", lost) for number, one in enumerate(value)]
    return value
