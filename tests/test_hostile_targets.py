"""Targets that leave in the middle, take the probe's tools away or lose its evidence: none of them is a pass by that."""

from __future__ import annotations

import sys

import pytest
from test_forks import see, server  # noqa: F401

from compile_doctor.render.text_format import render
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

pytestmark = [
    pytest.mark.compile,
    pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux only"),
]

TARGET = """\
import os, sys, json, time, signal, gc, logging, threading, glob
from collections import deque
import torch
{at_import}


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x):
        {in_forward}
        return self.linear(x)


BUILT = deque()  # not a list, which the eager control run would get as it was


def build_model():
    BUILT.append(1)
    {in_build}
    return Model()


def example_inputs():
    {in_inputs}
    return (torch.randn(2, 4),)
"""
AGAIN = "if len(BUILT) > 1: "
RUNNING = "if not torch.compiler.is_compiling(): "
HELPER = """
@torch.compiler.disable
def leave():
    os._exit(0)
"""
OWN_LOG = """
def own_log():
    for number in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink("/proc/self/fd/" + number)
        except OSError:
            continue
        if "process-" in name:
            return name
"""

WITH_HELPER = 'HELPER = torch.compile(torch.nn.Linear(4, 4), backend="eager")'

# what the target does, the exit code, a part of the first screen
HOSTILE = {
    "leaves while it is imported": ({"at_import": "os._exit(0)"}, 3, "exited while the target was being imported"),
    "leaves while it is built": ({"in_build": "os._exit(0)"}, 3, "exited while the model was being built"),
    "leaves while inputs are made": ({"in_inputs": "os._exit(0)"}, 3, "exited while the inputs were being made"),
    "leaves in the compiled run": ({"at_import": HELPER, "in_forward": "leave()"}, 3, "exited during the compiled run"),
    "leaves in the eager control": ({"in_build": AGAIN + "os._exit(0)"}, 3, "exited during the eager control run"),
    "leaves with an error": ({"in_build": AGAIN + "os._exit(9)"}, 3, "with exit status 9"),
    "exits while it is imported": ({"at_import": "sys.exit(0)"}, 2, "fails while importing it"),
    "exits while it is built": ({"in_build": "sys.exit(0)"}, 2, "fails while building the model"),
    "exits in the eager control": ({"in_build": AGAIN + "sys.exit(0)"}, 3, "fails in eager mode"),
    "is interrupted by itself": ({"in_build": AGAIN + "raise KeyboardInterrupt"}, 3, "INCONCLUSIVE"),
    "is killed in the eager control": (
        {"in_build": AGAIN + "os.kill(os.getpid(), signal.SIGKILL)"},
        3,
        "INCONCLUSIVE",
    ),
    "replaces json": (
        {"at_import": "json.dumps = json.loads = lambda *a, **k: '{}'\njson.JSONEncoder.encode = lambda *a: '{}'"},
        3,
        "it is not a record of a torch trace",
    ),
    "breaks json": ({"at_import": "json.JSONEncoder.iterencode = None"}, 3, "INCONCLUSIVE"),
    "replaces open and os.write": (
        {"at_import": "import builtins\nbuiltins.open = os.open = os.write = os.fstat = None"},
        None,
        "",
    ),
    "closes its output": ({"at_import": "os.close(0); os.close(1); os.close(2)"}, 0, "HEALTHY"),
    "closes every file": ({"at_import": "os.closerange(3, 256)"}, 0, "HEALTHY"),
    "empties the probe's file": (
        {"at_import": OWN_LOG, "in_inputs": "open(own_log(), 'w').close()"},
        3,
        "events that were written",
    ),
    "removes the probe's file": ({"at_import": OWN_LOG, "in_inputs": "os.unlink(own_log())"}, 3, "INCONCLUSIVE"),
    "deletes the capture": (
        {"at_import": OWN_LOG + "import shutil", "in_inputs": "shutil.rmtree(os.path.dirname(own_log()))"},
        3,
        "The target may have deleted it",
    ),
    "adds a file to the capture": (
        {"at_import": OWN_LOG, "in_inputs": "open(own_log() + '.jsonl', 'w').write('{}')"},
        None,
        "",
    ),
    "takes the trace away": (
        {"at_import": "logging.getLogger('torch.__trace').handlers.clear()"},
        3,
        "The trace is missing",
    ),
    "may write no file": (
        {"at_import": "import resource", "in_inputs": "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"},
        3,
        "INCONCLUSIVE",
    ),
    "leaves a thread behind": (
        {"at_import": "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"},
        0,
        "HEALTHY",
    ),
    "forks twenty": (
        {"at_import": "for _ in range(20):\n    if os.fork() == 0:\n        os.setsid(); time.sleep(600); os._exit(0)"},
        0,
        "HEALTHY",
    ),
    "leaves a fork that goes on": (
        {"in_inputs": "if os.fork() == 0: return (torch.randn(2, 4),)"},
        None,
        "",
    ),
    "has a module that raises": (
        {
            "at_import": "class Lazy:\n    def __getattribute__(self, name):\n        raise RuntimeError('lazy ' + name)\n"
            "sys.modules['lazy'] = Lazy()"
        },
        0,
        "HEALTHY",
    ),
    "has no file system": (
        {"at_import": "import tempfile\nplace = tempfile.mkdtemp(); os.chdir(place); os.rmdir(place)"},
        0,
        "HEALTHY",
    ),
    "compiles something else and switches torch.compile off": (
        {"in_build": "HELPER(torch.ones(1, 4)); torch._dynamo.config.disable = True", "at_import": WITH_HELPER},
        3,
        "torch._dynamo.config.disable was set",
    ),
    "compiles something else and forces eager": (
        {"in_build": 'HELPER(torch.ones(1, 4)); torch.compiler.set_stance("force_eager")', "at_import": WITH_HELPER},
        3,
        'torch.compiler.set_stance("force_eager") was in effect',
    ),
    "compiles something else and makes torch.compile nothing": (
        {"in_build": "HELPER(torch.ones(1, 4)); torch.compile = lambda m, **k: m", "at_import": WITH_HELPER},
        3,
        "graph was compiled in the compiled run",
    ),
    "counts itself": ({"in_inputs": "torch._dynamo.utils.counters['stats']['unique_graphs'] = 99"}, 3, "lost"),
    "raises what cannot be shown": (
        {
            "at_import": "class Bad(Exception):\n    def __str__(self):\n        raise ValueError",
            "in_inputs": "raise Bad",
        },
        2,
        "fails while making its inputs",
    ),
}


def source(**parts: str) -> str:
    names = ("at_import", "in_forward", "in_build", "in_inputs")
    return TARGET.format(**{name: parts.get(name, "" if name == "at_import" else "pass") for name in names})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_target_is_no_pass_by_what_it_does(name, tmp_path, server):  # noqa: F811
    parts, code, shown = HOSTILE[name]
    report = make_report(see(tmp_path, source(**parts), server.start, timeout=60.0))
    text = " ".join(render(report).split())
    healthy = report.verdict == "healthy"
    assert healthy == (exit_code(report, "error") == 0)
    if code is None:  # whatever it comes to, HEALTHY takes the evidence
        assert not healthy or (report.summary["graphs"] and not report.missing)
    else:
        assert (exit_code(report, "error"), shown in text) == (code, True), text
