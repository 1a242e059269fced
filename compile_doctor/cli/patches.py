"""`compile-doctor patches list|show|status|verify`."""

from __future__ import annotations

import os

import click

from compile_doctor.clean import say
from compile_doctor.cli.options import OutputOptions, check_patches, format_option, gathered
from compile_doctor.cli.output import answer
from compile_doctor.errors import UsageError

_output = gathered(OutputOptions, "output", format_option())


@click.group(name="patches", short_help="Workarounds for known defects of this torch.")
@click.option(
    "--recipes",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="A folder of your own recipes besides, with their code in its patches/.",
)
def command(recipes: str | None) -> None:
    """Lists, explains and proves the recipes: version-specific workarounds that are applied at import, and reverted.

    \b
    Examples:
      compile-doctor patches list
      compile-doctor patches show cpu-flex-query-view
      compile-doctor patches status
      compile-doctor patches verify cpu-flex-query-view
    """
    if recipes:
        if not os.path.isdir(recipes):
            raise UsageError(f"--recipes {recipes}: there is no such folder.")
        os.environ["COMPILE_DOCTOR_RECIPES"] = os.path.abspath(recipes)


@command.command(name="list", short_help="Which recipes are about this torch.")
@click.option("--all", "everything", is_flag=True, help="Those for other versions and machines too.")
@_output
def list_(everything: bool, output: OutputOptions) -> int:
    """Shows the recipes by version and platform; torch is not imported for it (`patches status` does that).

    \b
    Example:
      compile-doctor patches list --all
    """
    from compile_doctor.recipes.listing import as_text, listed

    found = listed()
    answer(found if output.format == "json" else as_text(found, everything))
    return 0


@command.command(short_help="What one recipe mends, how, and where it was proven.")
@click.argument("name", metavar="ID")
def show(name: str) -> int:
    """Shows everything that a recipe says: symptom, cause, workaround by hand, range, what it changes, its proof.

    \b
    Example:
      compile-doctor patches show safe-softmax-dynamo
    """
    from compile_doctor.recipes.catalogue import find_recipe
    from compile_doctor.recipes.page import page

    answer(page(find_recipe(name)))
    return 0


@command.command(short_help="Import torch, apply the chosen recipes, and say which stand.")
@click.option("--patches", metavar="auto|ID,…", help="What to apply [COMPILE_DOCTOR_PATCHES, else auto].")
@click.option("--all", "everything", is_flag=True, help="Recipes for other versions and machines too.")
@_output
def status(patches: str | None, everything: bool, output: OutputOptions) -> int:
    """Does in a fresh process what `import compile_doctor.auto` does, imports torch's compiler, and asks every guard.

    Exit code 1 where a recipe failed.

    \b
    Example:
      compile-doctor patches status --patches cpu-flex-query-view
    """
    from compile_doctor.recipes.listing import as_text, status_of_a_process

    found = status_of_a_process(check_patches(patches))
    answer(found if output.format == "json" else as_text(found, everything))
    return 1 if any(one["state"] == "failed" for one in found["recipes"]) else 0


@command.command(short_help="Prove recipes: fails without, passes with, fails once reverted.")
@click.argument("names", nargs=-1, metavar="[ID]…")
@click.option("--all", "everything", is_flag=True, help="Recipes for other versions too: their program should pass.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Recipes at a time.")
@click.option("--table", type=click.Path(dir_okay=False), metavar="FILE", help="Put the results into VERIFIED.md.")
@_output
def verify(names: tuple[str, ...], everything: bool, jobs: int, table: str | None, output: OutputOptions) -> int:
    """Runs each recipe's program in fresh processes, without it, with it, and once more when it is reverted.

    Without names: those about this torch. Exit code 1 where one does not hold, 3 where there was none to prove.

    \b
    Examples:
      compile-doctor patches verify
      compile-doctor patches verify cpu-flex-epilogue --format json
    """
    from pathlib import Path

    from compile_doctor.recipes.catalogue import all_recipes, find_recipe
    from compile_doctor.recipes.engine import refused_here
    from compile_doctor.recipes.verified import merge
    from compile_doctor.recipes.verify import verify as prove_all

    chosen = [find_recipe(name) for name in names] or [
        recipe for recipe in all_recipes() if everything or refused_here(recipe) is None
    ]
    proofs = []
    for proof in prove_all(chosen, jobs):
        proofs.append(proof)
        line = f"{'ok  ' if proof.ok else 'FAIL'} {proof.id}: {_words(proof)}"
        (say if output.format == "json" else answer)(line)
    if output.format == "json":
        answer([proof.as_json() for proof in proofs])
    if table:
        merge(Path(table), proofs, [recipe.id for recipe in all_recipes()])
    if not proofs:
        say("No recipe was proven: none of these has a program for this torch.")
        return 3
    return 0 if all(proof.ok for proof in proofs) else 1


def _words(proof: object) -> str:
    from compile_doctor.recipes.verify import Proof

    assert isinstance(proof, Proof)
    if not proof.affected:
        said = f"torch {proof.torch} is not affected: {proof.without} without it"
    elif not proof.patched:
        said = f"torch {proof.torch}: {proof.without}, as it should: the recipe only warns"
    else:
        said = f"torch {proof.torch}: {proof.without} without, {proof.with_} with, {proof.reverted} once reverted"
    return said + (f"\n     {proof.reason}" if proof.reason and not proof.ok else "")
