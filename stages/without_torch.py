"""Settings read without loading torch, which takes three seconds: what only looks at settings answers at once.

The settings classes stand beside what they configure, in modules that import torch to define layers and functions. Defining
them needs names alone, so any name will do, as long as nothing is computed.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LEFT_OUT = ("torch", "torchvision", "safetensors")


class _AnyName(type):
    """Every attribute, and every call as a decorator or constructor, gives the class itself."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __call__(cls, *_: Any, **__: Any) -> Any:
        return cls


class _Nothing(metaclass=_AnyName):
    """Stands for anything of torch."""


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in LEFT_OUT else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


def leave_torch_out() -> None:
    """From now on this process imports an empty torch. For a program that computes nothing, before its other imports."""
    sys.meta_path.insert(0, _Finder())
