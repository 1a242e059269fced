"""Reads where the main thread of a process stood when the time limit ended it, as faulthandler wrote it.

main 0x7f3c8b5f2740
Timeout (0:00:12)!
Thread 0x00007f3c8b5f2740 (most recent call first):
  File "/work/train.py", line 14 in step
"""

from __future__ import annotations

import re

from compile_doctor.model.stacks import Frame

_MAIN = re.compile(r"main 0x([0-9a-f]+)\n")
_THREAD = re.compile(r"^(?:Current thread|Thread) 0x0*([0-9a-f]+) .*$", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)
_OURS = re.compile(r"/compile_doctor/(?:probe|recipes|processes|capture)/")


def read_standing(text: str) -> tuple[Frame, ...]:
    """The main thread's stack, outermost first; empty if the time was not up."""
    main = _MAIN.match(text)
    threads = _THREAD.split(text)
    stacks = dict(zip(threads[1::2], threads[2::2]))
    stack = stacks.get(main[1].lstrip("0"), "") if main else ""
    frames = [Frame(m[1], int(m[2]), m[3]) for m in _FRAME.finditer(stack) if not _OURS.search(m[1])]
    return tuple(reversed(frames))
