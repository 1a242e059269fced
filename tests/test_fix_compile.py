"""`fix` as a whole: what is kept, what a planted mistake leads to, and what is written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from compile_doctor.cli import main
from compile_doctor.mend import ways
from compile_doctor.mend.options import Options
from compile_doctor.mend.result import Mended
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.search import Search
from compile_doctor.mend.site import Candidate, Site
from compile_doctor.model.asked import Settings
from compile_doctor.processes.children import watch
from compile_doctor.run.fork_server import fork_server
from compile_doctor.run.progress import Progress
from compile_doctor.targets.target import parse_target

pytestmark = pytest.mark.compile
torch = pytest.importorskip("torch")

from compile_doctor.probe import compat

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x):
        y = self.lin(x)
        if y.sum() > 0:
            y = y * 2
        else:
            y = y - 1
        scale = y.abs().mean().item()
        print("called")
        return y * scale


def build_model():
    return Net()


def example_inputs():
    return (torch.ones(2, 4),)
"""
BRANCH = """\
        if y.sum() > 0:
            y = y * 2
        else:
            y = y - 1
"""
RIGHT = "        y = torch.where(y.sum() > 0, y * 2, y - 1)\n"
PLANTED = {
    "swapped": ("data-dependent-branch", BRANCH, RIGHT.replace("y * 2, y - 1", "y - 1, y * 2"), "output of call 1"),
    "one-side-only": ("data-dependent-branch", BRANCH, "        y = y * 2\n", "differs by up to"),
    "draws": ("data-dependent-branch", BRANCH, "        torch.rand(1)\n" + RIGHT, "draws other random numbers"),
    "writes-input": (
        "data-dependent-branch",
        BRANCH,
        RIGHT + "        x.add_(1)\n",
        "raises RuntimeError: one of the variables needed for gradient computation has been modified",
    ),
    "writes-attribute": ("data-dependent-branch", BRANCH, RIGHT + "        self.seen = 1\n", "state seen is new"),
    "with-gradient": ("tensor-item", ".mean().item()", ".mean()", "gradient lin."),
    "silent": ("print", '        print("called")\n', "", "does not show `print called`"),
    "unmended": ("print", 'print("called")', 'print("called")  # again', "still there|only moves"),
}
"""Rewrites that are wrong on purpose: (cause, what they replace, by what, the reason why they are dropped)."""


def run(target: str, folder: Path, **options: object) -> Mended:
    folder.mkdir(exist_ok=True)
    settings = Settings(backend="eager", timeout=120.0)
    with fork_server(100, 1, False) as forks:
        start = watch if forks is None else forks.start
        wanted = Options(**options)  # type: ignore[arg-type]
        return Search(parse_target(target), settings, wanted, folder, start, Progress(True)).run()


def planted(name: str) -> Rewrite:
    cause, old, new, _ = PLANTED[name]

    def propose(site: Site):  # type: ignore[no-untyped-def]
        assert old in site.source.text
        yield Candidate(name, site.source.text.replace(old, new))

    return Rewrite(name, (cause,), propose)


def test_a_rewrite_that_is_wrong_is_never_kept(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    wrong = [planted(name) for name in PLANTED]
    monkeypatch.setattr(ways, "fitting", lambda cause: [one for one in wrong if one.fits(cause)])
    found = run(str(tmp_path / "net.py"), tmp_path / "work")
    assert found.files == {} and found.kept == () and found.patch() == ""
    reasons = {step.rewrite: step.reason for step in found.steps}
    assert set(reasons) == set(PLANTED)
    for name, (_, _, _, reason) in PLANTED.items():
        assert re.search(reason, reasons[name]), f"{name}: {reasons[name]}"
    assert (tmp_path / "net.py").read_text() == NET


def test_the_right_rewrites_are_kept_and_the_original_stays(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    found = run(str(tmp_path / "net.py"), tmp_path / "work", resume=tmp_path / "state")
    assert {step.rewrite for step in found.kept} == {"branch-to-where", "plain-tensor", "messages-reordered"}
    assert found.left == () and found.after.graphs == 1 and found.verdict == ("unhealthy", "healthy")
    assert found.cases == (21, 21) and found.gradients
    assert (tmp_path / "net.py").read_text() == NET
    again = run(str(tmp_path / "net.py"), tmp_path / "again", resume=tmp_path / "state")
    assert again.files == found.files and len(again.steps) == len(found.steps), "nothing is tried twice"


SOLVER = """\
import torch


def check_finite(y):
    if not torch.isfinite(y).all():
        raise ValueError("not finite")


def relax(field, y, rounds=4, tolerance=1e-9):
    check_finite(y)
    for _ in range(rounds):
        change = field(y)
        if change.abs().max() < tolerance:
            return y
        y = y - 0.5 * change
    return y
"""
RELAXED = """\
import sys

sys.path.insert(0, PACKAGES)
import torch
from steps import relax


class Field(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(4, 4)

    def forward(self, y):
        return torch.tanh(self.lin(y))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.field = Field()

    def forward(self, y):
        return relax(self.field, y) * 2


def build_model():
    return Net()


def example_inputs():
    return (torch.randn(3, 4),)
"""


def relaxed(folder: Path, text: str) -> str:
    """The target of a text, with the package of the solver beside it."""
    package = folder / "site-packages" / "steps" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text(SOLVER)
    (folder / "net.py").write_text(text.replace("PACKAGES", repr(str(package.parent.parent))))
    return str(folder / "net.py")


def test_a_solver_of_a_package_stays_out_of_the_graph_and_what_it_calls_is_compiled(tmp_path):
    found = run(relaxed(tmp_path, RELAXED), tmp_path / "work")
    assert {step.rewrite for step in found.kept} == {"call-outside"}, (found.steps, found.left)
    assert found.verdict == ("unhealthy", "healthy")
    assert [one.finding.cause for one in found.left] == ["compiler-disabled-function"]
    patch = found.patch()
    assert "+relax = torch.compiler.disable(relax)" in patch
    assert patch.count("+    @torch.compile") == 1 and "     def forward(self, y):" in patch
    assert (tmp_path / "site-packages" / "steps" / "__init__.py").read_text() == SOLVER


def test_a_module_of_torch_that_a_solver_calls_is_compiled_and_keeps_the_names_of_its_parameters(tmp_path):
    """With breaks elsewhere in the model: that one part is compiled by itself does not hide what the rest does."""
    text = RELAXED.replace("Field()", "torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh())")
    text = text.replace(
        "return relax(self.field, y) * 2", "print(y)\n        return relax(lambda y: self.field(y), y) * 2"
    )
    found = run(relaxed(tmp_path, text), tmp_path / "work", only=("call-outside",))
    assert {step.rewrite for step in found.kept} == {"call-outside"}, (found.steps, found.left)
    assert "compiled_call(lambda y: self.field(y), *args, **kwargs)" in found.patch()
    assert "print" in {one.finding.cause.partition(":")[0] for one in found.left}


def test_what_compiles_itself_can_take_the_backend_of_a_search(monkeypatch):
    monkeypatch.setitem(torch.compile.__kwdefaults__, "backend", "inductor")  # is put back at the end
    graphs = []
    compat.compile_by_default(lambda graph, inputs: graphs.append(graph) or graph.forward)
    model = Doubled()
    model.compile()
    assert model(torch.ones(2)).sum() == 4 and torch.compile(lambda x: x + 1)(torch.ones(2)).sum() == 4
    assert len(graphs) == 2


class Doubled(torch.nn.Module):
    def forward(self, x):
        return x * 2


AROUND = """\
import contextlib
import os
import time

import torch
from torch import nn

torch._dynamo.config.capture_scalar_outputs = True
STATE = {"scale": 1.0}
TIMES = {}


@contextlib.contextmanager
def scaled(value):
    was = STATE["scale"]
    STATE["scale"] = value
    try:
        yield
    finally:
        STATE["scale"] = was


@contextlib.contextmanager
def timed(name):
    start = time.perf_counter()
    yield
    TIMES[name] = time.perf_counter() - start


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x, lengths):
        with timed("in"):
            x = self.lin(x)
        longest = lengths.clamp(1, 4).max().item()
        if longest > 0:
            x = x[:, :longest]
        return self.end(x)

    def end(self, x):
        with scaled(2.0):
            x = x * STATE["scale"]
            os.getloadavg()
            x = x.relu() + STATE["scale"]
        return x * 2


def build_model():
    return Net()


def example_inputs():
    return torch.ones(2, 4), torch.tensor([1, 3])
"""


def test_what_is_around_operators_does_not_keep_them_out_of_graphs(tmp_path):
    """A timer, a decision that always falls the same way, and a break in a `with` block that only sets something."""
    (tmp_path / "net.py").write_text(AROUND)
    found = run(str(tmp_path / "net.py"), tmp_path / "work", cases=5)
    kept = {step.rewrite for step in found.kept}
    assert {"timer-outside", "checked-number", "context-split"} <= kept, found.steps
    assert [one.finding.cause for one in found.left] == ["environment-or-os"], "nothing can take that line's place"
    assert found.after.graphs > found.before.graphs == 0


def test_a_side_that_never_ran_is_not_changed(tmp_path):
    text = NET.replace("y.sum() > 0", "torch.tensor(True)").replace('        print("called")\n', "")
    (tmp_path / "net.py").write_text(text.replace(".mean().item()", ".mean()"))
    found = run(str(tmp_path / "net.py"), tmp_path / "work", only=("branch-to-where",))
    assert found.kept == ()
    assert [step.reason for step in found.steps] == [
        "no input reached line 15, so equal outputs would not show anything about it"
    ]


def test_a_budget_that_ends_keeps_what_there_is(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    found = run(str(tmp_path / "net.py"), tmp_path / "work", budget=0.5)
    assert found.files == {} and "the budget of 0.5 s ended" in found.unfinished
    assert {one.reason for one in found.left} == {"it was not tried, because the budget of 0.5 s ended"}


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return called(folder, "fix", *arguments)


def called(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "compile_doctor", *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, cwd=folder)


def test_the_example_ends_in_one_graph_and_runs_from_its_folder(tmp_path):
    done = command(
        tmp_path, "example:four-breaks", "--write", "fixed", "--backend", "eager", "--no-time", "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["before"]["graphs"], found["after"]["graphs"]) == (7, 1)
    assert found["written"] == ["fixed/four_breaks.py"]
    assert [one["text"] for one in found["files"]] == [(tmp_path / "fixed" / "four_breaks.py").read_text()]
    words = [sys.executable, "-m", "compile_doctor", "diagnose", "fixed/four_breaks.py", "--backend", "eager"]
    assert subprocess.run(words, capture_output=True, timeout=300, check=False, cwd=tmp_path).returncode == 0


def test_a_clean_model_is_not_changed(tmp_path):
    done = command(tmp_path, "example:clean", "--write", "fixed", "--backend", "eager")
    assert done.returncode == 0
    assert "Nothing was changed: there is nothing to fix." in done.stdout
    assert not (tmp_path / "fixed").exists()


def test_the_loop_of_the_skill_file_ends_with_a_model_that_passes(tmp_path, capsys):
    """As a coding assistant would: diagnose, see what has a rewrite, fix, apply the replacements, diagnose again."""
    (tmp_path / "model.py").write_text(NET)
    with pytest.raises(SystemExit):
        main(["explain", "skill"])
    page = capsys.readouterr().out
    commands = [line.split() for line in page.splitlines() if line.startswith("compile-doctor ")]
    asked, fixing = (next(words for words in commands if words[1] == name) for name in ("diagnose", "fix"))
    before = json.loads(called(tmp_path, *asked[1:], "--backend", "eager").stdout)
    assert all(one["rewrites"] and one["span"]["first_line"] <= one["location"]["line"] for one in before["findings"])
    done = called(tmp_path, *fixing[1:], "--backend", "eager", "--no-time", "--inputs", "6")
    assert "called" not in done.stderr  # what the target prints, at each of its runs
    found = json.loads(done.stdout)
    (changed,) = found["files"]
    lines = NET.splitlines(keepends=True)
    for one in reversed(changed["replacements"]):
        lines[one["first_line"] - 1 : one["last_line"]] = [one["text"]]
    assert "".join(lines) == changed["text"] and found["left"] == []
    (tmp_path / "model.py").write_text("".join(lines))
    after = called(tmp_path, *asked[1:], "--backend", "eager")
    assert after.returncode == 0 and json.loads(after.stdout)["findings"] == []


STEPS = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x):
        y = self.lin(x).clamp(-9.0, 9.0)
        if y.sum() > 0:
            for _ in range(2):
                y = y * 0.5
        while y.abs().max() > 0.01:
            y = y / 3
        return y


def build_model():
    torch.manual_seed(0)
    return Net()


def example_input_sets():
    return [(torch.ones(2, 4),), (-torch.ones(2, 4),)]
"""


def test_sides_and_loops_run_on_the_device(tmp_path):
    (tmp_path / "net.py").write_text(STEPS)
    found = run(str(tmp_path / "net.py"), tmp_path / "work")
    assert {step.rewrite for step in found.kept} == {"branch-both-sides", "loop-on-device"}
    assert found.left == () and found.after.graphs == 1 and found.cases == (21, 21)


def test_a_setting_for_a_break_in_a_package_goes_into_the_targets_file(tmp_path):
    package = tmp_path / "lib" / "site-packages" / "talk"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def say(x):\n    print('hello')\n    return x * 2\n")
    target = "import sys\nsys.path.append(__file__.replace('net.py', 'lib/site-packages'))\nimport torch\nimport talk\n"
    target += "class Net(torch.nn.Module):\n    def forward(self, x):\n        return talk.say(x) + 1\n"
    target += "def build_model():\n    return Net()\ndef example_inputs():\n    return (torch.ones(2),)\n"
    (tmp_path / "net.py").write_text(target)
    found = run(str(tmp_path / "net.py"), tmp_path / "work")
    assert [step.rewrite for step in found.kept] == ["messages-reordered"]
    assert set(found.files) == {str(tmp_path / "net.py")}
    assert "reorderable_logging_functions.add(print)" in found.files[str(tmp_path / "net.py")][1]


SIZES = """\
import torch
from torch import nn


class Net(nn.Module):
    def forward(self, x):
        sizes = [2, 3]
        lengths = torch.as_tensor(sizes)
        {change}
        return torch.stack([x[:, :n].sum() for n in lengths])


def build_model():
    return Net()


def example_inputs():
    return (torch.ones(2, 4),)
"""


def test_a_list_that_is_not_what_the_tensor_holds_is_not_taken(tmp_path):
    wanted = {"only": ("list-not-tensor",), "cases": 1}
    (tmp_path / "same.py").write_text(SIZES.format(change="x = x + lengths.sum()"))
    found = run(str(tmp_path / "same.py"), tmp_path / "a", **wanted)
    assert "for n in sizes" in found.patch() and found.after.graph_breaks == 0
    (tmp_path / "other.py").write_text(SIZES.format(change="lengths[0] = 1"))
    found = run(str(tmp_path / "other.py"), tmp_path / "b", **wanted)
    (step,) = found.steps
    assert not found.files and step.state == "dropped" and "output of call 1" in step.reason


def test_a_count_of_rows_is_no_count_of_elements(tmp_path):
    """`x[keep].numel()` for a mask of rows: the sum of the mask is another number."""
    text = SIZES.format(change="keep = x.sum(1) > 0")
    text = text.replace("torch.stack([x[:, :n].sum() for n in lengths])", "x / x[keep].numel()")
    (tmp_path / "rows.py").write_text(text)
    found = run(str(tmp_path / "rows.py"), tmp_path / "a", only=("count-under-mask",), cases=1)
    assert not found.files and [step.state for step in found.steps] == ["dropped"]
    assert "output of call 1" in found.steps[0].reason


def test_what_is_kept_out_of_graphs_on_purpose_stays_so_in_the_copy(tmp_path):
    text = NET.replace(
        "    def forward",
        "    @torch.compiler.disable\n    def kept_out(self, x):\n        return x + 1\n\n    def forward",
    )
    (tmp_path / "net.py").write_text(text.replace("self.lin(x)", "self.lin(self.kept_out(x))"))
    found = run(
        str(tmp_path / "net.py"), tmp_path / "compile-doctor-fix-ab12cd34", only=("messages-reordered",), cases=1
    )
    (left,) = [one.finding for one in found.left if one.finding.cause == "compiler-disabled-function"]
    assert found.kept and (left.severity, left.owner) == ("info", "mine")


def test_blocks_are_compiled_before_they_are_sharded(tmp_path):
    program = Path(__file__).parent / "programs" / "break_fsdp_hooks_in_loop.py"
    text = program.read_text(encoding="utf-8")
    (tmp_path / "net.py").write_text(text)
    found = run(str(tmp_path / "net.py"), tmp_path / "work", only=("blocks-before-sharding",), cases=2)
    assert {step.rewrite for step in found.kept} == {"blocks-before-sharding"}, found.steps
    assert "        layer.compile()\n        fully_shard(layer" in found.files[str(tmp_path / "net.py")][1]
    assert found.after.graph_breaks == 0 and found.left == ()
