"""One page for each cause of graph breaks, and one table of torch's own ids."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.graph_breaks.causes import UPSTREAM_PAGE, Cause, RegistryEntry, causes, registry
from docsite.checks import of_cause
from docsite.page import Page, bullets, code, escape, facts, inline, sections, table

SOURCE = "compile_doctor/data/causes.yaml"
INTRODUCTION = """\
Why a graph breaks, and how to fix it. The `cause` of a finding is one of these names. Baselines contain the names, so they
never change. The first cause in this order that matches torch's reason is reported. Torch has its own ids for reasons: the
[table of torch's ids](torch-ids.md) links to these causes."""
IDS = """\
Since 2.9, torch writes one of its own ids into most graph breaks. Each id here links to torch's page about it.
`compile-doctor explain GB0170` shows torch's explanation in a terminal."""


def pages() -> Iterator[Page]:
    """The index, torch's ids, and a page for each cause, in the order in which they are tried."""
    rows = [(f"[{escape(one.title)}]({one.key}.md)", inline(one.key), of_cause(one)) for one in causes()]
    body = f"{INTRODUCTION}\n\n{table(('Cause', 'Name', 'Code'), rows)}"
    yield Page(
        "causes/index.md",
        "Causes",
        "Every cause of graph breaks that compile-doctor knows, with its fix.",
        body,
        SOURCE,
    )
    yield _ids()
    for one in causes():
        yield Page(f"causes/{one.key}.md", one.title, one.why, _body(one), SOURCE)


def upstream(gb_id: str) -> str:
    """A link to torch's page."""
    return f"[{gb_id}]({UPSTREAM_PAGE.format(gb_id.lower())})"


def _body(cause: Cause) -> str:
    about = facts(
        [
            ("Name", inline(cause.key)),
            ("Code", f"{of_cause(cause)}{', as an info: the break is intended' if cause.deliberate else ''}"),
        ]
    )
    patterns = bullets(f"{inline(one.pattern)}" for one in cause.patterns)
    return sections(
        ("", about),
        ("Why", escape(cause.why)),
        ("Fix", code(cause.fix)),
        ("Breaks", code(cause.before) if cause.before else ""),
        ("Compiles into one graph", code(cause.after) if cause.after else ""),
        ("Torch's ids", bullets(f"{upstream(one)} {_name(one)}" for one in cause.gb_ids)),
        ("Recognised in torch's reason", patterns),
    )


def _name(gb_id: str) -> str:
    entry = registry().get(gb_id)
    return escape(entry.name) if entry else ""


def _ids() -> Page:
    known = {gb_id: one for one in reversed(causes()) for gb_id in one.gb_ids}
    rows = []
    for entry in registry().values():
        cause = known.get(entry.gb_id)
        link = f"[{inline(cause.key)}]({cause.key}.md)" if cause else "none: torch's hints are shown"
        rows.append((upstream(entry.gb_id), escape(entry.name), _seen(entry), link))
    body = f"{IDS}\n\n{table(('Id', 'Name', 'Torch', 'Cause'), rows)}"
    about = f"The {len(rows)} graph break ids of torch, their versions, and the causes that they are reported as."
    return Page(
        "causes/torch-ids.md", "Torch's ids", about, body, "compile_doctor/data/graph_breaks.json", hide=("toc",)
    )


def _seen(entry: RegistryEntry) -> str:
    first, last = (version.rpartition(".")[0] for version in (entry.first, entry.last))
    return f"{first} to {last}" if entry.gone else f"{first} and later"
