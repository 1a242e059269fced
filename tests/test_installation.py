"""A package that compile-doctor needs and that is missing: the command that installs it, and no report of a defect."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import ROOT

from compile_doctor.cli import main
from compile_doctor.cli.installation import DISTRIBUTIONS, missing_package

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a Python that lacks a module."""
    code = f"import sys\nsys.modules[{module!r}] = None\nfrom compile_doctor.cli import main\nmain({list(arguments)!r})"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )


@pytest.mark.parametrize(
    ("module", "distribution", "arguments"),
    [
        ("libcst", "libcst", ("fix", "example:four-breaks")),
        ("yaml", "pyyaml", ("explain", "CD101")),
        ("rich", "rich", ("report", "tests/evidence/2.13.0/cd102-fires.zip")),
    ],
)
def test_a_missing_package_is_an_incomplete_installation(module, distribution, arguments):
    done = without(module, *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    message, command = done.stderr.splitlines()
    assert message == f"compile-doctor: {module} is not installed for {sys.executable}, and compile-doctor needs it."
    assert re.fullmatch(rf"Install it: {re.escape(sys.executable)} -m pip install '?{distribution}[>=.\d]*'?", command)


def test_what_is_missing_in_compile_doctor_or_in_python_is_a_defect(monkeypatch, capsys):
    for name in ("compile_doctor.gone", "_sqlite3", None):
        assert missing_package(ModuleNotFoundError("no", name=name)) is None
    assert missing_package(ImportError("cannot import name 'new' from 'libcst'", name="libcst")) is None

    def gone() -> None:
        raise ModuleNotFoundError("No module named 'compile_doctor.gone'", name="compile_doctor.gone")

    monkeypatch.setattr("compile_doctor.cli.group.main", lambda **_: gone())
    with pytest.raises(SystemExit):
        main(["env"])
    assert "this is a defect of compile-doctor itself" in capsys.readouterr().err


def test_every_package_that_it_needs_is_installed_under_its_name():
    modules = {distribution: module for module, distribution in DISTRIBUTIONS.items()}
    needed = {re.split(r"[^\w-]", one)[0] for one in DECLARED if "python_version" not in one}
    assert "pyyaml" in needed and [one for one in needed if find_spec(modules.get(one, one)) is None] == []
