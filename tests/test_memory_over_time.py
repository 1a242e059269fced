"""The memory of one call over time: a bounded series in the evidence, in JSON and as a picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import evidence
from html_page import Page

from compile_doctor.model.attention import POINTS, AttentionEvidence, Window
from compile_doctor.probe.memory.over_time import over_time
from compile_doctor.render import html_format, json_format
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report


def report(*points: tuple[int, int]) -> Report:
    windows = (Window("7:graph:1", 9, 9), Window("call", 400, 300, series=points))
    return make_report(evidence(attention=replace(AttentionEvidence(), windows=windows)))


def test_allocations_are_added_up_in_the_order_of_time():
    assert over_time([(9_000, -100), (1_000, 100), (5_000, 200)]) == [(1, 100), (5, 300), (9, 200)]


def test_a_long_series_keeps_its_highest_point_and_is_short():
    changes = [(1_000 * at, 10 if at % 2 else -10) for at in range(1, 100_000)]
    changes += [(50_000_500, 10**9), (50_000_600, -(10**9))]
    found = over_time(changes)
    assert len(found) <= POINTS and max(size for _, size in found) >= 10**9
    assert found == sorted(found, key=lambda point: point[0])


def test_json_has_the_points_and_the_peak():
    assert json_format.as_dict(report((1, 100), (5, 400), (9, 200)))["memory"] == {
        "peak_bytes": 400,
        "points": [[1, 100], [5, 400], [9, 200]],
    }
    assert json_format.as_dict(report())["memory"] is None


def test_the_page_has_a_picture_and_a_table():
    page = Page(html_format.render(report((1_000, 100_000), (5_000, 400_000), (9_000, -50_000))))
    assert page.problems == []
    section = next(one for one in page.root.all("section") if one.attributes["id"] == "memory")
    assert "At most 400.0 KB, 5 ms after the call began" in section.text
    (line,) = (
        one for one in section.all("path") if one.attributes.get("class") == "line" and "V" in one.attributes["d"]
    )
    heights = [float(part.split("H")[0]) for part in line.attributes["d"].split("V")[1:]]
    assert heights[1] < heights[0] < heights[2], "the highest point is the highest"
    assert [cell.text for cell in section.all("td")] == ["100.0 KB", "400.0 KB", "-50.0 KB"]


@pytest.mark.parametrize("points", [(), ((0, 0),), ((0, -5), (0, -5))])
def test_a_series_without_a_height_is_drawn_or_left_out(points):
    assert Page(html_format.render(report(*points))).problems == []
