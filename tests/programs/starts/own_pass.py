import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(8, 8)

    def forward(self, x):  # expect CD511 custom-pass
        return self.lin(x).relu()


def count_nodes(graph):
    assert len(graph.nodes)


def build_model():
    torch._inductor.config.post_grad_custom_post_pass = count_nodes  # a plain function has no key
    return Model()


def example_inputs():
    return (torch.randn(2, 8),)
