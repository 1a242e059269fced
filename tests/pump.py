"""Every regular expression of the package, and long inputs that a quadratic one takes a second for."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
METHODS = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer")
ATOMS = ("a", "A", "0", " ", "\n", "\t", "(", "[", "'", '"', "_", ".", "/", "\\", ":", "#", "<", "`", ",", "-", "%")
LINES = ('  File "', '  File "f", line 1, in f\n', "    a\n", "\n\n", " \n", "a.", "a/", "aError", "\n ", " # ", "a a ")

CUT = {"causes": 4_000, "guards.py": 1_000, ".yaml": 20_000, "root_cause.py": 20_000}
"""Characters of a reason, of a guard, of an exception's message: what their readers leave of it."""


LONG = 15_000
"""Characters, if nothing cuts the text before."""
_QUADRATIC = re.compile(r"\s*x")


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes], str]]:
    """(file:line, pattern, method) of each; a compiled one with every method that its file calls it by."""
    for path in sorted((ROOT / "compile_doctor").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_re(node.func.value):
                found = _compiled(node)
                if found is not None:
                    for method in _methods(node, text):
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", found, method
    for entry in yaml.safe_load((ROOT / "compile_doctor/data/causes.yaml").read_text(encoding="utf-8")):
        for item in entry["match"]:
            yield f"causes.yaml:{entry['key']}", re.compile(item, re.MULTILINE), "search"
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        for item in (recipe.get("signature", {}).get("message"), recipe.get("conditions", {}).get("source")):
            if item:
                yield path.name, re.compile(item), "search"


def _is_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


def _compiled(node: ast.Call) -> re.Pattern[str] | re.Pattern[bytes] | None:
    if not node.args or not isinstance(node.args[0], ast.Constant):
        return None  # made of others' text: `re.escape` of a name
    flags = [one for one in (*node.args[1:], *(word.value for word in node.keywords)) if "re." in ast.unparse(one)]
    return re.compile(node.args[0].value, eval(ast.unparse(flags[0]), {"re": re}) if flags else 0)


def _methods(node: ast.Call, text: str) -> list[str]:
    assert isinstance(node.func, ast.Attribute)
    if node.func.attr != "compile":
        return [node.func.attr] if node.func.attr in METHODS else []
    line = text.split("\n")[node.lineno - 1]
    name = line.partition(" ")[0].rstrip(":")
    return [one for one in METHODS if f"{name}.{one}(" in text] or ["search"]


def inputs(pattern: re.Pattern[str] | re.Pattern[bytes], size: int) -> Iterator[str | bytes]:
    """The pattern's own words, and what it repeats, over and over; with an end that fits nowhere."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    plain = re.sub(r"\\([^\w])|\\[AZbBdDsSwW]|\(\?P?[:<=!#]?\w*>?|[()|\[\]{}*+?^$.]", r"\1", source)
    whole = re.sub(r"\[[^\]]*\]|\(\?[:=!<]+|\\[AZbBdDsSwW]|[()|{}*+?^$]", "", source).replace("\\", "")
    own = {
        *re.findall(r"[\w ./'\"<>=:#_-]{2,}", source),
        plain[:60],
        *plain.split("|"),
        whole[:60],
        *whole.split("|"),
    }
    chunks = [*(word[:60] for word in sorted(own) if word), *ATOMS, *LINES]
    words = [word for word in chunks if word not in (*ATOMS, *LINES)]
    for first, then in [*product(["", "\n"], chunks), *product(words, ("a", " ", "\n", ")"))]:
        made = (first + then * (size // len(then)), (first + then) * (size // len(first + then)))
        for text in dict.fromkeys(made):
            yield text + "\x00" if isinstance(pattern.pattern, str) else (text + "\x00").encode()


def size(place: str) -> int:
    """What it is given at most: reasons and guards are cut before, all else may be as long as it likes."""
    return min(next((most for name, most in CUT.items() if name in place), LONG), LONG)


def is_quadratic(pattern: re.Pattern[str] | re.Pattern[bytes], method: str, text: str | bytes) -> bool:
    """Whether it takes much more than twice as long for the text than for half of it.

    Only what took as long as a quadratic one for half as many characters is looked at again: a linear one takes a hundredth
    of that. Both are measured one after the other, because the machine may be slow, or busy.
    """
    long = _seconds(pattern, method, text)
    if long < 0.02 or long < _seconds(_QUADRATIC, "search", " " * (LONG // 2)):
        return False
    end = text[-1:]
    return all(long > 3 * _seconds(pattern, method, text[: len(text) // 2] + end) for _ in range(3))


def _seconds(pattern: re.Pattern[str] | re.Pattern[bytes], method: str, text: str | bytes) -> float:
    start = time.process_time()
    run(pattern, method, text)
    return time.process_time() - start


def run(pattern: re.Pattern[str] | re.Pattern[bytes], method: str, text: str | bytes) -> None:
    if method == "sub":
        pattern.sub(text[:0], text)  # type: ignore[arg-type]
    elif method in ("findall", "finditer"):
        for _ in pattern.finditer(text):  # type: ignore[arg-type]
            pass
    else:
        getattr(pattern, method)(text)
