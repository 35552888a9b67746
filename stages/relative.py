"""What a run says relative to its study's scale (`times` in its block), so that one table of runs serves every scale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.checking import LARGEST, SettingsError, checked, plain
from study.training.run import RunSettings

CHANGED = {  # the lines of a run's complete settings that a factor changes
    "kernels": ("network.kernels",),
    "neurons": ("network.neurons",),
    "epochs": (
        "learning.epochs", "learning.rate.at", "learning.rate.patience", "learning.conv1_slowed", "learning.conv1_frozen",
        "augmentation.colour_until",
    ),
    "rate": ("learning.rate.initial",),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class TimesSettings:
    """So many times of what the run would have without this block.

    `kernels` and `neurons`: a factor for each layer, all 1 if not given. `epochs` stretches all that counts in epochs: their
    number, when rates fall, patience. `rate` is of the initial learning rate.
    """

    kernels: tuple[float, ...] = ()
    neurons: tuple[float, ...] = ()
    epochs: float = 1.0
    rate: float = 1.0

    def __post_init__(self) -> None:
        for name in ("kernels", "neurons", "epochs", "rate"):
            value = getattr(self, name)
            if min(value if isinstance(value, tuple) else (value,), default=1) <= 0:
                raise ValueError(f"{name} is {value}, but 0 or less leaves nothing; give numbers above 0, such as 0.5")


def multiplied(run: RunSettings, times: TimesSettings, where: str) -> RunSettings:
    """The run with so many times of what it had; `where` is its place in params.yaml.

    Raises SettingsError where that makes no whole number, or where the network has no such layers.
    """
    content = json.loads(json.dumps(plain(run)))
    network, learning, augmentation = content["network"], content["learning"], content["augmentation"]
    for name, factors in (("kernels", times.kernels), ("neurons", times.neurons)):
        widths = network.get(name, [])
        if factors and len(factors) != len(widths):
            raise SettingsError(f"{where}.times.{name} has {len(factors)} factors for {len(widths)} layers; give one for each")
        for layer, factor in enumerate(factors):
            widths[layer] = _whole(widths[layer] * factor, f"{where}.times.{name}[{layer}]")
    for block, name in ((learning, "epochs"), (learning["rate"], "patience"), (augmentation, "colour_until")):
        block[name] = _scaled_count(block[name], times.epochs, f"{where}.times.epochs")
    for name in ("conv1_slowed", "conv1_frozen"):
        learning[name] = _scaled_epoch(learning[name], times.epochs, f"{where}.times.epochs")
    learning["rate"]["at"] = [_scaled_epoch(epoch, times.epochs, f"{where}.times.epochs") for epoch in learning["rate"]["at"]]
    learning["rate"]["initial"] *= times.rate
    changed: RunSettings = checked(RunSettings, content, where)
    return changed


def written_out(block: Mapping[str, Any]) -> dict[str, Any]:
    """A run's block with the lines that `times` changes in its place, without values: where it may differ from other runs."""
    lines = {key: value for key, value in block.items() if key != "times"}
    times = block.get("times")
    for factor in times if isinstance(times, Mapping) else ():
        for line in CHANGED.get(factor, ()):
            *folders, last = line.split(".")
            inner = lines = _copied(lines)
            for folder in folders:
                inner = inner.setdefault(folder, {})
            inner.setdefault(last, None)
    return lines


def _copied(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in block.items()}


def _whole(value: float, where: str) -> int:
    if abs(value) > LARGEST:
        raise SettingsError(f"{where} makes {value:g}, more than there can be; choose a smaller factor")
    if abs(value - round(value)) > 1e-6:
        raise SettingsError(f"{where} makes {value:g}, which is no whole number; choose another factor")
    return round(value)


def _scaled_count(epochs: int | None, factor: float, where: str) -> int | None:
    return None if epochs is None else _whole(epochs * factor, where)


def _scaled_epoch(epoch: int | None, factor: float, where: str) -> Any:
    """The epoch, counted from 1, that begins after so many times of the training that came before `epoch`."""
    return None if epoch is None else 1 + _whole((epoch - 1) * factor, where)
