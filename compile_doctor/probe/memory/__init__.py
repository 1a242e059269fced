"""Memory of attention, measured in one more call under torch's profiler, and torch's choice of an SDPA backend."""
