"""Two ranks that train with DDP, and four ways in which one of them does something else: run it with torchrun.

    compile-doctor run -- torchrun --nproc-per-node 2 -m compile_doctor.examples.ranks
    … ranks lengths         rank 1 gets batches of other lengths, and compiles again
    … ranks branch          rank 1 logs its loss within the compiled model, which breaks its graph
    … ranks collective      rank 1 takes the maximum in a collective of the graph, and the others the sum
    … ranks dies            rank 1 raises an error

By itself, the file is a target like any other: the model, in one process.
"""

from __future__ import annotations

import sys

import torch
from torch import nn

WIDTH, STEPS = 16, 3


class Model(nn.Module):
    """`said` is a list to log into, on the rank that does."""

    def __init__(self, said: list[float] | None = None) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))
        self.said = said

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        loss = self.net(x).square().mean()
        if self.said is not None:
            self.said.append(loss.item())
        return loss


def build_model() -> nn.Module:
    """The model in one process."""
    return Model()


def example_inputs() -> tuple[torch.Tensor]:
    return (torch.randn(4, WIDTH),)


def main(variant: str = "good") -> None:
    """One rank."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    dist.init_process_group("gloo")
    rank = dist.get_rank()
    odd = rank == 1
    torch.manual_seed(0)
    model = Model([] if odd and variant == "branch" else None)
    compiled = torch.compile(model, backend="aot_eager")
    ddp = DistributedDataParallel(compiled)
    optimizer = torch.optim.SGD(ddp.parameters(), lr=0.1)
    for step in range(STEPS):
        length = 4 + step if odd and variant == "lengths" else 4
        ddp(torch.randn(length, WIDTH)).backward()
        optimizer.step()
        optimizer.zero_grad()
        if variant == "dies" and odd and step == 1:
            raise ValueError("rank 1 lost its data")

    @torch.compile(backend="aot_eager")
    def largest(norm: torch.Tensor) -> torch.Tensor:
        if variant == "collective" and odd:
            dist.all_reduce(norm, op=dist.ReduceOp.MAX)
        else:
            dist.all_reduce(norm)
        return norm * 2

    if variant in ("good", "collective"):
        largest(torch.ones(1) * rank)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
