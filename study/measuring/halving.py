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
COLUMNS = (*files.DIVERGENCES, *(f"geometric_{n}" for n in FEW), *(f"arithmetic_{n}" for n in FEW))


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
    """A row a picture (COLUMNS): divergences in nats from the geometric mean of many masks; and metrics.json's content.

    The few masks are others than the many, so that a mean is not compared with itself. Raises ValueError without dropout.
    """
    if not (has_dropout(network) and isinstance(network, AlexNet)):
        raise ValueError(f"the network of {settings.run} has no dropout whose halving could be measured; name another run")
    rows: list[list[Any]] = []
    wrong = dict.fromkeys(COLUMNS[2:], 0) | {"many": 0}
    for number, (pictures, labels) in enumerate(feed.test_batches(settings.batch)):
        labels = labels[: settings.pictures - len(rows)].cpu()
        network.eval()
        given = network.convolved(pictures[: len(labels)])
        made = {"halved": _log_softmax(network, given)}
        network.train()
        made |= _few(network, given, (settings.seed, number), step)
        many = _mean(network, given, range(FEW[-1], FEW[-1] + settings.masks), (settings.seed, number), step)
        far = {name: _divergence(many, other).tolist() for name, other in made.items()}
        for name, other in (made | {"many": many}).items():
            wrong[name] += int((other.argmax(dim=1) != labels).sum())
        rows += [[len(rows) + i, int(label), *(far[name][i] for name in COLUMNS[2:])] for i, label in enumerate(labels)]
        if len(rows) >= settings.pictures:
            break
    network.eval()
    return rows, _metrics(settings, rows, wrong)


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


def _few(network: AlexNet, given: list[Tensor], stream: tuple[int, int], step: Callable[[int], None]) -> dict[str, Tensor]:
    """Geometric and arithmetic means of the first 1, 3, 10, 30, 100 masks: log probabilities each."""
    found, logs, plain = {}, torch.zeros(()), torch.zeros(())
    for mask in range(FEW[-1]):
        one = _masked(network, given, mask, stream)
        logs, plain = logs + one, plain + one.exp()
        step(1)
        if (count := mask + 1) in FEW:
            found[f"geometric_{count}"] = (logs / count).log_softmax(dim=1)
            found[f"arithmetic_{count}"] = (plain / count).log()
    return found


def _divergence(of: Tensor, other: Tensor) -> Tensor:
    """Kullback and Leibler's, in nats, a picture each; both are log probabilities."""
    return (of.exp() * (of - other)).sum(dim=1)


def _metrics(settings: HalvingSettings, rows: list[list[Any]], wrong: dict[str, int]) -> dict[str, Any]:
    divergence = {name: sum(row[2 + place] for row in rows) / len(rows) for place, name in enumerate(COLUMNS[2:])}
    return {
        "run": settings.run,
        "seed": settings.seed,
        "pictures": len(rows),
        "masks": settings.masks,
        "divergence": divergence,
        "top1_error": {name: count / len(rows) for name, count in wrong.items()},
    }
