"""Recompilations within one call of the target, of frames that only a break made separate, belong to the break's finding.

What differs from call to call, or what nobody can put into one graph, is a cause of its own.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import find_check
from compile_doctor.model.asked import Asked, Settings
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Evidence, Facts
from compile_doctor.model.stacks import Frame
from compile_doctor.model.timeline import Call

FILE = "/work/model.py"
SOURCE = """\
class Layer:
    def forward(self, x, other):
        return x + other

class Model:
    def forward(self, x):
        for layer in self.layers:
            x = layer(x, Other())
            print(x.shape)
        return x

class Outer:
    def forward(self, x):
        return self.model(x)
"""
PRINT = "Failed to trace builtin operator\n  Explanation: Dynamo does not know how to trace builtin operator `print`"
OTHER = "___check_obj_id(other, 94658812770256), type=<class 'model.Other'>"
SIZE = "tensor 'x' size mismatch at index 0. expected 10, actual 17"
CALLS = (Call("compiled", 0, 1_000, 900), Call("compiled", 1, 2_000, 900), Call("eager", 0, 3_000, 900))
MODEL, LAYER = Frame(FILE, 6, "forward"), Frame(FILE, 2, "forward")


def layer(again: int, begun: int, *reasons: str) -> Compilation:
    """A compilation of `Layer.forward`, which the loop in plain Python calls; reasons are of the cached entries."""
    labelled = tuple(f"1/{again - 1 - number}: {reason}" for number, reason in enumerate(reasons))
    stack = (Frame(FILE, 8, "forward"), LAYER)
    return Compilation(
        "1", 1, again, "forward", FILE, 2, stack, graphs=1, begun=begun, guarded=True, recompile_reasons=labelled
    )


def seen(*layers: Compilation, **values) -> AnalysisContext:
    whole = Compilation("1", 0, 0, "forward", FILE, 6, (MODEL,), begun=1_010, guarded=False)
    broke = Break(0, PRINT, None, (Frame(FILE, 9, "forward"),), (FILE, 9), True, "dynamo_graph_break_reason")
    base = {"breaks": (broke,), "calls": CALLS, "sources": {FILE: SOURCE}}
    return AnalysisContext(Evidence(Asked("model.py"), compilations=(whole, *layers), **{**base, **values}))


def found(context: AnalysisContext) -> tuple[int, str]:
    """The number of findings about recompilations, and what the finding about the break says."""
    (finding,) = find_check("CD103").detect(context)
    return len(list(find_check("CD201").detect(context))), finding.message


def test_what_differs_within_one_call_follows_from_the_break():
    number, words = found(seen(layer(0, 1_100), layer(1, 1_200, SIZE), layer(2, 1_300, OTHER, SIZE)))
    assert number == 0
    assert "2 recompilations follow from it: dimension 0 of `x` was 10, now 17; " in words


def test_it_does_in_a_later_call_too_if_the_frame_is_entered_there_first():
    assert found(seen(layer(0, 2_100), layer(1, 2_200, SIZE)))[0] == 0


def test_an_instance_that_each_call_makes_is_a_cause_of_its_own():
    number, words = found(seen(layer(0, 1_100), layer(1, 2_200, OTHER)))
    assert number == 1
    assert "recompilation" not in words


def test_one_cause_that_shows_both_within_a_call_and_from_call_to_call_stays():
    assert found(seen(layer(0, 1_100), layer(1, 1_200, SIZE), layer(2, 2_200, SIZE, SIZE)))[0] == 1


@pytest.mark.parametrize(
    "values",
    [
        {"calls": ()},  # a command, or an older capture: nobody knows when the target was called
        {"facts": Facts(as_is=True)},  # one call of the target may be many calls of what it compiles
    ],
    ids=["no-calls", "as-is"],
)
def test_without_the_calls_of_what_is_compiled_nothing_is_folded(values):
    assert found(seen(layer(0, 1_100), layer(1, 1_200, SIZE), **values))[0] == 1


def test_each_block_of_regional_compilation_is_a_call():
    context = seen(layer(0, 1_100), layer(1, 1_200, SIZE))
    asked = Asked("model.py", options=Settings(regional=True))
    assert found(AnalysisContext(replace(context.evidence, asked=asked)))[0] == 1


def test_a_break_that_somebody_wants_stays_and_so_does_what_follows():
    on_purpose = "Call to `torch._dynamo.graph_break()`\n  Explanation: User-inserted graph break. Message: None"
    context = seen(layer(0, 1_100), layer(1, 1_200, SIZE))
    breaks = (replace(context.evidence.breaks[0], reason=on_purpose),)
    assert [site.cause.key for site in seen(breaks=breaks).sites] == ["explicit-graph-break"]
    assert found(AnalysisContext(replace(context.evidence, breaks=breaks)))[0] == 1


def test_checks_with_a_code_of_their_own_keep_their_findings():
    step = "self.idx == 0  # (HINT: torch.compile considers integer attributes of the nn.Module to be static.)"
    context = seen(layer(0, 1_100), layer(1, 1_200, step))
    assert len(list(find_check("CD203").detect(context))) == 1
    assert found(context) == (0, next(iter(find_check("CD103").detect(seen()))).message)


def test_of_many_the_finding_names_three_and_the_evidence_all_functions():
    sizes = [f"tensor 'x' size mismatch at index {index}. expected 10, actual 17" for index in range(6)]
    again = [layer(number + 1, 1_200 + number, size) for number, size in enumerate(sizes)]
    context = seen(layer(0, 1_100), *again)
    (finding,) = find_check("CD103").detect(context)
    assert "6 recompilations follow from it: dimension 0 of" in finding.message
    assert finding.message.count("dimension") == 3
    assert [line.split(":")[0] for line in finding.evidence].count("guard") == 3
    assert f"recompiled too: Layer.forward, 3 times ({FILE}:2)" in finding.evidence


def test_a_resume_function_has_the_name_of_the_class_that_it_is_in():
    resumed = "torch_dynamo_resume_in_forward_at_8"
    again = ("1/0: tensor '___stack0' size mismatch at index 0. expected 10, actual 17",)
    first = Compilation("1", 1, 0, resumed, FILE, 8, (Frame(FILE, 8, resumed),), guarded=True)
    second = replace(first, frame_compile_id=1, recompile_reasons=again)
    (group,) = seen(first, second).recompiled
    assert (group.function, group.line) == ("Model.forward", 6)


def test_a_resume_function_of_which_torch_leaves_out_the_line():
    """torch 2.13 leaves the compiled frame out of a stack: the break in what it called has no line of it."""
    inside = Frame("/venv/site-packages/lib/inner.py", 3, "helper")
    broke = Break(0, PRINT, None, (inside,), (inside.file, 3), False, "dynamo_graph_break_reason")
    whole = Compilation("1", 0, 0, "forward", FILE, 13, (Frame(FILE, 13, "forward"),), guarded=True)
    resumed = "torch_dynamo_resume_in_forward_at_14"
    again = ("1/0: tensor '___stack0' size mismatch at index 0. expected 10, actual 17",)
    first = Compilation("1", 1, 0, resumed, FILE, 14, (Frame(FILE, 14, resumed),), guarded=True)
    second = replace(first, frame_compile_id=1, recompile_reasons=again)
    context = AnalysisContext(
        Evidence(
            Asked("model.py"), compilations=(whole, first, second), breaks=(broke,), sources={FILE: SOURCE}, calls=CALLS
        )
    )
    assert not list(find_check("CD201").detect(context))
    (finding,) = find_check("CD101").detect(context)
    assert "1 recompilation follows from it: dimension 0 of a value from before the break" in finding.message
