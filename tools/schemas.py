"""Writes compile_doctor/schemas/: the JSON Schemas of the documents, from the records that they are made of.

    python tools/schemas.py

The descriptions of the keys are the docstrings below the fields of the records. Python does not keep them, so this reads
the source.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compile_doctor import schemas
from compile_doctor.render import (
    bench_json,
    check_document,
    coldstart_json,
    fix_json,
    matrix_json,
    parity_json,
    report_document,
)

FOLDER = Path(schemas.__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DOCUMENTS = {
    "report": report_document.Report,
    "check": check_document.Check,
    "parity": parity_json.Parity,
    "bench": bench_json.Bench,
    "matrix": matrix_json.Matrix,
    "fix": fix_json.Mended,
    "coldstart": coldstart_json.ColdStart,
}


def schema(name: str) -> dict[str, Any]:
    """The schema of one document, as JSON. Raises KeyError for a record or a key without a docstring."""
    root = DOCUMENTS[name]
    _, parts = msgspec.json.schema_components([root], ref_template="#/$defs/{name}")
    documented: dict[str, str] = {}
    for file in [
        *sorted(Path(inspect.getfile(report_document)).parent.glob("*_document.py")),
        Path(inspect.getfile(root)),
    ]:
        documented |= _docstrings(file.read_text(encoding="utf-8"))
    for record, part in parts.items():
        part["description"] = documented[record]
        for key, found in part["properties"].items():
            found["description"] = documented[f"{record}.{key}"]
    identifier = schemas.IDENTIFIERS[name]
    head = {"$schema": DIALECT, "$id": f"urn:{identifier.replace('/', ':')}"}
    return {**head, **parts.pop(root.__name__), "title": identifier, "$defs": parts}


def text(name: str) -> str:
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def _docstrings(source: str) -> dict[str, str]:
    """{`Class` or `Class.field`: its docstring}."""
    found = {}
    for record in ast.parse(source).body:
        if isinstance(record, ast.ClassDef):
            found[record.name] = ast.get_docstring(record) or ""
            for field, below in zip(record.body, record.body[1:]):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    found[f"{record.name}.{ast.unparse(field.target)}"] = str(ast.literal_eval(below.value))
    return found


def main() -> None:
    for name in DOCUMENTS:
        (FOLDER / schemas.file_name(name)).write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
