"""The decode loop's mistakes: how often each compiles, before and after, and the finding that names its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import run_doctor

from compile_doctor.examples import example_path, example_variants
from compile_doctor.source import locations

STEPS = 4
TARGET = """
import torch
from torch import nn
from compile_doctor.examples import decode_loop

decode_loop.STEPS = {steps}


class Loops(nn.Module):
    def __init__(self):
        super().__init__()
        self.loops = nn.ModuleList(getattr(decode_loop, name)("eager") for name in {names})
        self.calls = 0

    @torch.compiler.disable
    def forward(self, prompt, mask):
        self.calls += 1
        logits = []
        for loop in self.loops if self.calls == 1 else self.loops[-1:]:
            torch._dynamo.reset()  # the loops share their code, and would share what torch keeps of it
            logits.append(loop(prompt, mask))
        return logits


def build_model():
    return Loops().eval()


def example_inputs():
    return decode_loop.example_inputs(128)
"""
RIGHT = ("growing", "autocast", "build_model")
WRONG = (
    "growing_static",
    "new_score_mod",
    "captured_shape",
    "step_counter",
    "layer_index",
    "output_dtype",
    "mask_each_step",
)
ABOUT_THE_BACKEND = {"CD301", "CD305"}
"""The test compiles with backend eager, for which dense attention is what has to be."""


def diagnosed(folder: Path, names: tuple[str, ...]) -> dict[str, object]:
    """All of the loops in one process: one import of torch, and no kernels."""
    (folder / "loops.py").write_text(TARGET.format(steps=STEPS, names=names))
    done = run_doctor(folder, "diagnose", "loops.py", "--repeat", "1", "--format", "json", timeout=600)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def line(text: str) -> int:
    """The first line of the example with this text and no other."""
    lines = [one.strip() for one in example_path("decode-loop").read_text().splitlines()]
    return lines.index(text) + 1


@pytest.mark.compile
def test_the_right_loops_compile_twice_each_and_have_no_findings(tmp_path):
    report = diagnosed(tmp_path, RIGHT)
    assert report["summary"]["recompiles"] == 0
    assert report["summary"]["graphs"] == 2 * len(RIGHT)
    assert {finding["code"] for finding in report["findings"]} <= ABOUT_THE_BACKEND


@pytest.mark.compile
def test_each_mistake_compiles_at_every_step_and_is_named_at_its_line(tmp_path):
    report = diagnosed(tmp_path, WRONG)
    findings = [one for one in report["findings"] if one["code"] not in ABOUT_THE_BACKEND]
    found = {(one["code"], one["location"]["line"], one["count"]) for one in findings}
    again = STEPS - 1
    decoding = line("return self.output(x, self.attend(q, self.keys, self.values, mask, score_mod))")
    assert found == {
        ("CD205", line("def grow("), again),
        ("CD204", decoding, again),
        ("CD203", line("self.keys[:, :, self.used : self.used + 1] = k"), again),
        ("CD203", line("return q / (self.layer_idx + 1)"), 2),
        (
            "CD308",
            line("return create_block_mask(filled, None, None, 1, self.capacity, device=self.slopes.device)"),
            STEPS,
        ),
        ("CD309", line("return flex_attention(q, k, v, score_mod=score_mod, block_mask=mask)"), 1),
    }
    captured = [one for one in findings if "captured tensor" in one["title"]]
    assert len([one for one in findings if one["code"] == "CD204"]) == 2 and len(captured) == 1
    assert "(dimension 1: 129, 130, 131, 132)" in captured[0]["message"]
    assert "1 × 256 pairs" in next(one["message"] for one in findings if one["code"] == "CD308")
    assert report["summary"]["recompiles"] == 4 * again + 2 * 2


def test_every_variant_is_tested():
    assert {*RIGHT, *WRONG} == {"build_model", *example_variants("decode-loop")}


def test_the_reader_of_a_parameter_is_behind_the_parameters():
    source = "def decode(\n    x,\n    score_mod,\n):\n    y = x\n    return score_mod(y)\n"
    assert locations.reader_line({"m.py": source}, "m.py", 1, "decode", "score_mod") == 6
