"""`while error > tolerance:` becomes `while_loop`: the device decides how often the body runs."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from compile_doctor.mend.blocks import indented, known_before, leaves, read_after, targets
from compile_doctor.mend.conditions import as_tensor_test
from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site, lines_of, names

_HEAD = ("from torch._higher_order_ops import while_loop",)


def propose(site: Site) -> Iterator[Candidate]:
    loop = site.statement
    if not isinstance(loop, cst.While) or loop.orelse is not None or leaves([loop.body]):
        return
    written = targets(site.source, loop.body.body)
    before = known_before(site, loop)
    carried = [name for name in written if name in before]
    lost = [name for name in written if name not in before and name in read_after(site, loop)]
    if not carried or lost or not all(name.isidentifier() for name in written):
        return
    listed = ", ".join(carried)
    result = listed + ("," if len(carried) == 1 else "")
    lines = [
        f"def goes_on({listed}):",
        f"    return {as_tensor_test(site.source, loop.test)}",
        f"def one_turn({listed}):",
        *indented(site.source, loop.body.body),
        f"    return {result}",
        f"{result} = while_loop(goes_on, one_turn, ({result}))",
    ]
    if set(names(loop)) & {"goes_on", "one_turn", "while_loop"}:
        return
    new = cst.FlattenSentinel(lines_of("".join(f"{line}\n" for line in lines), loop))
    first = site.source.lines(loop.body.body[0])[0]
    yield Candidate("runs the loop on the device", site.source.edited({loop: new}, _HEAD), sides=(first,))


REWRITE = Rewrite("loop-on-device", ("data-dependent-branch",), propose, rank=36)
