"""Helper of an optimizer, compiled with fullgraph, and called with parameters of many shapes (dion issue 23).

Truth: torch keeps the shapes of parameters static, and the last line fixes the gradient's sizes to them: the ninth shape
raises. With force_parameter_static_shapes = False there is one recompilation.
"""
# command run
# summary graph_breaks=0 recompiles=7 graphs=8 exit=1
# says CD202: force_parameter_static_shapes = False
# never CD202: runs in plain Python from then on
# never CD201: mark_dynamic(tensor
import torch


@torch.compile(backend="eager", fullgraph=True)
def orthogonalize(weight: torch.nn.Parameter, gradient):  # expect CD202 limit; expect CD201 parameter-shape
    update = gradient / (gradient.norm() + 1e-7)
    for _ in range(2):
        update = 1.5 * update - 0.5 * update @ (update.mT @ update)
    return weight - 0.01 * update


def main():
    weights = [torch.nn.Parameter(torch.randn(size + 2, 2 * size + 3)) for size in range(12)]
    with torch.no_grad():
        for weight in weights:
            orthogonalize(weight, torch.randn_like(weight))


if __name__ == "__main__":
    main()
