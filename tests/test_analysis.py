"""Folds that real models asked for, each from the records that they left."""

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.cost import site_cost
from compile_doctor.analysis.recompiles.groups import decisive
from compile_doctor.analysis.recompiles.guards import parse
from compile_doctor.checks import find_check
from compile_doctor.model.asked import Asked
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame

FILE = "/work/model.py"
SOURCE = """\
class Embed:
    def forward(self, x):
        for part in x:
            print(part)
        rows = [a + b for a, b in zip(x, x)]
        return helper(rows)


def helper(rows):
    return rows.item()
"""


def compiled(function, line, **values):
    stack = values.pop("stack", (Frame(FILE, line, function),))
    values.setdefault("guarded", True)
    return Compilation("1", values.pop("frame_id", 0), values.pop("again", 0), function, FILE, line, stack, **values)


def broke(index, reason, *frames, loop=False):
    stack = tuple(Frame(FILE, line, function) for function, line in frames)
    return Break(index, reason, None, stack, (FILE, stack[-1].line), loop, "dynamo_graph_break_reason")


def seen(compilations, breaks):
    return AnalysisContext(
        Evidence(Asked("model.py"), compilations=tuple(compilations), breaks=tuple(breaks), sources={FILE: SOURCE})
    )


PRINT = "Failed to trace builtin operator\n  Explanation: Dynamo does not know how to trace builtin operator `print`"
NO_ITERATOR = "Missing tp_iternext\n  Explanation: next(zip) is not supported"
RAISED = "Observed exception\n  Explanation: Dynamo found no exception handler at the top-level compiled function"
ITEM = "Unsupported Tensor.item() call with capture_scalar_outputs=False"


def test_a_comprehension_compiled_alone_is_no_site_and_no_skipped_frame():
    """transformers' ViLT on Python 3.11: the comprehensions of a frame that was given up."""
    found = seen(
        [compiled("forward", 2, guarded=False), compiled("<listcomp>", 5, guarded=False, frame_id=1)],
        [broke(0, PRINT, ("forward", 4), loop=True), broke(1, NO_ITERATOR, ("forward", 5), ("<listcomp>", 5))],
    )
    assert [(site.frame.line, site.loop) for site in found.sites] == [(4, True)]
    assert [skipped.first.function for skipped in found.skipped] == ["forward"]


def test_an_exception_is_at_the_line_that_raises_not_where_it_leaves_a_finally():
    """transformers' Switch: torch names the decorator's `finally` until it compiles the inner frame."""
    found = seen(
        [compiled("forward", 2, guarded=False), compiled("helper", 9, guarded=False, frame_id=1)],
        [broke(0, RAISED, ("forward", 6)), broke(1, RAISED, ("forward", 6), ("helper", 10))],
    )
    assert [(site.frame.function, site.frame.line, len(site.breaks)) for site in found.sites] == [("helper", 10, 2)]


def test_a_break_costs_the_frames_that_it_cut_off():
    found = seen(
        [
            compiled("forward", 2, graphs=1, seconds=1.0),
            compiled("helper", 9, graphs=1, seconds=2.0, frame_id=1),
            compiled("torch_dynamo_resume_in_helper_at_10", 10, graphs=1, seconds=4.0, frame_id=2),
            compiled("elsewhere", 1, graphs=1, seconds=8.0, frame_id=3),
        ],
        [broke(0, ITEM, ("forward", 6), ("helper", 10)), broke(1, ITEM, ("forward", 6), ("helper", 10))],
    )
    (site,) = found.sites
    assert site.callers == 1
    cost = site_cost(found, site)
    assert (cost.graphs, cost.seconds) == (2, 6.0)


def test_the_guard_that_tells_why_not_which_layer():
    """An entry of another layer fails by its index; the entry of this one says what changed."""
    reasons = [
        "4/1: self.layer_idx == 1  (HINT: torch.compile considers integer attributes of the nn.Module to be static)",
        "4/0: tensor 'x' size mismatch at index 0. expected 4, actual 5",
    ]
    assert decisive([parse(reason) for reason in reasons]).kind == "size"


def test_a_restart_without_a_record_is_a_break_of_the_frame():
    """torch 2.8 and 2.9 with a lock, or a break in `try`: the metrics are all there is."""
    restarted = compiled("helper", 9, graphs=1, restarts=("Unknown fail_and_restart_analysis",))
    found = seen([restarted], [])
    (finding,) = find_check("CD101").detect(found)
    assert (finding.location.line, finding.severity) == (9, "error")
    assert "names no line" in " ".join(finding.evidence)
