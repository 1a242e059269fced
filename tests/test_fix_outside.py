"""The rewrites for breaks in packages, which change only the user's files: they apply what the finding's advice prints."""

from __future__ import annotations

from dataclasses import replace

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


def test_a_module_of_torch_that_a_lambda_calls_goes_through_a_compiled_function_and_keeps_its_names() -> None:
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "self.f = torch.compile(self.f)    # a note"))))
    assert "from solvers import odeint\n\nodeint = torch.compiler.disable(odeint)\n" in new
    assert "\n\n\n@torch.compile\ndef compiled_call(function, *args, **kwargs):\n" in new
    assert (
        "        return odeint(lambda *args, **kwargs: compiled_call(lambda t, y: self.f(y), *args, **kwargs), y)\n"
        in new
    )
    assert "self.f = torch.compile(" not in new, "the parameters would be named _orig_mod, and checkpoints not fit"


def test_the_forward_of_a_module_is_decorated_in_its_class() -> None:
    field = "class Field(torch.nn.Module):\n    def forward(self, y):\n        return -y\n\n\nclass Net"
    text = TEXT.replace("class Net", field).replace("torch.nn.Linear(4, 4)", "Field()")
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "self.f.compile()", text))))
    assert "    @torch.compile\n    def forward(self, y):\n        return -y\n" in new and "f.compile()" not in new


def test_a_module_whose_class_is_in_another_file_goes_through_a_compiled_function() -> None:
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "self.f.compile()"))))
    assert "odeint(lambda *args, **kwargs: compiled_call(lambda t, y: self.f(y), *args, **kwargs), y)" in new
    new = rewritten(
        list(call_outside(site(HEAD + DISABLED + "self.f.compile()", TEXT.replace("lambda t, y: self.f(y)", "self.f"))))
    )
    assert "odeint(lambda *args, **kwargs: compiled_call(self.f, *args, **kwargs), y)" in new


def test_a_method_of_an_object_is_decorated_in_its_class() -> None:
    sde = "class Sde:\n    def f(self, t, y):\n        return -y\n\n\nclass Net"
    text = (
        TEXT.replace("class Net", sde)
        .replace("torch.nn.Linear(4, 4)", "Sde()")
        .replace("lambda t, y: self.f(y)", "self.f")
    )
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "self.f.f = torch.compile(self.f.f)", text))))
    assert "    @torch.compile\n    def f(self, t, y):\n" in new and "return odeint(self.f, y)" in new


def test_a_method_that_is_passed_on_is_decorated_and_called_with_its_object() -> None:
    text = TEXT.replace(
        "odeint(lambda t, y: self.f(y), y)", "odeint(\n            self.rhs,\n            y,\n        )"
    )
    text = text.replace("def decay(t, y)", "    def rhs(self, t, y):\n        return self.f(y)\n\n\ndef decay(t, y)")
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "self.rhs = torch.compile(self.rhs)", text))))
    assert "            lambda *args, **kwargs: self.rhs(*args, **kwargs),\n" in new
    assert "    @torch.compile\n    def rhs(self, t, y):\n" in new


def test_a_function_that_is_made_at_each_call_goes_through_a_compiled_function() -> None:
    text = TEXT.replace(
        "return odeint(lambda t, y: self.f(y), y)",
        "def field(t, y):\n            return self.f(y)\n\n        return odeint(field, y)",
    )
    found = site(HEAD + DISABLED + "field = torch.compile(field)", text)
    found.finding = replace(found.finding, via=Location("m.py", 13, "forward"))
    assert "return odeint(lambda *args, **kwargs: compiled_call(field, *args, **kwargs), y)" in rewritten(
        list(call_outside(found))
    )


def test_a_function_that_a_solver_calls_is_decorated() -> None:
    new = rewritten(list(call_outside(site(HEAD + DISABLED + "decay = torch.compile(decay)"))))
    assert "@torch.compile\ndef decay(t, y):\n" in new and new.count("torch.compile\n") == 1


def test_each_of_several_findings_of_one_call_leads_to_the_same_text() -> None:
    """A solver breaks in many lines, and all of them are tried at once."""
    method = TEXT.replace("lambda t, y: self.f(y)", "self.rhs")
    for fix, text in (
        ("self.f.compile()", TEXT),
        ("decay = torch.compile(decay)", TEXT),
        ("self.rhs = torch.compile(self.rhs)", method),
    ):
        new = rewritten(list(call_outside(site(HEAD + DISABLED + fix, text))))
        found = site(HEAD + DISABLED + fix, new)
        found.finding = replace(
            found.finding, via=Location("m.py", new[: new.index("return odeint(")].count("\n") + 1, "")
        )
        assert not list(call_outside(found))


def test_what_is_compiled_takes_the_options_of_the_user() -> None:
    fix = HEAD + DISABLED + "decay = torch.compile(decay)"
    asked = site(fix)
    asked.compiling = {"backend": None, "mode": "reduce-overhead", "dynamic": None}
    assert "@torch.compile(mode='reduce-overhead')\ndef decay" in rewritten(list(call_outside(asked)))
    asked.compiling = {"backend": "eager"}
    assert "@torch.compile\ndef decay" in rewritten(list(call_outside(asked))), "one looks for breaks with it"
    own = TEXT + "\n\nflow = torch.compile(flow, dynamic=True, fullgraph=True, backend=NAME)\n"
    assert "@torch.compile(dynamic=True)\ndef decay" in rewritten(list(call_outside(site(fix, own))))


def test_a_function_of_a_package_that_is_named_with_it_is_kept_out_too() -> None:
    text = TEXT.replace("from solvers import odeint", "import solvers").replace("odeint(", "solvers.odeint(")
    fix = HEAD + DISABLED.replace("odeint", "solvers.odeint") + "decay = torch.compile(decay)"
    new = rewritten(list(call_outside(site(fix, text))))
    assert "import solvers\n\nsolvers.odeint = torch.compiler.disable(solvers.odeint)\n" in new


def test_without_something_to_compile_or_an_import_nothing_is_proposed() -> None:
    whole = HEAD + DISABLED + "self.f.compile()"
    assert not list(call_outside(site(DISABLED))), "the call would run without being compiled at all"
    assert not list(call_outside(site(whole, TEXT.replace("from solvers import odeint", "import solvers"))))
    assert not list(call_outside(site(whole, TEXT.replace("lambda t, y: self.f(y)", "made(self)"))))
    assert not list(call_outside(site("# It is in a package.")))


def test_a_check_of_a_package_is_left_out_from_the_file_of_the_target() -> None:
    lines = ("import importlib", 'importlib.import_module("nets.swin").Swin._check_size = lambda *args, **kwargs: None')
    (found,) = check_outside(site("# `_check_size` only checks.\n" + "\n".join(lines) + "\n# Or another way"))
    assert found.settings == lines and found.text is None and not found.others
    assert "_check_size" in found.title
    assert not list(check_outside(site("# a comment\nx = lambda *args, **kwargs: None")))
