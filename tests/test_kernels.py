"""What was lowered, read from small modules as Inductor writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from compile_doctor.capture import load_capture
from compile_doctor.model.kernels import (
    FASTEST_FIRST,
    MARKERS,
    Kernel,
    find_kernels,
    implementation,
    without_the_rest,
)

RECORDED = Path(__file__).parent / "evidence" / "2.13.0"
HEAD = """\
import torch
from torch._inductor.async_compile import AsyncCompile
empty_strided_cpu = torch._C._dynamo.guards._empty_strided_cpu
async_compile = AsyncCompile()
"""
PLAIN = """
{name} = async_compile.cpp_pybinding(['const float*', 'float*'], '''
#include "header.h"
extern "C"  void kernel(const float* in_ptr0, float* out_ptr0)
{{
    out_ptr0[0] = std::exp(in_ptr0[0]);
}}
''')
"""
FLEX_CPP = """
{name} = async_compile.cpp_pybinding(['const float*', 'const float*', 'const float*', 'float*'], '''
#include "header.h"
template <typename scalar_t>
inline void {helper}(
    scalar_t* a,
    const int& size)
{{
}}
extern "C"  void kernel(const float* query, const float* key, const float* value, float* output)
{{
            {helper}(
                qk_data, kvBlockSize);
}}
''')
"""
TEMPLATE = "kernel_exp_reduce_sum_fusion_kernel"
FLEX_TRITON = """
{name} = async_compile.triton('{name}', '''
import triton
@triton.jit
def {name}(arg_Q, arg_K, arg_V, out_ptr0):
    acc, l_i, m_i = {inner}(
        arg_Q, q, K, V,
    )
''', device_str='cuda')
"""
BACKWARD_TRITON = """
{name} = async_compile.triton('{name}', '''
@triton.jit
def {name}(arg_Q, arg_K, arg_V, arg_LSE, out_ptr0):
        # the backward pass computes what forward_inner did once more
        dq = bwd_dq_inner(
            arg_Q, K, V,
        )
''', device_str='cuda')
"""
CUTE = """
{name} = async_compile.cutedsl('{name}', r'''
from flash_attn.cute.interface import {function}

def {name}_main(Q, K, V, output, stream):
    {function}(
        Q, K, V, out=output,
    )
''')
"""
CALL = """
async_compile.wait(globals())
del async_compile

class Runner:
    def call(self, args):
        arg0_1, arg1_1, arg2_1 = args
        args.clear()
        buf0 = empty_strided_cpu((1, 2, 512, 32), (32768, 16384, 32, 1), torch.float32)
{lines}
        return (buf0, )
"""
COMMENT = "# Topologically Sorted Source Nodes: [{}], Original ATen: [aten._scaled_dot_product_flash_attention_for_cpu]"


def module(*definitions, calls=()):
    return HEAD + "".join(definitions) + CALL.format(lines="\n".join(" " * 8 + line for line in calls))


def cpp(name, helper=TEMPLATE):
    return FLEX_CPP.format(name=name, helper=helper)


def triton(name, inner="forward_inner"):
    return FLEX_TRITON.format(name=name, inner=inner)


def run(name):
    return f"{name}.run(arg0_1, arg1_1, arg2_1, buf0, grid=grid(4, 2, 1), stream=stream0)"


def sdpa(which, *nodes):
    comment = [COMMENT.format(", ".join(nodes))] if nodes else []
    return [*comment, f"buf3 = torch.ops.aten._scaled_dot_product_{which}.default(arg0_1, arg1_1, arg2_1, 0.0, True)"]


VARLEN = "torch_attn._varlen_attn.default"
MODULES = {
    "torch 2.8 on CPU": module(
        PLAIN.format(name="cpp_fused_0"), cpp("cpp_fused_1"), calls=["cpp_fused_0(arg0_1, buf0)", "cpp_fused_1(arg0_1)"]
    ),
    "CPU": module(cpp("cpp_fused_flex_attention_0"), calls=["cpp_fused_flex_attention_0(arg0_1, arg1_1, buf0)"]),
    "the kernel is the last of two": module(
        PLAIN.format(name="cpp_fused_add_0"),
        cpp("cpp_fused_flex_attention_1"),
        calls=["cpp_fused_add_0(arg0_1, buf0)", "cpp_fused_flex_attention_1(arg0_1, arg1_1, buf0)"],
    ),
    "two layers share a kernel": module(cpp("cpp_fused_1"), calls=["cpp_fused_1(arg0_1)", "cpp_fused_1(buf0)"]),
    "two kernels": module(cpp("cpp_fused_1"), cpp("cpp_fused_12"), calls=["cpp_fused_1(arg0_1)", "cpp_fused_12(buf0)"]),
    "Triton": module(triton("triton_tem_fused_0"), calls=[run("triton_tem_fused_0")]),
    "Triton, decoding": module(triton("triton_tem_fused_0", "forward_block_mn"), calls=[run("triton_tem_fused_0")]),
    "Triton, backward": module(BACKWARD_TRITON.format(name="triton_tem_fused_1"), calls=[run("triton_tem_fused_1")]),
    "CuTe": module(
        CUTE.format(name="cutedsl_fused_0", function="_flash_attn_fwd"),
        calls=["cutedsl_fused_0.run(arg0_1, arg1_1, arg2_1, buf0, stream=stream0)"],
    ),
    "CuTe, backward": module(
        CUTE.format(name="cutedsl_fused_1", function="_flash_attn_bwd"), calls=["cutedsl_fused_1.run(arg0_1, buf0)"]
    ),
    "SDPA": module(calls=sdpa("flash_attention_for_cpu", "scaled_dot_product_attention")),
    "two SDPA": module(calls=[*sdpa("flash_attention_for_cpu", "y"), *sdpa("flash_attention_for_cpu", "add", "y_1")]),
    "SDPA, backward": module(calls=sdpa("flash_attention_for_cpu_backward", "y")),
    "both": module(cpp("cpp_fused_1"), calls=["cpp_fused_1(arg0_1)", *sdpa("efficient_attention", "y")]),
    "varlen_attn": module(
        calls=[
            COMMENT.format("mul, _varlen_attn"),
            f"buf1 = torch.ops.{VARLEN}(buf0, arg1_1, arg2_1, arg3_1, arg3_1, 60, 60, False, None, [-1, -1])",
            f"assert_size_stride(buf2, (100, 2, 32), (64, 32, 1), 'torch.ops.{VARLEN}')",
        ]
    ),
    "varlen_attn, backward": module(calls=["buf1 = torch.ops.torch_attn._varlen_attn_backward.default(buf0, arg1_1)"]),
    "no attention": module(PLAIN.format(name="cpp_fused_0"), calls=["cpp_fused_0(arg0_1, buf0)"]),
}
FLASH = "aten._scaled_dot_product_flash_attention_for_cpu.default"
FOUND = {
    "torch 2.8 on CPU": [Kernel("flex_attention", "cpp_fused_1", "cpp", 1)],
    "CPU": [Kernel("flex_attention", "cpp_fused_flex_attention_0", "cpp", 1)],
    "the kernel is the last of two": [Kernel("flex_attention", "cpp_fused_flex_attention_1", "cpp", 1)],
    "two layers share a kernel": [Kernel("flex_attention", "cpp_fused_1", "cpp", 2)],
    "two kernels": [
        Kernel("flex_attention", "cpp_fused_1", "cpp", 1),
        Kernel("flex_attention", "cpp_fused_12", "cpp", 1),
    ],
    "Triton": [Kernel("flex_attention", "triton_tem_fused_0", "triton", 1)],
    "Triton, decoding": [Kernel("flex_attention", "triton_tem_fused_0", "triton", 1)],
    "Triton, backward": [],
    "CuTe": [Kernel("flex_attention", "cutedsl_fused_0", "cutedsl", 1)],
    "CuTe, backward": [],
    "SDPA": [Kernel("sdpa", FLASH, "flash", 1, ("scaled_dot_product_attention",))],
    "two SDPA": [Kernel("sdpa", FLASH, "flash", 1, ("y",)), Kernel("sdpa", FLASH, "flash", 1, ("add", "y_1"))],
    "SDPA, backward": [],
    "both": [
        Kernel("flex_attention", "cpp_fused_1", "cpp", 1),
        Kernel("sdpa", "aten._scaled_dot_product_efficient_attention.default", "efficient", 1, ("y",)),
    ],
    "varlen_attn": [Kernel("varlen_attn", VARLEN, "varlen", 1, ("mul", "_varlen_attn"))],
    "varlen_attn, backward": [],
    "no attention": [],
}


@pytest.mark.parametrize("name", MODULES)
def test_kernels_of_a_module(name):
    assert list(find_kernels(MODULES[name])) == FOUND[name]


@pytest.mark.parametrize("name", MODULES)
def test_without_the_rest_says_the_same_in_fewer_lines(name):
    shorter = without_the_rest(MODULES[name])
    assert find_kernels(shorter) == find_kernels(MODULES[name])
    assert len(shorter.splitlines()) < len(MODULES[name].splitlines())
    assert without_the_rest(shorter) == shorter


@pytest.mark.parametrize("name", MODULES)
def test_a_module_with_a_kernel_has_a_marker(name):
    code = MODULES[name].encode()
    assert any(marker in code for marker in MARKERS) or not FOUND[name]


@pytest.mark.parametrize(
    ("operator", "backend"),
    [
        ("flash_attention", "flash"),
        ("flash_attention_for_cpu", "flash"),
        ("efficient_attention", "efficient"),
        ("cudnn_attention", "cudnn"),
        ("fused_attention_overrideable", "overrideable"),
    ],
)
def test_sdpa_backends(operator, backend):
    (kernel,) = find_kernels(module(calls=sdpa(operator)))
    assert (kernel.backend, kernel.nodes) == (backend, ())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("buf6 = torch.ops.higher_order.run_and_save_rng_state({}, arg0_1, 0.0, True)", True),
        ("buf6 = torch.ops.higher_order.graphsafe_run_with_rng_state({}, arg0_1, rng_state=fwd_rng_state_0)", True),
        ("buf0 = torch.ops.higher_order.run_with_rng_state(rng_state_output_0, {}, arg0_1, 0.0, True)", False),
        ("buf0 = torch.ops.higher_order.graphsafe_run_with_rng_state({}, arg0_1, rng_state=bwd_rng_state_0)", False),
        ("assert_size_stride(buf1, (1, 2), (2, 1), '{}')", False),
    ],
)
def test_a_checkpointed_operator_is_passed_on_in_the_forward_and_again_in_the_backward(line, found):
    """Up to torch 2.14, for operators that may draw random numbers: flash is one of them."""
    operator = "torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default"
    code = module(calls=[COMMENT.format("sdpa_1"), line.format(operator)])
    kernels = [Kernel("sdpa", FLASH, "flash", 1, ("sdpa_1",))] if found else []
    assert list(find_kernels(code)) == kernels == list(find_kernels(without_the_rest(code)))


def test_a_comment_without_nodes_names_none():
    """As torch writes it above a checkpointed operator."""
    (kernel,) = find_kernels(module(calls=[COMMENT.format(""), *sdpa("flash_attention")]))
    assert kernel.nodes == ()


def test_a_name_is_no_proof():
    """Inductor names kernels by the nodes that it fuses: the dense path's pieces hold flex_attention too."""
    named = module(PLAIN.format(name="cpp_fused_flex_attention_0"), calls=["cpp_fused_flex_attention_0(arg0_1)"])
    assert find_kernels(named) == ()


def test_a_definition_or_a_comment_is_no_call():
    text = module(cpp("cpp_fused_1"), calls=["# cpp_fused_1 was here", "other_cpp_fused_1(arg0_1)"])
    assert [kernel.calls for kernel in find_kernels(text)] == [0]


def test_an_operator_that_is_only_mentioned_is_no_call():
    assert find_kernels(module(calls=["# torch.ops.aten._scaled_dot_product_flash_attention.default(q, k, v)"])) == ()


def test_math_and_other_operators_are_no_kernel():
    assert find_kernels(module(calls=["buf1 = torch.ops.aten._scaled_dot_product_attention_math.default(q)"])) == ()
    assert find_kernels(module(calls=["buf1 = torch.ops.aten._flash_attention_forward.default(q)"])) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("attn-flex-alone", [("flex_attention", "cpp", 1)]),
        ("attn-two-layers-one-line", [("flex_attention", "cpp", 1), ("flex_attention", "cpp", 1)]),
        ("attn-sdpa-causal", [("sdpa", "flash", 1)]),
        ("attn-sdpa-dropout", []),
    ],
)
def test_recorded_modules(name, expected):
    found = [kernel for c in load_capture(RECORDED / f"{name}.zip").compilations for kernel in c.kernels or ()]
    assert [(kernel.api, kernel.backend, kernel.calls) for kernel in found] == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128, 128, 4>>",
            "flash-2",
        ),  # H100, torch 2.11
        ("void pytorch_flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<64, 64>>", "flash-2"),
        ("void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<flash::Coll", "flash-3"),
        ("kernel_cutlass_kernel_flash_attncuteflash_fwd_sm90FlashAttentionForwardSm90_object_at__t", "flash-4"),
        ("aten_unknown", "flash"),
    ],
)
def test_the_generation_of_flash_attention_is_that_of_the_kernel_that_ran(name, expected):
    assert implementation("sdpa", "flash", ["other", name]) == expected
    assert implementation("sdpa", "cudnn", [name]) == "cudnn"
    assert implementation("flex_attention", "triton", [name]) == "triton"


def test_flexs_decoding_kernel_is_another_one():
    decoding = FLEX_TRITON.format(name="t", inner="forward_inner").replace(
        "acc,", "SPLIT_KV : tl.constexpr = 8\n    acc,", 1
    )
    assert [kernel.backend for kernel in find_kernels(HEAD + decoding)] == ["triton-decode"]
    assert [kernel.backend for kernel in find_kernels(without_the_rest(HEAD + decoding))] == ["triton-decode"]


def test_every_implementation_has_a_rank():
    known = {
        "cpp",
        "triton",
        "triton-decode",
        "cutedsl",
        "flash",
        "flash-2",
        "flash-3",
        "flash-4",
        "efficient",
        "cudnn",
    }
    assert known | {"overrideable", "math", "dense"} == set(FASTEST_FIRST)


@pytest.mark.parametrize(
    ("ran", "name"),
    [
        (["void pytorch_flash::flash_fwd_kernel<...>"], "flash-2"),
        (["void cutlass::device_kernel<flash::enable_sm90<...>>"], "flash-3"),
        (["cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16"], "cudnn"),
        ([], "varlen"),
    ],
)
def test_what_computes_varlen_attn_is_known_by_the_kernel_that_ran(ran, name):
    assert implementation("varlen_attn", "varlen", ran) == name


@pytest.mark.parametrize("used", [True, False])
def test_a_triton_kernel_says_whether_it_loads_by_tma(used):
    """As the template's constants are written."""
    kernel = triton("triton_tem_fused_0").replace("    acc,", f"    USE_TMA : tl.constexpr = {used}\n    acc,")
    code = module(kernel, calls=[run("triton_tem_fused_0")])
    assert (
        [one.tma for one in find_kernels(code)] == [used] == [one.tma for one in find_kernels(without_the_rest(code))]
    )
    assert [one.tma for one in find_kernels(module(triton("triton_tem_fused_0")))] == [None]
