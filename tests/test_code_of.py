"""Code that is written from a syntax tree: the same on each Python, and readable by all of them."""

from __future__ import annotations

import ast

import pytest

from compile_doctor.source.code_of import code_of

CASES = {
    "f\"{x['a']}\"": "f\"{x['a']}\"",
    "f'{x[\"a\"]!r:>{w}}'": "f\"{x['a']!r:>{w}}\"",
    "f'{a + b!s}'": "f'{a + b!s}'",
    'f"it\'s {a} of \\"b\\""': "f'''it's {a} of \"b\"'''",
    "f'{x:\\n}'": "f'{x:\\n}'",
    "f'{{{ {1: 2}[1] }}}'": "f'{{{ {1: 2}[1]}}}'",
    "f'{(lambda q: q)(1)} {(a if b else c)}'": "f'{(lambda q: q)(1)} {(a if b else c)}'",
    "f'{x=}'": "f'x={x!r}'",
    "f'''{f\"{d['k']}\"}'''": "f'''{f\"{d['k']}\"}'''",
    "print(f\"{names['x']}\" + 'y', *rest)": "print(f\"{names['x']}\" + 'y', *rest)",
    "x.item() + 1": "x.item() + 1",
    'f"{d[\'a\']} \\"b\\""': "f'''{d['a']} \"b\"'''",
    "f'\\\\d{x}'": "f'\\\\d{x}'",
}


@pytest.mark.parametrize("text", CASES)
def test_f_strings_are_written_as_every_python_reads_them(text):
    tree = ast.parse(text, mode="eval")
    found = code_of(tree.body)
    assert found == CASES[text]
    assert ast.dump(ast.parse(found, mode="eval")) == ast.dump(tree)
    assert ast.dump(tree) == ast.dump(ast.parse(text, mode="eval")), "the tree is the caller's"


def test_quotes_that_are_all_used_are_escaped_outside_of_the_braces():
    text = "f'{d[\"a\"]} \\'\\'\\' \"\"\"'"
    found = code_of(ast.parse(text, mode="eval").body)
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(text))
