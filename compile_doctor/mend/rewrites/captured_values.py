"""Settings of torch that trace what Dynamo leaves out by default: values and sizes as symbols, recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator

from compile_doctor.mend.rewrites import Rewrite
from compile_doctor.mend.site import Candidate, Site

_SETTINGS = {
    "capture_scalar_outputs": "traces numbers that are read from tensors as symbols",
    "capture_dynamic_output_shape_ops": "traces results whose size depends on values",
    "allow_unspec_int_on_nn_module": "traces int attributes of modules as symbols",
    "allow_rnn": "traces recurrent layers",
}
_BY_CAUSE = {
    "tensor-item": ("capture_scalar_outputs",),
    "tensor-tolist": ("capture_scalar_outputs",),
    "tensor-slice-bound": ("capture_scalar_outputs",),
    "repeat-interleave": ("capture_dynamic_output_shape_ops", "capture_scalar_outputs"),
    "boolean-mask-indexing": ("capture_dynamic_output_shape_ops",),
    "dynamic-shape-operator": ("capture_dynamic_output_shape_ops", "capture_scalar_outputs"),
    "unique-op": ("capture_dynamic_output_shape_ops",),
    "rnn-module": ("allow_rnn",),
    "module-int": ("allow_unspec_int_on_nn_module",),
}


def propose(site: Site) -> Iterator[Candidate]:
    names = _BY_CAUSE[site.finding.cause.partition(":")[0]]
    for count in range(1, len(names) + 1):
        titles = " and ".join(_SETTINGS[name] for name in names[:count])
        yield Candidate(titles, settings=tuple(f"torch._dynamo.config.{name} = True" for name in names[:count]))


REWRITE = Rewrite("captured-values", tuple(f"{cause}(:.*)?" for cause in _BY_CAUSE), propose, rank=70)
