"""One cause, one finding: what follows from a break is counted in the finding of that break."""

from __future__ import annotations

import json
from dataclasses import replace

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import find_check
from compile_doctor.model.asked import Asked
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame
from compile_doctor.render import renderer
from compile_doctor.report.make import make_report
from tests import helpers

FILE = "/work/model.py"
SOURCE = """\
class Noise:
    def forward(self, x):
        g = torch.Generator()
        h = torch.rand(8, generator=g)
        n = x.sum().item()
        y = x * n
        order = sorted(x, key=lambda row: row.sum())
        return y + h

    def other(self, x, g):
        return torch.rand(8, generator=g)

    def shown(self, x):
        print("sum", x.sum().item())
        start = clock()
        y = x * 2
        self.took = clock() - start
"""
OBJECT = "An opaque object was created in the middle of the program.\n  Explanation: torch._C.Generator"
USED = "Failed to convert args/kwargs to proxy\n  Explanation: Missing `as_proxy()` implementation for an arg.\n  Developer debug context: call_function args:\n UserDefinedObjectVariable(Generator)"
ITEM = "Unsupported Tensor.item() call with capture_scalar_outputs=False"
PRINT = "Failed to trace builtin operator\n  Explanation: Dynamo does not know how to trace builtin operator `print`"
DISABLED = (
    "Skip calling `torch.compiler.disable()`d function\n  Explanation: f is wrapped with `torch.compiler.disable`"
)
CLOCK = "Attempted to call function marked as skipped\n  Explanation: Dynamo does not know how to trace the builtin `time.perf_counter.`"
SORT = "sort with non-constant keys\n  Explanation: Cannot perform sort with non-constant key."


def compiled(function: str, line: int, number: int = 0, **values) -> Compilation:
    stack = (Frame(FILE, line, function),)
    return Compilation("1", number, values.pop("again", 0), function, FILE, line, stack, guarded=True, **values)


def broke(index: int, reason: str, line: int, function: str = "forward") -> Break:
    return Break(index, reason, None, (Frame(FILE, line, function),), (FILE, line), False, "dynamo_graph_break_reason")


def seen(compilations: list[Compilation], breaks: list[Break]) -> AnalysisContext:
    asked = Asked("model.py")
    return AnalysisContext(
        Evidence(asked, compilations=tuple(compilations), breaks=tuple(breaks), sources={FILE: SOURCE})
    )


def test_a_line_that_goes_on_with_an_object_that_no_graph_can_contain():
    frames = [compiled("forward", 2), compiled("torch_dynamo_resume_in_forward_at_3", 3, 1)]
    found = seen(frames, [broke(0, OBJECT, 3), broke(1, USED, 4)])
    assert [(site.frame.line, len(site.followed)) for site in found.sites] == [(3, 1)]


def test_one_that_does_not_is_another_cause():
    frames = [compiled("forward", 2), compiled("torch_dynamo_resume_in_forward_at_3", 3, 1)]
    found = seen(frames, [broke(0, OBJECT, 3), broke(1, ITEM, 5)])
    assert [site.frame.line for site in found.sites] == [3, 5]
    elsewhere = seen([frames[0], compiled("other", 10, 2)], [broke(0, OBJECT, 3), broke(1, USED, 11, "other")])
    assert [site.frame.line for site in elsewhere.sites] == [3, 11]


def test_a_recompilation_by_a_value_from_before_the_break():
    resumed = "torch_dynamo_resume_in_forward_at_5"
    frames = [
        compiled("forward", 2),
        compiled(resumed, 5, 1),
        compiled(resumed, 5, 1, again=1, recompile_reasons=("1/0: ___stack0 == 1.5  # y = x * n",)),
        compiled(resumed, 5, 1, again=2, recompile_reasons=("1/1: ___stack0 == 2.5  # y = x * n",)),
    ]
    found = seen(frames, [broke(0, ITEM, 5)])
    assert not list(find_check("CD201").detect(found))
    (finding,) = find_check("CD101").detect(found)
    assert "2 recompilations follow from it: a value from before the break was 1.5" in finding.message
    assert any(line.startswith("guard: ") for line in finding.evidence)


def test_without_a_break_the_recompilation_has_its_own_finding():
    frames = [
        compiled("forward", 2),
        compiled("forward", 2, again=1, recompile_reasons=("0/0: L['x'].size()[0] == 4",)),
    ]
    assert [finding.code for finding in find_check("CD201").detect(seen(frames, []))] == ["CD201"]


def test_a_key_function_that_plain_python_calls_for_each_element():
    frames = [
        compiled("forward", 2),
        compiled("<lambda>", 7, 1),
        compiled("<lambda>", 7, 1, again=1, recompile_reasons=("1/0: L['row'].size()[0] == 4",)),
    ]
    found = seen(frames, [broke(0, SORT, 7)])
    assert not list(find_check("CD201").detect(found))


def test_a_number_that_is_printed_is_one_cause():
    frames = [compiled("shown", 13), compiled("torch_dynamo_resume_in_shown_at_14", 14, 1)]
    found = seen(frames, [broke(0, ITEM, 14, "shown"), broke(1, PRINT, 14, "shown")])
    assert [(site.cause.key, len(site.followed)) for site in found.sites] == [("tensor-item", 1)]


def test_a_print_of_what_breaks_on_purpose_is_not_excused():
    frames = [compiled("shown", 13), compiled("torch_dynamo_resume_in_shown_at_14", 14, 1)]
    found = seen(frames, [broke(0, DISABLED, 14, "shown"), broke(1, PRINT, 14, "shown")])
    assert [site.cause.key for site in found.sites] == ["compiler-disabled-function", "print"]


def test_a_recompilation_behind_a_break_that_follows_belongs_to_the_first():
    first, second = "torch_dynamo_resume_in_shown_at_15", "torch_dynamo_resume_in_shown_at_17"
    frames = [
        compiled("shown", 13),
        compiled(first, 15, 1),
        compiled(second, 17, 2),
        compiled(second, 17, 2, again=1, recompile_reasons=("2/0: start == 1.5  # self.took = clock() - start",)),
    ]
    found = seen(frames, [broke(0, CLOCK, 15, "shown"), broke(1, CLOCK, 17, first)])
    assert [(site.frame.line, len(site.followed)) for site in found.sites] == [(15, 1)]
    assert not list(find_check("CD201").detect(found))


ITERATOR = "Missing tp_iternext\n  Explanation: Dynamo does not support next() on list_iterator."


def test_a_comprehension_of_a_function_that_was_given_up_is_named_in_the_finding_of_the_break():
    """Up to Python 3.11 it is a frame of its own, which gets its iterator from plain Python."""
    given_up = replace(compiled("forward", 2), guarded=False)
    listed = replace(compiled("<listcomp>", 7, 1), stack=(Frame(FILE, 7, "<listcomp>"),), guarded=False)
    found = seen([given_up, listed], [broke(0, ITEM, 5), broke(1, ITERATOR, 7, "<listcomp>")])
    assert [(site.frame.line, len(site.followed)) for site in found.sites] == [(5, 1)]
    (finding,) = find_check("CD101").detect(found)
    assert [(place.file, place.line, place.function) for place in finding.also] == [(FILE, 7, "Noise.forward")]
    assert "1 further break follows from it." in finding.message


def test_it_belongs_to_the_break_that_gave_the_function_up():
    resumed = replace(compiled("torch_dynamo_resume_in_forward_at_3", 3, 1), guarded=False)
    listed = replace(compiled("<listcomp>", 7, 2), stack=(Frame(FILE, 7, "<listcomp>"),), guarded=False)
    breaks = [broke(0, OBJECT, 3), broke(1, ITEM, 5), broke(2, ITERATOR, 7, "<listcomp>")]
    found = seen([compiled("forward", 2), resumed, listed], breaks)
    assert [(site.frame.line, len(site.followed)) for site in found.sites] == [(3, 0), (5, 1)]


def test_a_comprehension_without_a_break_around_it_is_no_finding():
    listed = replace(compiled("<listcomp>", 7, 2), guarded=False)
    assert not seen([compiled("other", 10), listed], [broke(1, ITERATOR, 7, "<listcomp>")]).sites


def test_every_line_that_only_follows_is_named():
    frames = [compiled("forward", 2), compiled("torch_dynamo_resume_in_forward_at_3", 3, 1)]
    found = seen(frames, [broke(0, OBJECT, 3), broke(1, USED, 4)])
    (finding,) = find_check("CD101").detect(found)
    assert [place.line for place in finding.also] == [4]
    assert finding.also[0].snippet == "h = torch.rand(8, generator=g)"
    whole = helpers.evidence(
        compilations=tuple(replace(one, graphs=1) for one in frames),
        breaks=found.evidence.breaks,
        sources={FILE: SOURCE},
    )
    report = make_report(whole)
    for verbosity in (0, 1):
        assert f"Also   {FILE}:4 in Noise.forward" in renderer("text")(report, verbosity)
    (listed,) = (one for one in json.loads(renderer("json")(report))["findings"] if one["code"] == "CD101")
    assert [(place["file"], place["line"]) for place in listed["also"]] == [(FILE, 4)]
