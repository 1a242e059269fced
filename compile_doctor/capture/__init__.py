"""A capture on disk: what one diagnosis saw, written as it happens and read again by `report`, with no torch.

    capture.json         what was asked for, and how the child processes ended
    process-PID.jsonl    the probe's events, one file per process
    trace/*.log          torch's structured trace, one file per process
    sources.json         the text of the files that findings point to
    bytecode/*.py        what depyf made of the frames that broke (only with --capture)
    rung-TOKENS/         with --tokens: the same again for each size that was run
    seal.json            written last: every other file, its size, its digest and its lines

A directory, or the same in a .zip. A directory of TORCH_TRACE files alone is read too.

`store` writes, `load` reads, `members` is the one way to a capture's files, `seal` shows whether they are what was written,
`sources` chooses the files whose text is kept, `older` reads what earlier versions wrote.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """The two names that others use, looked up late: the probe takes `schema` from here, and may have no library to read with."""
    if name == "load_capture":
        from compile_doctor.capture.load import load_capture

        return load_capture
    if name == "CaptureDirectory":
        from compile_doctor.capture.store import CaptureDirectory

        return CaptureDirectory
    raise AttributeError(name)
