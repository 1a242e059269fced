"""Training script that raises before it compiles anything.

Truth: the command failed by itself; nothing is known of torch.compile.
"""
# command run
# summary verdict=inconclusive exit=3
import torch

model = torch.nn.Linear(8, 8)
raise FileNotFoundError("no data in ./train-images-that-are-not-there")
