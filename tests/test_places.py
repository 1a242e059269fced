"""Whose code a file is, and what the source says around a line."""

from __future__ import annotations

import pytest

from compile_doctor.model.stacks import Frame
from compile_doctor.source import locations
from compile_doctor.targets.signature import attention_functions
from compile_doctor.targets.target import Target
from compile_doctor.targets.variants import axes_of

TORCH = "/venv/lib/python3.11/site-packages/torch/nn/modules/module.py"
OWNERS = [
    ("/work/project/model.py", "mine"),
    ("/work/torch/model.py", "mine"),
    ("/home/me/lib/python3.11x/model.py", "mine"),
    (TORCH, "torch"),
    ("/usr/lib/python3/dist-packages/torch/_tensor.py", "torch"),
    ("C:\\venv\\Lib\\site-packages\\torch\\nn\\modules\\module.py", "torch"),
    ("<eval_with_key>.3", "torch"),
    ("/src/pytorch/torch/nn/functional.py", "torch"),
    ("/cache/nq/cnqlheovov5lwve2yvcqhikvz2xa4aw7xwx67pb6crrrkgrm7mqw.py", "torch"),
    ("/work/nq/cnqlheovov5lwve2yvcqhikvz2xa4aw7xwx67pb6.py", "mine"),
    ("/venv/lib/python3.11/site-packages/transformers/models/llama.py", "dependency"),
    ("/venv/lib/python3.11/site-packages/torchvision/ops.py", "dependency"),
    ("/usr/lib/python3.11/contextlib.py", "dependency"),
    ("<frozen importlib._bootstrap>", "dependency"),
    ("<string>", "dependency"),
]


@pytest.mark.parametrize(("file", "owner"), OWNERS)
def test_owner(file, owner):
    assert locations.owner(file, "/src/pytorch/torch/") == owner


def test_the_innermost_frame_leaves_out_plumbing_and_the_standard_library():
    mine, package = Frame("/work/model.py", 3, "forward"), Frame("/venv/site-packages/lib/attention.py", 9, "attend")
    call, library = Frame(TORCH, 1778, "_call_impl"), Frame("/usr/lib/python3.11/logging/__init__.py", 1, "warning")
    assert locations.innermost([mine, call, package, call, library]) == package
    assert locations.innermost([mine, call, library]) == mine
    assert locations.innermost([library]) == library
    assert locations.innermost([call]) is None
    assert locations.innermost([]) is None
    assert locations.innermost_mine([mine, call, package]) == mine
    assert locations.innermost_mine(iter([call, package])) is None


SOURCE = """\
import torch


class Block(torch.nn.Module):
    @torch.no_grad()
    @staticmethod
    def forward(
        x,
    ):
        for row in x:
            y = [v.item() for v in row]
        width = x.shape[0]  # width
        def inner():
            return width
        return inner

    async def later(self):
        while True:
            pass


def forward(x): return (lambda z: z + 1)(x)
"""
SOURCES = {"m.py": SOURCE}


def test_qualified_names():
    assert locations.qualified(SOURCES, "m.py", 10, "forward") == "Block.forward"
    assert locations.qualified(SOURCES, "m.py", 14, "inner") == "Block.forward.inner"
    assert locations.qualified(SOURCES, "m.py", 17, "later") == "Block.later"
    assert locations.qualified(SOURCES, "m.py", 22, "forward") == "forward"
    assert locations.qualified(SOURCES, "m.py", 99, "forward") == "forward"
    assert locations.qualified({}, "m.py", 10, "forward") == "forward"
    assert locations.qualified({"m.py": "def ("}, "m.py", 1, "f") == "f"


def test_the_line_of_def_behind_decorators():
    assert locations.definition_line(SOURCES, "m.py", 5, "forward") == 7
    assert locations.definition_line(SOURCES, "m.py", 7, "forward") == 7
    assert locations.definition_line(SOURCES, "m.py", 0, "forward") == 7
    assert locations.definition_line(SOURCES, "m.py", 10, "nothing") == 10
    assert locations.definition_line({}, "m.py", 10, "forward") == 10


def test_in_loop():
    assert locations.in_loop(SOURCES, "m.py", 11, 7)
    assert locations.in_loop(SOURCES, "m.py", 18, 16)
    assert not locations.in_loop(SOURCES, "m.py", 12, 7)
    assert not locations.in_loop(SOURCES, "m.py", 11, 11 + 1)  # the loop begins before this function
    assert not locations.in_loop({"m.py": "for (", "n.py": ""}, "m.py", 1, 1)


def test_the_first_line_that_reads_a_name():
    assert locations.reader_line(SOURCES, "m.py", 7, "forward", "width") == 12
    assert locations.reader_line(SOURCES, "m.py", 7, "forward", "nowhere") is None
    assert locations.reader_line({}, "m.py", 7, "forward", "width") is None


def test_snippets():
    assert locations.snippet(SOURCES, "m.py", 12) == "width = x.shape[0]  # width"
    assert [locations.snippet(SOURCES, "m.py", line) for line in (0, -1, 999)] == ["", "", ""]
    assert locations.snippet({}, "m.py", 1) == ""


@pytest.mark.parametrize("odd", ["\x0c\n", "text = '\u2028'\n", "text = '\x1c \x85'\n", "# \x0b\n"])
def test_only_line_ends_of_python_count_as_lines(odd):
    """A form feed or a line separator ends no line for Python, though it does for str.splitlines."""
    sources = {"m.py": f"import torch\n{odd}def f(x):\n    return x.item()\n"}
    assert locations.snippet(sources, "m.py", 4) == "return x.item()"
    assert locations.definition_line(sources, "m.py", 3, "f") == 3
    assert locations.reader_line(sources, "m.py", 3, "f", "item") == 4


def test_windows_line_ends():
    sources = {"m.py": SOURCE.replace("\n", "\r\n")}
    assert locations.snippet(sources, "m.py", 12) == "width = x.shape[0]  # width"
    assert locations.qualified(sources, "m.py", 12, "forward") == "Block.forward"


def test_a_file_that_begins_with_a_byte_order_mark():
    assert locations.qualified({"m.py": "\ufeff" + SOURCE}, "m.py", 10, "forward") == "Block.forward"


@pytest.mark.parametrize("text", ["-" * 100_000 + "1", "1+" * 100_000 + "1", "(" * 300 + ")" * 300, "x = 1\0"])
def test_a_file_that_no_python_can_parse_is_a_file_without_functions(text, tmp_path):
    """Each Python refuses these in its own way: MemoryError, RecursionError, SyntaxError, ValueError."""
    assert locations.qualified({"m.py": text}, "m.py", 1, "forward") == "forward"
    (tmp_path / "m.py").write_text(text)
    target = Target("m.py", tmp_path / "m.py", None, None)
    assert attention_functions(target) == [] and axes_of(target, ()) == {}


def test_standard_library():
    assert locations.is_stdlib("/usr/lib/python3.11/json/decoder.py")
    assert locations.is_stdlib("/usr/lib/python3.13t/json/decoder.py"), "without the GIL"
    assert locations.is_stdlib("<frozen runpy>") and locations.is_stdlib("<string>")
    assert not locations.is_stdlib(TORCH) and not locations.is_stdlib("/work/model.py")


GENERATED = [
    ("/tmp/tmp8jdul9tz/torch_geometric.nn.conv.gcn_propagate.py", True),
    ("/tmp/torch_geometric.nn.conv_GCNConv_propagate_a1b2c3d4.py", True),
    ("/var/folders/ab/cdef/T/tmpab12cd34/layer.py", True),
    ("/tmp/kernels_9m9wsbko/gen_ops.py", True),
    ("/tmp/ipykernel_4711/1234567.py", False),
    ("/tmp/tmpzzzzzzzz/model.py", False),
    ("/work/project/tmp8jdul9tz/layer.py", False),
    ("/tmp/project/model.py", False),
]


@pytest.mark.parametrize(("file", "generated"), GENERATED)
def test_generated_code_is_a_package_s(file, generated):
    roots = locations.user_roots("/tmp", "/tmp/tmpzzzzzzzz/model.py:build", ["/usr/lib/python3.11", ""])
    assert locations.is_generated(file, roots) is generated


def test_torch_s_functions_are_at_the_line_that_calls_them():
    mine, pad = Frame("/work/model.py", 3, "forward"), Frame("/venv/site-packages/torch/nn/functional.py", 5823, "pad")
    assert locations.innermost([mine, pad]) == mine
    assert locations.innermost([pad]) == pad
    optimizer = Frame("/venv/site-packages/torch/optim/adam.py", 9, "step")
    assert locations.innermost([mine, optimizer]) == optimizer


def test_a_hook_that_torch_cannot_register_is_at_the_line_that_registers_it():
    mine = Frame("/work/m.py", 6, "forward")
    module = Frame("/venv/site-packages/torch/nn/modules/module.py", 1738, "register_forward_hook")
    inside = Frame("/venv/site-packages/torch/utils/hooks.py", 27, "__init__")
    assert locations.innermost((mine, module, inside)) == mine
