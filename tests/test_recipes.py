"""Recipe files: what they may say, which versions they are about, and what was proven. No torch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers import TORCHES as VERSIONS

from compile_doctor.errors import UsageError
from compile_doctor.recipes import catalogue, waiting
from compile_doctor.recipes.catalogue import all_recipes, find_recipe, why_not_affected, within
from compile_doctor.recipes.errors import about, can_occur_at
from compile_doctor.recipes.page import page
from compile_doctor.recipes.read import RecipeError, read_recipe
from compile_doctor.recipes.verified import CLEAN, OK, SEEN, merge, parse, read_table, render
from compile_doctor.recipes.verify import Proof

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = (
    "torch.utils._config_module",
    "torch.export.pt2_archive._package",
    "torch.fx.experimental.symbolic_shapes",
)
"""Modules that recipes change besides: with `import torch`, or later; they are changed when the compiler is imported, or then."""
RECIPES = all_recipes()
each = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.id)
GOOD = """\
id: good
title: A test
explanation: It is wrong.
affects:
  torch: ">=2.8"
action: config
config:
  - {setting: "torch._inductor.config:cpp.chunk", from: 512, to: 9}
verify: assert False
verify_fails: AssertionError
"""


@each
def test_a_recipe_says_what_people_need(recipe):
    assert len(recipe.title) <= 100 and not recipe.title.endswith(".")
    assert len(recipe.explanation) > 60
    assert recipe.action != "warn" or recipe.workaround
    assert recipe.signature.codes or recipe.conditions or recipe.action != "warn"
    shown = page(recipe)
    assert recipe.title in shown and "Affects" in shown
    assert all(url.startswith("https://") for url in recipe.upstream)


@each
def test_its_modules_are_waited_for(recipe):
    for module in recipe.modules:
        assert module.startswith(waiting.CHANGED) or module in ELSEWHERE


@each
def test_it_was_proven_on_every_version_that_it_claims_and_on_no_other(recipe):
    if not recipe.verify:
        pytest.skip("a warning without a program")
    row = read_table().get(recipe.id, {})
    affected = {version: within(recipe.affects["torch"], version) for version in VERSIONS}
    proven = OK if recipe.action != "warn" else SEEN
    assert row == {version: proven if affected[version] else CLEAN for version in VERSIONS}, "run `make verify-recipes`"
    assert any(affected.values()), "it has expired: it is about no torch that we have"


def test_every_patch_belongs_to_a_recipe():
    used = {recipe.patch for recipe in RECIPES if recipe.patch}
    assert used == {path.stem for path in (ROOT / "patches").glob("*.py")}


def test_a_good_file_is_read(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    recipe = read_recipe(tmp_path / "good.yaml")
    assert recipe.config[0].after == 9 and recipe.default is False


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("title: A test", "titel: A test", 2, "unknown key 'titel'; did you mean 'title'?"),
        ("title: A test\n", "", 1, "'title' is missing"),
        ('">=2.8"', "2.8 and newer", 5, "is not a valid PEP 440 range"),
        ("action: config", "action: mend", 6, "is not a valid action: expected one of patch, config, warn"),
        ("action: config", "action: warn", 6, "action warn allows no"),
        ("action: config", "action: patch", 6, "needs `patch`"),
        ("id: good", "id: other", 1, "is not the name of the file: expected 'good'"),
        ("torch._inductor.config:cpp.chunk", "torch._inductor.config.cpp", 8, "is not of the form"),
        ("from: 512, ", "", 8, "'from' is missing"),
        ("verify: assert False", "verify: assert (", 9, "the program is not valid Python"),
        ("verify_fails: AssertionError", "verify_fails: '('", 10, "not a valid regular expression"),
        ("verify_fails: AssertionError\n", "", 1, "the recipe cannot be verified"),
        ("verify: assert False", "verify: assert False\ndefault: perhaps", 10, "true or false is expected"),
        ("verify: assert False", "verify: assert False\npatch: ../evil", 10, "is not a valid name of a module"),
        ("verify: assert False", "verify: assert False\npatch: not_there", 6, "needs `config`, and allows no `patch`"),
        ("title: A test", "title: A test\ntitle: Again", 3, "appears twice"),
        ("title: A test", "title: [a, b]", 2, "a text is expected here"),
        (
            "title: A test",
            "title: A test\nconditions: {device: cuda, capability: Hopper}",
            3,
            "'Hopper' is not a valid PEP 440 range",
        ),
        ("title: A test", "title: A test\nconditions: {capability: '>=9.0'}", 3, "capability needs `device: cuda`"),
        ("title: A test", "title: 'A test", None, "not valid YAML"),
        ("title: A test", "title: !!python/object:os.system x", None, ""),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, old, new, line, message):
    assert old in GOOD
    path = tmp_path / "good.yaml"
    path.write_text(GOOD.replace(old, new, 1))
    if not message:
        assert read_recipe(path).title == "x"  # a tag is not obeyed
        return
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert re.match(rf".*good\.yaml:{line or r'[0-9]+'}: .*{re.escape(message)}", str(caught.value)), caught.value
    assert caught.value.exit_code == 2


def test_a_patch_that_is_not_there(lab):
    with pytest.raises(RecipeError, match=r"loud\.yaml:\d+: patches/.*_patch\.py has no function whisper"):
        lab.recipe("loud", ("greet", "whisper"))


def test_code_lies_in_patches_only(lab):
    recipe = lab.recipe("loud", ("greet", "shout"))
    assert recipe.code == lab.folder / "own" / "patches" / f"{lab.name}_patch.py"


def test_an_id_that_is_there_already(lab):
    with pytest.raises(RecipeError, match="is already used by"):
        lab.write("safe-softmax-dynamo", GOOD.replace("id: good", "id: safe-softmax-dynamo"))


@pytest.mark.parametrize(
    ("spec", "version", "inside"),
    [
        ("<2.10", "2.10.0.dev20250901", False),
        (">=2.10", "2.10.0.dev20250901+cu128", False),
        (">=2.10", "2.10.0a0+git1234567", False),
        (">=2.8", "2.10.0.dev20250901", True),
        ("==2.13.0", "2.13.0+cpu", True),
        ("<=2.12.1", "2.12.1+cu128", True),
        ("==2.8.*", "2.8.1", True),
        ("<2.12", "2.12.0rc1", False),
        (">=2.8", "unknown", False),
    ],
)
def test_ranges(spec, version, inside):
    assert within(spec, version) is inside


def test_why_it_is_not_about_this_environment():
    recipe = find_recipe("cpu-flex-query-view")
    assert why_not_affected(recipe, lambda _: "2.12.1") == "torch 2.12.1 is not in >=2.13"
    assert why_not_affected(recipe, lambda _: None) == "torch is not installed"
    assert why_not_affected(recipe, lambda _: "2.13.0+cpu") == ""


@pytest.mark.parametrize(
    ("where", "occurs"),
    [
        ({"device": "cuda", "capability": "9.0"}, True),
        ({"device": "cuda", "capability": "8.9"}, False),
        ({"device": "cuda", "capability": "10.0"}, False),
        ({"device": "cuda", "capability": "12.0"}, False),
        ({"device": "cuda"}, True),  # an older capture does not have it
        ({"device": "cpu"}, False),
    ],
)
def test_a_defect_of_some_gpus_only(tmp_path, where, occurs):
    path = tmp_path / "good.yaml"
    conditions = 'conditions: {device: cuda, capability: ">=9.0,<10.0"}'
    path.write_text(GOOD.replace("title: A test", f"title: A test\n{conditions}", 1))
    recipe = read_recipe(path)
    assert about(recipe, {"torch": "2.13.0+cu130", **where}) is occurs
    assert can_occur_at(recipe, where.get("capability")) is (occurs or where["device"] == "cpu")


def test_an_unknown_recipe_has_near_ones():
    with pytest.raises(UsageError) as caught:
        find_recipe("cpu-flex-query-veiw")
    assert "cpu-flex-query-view" in caught.value.hint


def test_a_folder_that_there_is_not(monkeypatch):
    monkeypatch.setenv("COMPILE_DOCTOR_RECIPES", "/nowhere/at/all")
    with pytest.raises(UsageError, match="not a folder"):
        catalogue.folders()


def test_the_table_keeps_what_was_not_run_again(tmp_path):
    page_ = tmp_path / "VERIFIED.md"
    page_.write_text(render({"a": {"2.8.0": "ok", "2.13.0": "ok"}, "gone": {"2.8.0": "ok"}}))
    merge(
        page_,
        [Proof("a", "2.13.0+cpu", "passes", "passes", "passes", True), Proof("b", "2.8.0", "passes", "", "", False)],
        ["a", "b"],
    )
    found = parse(page_.read_text())
    assert found == {
        "a": {"2.8.0": "ok", "2.13.0": "passes without, passes with, passes reverted"},
        "b": {"2.8.0": CLEAN, "2.13.0": "not run"},
    }
