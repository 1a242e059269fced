"""README.md, docs/, CONTRIBUTING.md and CHANGELOG.md against the command line, the checks and the tree. No torch, no child process."""

from __future__ import annotations

import ast
import json
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

import compile_doctor
from compile_doctor.analysis.graph_breaks.causes import registry
from compile_doctor.api import Report
from compile_doctor.capture import load_capture
from compile_doctor.checks import find_check, own_checks
from compile_doctor.cli import COMMANDS, group
from compile_doctor.model.asked import Asked
from compile_doctor.model.evidence import Evidence
from compile_doctor.recipes.catalogue import all_recipes
from compile_doctor.render import own_formats
from compile_doctor.render.json_format import as_dict
from compile_doctor.report.explain import SKILL
from compile_doctor.report.make import make_report
from compile_doctor.schemas import published

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
PAGES = ("README.md", *DOCS, "CONTRIBUTING.md", "CHANGELOG.md", "RELEASING.md", "SECURITY.md")
MANUAL = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", *DOCS))
OPTIONS = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
JSON = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "compile_doctor"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"(?<![\w-])(--[a-z][\w-]*|-[a-zA-Z])(?![\w-])")


def command(name: str) -> click.Command:
    found = group.get_command(click.Context(group), name)  # type: ignore[attr-defined]
    assert found is not None, f"there is no command {name}"
    return found


def options_of(found: click.Command) -> set[str]:
    """`--dynamic`, `--no-dynamic`, `-v`, …, and the help options."""
    context = click.Context(found, info_name=found.name, parent=click.Context(group, **group.context_settings))
    parameters = [parameter for parameter in found.get_params(context) if isinstance(parameter, click.Option)]
    return {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}


@cache
def all_options() -> frozenset[str]:
    return frozenset(options_of(group).union(*(options_of(command(name)) for name in COMMANDS)))


def help_of(name: str) -> str:
    found = command(name)
    return found.get_help(
        click.Context(
            found, info_name=name, parent=click.Context(group, info_name="compile-doctor", **group.context_settings)
        )
    )


def prose(text: str) -> str:
    return _FENCE.sub("", text)


def spans(text: str) -> list[str]:
    return [span.replace("\\|", "|") for span in _SPAN.findall(prose(text))]


def example_lines(text: str) -> list[str]:
    """Lines that begin with the command, a prompt before them or not."""
    lines = (line.strip().removeprefix("$ ") for line in text.splitlines())
    return [line for line in lines if line.startswith("compile-doctor ")]


def written_commands() -> list[tuple[str, str]]:
    """(where, line) of every example in the help pages, in fenced blocks and in the prose of the documents."""
    found = [(f"--help of {name}", line) for name in COMMANDS for line in example_lines(help_of(name))]
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        found += [(page, line) for _, block in _FENCE.findall(text) for line in example_lines(block)]
        found += [(page, span) for span in spans(text) if span.startswith("compile-doctor ")]
    return list(dict.fromkeys(found))


def table(heading: str) -> list[list[str]]:
    """The cells of all table rows of a section of the README, heads and rules left out."""
    return cells_of(README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0])


def cells_of(text: str) -> list[list[str]]:
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    rules = [number for number, row in enumerate(cells) if set("".join(row)) <= set("-: ")]
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


# ---------------------------------------------------------------- commands and options


def test_the_table_of_commands_is_the_command_line():
    named = [cells[0].strip("`").split()[1] for cells in table("Commands") if cells[0].startswith("`compile-doctor ")]
    assert sorted(named) == sorted(COMMANDS)


def test_every_option_that_the_manual_names_exists():
    named: set[str] = set()
    for span in spans(MANUAL):
        own = span.startswith(("compile-doctor ", "-"))
        named.update(_OPTION.findall(span.partition(" -- ")[0]) if own else ())
    named -= {"-I", "-E", "-S"}  # Python's
    assert named >= {"--backend", "--fail-on", "-o"}, "the search finds nothing"
    assert sorted(named - all_options()) == []


def test_every_option_is_on_the_page_of_options():
    named = {option for span in spans(OPTIONS) for option in _OPTION.findall(span)}
    assert sorted(all_options() - named) == []


def test_the_formats_are_named_where_people_choose_one():
    option = next(line for line in OPTIONS.splitlines() if line.startswith("| `--format NAME`"))
    for text in (option, Report.render.__doc__ or ""):
        assert [name for name in own_formats() if f"`{name}`" not in text] == []


def test_the_table_of_options_says_which_command_has_them():
    rows = cells_of(OPTIONS)
    said = {
        (name, option)
        for options, names, _ in rows
        for name in names.split(", ")
        for option in _OPTION.findall(options.replace("`", " "))
    }
    real = {(name, option) for name in COMMANDS for option in options_of(command(name)) - {"-h", "--help"}}
    shared = {("env", "--format")}  # has its own --format, as the page of `env` says
    assert sorted(said - real) == []
    assert sorted(real - said - shared) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_shows_an_example(name):
    lines = example_lines(help_of(name))
    assert lines
    assert any(line.split()[1] == name for line in lines)


def test_the_help_of_the_whole_says_where_to_start():
    assert "compile-doctor diagnose" in group.get_help(click.Context(group, info_name="compile-doctor"))


@pytest.mark.parametrize(("where", "line"), written_commands(), ids=lambda value: value)
def test_every_written_command_can_be_parsed(where, line):
    name, *arguments = shlex.split(re.sub(r"\[([A-Z]+)\]", r"\1", line))[1:]
    if name.startswith("-"):
        assert name in options_of(group)
        return
    assert name in COMMANDS, f"{where}: {line}"
    context = command(name).make_context(name, arguments, parent=click.Context(group))  # parses, and runs nothing
    code = context.params.get("code")
    if code and code != "CODE":
        known = find_check(code) or code in registry() or code in {recipe.id for recipe in all_recipes()}
        assert known or published(code) or code == SKILL or code.isdecimal(), f"{where}: nothing explains {code}"


# ---------------------------------------------------------------- codes, JSON, versions


def test_the_table_of_codes_is_the_checks():
    said = {cells[0]: (cells[1], cells[2]) for cells in table("Codes")}
    assert said == {check.code: (check.name, check.severity or "outcome") for check in own_checks()}


@pytest.mark.parametrize("page", PAGES)
def test_every_code_that_a_page_names_exists(page):
    named = set(re.findall(r"\bCD\d{3}\b", (ROOT / page).read_text(encoding="utf-8")))
    assert sorted(named - {check.code for check in own_checks()}) == []


def test_the_readme_has_the_exit_codes():
    assert [cells[0] for cells in table("Exit codes")] == ["0", "1", "2", "3"]


def test_the_keys_of_the_json_example_are_the_reports():
    block = next(text for kind, text in _FENCE.findall(JSON) if kind == "json")
    said = json.loads(block)
    real = as_dict(make_report(Evidence(Asked("model.py"))))
    assert said["schema"] == real["schema"]
    assert sorted(set(said) - set(real)) == []
    assert sorted(set(said["summary"]) ^ set(real["summary"])) == []


def test_the_keys_of_a_finding_in_the_json_example_are_the_reports():
    recording = ROOT / "tests" / "evidence" / "2.13.0" / "cd102-fires.zip"
    block = next(text for kind, text in _FENCE.findall(JSON) if kind == "json")
    said = json.loads(block)["findings"][0]
    real = as_dict(make_report(load_capture(recording)))["findings"][0]
    assert sorted(set(said) ^ set(real)) == []
    assert set(said["location"]) == set(real["location"])


def test_the_torch_versions_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = re.search(r"^VERSIONS := (.+)$", makefile, re.MULTILINE)
    assert listed
    section = README.partition("\n## Versions of torch\n")[2].partition("\n## ")[0]
    recorded = [folder.name for folder in (ROOT / "tests" / "evidence").iterdir() if folder.is_dir()]
    for version in {*listed[1].split(), *recorded}:
        assert re.search(rf"\b{re.escape(version.rpartition('.')[0])}\b", section), f"{version} is not in the README"
    default = re.search(r"^TORCH \?= (\S+)$", makefile, re.MULTILINE)
    assert default
    assert f"torch {default[1]}" in README


def test_the_changelog_is_about_this_version():
    latest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert latest
    assert latest[1] == compile_doctor.__version__


# ---------------------------------------------------------------- the screen, links, the module map


def test_the_lines_on_the_first_screen_are_the_examples():
    screen = next(text for kind, text in _FENCE.findall(README) if kind == "console")
    places = re.findall(r"^\d+ .*?(compile_doctor/examples/\w+\.py):(\d+) in ", screen, re.MULTILINE)
    quoted = re.findall(r"^ +(?:> )?(\d+) \| (.+)$", screen, re.MULTILINE)
    assert places
    assert quoted
    for file, line in places:
        source = (ROOT / file).read_text(encoding="utf-8").splitlines()
        assert line in {number for number, _ in quoted}
        for number, text in quoted:
            assert source[int(number) - 1].startswith(text.rstrip("…")), f"{file}:{number}"


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose((ROOT / page).read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_named_in_the_readme():
    assert [page for page in DOCS if f"]({page})" not in README] == []


def test_every_package_says_what_it_is_for():
    for path in PACKAGE.rglob("__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert len(text) > 40 and text.rstrip().endswith((".", "`")), path


def test_the_package_s_own_folder_holds_few_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_the_layout_is_that_of_the_import_contracts():
    layout = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Layout")[2].partition("\n## ")[0]
    order = re.search(r"^`testing`.*$", layout, re.MULTILINE)
    assert order
    layers = re.search(
        r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert layers
    assert re.findall(r"`(\w+)`", order[0]) == re.findall(r"\w+", layers[1])
