"""What other distributions add: tests/plugin_example installed as a folder with metadata, and plug-ins that are broken."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace

import jsonschema
import pytest
from conftest import ROOT
from helpers import a_break, evidence

from compile_doctor import checks, plugins, testing
from compile_doctor.capture import load_capture
from compile_doctor.checks import all_checks, find_check, own_checks, plugin_of
from compile_doctor.errors import UsageError
from compile_doctor.gate import baseline
from compile_doctor.gate.config import read_configuration
from compile_doctor.recipes import catalogue
from compile_doctor.render import formats, gate_renderer, own_formats, renderer
from compile_doctor.report.explain import explain
from compile_doctor.report.make import make_report
from compile_doctor.report.verdict import exit_code

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = ROOT / "tests" / "plugin_example"
RECORDED = ROOT / "tests" / "evidence" / "2.13.0"
SCHEMA = json.loads((ROOT / "compile_doctor" / "schemas" / "report-1.schema.json").read_text())
GOOD = """
from compile_doctor.checks.base import Check
def detect(seen):
    yield CHECK.finding("It is here", "Because.")
CHECK = Check(code="{code}", name="mine", severity="info", summary="It fires.", explanation="It matters.", detect=detect)
"""


def forget():
    for function in (
        plugins.plugins,
        checks.all_checks,
        checks._of_plugins,
        checks._load,
        catalogue._folder_of,
        catalogue._read,
    ):
        function.cache_clear()


def metadata(folder, name, groups):
    """What pip writes of a distribution: enough to be found, without pip, a build tool or a network."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    text = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in groups.items()
    )
    (info / "entry_points.txt").write_text(text)


@pytest.fixture(name="site")
def site_packages(tmp_path, monkeypatch):
    """A folder on the path of this process, and of its children."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    forget()
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith(("compile_doctor_example", "plugged")):
            del sys.modules[name]
    monkeypatch.undo()
    forget()


@pytest.fixture(name="example")
def installed(site):
    shutil.copytree(EXAMPLE / "compile_doctor_example", site / "compile_doctor_example")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    metadata(site, project["name"], project["entry-points"])
    forget()


def plug(site, group, name, value, distribution="acme-plugin", **modules):
    metadata(site, distribution, {f"compile_doctor.{group}": {name: value}})
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)
    forget()


# ---------------------------------------------------------------- the example


@pytest.mark.usefixtures("example")
def test_the_check_of_a_plug_in_fires_and_comes_last_in_the_list():
    report = make_report(load_capture(RECORDED / "cd101-fires.zip"))
    assert [(one.code, one.severity) for one in report.findings] == [("CD101", "error"), ("EXA001", "warning")]
    assert plugin_of("EXA001") == "compile-doctor-example" and plugin_of("CD101") == ""
    assert all_checks() == (*own_checks(), find_check("many-graphs"))
    assert make_report(load_capture(RECORDED / "cd101-silent.zip")).verdict == "healthy"
    jsonschema.validate(json.loads(renderer("json")(report)), SCHEMA)
    for name in set(formats()) - {"perfetto"}:  # a timeline has no findings
        assert "EXA001" in renderer(name)(report, 1)


@pytest.mark.usefixtures("example")
def test_its_page_its_format_and_its_recipe():
    assert explain("exa001") == explain("many-graphs")
    assert "EXA001 many-graphs (warning)" in explain("exa001") and "half way" in explain("exa001")
    assert formats() == (*own_formats(), "one-line")
    report = make_report(load_capture(RECORDED / "cd101-fires.zip"))
    assert renderer("one-line")(report).endswith(": unhealthy CD101,EXA001\n")
    assert callable(gate_renderer("one-line"))
    assert catalogue.find_recipe("example-old-torch").file.parent.name == "recipes"


@pytest.mark.usefixtures("example")
def test_baselines_and_waivers_know_its_code(tmp_path):
    report = make_report(load_capture(RECORDED / "cd101-fires.zip"))
    found = baseline.snapshot("vit", report)
    assert "EXA001" in {entry.code for entry in found.findings}
    assert baseline.parse(baseline.text_of(found).encode()) == found
    file = tmp_path / "pyproject.toml"
    text = (
        '[[tool.compile-doctor.targets]]\nname = "vit"\ntarget = "model.py"\n'
        '[[tool.compile-doctor.waivers]]\ncode = "{}"\nplace = "model.py"\nreason = "known"\nexpires = 2027-01-31\n'
    )
    file.write_text(text.format("EXA001"))
    assert read_configuration(file).waivers[0].code == "EXA001"
    file.write_text(text.format("EXA002"))
    with pytest.raises(UsageError, match=r"'EXA002' is not the code of a check; did you mean 'EXA001'\?"):
        read_configuration(file)


@pytest.mark.usefixtures("example")
def test_the_command_line_has_them(run_cli, tmp_path):
    environment = {"PYTHONPATH": os.environ["PYTHONPATH"]}
    capture = RECORDED / "cd101-fires.zip"
    done = run_cli("report", capture, "--format", "one-line", "-o", f"one-line:{tmp_path / 'out'}", env=environment)
    assert (done.returncode, done.stderr) == (1, "") and done.stdout.endswith("CD101,EXA001\n")
    assert (tmp_path / "out").read_text() == done.stdout
    unknown = run_cli("report", capture, "--format", "two-lines", env=environment)
    assert unknown.returncode == 2 and "'one-line'" in unknown.stderr
    listed = run_cli("patches", "list", "--all", env=environment)
    assert "example-old-torch" in listed.stdout


# ---------------------------------------------------------------- lazy


@pytest.mark.parametrize("arguments", [["--help"], ["diagnose", "--help"], ["check", "--help"]], ids=" ".join)
@pytest.mark.usefixtures("example")
def test_help_looks_for_no_plug_in(arguments, run_cli):
    code = (
        "import sys\nfrom compile_doctor import plugins\nfrom compile_doctor.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: print(plugins.plugins.cache_info().misses, 'torch' in sys.modules)"
    )
    from subprocess import run

    done = run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"


@pytest.mark.usefixtures("example")
def test_entry_points_are_looked_up_once_and_names_import_nothing():
    assert "EXA001" in checks.codes() and "one-line" in formats()
    assert not [name for name in sys.modules if name.startswith("compile_doctor_example")]
    for _ in range(3):
        make_report(evidence())
        formats()
    assert plugins.plugins.cache_info().misses <= 3


# ---------------------------------------------------------------- what is wrong with one is named, and hides nothing

BROKEN = {
    "no module": ("XYZ001", "plugged_missing:CHECK", "", "cannot be imported: ModuleNotFoundError"),
    "raises": ("XYZ001", "plugged:CHECK", "raise RuntimeError('of its own')", "RuntimeError: of its own"),
    "leaves": ("XYZ001", "plugged:CHECK", "raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
    "no attribute": ("XYZ001", "plugged:CHECK", "", "cannot be imported: AttributeError"),
    "no entry point": ("XYZ001", "not an entry point!", "", "cannot be imported"),
    "no check": ("XYZ001", "plugged:CHECK", "CHECK = 7", "is of type int, not a Check"),
    "another code": ("XYZ001", "plugged:CHECK", GOOD.format(code="XYZ002"), "has the code XYZ002"),
    "a bad fact": (
        "XYZ001",
        "plugged:CHECK",
        GOOD.format(code="XYZ001").replace("info", "bad"),
        "ValueError: XYZ001: severity is 'bad'",
    ),
    "our code": ("CD950", "plugged:CHECK", GOOD.format(code="CD950"), "'CD950' is not two to six capital letters"),
    "torch's ids": ("GB001", "plugged:CHECK", GOOD.format(code="GB001"), "'GB001' is not two to six capital letters"),
    "no code": ("mine", "plugged:CHECK", GOOD.format(code="XYZ001"), "'mine' is not two to six capital letters"),
    "detect raises": (
        "XYZ001",
        "plugged:CHECK",
        GOOD.format(code="XYZ001").replace("yield", "raise KeyError('x')\n    yield"),
        "it raised KeyError: 'x'",
    ),
    "another's finding": (
        "XYZ001",
        "plugged:CHECK",
        GOOD.format(code="XYZ001").replace(
            'CHECK.finding("It is here"', '__import__("compile_doctor").checks.find_check("CD001").finding("x"'
        ),
        "it made Finding(code='CD001'",
    ),
    "no finding": (
        "XYZ001",
        "plugged:CHECK",
        GOOD.format(code="XYZ001").replace('CHECK.finding("It is here", "Because.")', "7"),
        "it made 7, which is not a finding of XYZ001",
    ),
    "detect leaves": (
        "XYZ001",
        "plugged:CHECK",
        GOOD.format(code="XYZ001").replace("yield", "raise SystemExit(0)\n    yield"),
        "it raised SystemExit: 0",
    ),
    **{
        f"a bad {name}": (
            "XYZ001",
            "plugged:CHECK",
            GOOD.format(code="XYZ001").replace('"Because."', f'"Because.", {name}={value}'),
            f"it made a finding whose {name} is {value}",
        )
        for name, value in {
            "severity": "'bad'",
            "owner": "'theirs'",
            "count": "'two'",
            "location": "'model.py:3'",
            "fix": "None",
            "evidence": "'seen'",
        }.items()
    },
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_check_is_named_and_hides_nothing(site, name):
    code, value, text, why = BROKEN[name]
    plug(site, "checks", code, value, plugged=text)
    healthy, broken = make_report(evidence()), make_report(evidence(breaks=(a_break(),)))
    assert (healthy.verdict, exit_code(healthy, "error")) == ("inconclusive", 3)
    assert f"{code} (acme-plugin)" in healthy.reason or "acme-plugin" in healthy.reason
    assert [one.code for one in broken.findings] == ["CD101"] and broken.verdict == "unhealthy"
    (reason,) = [reason for found, reason in healthy.skipped_checks if found == code]
    assert why in reason and ("acme-plugin" in reason or "it raised" in reason)
    jsonschema.validate(json.loads(renderer("json")(healthy)), SCHEMA)
    assert reason in renderer("text")(healthy, 1)


def test_the_page_of_one_that_cannot_be_imported_says_why(site):
    plug(site, "checks", "XYZ001", "plugged:CHECK", plugged="raise RuntimeError('of its own')")
    with pytest.raises(UsageError, match=r"XYZ001 cannot be explained: plug-in acme-plugin: .* of its own"):
        explain("xyz001")


def test_one_code_of_two_distributions(site):
    plug(site, "checks", "XYZ001", "plugged:CHECK", "first-plugin", plugged=GOOD.format(code="XYZ001"))
    plug(site, "checks", "XYZ001", "plugged2:CHECK", "second-plugin", plugged2=GOOD.format(code="XYZ001"))
    report = make_report(evidence())
    assert [one.code for one in report.findings] == ["XYZ001"]
    assert (
        "XYZ001",
        "plug-in second-plugin: first-plugin has a check XYZ001 too. Uninstall one of the two",
    ) in report.skipped_checks
    assert report.reason == ("A check could not be run: XYZ001 (first-plugin and second-plugin). -v shows the reasons.")


FORMAT = "def render(report, verbosity=0, colour=False):\n    {}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise RuntimeError('of its own')", "cannot be imported: RuntimeError: of its own"),
        ("", "has no function render"),
        (FORMAT.format("return 1 / 0"), "failed: ZeroDivisionError"),
        (FORMAT.format("raise SystemExit(0)"), "failed: SystemExit: 0"),
        (FORMAT.format("return 7"), "returned a value of type int, not text"),
    ],
)
def test_a_broken_format_is_an_error_of_its_own(site, text, why):
    plug(site, "formats", "mine", "plugged", plugged=text)
    with pytest.raises(UsageError, match=why) as raised:
        renderer("mine")(make_report(evidence()))
    assert "plug-in acme-plugin" in str(raised.value) and raised.value.exit_code == 2
    assert "mine" in formats() and renderer("text")(make_report(evidence()))


def test_a_broken_format_is_found_before_anything_runs(site, run_cli):
    plug(site, "formats", "mine", "plugged", plugged="raise RuntimeError")
    for option in (("--format", "mine"), ("-o", "mine:out")):
        done = run_cli("diagnose", "missing.py", *option, env={"PYTHONPATH": os.environ["PYTHONPATH"]})
        assert done.returncode == 2 and "acme-plugin" in done.stderr and "missing.py" not in done.stderr
        assert "Traceback" not in done.stderr


def test_our_formats_are_not_replaced(site):
    plug(site, "formats", "text", "plugged", plugged=FORMAT.format("return 'HEALTHY'"))
    assert formats() == own_formats()
    assert renderer("text")(make_report(evidence(breaks=(a_break(),)))) != "HEALTHY"


def test_a_format_gets_clean_strings(site):
    plug(site, "formats", "mine", "plugged", plugged=FORMAT.format("return report.notes[0]"))
    assert renderer("mine")(replace(make_report(evidence()), notes=("a\x1b[31mb",))) == r"a\x1b[31mb"


@pytest.mark.parametrize("value", ["plugged_missing", "plugged", "json:recipes", "no package!"])
def test_a_folder_of_recipes_that_is_not_there(site, value):
    plug(site, "recipes", "mine", value, plugged="")
    with pytest.raises(UsageError, match="plug-in acme-plugin") as raised:
        catalogue.all_recipes()
    assert raised.value.hint == "Update or uninstall acme-plugin."
    healthy, broken = make_report(evidence()), make_report(evidence(breaks=(a_break(),)))
    assert [one.code for one in broken.findings] == ["CD101"]
    assert healthy.reason == "A check could not be run: CD702. -v shows the reasons."
    assert "Update or uninstall acme-plugin." in dict(healthy.skipped_checks)["CD702"]


# ---------------------------------------------------------------- check_fires


@pytest.fixture(name="recorded")
def recorded_runs(monkeypatch):
    """In place of a run of the program: what the recordings of CD101 have."""

    def diagnose(target, *_):
        return load_capture(RECORDED / f"cd101-{'fires' if 'fires' in target.text else 'silent'}.zip")

    monkeypatch.setattr(testing, "diagnose", diagnose)


@pytest.mark.usefixtures("recorded")
def test_check_fires():
    check = find_check("CD101")
    testing.check_fires(check)
    testing.check_fires(replace(check, versions=">=2.8"))
    with pytest.raises(AssertionError, match=r"CD101 fires on its program `fires` with torch 2\.13"):
        testing.check_fires(replace(check, versions="<2.8"))
    never = replace(check, code="XYZ001", detect=lambda seen: ())
    with pytest.raises(AssertionError, match=r"XYZ001 does not fire on its program `fires`.*CD101 Graph break"):
        testing.check_fires(never)
    always = replace(check, code="XYZ001", detect=lambda seen: [always.finding("t", "m")])
    with pytest.raises(AssertionError, match=r"XYZ001 fires on its program `silent`"):
        testing.check_fires(always)
    broken = replace(check, code="XYZ001", detect=lambda seen: 1 / 0)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        testing.check_fires(broken)
    with pytest.raises(AssertionError, match="has no program `silent`"):
        testing.check_fires(replace(check, silent=""))


@pytest.mark.compile
@pytest.mark.usefixtures("example")
def test_the_check_of_the_example_fires_and_is_silent():
    from compile_doctor_example.many_graphs import CHECK

    testing.check_fires(CHECK)
