"""What `fix` compares: other inputs, what a run does, and how two runs differ. Needs torch, and compiles nothing."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings

import pytest

torch = pytest.importorskip("torch")

from compile_doctor.mend.reached import reached
from compile_doctor.probe.equality.compare import differences, differing_names, excused
from compile_doctor.probe.equality.inputs import CHANGES, cases, scaled
from compile_doctor.probe.equality.run import Equality
from compile_doctor.probe.equality.seen import (
    LARGE,
    UNCHANGED,
    Seen,
    TooSlowError,
    at_most,
    listening,
    state_of,
    values_of,
    watching,
)
from compile_doctor.probe.numerics.trees import held


def test_other_inputs_have_the_shape_dtype_strides_and_bounds_of_the_given_ones():
    ids = torch.tensor([[3, 9], [4, 4]])
    mask = torch.tensor([True, False])
    real = torch.randn(3, 5).t().requires_grad_()
    given = [((ids, real), {"mask": mask, "again": real, "n": 3})]
    found = list(cases(given, 40))
    assert len(found) == 41 and found[0][:2] == ("as given", given)
    assert len({name for name, _, _ in found}) == 41
    for _, [((other_ids, other_real), kwargs)], _ in found[1:]:
        assert kwargs["again"] is other_real and kwargs["n"] == 3
        assert (other_real.shape, other_real.dtype, other_real.stride()) == (real.shape, real.dtype, real.stride())
        assert other_real.requires_grad and other_real is not real
        assert other_ids.dtype == ids.dtype and int(other_ids.min()) >= 3 and int(other_ids.max()) <= 9
        assert kwargs["mask"].dtype is torch.bool
    values = torch.stack([one[0][0][1].detach().nan_to_num().sum() for _, one, _ in found])
    assert len(set(values.tolist())) > 20, "they differ from each other"
    again = list(cases(given, 40))
    assert all(torch.equal(a[1][0][0][0], b[1][0][0][0]) for a, b in zip(found, again)), "and are the same each time"


def test_some_cases_scale_the_parameters():
    assert {factor for _, _, factor in CHANGES} > {1.0, 0.1, 10.0}
    model = torch.nn.Linear(2, 2)
    before = model.weight.detach().clone()
    assert torch.equal(scaled(model, 10.0).weight, before * 10)


def test_a_tensor_without_elements_and_other_layouts_stay():
    given = [((torch.empty(0), torch.eye(2).to_sparse(), "text"), {})]
    for _, [((empty, sparse, text), _)], _ in cases(given, len(CHANGES)):
        assert empty.numel() == 0 and sparse.is_sparse and text == "text"


def test_messages_are_collected_and_not_shown(capsys):
    messages: list[str] = []
    with listening(messages):
        print("one")
        logging.getLogger("model").warning("two %d", 2)
        warnings.warn("three", stacklevel=1)
    assert messages == ["print one", "log WARNING two 2", "warning three"]
    assert capsys.readouterr().out == ""


def test_a_statement_is_reached_from_outside_of_its_lines():
    def f(n, skip):
        for _ in range(n):
            if not (skip and [
                -one for one in range(9)
            ]):  # fmt: skip
                for _ in range(5):
                    n += 1
        return n

    def turns(n):
        for one in range(n):
            yield [
                one,
            ]

    lines: dict = {}
    with watching({__file__}, lines):
        f(3, False)
        f(4, True)
        assert list(turns(2)) == [[0], [1]]
    ran, first = lines[__file__], f.__code__.co_firstlineno
    header, body, end = (first + 2, first + 4), (first + 5, first + 6), (first + 7, first + 7)
    assert (reached(ran, header), reached(ran, body), reached(ran, end)) == (7, 3, 2)
    assert sum(count for (_, line), count in ran.items() if line == first + 5) > 7, (
        "the head of the loop ran more often"
    )
    start = turns.__code__.co_firstlineno
    assert reached(ran, (start + 2, start + 4)) == 2


class Counting(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(2, 2)
        self.calls, self.names, self._hidden = 3, ["a", "b"], 1
        self.register_buffer("_index_tensor", torch.tensor(1), persistent=False)


def test_state_is_tensors_plain_attributes_and_inputs():
    found = state_of(Counting(), [((torch.ones(2),), {})], set())
    assert {"lin.weight", "calls", "names[0]", "training", "input[0] of call 1"} <= set(found)
    assert not {"_hidden", "_index_tensor"} & set(found)


class Large(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(float(LARGE)))
        self.register_buffer("table", torch.ones(LARGE))


@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_large_tensors_that_no_call_has_changed_are_not_kept(factor):
    model = Large()
    start = {name: tensor.detach().clone() for name, tensor in held(model)}
    model = scaled(model, factor)
    before = state_of(model, [], set(), start, factor)
    assert before["weight"] == before["table"] == UNCHANGED
    model.weight.data[5] += 1  # no version counter sees this
    after = state_of(model, [], set(), start, factor)
    assert after["weight"].shape == (LARGE,) and after["table"] == UNCHANGED
    one, two = seen(state=before), seen(state=after)
    assert differences(one, two, False) == ["state weight is changed by the calls, and was not"]
    assert differences(two, one, False) == ["state weight is not changed by the calls, and was"]
    assert differences(two, two, False) == []


def running(sizes):
    """A child of `fix` whose cases have gradients of these sizes, in GiB."""
    child = Equality.__new__(Equality)
    child.settings = {"seconds": [1e9, 1e9]}
    child._cases = lambda: ((str(number), [], 1.0) for number in range(len(sizes)))

    def case(name, inputs, factor, backward):
        size = int(sizes[int(name)] * 2**28)
        made = Seen(name, gradients={"w": torch.empty(size, device="meta")} if backward else {})
        made.backward = backward
        return made

    child._case = case
    return child


@pytest.mark.parametrize(
    ("gradients", "size", "count"), [(True, 0.1, 4), (True, 0.75, 3), (True, 9.0, 1), (False, 0.1, 0)]
)
def test_gradients_are_kept_as_far_as_there_is_memory(gradients, size, count):
    child = running([size] * 4)
    found = child._all_eager(gradients, None)
    assert [one.backward for one in found] == [True] * count + [False] * (4 - count)
    again = child._all_eager(gradients, [one.backward for one in found[:3]])
    assert [one.backward for one in again] == [one.backward for one in found[:3]], "the changed files run as these did"


def seen(output=None, gradients=None, state=None, error=""):
    results = values_of(output, "output of call 1") if output is not None else {}
    return Seen("x", error, results, gradients or {}, state or {})


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (torch.ones(2), torch.ones(2) + 1e-6, ""),
        (torch.ones(2), torch.ones(2) * 1.01, "output of call 1 differs by up to 0.01"),
        (torch.ones(2), torch.ones(2, 1), "output of call 1 has the shape [2, 1] and had [2]"),
        (torch.ones(2), torch.ones(2).double(), "output of call 1 is float64 and was float32"),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), "output of call 1 differs in 1 of 2 elements"),
        (torch.tensor([math.nan]), torch.tensor([1.0]), "output of call 1 has NaN in other places"),
        (torch.tensor([math.inf]), torch.tensor([math.inf]), ""),
        (torch.tensor(2.0), 2.0, "output of call 1 is a float and was a tensor"),
        ([1, "a"], [1, "b"], "output of call 1[1] is 'b' and was 'a'"),
        ([1], [1, 2], "output of call 1[1] is new"),
        ([1, None], [1], "output of call 1[1] is missing"),
    ],
)
def test_results_differ_in_words(one, other, text):
    assert differences(seen(one), seen(other), False) == ([text] if text else [])


def test_an_exception_has_to_stay_one():
    assert differences(seen(error="ValueError"), seen(error="RuntimeError"), True) == []
    assert differences(seen(1), seen(error="RuntimeError"), True) == ["raises RuntimeError"]
    assert differences(seen(error="ValueError"), seen(1), True) == ["does not raise ValueError"]


def test_what_the_unchanged_target_does_too_is_excused():
    eager, own = seen(torch.ones(2), state={"calls": 1}), seen(torch.ones(2) * 1.01, state={"calls": 5})
    assert differences(eager, seen(torch.ones(2) * 1.02, state={"calls": 5}), False, own) == []
    assert len(differences(eager, seen(torch.ones(2) * 1.2, state={"calls": 6}), False, own)) == 2


def test_of_gradients_zeros_for_none_and_nan_beside_nan_are_named_and_everything_else_counts():
    one, zero, nan = torch.ones(2), torch.zeros(2), torch.tensor([math.nan, 1.0])
    old = seen(1, {"w": one})
    assert differences(old, seen(1, {"w": one, "b": zero}), True) == []
    assert "zeros" in excused(old, seen(1, {"w": one, "b": zero}))
    assert differences(old, seen(1, {"w": one, "b": one}), True) == ["gradient b is new"]
    assert differences(old, seen(1, {"w": nan}), True) == ["gradient w has NaN in other places"]
    assert differences(old, seen(1, {}), True) == ["gradient w is missing"]
    was = seen(1, {"w": nan})
    assert differences(was, seen(1, {"w": nan.flip(0)}), True) == []
    assert "NaN" in excused(was, seen(1, {"w": nan.flip(0)})) and excused(old, old) == ""


class Unnamed:
    def __init__(self, *parts):
        self.parts = parts


def test_an_output_class_that_torch_knows_without_names_is_opened():
    from torch.utils._pytree import register_pytree_node

    register_pytree_node(Unnamed, lambda one: (list(one.parts), None), lambda parts, _: Unnamed(*parts))
    found = values_of({"a": Unnamed(torch.ones(1), 2)}, "output")
    assert list(found) == ["output[0]", "output[1]"] and found["output[1]"] == 2


def test_state_that_is_not_the_same_is_named():
    one = {"a": torch.ones(2), "b": 1, "c": "x", "gone": 1}
    assert differing_names(one, {"a": torch.ones(2), "b": 2, "c": "x", "new": 1}) == {"b", "gone", "new"}


def test_a_case_that_never_ends_is_ended():
    def never_ends(seconds):
        with at_most(seconds):
            while seconds:
                pass
        return True

    with pytest.raises(TooSlowError):
        never_ends(0.05)
    assert never_ends(0.0)


def test_a_case_that_takes_too_long_says_so_whatever_torch_makes_of_it():
    def wrapped():
        with at_most(0.05) as raised:
            try:
                while True:
                    pass
            except TooSlowError as error:
                with contextlib.suppress(RuntimeError):
                    raise RuntimeError("while a graph was traced") from error
        return raised

    assert [str(one) for one in wrapped()] == ["it took more than 0 s"]
    slow = Seen("x", "TooSlowError", said="it took more than 20 s")
    assert differences(seen(1), slow, True) == ["raises TooSlowError: it took more than 20 s"]
