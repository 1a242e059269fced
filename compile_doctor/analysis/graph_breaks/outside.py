"""What a user can do about a break in a package without changing it: a setting, an argument, or one break at their own call."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

from compile_doctor.analysis.graph_breaks.causes import Cause, fill
from compile_doctor.model.compilations import Given
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import Frame
from compile_doctor.source.breaking_line import called_at
from compile_doctor.source.callbacks import compiled_apart
from compile_doctor.source.entering import method_of
from compile_doctor.source.levers import Lever, levers
from compile_doctor.source.locations import is_plumbing, module_of, short
from compile_doctor.source.names import dotted
from compile_doctor.source.only_checks import is_left_alone, only_checks
from compile_doctor.source.origins import Origin, Origins, parts_of
from compile_doctor.source.trees import tree_of

_MOST = 2
"""Conditions that are named: those nearest to the break, because a condition far from it decides more than the break."""
_INNER = ("<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>")

_UNKNOWN = "# It is in {file}. An argument or a setting of the package may avoid it."
_BOUNDARY = """\
# {or} have one break at line {line} instead of those inside of it; what it calls then runs without being compiled:
{disabled}"""
# `import a.b` gives the function `b` if the package has one of this name too.
_CHECKS = """\
# `{name}` only checks, and returns nothing. Check once without compiling, and leave it out, for the whole process:
import importlib
importlib.import_module("{module}").{place} = lambda *args, **kwargs: None"""
_COMPILED = """\
# {or} keep the call in line {line} out of the graph, with one break instead of those inside of it, and compile what it calls:
{disabled}
{compiled}"""
_DISABLED = "{called} = torch.compiler.disable({called})    # once, before the model is compiled"
_METHOD = """\
import importlib
package = importlib.import_module("{module}")
package.{method} = torch.compiler.disable(package.{method})    # once, before the model is compiled"""
_UNNAMED = "#   put the call into a function of your own, decorated with @torch.compiler.disable"
_NOT_YOURS = "# {file} is not your code. If you can change it:\n{fix}"


def from_outside(
    cause: Cause,
    sources: Mapping[str, str],
    place: Frame,
    led: Location | None,
    stack: Sequence[Frame],
    back: Sequence[int] = (),
    inputs: tuple[Given, ...] = (),
) -> str:
    """The fix for a line of a package; `led` is the user's line that leads there, and `stack` how.

    `back`: lines of the user's file that ran when the package called them, from that line. `inputs`: the tensors that
    the function around the break was seen to read.
    """
    file = os.path.basename(place.file) if short(place.file) == place.file else short(place.file)
    named = list(dict.fromkeys(_named(sources, led, stack, inputs)))
    if led is None:
        theirs = fill(_NOT_YOURS, {"file": file, "fix": cause.inside}) if cause.inside else ""
        return "\n".join(filter(None, [cause.outside, *named, theirs]))
    text = sources.get(led.file, "")
    entered = _entered(stack, led)
    called = called_at(text, led.line, entered, sources)
    method = method_of(sources, entered) if entered and not called else None
    disabled = [fill(_DISABLED, {"called": one}) for one in called]
    disabled = disabled or [fill(_METHOD, {"module": method[0], "method": method[1]}) if method else _UNNAMED]
    compiled = "\n".join(compiled_apart(text, led.line, back))
    words = {
        "line": str(led.line),
        "disabled": "\n".join(disabled),
        "compiled": compiled,
    }
    named = [] if compiled else named  # one break for all of them is better than one less
    unknown = [] if named or compiled or cause.outside else [fill(_UNKNOWN, {"file": file})]
    words["or"] = "Or" if named or unknown or cause.outside else "You can"
    boundary = fill(_COMPILED if compiled else _BOUNDARY, words)
    return "\n".join(filter(None, [cause.outside, *named, *unknown, boundary]))


def _named(
    sources: Mapping[str, str], led: Location | None, stack: Sequence[Frame], inputs: tuple[Given, ...]
) -> Iterator[str]:
    """One line for each argument or setting that decides whether the break is reached, or that is the number it reads."""
    frames = list(_calls(stack))
    mine = [number for number, one in enumerate(frames) if led and (one.file, one.line) == (led.file, led.line)]
    user = mine[-1] if mine else -1
    origins = Origins(sources, frames, user)
    yield from _checks(sources, frames[max(user, 0) :])
    numbers = list(_numbers(origins, inputs))
    yield from numbers
    if numbers:
        return
    for level in range(len(frames) - 1, user, -1):
        tree = tree_of(sources.get(frames[level].file, ""))
        entered = frames[level + 1].function if level + 1 < len(frames) else ""
        found = levers(tree, frames[level].line, entered) if tree else ()
        same = frames[level].file == frames[-1].file
        told = [
            words
            for one in found
            for words in [_told(one, origins.of(level, one.name), frames[level], same, level + 1 == len(frames))]
            if words
        ]
        if told:
            yield from told[:_MOST]
            return


def _checks(sources: Mapping[str, str], frames: Sequence[Frame]) -> Iterator[str]:
    """For a function that only checks, and whose caller does nothing with what it returns."""
    for caller, frame in itertools.pairwise(frames):
        own, above = (tree_of(sources.get(one.file, "")) for one in (frame, caller))
        function = only_checks(own, frame.line) if own else None
        name = is_left_alone(above, caller.line, function.name) if above and function else ""
        owner = own.around(function, ast.ClassDef) if own and function else None
        if name and function and (name == function.name or isinstance(owner, ast.ClassDef)):
            place = f"{owner.name}.{function.name}" if isinstance(owner, ast.ClassDef) else name
            module = module_of(frame.file if owner else caller.file)
            if module:
                yield fill(_CHECKS, {"name": function.name, "module": module, "place": place})
            return


def _numbers(origins: Origins, inputs: tuple[Given, ...]) -> Iterator[str]:
    """For a tensor of one element that the line reads as a number, and that the user passes in."""
    level = len(origins.stack) - 1
    single = {given.name for given in inputs if not given.shape}
    for node in parts_of(origins.tree(level), origins.stack[level].line) if level >= 0 else ():
        origin = origins.of(level, node) if dotted(node) in single else None
        if origin is not None and origin.kind == "call" and origin.at is not None:
            yield (
                f"# It reads a number from `{origin.name}` of `{origin.of}` (line {origin.at.line}), a tensor: pass a plain number, "
                "made before the compiled code."
            )


def _told(lever: Lever, origin: Origin | None, frame: Frame, same: bool, own: bool) -> str:
    """What to set so that a condition is decided otherwise; empty if nobody outside of the package decides it.

    `same`: it is in the file with the break; `own`: in the function with the break. One of a function that calls that may
    choose between two ways to the same line.
    """
    hidden = origin is not None and (origin.of.startswith("_") or origin.name.startswith("_"))
    if origin is None or hidden or (origin.kind == "training" and not lever.holds):
        return ""
    where = f"line {lever.line}" if same else f"{short(frame.file)}:{lever.line}"
    seen = f"# It ran because `{lever.condition}` was {'true' if lever.holds else 'false'} ({where})"
    value = _value(lever, origin)
    given = f"{origin.name}={value}" if value and "." not in origin.name else ""
    if origin.kind == "training":
        return f"{seen}: not in eval mode."
    if origin.kind == "setting":
        return f"{seen}: `{_without_call(origin.name)}` is a setting of the package."
    line = f" in line {origin.at.line}" if origin.at else ""
    how = f"`{origin.of}(…, {given})`" if given else f"another value for `{origin.name}` of `{origin.of}`"
    how += f", or for the attribute `{origin.attribute}` of the object," if origin.attribute and not given else ""
    how += f" or `{origin.attribute} = {value}` on the object" if origin.attribute and given else ""
    if lever.instead and not own:
        return f"{seen}: {how}{line} runs other code instead, which may break too."
    return f"{seen}: {how}{line} avoids it, if the model can do with that."


def _value(lever: Lever, origin: Origin) -> str:
    """The value with which the line does not run; not `False` for a number, for which that says nothing."""
    if lever.value not in ("True", "False") or origin.default in ("", "True", "False"):
        return lever.value
    return "None" if lever.value == "False" and origin.default == "None" else ""


def _without_call(name: str) -> str:
    """`settings.debug` for `settings.debug.on()`."""
    return name.rpartition(".")[0] if name.endswith("()") else name


def _calls(stack: Sequence[Frame]) -> Iterator[Frame]:
    """The stack without torch's ways to call a module; a comprehension is a line of the function around it."""
    frames = [one for one in stack if not is_plumbing(one.file)]
    for one, inner in zip(frames, [*frames, None][1:], strict=True):
        if inner is None or inner.function not in _INNER or inner.file != one.file:
            yield one


def _entered(stack: Sequence[Frame], led: Location) -> Frame | None:
    """The frame that runs next after a line of a stack, without torch's own ways to call a module."""
    places = [number for number, frame in enumerate(stack) if (frame.file, frame.line) == (led.file, led.line)]
    after = stack[places[-1] + 1 :] if places else ()
    return next((frame for frame in after if not is_plumbing(frame.file)), None)
