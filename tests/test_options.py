"""Options are declared once and passed on as one object of each kind; formats are found by the names of their files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

from compile_doctor import render
from compile_doctor.cli.options import CompileOptions, OutputOptions, RunOptions, gathered, report_options, settings
from compile_doctor.errors import UsageError
from compile_doctor.model.asked import Settings


@click.command()
@gathered(CompileOptions, "compiling", click.option("--tokens", type=int), click.option("--grad", is_flag=True))
@click.option("--own")
@report_options
def command(compiling: CompileOptions, own: str | None, output: OutputOptions) -> tuple[object, ...]:
    return compiling, own, output


def called(*arguments: str) -> tuple[object, ...]:
    found: tuple[object, ...] = command.main(list(arguments), standalone_mode=False)
    return found


def test_a_command_gets_one_object_of_each_kind_and_its_own_options(tmp_path):
    assert called() == (CompileOptions(grad=False), None, OutputOptions())
    given = ("--tokens", "8", "--grad", "--own", "x", "-o", f"json:{tmp_path / 'a'}", "-vv", "--fail-on", "never")
    output = OutputOptions(files=(("json", tmp_path / "a"),), fail_on="never", verbose=2)
    assert called(*given) == (CompileOptions(tokens=8, grad=True), "x", output)


@pytest.mark.parametrize("wrong", ["json", "pdf:a", "json:", "json:missing/a"])
def test_a_file_that_cannot_be_written_is_refused_before_the_command_begins(wrong):
    with pytest.raises(UsageError, match=f"-o {wrong}: "):
        called("-o", wrong)


def test_what_was_not_given_has_the_default_of_the_settings():
    assert settings(CompileOptions(), RunOptions()) == Settings()
    given = settings(CompileOptions(tokens=8, dynamic=False), RunOptions(repeat=1, patches="auto"), chunks=(4,))
    assert given == Settings(tokens=8, dynamic=False, repeat=1, patches="auto", chunks=(4,))


def test_every_setting_is_an_option():
    options = {one.name for kind in (CompileOptions, RunOptions) for one in fields(kind)}
    assert {one.name for one in fields(Settings)} - options == {"chunks", "regional"}


@pytest.mark.parametrize(("of", "file"), [("report", "pdf_format"), ("parity", "parity_pdf"), ("bench", "bench_pdf")])
def test_a_format_is_found_by_the_name_of_its_file(tmp_path, monkeypatch, of, file):
    assert "pdf" not in render.formats(of)
    (tmp_path / f"{file}.py").write_text("")
    monkeypatch.setattr(render, "__path__", [*render.__path__, str(tmp_path)])
    assert "pdf" in render.formats(of)
    assert all("pdf" not in render.formats(other) for other in {"report", "parity", "bench"} - {of})


def test_help_imports_no_renderer():
    heavy = "{'rich', 'torch', 'msgspec', 'compile_doctor.report.make', 'compile_doctor.gate.outcome'}"
    names = ("diagnose", "run", "report", "parity", "bench", "check", "env", "patches")
    code = f"import sys, {', '.join(f'compile_doctor.cli.{one}' for one in names)}; sys.exit(str({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    assert done.stderr.strip() == "set()"
