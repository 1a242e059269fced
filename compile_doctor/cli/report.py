"""`compile-doctor report CAPTURE`."""

from __future__ import annotations

from pathlib import Path

import click

from compile_doctor.cli.output import check_outputs, finish, report_options


@click.command(name="report", short_help="Render a saved capture again; needs no torch.")
@click.argument("capture", type=click.Path(path_type=Path))
@report_options
def command(capture: Path, format_: str, output: tuple[str, ...], fail_on: str, verbose: int, quiet: bool) -> int:
    """Renders CAPTURE (a directory from --capture, zipped or not, or one of TORCH_TRACE files) without torch.

    \b
    Examples:
      compile-doctor report run1
      compile-doctor report run1 -v
      compile-doctor report run1 --format json -o text:report.txt
    """
    from compile_doctor.capture.load import load_capture

    check_outputs(output)
    return finish(load_capture(capture), format_, output, fail_on, verbose, quiet)
