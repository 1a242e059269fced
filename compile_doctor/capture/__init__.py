"""A capture on disk: the evidence of one diagnosis, written as it happens and read by `report`, without torch.

    capture.json         what was requested, and how the child processes ended
    process-PID.jsonl    the probe's events, one file per process
    standing-PID.txt     where a rank stood when the time was up
    trace/*.log          torch's structured trace, one file per process
    sources.json         the text of the files that findings point to
    bytecode/*.py        the frames that broke, decompiled by depyf (only with --capture)
    rung-TOKENS/         with --tokens: the same files for each size that was run
    seal.json            written last: every other file, its size, its digest and its lines

It is a directory, or the same in a .zip. A directory that has only TORCH_TRACE files can be read too.

`store` writes, `load` reads, `members` is the only access to a capture's files, `seal` shows whether they were changed,
`sources` chooses the files whose text is kept, `older` reads captures of earlier versions.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Imports the two public names at their first use: the probe imports `schema`, possibly without msgspec."""
    if name == "load_capture":
        from compile_doctor.capture.load import load_capture

        return load_capture
    if name == "CaptureDirectory":
        from compile_doctor.capture.store import CaptureDirectory

        return CaptureDirectory
    raise AttributeError(name)
