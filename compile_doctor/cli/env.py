"""`compile-doctor env`."""

from __future__ import annotations

import click

from compile_doctor.cli.options import OutputOptions, format_option, gathered

_DTYPES = ["float32", "bfloat16", "float16", "float64"]


@click.command(name="env", short_help="Show what this machine can compile for, and its attention backends.")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="B,H,S,D[/KVH,KVS]",
    help="Ask torch which SDPA backends accept this shape, and why the others do not. May be repeated.",
)
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(_DTYPES),
    help="dtype of the inputs [float32, on a GPU bfloat16]. May be repeated.",
)
@click.option("--device", metavar="NAME", help="cpu, cuda, … [cuda if it is available].")
@click.option("--causal", is_flag=True, help="With is_causal=True.")
@click.option("--mask", is_flag=True, help="With a boolean attn_mask of (B, 1, S, KVS).")
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0, metavar="P", help="With dropout_p.")
@click.option("--grad", is_flag=True, help="Inputs that require gradients.")
@gathered(OutputOptions, "output", format_option())
def command(
    shapes: tuple[str, ...],
    dtypes: tuple[str, ...],
    device: str | None,
    causal: bool,
    mask: bool,
    dropout: float,
    grad: bool,
    output: OutputOptions,
) -> int:
    """Shows torch, the C++ compiler, Triton, the devices, the settings that change what torch.compile does, and the
    known defects of this torch. With --shape: which backends of scaled_dot_product_attention accept the shape.

    KVH and KVS are the heads and tokens of keys and values, if they differ from those of the queries.

    \b
    Examples:
      compile-doctor env
      compile-doctor env --format json
      compile-doctor env --shape 4,32,4096,128 --causal --dtype bfloat16
      compile-doctor env --shape 4,32,1,128/8,4096 --mask --device cpu
    """
    from compile_doctor.cli.output import answer
    from compile_doctor.errors import UsageError
    from compile_doctor.recipes import known_defects as known
    from compile_doctor.run.environment import inspect_environment
    from compile_doctor.run.sdpa_shapes import USUAL, as_lines, parse_shape, short

    options = {"--dtype": dtypes, "--causal": causal, "--mask": mask, "--dropout": dropout, "--grad": grad}
    given = [name for name, value in options.items() if value]
    if given and not shapes:
        raise UsageError(f"{given[0]} needs a shape.", hint=f"Give one, such as --shape {USUAL} {given[0]}")
    if causal and mask:
        raise UsageError("--causal and --mask exclude each other: SDPA takes is_causal or attn_mask, not both.")
    try:
        asked = [parse_shape(text) for text in shapes or (USUAL,)]
    except ValueError as error:
        raise UsageError(
            f"--shape {error}.", hint="--shape 4,32,1,128/8,4096 is one query over 4,096 cached keys."
        ) from None
    facts = inspect_environment(
        {"shapes": asked, "dtypes": dtypes, "device": device, "causal": causal, "mask": mask, "grad": grad}
        | {"dropout": dropout}
    )
    answers = facts.pop("sdpa", [])
    kinds = ["cpu", "cuda"] if facts.get("GPU") else ["cpu"]
    defects = known.known_defects(kinds, facts.get("compute capability")) if facts.get("torch") else []
    if output.format == "json":
        found = {"schema": "compile-doctor/env/1", **facts, "sdpa": answers, "known_defects": defects}
        answer(found)
    else:
        shown = dict(facts) if shapes or not answers else {**facts, "SDPA": short(answers[0])}
        width = max(len(name) for name in shown)
        for name, value in shown.items():
            answer(f"{name:<{width}}  {_words(value)}")
        lines = as_lines(answers) if shapes else known.as_lines(defects) if facts.get("torch") else []
        answer("\n".join(lines))
    if shapes and (not answers or any(one.get("error") for one in answers)):
        return 3
    return 0 if facts.get("can compile") else 1


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
