"""Results of `bench` made by hand: what the renderers and the plot are tested with."""

from __future__ import annotations

from compile_doctor.bench.result import Bench, Row, ranked

SPEEDS = {"flex-compiled": 8e-9, "sdpa-flash": 1.1e-8, "sdpa-math": 6e-8, "flex-eager": 3e-7}
ENVIRONMENT = {
    "torch": "2.13.0+cpu",
    "python": "3.11.7",
    "device": "cpu",
    "cpu": "AMD EPYC",
    "threads": 2,
    "dtype": "float32",
    "load_average": 0.1,
    "cores": 2,
}
INPUTS = {
    "convention": "",
    "tokens": [512, 1024, 2048],
    "batch": 1,
    "heads": 8,
    "kv_heads": None,
    "head_dim": 64,
    "dtype": "float32",
    "grad": False,
}


def row(case: str, tokens: int | None, name: str, median: float, **more: object) -> Row:
    figures = {"p25": median * 0.98, "p75": median * 1.03, "calls": 40, "peak_bytes": 4_200_000, "difference": 1e-7}
    return Row(case, tokens, name, "measured", median, **{**figures, **more})  # type: ignore[arg-type]


def attention_bench(cases: tuple[str, ...] = ("causal", "sliding-window", "decode")) -> Bench:
    """Three cases at three sizes; flex-eager does not fit at the largest, one backend is refused everywhere."""
    rows = []
    for case in cases:
        for tokens in (512, 1024, 2048):
            queries = 1 if case == "decode" else tokens
            for name, speed in SPEEDS.items():
                if name == "flex-eager" and tokens == 2048:
                    reason = "it stores all scores or the full mask: 7.0 GB needed, 3.2 GB free"
                    rows.append(Row(case, tokens, name, "not-run", reason=reason))
                    continue
                compiled = {"compile_seconds": 7.25} if name == "flex-compiled" else {}
                rows.append(row(case, tokens, name, queries * tokens * speed, positions=queries, **compiled))
            rows.append(Row(case, tokens, "sdpa-cudnn", "unsupported", reason="not on this device"))
    return Bench("suite", ENVIRONMENT, INPUTS, ranked(rows))
