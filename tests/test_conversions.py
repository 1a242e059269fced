"""The code in the place of a line that breaks: written only if it gives what the line gives, as far as source and inputs show."""

from __future__ import annotations

import pytest

from compile_doctor.model.compilations import Given
from compile_doctor.source.breaking_line import Reading, readings

X = Given("x", "torch.float32", (4, 8))
N = Given("n", "torch.int64", ())
IDS = Given("ids", "torch.int64", (6,))


def read(text: str, kind: str, *inputs: Given) -> Reading:
    """The first expression of a kind in the line that is marked with `# here`."""
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "# here" in one)
    return readings(text, line, [kind], inputs)[0]


def converted(text: str, kind: str, *inputs: Given) -> str:
    return read(text, kind, *inputs).words.get("converted", "")


CHOICES = [
    (
        "one of three",
        """\
def f(x):
    m = x.mean()
    if m > 0.5:  # here
        y = x * 2
    elif m > 0:
        y = x + 1
    else:
        y = x - 1
    return y
""",
        "y = torch.where(m > 0.5, x * 2, torch.where(m > 0, x + 1, x - 1))",
    ),
    (
        "an elif is chosen with its if",
        """\
def f(x):
    m = x.mean()
    if m > 0.5:
        y = x * 2
    elif m > 0:  # here
        y = x + 1
    else:
        y = x - 1
    return y
""",
        "y = torch.where(m > 0.5, x * 2, torch.where(m > 0, x + 1, x - 1))    # line 3",
    ),
    (
        "two names",
        """\
def f(x):
    a = x.sum(0)
    if a.max() > 1:  # here
        lo, hi = a * 0.5, a * 2
    else:
        lo, hi = a, a
    return lo + hi
""",
        "chosen = a.max() > 1\nlo = torch.where(chosen, a * 0.5, a)\nhi = torch.where(chosen, a * 2, a)",
    ),
    (
        "a tensor that is its own is changed",
        """\
def f(x):
    y = x * 2
    if y.max() > 1:  # here
        y -= y.max()
    return y
""",
        "y = torch.where(y.max() > 1, y - y.max(), y)",
    ),
    (
        "the caller's tensor is not",
        """\
def f(x):
    if x.max() > 1:  # here
        x -= x.max()
    return x
""",
        "",
    ),
    (
        "nor one with another name",
        """\
def f(x):
    y = x * 2
    z = y
    if y.max() > 1:  # here
        y -= y.max()
    return y + z
""",
        "",
    ),
    (
        "the rest of a step",
        """\
def f(x):
    total = torch.zeros(8)
    for i in range(4):
        row = x[i]
        if row.sum() < 0:  # here
            continue
        twice = row * 2
        total = total + twice
    return total
""",
        "skipped = row.sum() < 0\ntotal = torch.where(skipped, total, total + twice)    # line 8",
    ),
    (
        "a step that does more",
        """\
def f(x, seen):
    total = torch.zeros(8)
    for i in range(4):
        if x[i].sum() < 0:  # here
            continue
        seen.append(i)
        total = total + x[i]
    return total
""",
        "",
    ),
    (
        "another shape",
        """\
def f(x):
    scale = x.abs().amax(-1, keepdim=True)
    if x.max() > 0.5:  # here
        y = x / scale
    else:
        y = scale
    return y + 1
""",
        "",
    ),
    (
        "a number beside a tensor with dimensions",
        """\
def f(x):
    y = x if x.max() > 0.5 else 0.0  # here
    return y + 1
""",
        "",
    ),
    (
        "numbers that are exact in float32",
        """\
def f(x):
    s = 2.0 if x.std() > 1 else 0.5  # here
    return x.double() * s
""",
        "s = torch.where(x.std() > 1, 2.0, 0.5)",
    ),
    (
        "numbers that are not, beside float64",
        """\
def f(x):
    s = 0.1 if x.std() > 1 else 0.7  # here
    return x.double() * s
""",
        "s = torch.where(x.std() > 1, torch.tensor(0.1, dtype=torch.float64), 0.7)",
    ),
    (
        "any of a list",
        """\
def f(x):
    flags = [row.sum() > 0 for row in x]
    if any(flags):  # here
        x = x + 1
    return x
""",
        "x = torch.where(torch.stack(flags).any(), x + 1, x)",
    ),
    (
        "a for loop that a tensor ends",
        """\
def f(x):
    for step in range(6):
        n = x.norm()
        x = x * 0.5
        if n < 0.5:  # here
            break
        x = x + step
    return x
""",
        "running = x.new_ones((), dtype=torch.bool)    # line 2\n"
        "for step in range(6):\n"
        "    n = x.norm()\n"
        "    x = torch.where(running, x * 0.5, x)\n"
        "    running = running & ~(n < 0.5)\n"
        "    x = torch.where(running, x + step, x)",
    ),
    (
        "a loop whose last step is read behind it",
        """\
def f(x):
    for step in range(6):
        x = x * 0.5
        if x.norm() < 0.5:  # here
            break
    return x, step
""",
        "",
    ),
    (
        "a loop that also collects",
        """\
def f(x):
    rows = []
    for step in range(6):
        x = x * 0.5
        rows.append(x)
        if x.norm() < 0.5:  # here
            break
    return rows
""",
        "",
    ),
    (
        "a while loop",
        """\
def f(x, tol):
    y = x * 2
    err = y.abs().mean()
    while err > tol:  # here
        y = y * 0.5
        err = y.abs().mean()
    return y
""",
        "for _ in range(ROUNDS):\n"
        "    goes_on = err > tol\n"
        "    y = torch.where(goes_on, y * 0.5, y)\n"
        "    err = torch.where(goes_on, y.abs().mean(), err)",
    ),
    (
        "a while loop with a limit",
        """\
def f(x):
    i = 0
    while x.norm() > 1 and i < 10:  # here
        x = x / 2
        i += 1
    return x
""",
        "for _ in range(10):\n"
        "    goes_on = (x.norm() > 1) & (i < 10)\n"
        "    x = torch.where(goes_on, x / 2, x)\n"
        "    i = torch.where(goes_on, i + 1, i)",
    ),
    (
        "a loop that grows a tensor",
        """\
def f(x):
    while x.norm() < 9:  # here
        x = torch.cat([x, x])
    return x
""",
        "",
    ),
    (
        "a tuple is returned early",
        """\
def f(x):
    first = x.softmax(-1)
    top = first.amax(-1)
    if top.mean() > 0.9:  # here
        return first, top, None
    second = x.sigmoid()
    return second, second.amax(-1), None
""",
        "chosen = top.mean() > 0.9\n"
        "return torch.where(chosen, first, second), torch.where(chosen, top, second.amax(-1)), None    # line 7",
    ),
    (
        "what is returned early is written again before the other return",
        """\
def f(x):
    y = x * 2
    if y.mean() > 0.9:  # here
        return y
    y = x + 1
    z = y * 3
    return z
""",
        "",
    ),
    (
        "None on one side only",
        """\
def f(x):
    if x.mean() > 0.9:  # here
        return x, None
    return x, x
""",
        "",
    ),
    (
        "each of a list",
        """\
def f(x, grads, limit):
    norm = torch.stack([g.norm() for g in grads]).norm()
    if norm > limit:  # here
        grads = [g * (limit / norm) for g in grads]
    return x + sum(g.mean() for g in grads)
""",
        "chosen = norm > limit\ngrads = [torch.where(chosen, g * (limit / norm), g) for g in grads]",
    ),
]


@pytest.mark.parametrize(("text", "code"), [one[1:] for one in CHOICES], ids=[one[0] for one in CHOICES])
def test_choices(text: str, code: str) -> None:
    found = converted(text, "truth", X)
    assert found.partition("\n# ")[0] == code


NUMBERS = [
    (
        "a mean up to a length",
        "def f(x, n):\n    k = n.item()  # here\n    return x[:, :k].mean(1)\n",
        "k = n\nreturn torch.where(torch.arange(x.shape[1], device=x.device) < k, x, 0).sum(1) / k    # line 3",
    ),
    (
        "a sum of rows",
        "def f(x, n):\n    k = n.item()  # here\n    return x[:k].sum()\n",
        "k = n\nreturn torch.where((torch.arange(x.shape[0], device=x.device) < k)[:, None], x, 0).sum()    # line 3",
    ),
    ("a mean over all is another number", "def f(x, n):\n    k = n.item()  # here\n    return x[:k].mean()\n", ""),
    (
        "a table of numbers",
        "T = {0: 1.0, 1: 0.5}\ndef f(x, n):\n    return x * T[n.item()]  # here\n",
        "return x * torch.tensor(tuple(T.values()), device=n.device)[n.reshape(1)][0]",
    ),
    ("a table with other keys", "T = {1: 1.0, 2: 0.5}\ndef f(x, n):\n    return x * T[n.item()]  # here\n", ""),
    (
        "a table that changes",
        "T = {0: 1.0, 1: 0.5}\ndef g():\n    T[0] = 3\ndef f(x, n):\n    return x * T[n.item()]  # here\n",
        "",
    ),
    (
        "each element",
        "def f(ids):\n    w = torch.tensor([0.2 if i.item() == 0 else 1.0 for i in ids])  # here\n    return w.sum()\n",
        "w = torch.where(ids == 0, 0.2, 1.0)",
    ),
    (
        "each row is not one number",
        "def f(x):\n    w = torch.tensor([0.2 if r.item() == 0 else 1.0 for r in x])  # here\n    return w.sum()\n",
        "",
    ),
    (
        "a method of the file that only keeps it",
        "class Meter:\n    def update(self, v):\n        self.total += v\nm = Meter()\n"
        "def f(x):\n    m.update(x.mean().item())  # here\n    return x\n",
        "m.update(x.mean().detach())",
    ),
    (
        "a function of the file that decides by it",
        "def g(v):\n    return 1 if v > 0 else 2\ndef f(x):\n    return x * g(x.mean().item())  # here\n",
        "",
    ),
    (
        "an error that only a number raises",
        "def f(x):\n    try:\n        y = x / x.sum().item()  # here\n    except ZeroDivisionError:\n        y = x\n    return y\n",
        "",
    ),
    (
        "a counter that reads itself",
        "def f(x):\n    n = x.argmax()\n    n = n + 1\n    y = x * n.item()  # here\n    return y\n",
        "y = x * n",
    ),
]


@pytest.mark.parametrize(("text", "code"), [one[1:] for one in NUMBERS], ids=[one[0] for one in NUMBERS])
def test_numbers(text: str, code: str) -> None:
    found = converted(text, "item", X, N, IDS)
    assert found.partition("\n# ")[0] == code


def test_without_recorded_inputs_nothing_is_assumed() -> None:
    text = "def f(x, n):\n    k = n.item()  # here\n    return x[:, :k].mean(1)\n"
    assert converted(text, "item") == ""
    text = "def f(x, z):\n    return x.relu() if x.max() > 1 else z.relu()  # here\n"
    assert "need one shape" in converted(text, "truth")
    assert "need one shape" not in converted(text, "truth", X, Given("z", "torch.float32", (4, 8)))
    assert converted(text, "truth", X, Given("z", "torch.float32", (1, 8))) == ""


def test_a_tensor_chooses_from_a_list() -> None:
    text = "def f(x, n):\n    y = [x, x * 2][n]  # here\n    return y\n"
    assert converted(text, "indexed", X, N).startswith("y = torch.stack(tuple([x, x * 2]))[n.reshape(1)][0]")
    assert not readings(text, 2, ["indexed"])  # without inputs, n may be a number


def test_comparisons_of_tensors_as_a_whole() -> None:
    text = "def f(x):\n    y = x * 2\n    same = torch.equal(x, y)  # here\n    return x if same else y\n"
    assert converted(text, "call:equal", X).startswith(
        "same = (x == y).all()\nreturn torch.where(same, x, y)    # line 4"
    )
    other = "def f(x, y):\n    return x * torch.equal(x, y)  # here\n"
    assert read(other, "call:equal", X).words["equal"] == "(x == y).all()"
    assert "converted" not in read(other, "call:equal", X).words  # the shapes may differ
    check = "def f(x):\n    assert torch.allclose(x.sum(-1), torch.ones(4)), 'one'  # here\n    return x\n"
    assert (
        converted(check, "call:allclose", X)
        == "torch._assert_async(torch.isclose(x.sum(-1), torch.ones(4)).all(), 'one')"
    )


def test_sorting_positions_by_a_tensor() -> None:
    text = "def f(x):\n    s = x.sum(-1)\n    order = sorted(range(len(s)), key=lambda i: -s[i])  # here\n    return x[order]\n"
    assert converted(text, "call:sorted", X).startswith("order = s.argsort(descending=True, stable=True)")
    top = text.replace("sorted(range(len(s)), key=lambda i: -s[i])", "max(range(4), key=lambda i: s[i].item())")
    assert converted(top, "call:max", X).startswith("order = s[: 4].argmax()")


def test_a_slice_that_a_module_gets() -> None:
    text = (
        "class E(nn.Module):\n    def __init__(self):\n        self.emb = nn.Embedding(9, 8)\n"
        "    def f(self, ids, n):\n        return self.emb(ids[:n]).sum(0)  # here\n"
    )
    found = read(text, "slice", IDS, N).words
    assert (found["fed"], found["fed-whole"], found["end"]) == ("self.emb(ids[:n])", "self.emb(ids)", "n")


def test_what_needs_no_tensor() -> None:
    text = "import json, os\ndef f(x):\n    y = x * len(json.dumps({'a': x.shape[0]}))  # here\n    return y\n"
    found = read(text, "plain", X).words
    assert (found["plain-call"], found["depends"]) == ("len(json.dumps({'a': x.shape[0]}))", "x")
    found = read("import os\ndef f(x):\n    return x + os.getpid()  # here\n", "plain", X).words
    assert found["plain-call"] == "os.getpid()" and "depends" not in found


def test_where_the_file_keeps_a_function_out_of_graphs() -> None:
    text = "class H:\n    def __init__(self):\n        self.post = torch.compiler.disable(self.clean)\n    def f(self, x):\n        return self.post(x)  # here\n"
    found = read(text, "disabled").words
    assert (found["made-at"], found["without"]) == ("3", "self.post = self.clean")
    text = "@torch.compiler.disable\ndef g(x):\n    return x\ndef f(x):\n    return g(x)  # here\n"
    assert read(text, "disabled").words["by"] == "@torch.compiler.disable"


def test_numpy_s_functions_that_torch_has() -> None:
    text = "import numpy as np\ndef f(x):\n    q = np.percentile(x.detach().numpy(), 90)  # here\n    return q\n"
    assert read(text, "numpy", X).words["torch-call"] == "torch.quantile(x, 90 / 100)"
    assert "torch-call" not in read(text.replace("percentile", "interp"), "numpy", X).words


def test_the_shape_of_an_input_read_behind_a_break_is_that_of_the_argument_only_if_it_keeps_its_name() -> None:
    late = Given("x", "torch.float32", (4, 8), late=True)
    text = "def f(x, n):\n    k = n.item()  # here\n    return x[:, :k].sum(1)\n"
    assert converted(text, "item", late, N)
    assert not converted(text.replace("    return", "    x = g(x)\n    return"), "item", late, N)


M = Given("m", "torch.bool", (4,))
WHOLE = Given("m", "torch.bool", (4, 8))


def test_a_mask_of_rows_gets_the_dimensions_of_the_tensor() -> None:
    text = "def f(x, m):\n    y = x * 2\n    y[m] = x[m]  # here\n    return y\n"
    assert read(text, "mask-store", X, M).words["wide"] == "m[:, None]"
    assert read(text, "mask-store", X, WHOLE).words["wide"] == "m"
    assert "wide" not in read(text, "mask-store", M).words
    text = "def f(x, m):\n    return x[m].mean(0)  # here\n"
    assert read(text, "mask", X, M).words["masked"] == "return torch.where(m[:, None], x, 0).sum(0) / m.sum()"
    assert "masked" not in read(text, "mask", X, WHOLE).words
    text = "def f(x, m):\n    return x[m].mean()  # here\n"
    assert read(text, "mask", X, WHOLE).words["masked"] == "return torch.where(m, x, 0).sum() / m.sum()"
    assert "masked" not in read(text, "mask", X, M).words  # the number of elements is another


def test_a_loss_of_what_a_mask_selects() -> None:
    text = "def f(x, t, m):\n    return F.cross_entropy(x[m], t[m]) * 2  # here\n"
    assert read(text, "mask", X, M).words["lossy"] == "return F.cross_entropy(x, torch.where(m, t, -100)) * 2"
    text = text.replace("cross_entropy", "mse_loss")
    found = read(text, "mask", X, WHOLE).words["lossy"]
    assert found == 'return (torch.where(m, F.mse_loss(x, t, reduction="none"), 0).sum() / m.sum()) * 2'
    assert "lossy" not in read(text.replace("t[m]", "t[k]"), "mask", X, WHOLE).words


ROUTED = """\
def f(x, choice):
    out = torch.zeros_like(x)
    for i, expert in enumerate(experts):
        idx = torch.nonzero(choice == i).squeeze(-1)  # here
        out[idx] = expert(x[idx])
    return out
"""


def test_rows_for_an_expert() -> None:
    found = read(ROUTED, "routed", X).words["routed"]
    assert found == "rows = (choice == i)[:, None]\nout = torch.where(rows, expert(x), out)    # line 5"
    assert not readings(ROUTED, 4, ["routed"])  # the dimensions of x are not known
    assert not readings(ROUTED.replace("return out", "return out, idx"), 4, ["routed"], (X,))


def test_writing_in_place() -> None:
    text = """\
class N(nn.Module):
    def __init__(self):
        self.register_buffer("ready", torch.tensor(False))
        self.register_buffer("mean", torch.zeros(8))
    def f(self, x):
        if not self.ready:  # here
            self.mean.copy_(x.mean(0))
            self.ready.fill_(True)
        return x - self.mean
"""
    assert converted(text, "truth", X, Given("self.ready", "torch.bool", ())).partition("\n#")[0] == (
        "chosen = ~self.ready\n"
        "self.mean.copy_(torch.where(chosen, x.mean(0), self.mean))\n"
        "self.ready.copy_(torch.where(chosen, True, self.ready))"
    )
    assert converted(text.replace("fill_(True)", "zero_()"), "truth", X) == ""


def test_random_numbers_are_not_drawn_for_both_sides() -> None:
    assert (
        converted(
            "def f(x):\n    y = x + torch.randn_like(x) if x.max() > 1 else x  # here\n    return y\n", "truth", X
        )
        == ""
    )


def test_a_comparison_with_a_tensor_needs_no_number() -> None:
    text = "def f(x, n):\n    t = n.item()  # here\n    return torch.where(x.abs() > t, x, 0)\n"
    found = read(text, "item", X, N)
    assert (found.use, found.words["converted"].partition("\n")[0]) == ("arithmetic", "t = n")
    assert read(text.replace("torch.where(x.abs() > t, x, 0)", "x if n > t else -x"), "item", X, N).use == "comparison"


def test_a_tensor_in_a_list_or_a_dict_is_known() -> None:
    text = """\
def f(batch, xs):
    x = batch["x"]
    if xs[0]:  # here
        x = x / 2
    return x
"""
    x, flag = Given("batch['x']", "torch.float32", (3,)), Given("xs[0]", "torch.bool", ())
    assert code(text, x, flag) == "x = torch.where(xs[0], x / 2, x)"
    assert not code(text.replace("if xs", "xs.pop(0)\n    if xs"), x, flag).startswith("x = torch.where(xs[0], ")
    assert not code(text.replace("if xs", "xs[0] = read()\n    if xs"), x, flag).startswith("x = torch.where(xs[0], ")


def code(text: str, *inputs: Given) -> str:
    """The code without what has to be known."""
    return "\n".join(line for line in converted(text, "truth", *inputs).splitlines() if not line.startswith("#"))


def test_both_sides_write_into_tensors() -> None:
    text = """\
class M:
    def __init__(self):
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x):
        m = x.mean(0)
        if self.count == 0:  # here
            self.mean.copy_(m)
        else:
            self.mean.lerp_(m, 0.1)
        return x - self.mean
"""
    assert code(text, X) == "self.mean.copy_(torch.where(self.count == 0, m, self.mean.lerp(m, 0.1)))"
    both = text.replace("self.mean.copy_(m)", "self.mean.copy_(m)\n            self.count += self.mean.sum()")
    assert not code(both, X)  # it reads what it has written


def test_a_tensor_without_dimensions_chooses_from_a_tensor() -> None:
    text = """\
def f(x, scores):
    order = scores.argsort()
    while order.numel() > 0:
        first = order[0]
        y = x[first] * 2  # here
        order = order[1:]
    return y
"""
    scores = Given("scores", "torch.float32", (4,))
    assert converted(text, "picked", X, scores) == "y = x[first.reshape(1)].squeeze(0) * 2"
    unknown = text.replace("y = x[first] * 2", "y = x[rows()] * int(n)").replace("first = order[0]", "rows = order[1:]")
    assert not readings(unknown.replace("rows()", "rows"), 5, ["picked"], (X, scores))  # int(n) may be what breaks
    looped = "def f(x, hit):\n    for e in hit:\n        x = x * x[e]  # here\n    return x\n"
    assert converted(looped, "picked", X, Given("hit", "torch.int64", (4,))) == "x = x * x[e.reshape(1)].squeeze(0)"


def test_a_number_that_numpy_unpacks_stays() -> None:
    text = "import numpy as np\ndef f(x):\n    lo, hi = np.percentile(x.numpy(), [5, 95])\n    return x.clamp(float(lo), 1.0)  # here\n"
    assert not converted(text, "float", X)


def test_what_a_mask_selects_under_a_name() -> None:
    text = """\
class M:
    def __init__(self):
        self.body = nn.Linear(8, 16)

    def forward(self, x, mask):
        h = self.body(x)
        fg = h[mask]  # here
        return fg.mean(0) + 1
"""
    mask = Given("mask", "torch.bool", (4,))
    masked = "fg = torch.where(mask[:, None], h, 0)\nreturn (fg.sum(0) / mask.sum()) + 1    # line 8"
    assert read(text, "mask", X, mask).words["masked"] == masked
    assert "masked" not in read(text.replace("fg.mean(0)", "fg.amax(0)"), "mask", X, mask).words
    assert "masked" not in read(text.replace("+ 1", "+ len(fg)"), "mask", X, mask).words


def test_a_number_that_is_kept_on_the_module_and_read_behind_that() -> None:
    text = """\
class M:
    def __init__(self):
        self.scale = 1.0

    def forward(self, x):
        self.scale = x.std().item()  # here
        return x * self.scale
"""
    assert converted(text, "item", X).startswith("self.scale = x.std().detach()\n")
    assert not converted(
        text.replace("        self.scale = x", "        x = x * self.scale\n        self.scale = x"), "item", X
    )


def test_a_list_that_was_sorted_has_the_same_elements() -> None:
    text = "def f(x):\n    xs = [x[0].sum(), x[1].sum()]\n    xs = sorted(xs)  # here\n    return xs[0]\n"
    assert converted(text, "call:sorted", X).startswith("xs = list(torch.stack(tuple(xs))[")


def test_a_loop_through_the_positions_that_are_not_zero() -> None:
    text = """\
def f(x, mask):
    hit = mask.any(0).nonzero().squeeze(-1)  # here
    out = torch.zeros_like(x)
    for e in hit:
        out = out + x * mask[:, e][:, None]
    return out
"""
    assert read(text, "gone-through", X).words["every"] == "hit = range(mask.any(0).shape[0])"
    assert not readings(text.replace("return out", "return out / len(hit)"), 2, ["gone-through"])
    assert not readings(text.replace("mask[:, e]", "mask[:, e.item()]"), 2, ["gone-through"])
    assert not readings(text.replace("mask[:, e]", "mask[:, f(e)]"), 2, ["gone-through"])
    assert not readings(text.replace(".squeeze(-1)", ""), 2, ["gone-through"])  # rows of positions


def test_a_list_that_is_kept_grows_with_tensors_too() -> None:
    text = "class M:\n    def forward(self, x):\n        self.seen.append(x.sum().item())  # here\n        return x\n"
    assert not converted(text, "item", X) and read(text, "item", X).use == "kept"
    own = "def f(x):\n    seen = []\n    seen.append(x.sum().item())  # here\n    return x\n"
    assert converted(own, "item", X).startswith("seen.append(x.sum().detach()")
