"""What the design promises: who imports torch, who knows its versions, and what a check consists of."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from compile_doctor.checks import find_check, own_checks

PACKAGE = ROOT / "compile_doctor"
FILES = sorted(PACKAGE.rglob("*.py"))
TORCH_FREE = [
    path
    for path in FILES
    if "probe" not in path.parts and "examples" not in path.parts[-2:-1] and path.name != "__main__.py"
]

CODES = {
    line.split()[0]: (line.split()[1], line.split()[2])
    for line in (ROOT / "tests" / "snapshots" / "checks.txt").read_text(encoding="utf-8").splitlines()
}
"""What was released or reserved; name and severity never change."""


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def loaded(*arguments: str) -> set[str]:
    """The modules that a fresh Python has after running some code."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_nothing_but_the_probe_imports_torch():
    names = [module(path) for path in TORCH_FREE]
    assert len(names) > 30
    found = loaded(
        "-c", f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint(*sys.modules)"
    )
    assert not found & {"torch", "depyf", "numpy"}
    assert not [name for name in found if name.startswith("compile_doctor.probe")]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["diagnose", "--help"], ["run", "--help"], ["report", "--help"], ["--version"]],
    ids=" ".join,
)
def test_help_is_quick(arguments):
    code = f"import sys\nfrom compile_doctor.cli import main\ntry: main({arguments!r})\nexcept SystemExit as error: print(*sys.modules, file=sys.stdout)"
    found = loaded("-c", code)
    assert "click" in found
    assert not found & {"torch", "rich", "yaml", "depyf", "numpy"}


def test_a_report_needs_no_torch(capture):
    code = f"import sys\nsys.modules['torch'] = None\nfrom compile_doctor.cli import main\nmain(['report', {str(capture)!r}])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "CD101" in done.stdout


def version_branches(tree: ast.AST) -> list[int]:
    """Lines on which a torch version is compared, parsed or asked for; naming it in a report is no branch."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and "__version__" in ast.dump(node):
            found.append(node.lineno)
        if isinstance(node, ast.Call) and re.search(
            r"(^|\.)(TorchVersion|parse_version|Version|SpecifierSet)$", ast.unparse(node.func)
        ):
            found.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("torch.torch_version"):
            found += [node.lineno for alias in node.names if alias.name == "TorchVersion"]
    return found


def test_the_rule_finds_what_it_is_meant_to_find():
    for code in (
        "torch.__version__ >= '2.9'",
        "TorchVersion('2.9')",
        "from torch.torch_version import TorchVersion",
    ):
        assert version_branches(ast.parse(code))
    assert not version_branches(ast.parse("found = {'torch': torch.__version__}"))


RANGES = [PACKAGE / "recipes" / name for name in ("catalogue.py", "read.py", "verified.py")]
RANGES.append(PACKAGE / "targets" / "variants.py")
"""They read the ranges that recipes and targets claim as data; nothing in them knows a version."""


@pytest.mark.parametrize("path", [path for path in FILES if path not in RANGES], ids=module)
def test_nothing_branches_on_torchs_version(path):
    assert version_branches(ast.parse(path.read_text())) == []


def test_probe_parts_that_run_in_any_program_do_not_import_torch_by_themselves():
    names = [
        "compile_doctor.probe.entry.program",
        "compile_doctor.probe.observe.events",
        "compile_doctor.probe.observe.failures",
        "compile_doctor.probe.entry.limits",
    ]
    assert "torch" not in loaded(
        "-c", f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\nprint(*sys.modules)"
    )


WITHOUT_PROGRAMS = ("CD901", "CD902", *(code for code in CODES if code.startswith(("CD80", "CD51"))))
"""They take a torch that the recipes do not know, or a recipe that fails: tests/test_patch_checks.py. Or they take
several ranks: tests/test_ranks_suite.py. Or they compare two starts: tests/test_coldstart.py.
Or they are about a share of time, which depends on the machine: tests/test_guard_cost.py."""


@pytest.mark.parametrize("check", own_checks(), ids=lambda check: check.code)
def test_a_check_is_whole(check):
    assert (check.name, check.severity or "outcome") == CODES[check.code]
    assert check.summary.endswith(".") and "\n" not in check.summary
    assert len(check.explanation.split()) > 20
    assert find_check(check.code.lower()) is check and find_check(check.name) is check
    if check.code in WITHOUT_PROGRAMS:
        assert not check.fires and not check.silent
        return
    for source in (check.fires, check.silent):
        names = {node.name for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        assert names & {"build_model", "Model"} and names & {"example_inputs", "example_input_sets", "get_inputs"}
    assert check.fires != check.silent


def test_file_names_match_codes_and_codes_are_unique():
    files = {path.stem for path in (PACKAGE / "checks").glob("cd*.py")}
    assert {check.code.lower() for check in own_checks()} == {name.split("_")[0] for name in files}
    assert len({check.code for check in own_checks()}) == len(own_checks()) == len(files)
    assert [check.code for check in own_checks()] == sorted(check.code for check in own_checks())


def test_every_command_shows_an_example_in_its_help(run_cli):
    from compile_doctor.cli import COMMANDS

    for name in COMMANDS:
        done = run_cli(name, "--help")
        assert done.returncode == 0
        assert re.search(rf"^ +compile-doctor {name}\b", done.stdout, re.MULTILINE), name
