"""What the doctor's own processes spare the compiler: there is something to spare, and they still compute the same."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from compile_doctor.probe.entry import shortcuts


def test_the_headers_are_the_kernel_s_own_in_their_order():
    root = Path(torch.__file__).parent
    template = root / "_inductor" / "codegen"
    including = "".join((template / name).read_text() for name in ("cpp_template.py", "cpp_flex_attention_template.py"))
    own = re.findall(r"#include <(.+?)>", including)
    places = [own.index(header) for header in shortcuts.FLEX_HEADERS]
    assert places == sorted(places)
    assert all((root / "include" / header).is_file() for header in shortcuts.FLEX_HEADERS)


WRITTEN = """
import json, sys
from compile_doctor.probe.entry import shortcuts
if sys.argv[1] == "short":
    shortcuts.skip_guard_timing(), shortcuts.precompile_flex_headers(), shortcuts.reuse_templates()
import torch._dynamo.guards as guards
import torch._inductor.codecache as codecache
from torch._inductor.codegen.common import KernelTemplate

asked = []
codecache.CppTorchDeviceOptions = lambda **given: None
codecache.CppBuilder = lambda **given: asked.append(open(given["sources"]).read()) or 1 / 0
try:
    codecache._precompile_header("torch/csrc/inductor/cpp_prefix.h", "-O3")
except ZeroDivisionError:
    pass
one, other = (KernelTemplate._template_from_string("{{ a }} of {{ b }}") for _ in range(2))
print(json.dumps({
    "header": asked[0].splitlines(),
    "then": [one.splitlines() for one in asked[1:]],
    "same": one is other,
    "rendered": [one.render(a=1, b=2), other.render(a=3, b=4)],
    "timed": guards.profile_guard_manager.__name__,
}))
"""


@pytest.fixture(scope="module")
def seen():
    """What a process has with and without."""
    return {
        kind: json.loads(subprocess.run([sys.executable, "-c", WRITTEN, kind], check=True, capture_output=True).stdout)
        for kind in ("short", "long")
    }


def test_each_of_them_changes_what_this_torch_has(seen):
    prefix = "#include <torch/csrc/inductor/cpp_prefix.h>"
    assert seen["long"]["header"] == [prefix]
    assert seen["short"]["header"] == [prefix, *(f"#include <{header}>" for header in shortcuts.FLEX_HEADERS)]
    assert seen["short"]["then"] == [[prefix]], "where the compiler does not take them"
    assert (seen["long"]["same"], seen["short"]["same"]) == (False, True)
    assert (seen["long"]["timed"], seen["short"]["timed"]) == ("profile_guard_manager", "<lambda>")


def test_a_template_that_is_used_again_renders_what_it_is_given(seen):
    assert seen["short"]["rendered"] == seen["long"]["rendered"] == ["1 of 2", "3 of 4"]
