"""What surrounds the code, held against each other: workflows, issue forms, packaging, RELEASING.md. No torch, no network."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from conftest import ROOT

from compile_doctor.cli import COMMANDS
from compile_doctor.cli.crash import ISSUES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = set(re.findall(r"^([a-z][\w-]*):(?!=)", MAKEFILE, re.MULTILINE))
VERSIONS = re.findall(r"\S+", re.search(r"^VERSIONS := (.+)$", MAKEFILE, re.MULTILINE)[1])  # type: ignore[index]
DEFAULT = re.search(r"^TORCH \?= (\S+)$", MAKEFILE, re.MULTILINE)[1]  # type: ignore[index]


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github" / name).read_text(encoding="utf-8"))


CI = read("workflows/ci.yml")
RELEASE = read("workflows/release.yml")
DOCS = read("workflows/docs.yml")


def jobs() -> list[Any]:
    return [
        pytest.param(job, id=f"{path.stem}-{name}")
        for path in WORKFLOWS
        for name, job in read(f"workflows/{path.name}")["jobs"].items()
    ]


def commands(*jobs: dict[str, Any]) -> list[str]:
    return [line for job in jobs for step in job["steps"] for line in step.get("run", "").splitlines()]


def classified(prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in PROJECT["project"]["classifiers"] if name.startswith(prefix)]


# ---------------------------------------------------------------- workflows


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.github-actions", [ROOT / "action.yml"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"]),
        ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"]),
    ],
)
def test_what_github_reads_has_the_form_that_github_wants(schema, files):
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("job", jobs())
def test_a_job_runs_what_exists(job):
    for line in commands(job):
        words = line.split()
        if words[0] == "make":
            assert words[1] in TARGETS, line
        if words[0].startswith("."):
            script = ROOT / words[0]
            assert script.stat().st_mode & 0o111, f"{words[0]} cannot be executed"


@pytest.mark.parametrize("job", jobs())
def test_a_job_ends_and_its_actions_have_a_version(job):
    assert job["timeout-minutes"] <= 120
    assert not job["runs-on"].endswith("-latest")
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(release/)?v\d+(\.\d+)*|[\w/-]+@[0-9a-f]{40}", step["uses"]), step[
                "uses"
            ]
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, "no later step needs the token"


def test_only_the_job_that_publishes_has_a_right_and_only_that_one():
    assert CI["permissions"] == {"contents": "read"}
    assert [job for job in CI["jobs"].values() if "permissions" in job] == []
    for workflow, environment, rights in (
        (RELEASE, "pypi", {"id-token": "write"}),
        (DOCS, "github-pages", {"id-token": "write", "pages": "write"}),
    ):
        assert workflow["permissions"] == {}
        assert set(workflow["jobs"]) == {"build", "publish"}
        assert workflow["jobs"]["build"]["permissions"] == {"contents": "read"}
        publish = workflow["jobs"]["publish"]
        assert publish["permissions"] == rights
        assert publish["environment"]["name"] == environment
        assert publish["needs"] == "build"
        assert commands(publish) == [], "what can publish runs nothing of ours"


def test_the_matrix_has_every_python_and_the_torches_that_matter():
    legs = CI["jobs"]["test"]["strategy"]["matrix"]["include"]
    pythons = classified("Programming Language :: Python :: 3.")
    assert sorted({leg["python"] for leg in legs}) == sorted(f"3.{minor}" for minor in pythons)
    assert PROJECT["project"]["requires-python"] == f">=3.{min(pythons, key=int)}"
    assert {leg["torch"] for leg in legs} == {VERSIONS[0], DEFAULT, VERSIONS[-1]}
    assert {leg["python"] for leg in legs if leg["torch"] == DEFAULT} == {leg["python"] for leg in legs}


def test_every_torch_in_the_workflows_is_one_of_the_makefile():
    named = {
        version
        for path in WORKFLOWS
        for version in re.findall(r"(?:TORCH=|torch: \"|pip-3\.\d+-)(\d+\.\d+\.\d+)", path.read_text())
    }
    assert DEFAULT in named
    assert sorted(named - set(VERSIONS)) == []


def test_ci_runs_what_has_to_pass_before_anything_lands():
    landing = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    wanted = {line for line in landing.splitlines() if line.startswith(("make ", "./", ".ci/"))}
    assert len(wanted) == 5
    done = {" ".join(line.split()[:2]) if line.startswith("make") else line for line in commands(*CI["jobs"].values())}
    assert sorted(wanted - done) == []


def test_the_release_is_built_by_the_makefile_and_for_the_version_of_its_tag():
    lines = commands(RELEASE["jobs"]["build"])
    assert any(line.startswith("make dist ") for line in lines)
    check = next(line for line in lines if line.startswith("test "))
    package = ROOT / "compile_doctor" / "__init__.py"
    version = next(
        node.value.value  # type: ignore[attr-defined]
        for node in ast.parse(package.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"  # type: ignore[attr-defined]
    )
    check = check.replace("$(python", f"$({sys.executable}")
    for tag, code in ((f"v{version}", 0), (version, 1), ("v9.9.9", 1)):
        assert (
            subprocess.run(["bash", "-c", check], cwd=ROOT, env={"GITHUB_REF_NAME": tag}, check=False).returncode
            == code
        )


# ---------------------------------------------------------------- issue forms


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_the_fields_of_a_form_have_names_of_their_own_and_one_is_required(path):
    fields = [field for field in read(f"ISSUE_TEMPLATE/{path.name}")["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert len({field["attributes"]["label"] for field in fields}) == len(fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_the_commands_in_a_form_exist(path):
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"compile-doctor ([a-z]+)", text)
    assert sorted(set(named) - set(COMMANDS) - {"itself", "does", "saw"}) == []


def test_a_report_brings_what_answers_it():
    required = {
        path.stem: {
            field["id"]
            for field in read(f"ISSUE_TEMPLATE/{path.name}")["body"]
            if field.get("validations", {}).get("required")
        }
        for path in FORMS
    }
    assert required["1-wrong-verdict"] >= {"command", "capture", "environment"}
    assert required["2-crash"] >= {"command", "crash-file", "environment"}


# ---------------------------------------------------------------- packaging


def test_the_addresses_are_one_repository():
    urls = PROJECT["project"]["urls"]
    assert set(urls) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    home = urls["Source"]
    assert urls["Issues"] == ISSUES
    assert [url for url in urls.values() if not url.startswith(home)] == []
    for url in urls.values():
        _, found, path = url.partition("/blob/main/")
        assert not found or (ROOT / path).is_file(), url
    contacts = read("ISSUE_TEMPLATE/config.yml")["contact_links"]
    assert [link["url"] for link in contacts if not link["url"].startswith(home)] == []


def test_the_sdist_has_every_tracked_file_at_the_top():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    tracked = {line.partition("/")[0] for line in done.stdout.splitlines()}
    included = set(PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert sorted(tracked - included - {".gitignore", "pyproject.toml"}) == []  # hatchling adds these two by itself
    assert [name for name in sorted(included) if not (ROOT / name).exists()] == []


def test_the_formatter_leaves_alone_what_recordings_point_into():
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "format",
            "--check",
            "tests/programs",
            "benchmarks/edits",
            "tests/programs/lib_metrics.py",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "No Python files" in done.stderr


# ---------------------------------------------------------------- coverage, the release


def test_the_coverage_in_contributing_is_not_below_the_gate():
    gate = PROJECT["tool"]["coverage"]["report"]["fail_under"]
    assert gate >= 90
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    measured = re.search(r"`make coverage`[^\n]*?(\d+(?:\.\d+)?) %[^\n]*?fails under (\d+) %", page)
    assert measured
    assert float(measured[1]) >= float(measured[2]) == gate


def test_the_steps_of_a_release_name_what_exists():
    page = (ROOT / "RELEASING.md").read_text(encoding="utf-8")
    named = re.findall(r"`make ([\w-]+)", page)
    assert {"record", "verify-recipes"} <= set(named) <= TARGETS
    for path in re.findall(r"`((?:\.?\w[\w.-]*/)+[\w.-]+)`", page):
        assert (ROOT / path).exists(), path
