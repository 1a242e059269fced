"""Server that forbids recompilations after its warm-up, and meets another length then.

Truth: torch raises because of the stance, in whichever run the target is called; the model is not to blame.
"""
# summary verdict=unhealthy exit=1
# option --as-is
# says CD106: set_stance('fail_on_recompile')
# never CD106: torch.compiler.disable
import torch
from torch import nn


class Server(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Linear(8, 8)
        self.calls = 0

    @torch.compile(backend="eager")
    def answer(self, x):
        return torch.relu(self.proj(x))

    def forward(self, x):
        self.calls += 1
        if self.calls == 2:
            torch.compiler.set_stance("fail_on_recompile")
        return self.answer(x)  # expect CD106 stance


def build_model():
    return Server().eval()


def example_input_sets():
    return [(torch.randn(count, 8),) for count in (4, 5, 6)]
