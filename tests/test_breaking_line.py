"""What a breaking line reads and what for, from its syntax tree alone."""

from __future__ import annotations

import pytest

from compile_doctor.model.stacks import Frame
from compile_doctor.source.breaking_line import called_at, readings

USES = [
    ("n = t.item()\nreturn [x, y][n]", "item", "index"),
    ("layers = nn.ModuleList()\nn = t.item()\nreturn layers[n]", "item", "module"),
    ("d = {}\nreturn d[t.item()]", "item", "key"),
    ("return x[t.item()]", "item", "element"),
    ("n = t.item() + 1\nreturn x[:n]", "item", "slice"),
    ("return F.pad(x, (0, t.item()))", "item", "padding"),
    ("torch.manual_seed(t.item())", "item", "seed"),
    ("for i in range(int(t)):\n    x = x + i", "int", "loop"),
    ("if t.item() > 3:\n    pass", "item", "comparison"),
    ("return torch.zeros(t.item(), 3)", "item", "size"),
    ("return x.view(t.item(), -1)", "item", "view"),
    ("print(t.item())", "item", "text"),
    ("return f'{t.item()}'", "item", "text"),
    ("return math.sqrt(t.item())", "item", "math"),
    ("return x * t.item()", "item", "arithmetic"),
    ("y = x * t.item()\nreturn y.relu()", "item", "arithmetic"),
    ("self.last = t.item()", "item", "stored"),
    ("seen.append(t.item())", "item", "kept"),
    ("return t.item()", "item", "returned"),
    ("return fn(t.item())", "item", "argument"),
    ("for i, n in enumerate(t.tolist()):\n    x = x + x[i, :n]", "tolist", "slice"),
    ("for a, b in zip(t.tolist(), u):\n    x = x[:a]", "tolist", "slice"),
    ("return [steps[i] for i in t.tolist()]", "tolist", "element"),
    ("sizes = t.tolist()\nreturn torch.split(x, sizes)", "tolist", "split"),
    ("t.item()", "item", ""),
]


@pytest.mark.parametrize(("body", "kind", "use"), USES)
def test_use(body: str, kind: str, use: str) -> None:
    lines = ["import math", "def f(self, x, t, u):", *("    " + line for line in body.splitlines())]
    line = next(number for number, text in enumerate(lines, 1) if "t." in text or "(t)" in text)
    found = readings("\n".join(lines), line, [kind])
    assert [one.use for one in found][:1] == [use]


def test_a_line_that_cannot_be_read_gives_nothing() -> None:
    assert readings("def f(:", 1, ["item"]) == ()
    assert readings("", 3, ["item", "truth"]) == ()
    assert readings("x = " + "+".join(["t.item()"] * 3000), 1, ["item"]) == ()  # deep: no error, in no more time
    assert called_at("", 1, Frame("f.py", 1, "f"), {}) == ()


def test_of_many_reads_in_a_line_some_are_read():
    """Each asks about all others: a hundred took a minute, and a Python that parses thousands ten."""
    text = "def f(x):\n    t = x.sum()\n    return x * ({})"
    few, many = (readings(text.format(" + ".join(["t.item()"] * count)), 3, ["item"]) for count in (8, 100))
    assert len(few) == 8 and few[0].words["converted"]
    assert len(many) == 16 and {one.use for one in many} == {"arithmetic"} and not many[0].words.get("converted")


LINES = """\
class Net(nn.Module):
    def __init__(self):
        self.conv, self.lin = Conv(8, 8), nn.Linear(8, 3)
        self.act = nn.ReLU()
    def forward(self, x, edges, batch):
        x = self.act(pool(x))
        x = kernel(x).to_dense()
        return self.lin(mean_pool(self.conv(x, edges).relu(), batch))
    def other(self, x):
        return self.act(x)
    def made(self, x):
        return package.Normal(x)
"""


@pytest.mark.parametrize(
    ("line", "entered", "called"),
    [
        (8, "mean_pool", "mean_pool"),
        (8, "forward", ""),  # of two modules on the line either may be the one
        (7, "to_dense", ""),  # an attribute of a result that is gone
        (10, "__call__", "self.act"),  # not its forward: the break is before that
        (12, "__init__", ""),  # a class cannot be disabled
        (6, "forward", "self.act.forward"),
        (6, "pool", "pool"),
        (6, "renamed", ""),
        (3, "Conv", "Conv"),
    ],
)
def test_the_call_is_the_one_that_leads_to_the_break(line: int, entered: str, called: str) -> None:
    assert called_at(LINES, line, Frame("/x/site-packages/graphs/pool.py", 3, entered), {}) == tuple(called.split())


MODULES = """\
from torch import nn
from graphs.losses import Pairs, pair_loss as loss
class Step(nn.Module):
    def __init__(self):
        self.lin = nn.Linear(8, 8)
        self.net = Net(8)
        self.pairs = Pairs("mean")
    def forward(self, x, y):
        return self.pairs(self.net(x), y)
    def other(self, x):
        return self.net(self.lin(x))
    def alias(self, x, y):
        return loss(self.lin(x), y)
    def two(self, x, y):
        return self.net(self.more(x).relu())
    def local(self, x, net):
        path = spline(x)
        for layer in self.layers:
            x = layer(x)
        return path.at(x) + net(x)
    def rest(self):
        self.more = Net(8)
"""
PACKAGE = {
    "/x/site-packages/graphs/losses.py": "class Pairs(nn.Module):\n    def forward(self, x, y):\n        return x\n",
    "/x/site-packages/graphs/net.py": "class Base(nn.Module):\n    def forward(self, x):\n        return x\n",
    "/x/site-packages/graphs/two.py": "class Net(Base):\n    def __init__(self):\n        pass\n",
}


@pytest.mark.parametrize(
    ("line", "frame", "without", "called"),
    [
        (9, Frame("/x/site-packages/graphs/losses.py", 3, "forward"), "", "self.pairs.forward"),
        (9, Frame("/x/site-packages/graphs/net.py", 3, "forward"), "", "self.net.forward"),
        (9, Frame("/x/site-packages/graphs/net.py", 3, "forward"), "two", "self.net.forward"),  # it is not the loss
        (9, Frame("/x/site-packages/graphs/net.py", 3, "forward"), "two losses", ""),
        (9, Frame("/x/site-packages/graphs/unknown.py", 3, "forward"), "", ""),
        (11, Frame("/x/site-packages/graphs/net.py", 3, "forward"), "two", "self.net.forward"),  # it is not torch's
        (13, Frame("/x/site-packages/graphs/losses.py", 30, "pair_loss"), "", "loss"),
        (15, Frame("/x/site-packages/graphs/net.py", 3, "forward"), "", "self.more.forward self.net.forward"),
        (15, Frame("/x/site-packages/graphs/net.py", 3, "forward"), "two", ""),
        (19, Frame("/x/site-packages/graphs/net.py", 3, "forward"), "", ""),  # a variable has no value before
        (20, Frame("/x/site-packages/graphs/net.py", 3, "at"), "", ""),
    ],
)
def test_of_several_modules_the_one_with_the_function_is_named(
    line: int, frame: Frame, without: str, called: str
) -> None:
    sources = {name: text for name, text in PACKAGE.items() if not any(f"/{one}.py" in name for one in without.split())}
    assert called_at(MODULES, line, frame, sources) == tuple(called.split())


def test_the_words_are_the_user_s() -> None:
    (found,) = readings("def f(x, é):\n    é = x * é.sum(\n        dim=0  # rows\n    ).item()\n", 2, ["item"])
    assert found.words["tensor"] == "é.sum(dim=0)"
    (cond,) = readings(
        "def f(x):\n    if not x.any() and x.max() < 3:\n        return x\n    return -x\n", 2, ["truth"]
    )[:1]
    assert cond.words["converted"].startswith("return torch.where((~x.any()) & (x.max() < 3), x, -x)")
    (told,) = readings("def f(x):\n    if x.any():\n        return x, 1\n    return None\n", 2, ["truth"])
    assert told.use == "branch" and "converted" not in told.words


def test_a_constant_buffer_is_found_and_a_counter_is_not() -> None:
    text = """\
class Net:
    def __init__(self):
        self.register_buffer("stride", torch.tensor(3))
        self.register_buffer("steps", torch.tensor(0))
    def forward(self, x):
        self.steps.add_(1)
        return x * self.stride.item() * self.steps.item()
"""
    two, one = readings(text, 7, ["item"])
    assert (one.words["buffer"], one.words["value"]) == ("stride", "3")
    assert "buffer" not in two.words
