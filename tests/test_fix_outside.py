"""The rewrites for breaks in packages, which change only the user's files: they apply what the finding's advice prints."""

from __future__ import annotations

from compile_doctor.mend.rewrites.call_outside import propose as call_outside
from compile_doctor.mend.rewrites.check_outside import propose as check_outside
from compile_doctor.mend.site import Candidate, Site, Source
from compile_doctor.model.findings import Finding, Location

THEIRS = "/x/site-packages/solvers/steps.py"
TEXT = """\
import torch
from solvers import odeint

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.f = torch.nn.Linear(4, 4)  # the field

    def forward(self, y):
        return odeint(lambda t, y: self.f(y), y)


def decay(t, y):
    return -y


def flow(y):
    return odeint(decay, y)
"""
HEAD = "# You can keep the call in line 10 out of the graph, with one break instead of those inside of it, and compile what it calls:\n"
DISABLED = "odeint = torch.compiler.disable(odeint)    # once, before the model is compiled\n"


def site(fix: str, text: str = TEXT) -> Site:
    finding = Finding(
        "CD102",
        "n",
        "error",
        "t",
        "m",
        Location(THEIRS, 7, "step"),
        cause="c",
        fix=fix,
        via=Location("m.py", 10, "forward"),
    )
    return Site(Source("def step(h):\n    return h\n"), finding, 1, {"m.py": text})


def rewritten(found: list[Candidate]) -> str:
    assert len(found) == 1 and found[0].text is None, "the package itself is not changed"
    return found[0].others["m.py"]


def test_a_solver_stays_out_of_the_graph_and_its_module_is_compiled_where_it_is_made() -> None:
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "self.f = torch.compile(self.f)    # a note"))))
    assert "from solvers import odeint\n\nodeint = torch.compiler.disable(odeint)\n" in new
    assert "        self.f = torch.nn.Linear(4, 4)  # the field\n        self.f = torch.compile(self.f)\n" in new
    assert new.count("torch.compile(") == 1


def test_a_module_of_the_user_is_compiled_in_place() -> None:
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "self.f.compile()"))))
    assert "# the field\n        self.f.compile()\n" in new


def test_a_function_that_a_solver_calls_is_compiled_behind_its_definition() -> None:
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "decay = torch.compile(decay)"))))
    assert "    return -y\ndecay = torch.compile(decay)\n" in new and "self.f.compile()" not in new


def test_without_something_to_compile_or_an_import_nothing_is_proposed() -> None:
    whole = HEAD + DISABLED + "self.f.compile()"
    assert not list(call_outside(site(DISABLED))), "the call would run without being compiled at all"
    assert not list(call_outside(site(whole, TEXT.replace("from solvers import odeint", "import solvers"))))
    assert not list(call_outside(site(whole, TEXT.replace("self.f = ", "self.g = "))))
    assert not list(call_outside(site("# It is in a package.")))


def test_a_check_of_a_package_is_left_out_from_the_file_of_the_target() -> None:
    lines = ("import importlib", 'importlib.import_module("nets.swin").Swin._check_size = lambda *args, **kwargs: None')
    (found,) = check_outside(site("# `_check_size` only checks.\n" + "\n".join(lines) + "\n# Or another way"))
    assert found.settings == lines and found.text is None and not found.others
    assert "_check_size" in found.title
    assert not list(check_outside(site("# a comment\nx = lambda *args, **kwargs: None")))
