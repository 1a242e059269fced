"""Evaluation step that is compiled as a function; after the first batch a hook is to clamp the model's input.

Truth: the model is a global of the compiled function, so that all of its forward is in the graph, without the hook.
The hook on the second model comes before its first call, and is in its graph.
"""
# command run
# summary graph_breaks=0 recompiles=0 graphs=2 verdict=healthy exit=0
# says CD108: forward pre hook of
import torch
from torch import nn

model = nn.Linear(4, 4).eval()
other = nn.Linear(4, 4).eval()


def clamp(module, args):  # expect CD108 late
    return (args[0].clamp(-1, 1),)


@torch.compile(backend="eager")
def evaluate(x):
    return model(x).argmax(-1)


@torch.compile(backend="eager")
def evaluate_other(x):
    return other(x).argmin(-1)


if __name__ == "__main__":
    with torch.no_grad():
        evaluate(torch.randn(2, 4))
        model.register_forward_pre_hook(clamp)
        evaluate(torch.randn(2, 4))
        other.register_forward_pre_hook(lambda module, args: (args[0].clamp(-2, 2),))
        evaluate_other(torch.randn(2, 4))
        evaluate_other(torch.randn(2, 4))
