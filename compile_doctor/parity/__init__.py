"""The part of `parity` that does not import torch: the cells, the workers that compute them, and the result."""
