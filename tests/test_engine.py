"""The engine on a package made for the test: guards, all or none, idempotence, order, threads, and the way back. No torch."""

from __future__ import annotations

import importlib
import sys
import threading
from contextvars import ContextVar
from types import ModuleType, SimpleNamespace

import pytest

from compile_doctor.cli.options import check_patches
from compile_doctor.errors import UsageError
from compile_doctor.recipes.changes import Configure, Register, set_by
from compile_doctor.recipes.engine import PatchError, load_code, status, unknown_switches
from compile_doctor.recipes.recipe import Setting


def test_applied_and_put_back(lab):
    original = lab.module.greet
    recipe = lab.recipe("loud", ("greet", "shout"))
    assert lab.engine.status(recipe).state == "applicable"
    assert lab.engine.apply(recipe) is True
    assert lab.module.greet("you") == "HELLO YOU"
    assert lab.engine.status(recipe).state == "active"
    assert lab.engine.revert() == {}
    assert lab.module.greet is original
    assert lab.engine.status(recipe).state == "applicable"


def test_twice_is_once(lab):
    recipe = lab.recipe("double", ("count", "twice"))
    assert [lab.engine.apply(recipe) for _ in range(3)] == [True, False, False]
    assert lab.module.count([1]) == 2
    lab.engine.revert(["double"])
    assert lab.module.count([1]) == 1
    assert lab.engine.revert(["double"]) == {}


def test_methods_and_static_methods(lab):
    before = dict(vars(lab.module.Table))
    recipe = lab.recipe("table", ("Table.rows", "more"), ("Table.kind", "fancy"))
    lab.engine.apply(recipe)
    assert (lab.module.Table().rows(), lab.module.Table.kind()) == (4, "not plain")
    assert isinstance(vars(lab.module.Table)["kind"], staticmethod)
    lab.engine.revert()
    assert dict(vars(lab.module.Table)) == before


def test_one_that_raises_half_way_leaves_nothing(lab):
    original = lab.module.greet
    recipe = lab.recipe("half", ("greet", "shout"), ("count", "broken"))
    with pytest.raises(PatchError, match=r"RuntimeError: no room; everything was restored") as caught:
        lab.engine.apply(recipe)
    assert caught.value.state == "failed"
    assert lab.module.greet is original
    assert lab.engine.status(recipe).state == "failed"


def test_another_source_is_refused(lab):
    original = lab.module.greet
    recipe = lab.recipe("strange", ("greet", "shout"), known="0123456789ab")
    with pytest.raises(PatchError, match="is not one that the patch was written for") as caught:
        lab.engine.apply(recipe)
    assert caught.value.state == "refused"
    assert lab.module.greet is original


def test_what_somebody_else_replaced_is_another_source(lab):
    recipe = lab.recipe("loud", ("greet", "shout"))
    original = lab.module.greet

    def theirs(name):
        return original(name)

    theirs.__wrapped__ = original  # functools.wraps would hide it from inspect.getsource
    lab.module.greet = theirs
    with pytest.raises(PatchError, match=r"the source of .* is not one"):
        lab.engine.apply(recipe)
    assert lab.module.greet is theirs


def test_an_attribute_that_is_gone(lab):
    recipe = lab.recipe("loud", ("greet", "shout"))
    del lab.module.greet
    with pytest.raises(PatchError, match="is missing: greet"):
        lab.engine.apply(recipe)


def test_who_imported_the_original_before_is_named(lab, monkeypatch):
    user = ModuleType("somebodys_code")
    user.hello = lab.module.greet
    monkeypatch.setitem(sys.modules, "somebodys_code", user)
    recipe = lab.recipe("loud", ("greet", "shout"))
    with pytest.raises(PatchError, match="somebodys_code") as caught:
        lab.engine.apply(recipe)
    assert caught.value.state == "too-late"
    assert lab.module.greet("you") == "hello you"


def test_a_name_that_another_module_has_for_it_may_be_replaced_alone(lab, monkeypatch):
    home = ModuleType("where_it_is_defined")
    home.greet = lab.module.greet
    lab.module.greet.__module__ = "where_it_is_defined"
    monkeypatch.setitem(sys.modules, "where_it_is_defined", home)
    lab.engine.apply(lab.recipe("loud", ("greet", "shout")))
    assert (lab.module.greet("you"), home.greet("you")) == ("HELLO YOU", "hello you")
    lab.engine.revert()


def test_what_is_not_ours_any_more_is_left_alone(lab):
    recipe = lab.recipe("loud", ("greet", "shout"))
    lab.engine.apply(recipe)
    lab.module.greet = theirs = lambda name: name
    assert lab.engine.status(recipe).state == "failed"
    left = lab.engine.revert()
    assert lab.module.greet is theirs
    assert "so it was not restored" in left["loud"]
    assert "other code replaced" in lab.engine.status(recipe).reason


def test_recipes_stand_on_one_another(lab):
    original = lab.module.count
    low, high = lab.recipe("low", ("count", "twice")), lab.recipe("high", ("count", "twice"))
    lab.engine.apply(low)
    lab.engine.apply(high)
    assert lab.module.count([1]) == 4
    assert lab.engine.revert(["low"]) == {}
    assert lab.module.count([1]) == 2
    assert [lab.engine.status(one).state for one in (low, high)] == ["applicable", "active"]
    assert lab.engine.revert() == {}
    assert lab.module.count is original


def test_the_kill_switch_wins(lab, monkeypatch):
    recipe = lab.recipe("loud", ("greet", "shout"))
    for value, state in (("1", "disabled"), ("other,loud", "disabled"), ("other", "applicable")):
        monkeypatch.setenv("COMPILE_DOCTOR_DISABLE", value)
        assert lab.engine.status(recipe).state == state
    monkeypatch.setenv("COMPILE_DOCTOR_DISABLE", "loud")
    with pytest.raises(PatchError, match="COMPILE_DOCTOR_DISABLE=loud"):
        lab.engine.apply(recipe)


def test_what_the_kill_switch_names_and_is_no_recipe_is_told(monkeypatch):
    monkeypatch.setenv("COMPILE_DOCTOR_DISABLE", "safe-softmax-dynamo, safe-softmaxx")
    assert unknown_switches() == ["safe-softmaxx"]
    monkeypatch.setenv("COMPILE_DOCTOR_DISABLE", "1")
    assert unknown_switches() == []


def test_a_choice_is_checked_before_anything_runs(tmp_path, monkeypatch):
    assert check_patches("auto") == check_patches(" AUTO ") == "auto"
    assert check_patches("none") is check_patches("") is check_patches(None) is None
    assert check_patches("auto, flex-keep-compiled") == "auto,flex-keep-compiled"
    with pytest.raises(UsageError, match="no recipe 'flex'"):
        check_patches("auto,flex")
    (tmp_path / "broken.yaml").write_text("id: [broken\n  : :", encoding="utf-8")
    monkeypatch.setenv("COMPILE_DOCTOR_RECIPES", str(tmp_path))
    with pytest.raises(UsageError, match=r"broken\.yaml:2: not valid YAML"):
        check_patches("auto")


def test_a_status_is_short():
    found = status()
    assert found[0].id == found[0].recipe.id and len(repr(found[0])) < 200


def test_a_reloaded_module_gets_it_again(lab):
    recipe = lab.recipe("loud", ("greet", "shout"))
    lab.engine.apply(recipe)
    importlib.reload(lab.module)
    assert lab.module.greet("you") == "hello you"
    assert lab.engine.apply(recipe) is True
    assert lab.module.greet("you") == "HELLO YOU"
    lab.engine.revert()
    assert lab.module.greet("you") == "hello you"


def test_a_thousand_times_from_eight_threads(lab):
    before = (lab.module.greet, lab.module.count, dict(vars(lab.module.Table)))
    recipes = [
        lab.recipe("loud", ("greet", "shout"), ("count", "twice")),
        lab.recipe("double", ("count", "twice"), ("Table.rows", "more")),
    ]
    trouble = []

    def work(number):
        try:
            for _ in range(125):
                lab.engine.apply(recipes[number % 2])
                if lab.module.count([1]) not in (1, 2, 4):
                    trouble.append(lab.module.count([1]))
                lab.engine.revert([recipes[number % 2].id])
        except Exception as error:
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lab.engine.revert()
    assert trouble == []
    assert (lab.module.greet, lab.module.count, dict(vars(lab.module.Table))) == before


def test_a_patch_that_another_thread_is_loading_is_not_taken_half_made(lab):
    recipe = lab.recipe("loud", ("greet", "shout"))
    seen = []

    def load():
        seen.append(hasattr(load_code(recipe), "shout"))

    def other_thread():
        if not seen:
            seen.append("started")
            thread = threading.Thread(target=load)
            thread.start()
            thread.join()

    lab.module.other_thread = other_thread
    recipe.code.write_text(f"import {lab.name}\n{lab.name}.other_thread()\n" + recipe.code.read_text())
    load()
    assert seen == ["started", True, True]


# Configuration: torch's entries up to 2.11, and from 2.12 on

UNSET = object()


def settings_module(name, monkeypatch, override=UNSET, environment=UNSET, thread_local=False):
    variable = ContextVar(name, default=UNSET) if thread_local else override
    if thread_local and override is not UNSET:
        variable.set(override)
    entry = SimpleNamespace(default=512, user_override=variable, env_value_force=UNSET, env_value_default=environment)
    module = ModuleType(name)
    module._config = {"cpp.chunk": entry}
    module._hash_dirty_var = ContextVar("dirty", default=True)
    module._hash_dirty_var.set(False)
    monkeypatch.setitem(sys.modules, name, module)
    return module, entry


@pytest.mark.parametrize("thread_local", [False, True])
def test_a_setting_is_seen_by_every_thread_and_put_back(monkeypatch, thread_local):
    module, entry = settings_module("some_config", monkeypatch, thread_local=thread_local)
    change = Configure(Setting("some_config:cpp.chunk", 512, 9))
    assert change.refusal() == ""
    change.apply()
    assert entry.default == 9 and change.standing()
    assert module._hash_dirty_var.get() is True, "what torch remembers of its settings is out of date"
    assert change.revert() == ""
    assert entry.default == 512


@pytest.mark.parametrize("thread_local", [False, True])
def test_what_the_user_set_stays(monkeypatch, thread_local):
    _, entry = settings_module("some_config", monkeypatch, override=64, thread_local=thread_local)
    assert set_by(entry) == "code"
    assert "set by code" in Configure(Setting("some_config:cpp.chunk", 512, 9)).refusal()
    _, entry = settings_module("some_config", monkeypatch, environment=True, thread_local=thread_local)
    assert "set by the environment" in Configure(Setting("some_config:cpp.chunk", 512, 9)).refusal()
    _, entry = settings_module("some_config", monkeypatch)
    entry.default = 64  # TORCHINDUCTOR_… read by torch when it was imported
    assert "the environment sets it" in Configure(Setting("some_config:cpp.chunk", 512, 9)).refusal()


def test_a_setting_that_there_is_not(monkeypatch):
    settings_module("some_config", monkeypatch)
    assert "is missing" in Configure(Setting("some_config:cpp.gone", 1, 2)).refusal()


class Entries:
    def __init__(self, registry):
        self.registry = registry

    def add(self):
        self.registry.append("ours")

    def remove(self):
        self.registry.remove("ours")

    def present(self):
        return "ours" in self.registry


def test_a_registration_that_was_there_before_is_not_ours():
    registry = ["ours"]
    change = Register("a registry", lambda: Entries(registry))
    change.apply()
    assert registry == ["ours"] and change.standing()
    assert change.revert() == ""
    assert registry == ["ours"]


def test_a_registration_of_ours_goes():
    registry = []
    change = Register("a registry", lambda: Entries(registry))
    change.apply()
    assert registry == ["ours"]
    change.revert()
    assert registry == []
