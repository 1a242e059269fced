"""If query, key and value share a buffer, the CPU flex template gets copies of them, as in torch 2.13."""

from torch._inductor import ir, select_algorithm


def lower_cpu(original):
    def with_copies(query, key, value, *rest, **named):
        nodes = [select_algorithm.realize_inputs(one) for one in (query, key, value)]
        names = [one.get_name() for one in nodes]
        nodes = [ir.ExternKernel.copy_input(one) if names.count(one.get_name()) > 1 else one for one in nodes]
        return original(*nodes, *rest, **named)

    return with_copies
