"""What an exception of the compiler means, in the user's terms: torch's own reason, and a fix only if the cause is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from compile_doctor.analysis.graph_breaks.advice import advised, cause_at
from compile_doctor.analysis.graph_breaks.causes import Cause, find_cause, upstream_id
from compile_doctor.analysis.root_cause import RootCause, hints, traced_stack
from compile_doctor.model.evidence import Failure
from compile_doctor.model.stacks import ErrorLink
from compile_doctor.source import operators
from compile_doctor.source.arguments import as_constant
from compile_doctor.source.locations import innermost_mine, owner, short

_LIMIT = re.compile(r"FailOnRecompileLimitHit|RecompileLimitExceeded")
_LIMIT_WORDS = re.compile(r"\A(?:Dynamo recompile limit exceeded|\w*recompile_limit reached)")
_STANCE = re.compile(r"torch\.compile stance is '(\w+)'")
_BODY = re.compile(r"Got graph break/error:\s*")
_OPERATOR = re.compile(r"Higher Order Operator: (\S+)|\A(\w+) doesn't work unless")
_MARKED = re.compile(r"You marked (\S+?) as dynamic but your code specialized it to be a constant \((\d+)\)")
_DIMENSION = re.compile(r"\A(?:L\[')?(\w+)(?:'\])?\.size\(\)\[(\d+)\]\Z")
_BACKEND = re.compile(r"backend='([^']+)' raised")
_FAKE_KERNEL = re.compile(r"incorrect fake \(aka meta\) kernel|\bin op: (?:torch\.ops\.)?\S+")
_RAN = re.compile(r"with fake tensors: call_function ([A-Za-z_]\w*(?:\.\w+)+)\(")
_OP = re.compile(r"in op: (?:torch\.ops\.)?([\w.:]+)")
_EAGER_HINT = "may result in an error when running in eager"
_RECOMPILED = re.compile(r"Recompiling function (\S+) in (.+?):(\d+)\s+triggered by")
_UNLOADABLE = re.compile(
    r"(?<![^\s'\":=(])(?P<file>/[^\s'\":=(]+\.(?:so|[gp]ch))\b.{0,80}(?:file too short|invalid ELF header|not a valid|truncated|undefined symbol|wrong ELF)|"
    r"(?:not a valid|malformed|corrupt)\S* (?:PCH|precompiled header)|malformed or corrupted (?:AST|PCH|precompiled)|"
    r"file too short|invalid ELF header",
    re.IGNORECASE,
)
DAMAGED = "damaged-cache"
"""The cause's name if a file of Inductor's cache cannot be read."""
KNOWN_BACKENDS = ("inductor", "aot_eager", "eager", "aot_eager_decomp_partition", "cudagraphs")


@dataclass(frozen=True)
class CompileError:
    """One exception of the compiler, in words."""

    message: str
    fix: str = ""
    upstream: str | None = None
    """torch's id, for a graph break that fullgraph=True turned into an error."""
    key: str = ""
    """The cause's name, if it is not made from type and message."""


def is_limit(failure: Failure | None) -> bool:
    """Whether it is the recompile limit, which raises under fullgraph=True."""
    links = failure.chain if failure else ()
    return any(_LIMIT.search(link.type) or _LIMIT_WORDS.search(link.message) for link in links)


def stance_that_raised(failure: Failure | None) -> str | None:
    """The stance of torch.compile (`fail_on_recompile`) that raised: no error of the model, in whichever run it comes."""
    found = (_STANCE.search(link.message) for link in (failure.chain if failure else ()))
    return next((match[1] for match in found if match), None)


def described(failure: Failure, cause: RootCause, sources: Mapping[str, str], torch_root: str | None) -> CompileError:
    """The error by the first rule that knows it, else in torch's words and with torch's hints."""
    for rule in _RULES:
        for found in rule(failure, cause, sources, torch_root):
            return found
    return CompileError(_sentence(cause), _hinted(failure) or _kept_out(failure))


def _unsupported(
    failure: Failure, cause: RootCause, sources: Mapping[str, str], root: str | None
) -> Iterator[CompileError]:
    link = next((one for one in reversed(failure.chain) if one.type.endswith("exc.Unsupported")), None)
    operator = next((one for one in failure.chain if one.type.endswith("UncapturedHigherOrderOpError")), None)
    if operator is not None:
        inside = _BODY.split(operator.message, maxsplit=1)
        reason = link.message if link else inside[1] if len(inside) == 2 else operator.message
        broke = find_cause(reason, None)
        named = next((_OPERATOR.search(one.message) for one in failure.chain if _OPERATOR.search(one.message)), None)
        name = f"`{(named[1] or named[2]).lower()}`" if named else "This operator"
        yield CompileError(
            f"{name} takes only functions that Dynamo can trace from end to end: here it cannot ({broke.title}). {_why(broke, reason)}",
            _inside(_fix_of(broke, reason, cause, sources, root), name),
            upstream_id(reason),
        )
    elif link is not None:
        reason = link.message
        inner = (
            ""
            if failure.chain[-1] is link
            else f"\nDeveloper debug context: {_kind(cause)}: {failure.chain[-1].message}"
        )
        broke = find_cause(reason if inner.strip() in reason else reason + inner, upstream_id(reason))
        yield CompileError(
            f"fullgraph=True turns a graph break into an error ({broke.title}). {_why(broke, reason)}",
            _fix_of(broke, reason, cause, sources, root),
            upstream_id(reason),
        )


def _inside(fix: str, operator: str) -> str:
    """The fix within a function that such an operator takes: plain Python is not possible there."""
    if fix and "torch.compiler.disable" not in fix:
        return fix
    return (
        f"Take this line out of the function that {operator} is given: compute it before the call, and pass the result."
    )


def _why(broke: Cause, reason: str) -> str:
    """What the cause explains; for a break inside an operator torch's own reason is part of it."""
    explained = re.search(r"^[^\S\n]*Explanation: (.+)", reason, re.MULTILINE)
    own = explained[1].strip() if explained else ""
    return broke.why if not own or own in broke.why else f"{broke.why} torch: {own}"


def _fix_of(broke: Cause, reason: str, cause: RootCause, sources: Mapping[str, str], root: str | None) -> str:
    ours = as_constant(sources, cause.frame, f"{broke.why} {cause.words}")
    if ours:
        return ours
    if cause.frame is not None:
        text, line = sources.get(cause.frame.file, ""), cause.frame.line
        broke = advised(cause_at(broke, text, line), reason, sources, cause.frame, owner(cause.frame.file, root))
    if not broke.key.startswith("other-"):
        return broke.fix
    return _as_torchs(line for line in broke.fix.splitlines() if _EAGER_HINT not in line)


def _undecided(
    failure: Failure, cause: RootCause, sources: Mapping[str, str], root: str | None
) -> Iterator[CompileError]:
    """Under fullgraph=True numbers of tensors are symbols, and a decision about one raises."""
    broke = find_cause(cause.words, None)
    if broke.key == "data-dependent-guard":
        yield CompileError(f"{broke.why} torch: {_sentence(cause)}", _fix_of(broke, cause.words, cause, sources, root))


def _damaged(failure: Failure, cause: RootCause, sources: Mapping[str, str], _: str | None) -> Iterator[CompileError]:
    if any(_UNLOADABLE.search(link.message) for link in failure.chain):
        yield CompileError(_sentence(cause), key=DAMAGED)


def _marked(failure: Failure, cause: RootCause, sources: Mapping[str, str], _: str | None) -> Iterator[CompileError]:
    text = "\n".join(link.message for link in failure.chain)
    found = _MARKED.search(text)
    if not found:
        return
    dimension = _DIMENSION.match(found[1])
    what = f"dimension {dimension[2]} of `{dimension[1]}`" if dimension else f"`{found[1]}`"
    call = f"({dimension[1]}, {dimension[2]})" if dimension else ""
    at = " at this line" if cause.frame else ""
    yield CompileError(
        f"{what[0].upper()}{what[1:]} is marked as dynamic, but the code fixes it to {found[2]}{at}: another tensor, or a "
        f"number, that it meets there has this size. torch: {cause.words}",
        "# If this size may vary, nothing in the graph may fix it: let what it meets have size 1 in this dimension, or the\n"
        f"# same dynamic size. If {found[2]} is its only size, do not mark it:\n"
        f"torch._dynamo.maybe_mark_dynamic{call or '(tensor, dim)'}     # instead of mark_dynamic: a wish, not a demand",
        key="error:ConstraintViolationError:specialized",
    )


def _stance(failure: Failure, cause: RootCause, sources: Mapping[str, str], _: str | None) -> Iterator[CompileError]:
    stance = stance_that_raised(failure)
    if stance:
        yield CompileError(
            f"The program sets torch.compiler.set_stance({stance!r}), and under it a recompilation raises. torch: {cause.words}",
            "# Call the model with each kind of input before the stance is set, or make the recompilation unnecessary:\n"
            'torch.compiler.set_stance("default")     # shows the guard that fails, as a finding of its own',
            key=f"error:stance:{stance}",
        )


def _recompiled(
    failure: Failure, cause: RootCause, sources: Mapping[str, str], _: str | None
) -> Iterator[CompileError]:
    if any(link.type.endswith("exc.RecompileError") for link in failure.chain):
        yield CompileError(
            f"torch._dynamo.config.error_on_recompile is set, and a recompilation raises. torch: {cause.words}",
            "Fix the recompilation, or unset error_on_recompile: then the guard has a finding of its own (CD201 to CD206).",
            key="error:error-on-recompile",
        )


def _limit(failure: Failure, cause: RootCause, sources: Mapping[str, str], _: str | None) -> Iterator[CompileError]:
    if is_limit(failure):
        yield CompileError(
            f"The function was compiled as often as the recompile limit allows, and under fullgraph=True the next time raises. torch: {cause.words}",
            "Fix the recompilations of this function (CD201 to CD206). Raise torch._dynamo.config.recompile_limit only if "
            "the number of variants is known and small.",
            key="error:recompile-limit",
        )


def _backend(
    failure: Failure, cause: RootCause, sources: Mapping[str, str], root: str | None
) -> Iterator[CompileError]:
    link = next((one for one in failure.chain if _BACKEND.search(one.message)), None)
    if link is None or not (found := _BACKEND.search(link.message)):
        return
    message = f"The backend `{found[1]}` raised {_sentence(cause)}"
    frame = innermost_mine(failure.chain[-1].stack, root)
    if found[1] not in KNOWN_BACKENDS:
        where = f" ({short(frame.file)}:{frame.line} in {frame.function})" if frame else ""
        yield CompileError(
            message,
            f"The error is in the backend `{found[1]}`{where}, not in the model: change the backend there, or compile with "
            "another one (torch.compile without `backend` uses Inductor).",
        )
    else:
        yield CompileError(message, _hinted(failure) or _fake(cause) or _kept_out(failure))


def _fakes(failure: Failure, cause: RootCause, sources: Mapping[str, str], root: str | None) -> Iterator[CompileError]:
    """What a fake implementation raised, or did not keep; and arguments that are symbolic."""
    ran = next(filter(None, (_RAN.search(link.message) for link in failure.chain)), None)
    if ran and _UNREGISTERED.search(cause.words):
        yield CompileError(
            f"The operator `{ran[1]}` has no fake implementation. torch calls one with tensors that have no data, to find the shape "
            f"of the output. torch: {_sentence(cause)}",
            _add_fake(ran[1], sources),
        )
    elif ran and not ran[1].startswith(("aten.", "prims.", "torch.", "higher_order.")):
        traced = {frame for link in failure.chain for frame in traced_stack(link)}
        raised = innermost_mine(failure.chain[-1].stack, root)
        known = raised is not None and bool(traced) and raised not in traced and not _calls(failure.chain[-1], root)
        where = f" (`{raised.function}`, {short(raised.file)}:{raised.line})" if known and raised else ""
        yield CompileError(
            f"The fake implementation of `{ran[1]}`{where} raised {_sentence(cause)} torch calls it with tensors that have no data, "
            "to find the shape of the output.",
            "Change the function under register_fake so that it accepts what the operator itself accepts: it returns an empty "
            "tensor of the right shape, dtype and strides. torch.library.opcheck(operator, arguments) compares the two.",
        )
    elif fix := _fake(cause):
        yield CompileError(_sentence(cause), fix)
    elif ours := as_constant(sources, cause.frame, cause.words):
        yield CompileError(_sentence(cause), ours)


def _add_fake(operator: str, sources: Mapping[str, str]) -> str:
    library, _, rest = operator.partition(".")
    name = f"{library}::{rest.partition('.')[0]}"
    given = operators.parameters(sources, name)
    what = "the result's shape and dtype" if given else "the operator's arguments; the result's shape and dtype"
    return (
        f'@torch.library.register_fake("{name}")\n'
        f"def _({', '.join(given) or 'x'}): return torch.empty_like({given[0] if given else 'x'})    # {what}, no data"
    )


def _calls(link: ErrorLink, root: str | None) -> bool:
    """Whether the user's innermost frame is only the call of the model: torch's frames come after it."""
    last = link.stack[-1] if link.stack else None
    return last is None or innermost_mine((last,), root) is None


def _fake(cause: RootCause) -> str:
    if not _FAKE_KERNEL.search(cause.words):
        return ""
    op = _OP.search(cause.words)
    return (
        f"The fake implementation of {f'`{op[1]}`' if op else 'a custom operator'} promises another shape, dtype or layout than the operator "
        "returns. Correct the function under register_fake; torch.library.opcheck(operator, arguments) compares the two."
    )


def _sentence(cause: RootCause) -> str:
    """Type and message, with a full stop; the type only once."""
    words = cause.words if re.match(r"\w*(?:Error|Exception): ", cause.words) else f"{_kind(cause)}: {cause.words}"
    return words if words.endswith((".", "!", "…")) else f"{words}."


def _kind(cause: RootCause) -> str:
    return cause.type.rsplit(".", 1)[-1]


def _hinted(failure: Failure) -> str:
    return _as_torchs(one for link in reversed(failure.chain) for one in hints(link.message) if _EAGER_HINT not in one)


def _as_torchs(lines: Iterator[str]) -> str:
    return "\n".join(f"torch's hint: {line}" for line in dict.fromkeys(lines))


def _kept_out(failure: Failure) -> str:
    """A way around, if torch names the line that it was tracing: the operator must not be in the graph."""
    if not any(traced_stack(link) for link in failure.chain):
        return (
            "The cause is not known. To find the part that raises, compile one submodule after another "
            "(--as-is); torch.compiler.disable keeps that part in plain Python."
        )
    return (
        "The cause is not known. A way around it, unless the model is compiled with fullgraph=True: move this line into a "
        "function under @torch.compiler.disable, so that it runs in plain Python."
    )


_UNREGISTERED = re.compile(r"no fake impl registered")
Rule = Callable[[Failure, RootCause, Mapping[str, str], "str | None"], Iterator[CompileError]]
_RULES: tuple[Rule, ...] = (_limit, _damaged, _stance, _recompiled, _unsupported, _undecided, _marked, _fakes, _backend)
