"""The torch side of --numerics: what is compared with what, and which faults of decoding are found. Nothing is compiled."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from compile_doctor.model.comparisons import Compared
from compile_doctor.model.tolerances import status
from compile_doctor.probe.load import Decoding, find_program
from compile_doctor.probe.numerics.compare import Numerics
from compile_doctor.probe.numerics.decoding import Decode, axis
from compile_doctor.probe.numerics.difference import compare
from compile_doctor.probe.numerics.record import backward
from compile_doctor.probe.numerics.state import Start, doubled, moved

NAN, INF = float("nan"), float("inf")


class Log:
    """Keeps what would be written."""

    def __init__(self):
        self.events = []

    def write(self, event):
        self.events.append({name: getattr(event, name) for name in event.__dataclass_fields__})


# ---------------------------------------------------------------- one tensor


def judged(mine, eager, exact=None, noisy=None):
    made = compare("output", *(t if t is None else torch.as_tensor(t) for t in (mine, eager, exact, noisy)))
    return made if made is None else status(Compared(**made), 1)


def test_a_tensor_is_held_against_float64_where_there_is_one():
    eager, exact = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-4], dtype=torch.float64)
    assert judged(eager + 2e-4, eager) == "FAIL"
    assert judged(eager + 2e-4, eager, exact) == "PASS"  # eager is off by 1e-4 itself
    row = compare("output", eager + 2e-4, eager, exact)
    assert (round(row["error"], 6), round(row["eager_error"], 6), row["scale"]) == (2e-4, 1e-4, float(exact.max()))


def test_float64_that_is_far_from_eager_is_no_reference():
    eager = torch.tensor([1.0, 2.0])
    assert judged(eager, eager, torch.tensor([9.0, 9.0], dtype=torch.float64)) == "PASS"
    assert judged(eager + 1, eager, torch.tensor([9.0, 9.0], dtype=torch.float64)) == "FAIL"


@pytest.mark.parametrize(
    ("mine", "eager", "exact", "expected"),
    [
        ([1.0, NAN], [1.0, NAN], None, "PASS"),
        ([1.0, INF], [1.0, INF], None, "PASS"),
        ([1.0, NAN], [1.0, 2.0], None, "FAIL"),
        ([1.0, 2.0], [1.0, NAN], None, "FAIL"),
        ([1.0, -INF], [1.0, INF], None, "FAIL"),
        ([1.0, 2.0], [1.0, INF], [1.0, 2.0], "PASS"),  # eager overflowed
        ([1.0, 3.0], [1.0, INF], [1.0, 2.0], "FAIL"),
        ([1.0, INF], [1.0, 2.0], [1.0, 2.0], "FAIL"),
        ([1, 2], [1, 2], None, "PASS"),
        ([1, 3], [1, 2], None, "FAIL"),
        ([1, 3, 3], [1, 2, 3], [1, 3, 3], "PASS"),
        ([True, False], [True, True], None, "FAIL"),
        ([1.0 + 1j], [1.0 + 1j], None, "PASS"),
        ([1.0 + 1j], [1.0 - 1j], None, "FAIL"),
        ([[1.0, 2.0]], [1.0, 2.0], None, "FAIL"),
        ([], [], None, "PASS"),
        (None, [0.0, 0.0], None, "PASS"),  # a gradient that is None is one of zero
        (None, [0.0, 1.0], None, "FAIL"),
    ],
)
def test_numbers_of_every_kind(mine, eager, exact, expected):
    assert judged(mine, eager, exact) == expected


def test_another_dtype_is_told():
    row = compare("output", torch.ones(2), torch.ones(2, dtype=torch.bfloat16))
    assert row["note"] == "dtype float32, but eager has bfloat16"


def test_what_one_step_moves_is_noise():
    eager = torch.tensor([1.0, 2.0])
    assert judged(eager + 1e-3, eager, None, eager + 5e-4) == "DRIFT"
    assert judged(torch.tensor([3, 2]), torch.tensor([3, 1]), None, torch.tensor([3, 2])) == "DRIFT"
    assert judged([NAN, 1.0], [0.0, 1.0], None, [0.0, NAN]) is None


# ---------------------------------------------------------------- the same start


class Normed(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.norm(self.linear(x)) * self.calls


@pytest.mark.parametrize("rebuilt", [True, False])
def test_every_run_starts_from_the_same_state(rebuilt):
    model, x = Normed(), torch.randn(3, 4)
    inputs = [((x,), {}), ((x,), {})]
    start = Start(Normed if rebuilt else None, list, model, inputs)  # a new one has other weights
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model(x.mul_(2))
    again, given = start.model(), start.inputs()
    assert again is not model
    assert again.calls == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in again.state_dict().items())
    assert not torch.equal(again.norm.running_mean, model.norm.running_mean)
    assert torch.equal(given[0][0][0] * 2, x)
    assert given[0][0][0] is given[1][0][0]


def test_casting_and_moving_keep_what_is_shared():
    x = torch.ones(2, requires_grad=True)
    wide = doubled([((x,), {}), ((x,), {"n": torch.arange(2)})])
    assert wide[0][0][0] is wide[1][0][0]
    assert (wide[0][0][0].dtype, wide[0][0][0].requires_grad, wide[1][1]["n"].dtype) == (
        torch.float64,
        True,
        torch.int64,
    )
    tied = nn.ModuleList([nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)])
    tied[1].weight = tied[0].weight
    before = tied[0].weight.detach().clone()
    assert moved(copy.deepcopy(tied))[0].weight.detach().sub(before).abs().max() <= before.abs().max() * 2**-22
    assert doubled(tied)[0].weight is tied[1].weight
    assert torch.equal(moved(torch.tensor([INF, -INF, 0.0])), torch.tensor([INF, -INF, 0.0]))


def test_the_gradient_of_a_softmax_is_not_only_rounding():
    x = torch.randn(3, 5, requires_grad=True)
    backward({"scores": torch.softmax(x, -1), "chosen": x.argmax(-1), "nothing": None})
    assert x.grad.abs().max() > 1e-2
    loss = nn.Parameter(torch.tensor(2.0))
    backward(loss * 3)
    assert loss.grad == 3


# ---------------------------------------------------------------- a whole comparison


def numerics(model, x, wrong=lambda model: model, grad=True, build=None):
    """The events of a run in which `wrong` stands for torch.compile."""
    log, inputs = Log(), [((x,), {})]
    found = Numerics(log, Start(build, list, model, inputs), None, grad)

    def calls(model, inputs, phase):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        for number, (args, kwargs) in enumerate(inputs):
            found.call(phase, number, model, args, kwargs)
        return not torch.equal(before, torch.get_rng_state())

    calls(wrong(found.start.model()), found.start.inputs(), "compiled")
    found.random = calls(found.start.model(), found.start.inputs(), "eager")
    found.compare(calls, wrong)
    return {(event["case"], event["direction"]): event for event in log.events}


def results(events):
    return {
        key: status(Compared(**event["rows"][0]), event["depth"]) if event["rows"] else "N/A"
        for key, event in events.items()
    }


def test_outputs_gradients_and_statistics_are_compared():
    events = numerics(Normed(), torch.randn(3, 4))
    assert results(events) == {
        ("compiled-vs-eager", "forward"): "PASS",
        ("compiled-vs-eager", "backward"): "PASS",
        ("state-after", "forward"): "PASS",
    }
    names = {row["name"] for row in events["state-after", "forward"]["rows"]}
    assert names == {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
    assert all(row["eager_error"] is not None for row in events["compiled-vs-eager", "forward"]["rows"])


def test_statistics_that_move_too_far_are_found():
    def other_momentum(model):
        model.norm.momentum = 0.2
        return model

    found = results(numerics(Normed(), torch.randn(3, 4), other_momentum))
    assert found["compiled-vs-eager", "forward"] == "PASS"
    assert found["state-after", "forward"] == "FAIL"


def test_a_gradient_that_is_wrong_alone_is_found():
    def halved(model):
        model.linear.weight.register_hook(lambda grad: grad / 2)
        return model

    events = numerics(Normed(), torch.randn(3, 4), halved)
    assert results(events)["compiled-vs-eager", "forward"] == "PASS"
    assert results(events)["compiled-vs-eager", "backward"] == "FAIL"
    assert events["compiled-vs-eager", "backward"]["rows"][0]["name"] == "gradient of linear.weight"


def test_a_model_without_float64_is_compared_all_the_same():
    class Fixed(nn.Linear):
        def forward(self, x):
            return super().forward(x.float())

    events = numerics(Fixed(4, 4), torch.randn(3, 4))
    event = events["compiled-vs-eager", "forward"]
    assert results(events)["compiled-vs-eager", "forward"] == "PASS"
    assert event["rows"][0].get("eager_error") is None
    assert any("no float64 run" in note for note in event["notes"])


class Narrow(nn.Module):
    """A float32 model that rounds to bfloat16 inside; `wide`: as Inductor has it, which leaves such casts out."""

    def __init__(self, wide=False):
        super().__init__()
        self.first, self.last, self.wide = nn.Linear(4, 4), nn.Linear(4, 4), wide

    def forward(self, x):
        x = self.first(x)
        return self.last((x if self.wide else x.bfloat16()).sin().to(self.last.weight.dtype))


def test_a_cast_inside_the_model_widens_the_tolerance():
    def widened(model):
        model.wide = True
        return model

    event = numerics(Narrow(), torch.randn(8, 4), widened)["compiled-vs-eager", "forward"]
    row = Compared(**event["rows"][0])
    assert (row.dtype, status(row, event["depth"])) == ("bfloat16", "PASS")
    assert row.error > 1e-4
    assert any("bfloat16 internally" in note for note in event["notes"])

    def wrong(model):
        model.last.register_forward_hook(lambda module, args, output: output + 0.2)
        return model

    assert results(numerics(Narrow(), torch.randn(8, 4), wrong))["compiled-vs-eager", "forward"] == "FAIL"


class Dropped(nn.Module):
    """Dropout in each of the three ways that it is written, and noise where `noise` is set."""

    def __init__(self, noise=0.0):
        super().__init__()
        self.linear, self.drop, self.attention_dropout, self.noise = nn.Linear(4, 4), nn.Dropout(0.5), 0.3, noise

    def forward(self, x):
        x = nn.functional.dropout(self.drop(self.linear(x)), self.attention_dropout, self.training)
        return x + self.noise * torch.rand_like(x) if self.noise else x


def drawing_before(model):
    """Stands for compiled code that draws its random numbers in another order."""

    def draw(*_):
        if model.drop.p or model.noise:
            torch.rand(1)

    model.register_forward_pre_hook(draw)
    return model


def test_the_same_random_numbers_are_compared():
    events = numerics(Dropped(), torch.randn(8, 4))
    assert set(results(events).values()) == {"PASS"}
    (note,) = events["compiled-vs-eager", "forward"]["notes"]
    assert "draws random numbers" in note


def test_other_random_numbers_are_told_from_other_results():
    events = numerics(Dropped(), torch.randn(8, 4), drawing_before)
    assert set(results(events).values()) == {"PASS"}
    assert any("dropout set to 0" in note for note in events["compiled-vs-eager", "forward"]["notes"])

    def wrong(model):
        model.linear.register_forward_hook(lambda module, args, output: output * 1.01)
        return drawing_before(model)

    assert results(numerics(Dropped(), torch.randn(8, 4), wrong))["compiled-vs-eager", "forward"] == "FAIL"


def test_noise_that_is_drawn_otherwise_cannot_be_judged():
    event = numerics(Dropped(0.1), torch.randn(8, 4), drawing_before)["compiled-vs-eager", "forward"]
    assert (event["state"], event["rows"]) == ("N/A", [])
    assert "in another order" in event["reason"]


# ---------------------------------------------------------------- decoding

WIDTH, LENGTH = 8, 13


class Decoder(nn.Module):
    """One attention layer with a table of positions and a cache; `fault` is what is wrong with it."""

    def __init__(self, fault=""):
        super().__init__()
        self.fault = fault
        self.token, self.table = nn.Embedding(20, WIDTH), nn.Parameter(torch.randn(32, WIDTH))
        self.qkv, self.drop = nn.Linear(WIDTH, 3 * WIDTH), nn.Dropout(0.5)
        self.cache = torch.zeros(2, 2, 32, WIDTH)

    def forward(self, ids, start=0):
        count = ids.shape[1]
        end = start + count
        if self.fault == "arange":
            x = self.token(ids) + self.table[torch.arange(count)]
        elif self.fault == "slice":
            x = self.token(ids) + self.table[:count]
        elif self.fault == "start+1":
            x = self.token(ids) + self.table[start + (start > 0) : end + (start > 0)]
        elif self.fault == "arange-1":
            x = self.token(ids) + self.table[torch.tensor(max(start - 1, 0)) + torch.arange(count)]
        else:
            x = self.token(ids) + self.table[start:end]
        q, k, v = self.qkv(self.drop(x)).chunk(3, -1)
        cache = self.cache.to(x.dtype)
        if self.fault == "write":
            cache[:, :, :count] = torch.stack([k, v])
        elif self.fault == "halved":
            cache[:, :, start:end] = torch.stack([k, v]) / (1 + (start > 0))
        else:
            cache[:, :, start:end] = torch.stack([k, v])
        self.cache = cache
        k, v = cache[0, :, :end], cache[1, :, :end]
        if self.fault == "causal":
            return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        if self.fault == "triangle":
            mask = torch.ones(count, end, dtype=torch.bool).tril()
        else:
            mask = torch.ones(count, end, dtype=torch.bool).tril(start - (self.fault == "mask" and start > 0))
        return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def decode(fault="", chunks=(), hook=None):
    torch.manual_seed(0)
    ids = torch.randint(0, 20, (2, LENGTH))

    def incremental(model, inputs, chunk):
        parts = [model(part, chunk * number) for number, part in enumerate(inputs[0].split(chunk, 1))]
        if fault == "rows":
            parts = [torch.cat(parts, 1).roll(-2, 1)]
        return torch.cat(parts, 1)

    log, model = Log(), Decoder(fault)
    found = Numerics(log, Start(None, list, model, [((ids,), {})]), None, False)
    hooks = Decoding(lambda model, inputs: model(*inputs), hook or incremental, lambda: (ids.clone(),))
    Decode(hooks, found, lambda: torch.manual_seed(0), lambda value: value).run(chunks, None)
    return {event["case"]: event for event in log.events}


def test_decoding_that_is_right_passes_in_every_chunk():
    events = decode()
    assert list(events) == ["chunk-7", "chunk-4", "chunk-1"]
    assert all(status(Compared(**event["rows"][0]), event["depth"]) == "PASS" for event in events.values())
    assert any("eval mode" in note for event in events.values() for note in event["notes"])  # dropout is off


@pytest.mark.parametrize("fault", ["arange", "slice", "write", "causal", "triangle"])
def test_the_line_that_explains_wrong_decoding_is_found(fault):
    events = decode(fault)
    assert {case: event["positions"]["first"] for case, event in events.items()} == {
        "chunk-7": 7,
        "chunk-4": 4,
        "chunk-1": 1,
    }
    explained = events["chunk-7"]["explained"]
    words = {"arange": "torch.arange(count)", "slice": "self.table[:count]", "write": "cache[:, :, :count] ="}
    words |= {"causal": "is_causal=True", "triangle": ".tril()"}
    file, line, function, _ = explained["frame"]
    source = Path(file).read_text(encoding="utf-8").splitlines()[line - 1]
    assert (explained["kind"], function, explained["sites"]) == (fault, "forward", 1)
    assert words[fault] in source


@pytest.mark.parametrize(
    ("fault", "kind", "by", "words"),
    [
        ("start+1", "slice", -1, "self.table[start + (start > 0)"),
        ("arange-1", "arange", 1, "torch.arange(count)"),
        ("mask", "triangle", 1, ".tril(start - "),
    ],
)
def test_an_offset_of_one_is_found(fault, kind, by, words):
    explained = decode(fault)["chunk-7"]["explained"]
    file, line, _, _ = explained["frame"]
    assert (explained["kind"], explained["by"], explained["sites"]) == (kind, by, 1)
    assert words in Path(file).read_text(encoding="utf-8").splitlines()[line - 1]


def test_a_fault_that_no_shift_mends_is_not_explained():
    events = decode("halved")
    assert events["chunk-7"]["positions"]["first"] == 7
    assert all(event["explained"] is None and "shift" not in event["positions"] for event in events.values())


def test_rows_in_another_place_are_told_by_their_shift():
    positions = decode("rows", (4,))["chunk-4"]["positions"]
    assert (positions["first"], positions["shift"], positions["differing"]) == (0, 2, LENGTH)


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (lambda *_: (_ for _ in ()).throw(NotImplementedError("not yet")), "UNSUPPORTED", "not yet"),
        (lambda *_: {}["x"], "FAIL", "KeyError"),
        (lambda *_: [1], "FAIL", "returned a list, not a tensor"),
    ],
)
def test_a_hook_that_gives_nothing_is_no_pass(answer, state, words):
    event = decode(chunks=(4,), hook=answer)["chunk-4"]
    assert (event["state"], event["rows"]) == (state, [])
    assert words in event["reason"]


def test_a_hook_that_gives_another_shape_is_told():
    event = decode(chunks=(4,), hook=lambda model, inputs, chunk: model(inputs[0][:, :chunk]))["chunk-4"]
    assert "shape" in event["rows"][0]["note"]


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (torch.ones(2, 5, 3), 1),
        (torch.ones(2, 4, 5, 3), 2),
        (torch.ones(5, 3), 0),
        (torch.ones(2, 5).long(), 1),
        (torch.ones(5), 0),
    ],
)
def test_where_positions_are(tensor, expected):
    assert axis(tensor) == expected


def test_hooks_are_those_of_the_target_itself():
    def full(model, inputs): ...

    def incremental(model, inputs, chunk): ...

    module = SimpleNamespace(
        __name__="model",
        build_model=Normed,
        example_inputs=lambda: (torch.ones(2, 4),),
        full=full,
        incremental=incremental,
    )
    full.__module__ = incremental.__module__ = "model"
    found = find_program(module, None).decoding
    assert found.full is full
    assert torch.equal(found.inputs()[0], torch.ones(2, 4))
    module.full = torch.full
    assert find_program(module, None).decoding is None
