"""What is advised for a break in a package: which call of the user's line is named, and what is said without such a line."""

from __future__ import annotations

import pytest

from compile_doctor.analysis.graph_breaks.advice import advised
from compile_doctor.analysis.graph_breaks.causes import find_cause
from compile_doctor.model.findings import Location
from compile_doctor.model.stacks import Frame

REASON = "Unsupported Tensor.item() call with capture_scalar_outputs=False"
TEXT = """\
class Net(nn.Module):
    def __init__(self):
        self.conv = Conv(8, 8)
        self.lin = nn.Linear(8, 3)
    def forward(self, x, batch):
        return self.lin(mean_pool(x, batch))
"""
MINE = Frame("/work/net.py", 6, "forward")
PLUMBING = Frame("/x/site-packages/torch/nn/modules/module.py", 1800, "_call_impl")
THEIRS = "/x/site-packages/geometry/pool.py"


def fix(led: bool, *stack: Frame) -> str:
    place = Location(MINE.file, MINE.line, MINE.function) if led else None
    cause = find_cause(REASON, None)
    return advised(cause, REASON, {MINE.file: TEXT}, stack[-1], "dependency", place, (), stack).fix


@pytest.mark.parametrize(
    ("entered", "named"),
    [("mean_pool", "mean_pool = torch.compiler.disable(mean_pool)"), ("forward", "self.lin.forward = torch.compiler")],
)
def test_the_call_is_the_one_that_the_stack_enters_next(entered: str, named: str) -> None:
    found = fix(True, MINE, PLUMBING, Frame(THEIRS, 40, entered), Frame(THEIRS, 9, "size_of"))
    assert "geometry/pool.py is not your code" in found and "line 6 of net.py" in found
    assert named in found


def test_a_call_that_cannot_be_named_is_put_into_a_function() -> None:
    found = fix(True, MINE, Frame(THEIRS, 9, "another_name"))
    assert "decorated with @torch.compiler.disable" in found and "= torch.compiler.disable(" not in found


def test_without_a_line_of_the_user_the_advice_is_for_those_who_can_change_the_package() -> None:
    found = fix(False, Frame(THEIRS, 9, "size_of"))
    assert found.startswith("# geometry/pool.py is not your code. If you can change it:\n")
    assert find_cause(REASON, None).fix in found
