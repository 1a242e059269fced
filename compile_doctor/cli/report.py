"""`compile-doctor report CAPTURE`."""

from __future__ import annotations

from pathlib import Path

import click

from compile_doctor.clean import say
from compile_doctor.cli.options import OutputOptions, report_options
from compile_doctor.cli.output import finish
from compile_doctor.errors import UsageError


@click.command(name="report", short_help="Render a saved capture again, without torch.")
@click.argument("captures", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="CAPTURE…")
@click.option(
    "--digest",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a small capture instead, in which ranks that did the same share one's files.",
)
@click.option(
    "--ray",
    "address",
    metavar="ADDRESS",
    help="Read captures where they are: CAPTURE is a pattern on each node of this Ray cluster (auto, HOST:PORT).",
)
@click.option(
    "--before",
    type=click.Path(path_type=Path),
    metavar="CAPTURE",
    help="Compare with this capture of an earlier run: why its cache on disk does not serve this run (CD513).",
)
@report_options
def command(
    captures: tuple[Path, ...], digest: Path | None, address: str | None, before: Path | None, output: OutputOptions
) -> int:
    """Renders CAPTURE (a directory from --capture, zipped or not, or a directory of TORCH_TRACE files) without torch.

    Several captures are read as one run with ranks: one of each machine.

    \b
    Examples:
      compile-doctor report run1
      compile-doctor report run1 -v
      compile-doctor report today --before yesterday
      compile-doctor report run1 --format json -o text:report.txt
      compile-doctor report machine1 machine2.zip
      compile-doctor report machine1 --digest machine1-digest
      compile-doctor report --ray auto '/scratch/run1-*'
    """
    if before is not None:
        from compile_doctor.report.before import load_before

        if len(captures) > 1 or digest is not None or address is not None:
            raise UsageError("--before compares one capture with another: omit the other options and captures.")
        return finish(load_before(captures[0], before), output)
    if address is not None:
        from compile_doctor.capture.on_ray import load_on_ray

        if digest is not None:
            raise UsageError("--digest writes where the capture is: omit --ray.")
        return finish(load_on_ray([str(one) for one in captures], address), output)
    if digest is not None:
        from compile_doctor.capture.digest import write_digest

        if len(captures) > 1:
            raise UsageError("--digest takes one capture: make one digest on each machine.")
        size, after = write_digest(captures[0], digest)
        say(f"compile-doctor: {digest} has {after:,} bytes, the capture {size:,}.")
        return 0
    from compile_doctor.capture.many import load_captures

    return finish(load_captures(captures), output)
