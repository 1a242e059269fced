"""Model that imports a package which is not installed.

Truth: the import fails: exit 2.
"""
# summary exit=2
# expect CD001 missing-package
# says CD001: python -m pip install no_such_package_for_masks
import no_such_package_for_masks as masks
import torch


def build_model():
    return torch.nn.Linear(4, 4)


def example_inputs():
    return (masks.full(torch.randn(2, 4)),)
