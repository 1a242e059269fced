"""One page for each shipped example: what it shows, its variants, and its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from compile_doctor.examples import example_names, example_path, example_summary, example_variants
from docsite.page import Page, code, escape, inline, prose, sections, table

INTRODUCTION = """\
Small models that are shipped with the package. Each is a target: `compile-doctor diagnose example:NAME`. A variant, which
usually has a mistake, is `example:NAME:VARIANT`. `compile-doctor examples NAME --copy .` copies an example, so that you can
change it."""


def pages() -> Iterator[Page]:
    """The index, and a page for each example."""
    rows = [
        (f"[{name}]({name}.md)", escape(example_summary(name)), ", ".join(map(inline, example_variants(name))) or "–")
        for name in example_names()
    ]
    body = f"{INTRODUCTION}\n\n{table(('Example', 'What it is', 'Variants'), rows)}"
    yield Page(
        "examples/index.md",
        "Examples",
        "The models that compile-doctor ships, correct ones and ones with mistakes.",
        body,
    )
    for name in example_names():
        path = f"compile_doctor/examples/{example_path(name).name}"
        yield Page(f"examples/{name}.md", name, example_summary(name), _body(name), path, hide=("toc",))


def _body(name: str) -> str:
    text = example_path(name).read_text(encoding="utf-8")
    runs = [f"example:{name}", *(f"example:{name}:{variant}" for variant in example_variants(name))]
    commands = "\n".join(f"compile-doctor diagnose {run}" for run in runs)
    return sections(
        ("", prose(ast.get_docstring(ast.parse(text)) or "")),
        ("Run it", code(commands, "sh")),
        ("Source", code(text)),
    )
