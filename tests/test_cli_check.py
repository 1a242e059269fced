"""`check` and `baseline` in a scratch repository, through the command line; the hook, the Action and the template as they run."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, run_doctor

from compile_doctor.render import own_formats

pytestmark = pytest.mark.compile

PROJECT = """\
[tool.compile-doctor]

[[tool.compile-doctor.targets]]
name = "mlp"
target = "models/mlp.py"
backend = "eager"
"""
MODEL = """\
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(8, 8)

    def forward(self, x):
        y = self.a(x)
        return y.relu()


def get_inputs():
    return (torch.randn(2, 8),)
"""
BROKEN = MODEL.replace(
    "        return y.relu()", "        if y.sum().item() > 0:\n            y = y + 1\n        return y.relu()"
)
BASELINE = ".compile-doctor/mlp.torch-{}.cpu.json"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """With a baseline; each test gets a copy."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "models").mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "models" / "mlp.py").write_text(MODEL)
    done = run_doctor(folder, "check", env={"CI": None})
    assert done.returncode == 3 and "compile-doctor baseline update mlp" in done.stdout
    done = run_doctor(folder, "baseline", "update", env={"CI": None})
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def scratch(repository, tmp_path):
    shutil.copytree(repository, tmp_path / "repository")
    return tmp_path / "repository"


def stored(folder: Path) -> bytes:
    (path,) = (folder / ".compile-doctor").glob("*.json")
    return path.read_bytes()


def test_unchanged_is_a_pass_with_the_same_bytes(scratch):
    model = scratch / "models" / "mlp.py"
    model.write_text(MODEL + "\n\nprint('chatty')\n")
    first, second = run_doctor(scratch, "check", "--no-cache"), run_doctor(scratch, "check", "--no-cache", "-v")
    assert first.returncode == second.returncode == 0
    assert first.stdout.splitlines()[0] in second.stdout
    assert first.stdout.splitlines()[0].split()[:2] == ["mlp", "pass"]
    assert first.stderr == "" and "--- what mlp printed ---\nchatty\n" in second.stderr
    third = run_doctor(scratch, "check", "--no-cache")
    assert third.stdout == first.stdout


def test_moved_and_renamed_changes_not_a_byte(scratch):
    before = stored(scratch)
    model = scratch / "models" / "mlp.py"
    model.write_text(
        ("# a comment\n\n" + MODEL).replace("y = self.a(x)", "hidden = self.a(x)").replace("y.relu", "hidden.relu")
    )
    done = run_doctor(scratch, "baseline", "update", env={"CI": None})
    assert "unchanged" in done.stdout
    assert stored(scratch) == before


def test_a_break_fails_in_every_format(scratch):
    (scratch / "models" / "mlp.py").write_text(BROKEN + "\n\nprint('chatty')\n")
    formats = [name for name in own_formats() if name not in ("text", "perfetto")]  # a timeline has no findings
    outputs = [part for name in formats for part in ("-o", f"{name}:out.{name}")]
    done = run_doctor(scratch, "check", *outputs)
    assert done.returncode == 1 and "--- what mlp printed ---\nchatty\n" in done.stderr
    assert (
        "CD101 graph-break  models/mlp.py:11 in Model.forward" in done.stdout
        and "Fix    y = torch.where(y.sum() > 0, y + 1, y)" in done.stdout
    )
    for name in formats:
        text = (scratch / f"out.{name}").read_text()
        assert "CD101" in text and "models/mlp.py" in text and "torch.where(y.sum()" in html.unescape(text), name
    (target,) = json.loads((scratch / "out.json").read_text())["targets"]
    assert target["status"] == "regression" and target["worse"][0]["finding"]["location"]["line"] == 11


def test_nothing_compiled_is_no_pass(scratch):
    (scratch / "models" / "mlp.py").write_text(
        MODEL.replace("class Model", "@torch.compiler.disable\nclass Model")
        .replace("    def forward", "    @torch.compiler.disable\n    def forward")
        .replace("@torch.compiler.disable\nclass", "class")
        + "\n\nprint('what may tell why')\n"
    )
    done = run_doctor(scratch, "check")
    assert done.returncode == 3, done.stdout
    assert "inconclusive" in done.stdout
    assert "--- what mlp printed ---\nwhat may tell why\n" in done.stderr


def test_better_passes_and_strict_fails(scratch):
    (scratch / "models" / "mlp.py").write_text(BROKEN)
    assert run_doctor(scratch, "baseline", "update", env={"CI": None}).returncode == 0
    (scratch / "models" / "mlp.py").write_text(MODEL)
    done = run_doctor(scratch, "check")
    assert done.returncode == 0 and "better" in done.stdout
    assert run_doctor(scratch, "check", "--strict-baseline").returncode == 1


def test_a_target_without_a_baseline_is_not_run_to_say_so(scratch):
    (scratch / "models" / "mlp.py").write_text("raise SystemExit('it was run')")
    shutil.rmtree(scratch / ".compile-doctor")
    done = run_doctor(scratch, "check", env={"CI": None})
    assert done.returncode == 3 and "There is no baseline for torch" in done.stdout
    assert "it was run" not in done.stdout + done.stderr


def test_a_damaged_baseline_is_not_judged_and_update_replaces_it(scratch):
    (path,) = (scratch / ".compile-doctor").glob("*.json")
    path.write_text(path.read_text().replace('"graphs": 1', '"graphs": -1'))
    done = run_doctor(scratch, "check", "--no-cache")
    assert done.returncode == 3 and "summary.graphs: Expected `int` >= 0" in done.stdout and not done.stderr
    assert f".compile-doctor/{path.name}" in done.stdout and "Next: compile-doctor baseline update mlp" in done.stdout
    done = run_doctor(scratch, "baseline", "update", env={"CI": None})
    assert done.returncode == 0 and "replaces one that could not be used" in done.stdout
    assert run_doctor(scratch, "check", "--no-cache").returncode == 0


def test_a_gate_does_not_write_its_own_baseline(scratch):
    done = run_doctor(scratch, "baseline", "update", env={"CI": "true"})
    assert done.returncode == 2 and "CI is set" in done.stderr


def test_diff_and_prune(scratch):
    (path,) = (scratch / ".compile-doctor").glob("*.json")
    entry = json.loads(path.read_text())
    other = {**entry, "torch": "2.1", "summary": {**entry["summary"], "graphs": 3}}
    (scratch / ".compile-doctor" / "mlp.torch-2.1.cpu.json").write_text(json.dumps(other))
    done = run_doctor(scratch, "baseline", "diff", "--from", "2.1", "--to", entry["torch"])
    assert done.returncode == 0 and "graphs: 3 → 1" in done.stdout
    assert run_doctor(scratch, "baseline", "diff", "--from", "2.2", "--to", "2.3").returncode == 3
    (scratch / ".compile-doctor" / "gone.torch-2.1.cpu.json").write_text(json.dumps({**other, "target": "gone"}))
    done = run_doctor(scratch, "baseline", "prune")
    assert "deleted .compile-doctor/gone.torch-2.1.cpu.json" in done.stdout
    assert len(list((scratch / ".compile-doctor").glob("*.json"))) == 2


def bash(command, folder, **environment):
    """With `compile-doctor` on the path, as where it is installed."""
    tools = folder.parent / "bin"
    tools.mkdir(exist_ok=True)
    script = tools / "compile-doctor"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m compile_doctor "$@"\n')
    script.chmod(0o755)
    env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environment}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_commands_of_the_action_and_of_the_template(scratch):
    (scratch / "models" / "mlp.py").write_text(BROKEN)
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    done = bash(steps[0]["run"], scratch, ARGUMENTS="mlp", GITHUB_STEP_SUMMARY=str(scratch / "summary.md"))
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=models/mlp.py,line=11,")
    assert "CD101" in (scratch / "summary.md").read_text()
    assert json.loads((scratch / steps[1]["with"]["sarif_file"]).read_text())["runs"]
    assert "always()" in steps[1]["if"], "the upload comes after a failure too"
    template = yaml.safe_load((ROOT / "templates" / "compile-doctor.gitlab-ci.yml").read_text())[".compile-doctor"]
    done = bash("\n".join(template["script"]), scratch, COMPILE_DOCTOR_ARGUMENTS="")
    assert done.returncode == 1
    for path in template["artifacts"]["reports"].values():
        assert "CD101" in (scratch / path).read_text()


def test_the_hook_through_pre_commit(scratch, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", source)
    for folder in (source, scratch):
        for command in ("init -q", "add -A", "-c user.name=x -c user.email=x@x commit -qm x"):
            subprocess.run(["git", *command.split()], cwd=folder, check=True)
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True
    ).stdout
    (scratch / ".pre-commit-config.yaml").write_text(
        yaml.safe_dump({"repos": [{"repo": str(source), "rev": revision.strip(), "hooks": [{"id": "compile-doctor"}]}]})
    )
    run = f"{sys.executable} -m pre_commit run --hook-stage pre-push --all-files"
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}
    done = bash(f"git add -A && {run}", scratch, **home)
    assert done.returncode == 0 and "Passed" in done.stdout, done.stdout + done.stderr
    (scratch / "models" / "mlp.py").write_text(BROKEN)
    done = bash(f"git add -A && {run}", scratch, **home)
    assert done.returncode == 1 and "CD101 graph-break" in done.stdout
