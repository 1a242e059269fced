"""Accuracy meter: one function, all its tensor work inside a Python loop that breaks.

Truth: .item() in the loop makes Dynamo skip the only frame, and no other frame has tensor code of its
own: nothing is compiled. The break (CD103) and the skip (CD104) are still named.
"""
# summary graphs=0 graph_breaks=1 recompiles=0 frames_skipped=1 verdict=inconclusive exit=3
# expect CD105 only-frame-skipped
import torch


def accuracy_per_class(logits, target):  # expect CD104 loop-break
    predicted = logits.argmax(dim=-1)
    correct = []
    for index in range(logits.shape[-1]):
        mask = target == index
        hits = ((predicted == index) & mask).sum()
        correct.append(hits.item() / len(target))  # expect CD103 item-in-loop
    return correct


def build_model():
    return accuracy_per_class


def example_inputs():
    return (torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2]))
