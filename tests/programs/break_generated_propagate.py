"""A package writes a module into the temporary folder and imports it, as torch_geometric does. It prints."""

# summary graph_breaks=1 verdict=unhealthy exit=1
# expect CD101 print
# says CD101: instead of those inside of it
# says CD101: propagate = torch.compiler.disable(propagate)
# never CD101: is_compiling
import importlib.util
import os
import sys
import tempfile

import torch

folder = tempfile.mkdtemp()
path = os.path.join(folder, "graphs.nn.conv.gcn_propagate.py")
with open(path, "w") as file:
    file.write("def propagate(x):\n    print('generated')\n    return x * 2\n")
spec = importlib.util.spec_from_file_location("generated_propagate", path)
module = importlib.util.module_from_spec(spec)
sys.modules["generated_propagate"] = module
spec.loader.exec_module(module)
propagate = module.propagate


class Net(torch.nn.Module):
    def forward(self, x):
        return propagate(x) + 1


def build_model():
    return Net().eval()


def example_inputs():
    return (torch.randn(4),)
