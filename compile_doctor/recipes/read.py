"""Reads a recipe from YAML. A mistake in the file is an error with its file and line.

It uses PyYAML's nodes: msgspec and other schema libraries get values, which no longer have their lines.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from compile_doctor.errors import UsageError
from compile_doctor.recipes.recipe import ACTIONS, Recipe, Registration, Replacement, Setting, Signature

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONDITIONS = ("platform", "machine", "device", "capability", "uses", "head_dim", "kernel", "queries", "source")

_USES = ("flex_attention", "sdpa")


class RecipeError(UsageError):
    """A mistake in a recipe file: the message has the file, the line and the mistake."""


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file. Raises RecipeError, with the line, for a key or value that is missing, unknown or wrong."""
    return _Reader(path).recipe()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path

    def fail(self, node: yaml.Node | None, message: str) -> RecipeError:
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        return RecipeError(f"{self.path}{line}: {message}")

    def recipe(self) -> Recipe:
        try:
            text = self.path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=_LOADER)
        except OSError as error:
            raise RecipeError(f"{self.path}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise RecipeError(f"{self.path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from error
        if root is None:
            raise self.fail(None, "the file is empty")
        node = self.keys(root, _FIELDS, ("id", "title", "explanation", "affects", "action"))
        values = {key: _FIELDS[key](self, value) for key, value in node.items()}
        recipe = Recipe(file=self.path, **values)
        self.check(recipe, node, root)
        return recipe

    def check(self, recipe: Recipe, node: dict[str, yaml.Node], root: yaml.Node) -> None:
        """The rules that concern several fields."""
        if recipe.id != self.path.stem:
            raise self.fail(
                node["id"], f"the id {recipe.id!r} is not the name of the file: expected {self.path.stem!r}"
            )
        if recipe.action not in ACTIONS:
            raise self.fail(
                node["action"], f"{recipe.action!r} is not a valid action: expected one of {', '.join(ACTIONS)}"
            )
        changes = bool(recipe.replaces or recipe.registers or recipe.config)
        if recipe.action == "warn" and (changes or recipe.default):
            raise self.fail(
                node["action"], "action warn allows no `replaces`, `registers` or `config`, and no `default: true`"
            )
        if recipe.action == "config" and (recipe.patch or not recipe.config):
            raise self.fail(node["action"], "action config needs `config`, and allows no `patch`")
        if recipe.action == "patch" and not (recipe.patch and (recipe.replaces or recipe.registers)):
            raise self.fail(node["action"], "action patch needs `patch`, and `replaces` or `registers`")
        if recipe.action != "warn" and not (recipe.verify and recipe.verify_fails):
            raise self.fail(root, "`verify` or `verify_fails` is missing: without both, the recipe cannot be verified")
        if recipe.patch is None:
            return
        if recipe.code is None:
            raise self.fail(node["patch"], f"patches/{recipe.patch}.py is missing")
        tree = ast.parse(recipe.code.read_text(encoding="utf-8"), recipe.code.name)
        functions = {one.name for one in tree.body if isinstance(one, (ast.FunctionDef, ast.ClassDef))}
        for key, changes_ in (("replaces", recipe.replaces), ("registers", recipe.registers)):
            for change in changes_:
                if change.maker not in functions:
                    raise self.fail(node[key], f"patches/{recipe.patch}.py has no function {change.maker}")

    def keys(self, node: yaml.Node, known: Any, required: tuple[str, ...] = ()) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, "a mapping is expected here")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if known is not None and name not in known:
                near = get_close_matches(name, list(known), 1)
                raise self.fail(key, f"unknown key {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
            if name in found:
                raise self.fail(key, f"{name!r} appears twice")
            found[name] = value
        for name in required:
            if name not in found:
                raise self.fail(node, f"{name!r} is missing")
        return found

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.fail(node, "a list is expected here")
        return list(node.value)

    def value(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise self.fail(node, "a single value is expected here")
        return yaml.load(yaml.serialize(node), Loader=yaml.SafeLoader)

    def text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.fail(node, "a text is expected here")
        return str(node.value).strip()

    def program(self, node: yaml.Node) -> str:
        text = self.text(node) + "\n"
        try:
            compile(text, str(self.path), "exec")
        except SyntaxError as error:
            raise self.fail(node, f"the program is not valid Python: its line {error.lineno}: {error.msg}") from error
        return text

    def name(self, node: yaml.Node) -> str:
        text = self.text(node)
        if not text.isidentifier():
            raise self.fail(node, f"{text!r} is not a valid name of a module or function in patches/")
        return text

    def boolean(self, node: yaml.Node) -> bool:
        value = self.value(node)
        if not isinstance(value, bool):
            raise self.fail(node, "true or false is expected here")
        return value

    def pattern(self, node: yaml.Node) -> re.Pattern[str]:
        try:
            return re.compile(self.text(node))
        except re.error as error:
            raise self.fail(node, f"not a valid regular expression: {error}") from error

    def range(self, node: yaml.Node) -> str:
        text = self.text(node)
        try:
            SpecifierSet(text)
        except InvalidSpecifier as error:
            raise self.fail(node, f"{text!r} is not a valid PEP 440 range, such as '>=2.8,<2.12'") from error
        return text

    def ranges(self, node: yaml.Node) -> dict[str, str]:
        found = {key: self.range(value) for key, value in self.keys(node, None).items()}
        if not found:
            raise self.fail(node, "no package is named")
        return found

    def versions(self, node: yaml.Node) -> dict[str, str]:
        found = {key: (value, self.text(value)) for key, value in self.keys(node, None).items()}
        for at, text in found.values():
            try:
                Version(text)
            except InvalidVersion as error:
                raise self.fail(at, f"{text!r} is not a valid version") from error
        return {key: text for key, (_, text) in found.items()}

    def conditions(self, node: yaml.Node) -> dict[str, str]:
        found = self.keys(node, _CONDITIONS)
        if "source" in found:
            self.pattern(found["source"])
        if "capability" in found:
            self.range(found["capability"])
            if "device" not in found or self.text(found["device"]) != "cuda":
                raise self.fail(found["capability"], "capability needs `device: cuda`: other devices have none")
        if "uses" in found and self.text(found["uses"]) not in _USES:
            raise self.fail(found["uses"], f"uses: expected one of {', '.join(_USES)}")
        if "head_dim" in found and not re.fullmatch(r"\d+(\|\d+)*", self.text(found["head_dim"])):
            raise self.fail(found["head_dim"], "head_dim: expected a number, or several separated by |")
        if "head_dim" in found and "uses" not in found:
            raise self.fail(
                found["head_dim"], "head_dim needs `uses`, which names the attention function that has these heads"
            )
        if "queries" in found and not self.text(found["queries"]).isdecimal():
            raise self.fail(found["queries"], "queries: expected a number, the least number of queries")
        for key in ("kernel", "queries"):
            if key in found and "uses" not in found:
                raise self.fail(found[key], f"{key} needs `uses`, which names the attention function")
        return {key: self.text(value) for key, value in found.items()}

    def texts(self, node: yaml.Node) -> tuple[str, ...]:
        return tuple(self.text(one) for one in self.items(node))

    def attribute(self, node: yaml.Node) -> str:
        text = self.text(node)
        if not re.fullmatch(r"[\w.]+:[\w.]+", text):
            raise self.fail(node, f"{text!r} is not of the form package.module:Class.attribute")
        return text

    def replaces(self, node: yaml.Node) -> tuple[Replacement, ...]:
        found = []
        for one in self.items(node):
            keys = self.keys(one, ("attribute", "with", "known", "versions"), ("attribute", "with", "known"))
            known = self.texts(keys["known"])
            if not all(re.fullmatch(r"[0-9a-f]{12}", entry) for entry in known):
                raise self.fail(keys["known"], "a fingerprint is twelve hexadecimal digits, in quotes")
            versions = self.range(keys["versions"]) if "versions" in keys else ""
            found.append(Replacement(self.attribute(keys["attribute"]), self.name(keys["with"]), known, versions))
        return tuple(found)

    def registers(self, node: yaml.Node) -> tuple[Registration, ...]:
        found = []
        for one in self.items(node):
            keys = self.keys(one, ("after", "with", "versions"), ("after", "with"))
            versions = self.range(keys["versions"]) if "versions" in keys else ""
            found.append(Registration(self.text(keys["after"]), self.name(keys["with"]), versions))
        return tuple(found)

    def config(self, node: yaml.Node) -> tuple[Setting, ...]:
        found = []
        for one in self.items(node):
            keys = self.keys(one, ("setting", "from", "to", "versions"), ("setting", "from", "to"))
            versions = self.range(keys["versions"]) if "versions" in keys else ""
            before, after = self.value(keys["from"]), self.value(keys["to"])
            found.append(Setting(self.attribute(keys["setting"]), before, after, versions))
        return tuple(found)

    def signature(self, node: yaml.Node) -> Signature:
        keys = self.keys(node, ("codes", "message", "stack"))
        return Signature(
            codes=self.texts(keys["codes"]) if "codes" in keys else (),
            message=self.pattern(keys["message"]) if "message" in keys else None,
            stack=self.text(keys["stack"]) if "stack" in keys else "",
        )


_FIELDS: dict[str, Callable[[_Reader, yaml.Node], Any]] = {
    "id": _Reader.text,
    "title": _Reader.text,
    "explanation": _Reader.text,
    "workaround": _Reader.text,
    "affects": _Reader.ranges,
    "fixed_in": _Reader.versions,
    "conditions": _Reader.conditions,
    "upstream": _Reader.texts,
    "action": _Reader.text,
    "default": _Reader.boolean,
    "silent_wrong_result": _Reader.boolean,
    "later_calls": _Reader.boolean,
    "patch": _Reader.name,
    "replaces": _Reader.replaces,
    "registers": _Reader.registers,
    "config": _Reader.config,
    "signature": _Reader.signature,
    "verify": _Reader.program,
    "verify_fails": _Reader.pattern,
}
