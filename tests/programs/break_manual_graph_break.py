"""Two-stage detector which splits its graph on purpose between backbone and head.

Truth: torch._dynamo.graph_break() is a request, one break, no defect.
"""
# summary graph_breaks=1 recompiles=0 graphs=2 frames_skipped=0 verdict=healthy exit=0
import torch
from torch import nn


class TwoStage(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2))
        self.boxes, self.scores = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 2, 1)

    def forward(self, images):
        features = self.backbone(images)
        torch._dynamo.graph_break()  # expect CD101 deliberate
        boxes = self.boxes(features).flatten(2).transpose(1, 2)
        scores = self.scores(features).flatten(2).softmax(dim=1)
        return boxes.sigmoid(), scores


def build_model():
    return TwoStage().eval()


def example_inputs():
    return (torch.randn(1, 3, 9, 9),)
