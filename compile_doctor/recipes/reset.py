"""Makes torch discard the code that it compiled with or without a recipe, but only when that is safe.

`torch._dynamo.reset()` frees the C++ data of each code object. If another thread is about to run compiled code, or
waits to compile, it still uses that data, and the process dies (torch 2.13.0: SIGFPE in the lookup of compiled code). So no
other thread may be in compiled code, and none may enter it during the reset.
"""

from __future__ import annotations

import sys
import threading
import time
from types import FrameType

PATIENCE = 1.0
"""Seconds to wait until other threads leave compiled code."""
_INSIDE = ("torch/_dynamo/eval_frame.py", "torch/_dynamo/convert_frame.py")


def reset_compiler(patience: float = PATIENCE) -> str:
    """Resets Dynamo. Returns why it was not reset; empty if it was, or if Dynamo is not imported."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None or not hasattr(dynamo, "reset"):
        return ""
    until = time.monotonic() + patience
    while True:
        # No other thread may run between this check and the reset: reset() itself does not wait.
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
                f"the compiler was not reset, because thread {busy} runs compiled code: what is compiled already stays. "
                "Call torch._dynamo.reset() when the thread is done"
            )
        time.sleep(0)


def _busy_thread() -> str | None:
    """The name of another thread that compiles or runs compiled code; None if there is none."""
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
