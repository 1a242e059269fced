"""`compile-doctor report CAPTURE`."""

from __future__ import annotations

from pathlib import Path

import click

from compile_doctor.cli.options import OutputOptions, report_options
from compile_doctor.cli.output import finish


@click.command(name="report", short_help="Render a saved capture again, without torch.")
@click.argument("capture", type=click.Path(path_type=Path))
@report_options
def command(capture: Path, output: OutputOptions) -> int:
    """Renders CAPTURE (a directory from --capture, zipped or not, or a directory of TORCH_TRACE files) without torch.

    \b
    Examples:
      compile-doctor report run1
      compile-doctor report run1 -v
      compile-doctor report run1 --format json -o text:report.txt
    """
    from compile_doctor.capture.load import load_capture

    return finish(load_capture(capture), output)
