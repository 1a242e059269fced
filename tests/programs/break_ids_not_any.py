"""`not (ids < 0).any()` in a chain of `and`: Python decides by a tensor's value, although no `if` is on the line."""

# summary graph_breaks=1 exit=3
# expect CD105 only-frame-skipped
# says CD102: (ids < 0).any() needs a tensor's value
# never CD102: x * x.sum()
import torch


class Net(torch.nn.Module):
    def forward(self, ids):  # expect CD104 skipped
        plain = ids is not None and ids.dim() == 2 and not (ids < 0).any()  # expect CD102 not-any
        return ids + 1 if plain else ids - 1


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.ones(2, 3, dtype=torch.long),)
