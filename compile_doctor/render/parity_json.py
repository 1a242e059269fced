"""Parity as JSON, schema compile-doctor/parity/1: for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from compile_doctor.clean import cleaned
from compile_doctor.parity.result import Cell, Parity
from compile_doctor.render.json_format import finding_as_dict

SCHEMA = "compile-doctor/parity/1"


@cleaned
def render(parity: Parity, verbosity: int = 0, colour: bool = False) -> str:
    document = {
        "schema": SCHEMA,
        "subject": parity.subject,
        "environment": dict(parity.environment),
        "cells": [_cell(cell) for cell in parity.cells],
        "findings": [finding_as_dict(finding) for finding in parity.findings],
        "notes": list(parity.notes),
    }
    return json.dumps(document, indent=2) + "\n"


def _cell(cell: Cell) -> dict[str, Any]:
    """`known` only where there is something known: the contract's cell has no such key."""
    return {name: value for name, value in asdict(cell).items() if name != "known" or value}
