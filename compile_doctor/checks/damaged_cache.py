"""What a finding says if Inductor's cache is damaged: nothing about the user's code."""

from __future__ import annotations

import re
import shlex
from typing import Any

from compile_doctor.analysis.compile_errors import DAMAGED
from compile_doctor.analysis.context import AnalysisContext

_FILE = re.compile(
    r"(?<![^\s'\":=(])(/[^\s'\":=(]+\.(?:so|o|cubin|[gp]ch|py|json|best_config)|/[^\s'\":=(]*torchinductor[^\s'\":=(]*)"
)


def damaged_cache(seen: AnalysisContext, how: str) -> dict[str, Any]:
    """Title, message, cause and fix."""
    file = _FILE.search(how)
    folders = seen.evidence.facts.damaged_cache or ((_folder_of(file[1]),) if file else ("TORCHINDUCTOR_CACHE_DIR",))
    shown = (
        "compiling passes with an empty cache"
        if seen.evidence.facts.damaged_cache
        else "a library that Inductor compiled earlier cannot be loaded"
    )
    named = f" The file is {file[1]}." if file else ""
    return {
        "title": "Inductor's cache is damaged",
        "message": f"What lies in Inductor's cache ({', '.join(folders)}) is damaged, the model is not to blame: {shown}.{named} {how}",
        "owner": "torch",
        "cause": DAMAGED,
        "fix": f"Remove the cache, and torch compiles anew: rm -r {shlex.join(folders)}",
    }


def _folder_of(file: str) -> str:
    """The folder of the cache around one of its files: `ab/cabc….so`, or deeper below."""
    found = re.match(r"(.*?/torchinductor_[^/]+)", file)
    return found[1] if found else file.rsplit("/", 2)[0]
