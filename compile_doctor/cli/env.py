"""`compile-doctor env`."""

from __future__ import annotations

import click


@click.command(name="env", short_help="What this machine can compile for.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(format_: str) -> int:
    """Shows torch, the C++ compiler, Triton, the devices, and the settings that change what torch.compile does.

    \b
    Examples:
      compile-doctor env
      compile-doctor env --format json
    """
    import json

    from compile_doctor.inspect_env import inspect_environment

    facts = inspect_environment()
    if format_ == "json":
        click.echo(json.dumps({"schema": "compile-doctor/env/1", **facts}, indent=2))
    else:
        width = max(len(name) for name in facts)
        for name, value in facts.items():
            click.echo(f"{name:<{width}}  {_words(value)}")
    return 0 if facts.get("can compile") else 1


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
