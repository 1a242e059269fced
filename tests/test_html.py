"""The HTML pages: valid, complete without script, nothing from outside, and whatever is in them stays text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from bench_helper import attention_bench
from helpers import MODEL, a_break, about, compilation, evidence, ids, interned, metrics, read, record, start
from html_page import Page
from test_coldstart import three_starts
from test_fix import mended
from test_formats import GATES, HOSTILE, REPORTS, gate, hostile

from compile_doctor.bench.result import Bench, Row
from compile_doctor.capture import load_capture
from compile_doctor.gate.outcome import Outcome
from compile_doctor.matrix.result import Cell as MatrixCell
from compile_doctor.matrix.result import Matrix
from compile_doctor.model.compilations import Compilation
from compile_doctor.model.evidence import Child
from compile_doctor.model.findings import Finding, Location
from compile_doctor.model.guards import GuardCost, SlowGuard
from compile_doctor.model.kept_text import kept
from compile_doctor.model.timeline import CacheAnswer, Call, Span, Timing
from compile_doctor.parity.result import Cell, Parity
from compile_doctor.render import bench_html, coldstart_html, fix_html, html_format, matrix_html, parity_html
from compile_doctor.report.by_rank import RankRow, RankTable
from compile_doctor.report.make import make_report
from compile_doctor.report.report import Report

EVIDENCE = Path(__file__).parent / "evidence"
LARGEST = 5_000_000
"""Bytes of a page with very many findings."""


def page(text: str) -> Page:
    found = Page(text)
    assert found.problems == []
    return found


def replayed(name: str) -> Report:
    return make_report(load_capture(EVIDENCE / f"{name}.zip"))


def parity() -> Parity:
    cells = [
        Cell("causal", heads, dtype, direction, name, status, 1e-3, 1e-2, "why" if status != "PASS" else None)
        for heads in ("mha", "gqa")
        for dtype in ("float32", "bfloat16")
        for direction in ("forward", "backward")
        for name, status in (("flex-compiled", "PASS"), ("sdpa-flash", "FAIL"), ("sdpa-math", "DRIFT"))
    ]
    return Parity(
        "suite",
        {"torch": "2.13.0", "device": "cpu"},
        (*cells, Cell("causal", "mqa", "float32", "forward", "sdpa-cudnn", "UNSUPPORTED", reason="no <cuda>")),
    )


def matrix() -> Matrix:
    cells = [
        MatrixCell("2.13.0", {"window": "1"}, "compile-doctor diagnose", "unhealthy", "", REPORTS["break"], "/c", "/o"),
        MatrixCell("2.13.0", {"window": "2"}, "compile-doctor diagnose", "healthy", "", REPORTS["healthy"]),
        MatrixCell("2.99.0", {"window": "2"}, "compile-doctor diagnose", "not-run", "No solution found."),
    ]
    return Matrix("model.py", ("window",), tuple(cells), "/x", ("a note",))


PAGES = {
    **{f"report-{name}": lambda one=one: html_format.render(one) for name, one in REPORTS.items()},
    **{f"gate-{name}": lambda one=one: html_format.render_gate(one) for name, one in GATES.items()},
    **{
        f"replayed-{name.replace('/', '-')}": lambda name=name: html_format.render(replayed(name))
        for name in (
            "2.13.0/break-rope-scale-three-deep",
            "2.13.0/recompile-limit-layer-index",
            "2.13.0/cd601-fires",
            "2.13.0/cd002-fires",
            "2.8.0/break-twelve-layers-same-line",
            "2.11.0+cu130-h100/sliding-window",
            "2.11.0+cu130-h100/graphs-overwritten",
            "ranks/break-on-rank-1",
            "ranks/fsdp-block-logs-on-rank-0",
        )
    },
    "parity": lambda: parity_html.render(parity()),
    "parity-verbose": lambda: parity_html.render(parity(), 1),
    "bench": lambda: bench_html.render(attention_bench()),
    "bench-nothing": lambda: bench_html.render(Bench("suite", {}, {}, ())),
    "matrix": lambda: matrix_html.render(matrix()),
    "fix": lambda: fix_html.render(mended()),
    "coldstart": lambda: coldstart_html.render(three_starts()),
    "coldstart-failed": lambda: coldstart_html.render(replace(three_starts(), starts=(), problem="It <failed>.")),
}


@pytest.mark.parametrize("made", PAGES.values(), ids=PAGES)
def test_every_page_keeps_the_rules(made):
    text = made()
    page(text)
    assert text == made(), "the same bytes each time"


def test_the_rules_find_what_they_are_for():
    good = html_format.render(REPORTS["break"])
    for old, new in {
        "<main ": '<main onclick="x()" ',
        "</main>": '<img src="https://x"></main>',
        "</header>": "</p></header>",
        'id="findings"': 'id="details"',
        "default-src &#39;none&#39;": "default-src &#39;self&#39;",
        "<h1>": "<h3>x</h3><h1>",
        '<pre class="code" tabindex="0">': "<pre>",
        '"use strict"': '"use  strict"',
        'href="#findings"': 'href="http://x"',
        "</footer>": "<script>1</script></footer>",
    }.items():
        assert old in good
        assert Page(good.replace(old, new, 1)).problems, old


# --- content


def test_a_finding_has_its_line_its_cause_its_fix_and_what_was_seen():
    report = replayed("2.13.0/break-rope-scale-three-deep")
    found = page(html_format.render(report))
    (finding,) = report.findings
    card = next(one for one in found.root.all("article") if one.attributes["id"] == "finding-1")
    for text in (finding.title, finding.message, finding.fix.splitlines()[0], "What was seen", *finding.evidence[:2]):
        assert text.replace("`", "") in card.text.replace("`", "")
    marked = [one for one in card.all("span") if one.attributes.get("class") == "line marked"]
    assert len(marked) == 1 and finding.location.snippet in marked[0].text and marked[0].text.startswith(">")


def test_the_picture_shows_which_function_became_which_graphs():
    found = page(html_format.render(replayed("2.13.0/break-rope-scale-three-deep")))
    (picture,) = (one for one in found.root.all("svg") if one.attributes["class"] == "frames")
    names = [one.text.split(".py")[0] for one in picture.all("text") if one.attributes["class"] == "name"]
    assert [name.split("break_")[0].split("tests/")[0].rstrip("/") for name in names] == [
        "Decoder.forward",
        "Attention.forward",
        "rotate",
        "rope_scale",
    ]
    boxes = [one.text for one in picture.all("text") if one.attributes["class"] == "head"]
    assert boxes == ["graph 0/0", "graph 6/0", "graph 1/0", "graph 5/0", "graph 2/0", "graph 4/0", "no graph 3/0"]
    assert [one.attributes["href"] for one in picture.all("a")] == ["#finding-1"] * 4
    assert len([one for one in picture.all("path") if one.attributes["class"] == "edge"]) == 3


def test_recompilations_say_what_changed():
    found = page(html_format.render(replayed("2.13.0/recompile-layer-index")))
    (tree,) = (one for one in found.root.all("ol") if one.attributes["class"] == "tree")
    steps = [" ".join(one.text.split()) for one in tree.all("li")]
    assert steps[0].startswith("0/0 graph with 6 operators") and "first compilation" in steps[0]
    assert "self.layer_idx was 2" in steps[3] and "layer_idx == 2" in steps[3]


def test_attention_has_its_sizes_as_a_table_and_as_a_plot():
    report = replayed("2.11.0+cu130-h100/sliding-window")
    found = page(html_format.render(report))
    (plot,) = (one for one in found.root.all("svg") if one.attributes["class"] == "plot")
    marks = [one.text for one in plot.all("title")][1:]
    assert "measured peak: 50.3 MB at 16,384 tokens" in marks and len(marks) == 9
    assert "about 7.5 GB" in found.root.text


def test_ranks_are_side_by_side():
    found = page(html_format.render(replayed("ranks/break-on-rank-1")))
    section = next(one for one in found.root.all("section") if one.attributes["id"] == "ranks")
    rows = [[cell.text for cell in row.children] for row in section.all("table")[1].all("tr")]
    assert rows[0] == ["function", "rank 0", "rank 1", "the same?"]
    assert rows[1][1:] == ["1 graph", "1 graph, cut at line 11", "differs"]
    assert sum(one.attributes.get("class") == "frames" for one in found.root.all("svg")) == 2


def timed(frame: int, start: int, milliseconds: int, **values: object) -> Compilation:
    lasts = milliseconds * 1_000
    spans = (
        Span("dynamo", "dynamo", start, lasts, 0),
        Span("compile_fx", "lowering", start + lasts // 4, lasts // 2, 1),
        Span("Scheduler.codegen", "codegen", start + lasts // 2, lasts // 4, 2, ended=False),
    )
    phases = (("dynamo", lasts // 2), ("lowering", lasts // 4), ("codegen", lasts // 4))
    answers = (CacheAnswer("fx_graph", "bypass", reason="BypassFxGraphCache: <lambda>"),)
    return compilation(frame, timing=Timing(start, lasts, phases, spans, 3), answers=answers, **values)


def test_a_single_compilation_is_not_several_and_the_last_moment_has_its_text_in_the_picture():
    text = html_format.render(make_report(evidence(compilations=(timed(0, 1_000_000, 10_000),))))
    assert "1 compilation took 10.0 s" in text and "1 compilations" not in text
    assert 'text-anchor="end">10 s</text>' in text or 'text-anchor="end">10.0 s</text>' in text


def test_the_label_of_a_function_fits_into_the_picture():
    file = "/venv/lib/python3.11/site-packages/transformers/models/deberta_v2/modeling_deberta_v2.py"
    found = page(html_format.render(make_report(evidence(compilations=(compilation(file=file),)))))
    (picture,) = (one for one in found.root.all("svg") if one.attributes.get("class") == "frames")
    (name,) = (one for one in picture.all("text") if one.attributes.get("class") == "name")
    assert name.text.endswith("(dependency)")
    assert float(picture.attributes["width"]) > 8 * len(name.text)


def test_a_decorated_function_has_one_line_in_all_sections():
    source = "import torch\n\n@torch.no_grad()\n@torch.compile\ndef forward(x):\n    return x + 1\n"
    one = timed(0, 1_000_000, 2_000, function="forward", file="/work/project/f.py", line=3, graph_text=kept(b"g", 1))
    costs = (("7", GuardCost("0/0", 3.0, 2, 0)),)
    report = make_report(evidence(compilations=(one,), guards=costs, sources={"/work/project/f.py": source}))
    text = html_format.render(report)
    assert "f.py:5" in text and "f.py:3" not in text


def test_fix_is_named_with_the_target_that_can_be_typed():
    found = a_break()
    text = html_format.render(make_report(evidence(breaks=(found,), **about(target="my model.py", convention="x"))))
    assert "compile-doctor fix &#39;my model.py&#39;" in text
    text = html_format.render(make_report(evidence(breaks=(found,), **about(target="torchrun train.py"))))
    assert "compile-doctor fix TARGET" in text


def test_figures_that_are_0_are_left_out_above_the_picture_of_the_frames():
    assert ">1 function, 1 graph.<" in html_format.render(make_report(evidence()))


def test_what_changed_is_said_once():
    text = html_format.render(replayed("2.13.0/cd201-fires"))
    section = next(one for one in page(text).root.all("section") if one.attributes["id"] == "recompiled")
    for step in section.all("li"):
        changed = [one.text for one in step.all("span") if one.attributes.get("class") == "change"]
        before = step.text.split(changed[0])[0] if changed else ""
        assert not changed or not all(word.strip() in before for word in changed[0].split("→"))


def test_guards_are_a_table_with_the_slowest_below():
    slow = SlowGuard("L['x']", "check_tensor(L['x'])", 1.5)
    costs = (("7", GuardCost("0/0", 12.3, 2_417, 1, (slow,))),)
    found = page(html_format.render(make_report(evidence(guards=costs))))
    section = next(one for one in found.root.all("section") if one.attributes["id"] == "guards")
    assert "12.3" in section.text and "2,417" in section.text and "check_tensor(L['x'])" in section.text


def test_the_timeline_shows_each_compilation_at_its_time():
    calls = (Call("compiled", 0, 1_000_000, 4_000_000),)
    frames = (timed(0, 1_000_000, 2_000), timed(1, 3_500_000, 1_000, frame_compile_id=2))
    found = page(html_format.render(make_report(evidence(compilations=frames, calls=calls))))
    section = next(one for one in found.root.all("section") if one.attributes["id"] == "timeline")
    (picture,) = (one for one in section.all("svg") if one.attributes.get("class") == "times")
    bars = {
        one.all("title")[0].text.split(":")[0]: one.all("rect")[0].attributes
        for one in picture.all("g")
        if one.all("rect")
    }
    assert bars["compiled call 1"]["x"] == "0.0%" and bars["compiled call 1"]["width"] == "100.0%"
    dynamo = [one.all("rect")[0].attributes for one in picture.all("g") if one.text.startswith("dynamo:")]
    assert [(one["x"], one["width"]) for one in dynamo] == [("0.0%", "50.0%"), ("62.5%", "25.0%")]
    phases = [one.all("rect")[0].attributes["y"] for one in picture.all("g") if "with what is within it" in one.text]
    assert len(phases) == 6 and len({*phases}) == 2, "one line for each, in the colours of the innermost"
    assert float(bars["compile_fx"]["y"]) > float(dynamo[1]["y"])
    assert "(codegen), not finished" in picture.text
    functions, rows = ([[cell.text for cell in row.children] for row in one.all("tr")] for one in section.all("table"))
    assert functions[1] == ["Model.forward", "model.py:5", "2×", "3.00", "1.50", "0.75", "0.75", "2 bypasses"]
    assert rows[1][4:8] == ["3.00", "1.50", "0.75", "0.75"]
    assert rows[2][1] == "0/0" and rows[2][-2] == "fx graph: bypass; BypassFxGraphCache: <lambda>"
    assert "6 very short parts are not drawn" in section.text


def test_a_break_has_the_bytecode_that_dynamo_made_of_it():
    made = {f"{MODEL}:forward:5": {"text": "y = graph(x)\n__resume_at_38_0(y)\n", "note": "", "path": "bytecode/0.py"}}
    report = make_report(evidence(breaks=(a_break(),), bytecode=made))
    text = next(one for one in page(html_format.render(report)).root.all("article")).text
    assert "Bytecode of forward, decompiled (bytecode/0.py)" in text and "__resume_at_38_0(y)" in text


def test_a_run_without_times_has_no_timeline():
    found = page(html_format.render(REPORTS["healthy"]))
    assert "timeline" not in {one.attributes.get("id") for one in found.every()}


GRAPH = """class GraphModule(torch.nn.Module):
    def forward(self, L_x_: "f32[2, 4][4, 1]cpu", s77: "Sym(s77)"):
        l_x_ = L_x_

        # File: /work/project/model.py:6 in forward, code: x = x * 2
        x: "f32[2, 4][4, 1]cpu" = l_x_ * 2;  l_x_ = None

        # File: /work/project/model.py:8 in forward, code: return (x + 1).sum()
        add: "f32[2, 4][4, 1]cpu" = x + 1;  x = None
        sum_1: "f32[][]cpu" = add.sum();  add = None
        return (sum_1,)
"""
CODE = """# Topologically Sorted Source Nodes: [x], Original ATen: [aten.mul]
triton_poi_fused_mul_0 = async_compile.triton('triton_poi_fused_mul_0', '''
''', device_str='cuda')
cpp_fused_sum_1 = async_compile.cpp_pybinding(['const float*'], '''</pre><script>x()</script>''')
def call(args):
        # Topologically Sorted Source Nodes: [x], Original ATen: [aten.mul]
        triton_poi_fused_mul_0.run(arg0_1, buf0, 8, stream=stream0)
        cpp_fused_sum_1(buf0, buf1)
        # Topologically Sorted Source Nodes: [x, add], Original ATen: [aten.mm]
        extern_kernels.mm(buf0, arg1_1, out=buf2)
"""


GUARDS = "TREE_GUARD_MANAGER:\n+- RootGuardManager\n| +- TENSOR_MATCH: check_tensor(L['x'], torch.float32)"


def with_code(copies: int = 1) -> Report:
    """Read from a trace, as torch writes it."""
    trace = interned(MODEL, 1)
    for frame in range(copies):
        trace += start(frame, line=5)
        trace += record({"dynamo_output_graph": {}, **ids(frame), "has_payload": "0"}, GRAPH)
        trace += record(
            {"inductor_output_code": {}, **ids(frame), "has_payload": "0"},
            CODE + f"# {frame}" * 8 * copies * (copies > 1),
        )
        trace += record({"dynamo_cpp_guards_str": {}, **ids(frame), "has_payload": "0"}, GUARDS)
        trace += metrics(frame)
    return make_report(evidence(compilations=tuple(read(trace).compilations)))


def test_each_line_has_its_operators_and_the_kernels_that_torch_names_for_it():
    found = page(html_format.render(with_code()))
    section = next(one for one in found.root.all("section") if one.attributes["id"] == "generated")
    rows = [[cell.text for cell in row.children] for row in section.all("tr")]
    assert rows[1:] == [
        ["model.py:6x = x * 2", "x = l_x_ * 2", "triton_poi_fused_mul_0extern_kernels.mm"],
        ["model.py:8return (x + 1).sum()", "add = x + 1sum_1 = add.sum()", "extern_kernels.mm"],
    ]
    assert "does not name: cpp_fused_sum_1 " in section.text
    graph, code, guards = (one.text for one in section.all("pre"))
    assert graph == GRAPH.replace("/work/project/", "").strip("\n") and code == CODE.strip("\n")
    assert guards == GUARDS
    assert "more characters" not in section.text


def test_graphs_for_which_there_is_no_room_are_named():
    text = html_format.render(with_code(300))
    assert len(text) < LARGEST
    section = next(one for one in page(text).root.all("section") if one.attributes["id"] == "generated")
    assert "(300)" in section.all("h2")[0].text and "and 100 more graphs" in section.text
    assert "Only in the capture's trace, because this page would be too large: The graph" in section.text


def test_a_gate_has_each_target_with_its_own_anchors():
    found = page(html_format.render_gate(GATES["mixed"]))
    ids = {one.attributes.get("id") for one in found.every()}
    assert {"t1", "t2", "t3", "t1-finding-1", "t1-frames"} <= ids
    assert "got worse" in found.root.text and "It needs CUDA." in found.root.text


def test_bench_draws_sizes_as_lines_and_one_size_as_bars():
    (plot, *_) = page(bench_html.render(attention_bench())).root.all("svg")
    assert plot.all("path")
    rows = (
        Row("forward", None, "eager", "measured", 2.0, 1.9, 2.1, 9),
        Row("forward", None, "inductor", "measured", 1.0, 0.9, 1.1, 9),
    )
    found = page(bench_html.render(Bench("model.py", {}, {}, rows)))
    widths = [float(one.attributes["width"]) for one in found.root.all("rect")]
    assert widths == [170.0, 340.0]


def test_fix_has_the_changes_the_gains_and_what_is_left():
    found = mended()
    root = page(fix_html.render(found)).root
    assert found.patch() in [one.text for one in root.all("pre")]
    assert [one.text.split(" (")[0] for one in root.all("h2")] == [
        "Before and after",
        "Kept",
        "Changes",
        "Left",
        "Tried and dropped",
        "What was compared, and what is next",
    ]
    assert "graph breaks" in [one.text for one in root.all("th")]


def test_each_start_is_a_bar_of_its_phases_and_a_column():
    root = page(coldstart_html.render(three_starts())).root
    (picture,) = [one for one in root.all("svg") if "starts" in (one.attributes.get("class") or "")]
    assert [one.text for one in picture.all("title")][1:] == [
        "cold: kernels 8.50 s",
        "warm: kernels 3.10 s",
        "regional: kernels 7.00 s",
    ]
    widths = [float(one.attributes["width"]) for one in picture.all("rect")]
    assert widths == [560.0, pytest.approx(560 * 3.1 / 8.5, abs=0.01), pytest.approx(560 * 7 / 8.5, abs=0.01)]


def test_a_verdict_is_a_word_and_not_only_a_colour():
    for name, report in REPORTS.items():
        found = page(html_format.render(report))
        head = next(one for one in found.root.all("p") if one.attributes.get("class", "").startswith("verdict"))
        assert report.verdict.upper() in head.text, name


# --- hostile content


def test_hostile_text_stays_text():
    found = page(html_format.render(hostile()))
    for text in HOSTILE[:1] + HOSTILE[3:7]:
        assert " ".join(text.split())[:60].replace("`", "") in " ".join(found.root.text.split()).replace("`", "")
    assert found.root.all("b") == [] and len(found.root.all("script")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>x()</script>",
        "</style><b>",
        "'\"><svg onload=x()>",
        "{{ 7 * 7 }}{% x %}",
        "javascript:x()",
        "]]>",
    ],
)
def test_nothing_leaves_its_place_wherever_it_is(text):
    """In every field of a finding, in sources, in names of functions, files and targets, in guards and reasons."""
    place = Location(f"/work/project/{text}.py", 1, text, text)
    one = Finding(
        "CD101",
        text,
        "error",
        text,
        text,
        place,
        cause=text,
        fix=text,
        evidence=(text,),
        via=place,
        also=(place,),
        recipe=text,
    )
    frame = compilation(0, function=text, file=place.file, recompile_reasons=(f"0/0: {text}",))
    made = make_report(
        evidence(
            compilations=(frame,),
            breaks=(a_break(reason=text),),
            sources={place.file: f'x = "{text}"\n{text}\n', MODEL: text},
        )
    )
    report = replace(
        made, findings=(one, *made.findings), target=text, reason=text, notes=(text,), skipped_checks=((text, text),)
    )
    page(html_format.render(report))
    page(
        html_format.render_gate(
            gate(Outcome(text, "regression", text, report), Outcome(text, text, text, None, hint=text))
        )
    )
    page(
        parity_html.render(
            Parity(
                text, {"torch": text}, (Cell(text, text, text, text, text, "FAIL", 1.0, 0.1, text),), (one,), (text,)
            )
        )
    )
    page(
        bench_html.render(
            Bench(
                text, {"cpu": text}, {"convention": text}, (Row(text, 8, text, "failed", reason=text),), notes=(text,)
            )
        )
    )
    page(
        matrix_html.render(
            Matrix(
                text,
                (text,),
                (MatrixCell(text, {text: text}, text, "unhealthy", text, report, text, text),),
                text,
                (text,),
            )
        )
    )


def test_invisible_characters_are_written_out():
    text = html_format.render(replace(REPORTS["break"], reason="a\u202eb", verdict="inconclusive"))
    assert "\u202e" not in text and "a\\u202eb" in text


def test_huge_lines_are_cut():
    source = "x = '" + "y" * 1_000_000 + "'\nprint(x)\n"
    made = make_report(evidence(breaks=(a_break(line=2),), sources={MODEL: source}))
    assert len(html_format.render(made)) < 100_000


# --- size


def many(count: int) -> Report:
    source = "\n".join(f"    value_{n} = x.item() + {n}  # a line of the model" for n in range(count))
    place = Location(MODEL, 1, "Model.forward", "x.item()")
    one = Finding(
        "CD101",
        "graph-break",
        "error",
        "Graph break: a number",
        "why " * 40,
        place,
        cause="item",
        fix="a = 1\nb = 2",
        evidence=("seen " * 20,) * 6,
    )
    findings = tuple(replace(one, location=replace(place, line=n + 1)) for n in range(count))
    return replace(make_report(evidence(sources={MODEL: source})), findings=findings)


def test_a_thousand_findings_are_all_there():
    text = html_format.render(many(1_000))
    assert len(text) < LARGEST
    found = page(text)
    assert sum(one.attributes.get("id", "").startswith("finding-") for one in found.root.all("article")) == 1_000


def test_of_more_findings_the_rest_is_counted():
    text = html_format.render(many(6_000))
    assert len(text) < LARGEST
    listed = re.search(r"([\d,]+) more findings, one line each", text)
    hidden = re.search(r"and ([\d,]+) more: <code>--format json", text)
    counted = sum(int(found[1].replace(",", "")) for found in (listed, hidden))
    assert text.count("<article") + counted == 6_000


def test_a_thousand_ranks_fit():
    figures = {"graphs": 1, "graph_breaks": 0, "recompiles": 0, "frames_skipped": 0}
    rows = tuple(RankRow((n,), {**figures, "graphs": n}, (0.1, 0.2, 0.3), n, (0, 0), "ended") for n in range(1_024))
    table = RankTable(1_024, tuple(range(1_024)), ("node0",), rows, True)
    report = replace(replayed("ranks/break-on-rank-1"), ranks=table)
    text = html_format.render(report)
    assert len(text) < LARGEST
    section = next(one for one in page(text).root.all("section") if one.attributes["id"] == "ranks")
    assert len(section.all("table")[0].all("tr")) == 1_025


def test_a_run_with_thousands_of_compilations_fits():
    frames = tuple(compilation(n, function=f"f{n % 700}", recompile_reasons=("0/0: x == 1",) * 8) for n in range(6_000))
    text = html_format.render(make_report(evidence(compilations=frames, children=(Child("diagnose", 0),))))
    assert len(text) < LARGEST
    page(text)


def test_templates_do_not_switch_escaping_off():
    folder = Path(html_format.__file__).parent / "html"
    allowed = {"<style>{{ style | ours }}</style>", "<script>{{ script | ours }}</script>"}
    for template in folder.glob("*.html"):
        for line in template.read_text().splitlines():
            if re.search(r"\|\s*(safe|ours)|autoescape|Markup", line):
                assert line in allowed, (template.name, line)


def everything(count: int) -> Report:
    """Very much of everything that grows: findings, sources, compilations with times and guards, attention, ranks, graphs."""
    guard = "0/0: tensor 'x' size mismatch at index 0. expected 4, actual 8  # " + "long " * 400
    frames = tuple(
        timed(
            n, 1_000_000 + n * 9_000, 8, function=f"f{n % 150}", recompile_reasons=(guard,) * 8, frame_compile_id=n % 9
        )
        for n in range(count)
    )
    found = make_report(evidence(compilations=frames, calls=(Call("compiled", 0, 1_000_000, 9_000 * count),)))
    files = {
        f"/work/project/model_{n}.py": "\n".join(f"    x_{m} = y.item()  # {'w' * 120}" for m in range(1_000))
        for n in range(8)
    }
    place = Location(MODEL, 1, "Model.forward", "x.item()")
    one = Finding(
        "CD101",
        "graph-break",
        "error",
        "t" * 400,
        "why " * 400,
        place,
        cause="item",
        fix="a = 1\n" * 60,
        evidence=("seen " * 60,) * 60,
    )
    findings = tuple(
        replace(one, location=replace(place, file=f"/work/project/model_{n % 8}.py", line=25 * (n // 8) % 40 + 5))
        for n in range(count)
    )
    ranks = replayed("ranks/break-on-rank-1").ranks
    maps = tuple(replace(found.frames[0], ranks=(n,)) for n in range(8))
    timelines = tuple(replace(found.timelines[0], rank=n) for n in range(8))
    return replace(
        found,
        findings=findings,
        sources=files,
        ranks=ranks,
        frames=maps,
        timelines=timelines,
        generated=with_code(300).generated,
        attention=replayed("2.11.0+cu130-h100/sliding-window").attention * 200,
        notes=("note " * 300,) * 500,
        missing=("gone " * 300,) * 500,
        disagreements=("d " * 500,) * 500,
    )


def test_very_much_of_everything_fits():
    report = everything(1_500)
    text = html_format.render(report)
    assert len(text) < LARGEST
    page(text)


def test_a_gate_with_many_large_reports_fits():
    report = everything(100)
    outcomes = [Outcome(f"target-{n}", ("regression", "inconclusive", "pass")[n % 3], "why", report) for n in range(20)]
    text = html_format.render_gate(gate(*outcomes))
    assert len(text) < LARGEST
    page(text)


def test_a_matrix_with_many_large_reports_fits():
    large = everything(100)
    cells = [MatrixCell("2.13.0", {"n": str(n)}, "c", "unhealthy", "", large) for n in range(30)]
    assert len(matrix_html.render(Matrix("model.py", ("n",), tuple(cells), "/x"))) < LARGEST
