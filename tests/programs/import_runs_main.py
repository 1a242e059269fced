"""Training script without a guard around main(), which ends the process.

Truth: importing it runs the training and leaves by SystemExit: exit 2.
"""
# summary exit=2
# expect CD001 exits
# says CD001: Importing the file runs the whole program
import sys

import torch


def build_model():
    return torch.nn.Linear(4, 4)


def example_inputs():
    return (torch.randn(2, 4),)


def main():
    return 0 if torch.isfinite(build_model()(*example_inputs())).all() else 1


sys.exit(main())
