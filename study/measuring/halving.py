"""Section 4.2: in the test all neurons are there, their outputs times 0.5, in place of averaging many dropout networks.

The paper calls that a reasonable approximation to the geometric mean of the networks' predictive distributions. Here the
mean is taken over many masks of one trained network, and each picture says how far from it the halved outputs are, and how
far the mean of a few masks is. Layers 1 to 5 have no dropout and are computed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from study import files
from study.data.feeding import Feed
from study.machine import derived_seed
from study.network.alexnet import AlexNet
from study.network.building import Network

FEW = (1, 3, 10, 30, 100)  # masks of which means are compared with that of many
MEANS = (*files.DIVERGENCES[2:], *(f"geometric_{n}" for n in FEW), *(f"arithmetic_{n}" for n in FEW))
COLUMNS = (*files.DIVERGENCES[:2], *MEANS, *(f"right_{name}" for name in (*MEANS, "many")), "masks_right")


@dataclass(frozen=True, kw_only=True, slots=True)
class HalvingSettings:
    """`run` and `seed` name the network; `pictures`: the first so many of the test set; `masks`: those of the mean."""

    run: str
    seed: int
    pictures: int = 200
    masks: int = 1000
    batch: int = 100

    def __post_init__(self) -> None:
        if min(self.pictures, self.batch) < 1 or self.masks < FEW[-1]:
            raise ValueError(
                f"pictures is {self.pictures}, batch {self.batch} and masks {self.masks}; "
                f"give at least one picture, and {FEW[-1]} masks or more for the mean"
            )


def has_dropout(network: Network) -> bool:
    return isinstance(network, AlexNet) and network.settings.dropout > 0


@torch.no_grad()
def halve(network: Network, feed: Feed, settings: HalvingSettings, step: Callable[[int], None]) -> tuple[list[list[Any]], Any]:
    """A row a picture (COLUMNS), and metrics.json's content: divergences in nats from the geometric mean of many masks, whether
    each mean names the right class (1 or 0), and how many of the first masks do so, each by itself.

    The few masks are others than the many, so that a mean is not compared with itself. Raises ValueError without dropout.
    """
    if not (has_dropout(network) and isinstance(network, AlexNet)):
        raise ValueError(f"the network of {settings.run} has no dropout whose halving could be measured; name another run")
    rows: list[list[Any]] = []
    for number, (pictures, labels) in enumerate(feed.test_batches(settings.batch)):
        labels = labels[: settings.pictures - len(rows)].cpu()
        network.eval()
        given = network.convolved(pictures[: len(labels)])
        made = {"halved": _log_softmax(network, given)}
        network.train()
        few, masks_right = _few(network, given, labels, (settings.seed, number), step)
        made |= few
        many = _mean(network, given, range(FEW[-1], FEW[-1] + settings.masks), (settings.seed, number), step)
        far = [_divergence(many, made[name]) for name in MEANS]
        right = [_right(one, labels) for one in (*(made[name] for name in MEANS), many)]
        columns = [column.tolist() for column in (labels, *far, *right, masks_right)]
        rows += [[len(rows) + i, *row] for i, row in enumerate(zip(*columns, strict=True))]
        if len(rows) >= settings.pictures:
            break
    network.eval()
    return rows, _metrics(settings, rows)


def _right(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """1 where the likeliest class is the picture's, 0 elsewhere; int64 (B,)."""
    return (log_probabilities.argmax(dim=1) == labels).long()


def _log_softmax(network: AlexNet, given: list[Tensor]) -> Tensor:
    """In float64, which not every device has, so on the CPU."""
    return network.classify(network.hidden(given)).cpu().double().log_softmax(dim=1)


def _masked(network: AlexNet, given: list[Tensor], mask: int, stream: tuple[int, int]) -> Tensor:
    """Log probabilities with one mask a picture: the thinned network, its outputs as in training."""
    network.draw_dropout_from(derived_seed("halving", *stream, mask))
    return _log_softmax(network, given)


def _mean(network: AlexNet, given: list[Tensor], masks: range, stream: tuple[int, int], step: Callable[[int], None]) -> Tensor:
    """The geometric mean of the masks' distributions, normalised: log probabilities (B, classes)."""
    total = _masked(network, given, masks[0], stream)
    for mask in masks[1:]:
        total += _masked(network, given, mask, stream)
        step(1)
    return (total / len(masks)).log_softmax(dim=1)


def _few(
    network: AlexNet, given: list[Tensor], labels: Tensor, stream: tuple[int, int], step: Callable[[int], None]
) -> tuple[dict[str, Tensor], Tensor]:
    """Geometric and arithmetic means of the first 1, 3, 10, 30, 100 masks: log probabilities each; and how many of the
    masks are right, each by itself: int64 (B,)."""
    found, logs, plain, right = {}, torch.zeros(()), torch.zeros(()), torch.zeros_like(labels)
    for mask in range(FEW[-1]):
        one = _masked(network, given, mask, stream)
        logs, plain = logs + one, plain + one.exp()
        right += _right(one, labels)
        step(1)
        if (count := mask + 1) in FEW:
            found[f"geometric_{count}"] = (logs / count).log_softmax(dim=1)
            found[f"arithmetic_{count}"] = (plain / count).log()
    return found, right


def _divergence(of: Tensor, other: Tensor) -> Tensor:
    """Kullback and Leibler's, in nats, a picture each; both are log probabilities."""
    return (of.exp() * (of - other)).sum(dim=1)


def _metrics(settings: HalvingSettings, rows: list[list[Any]]) -> dict[str, Any]:
    means = {name: sum(row[place] for row in rows) / len(rows) for place, name in enumerate(COLUMNS)}
    return {
        "run": settings.run,
        "seed": settings.seed,
        "diverged": [],
        "pictures": len(rows),
        "masks": settings.masks,
        "divergence": {name: means[name] for name in MEANS},
        "top1_error": {name: 1 - means[f"right_{name}"] for name in (*MEANS, "many")},
    }
