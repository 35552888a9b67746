"""How each claim is tested, said before the runs: the content of protocol.yaml, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from study.paper.claims import CLAIMS

MEASURED_KINDS = ("effect", "absence", "value", "figure")  # of the untestable ones a number may be reported


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperScale:
    """Where our number may stand beside the paper's: this study, with all its pictures and the full network."""

    study: str
    training_pictures: int
    parameters: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """The test of one claim.

    `measure` names a measurement (study/judging/measurements.py), made on `run`, compared with `against`; for
    `times_ratio` these name curves. `smallest_effect` and `tolerance` are in the claim's unit (of a ratio: a factor):
    below the first an effect does not matter, within the second of the paper's number ours agrees with it. `seeds` is
    the least number that a verdict needs, `models` the number that an average is of. `add` says what to do where a study
    has no such run.
    """

    measure: str
    smallest_effect: float
    seeds: int
    run: str = ""
    against: str = ""
    patches: str = "ten_patches"
    against_patches: str = "ten_patches"
    metric: str = "top1"
    models: int = 1
    tolerance: float = 0.0
    test: str = ""
    stop: str = ""
    add: str = ""
    paper_scale: PaperScale | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """`alpha`: false positives allowed over the family (Holm). `power`: the chance that "visible" means."""

    alpha: float
    power: float
    claims: Mapping[str, Block]


CHOICES = {
    "patches": ("ten_patches", "centre_patch"),
    "against_patches": ("ten_patches", "centre_patch"),
    "metric": ("top1", "top5"),
}


def read_protocol(content: Any, measures: Mapping[str, Any]) -> Protocol:
    """A Protocol from what YAML holds. Raises ValueError with one sentence: the key, its value, the remedy."""
    _require_mapping(content, "protocol.yaml")
    _require_keys(content, {"alpha", "power", "claims"}, {"alpha", "power", "claims", "stop"}, "protocol.yaml")
    for key in ("alpha", "power"):
        _require_number(content[key], key, low=0, high=1)
    _require_mapping(content["claims"], "claims")
    measured = {claim.id for claim in CLAIMS if claim.kind in MEASURED_KINDS}
    reportable = {claim.id for claim in CLAIMS if claim.kind == "untestable"}
    if unknown := sorted(set(content["claims"]) - measured - reportable):
        raise ValueError(f"claims.{unknown[0]} is no claim that is measured; its name must be an id of study/paper")
    if missing := sorted(measured - set(content["claims"])):
        raise ValueError(f"claims lacks {missing[0]}; say how it is tested, or give it `measure: unmeasured`")
    blocks = {name: _block(name, block, content.get("stop", ""), measures) for name, block in content["claims"].items()}
    return Protocol(alpha=float(content["alpha"]), power=float(content["power"]), claims=blocks)


def _block(name: str, content: Any, stop: str, measures: Mapping[str, Any]) -> Block:
    where = f"claims.{name}"
    _require_mapping(content, where)
    required = {field.name for field in fields(Block) if field.default is MISSING}
    _require_keys(content, required, {field.name for field in fields(Block)}, where)
    given: dict[str, Any] = {"stop": stop} | dict(content)
    if given["measure"] not in measures:
        raise ValueError(f"{where}.measure is {given['measure']!r}; choose one of {', '.join(sorted(measures))}")
    for key in ("smallest_effect", "tolerance"):
        _require_number(given.get(key, 0.0), f"{where}.{key}", low=0, high=1e9)
    for key in ("seeds", "models"):
        if not isinstance(given.get(key, 1), int) or given.get(key, 1) < 1:
            raise ValueError(f"{where}.{key} is {given[key]!r}; it is a count, 1 or more")
    for key, choices in CHOICES.items():
        if given.get(key, choices[0]) not in choices:
            raise ValueError(f"{where}.{key} is {given[key]!r}; choose one of {', '.join(choices)}")
    for key in ("run", "against", "test", "stop", "add"):
        if not isinstance(given.get(key, ""), str):
            raise ValueError(f"{where}.{key} is {given[key]!r}; it is text")
    if (scale := given.get("paper_scale")) is not None:
        given["paper_scale"] = _paper_scale(scale, f"{where}.paper_scale")
    return Block(**given)


def _paper_scale(content: Any, where: str) -> PaperScale:
    _require_mapping(content, where)
    _require_keys(content, {"study", "training_pictures"}, {"study", "training_pictures", "parameters"}, where)
    if not isinstance(content["study"], str):
        raise ValueError(f"{where}.study is {content['study']!r}; it is the name of a study")
    for key in ("training_pictures", "parameters"):
        if not isinstance(content.get(key, 1), int) or content.get(key, 1) < 1:
            raise ValueError(f"{where}.{key} is {content[key]!r}; it is a count, 1 or more")
    return PaperScale(**dict(content))


def _require_mapping(content: Any, where: str) -> None:
    if not isinstance(content, Mapping):
        raise ValueError(f"{where} is {content!r}; it must be a table of keys and values")


def _require_keys(content: Mapping[str, Any], required: set[str], allowed: set[str], where: str) -> None:
    if unknown := sorted(set(content) - allowed):
        raise ValueError(f"{where} has an unknown key {unknown[0]!r}; the keys are {', '.join(sorted(allowed))}")
    if missing := sorted(required - set(content)):
        raise ValueError(f"{where} lacks the key {missing[0]!r}; add it")


def _require_number(value: Any, where: str, *, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{where} is {value!r}; it must be a number from {low} to {high:g}")


def registered(name: str, today: Mapping[str, Any], then: Mapping[str, Any] | None) -> str:
    """Whether a claim's test stood before its run: both files as YAML holds them, `then` at the run's commit.

    `then` is None where there is no history to look into, and empty where that commit has no protocol.
    """
    if then is None:
        return "not checked"

    def said(file: Mapping[str, Any]) -> tuple[Any, ...]:
        claims = file.get("claims")
        block = claims.get(name) if isinstance(claims, Mapping) else None
        return (file.get("alpha"), file.get("power"), file.get("stop"), block)

    return "pre-registered" if said(then) == said(today) else "exploratory"
