"""Which of the guards that failed explains a recompilation; the reasons are those that torch 2.13 gave for real programs."""

from __future__ import annotations

import json

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks import find_check
from compile_doctor.model.attention import Graph
from compile_doctor.model.compilations import LogRecord
from compile_doctor.model.stacks import Frame
from compile_doctor.render.consequence import consequence
from compile_doctor.report.make import make_report
from tests import helpers
from tests.helpers import MODEL, compilation, evidence

DECODER = """\
class Layer(nn.Module):
    def forward(self, x, past):
        k = x if past is None else torch.cat([past[0], x], 2)
        return k * self.idx
"""
STEPPED = """\
class Decoder(nn.Module):
    def forward(self, x):
        for t in range(6):
            def alibi(s, b, h, i, j):
                return s - (t - j)
            y = self.attn(x, x, x, score_mod=alibi)
        return y
"""
FLEX = "/venv/site-packages/torch/nn/attention/flex_attention.py"
MODULE = "/venv/site-packages/torch/nn/modules/module.py"
HINT = "(HINT: torch.compile considers integer attributes of the nn.Module to be static.)"
NONE = "past is None"
GREW = "tensor 'past[0]' size mismatch at index 2. expected 1, actual 2"


def idx(value):
    return f"self.idx == {value}   # return k * self.idx  # rk/project/model.py:4 in forward {HINT}"


def stride(was, now):
    return f"tensor 'x' stride mismatch at index 0. expected {was}, actual {now}"


def forward(again, reasons, **values):
    """One more entry for `Layer.forward`; the reasons are the cached entries', newest first, as in the trace."""
    labelled = [f"0/{again - 1 - index}: {reason}" for index, reason in enumerate(reasons)]
    return compilation(0, frame_compile_id=again, line=2, recompile_reasons=tuple(labelled), **values)


def decoder(*reasons, **values):
    entries = tuple(forward(again, found, **values) for again, found in enumerate(((), *reasons)))
    limit = LogRecord(
        "7",
        "limit",
        f"torch._dynamo hit config.recompile_limit (8)\n   function: 'forward' ({MODEL}:2)\n   last reason: 0/7: {idx(1)}",
    )
    return AnalysisContext(evidence(compilations=entries, logs=(limit,), sources={MODEL: DECODER}))


def causes(seen):
    return {group.guard.key: len(group.compilations) for group in seen.recompiled}


def findings(seen, code):
    return list(find_check(code).detect(seen))


SIX_LAYERS = (
    (stride(192, 32),),
    (idx(1), stride(192, 32)),
    (idx(2), idx(1), stride(192, 32)),
    (idx(3), idx(2), idx(1), stride(192, 32)),
    (idx(4), idx(3), idx(2), idx(1), stride(192, 32)),
    (stride(32, 192), idx(4), idx(3), idx(2), idx(1), NONE),
    (stride(192, 32), NONE, idx(4), idx(3), idx(2), NONE, stride(192, 32)),
)
"""Six compiled layers; the first is given a slice of a larger tensor. At the second step limit is reached."""
THREE_LAYERS = (
    (idx(0),),
    (idx(1), idx(0)),
    (NONE, idx(1), NONE),
    (idx(0), NONE, NONE, idx(0)),
    (idx(1), idx(0), NONE, idx(1), idx(0)),
    (GREW, idx(1), GREW, NONE, idx(1), NONE),
    (idx(0), GREW, GREW, idx(0), NONE, NONE, idx(0)),
)


def test_a_value_that_a_cached_entry_has_already_is_not_what_was_new():
    """32 was compiled for at the second layer: what the third lacked was an entry with its own idx."""
    assert causes(decoder(*SIX_LAYERS)) == {"stride:x:0": 1, "module-int:idx": 5, "none:past": 1}
    assert causes(decoder(*THREE_LAYERS)) == {"module-int:idx": 5, "none:past": 1, "size:past[0]:2": 1}


def test_what_is_said_of_torch_is_the_guard_that_was_chosen():
    (finding,) = findings(decoder(*SIX_LAYERS), "CD203")
    assert finding.evidence[0] == "guard: 0/1: self.idx == 1"
    (grew,) = (one for one in findings(decoder(*THREE_LAYERS), "CD201") if one.cause.startswith("size"))
    assert grew.evidence[0] == f"guard: 0/5: {GREW}"


def test_a_shape_that_comes_back_under_another_entry_is_still_a_shape():
    """Two arguments, each of two sizes: the last pair has both values in the cache, and no entry with the two."""
    a, b = (
        "tensor 'x' size mismatch at index 0. expected {}, actual {}",
        "tensor 'y' size mismatch at index 0. expected {}, actual {}",
    )
    seen = decoder(
        (b.format(1, 2),), (a.format(4, 5), a.format(4, 5)), (a.format(5, 4), b.format(2, 3), b.format(1, 3))
    )
    assert causes(seen) == {"size:y:0": 2, "size:x:0": 1}
    product = decoder(
        (b.format(1, 2),), (a.format(4, 5), a.format(4, 5)), (b.format(2, 1), b.format(2, 1), a.format(4, 5))
    )
    assert causes(product) == {"size:y:0": 2, "size:x:0": 1}


def test_entries_of_a_frame_before_a_reset_are_not_cached_any_more():
    size = "tensor 'x' size mismatch at index 0. expected {}, actual {}"
    before = tuple(forward(again, found) for again, found in enumerate(((), (size.format(4, 5),))))
    after = tuple(forward(again, found) for again, found in enumerate(((), (idx(0),), (idx(1), size.format(4, 5)))))
    seen = AnalysisContext(evidence(compilations=before + after, sources={MODEL: DECODER}))
    assert causes(seen) == {"size:x:0": 2, "module-int:idx": 1}


def test_layers_with_a_cache_that_grows_have_both_causes():
    """Each length is new once, for the layer that comes first; the other layers lack only an entry of their own."""
    grew = "tensor 'past[0]' size mismatch at index 2. expected {}, actual {}"
    first, second = grew.format(1, 2), grew.format(2, 3)
    steps = ((idx(0),), (idx(1), first), (idx(0), first, idx(0)), (idx(1), second, idx(1), grew.format(1, 3)))
    seen = decoder(*steps)
    assert causes(seen) == {"module-int:idx": 2, "size:past[0]:2": 2}
    (growing,) = findings(seen, "CD205")
    assert "(1, 2, 3)" in growing.message


def test_the_limit_names_all_that_varied_the_most_frequent_first():
    (finding,) = findings(decoder(*THREE_LAYERS), "CD202")
    assert finding.message.endswith(
        "What varied: the int attribute `self.idx` was 0, now it has another value (5×); `past` was None, now it is not (1×); "
        "dimension 2 of `past[0]` was 1, now 2 (1×)."
    )


def test_the_advice_for_a_size_is_another_under_dynamic_false():
    def fix(**values):
        return next(
            one.fix for one in findings(decoder(*THREE_LAYERS, **values), "CD201") if one.cause.startswith("size")
        )

    assert "torch makes the dimension dynamic" in fix() and "dynamic=False" not in fix()
    assert "dynamic=False" in fix(static=True) and "torch makes" not in fix(static=True)


def test_the_trace_tells_whether_shapes_were_static():
    def static(**config):
        started = helpers.interned(MODEL, 1) + helpers.start()
        settings = {"dynamo_config": json.dumps(config)} if config else {}
        return helpers.read(started + helpers.metrics(**settings)).compilations[0].static

    assert static(automatic_dynamic_shapes=False, assume_static_by_default=True) is True
    assert static(automatic_dynamic_shapes=True, assume_static_by_default=True) is False  # torch's default
    assert static(automatic_dynamic_shapes=False, assume_static_by_default=False) is False  # dynamic=True
    assert static() is False  # torch said nothing


def test_the_advice_for_a_stride_works_for_a_dimension_of_size_1():
    """x[:, t:t+1] has the strides of the whole tensor, and .contiguous() leaves them: torch takes it for contiguous."""
    (finding,) = (one for one in findings(decoder(*SIX_LAYERS), "CD201") if one.cause.startswith("stride"))
    assert "clone(memory_format=torch.contiguous_format)" in finding.fix


def stepped(reason, callers=(), **values):
    """torch.compile(flex_attention): torch 2.13 leaves the line that calls it out of the stack."""
    stack = (Frame(MODULE, 1789, "_call_impl"), Frame(FLEX, 2236, "flex_attention"))
    frames = [
        compilation(
            0,
            frame_compile_id=again,
            function="flex_attention",
            file=FLEX,
            line=2236,
            stack=stack,
            recompile_reasons=found,
            graph=Graph(again, "eager", (), (), callers) if callers else None,
        )
        for again, found in enumerate(((), (reason,)))
    ]
    return AnalysisContext(evidence(compilations=tuple(frames), sources={MODEL: STEPPED, FLEX: ""}, **values))


CARRIED = (
    "0/0: score_mod.__closure__[1].cell_contents == 0              # return s - (t - j)  # rk/project/model.py:5 in alibi "
    '(HINT: guard on "t")'
)
TRACED = (
    f'\nUser stack trace:\n  File "{FLEX}", line 2462, in flex_attention\n    out, lse, max_scores = flex_attention_hop(\n'
    f'  File "{MODEL}", line 5, in alibi\n    return s - (t - j)'
)


def test_a_new_function_for_flex_attention_is_the_users_line():
    (finding,) = findings(stepped(CARRIED + TRACED, (Frame(MODEL, 6, "forward"),)), "CD204")
    assert (finding.location.file, finding.location.line, finding.owner) == (MODEL, 6, "mine")
    assert finding.location.function == "Decoder.forward"


def test_where_nothing_tells_the_call_it_is_the_line_of_the_new_function_that_reads_the_value():
    for reason in (CARRIED + TRACED, CARRIED):
        (finding,) = findings(stepped(reason), "CD204")
        assert (finding.location.file, finding.location.line, finding.owner) == (MODEL, 5, "mine")


def test_the_limit_of_flex_attention_is_the_users_line_too():
    limit = LogRecord(
        "7",
        "limit",
        f"torch._dynamo hit config.recompile_limit (8)\n   function: 'flex_attention' ({FLEX}:2236)\n   last reason: {CARRIED}",
    )
    seen = stepped(CARRIED + TRACED, (Frame(MODEL, 6, "forward"),), logs=(limit,))
    (finding,) = findings(seen, "CD202")
    assert (finding.location.file, finding.location.line, finding.owner) == (MODEL, 6, "mine")
    assert "What varied: `t` that `score_mod` carries was 0" in finding.message
    assert finding.message.startswith("`flex_attention` was compiled 8 times")
    headline = consequence(make_report(seen.evidence))
    assert headline == "flex_attention hit the recompile limit."


def test_a_value_and_an_expression_of_it_are_one_cause():
    """torch makes the number dynamic at the second value, and then guards on what it needs of it."""
    reasons = (("dims[0] == 8",), ("(4 % dims[0]) == 0", "dims[0] == 8"))
    assert causes(decoder(*reasons)) == {"value:dims[0]": 2}


def test_an_expression_of_two_values_is_a_cause_of_its_own():
    reasons = (("dims[0] == 8",), ("(rows % dims[0]) == 0", "dims[0] == 8"))
    assert set(causes(decoder(*reasons))) == {"value:dims[0]", "value:(rows % dims[0])"}
    other = (("dims[0] == 8",), ("(4 % dims[1]) == 0", "dims[0] == 8"))
    assert set(causes(decoder(*other))) == {"value:dims[0]", "value:(4 % dims[1])"}


def test_an_empty_container_and_what_grows_in_it_are_one_cause():
    reasons = (("not self.stats",), ("len(self.stats['mean']) == 1", "not self.stats"))
    assert causes(decoder(*reasons)) == {"length:self.stats['mean']": 2}


def test_another_container_that_grows_is_not():
    reasons = (("not self.stats",), ("len(self.statistics['mean']) == 1", "not self.stats"))
    assert len(causes(decoder(*reasons))) == 2
