"""A number that is read from a tensor, and the code around it with the tensor in its place: one file for each kind of use."""

from compile_doctor.source.conversion.attempt import Conversion
from compile_doctor.source.conversion.reads import is_read

__all__ = ["Conversion", "is_read"]
