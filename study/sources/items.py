"""What a source of pictures hands over: a picture with its label, a part of a split, the source itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class Item:
    """A picture of a source: a file's bytes, or uint8 (h, w, RGB); `name` says where it stands."""

    name: str
    content: bytes | np.ndarray
    label: int


@dataclass(frozen=True, slots=True)
class Part:
    """Rows `start` to `stop` of a split, loaded where it is iterated."""

    load: Callable[[str, int, int], Iterator[Item]]
    split: str
    start: int
    stop: int

    def __iter__(self) -> Iterator[Item]:
        return self.load(self.split, self.start, self.stop)


class Source(Protocol):
    """Where pictures come from (study/sources/choosing.py). Workers receive parts, which must pickle and be small."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    def part(self, split: str, start: int, stop: int) -> Iterable[Item]: ...
    def receipt(self) -> dict[str, Any]: ...
