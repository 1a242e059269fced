"""The part of `bench` that does not import torch: a child for each case and size, and the rows of the result."""
