"""The streaming reader: block boundaries, damage, and memory."""

from __future__ import annotations

import io
import random
import tracemalloc

import pytest
from helpers import artifact, graph_break, interned, metrics, one_break, record, start

from compile_doctor.capture.trace import stream as trace_stream
from compile_doctor.capture.trace.kinds import WANTED, is_known
from compile_doctor.capture.trace.stream import records

WHOLE = (
    one_break()
    + record({"describe_storage": {}, "has_payload": "x"}, '{\n"name": "x"\n}')
    + artifact("recompile_reasons", "1/0: k == 2\n\nVery far\nV1121 looks like a header")
    + record({"artifact": {"encoding": "json", "name": "torch_version"}}, '{"pytorch_version": "2.13.0"}')
    + metrics(3)
)


def read_all(content: bytes, wanted=WANTED):
    return list(records(io.BytesIO(content), wanted))


def test_every_record_in_order_with_content_only_where_wanted():
    found = read_all(WHOLE)
    assert [item.kind for item in found][:5] == [
        "str",
        "dynamo_start",
        "artifact:dynamo_graph_break_reason",
        "dynamo_output_graph",
        "compilation_metrics",
    ]
    unread = next(item for item in found if item.kind == "describe_storage")
    assert (unread.pid, unread.json, unread.payload) == ("", b"", b"")
    assert all(item.pid == "7" and item.json.startswith(b"{") for item in found if item.kind in WANTED)
    assert found[-2].kind == "artifact:torch_version"  # the name is not always the first key
    assert found[-2].payload == b'\n{"pytorch_version": "2.13.0"}'
    assert b"\nV1121 looks like a header" in found[-3].payload  # lines of a payload begin with a tab


@pytest.mark.parametrize("size", [*range(1, 40), 61, 127, 128, 129, 500, 1024, 4096])
def test_block_size_changes_nothing(monkeypatch, size):
    expected = read_all(WHOLE)
    monkeypatch.setattr(trace_stream, "BLOCK", size)
    assert read_all(WHOLE) == expected


def test_random_traces_and_block_sizes(monkeypatch):
    dice = random.Random(4)
    pieces = [
        interned("/a.py", 1),
        start(),
        graph_break(),
        metrics(),
        record({"link": {}}),
        artifact("dynamo_error", "V\n\nV\n"),
        b"",
        b"\n",
    ]
    for _ in range(60):
        content = b"".join(dice.choices(pieces, k=dice.randrange(1, 9)))[dice.randrange(50) :]
        monkeypatch.setattr(trace_stream, "BLOCK", 1 << 20)
        expected = read_all(content)
        monkeypatch.setattr(trace_stream, "BLOCK", dice.randrange(1, 90))
        assert read_all(content) == expected


@pytest.mark.parametrize("size", [1, 7, 40, 90, 5000, 1 << 20])
def test_ignored_records_are_skipped_and_counted(monkeypatch, size):
    """The quick way through ignored records finds what the slow way finds, whatever the window."""
    dice = random.Random(5)
    pieces = [
        start(),
        metrics(),
        record({"chromium_event": {}, "has_payload": "x"}, "VVV\nV of a payload\n" + "V" * 700),
        record({"link": {}}),
        artifact("fx_graph_runnable", "code"),
        artifact("fx_graph_cache_miss", "{}"),  # its name is also like those of ignored kinds
        artifact("torch_version", "{}"),
        record({"artifact": {"encoding": "json", "name": "fx_graph_runnable"}}, "{}"),
        b'V1121 broken ] {"chromium_event": {}}\n',
        b"V not a record\n",
        record({"brand_new": {}}),
    ]
    for _ in range(60):
        content = b"".join(dice.choices(pieces, k=dice.randrange(1, 40)))[dice.randrange(50) :]
        monkeypatch.setattr(trace_stream, "BLOCK", 1 << 20)
        expected = [one for one in read_all(content) if one.kind in WANTED or not is_known(one.kind)]
        monkeypatch.setattr(trace_stream, "BLOCK", size)
        monkeypatch.setattr(trace_stream, "NEAR", 4096 if size > 4096 else 200)
        assert list(records(io.BytesIO(content), WANTED, is_known)) == expected


def test_nothing_in_an_empty_file():
    assert read_all(b"") == []
    assert read_all(b"\n") == []
    assert read_all(b"\tonly the rest of a payload\n\tand more\n") == []


def test_a_header_without_payload_at_the_end():
    for content in (start(), start().rstrip(b"\n")):
        (found,) = read_all(content)
        assert found.kind == "dynamo_start"
        assert found.payload.strip() == b""


def test_cut_in_the_middle_of_a_payload_keeps_what_is_there():
    whole = artifact("dynamo_error", "first line\nsecond line")
    (found,) = read_all(whole[:-8])
    assert found.payload == b"\nfirst line\nseco"


@pytest.mark.parametrize("cut", range(1, 95))
def test_cut_in_the_middle_of_a_header_is_no_record_of_content(cut):
    header = start().rstrip(b"\n")
    found = read_all(metrics() + header[:-cut])
    assert found[0].kind == "compilation_metrics"
    assert len(found) == 2
    # What matched by chance is no JSON: the reader above counts it as malformed.
    assert found[1].kind in ("malformed", "dynamo_start")


def test_a_header_that_cannot_be_read_is_malformed():
    for line in (
        b"V nothing of it\n",
        b"V1121 01:11 7 a.py:1] not json\n",
        b'V1121 01:11 7 a.py:1] {"artifact": {}}\n',
        b"V\n",
    ):
        assert [item.kind for item in read_all(line)] == ["malformed"]
    wanted_but_torn = b'V1121 broken ] {"dynamo_start": {"stack": []}}\n'
    assert [item.kind for item in read_all(wanted_but_torn)] == ["malformed"]


def test_bytes_that_are_no_utf8_pass_through():
    content = artifact("dynamo_error", "x") + b"\t\xff\xfe\x80\n" + metrics()
    first, second = read_all(content)
    assert b"\xff\xfe\x80" in first.payload
    assert second.kind == "compilation_metrics"


def test_a_huge_payload_is_cut_and_the_next_record_is_found(monkeypatch):
    monkeypatch.setattr(trace_stream, "LONGEST_PAYLOAD", 1000)
    monkeypatch.setattr(trace_stream, "BLOCK", 256)
    first, second = read_all(artifact("dynamo_error", "x" * 50_000) + metrics())
    assert 1000 <= len(first.payload) <= 1256
    assert second.kind == "compilation_metrics"


def test_a_header_longer_than_torch_allows_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(trace_stream, "LONGEST_HEADER", 500)
    monkeypatch.setattr(trace_stream, "BLOCK", 100)
    found = read_all(record({"dynamo_start": {"stack": ["x" * 5000]}}) + metrics())
    assert found[0].kind == "malformed"
    assert found[-1].kind == "compilation_metrics"


def test_memory_stays_constant(tmp_path):
    path = tmp_path / "trace.log"
    code = "\n".join(f"buf{number} = empty_strided((4, 8), (8, 1))" for number in range(8000))
    one = (
        one_break()
        + record({"inductor_output_code": {}, "has_payload": "x"}, code)
        + artifact("dynamo_error", code[:20_000])
    )
    with path.open("wb") as file:
        while file.tell() < 30_000_000:
            file.write(one)
    tracemalloc.start()
    with path.open("rb") as file:
        count = sum(1 for _ in records(file, WANTED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 500
    assert peak < 10_000_000
