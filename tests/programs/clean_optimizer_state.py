"""The optimizer of recompile_optimizer_state with its advice taken: state from the start, the count a tensor.

Truth: one graph.
"""
# command run
# summary graph_breaks=0 recompiles=0 graphs=1 exit=0
import torch
from torch import nn


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter] = {"step": torch.zeros(()), "momentum": torch.zeros_like(parameter)}

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                self.update(parameter, group)

    def update(self, parameter, group):
        state = self.state[parameter]
        state["step"].add_(1)
        correction = 1 - 0.9 ** state["step"]
        state["momentum"].mul_(0.9).add_(parameter.grad, alpha=0.1)
        parameter.add_((state["momentum"] / correction).sign(), alpha=-group["lr"])


def main():
    net = nn.Linear(4, 4)
    optimizer = Lion(net.parameters())
    step = torch.compile(optimizer.step, backend="eager")
    for _ in range(12):
        optimizer.zero_grad()
        net(torch.randn(2, 4)).pow(2).mean().backward()
        step()


if __name__ == "__main__":
    main()
