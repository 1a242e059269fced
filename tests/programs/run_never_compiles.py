"""Evaluation script that never calls torch.compile.

Truth: it works, and nothing was compiled.
"""
# command run
# summary verdict=inconclusive exit=3
# expect CD105 never-compiled
# says CD105: torch.compile was not called on any part of it
# says CD105: Call torch.compile in this program
import torch

model = torch.nn.Linear(8, 8).eval()
with torch.no_grad():
    print(model(torch.randn(2, 8)).sum())
