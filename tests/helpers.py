"""Builds trace files, evidence and captures by hand: real formats, small contents."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

from compile_doctor.capture.members import Members
from compile_doctor.capture.reading import encode
from compile_doctor.capture.schema import CAPTURE
from compile_doctor.capture.seal import make_seal
from compile_doctor.capture.trace.contents import Trace
from compile_doctor.capture.trace.read import read_stream
from compile_doctor.model.asked import Asked, Settings
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Child, Evidence, Facts, Failure
from compile_doctor.model.stacks import ErrorLink, Frame

MAKEFILE = (Path(__file__).resolve().parent.parent / "Makefile").read_text(encoding="utf-8")
TORCHES = tuple(re.findall(r"^VERSIONS := (.+)$", MAKEFILE, re.MULTILINE)[0].split())
"""The versions of torch that are recorded, oldest first."""
MODEL = "/work/project/model.py"
SOURCE = """\
import torch


class Model(torch.nn.Module):
    def forward(self, x):
        x = x * 2
        print("seen")
        return x + 1
"""
PRINT = "Failed to trace builtin operator\n  Explanation: Dynamo does not know how to trace builtin operator `print`\n  Hint: Avoid it."
PRINT_REASON = f"Encountered graph break when attempting to trace CALL: a function call, e.g. f(x, y):\n\n{PRINT}"
GB_LINK = "\n\n For more details about this graph break, please visit: https://meta-pytorch.github.io/compile-graph-break-site/gb/gb{}.html\n"


def record(header: dict[str, Any], payload: str | None = None, pid: int = 7) -> bytes:
    """One record as `TorchLogsFormatter` writes it: the header line, then the payload behind tabs."""
    text = f"V1121 01:11:35.737000 {pid} torch/_dynamo/guards.py:5400] {json.dumps(header)}\n"
    if payload is not None:
        text += "".join(f"\t{line}\n" for line in payload.split("\n"))
    return text.encode()


def ids(frame: int, again: int = 0) -> dict[str, int]:
    return {"frame_id": frame, "frame_compile_id": again, "attempt": 0}


def artifact(name: str, payload: str, frame: int = 0, again: int = 0, pid: int = 7) -> bytes:
    return record(
        {"artifact": {"name": name, "encoding": "string"}, **ids(frame, again), "has_payload": "0"}, payload, pid
    )


def timed(ph: str, name: str, at: float, frame: int | None = 0, again: int = 0, pid: int = 7) -> bytes:
    """A timed event of torch, at `at` seconds; without a frame as from another thread."""
    label = "None" if frame is None else f"{frame}/{again}"
    event = {"name": name, "ts": 1.7e15 + at * 1e6, "args": {"compile_id": label}, "ph": ph, "cat": "dynamo_timed"}
    header = {"chromium_event": {}, **(ids(frame, again) if frame is not None else {}), "has_payload": "0"}
    return record(header, json.dumps({**event, "tid": 0, "pid": 0}, indent=0), pid)


def interned(name: str, number: int, pid: int = 7) -> bytes:
    return record({"str": [name, number]}, pid=pid)


def start(
    frame: int = 0, again: int = 0, function: str = "forward", line: int = 5, file: int = 1, pid: int = 7
) -> bytes:
    stack = [
        {"line": 30, "name": "<module>", "filename": file, "loc": "m(x)"},
        {"line": line, "name": function, "filename": file},
    ]
    return record({"dynamo_start": {"stack": stack}, **ids(frame, again)}, pid=pid)


def graph(frame: int = 0, again: int = 0, pid: int = 7) -> bytes:
    return record(
        {"dynamo_output_graph": {"sizes": {}}, **ids(frame, again), "has_payload": "0"},
        "class GraphModule:\n    pass",
        pid,
    )


def metrics(frame: int = 0, again: int = 0, pid: int = 7, **values: Any) -> bytes:
    found = {
        "guard_count": 9,
        "graph_op_count": 3,
        "entire_frame_compile_time_s": 0.5,
        "fail_type": None,
        "fail_reason": None,
        **values,
    }
    return record({"compilation_metrics": found, **ids(frame, again)}, pid=pid)


def nested(frame: int = 0, again: int = 0, at: float = 0.0) -> bytes:
    """A compilation of 10 s: 1 s Dynamo, 2 s AOTAutograd, 3 s lowering, 4 s C++."""
    where = (frame, again)
    return (
        timed("B", "dynamo", at, *where)
        + timed("B", "entire_frame_compile", at, *where)
        + start(*where)
        + timed("B", "bytecode_tracing", at, *where)
        + timed("E", "bytecode_tracing", at + 1, *where)
        + timed("B", "backend_compile", at + 1, *where)
        + timed("B", "GraphLowering.run", at + 3, *where)
        + timed("E", "GraphLowering.run", at + 6, *where)
        + timed("B", "compile_file", at + 6, *where)
        + timed("E", "compile_file", at + 10, *where)
        + timed("E", "backend_compile", at + 10, *where)
        + timed("E", "entire_frame_compile", at + 10, *where)
        + timed("E", "dynamo", at + 10, *where)
        + metrics(*where)
    )


def break_text(reason: str = PRINT_REASON, line: int = 7, file: str = MODEL) -> str:
    stack = f'  File "{file}", line 30, in <module>\n    m(x)\n  File "{file}", line {line}, in forward\n    print("seen")\n'
    return f"Graph break in user code at {file}:{line}\nGraph Break Reason: {reason}{GB_LINK.format('0059')}\nUser code traceback:\n{stack}\n"


def graph_break(frame: int = 0, again: int = 0, pid: int = 7, **values: Any) -> bytes:
    return artifact("dynamo_graph_break_reason", break_text(**values), frame, again, pid)


def one_break() -> bytes:
    """A whole trace: one frame, a print in it, and the rest of the frame."""
    resumed = "torch_dynamo_resume_in_forward_at_7"
    return b"".join(
        [
            interned(MODEL, 1),
            start(),
            graph_break(),
            graph(),
            metrics(),
            start(1, function=resumed, line=7),
            graph(1),
            metrics(1, graph_op_count=1),
        ]
    )


def read(content: bytes) -> Trace:
    trace = Trace()
    read_stream(io.BytesIO(content), trace)
    return trace


def compilation(index: int = 0, **values: Any) -> Compilation:
    base: dict[str, Any] = {
        "process": "7",
        "frame_id": index,
        "frame_compile_id": 0,
        "function": "forward",
        "file": MODEL,
        "line": 5,
    }
    base |= {
        "stack": (Frame(MODEL, 30, "<module>"), Frame(MODEL, 5, "forward")),
        "graphs": 1,
        "ops": 2,
        "seconds": 0.5,
        "guarded": True,
    }
    return Compilation(**{**base, **values})


def a_break(index: int = 0, reason: str = PRINT, line: int = 7, file: str = MODEL, **values: Any) -> Break:
    base: dict[str, Any] = {
        "compilation": index,
        "reason": reason,
        "upstream": "GB0059",
        "recorded_at": (file, line),
        "in_loop": False,
    }
    base |= {
        "stack": (Frame(file, 30, "<module>"), Frame(file, line, "forward")),
        "source": "dynamo_graph_break_reason",
    }
    return Break(**{**base, **values})


def failure(
    phase: str, kind: str = "ValueError", message: str = "boom", line: int = 6, text: str | None = None
) -> Failure:
    stack = (Frame(MODEL, line, "forward", "x = x * 2"),)
    shown = f'Traceback (most recent call last):\n  File "{MODEL}", line {line}, in forward\n    x = x * 2\n{kind}: {message}\n'
    return Failure(phase, (ErrorLink(kind, message, stack),), text or shown)


DONE = {"import": "done", "build": "done", "inputs": "done", "compiled": "done", "eager": "done"}


def evidence(**values: Any) -> Evidence:
    """A run that went well and compiled one frame, unless `values` say otherwise."""
    base: dict[str, Any] = {
        **about(options={"backend": "eager"}),
        "environment": {"torch": "2.13.0+cpu", "python": "3.11.7", "torch_root": "/venv/site-packages/torch/"},
        "compilations": (compilation(),),
        "children": (Child("diagnose", 0),),
        "phases": DONE,
        "sources": {MODEL: SOURCE},
    }
    return Evidence(**{**base, **values})


def about(options: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """`asked` and `facts` of an evidence, from values of either."""
    asked: dict[str, Any] = {"target": "model.py", "cwd": "/work/project"}
    asked |= {name: values.pop(name) for name in [*values] if name in Asked.__dataclass_fields__}
    return {"asked": Asked(**asked, options=Settings(**options) if options else None), "facts": Facts(**values)}


def seal(folder: Path) -> Path:
    """Seals what a capture's folder holds now."""
    (folder / "seal.json").write_bytes(encode(make_seal(Members(folder))))
    return folder


def lines(events: list[dict[str, Any]]) -> str:
    """As the probe writes them, the last event too."""
    return "".join(json.dumps(one) + "\n" for one in [*events, {"event": "end", "events": len(events)}])


def write_capture(
    folder: Path, trace: bytes | None = None, events: list[dict[str, Any]] | None = None, **manifest: Any
) -> Path:
    """A capture directory as `diagnose --capture` leaves it; `manifest` has more of what was asked, `children` and `rungs`."""
    (folder / "trace").mkdir(parents=True, exist_ok=True)
    children = manifest.pop("children", [{"mode": "diagnose", "exit_code": 0, "ended": "exited"}])
    rungs = manifest.pop("rungs", [])
    asked = {"target": "model.py", "cwd": "/work/project", **manifest}
    whole = {"schema": CAPTURE, "asked": asked, "children": children, "rungs": rungs}
    (folder / "capture.json").write_text(json.dumps(whole))
    (folder / "sources.json").write_text(json.dumps({MODEL: SOURCE}))
    (folder / "trace" / "dedicated_log_torch_trace_x.log").write_bytes(one_break() if trace is None else trace)
    values = {"torch": "2.13.0+cpu", "torch_root": "/venv/site-packages/torch/", "device": "cpu"}
    known: list[dict[str, Any]] = [{"event": "environment", "values": values}]
    known += [{"event": "phase", "name": name, "state": "done", "seconds": 1.0} for name in DONE]
    (folder / "process-7.jsonl").write_text(lines(known if events is None else events))
    return seal(folder)
