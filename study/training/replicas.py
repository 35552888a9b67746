"""Copies of the network that share each batch, by torchrun and DistributedDataParallel; one process is the case of one.

The global batch, its order, crops and dropout are the recipe's: a replica takes its rows of them. Losses, and with them
weights, are those of one process but for the order of summation.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from study.machine import MachineSettings
from study.network.building import Network

TIMEOUT = timedelta(minutes=5)  # for a replica that does not answer; evaluating and saving take less


@dataclass(frozen=True, slots=True)
class Replicas:
    """This process is number `rank` among `count`, and number `local` on its own computer."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """This replica's rows of a batch; the first replicas take one more where it does not divide."""
        each, more = divmod(batch, self.count)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def copied(self, network: Network) -> Any:
        """What to call in training in the network's place, so that gradients are averaged over the replicas."""
        return network if self.count == 1 else DistributedDataParallel(network)

    def total(self, *values: float) -> list[float]:
        """Each value's sum over the replicas."""
        if self.count == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(sums)
        return sums.tolist()

    def from_first(self, tensors: list[Tensor], values: Any) -> Any:
        """Give all replicas the tensors of the first one, in place, and its values."""
        if self.count > 1:
            broadcast = [values]
            distributed.broadcast_object_list(broadcast)
            (values,) = broadcast
            for tensor in tensors:
                distributed.broadcast(tensor, 0)
        return values


ONE_PROCESS = Replicas()


def join(machine: MachineSettings) -> Replicas:
    """Find the other replicas, which torchrun started. Raises ValueError where there are not as many as declared."""
    started = int(os.environ.get("WORLD_SIZE", 1))
    if started != machine.replicas:
        raise ValueError(
            f"machine.replicas is {machine.replicas}, but {started} process(es) were started; "
            f"change it, or start them with: torchrun --nproc-per-node {machine.replicas} -m stages.train RUN"
        )
    if started == 1:
        return ONE_PROCESS
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
    return Replicas(distributed.get_rank(), started, int(os.environ["LOCAL_RANK"]))
