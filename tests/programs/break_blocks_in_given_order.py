"""`.tolist()` gives the indices into a tuple. With capture_scalar_outputs this program raises an
error; before 2.10 integers of a tensor were always traced, and it raises without the setting."""

# summary graph_breaks=1 exit=1 [>=2.10]
# says CD101: keep them in one tensor, and index that with order [>=2.10]
# never CD101: config.capture
import torch


class Net(torch.nn.Module):
    def forward(self, x, order):
        steps = (x + 1, x * 2, x - 3)
        out = x
        for index in order.tolist():  # expect CD101 tolist [>=2.10]
            out = out + steps[index]  # expect CD106 guard [<2.10]
        return out


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(4), torch.tensor([2, 0, 1]))
