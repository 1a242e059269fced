"""Optimizer of one's own whose step is compiled; its state begins empty, and counts steps with an int.

Truth: at the second call the state is no longer empty, at the third `step` is no longer 1.
"""
# command run
# summary graph_breaks=0 recompiles=2 graphs=3 exit=0
# says CD201: (in `__init__`)
# never CD201: Make what the guard reads
import torch
from torch import nn


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                self.update(parameter, group)

    def update(self, parameter, group):
        state = self.state[parameter]  # expect CD201 empty-state [>=2.9]
        if "step" not in state:  # expect CD201 int-in-state [>=2.9,<2.13]
            state["step"] = 0
            state["momentum"] = torch.zeros_like(parameter)
        correction = 1 - 0.9 ** (state["step"] + 1)  # expect CD201 int-in-state [>=2.13]
        state["momentum"].mul_(0.9).add_(parameter.grad, alpha=0.1)
        parameter.add_((state["momentum"] / correction).sign(), alpha=-group["lr"])
        state["step"] += 1


def main():
    net = nn.Linear(4, 4)
    optimizer = Lion(net.parameters())
    step = torch.compile(optimizer.step, backend="eager")
    for _ in range(12):
        optimizer.zero_grad()
        net(torch.randn(2, 4)).pow(2).mean().backward()
        step()  # expect CD201 empty-state [<2.9]; expect CD201 int-in-state [<2.9]


if __name__ == "__main__":
    main()
