"""What `bench` measured as JSON, schema compile-doctor/bench/1: seconds and bytes, never rounded."""

from __future__ import annotations

import json
from typing import Any

from compile_doctor.bench.result import Bench, Row
from compile_doctor.clean import cleaned

SCHEMA = "compile-doctor/bench/1"


@cleaned
def render_bench(bench: Bench) -> str:
    return json.dumps(as_dict(bench), indent=2) + "\n"


def as_dict(bench: Bench) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "subject": bench.subject,
        "environment": dict(bench.environment),
        "inputs": dict(bench.inputs),
        "rows": [_row(row) for row in bench.rows],
        "patches": [dict(one) for one in bench.patches],
        "notes": list(bench.notes),
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "case": row.case,
        "tokens": row.tokens,
        "implementation": row.implementation,
        "status": row.status,
        "median_seconds": row.median,
        "p25_seconds": row.p25,
        "p75_seconds": row.p75,
        "calls": row.calls,
        "noisy": row.noisy,
        "ratio": row.ratio,
        "positions": row.positions,
        "seconds_per_token": row.per_token,
        "peak_bytes": row.peak_bytes,
        "compile_seconds": row.compile_seconds,
        "compile_cached": row.compile_cached,
        "recompiles": row.recompiles,
        "difference": row.difference,
        "tolerance": row.tolerance,
        "reason": row.reason,
    }
