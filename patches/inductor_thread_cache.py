"""The number of threads that C++ is compiled for is part of what Inductor's caches know it by, as from torch 2.13 on."""

import functools

import torch
from torch._inductor import config
from torch._inductor.utils import parallel_num_threads


def _on_cpu(gm, inputs):
    """Whether there is a tensor on a CPU: what is compiled for other devices alone keeps the key that it had."""
    values = list(inputs)
    for module in gm.modules() if isinstance(gm, torch.nn.Module) else ():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            values += [node.meta.get("val"), node.meta.get("example_value")]
    flat, _ = torch.utils._pytree.tree_flatten(values)
    return any(isinstance(value, torch.Tensor) and value.device.type == "cpu" for value in flat)


def with_threads(original):
    @functools.wraps(original)
    def details(self, gm, example_inputs, *others, **named):
        original(self, gm, example_inputs, *others, **named)
        # Set by hand, cpp.threads is part of the key already. With dynamic threads flex_attention has the number all the same.
        if config.cpp.threads < 1 and _on_cpu(gm, example_inputs):
            self.cpp_runtime_thread_count = parallel_num_threads()

    return details
