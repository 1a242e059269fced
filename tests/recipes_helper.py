"""Recipes about a package made for a test: the engine does not care whose attributes it changes."""

from __future__ import annotations

import importlib
import sys
import textwrap

import pytest

from compile_doctor.recipes import catalogue
from compile_doctor.recipes.engine import Engine
from compile_doctor.recipes.fingerprint import fingerprint

MODULE = """\
def greet(name):
    return f"hello {name}"


def count(items):
    return len(items)


class Table:
    def rows(self):
        return 3

    @staticmethod
    def kind():
        return "plain"
"""

RECIPE = """\
id: {id}
title: A test
explanation: It is wrong.
affects:
  pytest: ">=1"
action: patch
patch: {patch}
replaces:
{replaces}
verify: assert False
verify_fails: AssertionError
"""

PATCH = """\
def shout(original):
    def shouted(name):
        return original(name).upper()

    return shouted


def twice(original):
    def doubled(items):
        return 2 * original(items)

    return doubled


def more(original):
    def rows(self):
        return original(self) + 1

    return rows


def fancy(original):
    def kind():
        return "not " + original()

    return kind


def broken(original):
    raise RuntimeError("no room")
"""


class Lab:
    """A folder with a package and recipes about it, and an engine of its own."""

    def __init__(self, folder, monkeypatch, name):
        self.folder = folder
        self.name = name
        self.engine = Engine()
        (folder / f"{name}.py").write_text(MODULE)
        (folder / "own" / "patches").mkdir(parents=True)
        (folder / "own" / "patches" / f"{name}_patch.py").write_text(PATCH)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("COMPILE_DOCTOR_RECIPES", str(folder / "own"))
        importlib.invalidate_caches()
        self.module = importlib.import_module(name)

    def known(self, path):
        value = self.module
        *parents, last = path.split(".")
        for parent in parents:
            value = getattr(value, parent)
        return fingerprint(vars(value)[last])

    def recipe(self, slug, *changes, known=None):
        """`changes` are (attribute, maker)."""
        listed = "".join(
            textwrap.indent(
                f'- attribute: {self.name}:{path}\n  with: {maker}\n  known: ["{known or self.known(path)}"]\n', "  "
            )
            for path, maker in changes
        )
        text = RECIPE.format(id=slug, patch=f"{self.name}_patch", replaces=listed.rstrip())
        return self.write(slug, text)

    def write(self, slug, text):
        (self.folder / "own" / f"{slug}.yaml").write_text(text)
        catalogue._read.cache_clear()
        return catalogue.find_recipe(slug)

    def forget(self):
        for name in (self.name, f"compile_doctor.patches.{self.name}_patch"):
            sys.modules.pop(name, None)
        catalogue._read.cache_clear()


_number = 0


@pytest.fixture
def lab(tmp_path, monkeypatch):
    global _number
    _number += 1
    made = Lab(tmp_path, monkeypatch, f"patched_package_{_number}")
    yield made
    made.forget()
