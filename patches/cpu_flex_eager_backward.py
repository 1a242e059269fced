"""flex_attention accepts tensors that require a gradient on CPU if it runs eagerly."""

from torch.compiler import is_dynamo_compiling


class _NoGradient:
    """What _validate_device reads of a tensor, with requires_grad False."""

    requires_grad = False

    def __init__(self, device):
        self.device = device


def validate_device(original):
    def with_backward_in_eager(query, key, value):
        # Compiled code has no backward on CPU, and the refusal remains.
        if query.device.type == "cpu" and not is_dynamo_compiling():
            query = key = value = _NoGradient(query.device)
        return original(query, key, value)

    return with_backward_in_eager
