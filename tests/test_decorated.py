"""Code that is in no file, as decorators and attrs generate it: the place is the function or class that it stands for."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, replace

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.decorated import written_at
from compile_doctor.analysis.root_cause import traced_stack
from compile_doctor.checks import find_check
from compile_doctor.model.compilations import Break
from compile_doctor.model.stacks import ErrorLink, Frame
from compile_doctor.probe.observe.generated import named, originals
from tests.helpers import MODEL, PRINT, artifact, compilation, evidence, metrics, read, start

CODE = "def wrapper(x):\n    return function(x)\n"
NAME = "<checked(total)>"
SOURCE = """\
@checked
def total(x):
    return x.sum()

class Model:
    def forward(self, x):
        return total(x)
"""


def checked(function):
    names = {"function": function}
    exec(compile(CODE, NAME, "exec"), names)
    return functools.wraps(function)(names["wrapper"])


@checked
def total(x):
    return x


def with_init(cls):
    names = {}
    exec(
        compile("def __init__(self, size):\n    self.size = size\n", f"<generated init {cls.__name__}>", "exec"), names
    )
    cls.__init__ = names["__init__"]
    cls.__init__.__module__, cls.__init__.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
    return cls


@with_init
class Sized:
    pass


@dataclass
class Config:
    size: int


@dataclass
class Other:
    size: int


def test_the_names_in_torch_s_messages():
    broke = (
        f'Graph break in user code at {NAME}:2\nGraph Break Reason: …\nUser code traceback:\n  File "{NAME}", line 2'
    )
    assert named(broke) == {NAME}
    assert named("Recompiling function forward in <@beartype(a.B.forward) at 0x7f84>:1\n    triggered by …") == {
        "<@beartype(a.B.forward) at 0x7f84>"
    }
    assert named("Graph break in user code at /work/model.py:7\n") == set()


def test_a_wrapper_stands_for_the_function_that_it_wraps():
    (found,) = originals({NAME})
    line = inspect.getsourcelines(total.__wrapped__)[1]
    assert (found.file, found.line, found.function) == (NAME, 1, "wrapper")
    assert found.at[:3] == (__file__, line, "total")


def test_a_generated_method_stands_for_its_class():
    name = "<generated init Sized>"
    (at,) = (one.at for one in originals({name}))
    assert at[:3] == (__file__, inspect.getsourcelines(Sized)[1], "Sized.__init__")


def test_code_that_several_functions_may_have_stands_for_none():
    """Each dataclass has an `__init__` in the first line of `<string>`."""
    name = Config.__init__.__code__.co_filename
    assert [one for one in originals({name}) if one.at.file == __file__] == []


def test_without_such_a_name_nothing_is_looked_for():
    assert list(originals(set())) == []


def seen(file=NAME, line=2, **values):
    stack = (Frame(MODEL, 7, "forward"), Frame(file, line, "wrapper"))
    broke = Break(0, PRINT, None, stack, (file, line), False, "dynamo_graph_break_reason")
    known = {(NAME, 1, "wrapper"): Frame(MODEL, 1, "total")}
    frames = (compilation(stack=stack[:1]), compilation(1, function="wrapper", file=file, line=1, stack=stack))
    base = {"breaks": (replace(broke, compilation=1),), "generated": known, "sources": {MODEL: SOURCE}}
    return AnalysisContext(evidence(**{"compilations": frames, **base, **values}))


def test_the_break_is_at_the_function_that_was_decorated():
    (finding,) = find_check("CD101").detect(seen())
    place = finding.location
    assert (place.file, place.line, place.function, place.snippet) == (MODEL, 2, "total", "def total(x):")
    assert [(one.file, one.line, one.function) for one in finding.also] == [(NAME, 2, "wrapper")]
    assert finding.owner == "mine"
    assert "calling function" not in finding.message
    assert any(f"generated in memory, {NAME}:2" in line for line in finding.evidence)


def test_a_recompilation_of_it_is_there_too():
    again = ("1/0: tensor 'x' size mismatch at index 0. expected 2, actual 3",)
    context = seen(breaks=())
    first, wrapper = context.evidence.compilations
    frames = (first, wrapper, replace(wrapper, frame_compile_id=1, recompile_reasons=again))
    (group,) = AnalysisContext(replace(context.evidence, compilations=frames)).recompiled
    assert (group.file, group.line, group.function) == (MODEL, 2, "total")


def test_code_of_which_nothing_is_known_keeps_its_place():
    (finding,) = find_check("CD101").detect(seen(generated={}))
    assert (finding.location.file, finding.location.line) == (NAME, 2)
    line = Frame(MODEL, 7, "forward")
    assert written_at(seen().evidence, line) == line


def test_the_last_frame_of_a_stack_may_have_no_line_of_source():
    """Nobody can read the source of generated code, so torch writes the frame alone."""
    stack = f'  File "{MODEL}", line 7, in forward\n    return total(x)\n  File "{NAME}", line 4, in wrapper'
    head = f"Graph break in user code at {NAME}:4\nGraph Break Reason: {PRINT}\nUser code traceback:\n"
    (item,) = read(start() + artifact("dynamo_graph_break_reason", f"{head}{stack}\n") + metrics()).breaks
    assert [frame[:3] for frame in item.stack] == [(MODEL, 7, "forward"), (NAME, 4, "wrapper")]
    link = ErrorLink("torch._dynamo.exc.Unsupported", f"{PRINT}\n\nfrom user code:\n{stack}", ())
    assert traced_stack(link)[-1][:3] == (NAME, 4, "wrapper")
