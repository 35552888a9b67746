"""A foreign network in the ten-patch evaluation: torchvision's AlexNet, whose error others published.

Where it errs here as it does there, the evaluation is right: cutting, averaging and counting are those of every run. It is
the network of Krizhevsky's "One weird trick" (2014): 64, 192, 384, 256, 256 kernels, no columns, no response normalisation.

It wants colours from 0 to 1 minus ImageNet's mean, over its deviation; a feed hands over grey levels minus a mean picture.
With `mean="centre"` that is one picture for all patches, which is added again. What remains different is the packing: the
longer side of a picture is rounded here and truncated there, and where a border is odd the cut is a pixel beside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision.models import alexnet

from study.data.feeding import NO_AUGMENTATION, Feed
from study.machine import Machine
from study.measuring.evaluation import Prediction, predict

CROP = 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours (RGB) from 0 to 1
CLASSES = 1000
ILSVRC_2012 = "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"  # SHA-256 of its sorted ids, a line each


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """Errors from 0 to 1 that the maker of a network gives: centre patch, `pictures` validation pictures of ILSVRC-2012.

    `sha256` is the beginning of the hash of the weights' file, which torchvision has in the file's name.
    """

    title: str
    address: str
    sha256: str
    pictures: int
    top1_error: float
    top5_error: float


TORCHVISION = Published(
    title="torchvision's AlexNet_Weights.IMAGENET1K_V1",
    address="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    sha256="7be5be79",
    pictures=50_000,
    top1_error=0.43478,
    top5_error=0.20934,
)


class Foreign(nn.Module):
    """A network of torchvision's behind the interface of ours: (B, 3, 224, 224) grey levels minus `central_mean`
    (224, 224, 3) -> (B, classes)."""

    def __init__(self, network: nn.Module, central_mean: Tensor, machine: Machine) -> None:
        super().__init__()
        self.device, self.rounded = machine.devices[0], machine.precision == "bfloat16"
        self.dtype = torch.float64 if machine.precision == "float64" else torch.float32
        self.network = network.to(self.device, self.dtype).eval()
        self.central_mean = central_mean.to(self.device, self.dtype).permute(2, 0, 1)
        self.mean, self.deviation = (
            torch.tensor(colour, dtype=self.dtype, device=self.device)[:, None, None] for colour in (MEAN, DEVIATION)
        )

    def grey_levels(self, patches: Tensor) -> Tensor:
        """The patches as they are packed, from 0 to 255."""
        return patches.to(self.dtype) + self.central_mean

    def forward(self, patches: Tensor) -> Tensor:
        colours = self.grey_levels(patches).div_(255).sub_(self.mean).div_(self.deviation)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.rounded):
            return self.network(colours)


def load(path: Path) -> nn.Module:
    """torchvision's AlexNet with the weights of a .pth or .safetensors file and as many outputs as they have.

    Raises ValueError with the remedy where the file is missing, is damaged, or holds something else.
    """
    weights = _tensors(path)
    outputs = weights["classifier.6.bias"].numel() if "classifier.6.bias" in weights else CLASSES
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced
        network = alexnet(weights=None, num_classes=outputs)
    expected = network.state_dict()
    if strange := sorted(set(expected) ^ set(weights)):
        verb = "lacks" if strange[0] in expected else "has"
        raise ValueError(f"{path} {verb} {strange[0]}, unlike torchvision's AlexNet; {_how()}")
    for name, weight in weights.items():
        if weight.shape != expected[name].shape or not weight.is_floating_point():
            wanted, found = (f"{list(tensor.shape)}" for tensor in (expected[name], weight))
            raise ValueError(f"{path} has {name} as {found} {weight.dtype}, torchvision's AlexNet as {wanted} floats; {_how()}")
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _tensors(path: Path) -> dict[str, Tensor]:
    """A file of named tensors, read without trusting it: no object but tensors is made of it."""
    if not path.is_file():
        raise ValueError(f"{path} is not there; {_how()}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # what damaged bytes raise is anything from EOFError to KeyError
        raise ValueError(f"{path} is damaged, or holds more than tensors; {_how()}") from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds no table of weights alone; {_how()}")
    return dict(content)


def _how() -> str:
    return f"fetch {TORCHVISION.address}, or save the state_dict() of your own torchvision.models.alexnet"


def require_fit(outputs: int, classes: Sequence[str], size: int) -> None:
    """Raises ValueError with the remedy where a network's outputs cannot be a packed set's classes, or a patch not be cut.

    torchvision's 1,000 outputs are wordnet's ids in sorted order; other numbers of outputs are a lab's own, in the set's.
    """
    if size < CROP:
        raise ValueError(f"the packed pictures have {size} pixels a side, fewer than a patch's {CROP}; set prepare.size to 256")
    ids = len(classes) == CLASSES and all(re.fullmatch(r"n\d{8}", name) for name in classes)
    if outputs == CLASSES and not (ids and list(classes) == sorted(set(classes))):
        raise ValueError(
            f"the network has 1,000 outputs, wordnet's ids in sorted order, and the packed set's {len(classes):,} classes "
            f"({classes[0]}, ...) are not that; choose study=ilsvrc2012 with download.classes: []"
        )
    if outputs != len(classes):
        raise ValueError(
            f"the network has {outputs:,} outputs and the packed set {len(classes):,} classes; "
            f"choose the study that it was trained on, or weights that fit"
        )


def are_ilsvrc_2012(classes: Sequence[str]) -> bool:
    """Whether these are the 1,000 classes of the published number; ILSVRC-2010 has 1,000 others."""
    return sha256("\n".join(classes).encode()).hexdigest() == ILSVRC_2012


def predict_foreign(network: nn.Module, packed: Path, machine: Machine, batch: int, step: Callable[[int], None]) -> Prediction:
    """Ten patches and the centre patch of the test set, as study/measuring/evaluation.py has it for our networks."""
    feed = Feed(packed, ("test",), CROP, machine.devices[0], replace(NO_AUGMENTATION, mean="centre"))
    foreign: Any = Foreign(network, feed.central_mean, machine)
    return predict(foreign, feed, batch, step)
