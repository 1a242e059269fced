"""Finds the attention calls in an FX graph that Dynamo passes to a backend, and where their inputs come from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch.fx import GraphModule, Node

from compile_doctor.capture.schema import Inputs, Made, NodeSeen, TensorSeen
from compile_doctor.model.stacks import Frame

_ENTRY = re.compile(r'^ *File "(.+)", line (\d+), in (.+)\n(?: +(?!File ")(\S.*))?', re.MULTILINE)
_SDPA = "scaled_dot_product_attention"
_VARLEN = re.compile(r"torch_attn\._varlen_attn(_out)?(\.default)?$")
"""The operator behind varlen_attn; `_out` takes the output first."""
_Api = Literal["flex_attention", "sdpa", "varlen_attn"]
LAYOUT_ONLY = frozenset(
    {
        "view",
        "reshape",
        "transpose",
        "permute",
        "contiguous",
        "unflatten",
        "flatten",
        "unbind",
        "chunk",
        "split",
        "tensor_split",
        "squeeze",
        "unsqueeze",
        "expand",
        "getitem",
        "movedim",
        "swapaxes",
        "clone",
        "select",
        "narrow",
        "requires_grad_",
        "detach",
    }
)
"""Operations that only rearrange a tensor, and do not decide its dtype or class."""


def attention_nodes(graph_module: GraphModule) -> list[NodeSeen]:
    """The calls of flex_attention, scaled_dot_product_attention and varlen_attn, in order, including sub-graphs (checkpointing)."""
    found = []
    casting: list[Node] = []
    perhaps = _perhaps_run(graph_module)
    for node in nodes(graph_module):
        name = getattr(node.target, "__name__", "") if node.op == "call_function" else ""
        if name == "_enter_autocast":
            casting.append(node)
        elif name == "_exit_autocast" and casting:
            casting.pop()
        elif api := _api(node):
            found.append(_described(node, api, casting))
            if node.graph.owning_module in perhaps:
                found[-1]["conditional"] = True
    return found


def _perhaps_run(graph_module: GraphModule) -> set[GraphModule]:
    """The sub-graphs that one call of the graph need not run: the sides of torch.cond, the body of a while_loop."""
    found: set[GraphModule] = set()
    for node in nodes(graph_module):
        held = node.graph.owning_module
        if getattr(node.target, "__name__", "") in ("cond", "while_loop") and node.op == "call_function" and held:
            sides = [one for one in node.all_input_nodes if one.op == "get_attr"]
            inner = (getattr(held, str(one.target), None) for one in sides)
            for side in inner:
                if isinstance(side, GraphModule):
                    found |= {one for one in side.modules() if isinstance(one, GraphModule)}
    return found


def _autocast(casting: list[Node], device: str | None) -> str | None:
    """The dtype to which autocast casts at this place: inside the graph, else around it while it is traced."""
    for node in reversed(casting):
        kind, dtype, enabled = (*node.args, None, None, None)[:3]
        if kind == device:
            return str(dtype).removeprefix("torch.") if enabled and dtype is not None else None
    if device and torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return str(torch.get_autocast_dtype(device)).removeprefix("torch.")
    return None


def nodes(graph_module: GraphModule, seen: set[GraphModule] | None = None) -> Iterator[Node]:
    """The nodes in the order of running: those of a sub-graph at its first reference."""
    seen = set() if seen is None else seen
    seen.add(graph_module)
    for node in graph_module.graph.nodes:
        inner = getattr(graph_module, node.target, None) if node.op in ("get_attr", "call_module") else None
        if isinstance(inner, GraphModule) and inner not in seen:
            yield from nodes(inner, seen)
        yield node


def traced_sizes(graph_module: GraphModule) -> list[tuple[int, ...]]:
    """The size of each input of the graph at tracing, of a number the number itself."""
    return [input_size(node.meta.get("example_value")) for node in graph_module.graph.nodes if node.op == "placeholder"]


def input_size(value: Any) -> tuple[int, ...]:
    """The size of one input of a graph; empty for what has none."""
    if isinstance(value, torch.Tensor):
        return tuple(size(one) for one in value.shape)
    return (size(value),) if isinstance(value, (int, torch.SymInt)) else ()


def collective_stacks(graph_module: GraphModule) -> list[list[Frame]]:
    """The stack of each call of a collective in the graph, in order. Their waits are no calls of their own."""
    return [stack_of(node) for node in nodes(graph_module, set()) if _is_collective(node)]


def _is_collective(node: Node) -> bool:
    name = str(node.target) if node.op == "call_function" else ""
    return "c10d_functional." in name and "wait_tensor" not in name


def stacks(graph_module: GraphModule) -> Iterator[list[Frame]]:
    """The Python stack, outermost first, of every node that has one."""
    for node in graph_module.graph.nodes:
        if node.stack_trace:
            yield stack_of(node)


def stack_of(node: Node) -> list[Frame]:
    return [Frame(m[1], int(m[2]), m[3].strip(), (m[4] or "").strip()) for m in _ENTRY.finditer(node.stack_trace or "")]


def describe_tensor(value: Any) -> TensorSeen | None:
    """Shape, strides, dtype, device and class of a tensor, real or fake; None for anything else."""
    if not isinstance(value, torch.Tensor):
        return None
    kind = getattr(value, "_cls", None) or type(value)
    try:
        strides = [size(one) for one in value.stride()]
    except RuntimeError:  # a subclass, or a layout, without strides
        strides = []
    return {
        "shape": [size(one) for one in value.shape],
        "strides": strides,
        "dtype": str(value.dtype).removeprefix("torch."),
        "device": value.device.type,
        "type": kind.__qualname__ if kind.__name__ != "FakeTensor" else "Tensor",
        "requires_grad": value.requires_grad,
    }


def is_flex(node: Node) -> bool:
    """Whether it calls flex_attention's operator."""
    return (
        node.op == "call_function"
        and isinstance(node.target, torch._ops.HigherOrderOperator)
        and getattr(node.target, "__name__", "") == "flex_attention"
    )


def _api(node: Node) -> _Api | None:
    if node.op != "call_function":
        return None
    name = getattr(node.target, "__name__", str(node.target))
    if is_flex(node):
        return "flex_attention"
    if name == "multi_head_attention_forward":  # nn.MultiheadAttention: SDPA, unless the weights are requested
        return "sdpa" if node.kwargs.get("need_weights", True) is False else None
    if _VARLEN.match(str(node.target)):
        return "varlen_attn"
    return "sdpa" if name.split(".")[0] == _SDPA else None


def _described(node: Node, api: _Api, casting: list[Node]) -> NodeSeen:
    names = ("query", "key", "value")
    inputs = dict(zip(names, node.args[_first(node) :]))
    inputs.update({name: node.kwargs[name] for name in names if name in node.kwargs})
    output = node.meta.get("example_value")
    output = output[0] if isinstance(output, (tuple, list)) else output
    described = {name: _split_heads(node, _input(value)) for name, value in inputs.items()}
    if api == "varlen_attn":
        described = {name: _as_one_row(one) for name, one in described.items()}
    device = next((one["device"] for one in described.values() if one), None)
    seen: NodeSeen = {
        "api": api,
        "node": node.name,
        "stack": stack_of(node),
        "inputs": described,
        "output": describe_tensor(output),
        "autocast": _autocast(casting, device),
        "cast_back": _is_cast(node),
        "options": _options(node) if getattr(node.target, "__name__", "").split(".")[0] == _SDPA else {},
    }
    if (mask := block_mask(node)) is not None:
        seen["mask"] = mask
    if (asked := _tma(node)) is not None:
        seen["tma"] = asked
    if api == "varlen_attn":
        seen["lengths"] = _lengths(node)
    return seen


def _tma(node: Node) -> bool | None:
    """What flex_attention's kernel_options say about TMA; None if they say nothing."""
    given = node.args[6] if len(node.args) > 6 else node.kwargs.get("kernel_options")
    asked = given.get("USE_TMA") if is_flex(node) and isinstance(given, Mapping) else None
    return asked if isinstance(asked, bool) else None


def _first(node: Node) -> int:
    """The position of the query among the arguments."""
    found = _VARLEN.match(str(node.target))
    return int(bool(found and found[1]))


_VARLEN_GIVEN = ("query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k")


def _lengths(node: Node) -> list[int]:
    """The sequences of a call of varlen_attn, and the most queries and keys of one; -1 for what is not known."""
    given = {**dict(zip(_VARLEN_GIVEN, node.args[_first(node) :])), **node.kwargs}
    return _sequences(
        {name: one.meta.get("example_value") if isinstance(one, Node) else one for name, one in given.items()}
    )


def _sequences(given: Mapping[str, Any]) -> list[int]:
    starts = given.get("cu_seq_q")
    number = size(starts.shape[0]) - 1 if isinstance(starts, torch.Tensor) and starts.dim() == 1 else -1
    most = [given.get(name) for name in ("max_q", "max_k")]
    return [number, *(size(one) if isinstance(one, (int, torch.SymInt)) else -1 for one in most)]


def varlen_given(given: Mapping[str, Any]) -> tuple[Inputs, list[int]]:
    """The inputs and the sequences of a call of varlen_attn itself, from its arguments, as they are described in a graph."""
    inputs = {name: _as_one_row(describe_tensor(given.get(name))) for name in _VARLEN_GIVEN[:3]}
    return inputs, _sequences(given)


def _as_one_row(described: TensorSeen | None) -> TensorSeen | None:
    """An input of varlen_attn, (tokens, heads, dim) or pages of it, as the other functions take it: (1, heads, tokens, dim)."""
    if described is None or len(described["shape"]) not in (3, 4):
        return described
    *tokens, heads, dim = described["shape"]
    return {**described, "shape": [1, heads, math.prod(tokens), dim], "strides": []}


def _split_heads(node: Node, described: TensorSeen | None) -> TensorSeen | None:
    """The input as SDPA will see it: multi_head_attention_forward takes (tokens, batch, width) and splits the heads."""
    heads = node.args[4] if len(node.args) > 4 else node.kwargs.get("num_heads")
    split = getattr(node.target, "__name__", "") == "multi_head_attention_forward"
    if not split or described is None or not isinstance(heads, int) or len(described["shape"]) not in (2, 3):
        return described
    tokens, *batch, width = described["shape"]
    return {**described, "shape": [*(batch or [1]), heads, tokens, width // heads], "strides": []}


def _is_cast(node: Node) -> bool:
    """Whether every use of the result, after views and tuple indices, is a change of its dtype."""
    users = list(node.users)
    for user in users:
        name = getattr(user.target, "__name__", str(user.target)).split(".")[0]
        if name in LAYOUT_ONLY and not _is_cast(user):
            return False
        if name not in LAYOUT_ONLY and name not in ("to", "type", "type_as", "float", "half", "bfloat16", "double"):
            return False
    return bool(users)


def _input(value: Any) -> TensorSeen | None:
    if not isinstance(value, Node):
        return None
    described = describe_tensor(value.meta.get("example_value"))
    return {**described, "made": _maker(value)} if described else None


def _maker(node: Node) -> Made:
    """The operation that computed a tensor, its line and its module, skipping what only rearranges the tensor."""
    while node.op in ("call_method", "call_function") and node.args and isinstance(node.args[0], Node):
        name = getattr(node.target, "__name__", str(node.target)).split(".")[0]
        if name not in LAYOUT_ONLY:
            break
        node = node.args[0]
    modules = list((node.meta.get("nn_module_stack") or {}).values())
    path = re.sub(r"^L\['self'\]\.?|\['|'\]", "", str(modules[-1][0])) if modules else ""
    return {
        "by": getattr(node.target, "__name__", str(node.target)) if node.op != "placeholder" else "input",
        "module": path.replace("_modules", "").replace("..", "."),
        "stack": stack_of(node)[-2:],
    }


_GIVEN = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")


def _options(node: Node) -> dict[str, Any]:
    """What decides SDPA's backend besides q, k and v."""
    given = {**dict(zip(_GIVEN, node.args)), **node.kwargs}
    mask = attn_mask(node)
    return {
        "attn_mask": describe_tensor(mask.meta.get("example_value")) if mask is not None else None,
        **{name: given[name] for name in _GIVEN[4:] if isinstance(given.get(name), (int, float, bool))},
    }


def attn_mask(node: Node) -> Node | None:
    """The mask that a call of SDPA gets; None if it gets none, or is no such call."""
    if node.op != "call_function" or getattr(node.target, "__name__", "").split(".")[0] != _SDPA:
        return None
    mask = {**dict(zip(_GIVEN, node.args)), **node.kwargs}.get("attn_mask")
    return mask if isinstance(mask, Node) else None


_NO_MASK = 1 << 30
"""torch's block size if no BlockMask was given."""


def block_mask(node: Node) -> list[int] | None:
    """Batch, heads, queries and keys of the BlockMask that flex_attention gets; None without one."""
    blocks = block_tensors(node)
    numbers = blocks[0].meta.get("example_value") if blocks else None
    if not isinstance(numbers, torch.Tensor) or len(numbers.shape) != 3:
        return None
    given = _block_mask(node)
    lengths = [one.meta.get("example_value", -1) if isinstance(one, Node) else one for one in given[:2]]
    return [size(one) for one in (*numbers.shape[:2], *lengths)]


def block_tensors(node: Node) -> list[Node]:
    """The numbers and indices of the partial, then of the full blocks of flex_attention's mask; empty without one."""
    given = _block_mask(node)
    if any(isinstance(one, int) and one >= _NO_MASK for one in given[6:]):
        return []
    return [one for one in given[2:6] if isinstance(one, Node)]


def _block_mask(node: Node) -> tuple[Any, ...]:
    """The operator's tuple: query and key tokens; numbers and indices of blocks; block sizes; the mask_mod."""
    if not is_flex(node):
        return ()
    given = node.args[4] if len(node.args) > 4 else node.kwargs.get("block_mask")
    return tuple(given) if isinstance(given, (tuple, list)) else ()


def size(value: Any) -> int:
    """A size as a number; for a symbolic one the value at tracing, -1 if unknown."""
    if isinstance(value, int):
        return value
    hint = getattr(value.node, "hint", None)
    return int(hint) if hint is not None else -1
