"""What the syntax trees of the user's files say about attention."""

from __future__ import annotations

import pytest

from compile_doctor.source.static_facts import producer, read_static


def facts(text):
    return read_static({"m.py": text})


def disables(text):
    return [(place.line, place.function, place.name) for place in facts(text).disable_contexts]


BODY = """
class Block:
    def forward(self, x):
        with {}:
            return self.flex(x)
"""


@pytest.mark.parametrize(
    ("imported", "used", "name"),
    [
        ("import torch", "torch.compiler.disable()", "torch.compiler.disable"),
        ("import torch as t", "t.compiler.disable()", "torch.compiler.disable"),
        ("import torch.compiler", "torch.compiler.disable()", "torch.compiler.disable"),
        ("from torch import compiler", "compiler.disable()", "torch.compiler.disable"),
        ("from torch.compiler import disable", "disable()", "torch.compiler.disable"),
        ("from torch.compiler import disable as off", "off()", "torch.compiler.disable"),
        ("import torch", "torch._dynamo.disable()", "torch._dynamo.disable"),
        ("import torch._dynamo as d", "d.disable()", "torch._dynamo.disable"),
        ("from torch import _dynamo", "_dynamo.disable(recursive=False)", "torch._dynamo.disable"),
        ("import torch", "torch.compiler.disable() as nothing", "torch.compiler.disable"),
        ("import torch", "torch.no_grad(), torch.compiler.disable()", "torch.compiler.disable"),
    ],
)
def test_disable_in_a_with_statement_whatever_it_is_called(imported, used, name):
    assert disables(imported + BODY.format(used)) == [(4, "Block.forward", name)]


@pytest.mark.parametrize(
    "text",
    [
        "import torch\n@torch.compiler.disable()\ndef f(x):\n    return x\n",
        "import torch\n@torch.compiler.disable\ndef f(x):\n    return x\n",
        "import torch\nisolated = torch.compiler.disable(lambda x: x)\n",
        "def f(disable, x):\n    with disable():\n        return x\n",
        "from contextlib import suppress as disable\nwith disable():\n    pass\n",
        "from .torch.compiler import disable\nwith disable():\n    pass\n",
        "import torch\nwith torch.compiler.set_stance('force_eager'):\n    pass\n",
        "import torch\nwith torch.compiler.disable(make)():\n    pass\n",
        "# with torch.compiler.disable():\ntext = 'with torch.compiler.disable(): pass'\n",
    ],
)
def test_what_is_no_such_with_statement(text):
    assert disables(text) == []


def test_async_with():
    text = "from torch.compiler import disable\nasync def serve(x):\n    async with disable():\n        return x\n"
    assert disables(text) == [(3, "serve", "torch.compiler.disable")]


def test_a_with_statement_of_the_module():
    assert disables("import torch\nwith torch.compiler.disable():\n    pass\n")[0][1] == "<module>"


def test_the_line_is_that_of_the_call():
    text = "import torch\nwith (\n    torch.no_grad(),\n    torch.compiler.disable(),\n):\n    pass\n"
    assert disables(text)[0][0] == 4


def test_an_import_within_a_function_counts():
    text = "def f(x):\n    from torch.compiler import disable as off\n    with off():\n        return x\n"
    assert [line for line, _, _ in disables(text)] == [3]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import flash_attn", "flash_attn"),
        ("import flash_attn.bert_padding as padding", "flash_attn.bert_padding"),
        ("from flash_attn import flash_attn_func", "flash_attn_func"),
        ("from flash_attn.flash_attn_interface import flash_attn_varlen_func as f, x", "flash_attn_varlen_func, x"),
    ],
)
def test_flash_attn_is_imported(line, name):
    (place,) = facts(
        f"def attend(q):\n    try:\n        {line}\n    except ImportError:\n        pass\n"
    ).flash_attn_imports
    assert (place.line, place.function, place.name) == (3, "attend", name)


@pytest.mark.parametrize(
    "line",
    ["import flash_attn_2", "from .flash_attn import f", "from lib.flash_attn import f", "flash_attn = None"],
)
def test_what_is_no_import_of_flash_attn(line):
    assert facts(line + "\n").flash_attn_imports == ()


MASK = """
from torch.nn.attention.flex_attention import create_block_mask

class Block:
    def {function}(self, x):
        def near(b, h, q, k):
            return q - k < 8
        return create_block_mask({argument}, None, None, 64, 64)
"""


@pytest.mark.parametrize(
    ("function", "argument", "found"),
    [
        ("forward", "near", [(8, "Block.forward")]),
        ("forward", "lambda b, h, q, k: q >= k", [(8, "Block.forward")]),
        ("forward", "self.near", []),
        ("forward", "causal", []),
        ("__init__", "near", []),
    ],
)
def test_a_mask_made_in_forward_of_a_function_made_there(function, argument, found):
    places = facts(MASK.format(function=function, argument=argument)).masks_in_forward
    assert [(place.line, place.function) for place in places] == found


def test_files_that_do_not_parse_are_left_out():
    broken = ["def f(:\n", "x = 1\x00\n", "x = '\udc80'\n", "(" * 5000]
    good = "import torch\nwith torch.compiler.disable():\n    pass\n"
    found = read_static({**{f"{number}.py": text for number, text in enumerate(broken)}, "z.py": good})
    assert [place.file for place in found.disable_contexts] == ["z.py"]


def test_a_byte_order_mark_is_no_error():
    assert disables("\ufeffimport torch\nwith torch.compiler.disable():\n    pass\n")


def test_files_and_lines_are_in_order():
    text = "import flash_attn\n\nimport flash_attn\n"
    found = read_static({"b.py": text, "a.py": text}).flash_attn_imports
    assert [(place.file, place.line) for place in found] == [("a.py", 1), ("a.py", 3), ("b.py", 1), ("b.py", 3)]


FORWARD = """\
def elsewhere(k):
    k = None
    return k

def forward(self, x):
    q, k = self.q(x), self.k(x)
    k = self.rope(
        k)
    v = self.v(x)
    y = self.attend(q, k, v,
                    block_mask=mask)
    k = y
    return y
"""


@pytest.mark.parametrize(
    ("line", "argument", "expected"),
    [
        (10, 0, (6, "self.q(x), self.k(x)")),
        (10, 1, (7, "self.rope(")),  # the last one before the call, its first line
        (11, 2, (9, "self.v(x)")),  # a line of the call that is not its first
        (10, 3, None),  # a keyword argument
        (13, 0, None),  # no call there
        (99, 0, None),  # outside of functions
    ],
)
def test_producer(line, argument, expected):
    assert producer(FORWARD, line, argument) == expected


def test_producer_stays_in_the_innermost_function():
    text = "def outer(k):\n    k = first(k)\n    def inner(q, k):\n        return attend(q, k)\n    return inner\n"
    assert producer(text, 4, 1) is None


def test_producer_is_before_the_call_not_its_own_result():
    text = "def f(self, q, x):\n    k = self.k(x)\n    k = attend(q, k)\n    return k\n"
    assert producer(text, 3, 1) == (2, "self.k(x)")


def test_producer_of_an_expression_or_a_parameter_is_not_known():
    text = "def f(q, k):\n    return attend(q, self.k(k), q)\n"
    assert [producer(text, 2, argument) for argument in range(3)] == [None, None, None]


def test_producer_of_a_file_that_does_not_parse():
    assert producer("def f(:\n", 1, 0) is None
