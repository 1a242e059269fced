"""Failed guards as torch 2.8, 2.13 and 2.15 really print them; what differs between runs is not in the key."""

from __future__ import annotations

import random
import re
import string

import pytest

from compile_doctor.analysis.recompiles.guards import LONGEST, carrier, parse

HINT = (
    "(HINT: torch.compile considers integer attributes of the nn.Module to be static. If you are observing recompilation, "
    "you might want to make this integer dynamic using torch._dynamo.config.allow_unspec_int_on_nn_module = True, "
    "or convert this integer into a tensor.)"
)
KEYS = "DispatchKeySet(CPU, BackendSelect, ADInplaceOrView, AutogradCPU), actual DispatchKeySet(Meta, BackendSelect)"
RANGE = (
    "0/1: 2 <= x.size()[0] <= 6  # def br(x): return x.sin() if x.shape[0] > 6 else x.cos()  # mp/x/r.py:87 in br "
    "(user code shown is first use of this value--the guard itself is not due user code but due to 0/1 specialization "
    "in the framework; to avoid specialization try torch._dynamo.mark_unbacked(tensor, dim)) and def br(x): return "
    "x.sin() if x.shape[0] > 6 else x.cos()  # mp/x/r.py:87 in br (_dynamo/variables/tensor.py:1410 in evaluate_expr)"
)
# (torch, text, kind, what is guarded, key)
REAL = [
    (
        "2.8",
        "0/0: fn.__closure__[0].cell_contents == 0                   ",
        "closure",
        "fn",
        "closure:fn.__closure__[0].cell_contents",
    ),
    (
        "2.13",
        '0/0: fn.__closure__[0].cell_contents == 0     # def mod(y): return y * n  # mp/x/r.py:13 in mod (HINT: guard on "n")',
        "closure",
        "fn",
        "closure:fn.__closure__[0].cell_contents",
    ),
    (
        "2.8",
        "0/0: fn.keywords['other'] == 0.0                            ",
        "closure",
        "fn",
        "closure:fn.keywords['other']",
    ),
    (
        "2.15",
        "0/1: fn.__defaults__[0] == 1      # def mod(y, n=n): return y * n  # mp/x/r.py:18 in mod",
        "closure",
        "fn",
        "closure:fn.__defaults__[0]",
    ),
    ("2.8", "0/0: ___check_obj_id(fn, 140419953496912)                   ", "identity", "fn", "identity:fn"),
    (
        "2.13",
        "0/0: ___check_obj_id(fn, 140412470314224), type=<class 'builtin_function_or_method'>  # def apply(x, fn): return fn(x)  # mp/x/r.py:10 in apply",
        "identity",
        "fn",
        "identity:fn",
    ),
    ("2.8", "0/0: mode == 'a'                                            ", "value", "mode", "value:mode"),
    (
        "2.15",
        "0/0: mode == 'a'    # def g(x, mode): return x.sin() if mode == \"a\" else x.cos()  # mp/x/r.py:26 in g",
        "value",
        "mode",
        "value:mode",
    ),
    ("2.8", "0/0: y is None                                              ", "none", "y", "none:y"),
    (
        "2.13",
        "0/0: y is None            # def h(x, y): return x.sin() if y is None else x + y  # mp/x/r.py:28 in h",
        "none",
        "y",
        "none:y",
    ),
    ("2.13", "0/0: expected type of 'y' to be a tensor type, ' but found <class 'NoneType'>", "type", "y", "type:y"),
    (
        "2.15",
        "0/0: expected type of 'y' to be <class 'torch.Tensor'>, but found <class 'NoneType'>",
        "type",
        "y",
        "type:y",
    ),
    ("2.8", "0/0: len(xs) == 2                                           ", "length", "xs", "length:xs"),
    ("2.8", "0/0: len(kw) != 1", "length", "kw", "length:kw"),
    (
        "2.15",
        "0/0: len(G['lst']) == 2                    # def ll(x): return x*len(lst)  # mp/x/r.py:110 in ll",
        "length",
        "lst",
        "length:lst",
    ),
    (
        "2.13",
        "0/0: list(dict.keys(kw))[0] == 'a'         # def d(kw): return sum(kw.values())  # mp/x/r.py:33 in d",
        "keys",
        "kw",
        "keys:kw",
    ),
    ("2.8", "0/0: tensor 'x' dtype mismatch. expected Float, actual Double", "dtype", "x", "dtype:x"),
    ("2.8", "0/0: tensor 'x' rank mismatch. expected 2, actual 3", "rank", "x", "rank:x"),
    ("2.8", "0/0: tensor 'x' stride mismatch at index 0. expected 8, actual 1", "stride", "x", "stride:x:0"),
    ("2.15", "0/2: tensor 'x' size mismatch at index 1. expected 10, actual 11", "size", "x", "size:x:1"),
    (
        "2.15",
        "1/0: tensor 'x' requires_grad mismatch. expected requires_grad=0",
        "requires_grad",
        "x",
        "requires_grad:x",
    ),
    ("2.13", f"0/0: tensor 'x' dispatch key set mismatch. expected {KEYS}", "device", "x", "device:x"),
    ("2.8", "0/0: GLOBAL_STATE changed: grad_mode ", "state", "grad_mode", "state:grad_mode"),
    ("2.8", "0/0: GLOBAL_STATE changed: autocast ", "state", "autocast", "state:autocast"),
    ("2.13", "0/0: GLOBAL_STATE changed: autocast(cpu)_enabled ", "state", "autocast", "state:autocast"),
    ("2.15", "0/0: GLOBAL_STATE changed: num_threads ", "state", "num_threads", "state:num_threads"),
    ("2.8", "0/0: G['G'] == 2                                                 ", "value", "G", "value:G"),
    (
        "2.8",
        f"0/1: s.n == 1                                                {HINT}",
        "module-int",
        "s.n",
        "module-int:n",
    ),
    (
        "2.15",
        f"1/1: s.layer_idx == 1        # x = s.l(x) + s.layer_idx  # mp/x/m.py:11 in forward {HINT}",
        "module-int",
        "s.layer_idx",
        "module-int:layer_idx",
    ),
    (
        "2.8",
        "0/0: s._modules['d'].training == True                       ",
        "value",
        "s.d.training",
        "value:s.d.training",
    ),
    ("2.8", RANGE, "shape-range", "x", "shape-range:x:0"),
    ("2.8", "0/1: ___check_type_id(k, 140419967308288)                   ", "type", "k", "type:k"),
    (
        "2.13",
        "0/1: ___check_type_id(k, 140412484669952), type=<class 'float'>  # def n(x, k)  # mp/x/r.py:89 in n (HINT: type float)",
        "type",
        "k",
        "type:k",
    ),
    ("2.8", "0/0: x is y                                            ", "alias", "x is y", "alias"),
    (
        "2.13",
        "1/0: L['self']._modules['a']._forward_pre_hooks[list(dict.keys(L['self']._modules['a']._forward_pre_hooks))[0]]"
        ".__closure__[0].cell_contents is L['self']._modules['b']._parameters['bias'].device_mesh  # return x  # linear.py:134 in forward",
        "shared",
        "self.a._forward_pre_hooks[list(dict.keys(self.a._forward_pre_hooks))[0]].__closure__[0].cell_contents",
        "shared:self.a._forward_pre_hooks[list(dict.keys(self.a._forward_pre_hooks))[0]].__closure__[0].cell_contents:self.b.bias.device_mesh",
    ),
    ("2.13", "0/0: x.mesh is not G['spec'].mesh", "shared", "x.mesh", "shared:x.mesh:spec.mesh"),
    ("2.15", '0/0: Duplicate tensors found: ["x", "y"]', "alias", 'Duplicate tensors found: ["x", "y"]', "alias"),
    (
        "2.13",
        "37/2: 'NoneType' object has no attribute 'size'",
        "unreadable",
        ".size",
        "'NoneType' object has no attribute 'size'",
    ),
    (
        "2.15",
        '3/0: ___stack0 == -0.7291905879974365      # print("hi", n)  # mp/x/m.py:17 in resume',
        "value",
        "___stack0",
        "value:___stack0",
    ),
]


@pytest.mark.parametrize(("torch", "text", "kind", "source", "key"), REAL, ids=[f"{row[0]}-{row[4]}" for row in REAL])
def test_real_guards(torch, text, kind, source, key):
    guard = parse(text)
    assert (guard.kind, guard.source, guard.key) == (kind, source, key)
    assert guard.words
    assert "  " not in guard.words
    assert parse(f"- {text}") == guard  # as TORCH_LOGS prints it
    assert parse(re.sub(r"^\d+/\d+: ", "", text)) == guard


VALUES = [
    ("tensor 'x' size mismatch at index 1. expected {}, actual {}", [(8, 9), (10, 4096)]),
    ("s.layer_idx == {}   " + HINT, [(1,), (31,)]),
    ("mode == {!r}", [("train",), ("a == b",), ("this is it",), ("x is None",), ("len(x) == 3",), ("a # b",)]),
    ("___check_obj_id(fn, {})", [(140419953496912,), (7,)]),
    ("GLOBAL_STATE changed: {} ", [("autocast(cpu)_enabled",), ("autocast(cuda)_enabled",), ("autocast",)]),
    ("k == {}", [(2,), (-3.5,), (True,), ("[1, 2, 3]",), ("torch.float32",)]),
    ("some new guard {} of 2.16", [(1,), (12,)]),
]


@pytest.mark.parametrize(("template", "values"), VALUES, ids=[row[0] for row in VALUES])
def test_keys_do_not_change_with_values(template, values):
    keys = {parse(f"{number}/{number}: {template.format(*value)}").key for number, value in enumerate(values)}
    assert len(keys) == 1


def test_where_a_value_is_read_comes_from_the_comment_or_the_stack():
    comment = "0/0: k == 2     # def n(x, k): return x * k  # mp/x/r.py:89 in n\n    def n(x, k): return x * k"
    assert parse(comment).read_at == ("mp/x/r.py", 89)
    stack = '3/0: n == 2   # return y * n  # mp/x/m.py:18 in f\nUser stack trace:\n  File "/tmp/x/m.py", line 18, in f\n    return y * n'
    assert parse(stack).read_at == ("/tmp/x/m.py", 18)
    assert parse("0/0: k == 2").read_at is None


def test_sizes_keep_what_was_and_is():
    guard = parse("0/0: tensor 'cache[0]' size mismatch at index 2. expected 8, actual 9")
    assert (guard.source, guard.dimension, guard.was, guard.now) == ("cache[0]", 2, "8", "9")
    assert "dimension 2 of `cache[0]` was 8, now 9" in guard.words


def test_never_raises():
    dice = random.Random(3)
    letters = string.printable + "äß²٣'\"()[]==:#\u2028\x00"
    pieces = [row[1] for row in REAL] + [
        " == ",
        "tensor '",
        "size() [",
        "# ",
        "is ",
        "len(",
        "GLOBAL_STATE changed:",
        'File "a", line 1, in f',
    ]
    for _ in range(3000):
        if dice.random() < 0.5:
            text = "".join(dice.choices(letters, k=dice.randrange(60)))
        else:
            text = "".join(piece[: dice.randrange(len(piece) + 1)] for piece in dice.choices(pieces, k=3))
        assert isinstance(parse(text).key, str)
    for text in ("", " ", "\n", "0/0:", "0/0: x.size()[" + "9" * 5000 + "]"):
        assert parse(text).kind


@pytest.mark.parametrize("value", [repr("a" * 20_000), repr(list(range(5000)))])
def test_only_the_beginning_of_a_long_value_is_looked_at(value):
    """The patterns are quadratic in what they are given: 20 KB took eight seconds."""
    guard = parse(f"0/0: prompt == {value}")
    assert (guard.kind, guard.key) == ("value", "value:prompt")
    assert len(guard.was) < LONGEST < len(value)


def test_a_captured_tensor_is_named_by_the_function_that_captures_it():
    size = parse(
        "1/0: tensor 'score_mod.__closure__[0].cell_contents' size mismatch at index 1. expected 129, actual 130"
    )
    assert size.words == "dimension 1 of a tensor that `score_mod` captures was 129, now 130"
    assert carrier(size.source) == "score_mod" and carrier("self.keys") is None


def test_a_guard_that_could_not_be_evaluated_says_what_the_value_is_now():
    assert parse("37/2: 'NoneType' object has no attribute 'size'").words == (
        "a value whose `.size` the first graph checks is None in this call"
    )
    assert "is of the type `Table` in" in parse("0/0: 'Table' object has no attribute 'weight'").words


def test_objects_that_were_one_are_told_by_who_holds_them():
    hook = "L['self']._modules['a']._forward_pre_hooks[list(dict.keys(L['self']._modules['a']._forward_pre_hooks))[0]]"
    found = parse(
        f"1/0: {hook}.__closure__[0].cell_contents is L['self']._modules['b']._parameters['bias'].device_mesh"
    )
    assert (
        found.words
        == "what a forward pre-hook of `self.a` captures and `self.b.bias.device_mesh` were one object, now they are two"
    )
    assert parse("0/0: x.mesh is not y.mesh").words == "`x.mesh` and `y.mesh` were two objects, now they are one"
    assert parse("0/0: L['f'].__closure__[1].cell_contents is L['x'].mesh").words.startswith(
        "what `f` captures and `x.mesh`"
    )
    assert "arguments" in parse("0/0: x is y").words


@pytest.mark.parametrize(
    ("text", "source", "key"),
    [
        ("0/1: (schedule.step % 2) != 0   # return 1 if self.step % 2 else 2  # a.py:8 in f", "schedule.step", None),
        ("0/1: 10 <= L['step']", "step", None),
        ("0/1: batch['n'] > 4", "batch['n']", None),
        ("0/1: (a * b) <= 10", "(a * b) <= 10", "(a * b) <= N"),
    ],
)
def test_a_condition_on_a_number_is_about_that_number(text, source, key):
    """It has the key of `step == 0`, so that both are one finding."""
    guard = parse(text)
    assert (guard.kind, guard.source, guard.key) == ("value", source, key or f"value:{source}")
    assert "which the new ones do not meet" in guard.words


@pytest.mark.parametrize(("text", "kind"), [("2 <= x.size()[0]", "one-or-none"), ("3 <= x.size()[0]", "shape-range")])
def test_a_size_of_one_is_no_branch(text, kind):
    guard = parse(f"0/2: {text}")
    assert (guard.kind, guard.key) == (kind, "shape-range:x:0")
