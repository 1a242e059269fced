"""Why a target cannot be imported or built, for the mistakes that are not the model's: what to change so that it can run."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable

from compile_doctor.analysis.root_cause import RootCause
from compile_doctor.model.evidence import Failure
from compile_doctor.model.stacks import Frame

_PARSERS = re.compile(
    r"[/\\\\](?:argparse|optparse)\.py$|[/\\\\](?:click|typer|absl|fire|docopt|simple_parsing|tyro)[/\\\\.]"
)
_NO_DEVICE = re.compile(
    r"not compiled with (?P<a>CUDA|XPU|HIP|ROCm) enabled|no (?P<b>NVIDIA) driver|No (?P<c>CUDA|HIP|XPU) (?:GPUs|devices?) (?:are|is) available|"
    r"object on a (?P<d>CUDA) device but torch\.cuda\.is_available\(\) is False|not linked with support for (?P<e>\w+) devices|"
    r"invalid device ordinal|has no attribute '_(?P<f>cuda|xpu)_setDevice'|no CUDA-capable device|Cannot access accelerator device",
    re.IGNORECASE,
)
_LAUNCHER = re.compile(r"environment variable (RANK|WORLD_SIZE|MASTER_ADDR|MASTER_PORT) expected, but not set")
_INVALID_BACKEND = re.compile(r"Invalid backend: '([^']+)'")
_BACKENDS = ("inductor", "eager", "aot_eager", "aot_eager_decomp_partition", "cudagraphs", "openxla", "tvm", "onnxrt")
_MISSING = re.compile(r"No module named '([\w.]+)'")
_ARGUMENTS = re.compile(r"\b(\w+)\.__init__\(\) missing \d+ required (?:positional|keyword-only) arguments?: (.+)")
_SYNTAX = re.compile(r'File "([^"\n]+)", line (\d+)\n[^\S\n]*(.+)')
_MAGIC = re.compile(r"^\s*(?:[%!?]|get_ipython\b)")
_PACKAGES = {
    "cv2": "opencv-python",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
}
"""The name to install, if it is another than the name to import."""

Advice = tuple[str, str]


def advice(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice:
    """(what happened, what to do): by the first rule that knows the error; the second is empty for an error of the model."""
    for rule in _RULES:
        found = rule(phase, failure, cause, target)
        if found:
            return found
    return f"{cause.type}: {cause.message}", ""


def syntax_error_at(failure: Failure) -> Frame | None:
    """The line of a SyntaxError, which no frame of the traceback has."""
    found = _syntax(failure)
    return Frame(found[1], int(found[2]), "<module>", found[3]) if found else None


def _syntax(failure: Failure) -> re.Match[str] | None:
    wrong = failure.chain and failure.chain[-1].type in ("SyntaxError", "IndentationError", "TabError")
    found = list(_SYNTAX.finditer(failure.text)) if wrong else []
    return found[-1] if found else None


def _as_program(target: str, arguments: str = " ARGUMENTS") -> str:
    """The command that runs the file with arguments of its own."""
    name = target.partition(":")[0] if ".py" in target else ""
    return f"compile-doctor run -- python {shlex.quote(name) if name.endswith('.py') else 'FILE'}{arguments}"


def _command_line(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    if not failure.chain or failure.chain[-1].type != "SystemExit" or phase != "import":
        return None
    parsed = any(_PARSERS.search(frame.file) for frame in failure.chain[-1].stack)
    if parsed:
        return (
            f"The file parses command-line arguments while it is imported, finds none, and ends the process (SystemExit: {cause.message}).",
            'Put the parsing under `if __name__ == "__main__":`, and let build_model() use values of its own. Or leave the file as it is '
            f"and run the program: {_as_program(target)}",
        )
    return (
        f"Importing the file runs the whole program, which ends the process (SystemExit: {cause.message}).",
        'Put what runs under `if __name__ == "__main__":`, so that importing only defines things. Or run the program as it is: '
        f"{_as_program(target, '')}",
    )


def _no_device(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    found = next(filter(None, (_NO_DEVICE.search(link.message) for link in failure.chain)), None)
    if not found:
        return None
    name = next((word for word in found.groupdict().values() if word), "CUDA")
    name = "CUDA" if name.upper() in ("NVIDIA", "HIP", "ROCM") else name.upper()
    kind = name.lower()
    code = cause.frame.code if cause.frame else ""
    written = next((form for form in (f".{kind}()", f'"{kind}"', f"'{kind}'", "map_location") if form in code), "")
    if "object on a" in found[0]:
        change = 'Load with torch.load(..., map_location="cpu")'
    else:
        change = (
            f"Leave `{written.strip()}` out of this line"
            if written
            else f"Leave {name} out of build_model() and example_inputs()"
        )
    return (
        f"There is no {name} device here, and the target asks for one. {cause.type}: {cause.message}",
        f"{change}, so that the model and its inputs are built on the CPU: breaks and recompilations are the same there. On a machine with such a "
        f"device, `--device {kind}` moves both to it.",
    )


def _missing_package(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    found = _MISSING.search(cause.message) if cause.type == "ModuleNotFoundError" else None
    if not found:
        return None
    name = found[1].partition(".")[0]
    return (
        f"{cause.type}: {cause.message}",
        f"Install it in the environment that compile-doctor runs in: python -m pip install {_PACKAGES.get(name, name)}. If `{name}` is code of "
        "your own, run compile-doctor in the folder that contains it, or put that folder on PYTHONPATH.",
    )


def _configuration(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    found = _ARGUMENTS.search(cause.message) if phase == "build" and cause.type == "TypeError" else None
    if not found or cause.frame is not None:  # the user's own line calls it: that line is to be changed
        return None
    names = ", ".join(re.findall(r"'(\w+)'", found[2]))
    return (
        f"{found[1]} needs arguments to be built: {names}. compile-doctor calls {found[1]}() without any.",
        f"# Add to the target file:\ndef get_init_inputs():\n    return [{names}]     # the values to build it with\n"
        f"# or a function that builds the model:\ndef build_model():\n    return {found[1]}({names})",
    )


def _launched(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    found = _LAUNCHER.search(cause.message)
    if not found:
        return None
    name = target.partition(":")[0] if ".py" in target else "FILE"
    return (
        f"The target starts torch.distributed, and the variables of its launcher are not set ({found[1]}). {cause.type}: {cause.message}",
        "Run it as it is meant to be run, and all its processes are observed: "
        f"compile-doctor run -- torchrun --nproc-per-node 2 {shlex.quote(name)}. Or leave init_process_group out of what an import of the "
        "file runs.",
    )


def _relative(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    if "attempted relative import" not in cause.message:
        return None
    name = target.partition(":")[0].removesuffix(".py").replace("\\", "/").rpartition("/")[2]
    return (
        f"The file is part of a package, and imports another part of it relatively. {cause.type}: {cause.message}",
        "Name it as Python does, in the folder that contains the package: "
        f"compile-doctor diagnose PACKAGE.{name}:MODEL, with the package's name and that of the model, its class or a function that "
        "builds it.",
    )


def _backend(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    found = _INVALID_BACKEND.search(cause.message)
    if not found:
        return None
    near = difflib.get_close_matches(found[1], _BACKENDS, 1)
    did = f"Did you mean backend={near[0]!r}? " if near else ""
    return (
        f"{cause.type}: {cause.message}",
        f"{did}torch._dynamo.list_backends(None) lists the names; one of another package is known after that package is imported. "
        "Without `backend`, torch.compile uses Inductor.",
    )


def _notebook(phase: str, failure: Failure, cause: RootCause, target: str) -> Advice | None:
    wrong = _syntax(failure)
    line = wrong[3] if wrong else cause.frame.code if cause.frame and "'get_ipython'" in cause.message else ""
    if not _MAGIC.match(line):
        return None
    return (
        f"The file contains a command of a notebook (`{line.strip()[:80]}`), which only IPython runs. {cause.type}: {cause.message}",
        "Delete the lines that begin with % or !, and those that call get_ipython(): plain Python must "
        "be able to import the file.",
    )


Rule = Callable[[str, Failure, RootCause, str], "Advice | None"]
_RULES: tuple[Rule, ...] = (
    _command_line,
    _no_device,
    _missing_package,
    _configuration,
    _notebook,
    _launched,
    _relative,
    _backend,
)
