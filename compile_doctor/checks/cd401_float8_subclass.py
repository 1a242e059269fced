"""CD401: a float8 tensor subclass reaches attention as q, k or v."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.analysis.attention.input_errors import is_plain
from compile_doctor.analysis.context import AnalysisContext
from compile_doctor.checks.attention_values import described, refusal_values
from compile_doctor.checks.base import Check
from compile_doctor.model.findings import Finding


def detect(seen: AnalysisContext) -> Iterator[Finding]:
    refusal = seen.refusal
    if refusal is None or refusal.check != CHECK.name:
        return
    name = refusal.subject.rsplit(".", 1)[-1]
    odd = [index for index, tensor in enumerate(refusal.inputs) if tensor is not None and not is_plain(tensor)]
    which = described(seen, refusal, odd)
    yield CHECK.finding(
        f"A {name} reaches attention",
        f"{name} is a tensor subclass, and flex_attention has no rule for it."
        + (f" {which[:1].upper()}{which[1:]}." if which else "")
        + " Float8 linear layers are not the cause: they return plain tensors.",
        cause=f"subclass:{name}",
        fix="Dequantise, or cast to the compute dtype, before attention: q = q.dequantize() or q.to_original_precision().",
        **refusal_values(seen, refusal),
    )


CHECK = Check(
    code="CD401",
    name="float8-subclass-in-attention",
    severity="error",
    category="float8",
    summary="A float8 tensor subclass reaches flex_attention or SDPA as q, k or v.",
    explanation="""\
Float8 libraries keep data and scale together in a tensor subclass (for example torchao's Float8TrainingTensor).
flex_attention is a higher-order operator and needs a rule for each subclass; these have none: `NotImplementedError:
There was no rule registered for HOP flex_attention and subclass …`, compiled and in eager mode. The same is true of any
other subclass without a rule.

Float8 *linear layers* around attention are fine: their outputs are plain bfloat16 or float32 tensors, and the kernel
stays fused. The error occurs only if a float8 tensor reaches attention itself.
""",
    detect=detect,
    fires="""\
import torch
from torch.nn.attention.flex_attention import flex_attention


class ScaledFloat8(torch.Tensor):
    # Float8 data and a scale, as one tensor: what float8 training libraries pass between layers.

    @staticmethod
    def __new__(cls, data, scale):
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=torch.float32, device=data.device)

    def __init__(self, data, scale):
        self.data8, self.scale = data, scale

    def __tensor_flatten__(self):
        return ["data8", "scale"], None

    @staticmethod
    def __tensor_unflatten__(inner, context, size, stride):
        return ScaledFloat8(inner["data8"], inner["scale"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        plain = [arg.dequantize() if isinstance(arg, ScaledFloat8) else arg for arg in args]
        return func(*plain, **(kwargs or {}))

    def dequantize(self):
        return self.data8.float() * self.scale


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return flex_attention(q, k, v)


def build_model():
    return Attention()


def example_inputs():
    q, k, v = (torch.randn(1, 2, 256, 32) for _ in range(3))
    return ScaledFloat8(q.to(torch.float8_e4m3fn), torch.ones(())), k, v
""",
    silent="""\
import torch
from torch.nn.attention.flex_attention import flex_attention


class ScaledFloat8(torch.Tensor):
    # Float8 data and a scale, as one tensor: what float8 training libraries pass between layers.

    @staticmethod
    def __new__(cls, data, scale):
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=torch.float32, device=data.device)

    def __init__(self, data, scale):
        self.data8, self.scale = data, scale

    def __tensor_flatten__(self):
        return ["data8", "scale"], None

    @staticmethod
    def __tensor_unflatten__(inner, context, size, stride):
        return ScaledFloat8(inner["data8"], inner["scale"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        plain = [arg.dequantize() if isinstance(arg, ScaledFloat8) else arg for arg in args]
        return func(*plain, **(kwargs or {}))

    def dequantize(self):
        return self.data8.float() * self.scale


class Attention(torch.nn.Module):
    def forward(self, q, k, v):
        return flex_attention(q.dequantize(), k, v)


def build_model():
    return Attention()


def example_inputs():
    q, k, v = (torch.randn(1, 2, 256, 32) for _ in range(3))
    return ScaledFloat8(q.to(torch.float8_e4m3fn), torch.ones(())), k, v
""",
)
