"""`.tolist()` gives the indices into a tuple. With capture_scalar_outputs this program raises an error."""

# summary graph_breaks=1 exit=1
# says CD101: torch.stack(tuple(steps))[order]
# never CD101: config.capture
import torch


class Net(torch.nn.Module):
    def forward(self, x, order):
        steps = (x + 1, x * 2, x - 3)
        out = x
        for index in order.tolist():  # expect CD101 tolist [>=2.9]
            out = out + steps[index]
        return out


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(4), torch.tensor([2, 0, 1]))
