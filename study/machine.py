"""Devices, threads, precision and seeds: what the network and the loop need not know about the machine."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import sys
from dataclasses import dataclass
from typing import Literal

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineSettings:
    """The declared machine. `devices`: `cpu`, `cuda:0`, `mps`; two of them hold a column each."""

    devices: tuple[str, ...]
    threads: int
    precision: Literal["float32"]
    deterministic: bool

    def __post_init__(self) -> None:
        if len(self.devices) not in (1, 2):
            raise ValueError(f"devices names {len(self.devices)} devices; name one, or two for a column each")
        if self.threads < 1:
            raise ValueError(f"threads is {self.threads}; give the number of cores, 1 or more")


def set_up(machine: MachineSettings) -> list[torch.device]:
    """Apply the declaration to this process. Raises ValueError with the remedy where a device is not there."""
    _keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products on CUDA
    torch.set_num_threads(machine.threads)
    torch.use_deterministic_algorithms(machine.deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads memory that it has not written
    torch.backends.cudnn.benchmark = not machine.deterministic
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 means float32
    return [_device(name) for name in machine.devices]


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"machine.devices names {name!r}, which is no device; use cpu, cuda:0 or mps") from None
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= there.get(device.type, 0):
        raise ValueError(f"machine.devices names {name!r}, which this machine lacks; set machine.devices to [cpu]")
    return device


def _keep_freed_memory() -> None:
    """Ask glibc to reuse large buffers: by default each big tensor is mapped and unmapped, dearer than the arithmetic."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    mmap_max, trim_threshold, top_pad = -4, -1, -2
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)
    libc.mallopt(top_pad, 256 << 20)


def derived_seed(*parts: int | str) -> int:
    """A seed of 63 bits from what it is for, such as `(seed, "order", epoch)`: streams never overlap by accident."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """A CPU generator seeded by `derived_seed(*parts)`."""
    return torch.Generator().manual_seed(derived_seed(*parts))


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes (0 where the system does not tell)."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
