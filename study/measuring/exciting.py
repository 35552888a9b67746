"""The patches of test pictures to which a first-layer kernel answers most (Figure 3: what a kernel looks for)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from study.data.feeding import Feed
from study.network.building import Network

COUNT = 9
BATCH = 100  # pictures


@torch.no_grad()
def exciting(network: Network, feed: Feed, seed: int) -> list[list[Any]]:
    """Rows of files.PATCHES: for each kernel the COUNT pictures with the strongest answers, in order, a patch of each.

    An answer is the weighted sum of a patch minus its mean, before bias and nonlinearity; patches are those that lie within the
    central one, at the network's stride. Equal answers are ranked by picture.
    """
    kernels = network.kernels().permute(0, 3, 1, 2)  # n RGB h w
    stride, scale = getattr(network.settings, "stride", 1), getattr(network.settings, "input_scale", 1.0)
    edge = (feed.size - network.settings.crop) // 2
    answers, places, first = torch.empty(0, len(kernels)), torch.empty(0, len(kernels), dtype=torch.int64), 0
    rows = torch.empty(0, len(kernels), dtype=torch.int64)
    for pictures, _ in feed.test_batches(BATCH):
        made = F.conv2d(scale * pictures.cpu().float(), kernels, stride=stride)  # B n h w
        across = made.shape[3]
        best, where = made.flatten(2).max(dim=2)
        here = torch.arange(first, first + len(made))[:, None].expand_as(where)
        answers, places, rows = (torch.cat(both) for both in ((answers, best), (places, where), (rows, here)))
        order = answers.argsort(dim=0, descending=True, stable=True)[:COUNT]
        answers, places, rows = (one.gather(0, order) for one in (answers, places, rows))
        first += len(made)
    y, x = edge + stride * (places // across), edge + stride * (places % across)
    return [
        [
            seed,
            kernel,
            rank + 1,
            int(rows[rank, kernel]),
            int(y[rank, kernel]),
            int(x[rank, kernel]),
            _number(answers[rank, kernel]),
        ]
        for kernel in range(len(kernels))
        for rank in range(len(rows))
    ]


def _number(answer: Tensor) -> float:
    return float(f"{float(answer):.5g}")
