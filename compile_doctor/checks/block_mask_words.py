"""What CD107 and CD310 say about a BlockMask that does not fit its query."""

from __future__ import annotations

from compile_doctor.analysis.attention.block_masks import Misfit


def sizes(one: Misfit) -> str:
    """`The BlockMask is for batch 4 and 1 head, the query has batch 2 and 8 heads`."""
    return f"The BlockMask is for {_named(one.mask)}, the query has {_named(one.query)}"


def _named(shape: tuple[int, ...]) -> str:
    return f"batch {shape[0]} and {shape[1]} head{'' if shape[1] == 1 else 's'}"


def fix(one: Misfit) -> str:
    """The call that makes a fitting mask, for the dimensions that do not fit."""
    wrong = [name for name, own, given in zip("BH", one.mask, one.query) if own not in (1, given)]
    sizes = {"B": "q.shape[0]", "H": "q.shape[1]"}
    unused = {"B": "b", "H": "h"}
    call = ", ".join(f"{name}={sizes[name]}" for name in wrong)
    none = ", ".join(f"{name}=None if mask_mod does not use {unused[name]}" for name in wrong)
    return (
        f"Make the mask for this query: create_block_mask(mask_mod, {call}, …), with {none}. If the batch varies (the last one "
        "of an epoch), keep one mask for each size, or pad the batch."
        if "B" in wrong
        else f"Make the mask for the query's heads: create_block_mask(mask_mod, {call}, …), with {none}. Heads of keys and values "
        "do not count, with enable_gqa either: mask_mod gets the query's head."
    )


def evidence_of(one: Misfit) -> str:
    """The line of evidence."""
    differs = ", whose blocks differ between its entries" if one.repeats else ""
    return f"node {one.node.node} of graph {one.compilation.label}: query {list(one.query)}, BlockMask {list(one.mask)}{differs}"
