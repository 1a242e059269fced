"""What an expression is, as far as its source and the recorded inputs show: a tensor, a number, a sequence, …; never a guess."""

from compile_doctor.source.values.elements import elements
from compile_doctor.source.values.facts import has_shape_of, is_fresh, is_whole
from compile_doctor.source.values.kinds import is_tensor, is_truth, kind_of
from compile_doctor.source.values.named import is_numpy

__all__ = ["elements", "has_shape_of", "is_fresh", "is_numpy", "is_tensor", "is_truth", "is_whole", "kind_of"]
