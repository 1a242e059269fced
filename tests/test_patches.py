"""Recipes on the torch that is installed: proven, applied at import, in child processes, and taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT, run_doctor

from compile_doctor.recipes.catalogue import all_recipes
from compile_doctor.recipes.engine import refused_here
from compile_doctor.recipes.verify import prove, verify

pytestmark = pytest.mark.compile

HERE = [
    recipe for recipe in all_recipes() if recipe.verify and recipe.action != "warn" and refused_here(recipe) is None
]


def python(code, folder, **environment):
    cleared = {name: value for name, value in os.environ.items() if not name.startswith("COMPILE_DOCTOR")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**cleared, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def proofs():
    return {proof.id: proof for proof in verify(HERE, jobs=2)}


@pytest.mark.parametrize("recipe", HERE, ids=lambda recipe: recipe.id)
def test_fails_without_passes_with_and_fails_once_reverted(proofs, recipe):
    proof = proofs[recipe.id]
    assert (proof.without, proof.with_, proof.reverted) == ("fails", "passes", "fails"), proof.reason


def test_a_recipe_that_mends_nothing_is_found_out(lab, monkeypatch):
    """Expired: the program passes without it."""
    recipe = lab.recipe("expired", ("greet", "shout"))
    monkeypatch.setenv("PYTHONPATH", str(lab.folder))
    path = lab.folder / "own" / "expired.yaml"
    path.write_text(path.read_text().replace("verify: assert False", f"verify: import {lab.name}"))
    proof = prove(lab.write("expired", path.read_text()))
    assert proof.without == "passes" and not proof.ok
    path.write_text(path.read_text().replace(f"import {lab.name}", "raise KeyError('another mistake')"))
    proof = prove(lab.write("expired", path.read_text()))
    assert proof.without == "error" and "not with the error" in proof.reason and not proof.ok
    assert recipe.id == proof.id


BLOCK = """
import compile_doctor.auto
import torch
from torch.nn.attention.flex_attention import flex_attention

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (torch.nn.Linear(32, 32) for _ in range(4))
        self.gate = torch.nn.Linear(32, 8)

    def forward(self, x):
        q, k, v = (p(x).view(1, 128, 2, 16).transpose(1, 2) for p in (self.q, self.k, self.v))
        y = torch.nn.functional.gelu(flex_attention(q, k, v)) + 1
        return self.o(y.transpose(1, 2).flatten(2)), torch._safe_softmax(self.gate(x), -1)

torch.manual_seed(0)
block, x = Block(), torch.randn(1, 128, 32)
with torch.no_grad():
    got, expected = torch.compile(block, fullgraph=True)(x), block(x)
for one, other in zip(got, expected):
    assert (one - other).abs().max() < 1e-4
print("EQUAL")
"""


def test_the_block_that_nobody_could_compile(tmp_path):
    done = python(BLOCK, tmp_path)
    assert "EQUAL" in done.stdout, done.stderr[-2000:]


def test_the_kill_switch_leaves_torch_as_it_is(tmp_path):
    done = python(BLOCK, tmp_path, COMPILE_DOCTOR_DISABLE="1")
    assert done.returncode == 1
    assert "torch._dynamo.exc.Unsupported" in done.stderr and "EQUAL" not in done.stdout


def test_auto_imports_nothing_of_torch_that_torch_itself_does_not(tmp_path):
    show = "import sys; print(*sorted(name for name in sys.modules if name.startswith('torch')))"
    plain = python(f"import torch; {show}", tmp_path).stdout
    assert python(f"import compile_doctor.auto, torch; {show}", tmp_path).stdout == plain
    assert python(f"import torch, compile_doctor.auto; {show}", tmp_path).stdout == plain
    assert not python(f"import compile_doctor.auto; {show}", tmp_path).stdout.strip()


@pytest.mark.parametrize("order", ["compile_doctor.auto, torch", "torch, compile_doctor.auto"])
def test_before_or_after_torch(tmp_path, order):
    done = python(
        f"""
        import {order}
        f = torch.compile(lambda x: torch._safe_softmax(x, -1), fullgraph=True, backend="eager")
        f(torch.randn(2, 3))
        import compile_doctor
        print([one.state for one in compile_doctor.status() if one.recipe.id == "safe-softmax-dynamo"])
        print(torch.compiler.config.cache_key_tag)
        assert compile_doctor.revert() == {{}}
        print(repr(torch.compiler.config.cache_key_tag))
        try:
            torch.compile(lambda x: torch._safe_softmax(x, -1), fullgraph=True, backend="eager")(torch.randn(2, 3))
        except Exception as error:
            print(type(error).__name__)
        """,
        tmp_path,
    )
    said = done.stdout.splitlines()
    assert said[0] == "['active']", done.stderr
    assert said[1].startswith("compile-doctor:") and "safe-softmax-dynamo" in said[1]
    assert said[2:] == ["''", "Unsupported"]


def test_by_name_and_for_a_while(tmp_path):
    done = python(
        """
        import torch, compile_doctor

        def attend(x):
            return torch._safe_softmax(x, -1)

        def works():
            try:
                torch.compile(attend, fullgraph=True, backend="eager")(torch.randn(2, 3))
            except Exception:
                return False
            return True

        print(works())
        with compile_doctor.applied("safe-softmax-dynamo"):
            print(works())
        print(works())
        compile_doctor.apply("safe-softmax-dynamo")
        print(works())
        try:
            compile_doctor.apply("no-such-recipe")
        except Exception as error:
            print(type(error).__name__, error)
        """,
        tmp_path,
    )
    assert done.stdout.splitlines() == [
        "False",
        "True",
        "False",
        "True",
        "UsageError There is no recipe 'no-such-recipe'.",
    ], done.stderr


def test_a_mistake_in_the_choice_does_not_break_the_import(tmp_path):
    done = python(
        "import compile_doctor.auto, torch, torch._dynamo; print('alive')",
        tmp_path,
        COMPILE_DOCTOR_PATCHES="no-such-recipe",
    )
    assert done.stdout.strip() == "alive"
    assert done.stderr.count("no-such-recipe") == 1


CHILDREN = """
import multiprocessing, sys
import torch

def works(_=None):
    try:
        torch.compile(lambda x: torch._safe_softmax(x, -1), fullgraph=True, backend="eager")(torch.randn(2, 3))
    except Exception as error:
        return type(error).__name__
    return "works"

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return works()

if __name__ == "__main__":
    found = {}
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            found[method] = pool.map(works, [None])[0]
    found["loader"] = next(iter(torch.utils.data.DataLoader(Data(), num_workers=1)))[0]
    found["here"] = works()
    print(found, file=sys.stderr)
"""


def test_run_reaches_every_child_process(tmp_path):
    (tmp_path / "program.py").write_text(CHILDREN)
    done = run_doctor(
        tmp_path, "run", "--patches", "auto", "--format", "json", "--", sys.executable, "program.py", timeout=600
    )
    assert "{'fork': 'works', 'spawn': 'works', 'loader': 'works', 'here': 'works'}" in done.stderr
    report = json.loads(done.stdout)
    assert {"id": "safe-softmax-dynamo", "state": "active", "reason": None} in report["patches"]
    done = run_doctor(tmp_path, "run", "--format", "json", "--", sys.executable, "program.py", timeout=600)
    assert "works" not in done.stderr.split("{'fork'")[1].split("}")[0]


def test_try_recipes_shows_what_they_change(tmp_path):
    (tmp_path / "model.py").write_text(
        "import torch\n\n\ndef attend(x):\n    return torch._safe_softmax(x * 2, -1)\n\n\n"
        "def build_model():\n    return attend\n\n\ndef example_inputs():\n    return (torch.randn(2, 3),)\n"
    )
    done = run_doctor(
        tmp_path, "diagnose", "model.py", "--backend", "eager", "--try-recipes", "--format", "json", timeout=600
    )
    report = json.loads(done.stdout)
    assert done.returncode == 1, "the exit code stays that of the run without recipes"
    assert {one["recipe"] for one in report["findings"]} == {"safe-softmax-dynamo"}
    trial = report["trial"]
    assert trial["verdict"] == {"before": "unhealthy", "after": "healthy"}
    assert trial["gone"] and not trial["new"]
    assert [one["state"] for one in trial["recipes"]] == ["active"]
    done = run_doctor(tmp_path, "diagnose", "model.py", "--backend", "eager", "--patches", "auto", timeout=600)
    assert done.returncode == 0 and "Active recipes: " in done.stdout


def test_status_asks_every_guard(tmp_path):
    found = json.loads(run_doctor(tmp_path, "patches", "status", "--format", "json", timeout=600).stdout)
    states = {one["id"]: one["state"] for one in found["recipes"]}
    for recipe in HERE:
        assert states[recipe.id] == ("active" if recipe.default else "applicable"), recipe.id
    off = run_doctor(
        tmp_path, "patches", "list", "--format", "json", env={"COMPILE_DOCTOR_DISABLE": "safe-softmax-dynamo"}
    )
    assert {one["state"] for one in json.loads(off.stdout)["recipes"] if one["id"] == "safe-softmax-dynamo"} == {
        "disabled"
    }
