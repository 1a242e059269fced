"""The result of `fix` as text: what was gained, the diff, what was compared, and what is left."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from compile_doctor.clean import cleaned
from compile_doctor.mend.result import Mended
from compile_doctor.render import mend_words as words
from compile_doctor.render.console import make_console, printed

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@cleaned
def render(mended: Mended, verbosity: int = 0, colour: bool = False) -> str:
    console = make_console(colour)
    environment = mended.environment
    known = ", ".join(filter(None, (f"torch {environment.get('torch')}", environment.get("device"))))
    console.print(f"{mended.target} · {known}", soft_wrap=True)
    console.print()
    console.print(words.headline(mended), style="bold")
    if mended.kept:
        console.print()
        for name, before, after in words.gains(mended):
            console.print(f"   {name:<18} {before:>12} → {after}", soft_wrap=True)
    for step in mended.steps:
        if step.state == "kept":
            _wrapped(console, "kept", words.step_line(step, mended), "green")
        elif verbosity:
            _wrapped(console, "dropped", f"{words.step_line(step, mended)}: {step.reason}", "yellow")
    if mended.files:
        console.print()
        for line in mended.patch().splitlines():
            console.print(line, style=_COLOURS.get(line[:1]), soft_wrap=True)
    for line in words.honesty(mended):
        console.print()
        _wrapped(console, "", line)
    if mended.left:
        console.print()
        console.print("Left", style="bold")
        for left in mended.left:
            _wrapped(console, "", words.left_line(left, mended))
    console.print()
    for line in words.closing(mended):
        console.print(line, soft_wrap=True)
    return printed(console)


def _wrapped(console: Console, label: str, text: str, style: str = "") -> None:
    head = f"   {label:<8} " if label else "   "
    for number, line in enumerate(Text(text).wrap(console, console.width - len(head))):
        console.print((" " * len(head) if number else head) + line.plain.rstrip(), style=style or None, soft_wrap=True)
