"""Makes torch forget what it compiled with or without a recipe, and only when that is safe.

`torch._dynamo.reset()` frees what C++ knows of each code object. Another thread that is about to run compiled code, or waits
to compile, holds on to that: the process dies (seen on torch 2.13.0: SIGFPE in the lookup of compiled code). So nobody
else may be in there, and nobody may get in meanwhile.
"""

from __future__ import annotations

import sys
import threading
import time
from types import FrameType

PATIENCE = 1.0
"""Seconds to wait for other threads to come out of compiled code."""
_INSIDE = ("torch/_dynamo/eval_frame.py", "torch/_dynamo/convert_frame.py")


def reset_compiler(patience: float = PATIENCE) -> str:
    """Empty where it was reset, or where Dynamo was never imported; else why it was not."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None or not hasattr(dynamo, "reset"):
        return ""
    until = time.monotonic() + patience
    while True:
        # Between looking and resetting no other thread may run: reset() itself waits for nothing.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(60.0)
        try:
            busy = _busy_thread()
            if busy is None:
                dynamo.reset()
                return ""
        finally:
            sys.setswitchinterval(interval)
        if time.monotonic() > until:
            return (
                f"the compiler was not reset, because thread {busy} runs compiled code: what was compiled so far stays. "
                "Call torch._dynamo.reset() when it is done"
            )
        time.sleep(0)


def _busy_thread() -> str | None:
    """The name of another thread that compiles, or runs compiled code."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and _is_inside(frame):
            return names.get(ident, str(ident))
    return None


def _is_inside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.replace("\\", "/").endswith(_INSIDE):
            return True
        frame = frame.f_back
    return False
