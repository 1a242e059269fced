"""What was measured on an H100, in benchmarks/: valid documents, read back, shown by today's code. No torch."""

from __future__ import annotations

import json
import sys

import jsonschema
import pytest
from conftest import ROOT

from compile_doctor import schemas
from compile_doctor.bench.result import STATUSES
from compile_doctor.render.bench_json import as_dict
from compile_doctor.render.bench_text import render

sys.path.insert(0, str(ROOT / "benchmarks"))
import bench
import parity

README = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
PARITY, BENCH = (ROOT / "benchmarks" / folder / "2.11.0-cuda.json" for folder in ("parity", "bench"))


def document(path, name):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    schema = json.loads(schemas.published(f"compile-doctor/{name}/1") or "")
    jsonschema.Draft202012Validator(schema).validate(found)
    assert found["environment"]["gpu"].startswith("NVIDIA H100")
    return found


def test_the_tables_of_parity_are_what_its_document_says():
    found = parity.as_parity(document(PARITY, "parity"))
    assert parity.render(found, 1) == PARITY.with_suffix(".md").read_text(encoding="utf-8")
    assert {cell.dtype for cell in found.cells} == {"float32", "bfloat16", "float16"}
    wrong = {(cell.case, cell.implementation, cell.direction) for cell in found.cells if cell.status == "FAIL"}
    assert wrong == {("left-padding", name, "backward") for name in ("sdpa-cudnn", "sdpa-compiled")}


def test_the_rows_of_bench_are_ranked_as_far_as_their_spread_allows():
    whole = document(BENCH, "bench")
    found = bench.as_bench(whole)
    again = {(row["case"], row["tokens"], row["implementation"]): row for row in as_dict(found)["rows"]}
    changed = set()
    for row in whole["rows"]:
        place = (row["case"], row["tokens"], row["implementation"])
        now = again.pop(place)
        if now["ratio"] is None and row["ratio"] is not None:
            changed.add(place)
            now["ratio"] = row["ratio"]
        assert now == pytest.approx(row)
    assert again == {}
    near = ("sdpa-flash", "sdpa-cudnn")
    assert changed == {
        *(("decode", tokens, name) for tokens in (4096, 16384) for name in near),
        *(("decode-gqa", 16384, name) for name in near),
    }
    assert "too noisy to rank" in render(found)
    assert {row.status for row in found.rows} <= set(STATUSES)


@pytest.mark.parametrize("module", [bench, parity], ids=["bench", "parity"])
def test_the_readme_has_the_tables_of_the_files(module):
    name = module.__name__
    table = README.partition(f"<!-- table: {name} -->\n")[2].partition(f"\n<!-- end: {name} -->")[0]
    assert table == module.summary()
