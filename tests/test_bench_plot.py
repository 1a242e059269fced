"""The picture of `bench --plot`, from hand-made results; and what happens without matplotlib."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from bench_helper import attention_bench

from compile_doctor.bench.result import Bench
from compile_doctor.errors import UsageError
from compile_doctor.render.bench_text import seconds
from compile_doctor.render.plot import check_plot, plot_bench


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError) as caught:
        check_plot(tmp_path / "x.svg")
    assert "compile-doctor[plot]" in caught.value.hint


def test_only_pictures_that_it_can_draw(tmp_path):
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        check_plot(tmp_path / "x.pdf")
    with pytest.raises(UsageError, match="not a directory"):
        check_plot(tmp_path / "missing" / "x.svg")


class TestWithMatplotlib:
    @pytest.fixture(autouse=True)
    def _needed(self):
        pytest.importorskip("matplotlib")

    def test_the_same_results_give_the_same_bytes(self, tmp_path):
        paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
        for path in paths:
            plot_bench(attention_bench(), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert b"<dc:date>" not in paths[0].read_bytes()

    def test_a_panel_for_each_case_and_a_line_for_each_implementation(self, tmp_path):
        plot_bench(attention_bench(), tmp_path / "a.svg")
        tree = ET.parse(tmp_path / "a.svg")
        groups = {one.get("id") or "" for one in tree.iter("{http://www.w3.org/2000/svg}g")}
        assert {"axes_1", "axes_2", "axes_3"} <= groups
        assert "axes_4" not in groups
        comments = (tmp_path / "a.svg").read_text(encoding="utf-8")
        assert comments.count("larger: not run") == 3, "flex-eager has no largest size, in each panel"
        for text in ("causal", "sliding-window", "decode", "flex-compiled", "sdpa-math", "2.13.0+cpu", "AMD EPYC"):
            assert text in comments

    @pytest.mark.parametrize("tokens", [2048, None])
    def test_one_size_gets_bars_with_their_times(self, tmp_path, tokens):
        whole = attention_bench(("causal",))
        rows = tuple(replace(one, tokens=tokens) for one in whole.rows if one.tokens == 2048)
        paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
        for path in paths:
            plot_bench(replace(whole, rows=rows), path)
        text = paths[0].read_text(encoding="utf-8")
        assert paths[0].read_bytes() == paths[1].read_bytes()
        for one in rows:
            assert (one.median is None) or seconds(one.median) in text
        assert ("2,048 tokens" in text) == (tokens is not None)
        assert "FillBetweenPolyCollection" not in text and "PolyCollection" not in text, "no band: there is no line"

    def test_a_png_is_one(self, tmp_path):
        plot_bench(attention_bench(), tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    def test_nothing_to_draw_is_said(self, tmp_path):
        with pytest.raises(UsageError, match="nothing to plot"):
            plot_bench(Bench("suite", {}, {}, ()), tmp_path / "a.svg")
