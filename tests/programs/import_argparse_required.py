"""Training script whose arguments are parsed when it is imported.

Truth: argparse ends the process, because --config is missing: exit 2.
"""
# summary exit=2
# expect CD001 argparse
# says CD001: Put the parsing under `if __name__ == "__main__":`
# says CD001: compile-doctor run -- python
# never CD001: until it works
import argparse

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
args = parser.parse_args()


def build_model():
    return torch.nn.Linear(4, 4)


def example_inputs():
    return (torch.randn(2, 4),)
