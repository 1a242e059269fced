"""Where a value is written, how a line uses it, and what is advised for each kind of guard."""

from __future__ import annotations

import pytest
from helpers import compilation, evidence

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.recompiles.guards import parse
from compile_doctor.checks import find_check
from compile_doctor.model.compilations import Specialization
from compile_doctor.model.stacks import Frame
from compile_doctor.source import uses
from compile_doctor.source.writes import last_name, writes

MODEL = "/work/project/model.py"
SOURCE = """\
class Rotary:
    def __init__(self):
        self.cached = 0
        self.table = {}

    def forward(self, n, mode, dim, steps, x):
        if n > self.cached:
            self.cached = n
        if mode == "mean":
            x = x.sum(dim)
        for _ in range(steps):
            x = x * self.scale
        return self.table[mode](x, axis=dim) + len(f"{n}")

    def reset(self, state, batch):
        self.a, self.b = 1, 2
        state["step"] += 1
        self.table["k"] = 3
        self.seen.append(4)
        setattr(self, "named", 5)
        batch["score"] = 1
        return batch
"""
FILES = {MODEL: SOURCE}


@pytest.mark.parametrize(
    ("name", "line", "function"),
    [
        ("cached", 8, "Rotary.forward"),
        ("a", 16, "Rotary.reset"),
        ("b", 16, "Rotary.reset"),
        ("step", 17, "Rotary.reset"),
        ("k", 18, "Rotary.reset"),
        ("table", 18, "Rotary.reset"),
        ("seen", 19, "Rotary.reset"),
        ("named", 20, "Rotary.reset"),
    ],
)
def test_what_is_written_outside_a_constructor(name, line, function):
    (found,) = writes(FILES, name)
    assert (found.file, found.line, found.function) == (MODEL, line, function)


def test_a_global_that_a_function_writes():
    source = "STEP = 0\ndef f(x):\n    global STEP\n    STEP += 1\n    return x * STEP\n"
    assert [(one.name, one.line, one.function) for one in writes({MODEL: source}, "global STEP")] == [("STEP", 4, "f")]
    assert not list(writes({MODEL: source.replace("    global STEP\n", "")}, "global STEP"))


def test_a_variable_of_a_function_around_it_that_a_function_writes():
    source = "def make():\n    calls = 0\n    def f(x):\n        nonlocal calls\n        calls += 1\n        return x * calls\n    return f\n"
    assert [(one.line, one.function) for one in writes({MODEL: source}, "nonlocal calls")] == [(5, "make.f")]
    assert not list(writes({MODEL: source}, "global calls"))


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("if scale is None: pass", ""),
        ("y = 1 if scale is not None else 2", ""),
        ("y = 0.5 if scale % 2 else 1.0", "condition"),
        ("y = table[scale % 2]", "index"),
        ("y = torch.sum(x * scale)", "number"),
        ("y = x > scale * 2", "number"),
        ("if x.shape[0] > scale * 2: pass", "condition"),
    ],
)
def test_a_calculation_is_used_for_what_is_around_it(line, role):
    assert uses.role({MODEL: line}, MODEL, 1, "scale") == role


def test_what_only_the_constructor_writes_or_nobody_does():
    assert not list(writes({MODEL: "class A:\n    def __init__(self):\n        self.width = 3\n"}, "width"))
    assert not list(writes(FILES, "scale"))
    assert not list(writes({MODEL: "def broken(:\n"}, "scale"))
    assert not list(writes(FILES, "cached", near="/elsewhere.py"))


@pytest.mark.parametrize(
    ("source", "name"),
    [("self.rot.cached", "cached"), ("args[0].state['step']", "step"), ("self.shape[2]", "shape"), ("dim", None)],
)
def test_the_last_name_of_a_guard(source, name):
    assert last_name(source) == name


@pytest.mark.parametrize(
    ("line", "name", "role"),
    [
        (7, "n", "condition"),
        (7, "cached", "condition"),
        (9, "mode", "condition"),
        (10, "dim", "dimension"),
        (11, "steps", "loop"),
        (12, "scale", "number"),
        (13, "mode", "index"),
        (13, "dim", "dimension"),
        (13, "n", "text"),
        (8, "cached", ""),  # written there, not read
        (99, "n", ""),
    ],
)
def test_how_a_line_uses_a_name(line, name, role):
    assert uses.role(FILES, MODEL, line, name) == role


def test_a_dict_is_known_by_its_use():
    assert uses.is_dict(FILES, MODEL, 21, "batch") and uses.stored(FILES, MODEL, 21, "batch") == 21
    assert not uses.is_dict(FILES, MODEL, 7, "x") and uses.stored(FILES, MODEL, 7, "x") is None
    assert uses.is_dict({MODEL: "def f(d):\n    return [d[k] for k in sorted(d)]\n"}, MODEL, 2, "d")
    assert not uses.is_dict({MODEL: "def f(d):\n    return [d[k] for k in range(3)]\n"}, MODEL, 2, "d")
    looped = {MODEL: "def f(d):\n    for k, v in d.items():\n        pass\n"}
    assert uses.is_dict(looped, MODEL, 2, "d")


@pytest.mark.parametrize(
    ("reason", "kind", "words"),
    [
        ("0/0: not self.metrics", "empty", "`self.metrics` was empty, now it is not"),
        (
            "0/0: not ___dict_contains('shape', self.__dict__)",
            "attribute",
            "`self` had no attribute `shape`, now it has",
        ),
        ("0/0: ___dict_contains('k', d)", "keys", "`d` had the key 'k', now it has not"),
        ("0/0: not ___dict_contains((16, 16), self.cache)", "keys", "`self.cache` had no key (16, 16), now it has"),
        ("0/0: not hasattr(self.net, 'bias')", "attribute", "`self.net` had no attribute `bias`, now it has"),
        ("0/0: not self.net._forward_hooks", "hooks", "`self.net` had no forward hooks, now it has"),
        ("0/0: len(self._backward_hooks) == 1", "hooks", "the backward hooks of `self` changed"),
        ("0/0: ___tuple_iterator_len(items) == 3", "length", "the iterator `items` has another length"),
        ("0/0: utils_device.CURRENT_DEVICE == None", "state", "the default device changed"),
        (
            "0/0: L['x'].size()[0] == L['y'].size()[1]",
            "shape-range",
            "it was compiled for sizes with `x.shape[0] == y.shape[1]`, which the new sizes do not meet",
        ),
        (
            "0/0: len(G['__import_einops_dot__backends']._type2backend) != 1",
            "length",
            "the length of `einops._backends._type2backend` changed (it was 1)",
        ),
        ("0/0: a[list(dict.keys(a))[0]]['step'] == 1", "value", "`a[…]['step']` was 1, now it has another value"),
    ],
)
def test_guards_in_words(reason, kind, words):
    guard = parse(reason)
    assert (guard.kind, guard.words) == (kind, words)


def found(code, *reasons, source=SOURCE, line=6, **values):
    frames = tuple(
        compilation(0, file=MODEL, line=line, frame_compile_id=again, recompile_reasons=reason, **values)
        for again, reason in enumerate(((), *reasons))
    )
    seen = AnalysisContext(evidence(compilations=frames, sources={MODEL: source}))
    return list(find_check(code).detect(seen))


def at(line, guard):
    return f"0/0: {guard}  # …  # {MODEL}:{line} in forward"


@pytest.mark.parametrize(
    ("guard", "line", "advice"),
    [
        ("mode == 'mean'", 9, "A string is a constant of the graph"),
        ("dim == 0", 10, "A dimension number must be a constant"),
        ("steps == 3", 11, "Pad to a fixed number of steps"),
        ("flag == True", 99, "there will be no more"),
        ("n == 3", 99, "torch.tensor(n)"),
        ("mode == 1", 13, "selects an entry of a Python container"),
        ("self.net.training == True", 99, "Train and eval mode need one graph each"),
        ("not self.table", 13, "Give `table` its first value before the first call"),
        ("n == 1", 13, "goes into a text, such as a key"),
        ("self.cached == 3", 7, "Do not keep `cached` between calls"),
    ],
)
def test_the_advice_fits_the_value(guard, line, advice):
    (finding,) = found("CD201", (at(line, guard),))
    assert advice in finding.fix


def test_one_graph_for_each_mode_is_an_info_and_a_third_is_not():
    mode = at(99, "self.training == True")
    (once,) = found("CD201", (mode,))
    (again,) = found("CD201", (mode,), (mode,))
    assert (once.severity, again.severity) == ("info", "warning")


def test_the_int_that_the_model_writes_decides_and_not_the_size_of_an_older_entry():
    """The entry that was made for the size fails by the attribute: the size is no news."""
    size = "tensor 'x' size mismatch at index 1. expected 4, actual {}"
    kept = (
        f"self.cached == 4  # if n > self.cached:  # {MODEL}:7 in forward (HINT: integer attributes of the nn.Module)"
    )
    reasons = ((f"0/0: {size.format(6)}",), (f"0/1: {kept}", f"0/0: {size.format(5)}"))
    (finding,) = found("CD203", *reasons)
    assert "`Rotary.forward` writes `cached` at line 8" in finding.message and finding.location.line == 7
    assert [one.cause for one in found("CD201", *reasons)] == ["size:x:1"]


def test_a_size_that_a_line_fixes_is_not_advised_to_be_dynamic():
    size = "0/{}: tensor 'g' size mismatch at index 0. expected {}, actual {}"
    reasons = ((size.format(0, 2, 3),), (size.format(1, 3, 4),))
    line = Frame(MODEL, 2, "update", "return m - g")
    (finding,) = found(
        "CD201", *reasons, source="def update(m, g):\n    return m - g\n", line=1, function="update",
        specialized=(Specialization("L['g'].size()[0]", "3", (line,)),),
    )  # fmt: skip
    assert "line 2 (`return m - g`) needs one fixed size" in finding.message
    assert "force_parameter_static_shapes" in finding.fix and "mark_dynamic" not in finding.fix


def test_many_recompilations_after_one_break_share_a_finding():
    """A frame that resumes after a break takes numbers that would be constants of its caller's graph."""
    reasons = [(f"0/0: value{number} == 0",) for number in range(6)]
    findings = found("CD201", *reasons, function="torch_dynamo_resume_in_forward_at_9", line=9)
    assert [one.count for one in findings] == [1, 1, 1, 3]
    assert "3 more recompilations have the same cause" in findings[-1].message
    assert all("after the graph break at line 9" in one.message for one in findings)


def test_a_value_that_comes_from_a_break_has_the_break_as_its_fix():
    (finding,) = found("CD201", ("0/0: ___stack0 == 3",))
    assert finding.fix.startswith("Fix the graph break first") and "___stack0" not in finding.message


def test_an_enum_is_compared_and_not_created_anew():
    kind = f"___check_obj_id(mode, 14), type=<class 'Mode'>  # if mode == 'mean':  # {MODEL}:9 in forward"
    (finding,) = found("CD201", (f"0/0: {kind}",))
    assert "fixed objects (an enum, a sentinel)" in finding.fix


def test_a_batch_that_grows_is_no_cache():
    size = "0/{}: tensor 'x' size mismatch at index 0. expected {}, actual {}"
    reasons = tuple((size.format(number, number + 1, number + 2),) for number in range(3))
    source = "def forward(self, x):\n    return self.lin(x).sum(1)\n"
    assert not found("CD205", *reasons, source=source, line=1)
    (finding,) = found("CD201", *reasons, source=source, line=1)
    assert "BlockMask" not in finding.fix


def test_a_parameter_of_many_shapes_has_the_setting_that_torch_names():
    hint = "Guard failed on a parameter, consider using torch._dynamo.config.force_parameter_static_shapes = False to allow it."
    (finding,) = found("CD201", (f"0/0: tensor 'w' size mismatch at index 0. expected 2, actual 3. {hint}",))
    assert "was 2, now 3." in finding.message and "now 3.." not in finding.message
    assert "force_parameter_static_shapes = False" in finding.fix
