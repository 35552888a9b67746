"""The ordinary way to write and train the same network in torch: what the study's own is measured against.

One nn.Sequential of torch's modules, in torch's layout, precision and C allocator, updated by torch.optim.SGD. Only the
response normalisation takes two lines more, since torch's knows no columns; with its alpha divided by n, as torch does,
network and study compute the same function, but for dropout, which torch scales in training and the paper in the test.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.ours import TIMED_RATE
from bench.timing import Scope
from study.network.alexnet import AlexNet
from study.network.geometry import overhang
from study.network.settings import AlexNetSettings, sides

LEARNED = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
MOMENTUM, WEIGHT_DECAY = 0.9, 0.0005  # section 5


class PerColumn(nn.Module):
    """torch's response normalisation, of each column's maps apart."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns
        self.normalise = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)  # section 3.3's; torch divides alpha by n (A4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.normalise(part) for part in x.chunk(self.columns, dim=1)], dim=1)


def ordinary(s: AlexNetSettings, classes: int) -> nn.Sequential:
    """The text's network at the sizes of `s`; the layers carry the study's names."""
    (k1, k2, k3, k4, k5), (n6, n7), (p2, p3, p4, p5) = s.kernels, s.neurons, s.paddings
    columns, over = s.columns, overhang(s.crop, 11, s.stride)
    layers: list[tuple[str, nn.Module]] = [
        ("pad", nn.ZeroPad2d((0, over, 0, over))),
        ("conv1", nn.Conv2d(3, k1, 11, stride=s.stride)),
        ("relu1", nn.ReLU(inplace=True)),
        ("normalise1", PerColumn(columns)),
        ("pool1", nn.MaxPool2d(3, stride=2, ceil_mode=True)),
        ("conv2", nn.Conv2d(k1, k2, 5, padding=p2, groups=columns)),
        ("relu2", nn.ReLU(inplace=True)),
        ("normalise2", PerColumn(columns)),
        ("pool2", nn.MaxPool2d(3, stride=2, ceil_mode=True)),
        ("conv3", nn.Conv2d(k2, k3, 3, padding=p3)),
        ("relu3", nn.ReLU(inplace=True)),
        ("conv4", nn.Conv2d(k3, k4, 3, padding=p4, groups=columns)),
        ("relu4", nn.ReLU(inplace=True)),
        ("conv5", nn.Conv2d(k4, k5, 3, padding=p5, groups=columns)),
        ("relu5", nn.ReLU(inplace=True)),
        ("pool5", nn.MaxPool2d(3, stride=2, ceil_mode=True)),
        ("flatten", nn.Flatten()),
        ("fc6", nn.Linear(k5 * sides(s)[-1] ** 2, n6)),
        ("relu6", nn.ReLU(inplace=True)),
        ("dropout6", nn.Dropout(s.dropout)),
        ("fc7", nn.Linear(n6, n7)),
        ("relu7", nn.ReLU(inplace=True)),
        ("dropout7", nn.Dropout(s.dropout)),
        ("fc8", nn.Linear(n7, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


@torch.no_grad()
def take_weights(network: nn.Sequential, ours: AlexNet) -> None:
    """Give the ordinary network the study's weights: the columns' kernels and neurons, one column after the other."""
    for name in LEARNED:
        for kind in ("weight", "bias"):
            parts: list[Tensor] = [column.get_submodule(name).get_parameter(kind) for column in ours.columns]
            network.get_submodule(name).get_parameter(kind).copy_(torch.cat(parts))


class Ordinary:
    """The ordinary network and its update, on random pictures. `precision` bfloat16 is autocast; tf32 is a flag."""

    def __init__(self, scope: Scope, settings: AlexNetSettings, precision: str, rate: float = TIMED_RATE) -> None:
        ours = AlexNet(settings, scope.classes)
        ours.initialise(0)
        self.network = ordinary(settings, scope.classes)
        take_weights(self.network, ours)
        self.network.to(scope.device)
        self.update = torch.optim.SGD(self.network.parameters(), rate, MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.pictures, self.labels = scope.pictures()
        self.precision, self.device = precision, scope.device

    def prepare(self) -> None:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = self.precision == "tf32"

    def step(self) -> float:
        """Forward, loss, backward, update; returns the loss."""
        self.network.train()
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            answers = self.network(self.pictures)
        loss = F.cross_entropy(answers.float(), self.labels)
        loss.backward()
        self.update.step()
        self.update.zero_grad()
        return loss.item()
