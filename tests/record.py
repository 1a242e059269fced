"""Runs every check's two programs and every labelled program under this Python's torch, and keeps what was seen.

    make record TORCH=2.15.0            all of them, into tests/evidence/2.15.0/
    python tests/record.py cd101        only those whose name contains a word
    python tests/record.py --missing    only those that are not recorded yet

The doctor's own code does the work; only the start of a child is replaced, by a fork of a process that has imported
torch already. What is kept is a capture, with the trace records that are read and no path of the machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # a pool of workers would be started in every child
os.environ["TORCH_TRACE"] = tempfile.gettempdir()  # makes torch set up its handler; each child gets its own place

import torch
import torch._dynamo.convert_frame
from torch._inductor.cpu_vec_isa import pick_vec_isa
from torch._logging import _internal

from benchmarks import labels
from compile_doctor.capture.members import SEAL
from compile_doctor.capture.reading import encode
from compile_doctor.capture.seal import seal_of
from compile_doctor.capture.trace import stream as trace_stream
from compile_doctor.capture.trace.kinds import WANTED
from compile_doctor.capture.trace.records import AOT_GRAPHS, CACHES
from compile_doctor.checks import own_checks
from compile_doctor.cli.diagnose import command as diagnose_command
from compile_doctor.coldstart.run import coldstart
from compile_doctor.examples import example_names, example_path, example_variants
from compile_doctor.model.kernels import without_the_rest
from compile_doctor.run import launch
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target

CUT = re.compile(rb"# [\w./-]*tests/programs/(?=\w+\.py:\d+ in )")
"""A guard's comment ends in the file that reads the value, of which torch 2.9 and later keep the last characters only."""
SHARDS = 2
LOUD = os.fdopen(os.dup(2), "w")
PROGRAMS = ROOT / "tests" / "programs"
RANKS = PROGRAMS / "ranks"
STARTS = PROGRAMS / "starts"
"""The programs that `coldstart` starts twice."""
ONE_TORCH = "2.13.0"
"""The torch on which the programs with several ranks and the examples are recorded."""
SHORT_TIMEOUT = {"cd003-fires": 8.0}
MOST_OF_A_PAYLOAD = 60_000
BULKY = (
    "inductor_config",
    "dynamo_config",
    "functorch_config",
    "stack_trace",
    "exception_stack_trace",
    "config_suppress_errors",
)
SETTINGS = ("automatic_dynamic_shapes", "assume_static_by_default")
"""All that is read of `dynamo_config`."""


def _in_child(mode, command, environment) -> int:
    from compile_doctor.probe.__main__ import main

    os.setsid()
    for module in ("benchmarks.labels", "benchmarks"):  # the recorder is no part of the target
        sys.modules.pop(module, None)
    sys.modules["__main__"].__dict__.pop("__file__", None)
    sink = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(sink, number)
    os.environ.update(environment)
    directory = environment.get("TORCH_TRACE") if mode == "diagnose" else None
    handlers = [handler for handler in _internal.trace_log.handlers if hasattr(handler, "root_dir")]
    assert handlers, "torch has set up no trace handler"
    for handler in handlers:
        handler.root_dir = directory or str(Path(command[-1]).parent / "eager-trace")
    try:
        return main(command[-1])
    except SystemExit as error:
        return int(error.code or 0)


def watch(mode, command, environment, timeout):
    """As children.watch, by a fork."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _in_child(mode, command, environment)
        except BaseException as error:  # nothing of the recorder may run twice
            print(f"{command[-1]}: {type(error).__name__}: {error}", file=LOUD, flush=True)
        finally:
            os._exit(code)
    ended, status = "exited", None
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if timeout and time.monotonic() - start > timeout:
            ended = "timeout"
            break
        time.sleep(0.02)
    if ended == "timeout":
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return {"mode": mode, "exit_code": None, "signal": None, "ended": ended}
    code = os.waitstatus_to_exitcode(status)
    name = signal.Signals(-code).name if code < 0 else None
    return {"mode": mode, "exit_code": code, "signal": name, "ended": "signal" if name else "exited"}


def programs(folder: Path):
    """(name, target file, settings) of everything that is recorded; no settings for what `run` starts."""
    for check in own_checks():
        if check.device:
            continue  # tests/test_gpu_cuda_graphs.py records them
        for kind, source in (("fires", check.fires), ("silent", check.silent)):
            if source:
                path = folder / f"{check.code.lower()}_{kind}.py"
                path.write_text(source)
                yield f"{check.code.lower()}-{kind}", path, settings_of(path, check.options.split())
    for path in labels.programs(PROGRAMS):
        label = labels.read(path)
        if not labels.within(label.recorded, torch.__version__):
            continue
        if label.command == "run":
            yield path.stem.replace("_", "-"), path, None
            continue
        wanted = settings_of(path, label.options)
        wanted["backend"] = label.backend or wanted.get("backend") or "eager"
        yield path.stem.replace("_", "-"), path, wanted

    for path in labels.programs(STARTS):
        version = torch.__version__.split("+")[0]
        yield f"starts/{version}/{path.stem.replace('_', '-')}", path, settings_of(path, labels.read(path).options)
    if torch.__version__.startswith(ONE_TORCH):
        for path in labels.programs(RANKS):
            yield f"ranks/{path.stem.replace('_', '-')}", path, None
        for name in example_names():
            path = example_path(name)
            for variant in ("", *example_variants(name)):
                wanted = {**settings_of(path, []), "target": f"example:{name}{variant and f':{variant}'}"}
                yield f"examples/{name}{variant and f'--{variant}'}", path, wanted
        path = example_path("sliding-window")
        wanted = {**settings_of(path, ["--tokens", "16384"]), "target": "example:sliding-window:disabled"}
        yield "examples/sliding-window--disabled-at-16384", path, wanted


def settings_of(path: Path, options) -> dict:
    """What `diagnose` makes of its options."""
    parsed = diagnose_command.make_context("diagnose", [str(path), *options]).params
    names = (
        "device",
        "tokens",
        "backend",
        "mode",
        "dynamic",
        "grad",
        "as_is",
        "repeat",
        "timeout",
        "require_fused",
        "numerics",
    )
    return {name: parsed[name] for name in names if parsed[name] is not None}


def record(name: str, path: Path, settings: dict | None, out: Path) -> str:
    scratch = Path(tempfile.mkdtemp(prefix="record-"))
    try:
        capture = scratch / "capture"
        if settings is None:
            clean = {key: value for key, value in os.environ.items() if key != "TORCH_TRACE"}
            program = [sys.executable, "-m", "compile_doctor", "run", "--capture", str(capture)]
            program += ["--", sys.executable, str(path)]
            if path.parent == RANKS:
                program = labels.launch(path, labels.read(path).options, capture)
            subprocess.run(program, env={**clean, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
        else:
            settings = {"timeout": SHORT_TIMEOUT.get(name, 300.0), **settings}
            target = parse_target(settings.pop("target", str(path)))
            run = coldstart if path.parent == STARTS else launch.diagnose
            run(target, launch.Settings(**settings), capture, False, Progress(quiet=True), start=watch)
        file = recording(name, out)
        file.parent.mkdir(parents=True, exist_ok=True)
        pack(capture, file, path.parent)
        return name
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def recording(name: str, out: Path) -> Path:
    """The file of a recording: `ranks/NAME`, `starts/VERSION/NAME` and `examples/NAME` are beside the folders of the versions."""
    return (out.parent if "/" in name else out) / f"{name}.zip"


def pack(capture: Path, target: Path, programs_at: Path) -> None:
    """A small zip, the same bytes for the same capture, without paths of this machine; sealed anew, as it was changed."""
    contents = {}
    for number, file in enumerate(sorted(capture.rglob("*"))):
        if file.is_file() and file.name != SEAL:
            name = file.relative_to(capture).as_posix()
            name = name.rpartition("/")[0] + f"/trace-{number}.log" if name.endswith(".log") else name
            content = slim(file, programs_at == RANKS) if name.endswith(".log") else file.read_bytes()
            contents[name] = anonymous(content, programs_at, capture)
    folders = sorted({name.partition("/")[0] for name in contents if name.startswith(("rung-", "start-"))})
    for folder in [f"{one}/" for one in folders] + [""]:
        inside = {name.removeprefix(folder): text for name, text in contents.items() if name.startswith(folder)}
        contents[folder + SEAL] = encode(seal_of(inside))
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in sorted(contents.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)


def slim(file: Path, settings_whole: bool) -> bytes:
    """Only the kinds that are read, without the bulk of the metrics; ranks are compared by all settings."""
    kept = []
    bulky = [one for one in BULKY if not (settings_whole and one in ("inductor_config", "dynamo_config"))]
    with file.open("rb") as stream:
        for item in trace_stream.records(stream, WANTED):
            if not item.json:
                continue
            if item.kind == "dynamo_cpp_guards_str":
                continue  # long, and only shown
            header = json.loads(item.json)
            metrics = header.get("compilation_metrics", {})
            settings = json.loads(metrics.get("dynamo_config") or "{}")
            for one in bulky:
                metrics.pop(one, None)
            if settings and not settings_whole:
                metrics["dynamo_config"] = json.dumps({key: settings[key] for key in SETTINGS if key in settings})
            payload = item.payload.lstrip(b"\n")
            if item.kind in AOT_GRAPHS:
                payload = b"\n".join(line for line in payload.split(b"\n") if b"c10d_functional" in line)
            if item.kind == "inductor_output_code":
                payload = without_the_rest(payload.decode()).encode()
            if item.kind == "chromium_event":
                payload = timed_event(payload)
            payload = cache_answer(payload) if item.kind in CACHES else payload[:MOST_OF_A_PAYLOAD]
            tail = b"\n\t" + payload.replace(b"\n", b"\n\t") if payload else b""
            kept.append(f"V0101 00:00:00.000000 {item.pid} torch:1] {json.dumps(header)}".encode() + tail + b"\n")
    return b"".join(kept)


def timed_event(payload: bytes) -> bytes:
    """What is read of it."""
    event = json.loads(payload)
    label = event.get("args", {}).get("compile_id")
    return json.dumps({**{key: event[key] for key in ("name", "ts", "ph")}, "args": {"compile_id": label}}).encode()


def cache_answer(payload: bytes) -> bytes:
    """With the values of the key's parts shortened, as the reader does."""
    found = json.loads(payload)
    found["components"] = [
        part if "] gm: " in part[:70] else part[:160] for part in found.get("components") or () if len(part) < 30_000
    ]
    return json.dumps({key: value for key, value in found.items() if not key.startswith("triton_bundler")}).encode()


def anonymous(content: bytes, programs_at: Path, capture: Path) -> bytes:
    torch_packages = Path(torch.__file__).resolve().parent.parent
    places = [
        (capture, "/capture"),
        *((programs_at, "/repo/programs") for _ in range(not programs_at.is_relative_to(ROOT))),
        (torch_packages, "/venv/lib/python3.11/site-packages"),
        (Path(sys.prefix), "/venv"),
        (ROOT, "/repo"),
        *(
            (Path(entry), "/repo")
            for entry in sys.path
            if entry.startswith("/") and (Path(entry) / "compile_doctor").is_dir()
        ),
        (Path(os.__file__).resolve().parent, "/usr/lib/python3.11"),
        (Path(sys.base_prefix).resolve(), "/usr"),
        (Path(tempfile.gettempdir()), "/tmp"),
        (Path.home(), "/home/user"),
    ]
    for place, name in places:
        if str(place) not in ("/", ""):
            content = content.replace(str(place).encode(), name.encode())
    content = re.sub(rb'(?<="host": )"%b"' % socket.gethostname().encode(), b'"node0"', content)
    return CUT.sub(b"# /repo/tests/programs/", content)


def look_at_the_processor() -> None:
    """Inductor compiles and loads a test program for that: once here, not in every child, and with no trace opened by it."""
    handlers, _internal.trace_log.handlers = _internal.trace_log.handlers, []
    try:
        pick_vec_isa()
    finally:
        _internal.trace_log.handlers = handlers


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    missing = "--missing" in sys.argv
    shard = next((word.removeprefix("--shard=") for word in sys.argv[1:] if word.startswith("--shard=")), None)
    if shard is None:  # one process per core, each with a single thread: a fork must not inherit somebody's lock
        children = [
            subprocess.Popen([sys.executable, __file__, f"--shard={number}", *sys.argv[1:]]) for number in range(SHARDS)
        ]
        sys.exit(max(child.wait() for child in children))
    version = torch.__version__.split("+")[0]
    out = ROOT / "tests" / "evidence" / version
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="programs-") as scratch:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(scratch) / "inductor")
        look_at_the_processor()
        wanted = [item for item in programs(Path(scratch)) if not words or any(word in item[0] for word in words)]
        wanted = [item for item in wanted if not missing or not recording(item[0], out).exists()]
        for item in wanted[int(shard) :: SHARDS]:
            print(version, record(*item, out), flush=True)


if __name__ == "__main__":
    main()
