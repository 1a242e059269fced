"""A compiled flex_attention may be compiled for more inputs, and raises at the limit instead of running dense."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import TypeVar

from torch._dynamo import config
from torch._dynamo.exc import FailOnRecompileLimitHit

LIMIT = 64

R = TypeVar("R")


def compile_frame(original: Callable[..., R]) -> Callable[..., R]:
    def with_limit_for_flex(code: CodeType, names: dict[str, object], *args: object, **kwargs: object) -> R:
        if code.co_name != "flex_attention" or names.get("__name__") != "torch.nn.attention.flex_attention":
            return original(code, names, *args, **kwargs)
        if config.suppress_errors or config.fail_on_recompile_limit_hit:
            return original(code, names, *args, **kwargs)  # what happens at the limit is the user's choice
        changed: dict[str, bool | int] = {"fail_on_recompile_limit_hit": True}
        # Not "was it set": eager flex_attention sets it, and resets it to the default, at each call.
        if config.recompile_limit == vars(config)["_config"]["recompile_limit"].default:
            changed["recompile_limit"] = max(config.recompile_limit, LIMIT)
        try:
            with config.patch(**changed):
                limit = config.recompile_limit
                return original(code, names, *args, **kwargs)
        except FailOnRecompileLimitHit as error:
            raise FailOnRecompileLimitHit(
                f"flex_attention was compiled for {limit} kinds of inputs (torch._dynamo.config.recompile_limit), and would "
                "run dense from here on. What varied: TORCH_LOGS=recompiles. Make masks and their functions once, not per "
                "call; where the kinds are few and known, raise the limit."
            ) from error

    return with_limit_for_flex
