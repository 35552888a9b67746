"""Devices, threads, precision, replicas and seeds: what the network and the loop need not know about the machine.

Everything here acts on the whole process. Bits are the same where the declared machine, the processor's instructions
(`capability`) and the versions of the packages are the same.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import torch

Precision = Literal["float64", "float32", "tf32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineSettings:
    """The machine as it is declared in params.yaml. `devices`: `cpu`, `cuda:0` or `mps`; two of them hold a column each.

    `threads` are those of one training. `precision`: `tf32` lets CUDA round the factors of matrix products and convolutions;
    `bfloat16` is autocast: weights and their update stay in float32. `deterministic` makes torch use algorithms that give the
    same bits every time. `compiled` makes the response normalisation one kernel with torch.compile, which needs a C++
    compiler, or Triton on CUDA. `replicas` counts copies of the network that share each batch (torchrun).
    """

    devices: tuple[str, ...]
    threads: int
    precision: Precision = "float32"
    deterministic: bool = True
    compiled: bool = False
    replicas: int = 1

    def __post_init__(self) -> None:
        if len(self.devices) not in (1, 2):
            raise ValueError(f"devices names {len(self.devices)} devices; name one, or two for a column each")
        for name in self.devices:
            if not re.fullmatch(r"(cpu|mps|cuda)(:\d+)?", name):
                raise ValueError(f"devices names {name!r}, which is no device; use cpu, cuda:0 or mps")
        if not 1 <= self.threads <= 1024:
            raise ValueError(f"threads is {self.threads}; give the number of cores, 1 or more")
        if self.precision == "tf32" and not all(name.startswith("cuda") for name in self.devices):
            raise ValueError(f"precision is tf32, which CUDA alone has, and devices is {list(self.devices)}; choose float32")
        if self.replicas < 1:
            raise ValueError(f"replicas is {self.replicas}; it is 1, or the number of processes that torchrun starts")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The declared machine as this process uses it. A device that is named twice holds each column on its own."""

    devices: tuple[torch.device, ...] = (torch.device("cpu"),)
    precision: Precision = "float32"
    compiled: bool = False


def set_up(machine: MachineSettings, replica: int = 0) -> Machine:
    """Make torch in this process what the declaration says. Raises ValueError with the remedy where the machine cannot.

    `replica` counts the replicas on this computer from 0. They take the devices that follow: with `devices: [cuda:0, cuda:1]`
    the second replica has its columns on cuda:2 and cuda:3.
    """
    _keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products on CUDA
    torch.set_num_threads(machine.threads)
    torch.set_default_dtype(torch.float64 if machine.precision == "float64" else torch.float32)
    torch.use_deterministic_algorithms(machine.deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing here reads memory that it has not written
    torch.backends.cudnn.benchmark = not machine.deterministic
    # Set, not left to torch: its convolutions use tf32 unless told otherwise, its matrix products do not.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = machine.precision == "tf32"
    devices = tuple(_device(name, replica * len(machine.devices), machine.precision) for name in machine.devices)
    if machine.compiled:
        _require_compiler(devices[0])
    return Machine(devices=devices, precision=machine.precision, compiled=machine.compiled)


def _device(name: str, offset: int, precision: Precision) -> torch.device:
    """The device of that name, or for CUDA the one `offset` further, if this machine has it."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"machine.devices names {name!r}, which is no device; use cpu, cuda:0 or mps") from None
    available = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device.type == "cuda":
        device = torch.device("cuda", (device.index or 0) + offset)
    if (device.index or 0) >= available.get(device.type, 0):
        raise ValueError(f"machine.devices names {str(device)!r}, which this machine lacks; set machine.devices to [cpu]")
    if device.type == "mps" and precision not in ("float32", "bfloat16"):
        raise ValueError(f"machine.precision is {precision}, which Apple's GPU does not have; choose float32 or bfloat16")
    return device


def _require_compiler(device: torch.device) -> None:
    if device.type == "cuda":
        found, compiler = find_spec("triton") is not None, "Triton (pip install triton)"
    else:
        commands = (os.environ.get("CXX"), "g++", "clang++", "cl")
        found = any(command and shutil.which(command) for command in commands)
        compiler = "a C++ compiler (Debian: apt-get install g++)"
    if not found:
        raise ValueError(f"machine.compiled needs {compiler}, which is not here; install it or set machine.compiled to false")


def _keep_freed_memory() -> None:
    """Ask glibc to reuse large buffers: by default each big tensor is mapped and unmapped, dearer than the arithmetic."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    mmap_max, trim_threshold, top_pad = -4, -1, -2
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)
    libc.mallopt(top_pad, 256 << 20)


def capability(devices: Iterable[torch.device]) -> str:
    """What decides, on one version of torch, which bits come out: the CPU's instructions, such as AVX512, and any GPUs."""
    gpus = sorted({torch.cuda.get_device_name(device) for device in devices if device.type == "cuda"})
    return ", ".join([torch.backends.cpu.get_cpu_capability(), *gpus])


def derived_seed(*parts: int | str) -> int:
    """A seed of 63 bits made from what it is for, such as `(seed, "order", epoch)`: no two streams of numbers are the same."""
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


_end_requested = threading.Event()


def asked_to_end() -> bool:
    """Whether this process was asked to end: by SIGTERM, once `heed_requests_to_end` was called, or by `ask_to_end`."""
    return _end_requested.is_set()


def ask_to_end() -> None:
    """Ask the trainings of this process to save their state and end."""
    _end_requested.set()


def heed_requests_to_end() -> None:
    """From now on SIGTERM does not end this process, but asks its trainings to save their state and end.

    It may come more than once: a cluster sends it to every process of a job, and the death of `dvc` sends it to the stage again.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: ask_to_end())
