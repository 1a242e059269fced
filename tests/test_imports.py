"""The watcher of imports: told after, reloads too, and never in the way. No torch."""

from __future__ import annotations

import importlib
import sys

import pytest

from compile_doctor.recipes.imports import ImportWatcher

STUBBORN = """\
import sys
import types


class Settings(types.ModuleType):
    def __setattr__(self, name, value):
        raise AttributeError(f"{name} does not exist")


value = 1
sys.modules[__name__].__class__ = Settings
"""


@pytest.fixture
def watcher(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in (("watched_plain", "value = 1\n"), ("watched_settings", STUBBORN), ("watched_broken", "1 / 0\n")):
        (tmp_path / f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    made = ImportWatcher(lambda name, error: made.failures.append((name, str(error))))
    made.failures = []
    made.install()
    yield made
    made.remove()
    for name in ("watched_plain", "watched_settings", "watched_broken"):
        sys.modules.pop(name, None)


def test_told_after_the_import_and_after_a_reload(watcher):
    told = []
    watcher.after("watched_plain", lambda name: told.append(sys.modules[name].value))
    module = importlib.import_module("watched_plain")
    assert told == [1]
    importlib.reload(module)
    assert told == [1, 1]
    assert module.__loader__ is module.__spec__.loader and "Told" not in type(module.__loader__).__name__


def test_a_module_that_allows_no_assignment(watcher):
    """torch's configuration modules: the import failed, which no hook may cause."""
    told = []
    watcher.after("watched_settings", told.append)
    assert importlib.import_module("watched_settings").value == 1
    assert told == ["watched_settings"] and watcher.failures == []


def test_told_at_once_where_it_is_imported_already(watcher):
    importlib.import_module("watched_plain")
    told = []
    watcher.after("watched_plain", told.append)
    assert told == ["watched_plain"]


def test_a_hook_that_raises_breaks_nothing(watcher):
    def bad(name):
        raise RuntimeError("no")

    watcher.after("watched_plain", bad)
    assert importlib.import_module("watched_plain").value == 1
    assert watcher.failures == [("watched_plain", "no")]


def test_an_import_that_fails_fails_as_before(watcher):
    told = []
    watcher.after("watched_broken", told.append)
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("watched_broken")
    assert told == []
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("watched_nowhere")


def test_before_the_first_of_a_room(watcher):
    told = []
    watcher.before_first(("watched_",), lambda: told.append("watched_plain" in sys.modules))
    importlib.import_module("watched_plain")
    importlib.import_module("watched_settings")
    assert told == [False]
