"""Folds that real models asked for, each from the records that they left."""

from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.analysis.graph_breaks.cost import site_cost
from compile_doctor.analysis.recompiles.groups import decisive
from compile_doctor.analysis.recompiles.guards import parse
from compile_doctor.checks import find_check
from compile_doctor.model.asked import Asked
from compile_doctor.model.compilations import Break, Compilation
from compile_doctor.model.evidence import Evidence
from compile_doctor.model.stacks import Frame

FILE = "/work/model.py"
SOURCE = """\
class Embed:
    def forward(self, x):
        for part in x:
            print(part)
        rows = [a + b for a, b in zip(x, x)]
        return helper(rows)


def helper(rows):
    return rows.item()
"""


def compiled(function, line, **values):
    stack = values.pop("stack", (Frame(FILE, line, function),))
    values.setdefault("guarded", True)
    return Compilation("1", values.pop("frame_id", 0), values.pop("again", 0), function, FILE, line, stack, **values)


def broke(index, reason, *frames, loop=False):
    stack = tuple(Frame(FILE, line, function) for function, line in frames)
    return Break(index, reason, None, stack, (FILE, stack[-1].line), loop, "dynamo_graph_break_reason")


def seen(compilations, breaks):
    return AnalysisContext(
        Evidence(Asked("model.py"), compilations=tuple(compilations), breaks=tuple(breaks), sources={FILE: SOURCE})
    )


PRINT = "Failed to trace builtin operator\n  Explanation: Dynamo does not know how to trace builtin operator `print`"
NO_ITERATOR = "Missing tp_iternext\n  Explanation: next(zip) is not supported"
RAISED = "Observed exception\n  Explanation: Dynamo found no exception handler at the top-level compiled function"
ITEM = "Unsupported Tensor.item() call with capture_scalar_outputs=False"


def test_a_comprehension_compiled_alone_is_no_site_and_no_skipped_frame():
    """transformers' ViLT on Python 3.11: the comprehensions of a frame that was given up."""
    found = seen(
        [compiled("forward", 2, guarded=False), compiled("<listcomp>", 5, guarded=False, frame_id=1)],
        [broke(0, PRINT, ("forward", 4), loop=True), broke(1, NO_ITERATOR, ("forward", 5), ("<listcomp>", 5))],
    )
    assert [(site.frame.line, site.loop) for site in found.sites] == [(4, True)]
    assert [skipped.first.function for skipped in found.skipped] == ["forward"]


def test_an_exception_is_at_the_line_that_raises_not_where_it_leaves_a_finally():
    """transformers' Switch: torch names the decorator's `finally` until it compiles the inner frame."""
    found = seen(
        [compiled("forward", 2, guarded=False), compiled("helper", 9, guarded=False, frame_id=1)],
        [broke(0, RAISED, ("forward", 6)), broke(1, RAISED, ("forward", 6), ("helper", 10))],
    )
    assert [(site.frame.function, site.frame.line, len(site.breaks)) for site in found.sites] == [("helper", 10, 2)]


def test_a_break_costs_the_frames_that_it_cut_off():
    found = seen(
        [
            compiled("forward", 2, graphs=1, seconds=1.0),
            compiled("helper", 9, graphs=1, seconds=2.0, frame_id=1),
            compiled("torch_dynamo_resume_in_helper_at_10", 10, graphs=1, seconds=4.0, frame_id=2),
            compiled("elsewhere", 1, graphs=1, seconds=8.0, frame_id=3),
        ],
        [broke(0, ITEM, ("forward", 6), ("helper", 10)), broke(1, ITEM, ("forward", 6), ("helper", 10))],
    )
    (site,) = found.sites
    assert site.callers == 1
    cost = site_cost(found, site)
    assert (cost.graphs, cost.seconds) == (2, 6.0)


def test_the_guard_that_tells_why_not_which_layer():
    """An entry of another layer fails by its index; the entry of this one says what changed."""
    reasons = [
        "4/1: self.layer_idx == 1  (HINT: torch.compile considers integer attributes of the nn.Module to be static)",
        "4/0: tensor 'x' size mismatch at index 0. expected 4, actual 5",
    ]
    assert decisive([parse(reason) for reason in reasons]).kind == "size"


def test_a_restart_without_a_record_is_a_break_of_the_frame():
    """torch 2.8 and 2.9 with a lock, or a break in `try`: the metrics are all there is."""
    restarted = compiled("helper", 9, graphs=1, restarts=("Unknown fail_and_restart_analysis",))
    found = seen([restarted], [])
    (finding,) = find_check("CD101").detect(found)
    assert (finding.location.line, finding.severity) == (9, "error")
    assert "names no line" in " ".join(finding.evidence)


CANNOT = (
    "Encountered graph break that we cannot resume from. Compiling up to the previous resumable state, then skipping the "
    "rest of the function. Graph break encountered:\n\n"
)
UNGRACEFUL = "Failed to handle graph break gracefully. Skipping the function and falling back to eager.\n\n"
BLOCKS = """\
import torch
from torch.utils.checkpoint import checkpoint


class Block:
    def forward(self, x):
        with torch.no_grad():
            x = x + 1
            self.store[: x.sum()] = x
        try:
            self.lock(x)
        finally:
            x = x * 2
        return x


class Net:
    def forward(self, x):
        x = self.stem(x)
        x = checkpoint(
            self.block, x
        )
        return helper(p for p in x)


def helper(parts):
    return torch.stack(list(parts))
"""


def of_blocks(compilations, breaks):
    return AnalysisContext(
        Evidence(Asked("model.py"), compilations=tuple(compilations), breaks=tuple(breaks), sources={FILE: BLOCKS})
    )


def ran_in_python(found):
    return [(one.frame.line, one.rest, one.checkpoint and one.checkpoint.line) for one in found.skipped]


def test_a_frame_that_was_compiled_in_part_ran_the_rest_in_plain_python():
    """From the statement that breaks, or from the `try` around it; torch's own managers can be left and entered again."""
    store = of_blocks([compiled("forward", 6, graphs=1)], [broke(0, CANNOT + ITEM, ("forward", 9))])
    assert ran_in_python(store) == [(6, (9, 14), None)]
    lock = of_blocks([compiled("forward", 6, graphs=1)], [broke(0, CANNOT + ITEM, ("forward", 11))])
    assert ran_in_python(lock) == [(6, (10, 14), None)]
    ordinary = of_blocks([compiled("forward", 6, graphs=1)], [broke(0, ITEM, ("forward", 9))])
    assert ran_in_python(ordinary) == []


def test_with_nested_graph_breaks_the_function_that_broke_is_not_resumed_and_its_caller_is():
    found = of_blocks(
        [compiled("forward", 18, graphs=1), compiled("torch_dynamo_resume_in_forward_at_23", 23, frame_id=1)],
        [broke(0, CANNOT + ITEM, ("forward", 23), ("helper", 27))],
    )
    assert ran_in_python(found) == [(26, (27, 27), None)]


def test_the_lines_of_a_resume_function_that_was_given_up_are_in_the_finding():
    found = of_blocks(
        [
            compiled("forward", 6, graphs=1),
            compiled("torch_dynamo_resume_in_forward_at_9", 9, guarded=False, frame_id=1),
        ],
        [broke(0, ITEM, ("forward", 9)), broke(1, PRINT, ("forward", 11))],
    )
    (finding,) = find_check("CD104").detect(found)
    assert (finding.location.line, finding.location.function) == (6, "Block.forward")
    assert "the rest of the function, lines 9 to 14, runs in plain Python" in finding.message


def test_a_break_inside_of_a_checkpoint_leaves_the_block_to_plain_python():
    """Up to torch 2.12 the stack has the calling frame; 2.13 leaves it out."""
    for stack in ((("forward", 20), ("forward", 8)), (("forward", 8),)):
        found = of_blocks([compiled("forward", 18, graphs=1)], [broke(0, ITEM, *stack)])
        assert ran_in_python(found) == [(6, None, 20)]
    (finding,) = find_check("CD104").detect(found)
    assert "Block.forward and all that it calls run in plain Python" in finding.message


def test_a_second_reason_of_one_compilation_follows_from_the_first():
    found = of_blocks(
        [compiled("forward", 6, guarded=False)],
        [
            broke(0, PRINT, ("forward", 11)),
            broke(0, UNGRACEFUL + RAISED, ("forward", 11)),
            broke(0, UNGRACEFUL + "Generator reconstruction with mutations", ("forward", 8)),
        ],
    )
    assert [(site.frame.line, len(site.breaks), len(site.followed)) for site in found.sites] == [(11, 1, 2)]
    (finding,) = find_check("CD101").detect(found)
    assert "2 further breaks follow from it." in finding.message


def test_two_reasons_for_one_line_in_two_compilations_are_two_causes():
    """`print(x.item())`: the second break is in the resume function, and stays when the first is gone."""
    found = of_blocks(
        [compiled("forward", 6), compiled("torch_dynamo_resume_in_forward_at_11", 11, frame_id=1)],
        [broke(0, ITEM, ("forward", 11)), broke(1, PRINT, ("forward", 11))],
    )
    assert [site.frame.line for site in found.sites] == [11, 11]


def test_a_generator_of_a_frame_that_was_given_up_is_a_consequence_where_it_is_consumed():
    generator = "missing tp_iter\n  Explanation: Dynamo does not know how to iterate over `UserDefinedObjectVariable(generator)`."
    caller, outer = Frame(FILE, 27, "helper"), Frame(FILE, 23, "forward")
    compilations = [
        compiled("forward", 18, guarded=False),
        compiled("helper", 26, guarded=False, frame_id=1, stack=(outer, caller)),
    ]
    found = of_blocks(
        compilations, [broke(0, PRINT, ("forward", 19)), broke(1, generator, ("forward", 23), ("helper", 27))]
    )
    assert [(site.frame.line, len(site.followed)) for site in found.sites] == [(19, 1)]
    assert [one.frame.function for one in found.skipped] == ["forward"]
    alone = of_blocks(compilations[1:], [broke(0, generator, ("forward", 23), ("helper", 27))])
    assert [site.frame.line for site in alone.sites] == [27]


def test_breaks_that_torch_makes_on_purpose_are_infos():
    packages = "/venv/lib/python3.11/site-packages/torch/"
    requested = "Call to `torch._dynamo.graph_break()`"
    for file, reason, severity in (
        ("optim/optimizer.py", requested, "info"),
        ("optim/adam.py", ITEM, "error"),
        ("nn/parallel/distributed.py", "Attempted to call function marked as skipped", "info"),
        ("distributed/fsdp/_fully_shard/_fsdp_common.py", requested, "info"),
    ):
        stack = (Frame(FILE, 19, "forward"), Frame(packages + file, 30, "wrapper"))
        item = Break(0, reason, None, stack, (FILE, 19), False, "dynamo_graph_break_reason")
        (finding,) = find_check("CD101").detect(of_blocks([compiled("forward", 18)], [item]))
        assert (finding.severity, finding.owner) == (severity, "torch"), file
        assert finding.via and finding.via.line == 19
