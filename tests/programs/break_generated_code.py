"""A decorator that generates its wrapper in memory, as beartype and attrs do; the wrapper prints.

Truth: the line that breaks is in no file, so the place is the function that was decorated. The wrapped function is split
at the print, and so is the model that calls it.
"""
# summary graph_breaks=1 exit=1
import functools

import torch

CODE = """
def wrapper(x):
    y = x + 1
    print("called")
    return function(y)
"""


def announced(function):
    names = {"function": function}
    exec(compile(CODE, f"<announced({function.__qualname__})>", "exec"), names)
    return functools.wraps(function)(names["wrapper"])


@announced
def total(x):  # expect CD101 print
    return x.sum()


class Net(torch.nn.Module):
    def forward(self, x):
        return total(x * 2)


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(2, 3),)
