"""Skips work of torch's compiler that the doctor's own processes do not need; what is compiled stays the same.

For the gate's forked children and the parity suite. `diagnose` does not change the compiler, because it shows its time.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

import torch

FLEX_HEADERS = (
    "c10/util/Unroll.h",
    "torch/csrc/inductor/aoti_torch/c/shim.h",
    "ATen/native/cpu/utils.h",
    "ATen/native/CPUBlas.h",
    "ATen/Context.h",
)
"""What CppFlexAttentionTemplate includes after cpp_prefix.h, in its order (torch/_inductor/codegen; 2.15 has one more)."""


def skip_guard_timing() -> None:
    """Skips Dynamo's timing of a pass over the guards, before which it flushes the CPU's caches: 40 ms per compilation.

    It is for a log and a metric that the doctor does not read (`profile_guard_manager` in torch/_dynamo/guards.py, 2.8 to 2.15).
    """
    guards: Any = importlib.import_module("torch._dynamo.guards")
    if hasattr(guards, "profile_guard_manager"):
        guards.profile_guard_manager = lambda *_: 0.0


def precompile_flex_headers() -> None:
    """Precompiles FLEX_HEADERS too, not only cpp_prefix.h: g++ then takes 3.9 s for flex_attention's kernel, not 6.2 s.

    The compiler reads the same text in the same order, and makes the same machine code. The precompiled header lies beside
    Inductor's own, 220 MB for each set of flags.
    """
    codecache: Any = importlib.import_module("torch._inductor.codecache")
    original = getattr(codecache, "_precompile_header", None)
    if original is None:
        return
    include = Path(torch.__file__).parent / "include"
    headers = [header for header in FLEX_HEADERS if (include / header).is_file()]

    @functools.cache  # like the original: else what fails is tried again for each kernel
    def more(header: str, *args: Any, **keywords: Any) -> Any:
        try:
            # It writes `#include <{header}>`.
            return original(">\n#include <".join((header, *headers)), *args, **keywords)
        except Exception:  # a compiler that cannot take them together must not cost a cell
            return original(header, *args, **keywords)

    codecache._precompile_header = more


def reuse_templates() -> None:
    """Compiles each template of a C++ kernel once. Inductor compiles it again for each kernel: 0.2 s for flex_attention's."""
    templates: Any = importlib.import_module("torch._inductor.codegen.common").KernelTemplate
    if hasattr(templates, "_template_from_string"):
        templates._template_from_string = staticmethod(functools.cache(templates._template_from_string))
