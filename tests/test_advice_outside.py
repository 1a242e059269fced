"""What is advised for a break in a package: which call of the user's line is named, and what is said without such a line."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from compile_doctor.analysis.graph_breaks.advice import advised
from compile_doctor.analysis.graph_breaks.causes import find_cause
from compile_doctor.model.compilations import Given
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import Frame

REASON = "Unsupported Tensor.item() call with capture_scalar_outputs=False"
TEXT = """\
class Net(nn.Module):
    def __init__(self):
        self.conv = Conv(8, 8)
        self.lin = nn.Linear(8, 3)
    def forward(self, x, batch):
        return self.lin(mean_pool(x, batch))
"""
MINE = Frame("/work/net.py", 6, "forward")
PLUMBING = Frame("/x/site-packages/torch/nn/modules/module.py", 1800, "_call_impl")
THEIRS = "/x/site-packages/geometry/pool.py"


def fix(
    led: bool,
    *stack: Frame,
    sources: Mapping[str, str] | None = None,
    inputs: tuple[Given, ...] = (),
    back: tuple[int, ...] = (),
) -> str:
    place = Location(stack[0].file, stack[0].line, stack[0].function) if led else None
    cause, texts = find_cause(REASON, None), {MINE.file: TEXT, **(sources or {})}
    return advised(cause, REASON, texts, stack[-1], "dependency", place, inputs, stack, back).fix


@pytest.mark.parametrize(
    ("entered", "named"),
    [("mean_pool", "mean_pool = torch.compiler.disable(mean_pool)"), ("forward", "self.lin.forward = torch.compiler")],
)
def test_the_call_is_the_one_that_the_stack_enters_next(entered: str, named: str) -> None:
    found = fix(True, MINE, PLUMBING, Frame(THEIRS, 40, entered), Frame(THEIRS, 9, "size_of"))
    assert "It is in geometry/pool.py" in found and "at line 6" in found
    assert named in found


def test_a_call_that_cannot_be_named_is_put_into_a_function() -> None:
    found = fix(True, MINE, Frame(THEIRS, 9, "another_name"))
    assert "decorated with @torch.compiler.disable" in found and "= torch.compiler.disable(" not in found


def test_a_method_of_an_object_without_a_name_is_replaced_in_its_class() -> None:
    """`spline(x).at(0)`, or `path.at(0)` of a variable: before the model runs there is only the class."""
    text = "class Path:\n    def at(self, t):\n        return self.rows[t]\n    @cached\n    def on(self):\n        return 1\n"
    mine = {MINE.file: TEXT.replace("mean_pool(x, batch)", "spline(x).at(0) + spline(x).on()"), THEIRS: text}
    found = fix(True, MINE, Frame(THEIRS, 3, "at"), sources=mine)
    package = 'import importlib\npackage = importlib.import_module("geometry.pool")\n'
    assert f"{package}package.Path.at = torch.compiler.disable(package.Path.at)" in found
    assert "decorated with @torch.compiler.disable" in fix(True, MINE, Frame(THEIRS, 6, "on"), sources=mine)


def test_without_a_line_of_the_user_the_advice_is_for_those_who_can_change_the_package() -> None:
    found = fix(False, Frame(THEIRS, 9, "size_of"))
    assert found.startswith("# geometry/pool.py is not your code. If you can change it:\n")
    assert find_cause(REASON, None).fix in found


SETTINGS = {
    "optional": """\
def size_of(index, dim=0, dim_size=None):
    if dim_size is None:
        dim_size = int(index.max()) + 1
    return dim_size

def mean_pool(x, batch, size=None):
    return x.sum() / size_of(batch, dim=0, dim_size=size)
""",
    "flag": """\
class Pool(nn.Module):
    def __init__(self, loops=True):
        self.loops = loops
    def forward(self, x):
        if self.loops and x.shape[0] > 1:
            x = x[x > 0]
""",
    "negated": """\
class Pool(nn.Module):
    def __init__(self, *, fast: bool = False):
        self.name, self.fast = "pool", fast
    def forward(self, x):
        if self.fast:
            return x
        n = int(x.max())
""",
    "word": """\
class Pool(nn.Module):
    def __init__(self, mode):
        self.mode: str = mode
    def forward(self, x):
        if x.ndim > 2:
            return x
        elif not self.mode == "conv":
            n = int(x.max())
""",
    "base": """\
class Base(nn.Module):
    def __init__(self, low=0.0):
        self.low = low

class Pool(Base):
    def forward(self, x):
        y = x if self.low is None else x[x > self.low]
""",
    "setting": """\
from geometry import settings
import os
def mean_pool(x):
    if os.name == "posix" and is_tracing() and torch.is_grad_enabled():
        if settings.trace_mode.on() or not torch.any(x):
            return x
""",
    "config": """\
class Pool(nn.Module):
    def __init__(self, config):
        self.config = config
    def forward(self, x):
        drop = self.training and self.config.drop > 0
        if drop:
            n = int(x.max())
""",
}


@pytest.mark.parametrize(
    ("text", "line", "stack", "said"),
    [
        (
            "optional",
            3,
            [(7, "mean_pool")],
            "`dim_size is None` was true (line 2): another value for `size` of `mean_pool` in line 6",
        ),
        (
            "flag",
            6,
            [],
            "`self.loops` was true (line 5): `Pool(…, loops=False)` or `loops = False` on the object avoids it",
        ),
        (
            "negated",
            7,
            [],
            "`self.fast` was false (line 5): `Pool(…, fast=True)` or `fast = True` on the object avoids it",
        ),
        (
            "word",
            8,
            [],
            """`self.mode == "conv"` was false (line 7): `Pool(…, mode='conv')` or `mode = 'conv'` on the object avoids it""",
        ),
        (
            "base",
            7,
            [],
            "`self.low is None` was false (line 7): `Pool(…, low=None)` or `low = None` on the object avoids it",
        ),
        (
            "setting",
            5,
            [],
            "`settings.trace_mode.on()` was false (line 5): `geometry.settings.trace_mode` is a setting of the package.",
        ),
        (
            "config",
            7,
            [],
            "`self.config.drop > 0` was true (line 5): another value for `config.drop` of `Pool`, or for the attribute `config.drop` of the object, avoids it",
        ),
        ("config", 7, [], "`self.training` was true (line 5): not in eval mode."),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_what_decides_whether_the_line_runs_is_named(
    text: str, line: int, stack: list[tuple[int, str]], said: str
) -> None:
    inner = "size_of" if stack else "mean_pool" if text == "setting" else "forward"
    frames = [*(Frame(THEIRS, *one) for one in stack), Frame(THEIRS, line, inner)]
    found = fix(True, MINE, PLUMBING, *frames, sources={THEIRS: SETTINGS[text]})
    assert said in found
    assert found.count("It ran because") == (2 if text == "config" else 1), "a condition that nobody sets is named"


@pytest.mark.parametrize(
    "text",
    [
        "def mean_pool(x, batch):\n    if x.requires_grad:\n        n = int(x.max())",
        "def mean_pool(x, batch):\n    size = len(batch)\n    if size is None:\n        n = int(x.max())",
        "def mean_pool(x, batch):\n    if isinstance(x, T):\n        n = int(x.max())",
        "def mean_pool(x, batch):\n    if debug or strict:\n        n = int(x.max())",
        "class Pool:\n    def mean_pool(self, x):\n        if self._cache is None: n = int(x.max())",
        "def mean_pool(x, batch=None):\n    if batch is None:\n        raise E()\n    else:\n        n = int(x.max())",
        "def mean_pool(x, *args):\n    while True:\n        n = int(x.max())",
    ],
)
def test_what_nobody_sets_is_not_named(text: str) -> None:
    found = fix(True, MINE, Frame(THEIRS, len(text.splitlines()), "mean_pool"), sources={THEIRS: text})
    assert "It ran because" not in found and "An argument or a setting of the package may avoid it." in found


def test_other_code_that_runs_instead_may_break_too() -> None:
    """`backend="a"` chose one of two solvers: the other one was not seen to be without a break."""
    text = "def solve(x, kind='a'):\n    if kind == 'a':\n        y = first(x)\n    else:\n        y = second(x)\n    return y\n"
    mine = MINE.file, TEXT.replace("mean_pool", "solve")
    outer, other = Frame(THEIRS, 3, "solve"), THEIRS.replace("pool", "first")
    found = fix(True, MINE, outer, Frame(other, 9, "first"), sources=dict([mine, (THEIRS, text)]))
    assert "another value for `kind` of `solve` in line 6 runs other code instead, which may break too." in found
    text = text.replace("        y = second(x)", "        y = x")
    found = fix(True, MINE, outer, Frame(other, 9, "first"), sources=dict([mine, (THEIRS, text)]))
    assert "another value for `kind` of `solve` in line 6 avoids it" in found, "nothing else is called"


WAYS = """\
def bounds(x, low=None):
    if low is None:
        low = x.min()
    low, high = limits(
        x, low, 1
    )
ROUTINES = {"a": bounds}
def spread(x, low=None, kind="a"):
    return ROUTINES[kind](
        x,
        low=low,
    )
"""


@pytest.mark.parametrize("call", ["spread(x, batch)", "s(x, batch)"])
def test_an_argument_is_followed_through_a_table_and_through_another_name(call: str) -> None:
    text = TEXT.replace("mean_pool(x, batch)", call) + "from geometry.pool import spread as s\n"
    frames = [Frame(THEIRS, 9, "spread"), Frame(THEIRS, 3, "bounds")]
    found = fix(True, MINE, *frames, sources={MINE.file: text, THEIRS: WAYS})
    assert f"`low is None` was true (line 2): another value for `low` of `{call[: call.index('(')]}` in line 6" in found


def test_a_call_reads_an_argument_before_its_result_has_that_name() -> None:
    inner = "\ndef limits(x, low, n):\n    if low is None:\n        low = x.min()\n"
    frames = [Frame(THEIRS, 9, "spread"), Frame(THEIRS, 4, "bounds"), Frame(THEIRS, 16, "limits")]
    text = WAYS.replace("    if low is None:\n        low = x.min()\n", "    y = x\n    z = y\n") + inner
    mine = {MINE.file: TEXT.replace("mean_pool", "spread"), THEIRS: text}
    assert "another value for `low` of `spread` in line 6 avoids it" in fix(True, MINE, *frames, sources=mine)


def test_a_package_that_fixes_an_argument_by_itself_decides_it() -> None:
    text = SETTINGS["optional"].replace("dim_size=size", "dim_size=None")
    frames = [Frame(THEIRS, 7, "mean_pool"), Frame(THEIRS, 3, "size_of")]
    assert "It ran because" not in fix(True, MINE, *frames, sources={THEIRS: text})


def test_a_tensor_that_is_read_as_a_number_is_named_as_the_argument_that_it_is() -> None:
    text = """\
def variance(table, step):
    last = step - 10
    return table[last] if last >= 0 else table[0]

def mean_pool(x, batch):
    return variance(x, batch)
"""
    frames = [Frame(THEIRS, 6, "mean_pool"), Frame(THEIRS, 3, "variance")]
    given = (Given("step", "torch.int64", ()), Given("table", "torch.float32", (8,)))
    found = fix(True, MINE, *frames, sources={THEIRS: text}, inputs=given)
    assert "It reads a number from `batch` of `mean_pool` (line 6), a tensor: pass a plain number" in found
    assert "table" not in found


CHECK = """\
class Swin(nn.Module):
    def _check_size(self, shape):
        rest = np.array(shape) % 32
        if rest.any():
            raise ValueError("size")
    def forward(self, x):
        self._check_size(x.shape)
        return x
"""


def test_a_function_that_only_checks_can_be_left_out() -> None:
    frames = [Frame(THEIRS, 7, "forward"), Frame(THEIRS, 4, "_check_size")]
    found = fix(False, *frames, sources={THEIRS: CHECK})
    assert (
        'import importlib\nimportlib.import_module("geometry.pool").Swin._check_size = lambda *args, **kwargs: None\n'
        in found
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        self._check_size(x.shape)", "        n = self._check_size(x.shape)"),
        ('            raise ValueError("size")', '            raise ValueError("size")\n        return rest'),
        ('            raise ValueError("size")', '            self.rest = rest\n            raise ValueError("size")'),
        ('            raise ValueError("size")', "            pass"),
        ("        rest = ", "        image.set_data(shape)\n        rest = "),
        ("        rest = ", "        shape += 1\n        rest = "),
    ],
    ids=["used", "returns", "stores", "no check", "sets", "in place"],
)
def test_a_function_that_does_more_than_to_check_is_not_left_out(old: str, new: str) -> None:
    text = CHECK.replace(old, new)
    line, inner = (
        next(number for number, one in enumerate(text.splitlines(), 1) if word in one)
        for word in ("_check_size(x", "rest.any()")
    )
    frames = [Frame(THEIRS, line, "forward"), Frame(THEIRS, inner, "_check_size")]
    assert "= lambda" not in fix(False, *frames, sources={THEIRS: text})


def test_a_check_may_call_another_one() -> None:
    text = CHECK.replace("        rest = ", "        assert_even(shape)\n        rest = ")
    frames = [Frame(THEIRS, 8, "forward"), Frame(THEIRS, 5, "_check_size")]
    known = text + "def assert_even(shape):\n    assert shape[0] % 2 == 0\n"
    assert 'importlib.import_module("geometry.pool").Swin._check_size = ' in fix(
        False, *frames, sources={THEIRS: known}
    )
    assert "= lambda" not in fix(False, *frames, sources={THEIRS: text}), "it may do anything"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("y = step(x, low[0] if low is not None else None)", ""),  # the call is in neither side
        ("y = step(x) if low is not None else x", "`low is not None` was true"),
        ("y = x if low is None else step(x)", "`low is None` was false"),
        ("y = low is not None and step(x)", "`low is not None` was true"),
        ("y = step(x, low is None or x.sum())", ""),
    ],
)
def test_a_condition_in_the_line_decides_only_about_the_side_with_the_call(line: str, said: str) -> None:
    text = f"def mean_pool(x, low=None):\n    {line}\n\ndef step(x, a=1):\n    return x.max().item()\n"
    found = fix(True, MINE, Frame(THEIRS, 2, "mean_pool"), Frame(THEIRS, 5, "step"), sources={THEIRS: text})
    assert said in found and ("It ran because" in found) is bool(said)


CALLBACK = """\
class Field(nn.Module):
    def forward(self, t, y):
        return -y
class Net(nn.Module):
    def __init__(self):
        self.f = nn.Linear(8, 8)
        self.field = Field()
    def forward(self, y):
        return odeint(FIELD, y, times)
def field(t, y):
    return y
from torch import nn
"""


@pytest.mark.parametrize(
    ("passed", "back", "compiled"),
    [
        ("lambda t, y: self.f(y)", 9, "self.f = torch.compile(self.f)"),
        ("self.field", 3, "self.field.compile()"),
        ("field", 11, "field = torch.compile(field)"),
        ("self.f", 9, "self.f = torch.compile(self.f)"),
    ],
)
def test_what_a_package_calls_back_is_compiled_by_itself(passed: str, back: int, compiled: str) -> None:
    mine, text = Frame(MINE.file, 9, "forward"), CALLBACK.replace("FIELD", passed)
    stack = (mine, Frame(THEIRS, 40, "odeint"), Frame(THEIRS, 9, "advance"))
    torchs = passed == "self.f"  # a module of torch: there is no line of the user to be seen
    for called, expected in ((back, True), (6, torchs)):
        found = fix(True, *stack, sources={MINE.file: text}, back=(called,))
        assert "odeint = torch.compiler.disable(odeint)" in found
        assert (compiled in found and "compile what it calls" in found) is expected


METHODS = """\
class Walk(nn.Module):
    def forward(self, x):
        return x
    def drift(self, t, y):
        return self.scaled(y)
    def noise(self, t, y):
        return y
    def scaled(self, y):
        return 2 * y
walk = Walk()
def forward(y):
    return integrate(walk, y)
"""


@pytest.mark.parametrize(
    ("back", "compiled"),
    [
        ((3,), ["walk.compile()"]),
        ((2, 3, 5, 9), ["walk.compile()"]),
        ((4, 6), ["walk.drift = torch.compile(walk.drift)", "walk.noise = torch.compile(walk.noise)"]),
        ((4, 9, 7), ["walk.drift = torch.compile(walk.drift)", "walk.noise = torch.compile(walk.noise)"]),
    ],
)
def test_the_methods_that_a_package_calls_are_compiled(back: tuple[int, ...], compiled: list[str]) -> None:
    stack = (Frame(MINE.file, 12, "forward"), Frame(THEIRS, 40, "integrate"), Frame(THEIRS, 9, "advance"))
    found = fix(True, *stack, sources={MINE.file: METHODS}, back=back)
    assert [line for line in found.splitlines() if "compile(" in line] == compiled


@pytest.mark.parametrize(
    ("other", "named"), [("return x.relu()", True), ("return rows(x)", False), ("return x.tolist()", False)]
)
def test_a_condition_whose_other_side_breaks_too_is_not_named(other: str, named: bool) -> None:
    text = f"""\
def rows(x):
    return torch.where(x > 0)

def mean_pool(x, batch, fast=False):
    if fast:
        {other}
    return x[x > 0]
"""
    found = fix(True, MINE, Frame(THEIRS, 7, "mean_pool"), sources={THEIRS: text})
    assert ("It ran because `fast` was false (line 5): `mean_pool(…, fast=True)`" in found) is named


@pytest.mark.parametrize(
    ("default", "said"),
    [
        ("True", "`mean_pool(…, tol=False)`"),
        ("None", "`mean_pool(…, tol=None)`"),
        ("1e-3", "another value for `tol` of `mean_pool`"),
    ],
)
def test_the_value_that_is_printed_is_one_of_the_arguments_kind(default: str, said: str) -> None:
    text = f"def mean_pool(x, batch, tol={default}):\n    if tol:\n        n = int(x.max())\n"
    assert said in fix(True, MINE, Frame(THEIRS, 3, "mean_pool"), sources={THEIRS: text})
