"""`sorted(kwargs.items())`: Dynamo does not sort tuples with tensors in them, although the names decide the order."""

# summary graph_breaks=1 verdict=unhealthy exit=1 [<2.14]
# says CD101: sorted(kwargs.items(), key=lambda item: item[0]) [<2.14]
# never CD101: torch.stack(scores)
import torch


class Net(torch.nn.Module):
    def forward(self, **kwargs):
        total = 0
        for _, value in sorted(kwargs.items()):  # expect CD101 sorted [<2.14]
            total = total + value
        return total


def build_model():
    return Net().eval()


def example_inputs():
    return {"b": torch.randn(4), "a": torch.randn(4)}
