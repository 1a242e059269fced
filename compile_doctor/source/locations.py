"""Who owns a file, and what contains a line of it."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from compile_doctor.model.stacks import Frame
from compile_doctor.source.names import parsed
from compile_doctor.source.spans import Spans

SOURCES = 512
"""The number of files whose lines and functions are cached: each is read once for all findings in it."""

_TORCH = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]torch[/\\]|^<eval_with_key>|[/\\][a-z2-7]{2}[/\\]c[a-z2-7]{51}\.py$"
)
"""torch's own files, and what Inductor generates: a hash in a folder of two of its letters, wherever the cache is."""
_PACKAGE = re.compile(r"[/\\](?:site|dist)-packages[/\\]|^<")
_STDLIB = re.compile(r"[/\\]lib(?:64)?[/\\]python3\.\d+t?[/\\](?!site-packages)|^<frozen")
_PLUMBING = re.compile(
    r"[/\\]torch[/\\](?:_dynamo|_compile\.py|nn[/\\]modules[/\\](?:module|container)\.py|nn[/\\]attention[/\\]|utils[/\\]_contextlib\.py|_higher_order_ops|fx[/\\])"
)
"""Files of torch through which every call goes, and which are never the place of a problem."""
_INSIDES = re.compile(
    r"[/\\]torch[/\\](?:(?:functional|_tensor|_jit_internal|overrides|random|serialization|storage|library|_utils)\.py|"
    r"nn[/\\](?:functional|init|parameter|grad)\.py|nn[/\\](?:modules|utils)[/\\]|autograd[/\\]function\.py|utils[/\\]hooks\.py|"
    r"(?:linalg|fft|special|masked|signal|distributions|amp|_numpy|_refs|_prims_common|_decomp)[/\\])"
)
"""Functions and modules of torch that a model calls: a problem inside is at the line that calls them."""
_TEMPORARY = re.compile(
    r"^(?:/tmp|/var/tmp|(?:/private)?/var/folders/[^/]+/[^/]+/T|.*[/\\]AppData[/\\]Local[/\\]Temp)[/\\]"
)
_GENERATED = re.compile(
    r"[/\\]tmp[a-z0-9_]{8}[/\\]|[/\\][\w.-]+[_-][a-z0-9_]{8}[/\\]|[/\\][\w-]+\.[^/\\]+\.py$|_[a-z0-9_]{8}\.py$|[/\\]tmp[a-z0-9_]{8}\.py$"
)
"""Names that `tempfile` makes, or of a file that no `import` statement finds."""
_INTERIOR = re.compile(r"[/\\]torch[/\\](?:_higher_order_ops|_functorch|_ops\.py)")
_FLEX = re.compile(r"[/\\]torch[/\\]nn[/\\]attention[/\\]")


def owner(file: str, torch_root: str | None = None) -> str:
    """`mine`, `dependency` or `torch`, by the path of the file; a torch built from source is under `torch_root`."""
    if _TORCH.search(file) or (torch_root and file.startswith(torch_root)):
        return "torch"
    if _PACKAGE.search(file) or _STDLIB.search(file):
        return "dependency"
    return "mine"


def is_generated(file: str, roots: Iterable[str]) -> bool:
    """Whether a package wrote the file into the temporary folder while it ran; `roots`: where the user's programs lie."""
    if not (_TEMPORARY.search(file) and _GENERATED.search(file)):
        return False
    below = (root.rstrip("/\\") for root in roots if _TEMPORARY.search(root.rstrip("/\\")))
    return not file.startswith(tuple(f"{root}{mark}" for root in below for mark in "/\\"))


def user_roots(cwd: str, target: str, search_path: Iterable[str]) -> tuple[str, ...]:
    """Where the user's programs lie: the working directory, sys.path and the folder of the target."""
    return (cwd, *search_path, os.path.dirname(os.path.join(cwd, target.partition(":")[0])))


def short(file: str) -> str:
    """`transformers/models/…` instead of a path through a virtual environment."""
    return re.sub(r"^.*[/\\](?:site|dist)-packages[/\\]", "", file)


def module_of(file: str) -> str:
    """The module of an installed package that a file is; empty for a file that is in none."""
    name = short(file)
    parts = re.sub(r"(?:[/\\\\]__init__)?\.py$", "", name) if name != file and name.endswith(".py") else ""
    return re.sub(r"[/\\\\]", ".", parts)


def is_stdlib(file: str) -> bool:
    """Whether the file belongs to Python itself, or is not a file (`<string>`)."""
    return bool(_STDLIB.search(file) and not _PACKAGE.search(file)) or file.startswith("<")


def is_outer_parameter(sources: Mapping[str, str], file: str, line: int, name: str) -> bool:
    """Whether `name`, in the function at `line`, is a parameter of an enclosing function and not of its own."""
    takes = [parameters for _, _, parameters in _parameters(sources.get(file, "")).around(line)]
    return len(takes) >= 2 and name not in takes[0] and any(name in outer for outer in takes[1:])


def takes(sources: Mapping[str, str], file: str, line: int, name: str) -> bool:
    """Whether the function at `line` has a parameter of this name."""
    return any(name in parameters for _, _, parameters in _parameters(sources.get(file, "")).around(line))


@lru_cache(maxsize=SOURCES)
def _parameters(source: str) -> Spans[frozenset[str]]:
    functions = (node for node in _nodes(source) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return Spans(
        (
            node.lineno - len(node.decorator_list),
            node.end_lineno or 0,
            frozenset(a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)),
        )
        for node in functions
    )


def _nodes(source: str) -> Iterator[ast.AST]:
    tree = parsed(source)
    return iter(()) if tree is None else ast.walk(tree)


def is_plumbing(file: str) -> bool:
    """Whether the file is one of torch's files through which every call goes."""
    return bool(_PLUMBING.search(file))


def is_inside_torch(file: str) -> bool:
    """Whether the file is torch's, and its functions and modules are for a model to call."""
    return bool(_INSIDES.search(file))


def is_called(file: str) -> bool:
    """Whether a problem in the file is at the line that calls into it: the standard library, and torch's functions."""
    return is_stdlib(file) or is_inside_torch(file)


def is_interior(file: str, function: str) -> bool:
    """Whether a frame belongs to flex_attention's own internals, compiled only because its dense path was traced inside."""
    return bool(_INTERIOR.search(file)) or (bool(_FLEX.search(file)) and function.startswith("_"))


def is_flex(compiled: str, at: str) -> bool:
    """Whether a break is in torch's attention files, in a frame of theirs that was compiled by itself."""
    return bool(_FLEX.search(compiled)) and bool(_FLEX.search(at) or _INTERIOR.search(at))


def find_definition(sources: Mapping[str, str], qualname: str) -> tuple[str, int] | None:
    """(file, line of `def`) of a function by its `__qualname__`, if exactly one known file has it; else None."""
    path = qualname.replace(".<locals>", "")
    found = [
        (file, definition_line(sources, file, first, name))
        for file, text in sources.items()
        for first, _, known, name in _functions(text)
        if known == path
    ]
    return found[0] if len(found) == 1 else None


def innermost(stack: Iterable[Frame], torch_root: str | None = None) -> Frame | None:
    """The innermost frame outside torch's call plumbing and the standard library; None for an empty stack.

    Nor one of torch's functions and modules, such as `F.pad`, if a line that calls it is known.
    """
    frames = [frame for frame in stack if not _PLUMBING.search(frame.file)]
    frames = [frame for frame in frames if not _INSIDES.search(frame.file)] or frames
    written = [frame for frame in frames if not _STDLIB.search(frame.file) or _PACKAGE.search(frame.file)]
    return next(reversed(written or frames), None)


def innermost_mine(stack: Iterable[Frame], torch_root: str | None = None) -> Frame | None:
    """The innermost frame of the user's own code, which they can change if the site is in a package; None without one."""
    return next((frame for frame in reversed(tuple(stack)) if owner(frame.file, torch_root) == "mine"), None)


@lru_cache(maxsize=SOURCES)
def lines_of(source: str) -> tuple[str, ...]:
    """The lines as Python and its tracebacks count them: str.splitlines() splits at more characters than the language."""
    return tuple(re.split(r"\r\n|\r|\n", source))


@lru_cache(maxsize=SOURCES)
def _functions(source: str) -> tuple[tuple[int, int, str, str], ...]:
    """(first line with decorators, last line, qualified name, name) of every function, outer before inner."""
    found: list[tuple[int, int, str, str]] = []

    def walk(node: ast.AST, path: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                here = (*path, child.name)
                if not isinstance(child, ast.ClassDef):
                    first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                    found.append((first, child.end_lineno or child.lineno, ".".join(here), child.name))
                walk(child, here)
            else:
                walk(child, path)

    tree = parsed(source)
    try:
        if tree is not None:
            walk(tree, ())
    except RecursionError:
        return ()
    return tuple(found)


@lru_cache(maxsize=SOURCES)
def _spans(source: str) -> Spans[tuple[str, str]]:
    return Spans((first, last, (path, name)) for first, last, path, name in _functions(source))


@lru_cache(maxsize=SOURCES)
def _names(source: str) -> frozenset[str]:
    return frozenset(path for _, _, path, _ in _functions(source))


def qualified(sources: Mapping[str, str], file: str, line: int, function: str) -> str:
    """`Block.forward` for `forward` at this line if the source is known, else the plain name."""
    anonymous = function in ("<lambda>", "<listcomp>", "<genexpr>")
    around = (known for _, _, known in _spans(sources.get(file, "")).around(line))
    return next((path for path, name in around if anonymous or name == function), function)


def defines(sources: Mapping[str, str], file: str, qualname: str) -> bool:
    """Whether a known file has a function of this qualified name."""
    return qualname in _names(sources.get(file, ""))


def enclosing(sources: Mapping[str, str], file: str, line: int) -> str:
    """The qualified name of the innermost function that contains a line; `<module>` if there is none."""
    return next((path for _, _, (path, _) in _spans(sources.get(file, "")).around(line)), "<module>")


def body(sources: Mapping[str, str], file: str, line: int) -> str:
    """The text of the innermost function around a line; empty if the source is unknown."""
    text = sources.get(file, "")
    return next(("\n".join(lines_of(text)[first - 1 : last]) for first, last, _ in _spans(text).around(line)), "")


def definition_line(sources: Mapping[str, str], file: str, line: int, function: str) -> int:
    """The line of `def` for a frame that starts at `line`: a decorator's on some Python versions, or where it resumes."""
    text = sources.get(file, "")
    lines = lines_of(text)
    line = next((first for first, _, (_, name) in _spans(text).around(line) if name == function), line)
    for number in range(line, min(line + 20, len(lines)) + 1):
        if re.match(rf"\s*(?:async\s+)?def\s+{re.escape(function)}\b", lines[number - 1] if number else ""):
            return number
    return line


@lru_cache(maxsize=SOURCES)
def _loops(source: str) -> Spans[None]:
    loops = (ast.For, ast.While, ast.AsyncFor, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    found = (node for node in _nodes(source) if isinstance(node, loops))
    return Spans((node.lineno, node.end_lineno or node.lineno, None) for node in found)


def in_loop(sources: Mapping[str, str], file: str, line: int, first: int) -> bool:
    """Whether `line` is in a loop that starts at or after `first`, the function's first line."""
    return any(first <= start for start, _, _ in _loops(sources.get(file, "")).around(line))


def in_finally(sources: Mapping[str, str], file: str, line: int) -> bool:
    """Whether the line is in a `finally:` block, which an exception passes through but does not start in."""
    return any(_finally(sources.get(file, "")).around(line))


@lru_cache(maxsize=SOURCES)
def _finally(source: str) -> Spans[None]:
    blocks = (node.finalbody for node in _nodes(source) if isinstance(node, ast.Try) and node.finalbody)
    return Spans((block[0].lineno, block[-1].end_lineno or 0, None) for block in blocks)


def reader_line(sources: Mapping[str, str], file: str, first: int, function: str, name: str) -> int | None:
    """The first line that reads `name` in the function that starts at `first`; None without one."""
    text = sources.get(file, "")
    for start, last, (_, known) in reversed(list(_spans(text).around(first))):
        if known == function:
            body = lines_of(text)[start - 1 : last]
            return _first_use(body, start, name, after=_bodies(text)[start] - 1)
    return None


@lru_cache(maxsize=SOURCES)
def _bodies(source: str) -> dict[int, int]:
    """First line of each function, with decorators, to the line of its first statement, after the parameters."""
    functions = (node for node in _nodes(source) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {
        min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]): node.body[0].lineno
        for node in functions
    }


def _first_use(body: Iterable[str], start: int, name: str, after: int) -> int | None:
    word = re.compile(rf"\b{re.escape(name)}\b")
    for offset, text in enumerate(body):
        if start + offset > after and word.search(text.split("#", 1)[0]):
            return start + offset
    return None


def snippet(sources: Mapping[str, str], file: str, line: int) -> str:
    """The text of the line when the target ran; empty if the source is not known."""
    lines = lines_of(sources.get(file, ""))
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""
