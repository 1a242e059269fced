"""compile-doctor: what went wrong under torch.compile, where, why, and what to change."""

__version__ = "0.1.0"
