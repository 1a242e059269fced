"""What is said about the inputs and settings that varlen_attn refuses; the words are torch's."""

from __future__ import annotations

import pytest

from compile_doctor.checks.varlen_refusals import varlen_fix

THROUGH = 'File "/venv/torch/nn/attention/varlen.py", line 296, in varlen_attn'


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        (
            "Expect query and key/value to have the same number of heads but got Hq=8 and Hkv=2. Try setting "
            "enable_gqa=True for GQA.",
            "enable_gqa=True, with which 8 query heads share the 2",
        ),
        ("Expect number of query heads to be a multiple of kv heads for GQA but got Hq=8 and Hkv=3.", "(8) a multiple"),
        ("scale must be greater than 0, got -1.0", "positive scale"),
        ("window_size must have length 2, got 3", "(-1, 0) for causal"),
        ("seqused_k is an inference-only parameter.", "train without seqused_k"),
        ("GQA is not supported with the cuDNN backend.", "SDPBackend.FLASH_ATTENTION too"),
        ("seqused_k/block_table is not yet supported with the cuDNN backend.", "leave out what cuDNN refuses"),
        ("No viable backend for varlen_attn. Enable SDPBackend.FLASH_ATTENTION", "varlen_attn has no other"),
        ("FlashAttention only support fp16 and bf16 data type", "bfloat16 or float16"),
        ("query and value must have the same dtype", "Cast value to the dtype of query"),
        ("cu_seqlens_k must have dtype int32", "Make cu_seqlens_k int32"),
        ("FlashAttention forward only supports head dimension at most 256", "heads of at most 256"),
        ("Paged KV cache block size must be divisible by 256", "pages of a multiple of 256"),
    ],
)
def test_each_refusal_has_a_fix(message, fix):
    assert fix in (varlen_fix(message, f"{THROUGH}\n{message}") or "")


def test_the_same_words_of_another_function_are_not_its_refusal():
    assert varlen_fix("query and key must have the same dtype", 'File "model.py", line 3, in forward') is None


def test_another_message_has_none():
    assert varlen_fix("CUDA out of memory", THROUGH) is None
