"""Three convolutions of other widths in a loop that prints.

Truth: the loop's frame is given up because of the print, so each layer is compiled by itself. The layers are of other
widths; nothing grows. Without the print all three are inlined into one graph.
"""
# summary graph_breaks=1 recompiles=2 graphs=3 frames_skipped=1 exit=1
# says CD103: 2 recompilations follow from it: dimension 1 of `hidden_states` was 1
# never CD103: KV cache
import torch


class Conv(torch.nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.conv = torch.nn.Conv1d(before, after, 1)

    def forward(self, hidden_states):
        return self.conv(hidden_states).relu()


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Conv(1, 4), Conv(4, 8), Conv(8, 16)])

    def forward(self, x):  # expect CD104 print-in-loop
        for layer in self.layers:
            x = layer(x)
            print(x.shape)  # expect CD103 print
        return x


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(1, 1, 32),)
