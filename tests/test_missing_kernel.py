"""CD002 for an operator that the device has no kernel for: what torch says, and what to do instead."""

from __future__ import annotations

import pytest
from helpers import DONE, evidence, failure

from compile_doctor.report.make import make_report

COULD_NOT = "Could not run '{}' with arguments from the 'CPU' backend. This could be because the operator doesn't exist for this backend"


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        ("aten::_flash_attention_forward", "flex_attention with a BlockMask"),
        ("aten::_grouped_mm", "from torch 2.9 on"),
        ("aten::_some_other", "--device"),
    ],
)
def test_an_operator_without_a_kernel_is_named_with_what_to_do_instead(operator, words):
    error = failure("eager", "NotImplementedError", COULD_NOT.format(operator))
    (one,) = make_report(evidence(failures=(error,), phases={**DONE, "eager": "failed"})).findings
    assert one.code == "CD002" and operator in one.message and words in one.fix
    assert one.title == "CPU has no kernel for an operator of the target"


def test_another_error_is_the_targets_own():
    error = failure("eager", "NotImplementedError", "Could not run the tokenizer with arguments from the 'x'")
    (one,) = make_report(evidence(failures=(error,), phases={**DONE, "eager": "failed"})).findings
    assert one.title == "The target fails in eager mode" and "tokenizer" in one.message
