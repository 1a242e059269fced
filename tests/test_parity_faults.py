"""Wrong attention functions FAIL in the right rows, right ones nowhere. In this process, without torch.compile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

torch = pytest.importorskip("torch")

from parity_faults import FAULTS, RIGHT, constant_weights, float32_output

from compile_doctor.probe.parity.cases import CASES, DTYPES, find_case, make_problem
from compile_doctor.probe.parity.implementations import Target
from compile_doctor.probe.parity.judge import Judge, Verdict
from compile_doctor.probe.parity.seen import Seen

NAMES = [case.name for case in CASES]
SOME = ("causal-odd", "chunk-decode-odd", "padding", "alibi")


class Unwatched:
    """A user's function has nothing to prove but its numbers: the hooks stay out of this process."""

    @contextmanager
    def watch(self, generated: bool = False, dispatched: bool = False) -> Iterator[Seen]:
        yield Seen()


@cache
def judge(case: str, heads: str = "gqa", dtype: str = "float32") -> Judge:
    return Judge(make_problem(find_case(case), heads, dtype), Unwatched())


def run(function, case: str, heads: str = "gqa", dtype: str = "float32", direction: str = "forward") -> Verdict:
    torch.manual_seed(0)
    return judge(case, heads, dtype).judge(Target("attention", function), direction)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fails_where_it_matters_and_nowhere_else(fault):
    found = {case: run(fault.attention, case) for case in fault.only or NAMES}
    failed = {case for case, verdict in found.items() if verdict.status == "FAIL"}
    assert failed == (set(NAMES) if fault.fails is None else set(fault.fails)), found
    if fault.wrong_keys:
        assert all("wrong keys: query" in found[case].reason for case in failed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_function_never_fails(name, dtype):
    for case in NAMES:
        verdict = run(RIGHT[name], case, dtype=dtype)
        assert verdict.status in (("PASS",) if dtype == "float32" else ("PASS", "DRIFT")), (case, verdict)
        assert verdict.max_error <= verdict.tolerance or verdict.status == "DRIFT"


@pytest.mark.parametrize("heads", ["mha", "gqa", "mqa"])
def test_gradients_of_right_functions(heads):
    for case in NAMES if heads == "gqa" else SOME:
        for name in ("plain", "blocks"):
            assert run(RIGHT[name], case, heads, direction="backward").status == "PASS", (case, name)


def test_wrong_gradients_fail_where_the_output_is_right():
    assert run(constant_weights, "causal").status == "PASS"
    verdict = run(constant_weights, "causal", direction="backward")
    assert verdict.status == "FAIL"
    assert "the gradient of q" in verdict.reason


def test_nan_in_rows_that_attend_to_nothing_is_said_and_poisons_gradients():
    nan = RIGHT["NaN where nothing is attended to"]
    forward, backward = run(nan, "left-padding"), run(nan, "left-padding", direction="backward")
    assert forward.status == "PASS"
    assert "attend to nothing give NaN" in forward.reason
    assert backward.status == "FAIL"


def test_wrong_heads_are_right_where_there_is_one_of_each():
    interleaved = next(fault for fault in FAULTS if fault.name == "interleaved heads").attention
    assert {run(interleaved, case, heads).status for case in SOME for heads in ("mha", "mqa")} == {"PASS"}


def test_wrong_keys_are_found_where_the_dtype_hides_the_values():
    """One key too many among two hundred changes bfloat16 outputs by less than bfloat16 explains."""
    leak = next(fault for fault in FAULTS if fault.name == "the first token is seen by all").attention
    for dtype in ("bfloat16", "float16"):
        verdict = run(leak, "documents", dtype=dtype)
        assert verdict.status == "FAIL"
        assert "wrong keys: query 100 attends to key 0 (batch 0, head 0)" in verdict.reason


def test_another_dtype_or_shape_of_the_output_fails():
    assert "float32, but the query is bfloat16" in run(float32_output, "causal", dtype="bfloat16").reason
    flash = next(fault for fault in FAULTS if fault.name.startswith("layout")).attention
    assert "has shape (2, 256, 4, 64), not (2, 4, 256, 64)" in run(flash, "causal").reason


def test_what_a_function_does_not_support_is_no_failure():
    def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
        raise NotImplementedError("no masks yet" if mask_mod else "nothing yet")

    verdict = run(attention, "causal")
    assert (verdict.status, verdict.reason, verdict.max_error) == ("UNSUPPORTED", "no masks yet", None)


def test_what_a_function_raises_is_a_failure():
    def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
        return q @ k

    verdict = run(attention, "causal")
    assert verdict.status == "FAIL"
    assert "mat" in verdict.reason or "size" in verdict.reason
    assert "returned a NoneType" in run(lambda q, k, v, **_: None, "causal").reason


def test_a_sum_in_bfloat16_is_beyond_what_bfloat16_explains():
    def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
        k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
        p = (q.float() @ k.float().mT * q.shape[3] ** -0.5).softmax(-1).bfloat16()
        out = torch.zeros_like(q)
        for key in range(k.shape[2]):
            out = out + p[..., key, None] * v[..., key, None, :]
        return out

    assert run(attention, "bidirectional", dtype="bfloat16").status == "FAIL"


@pytest.mark.parametrize(
    ("fault", "case", "said"),
    [
        ("scale forgotten", "causal", "its scores are 8 times the right ones: a scale of 1, not 0.125"),
        ("interleaved heads", "causal", "query head 1 reads key head 1, not 0"),
        ("dropout left on", "causal", "two calls with the same inputs differ"),
    ],
)
def test_a_familiar_mistake_is_named(fault, case, said):
    attention = next(one for one in FAULTS if one.name == fault).attention
    assert said in run(attention, case).reason


def test_a_failure_says_how_large_and_how_often():
    reason = run(
        next(one for one in FAULTS if one.name == "online softmax without rescaling").attention, "causal"
    ).reason
    assert "differs by up to 0.2 (3e-06 is allowed), first at batch 0" in reason and "of 2,048 rows" in reason


def test_a_function_that_changes_its_inputs_fails():
    def attention(q, k, v, *, mask_mod=None, score_mod=None, scale=None):
        output = RIGHT["plain"](q, k, v, mask_mod=mask_mod, score_mod=score_mod, scale=scale)
        q.mul_(2)
        return output

    assert run(attention, "causal").reason == "it changes q in place"


def test_the_figures_of_a_backward_cell_are_those_of_a_gradient():
    forward, backward = (run(RIGHT["plain"], "causal", direction=one) for one in ("forward", "backward"))
    assert forward.tolerance != backward.tolerance and forward.max_error != backward.max_error
