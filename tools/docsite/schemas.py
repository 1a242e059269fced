"""One page for each JSON Schema: the keys of a document and of the records in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from compile_doctor.schemas import IDENTIFIERS, file_name, published
from docsite.page import Page, code, escape, inline, table

INTRODUCTION = """\
The documents that `--format json` writes, by the value of their key `schema`. [JSON](../docs/json.md) explains what a
version promises. `compile-doctor explain compile-doctor/report/1` prints a schema."""


def pages() -> Iterator[Page]:
    """The index, and a page for each schema."""
    found = {name: json.loads(published(identifier) or "") for name, identifier in IDENTIFIERS.items()}
    rows = [(f"[{one['title']}]({name}.md)", escape(one["description"])) for name, one in found.items()]
    body = f"{INTRODUCTION}\n\n{table(('Schema', 'Document'), rows)}"
    yield Page("schemas/index.md", "JSON schemas", "The JSON documents that compile-doctor writes, key by key.", body)
    for name, one in found.items():
        path = f"compile_doctor/schemas/{file_name(name)}"
        yield Page(f"schemas/{name}.md", one["title"], one["description"], _body(name, one), path)


def _body(name: str, schema: Mapping[str, Any]) -> str:
    source = f"../compile_doctor/schemas/{file_name(name)}"
    parts = [f"{escape(schema['description'])} [The schema]({source}).", _keys(schema)]
    for record, part in sorted(schema.get("$defs", {}).items()):
        parts += [f"## {record}", escape(part.get("description", "")), _keys(part)]
    return "\n\n".join(part for part in parts if part)


def _keys(part: Mapping[str, Any]) -> str:
    if "properties" not in part:
        return code(json.dumps(part, indent=2), "json")
    rows = [
        (inline(key), _type(found), escape(found.get("description", ""))) for key, found in part["properties"].items()
    ]
    return table(("Key", "Type", "Meaning"), rows)


def _type(found: Mapping[str, Any]) -> str:
    """`array of Finding`, `string or null`."""
    if "$ref" in found:
        name = found["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in found:
        return ", ".join(inline(json.dumps(value)) for value in found["enum"])
    if "anyOf" in found:
        return " or ".join(_type(one) for one in found["anyOf"])
    kind = found.get("type", "any")
    if "prefixItems" in found:  # of a fixed length: `items` is then false
        return f"array of {' and '.join(_type(one) for one in found['prefixItems'])}"
    if kind == "array":
        return f"array of {_type(found.get('items', {}))}"
    if kind == "object" and isinstance(found.get("additionalProperties"), dict):
        return f"object of {_type(found['additionalProperties'])}"
    return str(kind)
