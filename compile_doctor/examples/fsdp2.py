"""A transformer under FSDP2 in bfloat16, block by block under torch.compile, with SDPA or flex_attention: run it with torchrun.

    compile-doctor run -- torchrun --nproc-per-node 2 -m compile_doctor.examples.fsdp2
    … fsdp2 flex            the attention is flex_attention
    … fsdp2 whole           the mistake: the whole model is compiled around FSDP2's hooks
    … fsdp2 quick           with the backend `aot_eager`, which generates no code
    … fsdp2 tp              pairs of ranks share the weights of a block (DTensor), on top of FSDP2

Each rank takes its part of the batch. At the end it compares its outputs, and for SDPA the averaged gradients too, with
what one process computes for the whole batch, in float32 and in bfloat16; a difference beyond rounding is an error.
By itself, the file is a target like any other: one block, in one process.
"""

from __future__ import annotations

import copy
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

WIDTH, HEADS, LAYERS, TOKENS, VOCABULARY = 128, 4, 2, 128, 96
FACTOR = 2.0
"""The ranks may be twice as far from float32 as one process in bfloat16 is: they make their sums in another order."""


def causal(b: torch.Tensor, h: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return q >= k


class Attention(nn.Module):
    """Causal self-attention. With tensor parallelism, a rank has some of the heads."""

    def __init__(self, flex: bool) -> None:
        super().__init__()
        self.flex = flex
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def forward(self, x: torch.Tensor, mask: BlockMask | None) -> torch.Tensor:
        q, k, v = (
            project(x).unflatten(-1, (-1, WIDTH // HEADS)).transpose(1, 2) for project in (self.q, self.k, self.v)
        )
        if self.flex:
            q, k = q.contiguous(), k.contiguous()  # torch 2.13 on a CPU: see recipe cpu-flex-query-view
            attended = flex_attention(q, k, v, block_mask=mask)
        else:
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """One layer: the unit that is compiled, and the unit that is sharded."""

    def __init__(self, flex: bool) -> None:
        super().__init__()
        self.attention = Attention(flex)
        self.norm, self.norm_up = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, mask: BlockMask | None = None) -> torch.Tensor:
        x = x + self.attention(self.norm(x), mask)
        return x + self.down(F.gelu(self.up(self.norm_up(x))))


class Transformer(nn.Module):
    """Tokens to logits."""

    def __init__(self, flex: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList(Block(flex) for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: torch.Tensor, mask: BlockMask | None = None) -> torch.Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))


def build_model() -> nn.Module:
    """One block in one process."""
    return Block(flex=False)


def example_inputs() -> tuple[torch.Tensor]:
    return (torch.randn(2, TOKENS, WIDTH),)


def main(*words: str) -> None:
    """One rank."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    dist.init_process_group("gloo")
    backend = "aot_eager" if "quick" in words else "inductor"
    ways = 2 if "tp" in words else 1
    mesh = init_device_mesh("cpu", (dist.get_world_size() // ways, ways), mesh_dim_names=("dp", "tp"))
    data, tensor = mesh["dp"], mesh["tp"]  # once: each look-up is another object, on which torch.compile has a guard
    torch.manual_seed(0)
    model = Transformer("flex" in words)
    # What one process computes, with SDPA in both cases: flex_attention outside of a graph would run dense.
    exact = Transformer(flex=False)
    exact.load_state_dict(model.state_dict())
    rounded = copy.deepcopy(exact).to(torch.bfloat16)
    batch = torch.randint(0, VOCABULARY, (4, TOKENS))
    mask = create_block_mask(causal, None, None, TOKENS, TOKENS, device="cpu") if "flex" in words else None

    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in model.blocks:
        if ways > 1:
            split(block, tensor)
        if "whole" not in words:
            block.compile(backend=backend)
        fully_shard(block, mesh=data, mp_policy=policy)
    fully_shard(model, mesh=data, mp_policy=policy)
    if "whole" in words:
        model.compile(backend=backend)

    own = batch.chunk(data.size())[data.get_local_rank()]
    grad = "flex" not in words  # on a CPU, flex_attention has no backward pass
    with torch.set_grad_enabled(grad):
        for _ in range(2):
            model.zero_grad()
            logits = model(own, mask)
            if grad:
                loss_of(logits, own).backward()
        mine = [whole(batch) for whole in (exact, rounded)]
        compare("outputs", logits, *(one.chunk(data.size())[data.get_local_rank()] for one in mine))
    if grad:
        for one in mine:
            loss_of(one, batch).backward()
        for (name, sharded), *whole in zip(model.named_parameters(), exact.parameters(), rounded.parameters()):
            compare(name, sharded.grad.full_tensor(), *(one.grad for one in whole))
    print(f"rank {dist.get_rank()}: as one process", flush=True)
    dist.barrier()
    dist.destroy_process_group()


def split(block: nn.Module, mesh: object) -> None:
    """Tensor parallelism: a rank has some of the heads, and some of the hidden units."""
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    column, row = ColwiseParallel, RowwiseParallel
    plan = {f"attention.{name}": column() for name in "qkv"}
    plan |= {"attention.out": row(), "up": column(), "down": row()}
    parallelize_module(block, mesh, plan)


def loss_of(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Next-token loss, in float32."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten())


def compare(name: str, found: torch.Tensor, exact: torch.Tensor, rounded: torch.Tensor) -> None:
    """Raises AssertionError if the ranks are much further from float32 than one process in bfloat16 is."""
    found, exact, rounded = (one.detach().float() for one in (found, exact, rounded))
    error, usual = ((one - exact).norm().item() / exact.norm().item() for one in (found, rounded))
    assert error <= FACTOR * usual, f"{name} differs by {error:.2%}, that of one process by {usual:.2%}"


if __name__ == "__main__":
    main(*sys.argv[1:])
