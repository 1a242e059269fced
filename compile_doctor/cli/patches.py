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
    help="A folder with additional recipes of your own; their code is in its patches/.",
)
def command(recipes: str | None) -> None:
    """Lists, explains and verifies the recipes: version-specific workarounds, applied at import, which can be reverted.

    \b
    Examples:
      compile-doctor patches list
      compile-doctor patches show cpu-flex-query-view
      compile-doctor patches status
      compile-doctor patches verify cpu-flex-query-view
    """
    if recipes:
        if not os.path.isdir(recipes):
            raise UsageError(f"--recipes {recipes}: the folder does not exist.")
        os.environ["COMPILE_DOCTOR_RECIPES"] = os.path.abspath(recipes)


@command.command(name="list", short_help="List the recipes for this torch.")
@click.option("--all", "everything", is_flag=True, help="Include recipes for other versions and machines.")
@_output
def list_(everything: bool, output: OutputOptions) -> int:
    """Lists the recipes for this torch version and platform, without importing torch (`patches status` imports it).

    \b
    Example:
      compile-doctor patches list --all
    """
    from compile_doctor.recipes.listing import as_text, listed

    found = listed()
    answer(found if output.format == "json" else as_text(found, everything))
    return 0


@command.command(short_help="Show what one recipe fixes, how, and where it was verified.")
@click.argument("name", metavar="ID")
def show(name: str) -> int:
    """Shows the whole recipe: symptom, cause, manual workaround, versions, what it changes, and its verification.

    \b
    Example:
      compile-doctor patches show safe-softmax-dynamo
    """
    from compile_doctor.recipes.catalogue import find_recipe
    from compile_doctor.recipes.page import page

    answer(page(find_recipe(name)))
    return 0


@command.command(short_help="Import torch, apply the chosen recipes, and show which are active.")
@click.option("--patches", metavar="auto|ID,…", help="The recipes to apply [COMPILE_DOCTOR_PATCHES, else auto].")
@click.option("--all", "everything", is_flag=True, help="Include recipes for other versions and machines.")
@_output
def status(patches: str | None, everything: bool, output: OutputOptions) -> int:
    """Runs `import compile_doctor.auto` in a fresh process, imports torch's compiler, and evaluates every guard.

    Exit code 1 if a recipe failed.

    \b
    Example:
      compile-doctor patches status --patches cpu-flex-query-view
    """
    from compile_doctor.recipes.listing import as_text, status_of_a_process

    found = status_of_a_process(check_patches(patches))
    answer(found if output.format == "json" else as_text(found, everything))
    return 1 if any(one["state"] == "failed" for one in found["recipes"]) else 0


@command.command(short_help="Verify recipes: fails without, passes with, fails after it is reverted.")
@click.argument("names", nargs=-1, metavar="[ID]…")
@click.option(
    "--all", "everything", is_flag=True, help="Include recipes for other versions: their program should pass."
)
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Recipes run in parallel.")
@click.option("--table", type=click.Path(dir_okay=False), metavar="FILE", help="Add the results to FILE (VERIFIED.md).")
@_output
def verify(names: tuple[str, ...], everything: bool, jobs: int, table: str | None, output: OutputOptions) -> int:
    """Runs each recipe's program in fresh processes: without the recipe, with it, and after it is reverted.

    Without an ID: the recipes for this torch. Exit code 1 if a verification fails, 3 if there was none to run.

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
        say("No recipe was verified: none of these has a program for this torch.")
        return 3
    return 0 if all(proof.ok for proof in proofs) else 1


def _words(proof: object) -> str:
    from compile_doctor.recipes.verify import Proof

    assert isinstance(proof, Proof)
    if not proof.affected:
        result = f"torch {proof.torch} is not affected: {proof.without} without it"
    elif not proof.patched:
        result = f"torch {proof.torch}: {proof.without}, as expected: the recipe only warns"
    else:
        result = f"torch {proof.torch}: {proof.without} without, {proof.with_} with, {proof.reverted} after reverting"
    return result + (f"\n     {proof.reason}" if proof.reason and not proof.ok else "")
