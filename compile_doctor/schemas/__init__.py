"""The JSON Schemas of what `--format json` writes, as files of this package: `make schemas` writes them."""

from __future__ import annotations

from importlib import resources

IDENTIFIERS = {
    name: f"compile-doctor/{name}/1" for name in ("report", "check", "parity", "bench", "matrix", "fix", "coldstart")
}
"""What a document has under `schema`."""


def file_name(name: str) -> str:
    return f"{IDENTIFIERS[name].removeprefix('compile-doctor/').replace('/', '-')}.schema.json"


def published(identifier: str) -> str | None:
    """The schema with this identifier, such as `compile-doctor/report/1`; None if there is none."""
    name = next((name for name, one in IDENTIFIERS.items() if one == identifier.strip()), None)
    if name is None:
        return None
    return resources.files(__name__).joinpath(file_name(name)).read_text(encoding="utf-8")
