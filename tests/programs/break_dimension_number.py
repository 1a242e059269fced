"""Totals along three dimensions, with a print in the helper that makes them.

Truth: the print splits the helper, and what resumes takes the dimension as a number: one graph for each of three, all
in one call of the model. Without the print the three are inlined into one graph.
"""
# summary graph_breaks=1 recompiles=2 graphs=3 exit=1
# says CD101: 2 recompilations follow from it: `dim` was 0
import torch


def total(x, dim):
    print("total")  # expect CD101 print
    return x.sum(dim)


class Net(torch.nn.Module):
    def forward(self, x):
        return total(x, 0), total(x, 1), total(x, 2)


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(2, 3, 4),)
