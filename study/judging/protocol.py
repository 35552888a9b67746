"""How each claim is tested, said before the runs: the content of protocol.yaml as settings."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from study.checking import SettingsError, checked
from study.judging.chain import NAMED
from study.paper.claim import fault
from study.paper.claims import CLAIMS

TESTED_KINDS = ("effect", "absence", "figure")
MEASURED_KINDS = (*TESTED_KINDS, "value")  # of the untestable ones a number may be reported
ALPHA = 0.05  # of all families of a study together
MEASURES = "study.judging.measures"

Patches = Literal["ten_patches", "centre_patch"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Comparisons that share the chance `alpha` of any wrong word, whatever of them a study makes.

    `comparisons` is their number, the same for every study. With a `control` (a run) they are Dunnett's comparisons with
    it. A study that has members of a family has none of the one that it is `instead_of`.
    """

    alpha: float
    comparisons: int
    control: str = ""
    instead_of: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.alpha <= ALPHA:
            raise ValueError(f"alpha is {self.alpha}; all families of a study share {ALPHA}, so give a part of it")
        if self.comparisons < 1:
            raise ValueError(f"comparisons is {self.comparisons}; it is a count, 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class InStudy:
    """What differs from a claim's block in one study."""

    seeds: int | None = None
    against_seeds: int | None = None
    smallest_effect: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperScale:
    """Where our number may stand beside the paper's: this study, with all its pictures, the full network, trained as long.

    `recipes` and `precisions` are those that count as the paper's; empty where a claim does not depend on them.
    """

    study: str
    training_pictures: int
    parameters: int | None = None
    epochs: int | None = None
    recipes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("training_pictures", "parameters", "epochs"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise ValueError(f"{name} is {count}; it is a count, 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """The test of one claim.

    `measure` names a function of study/judging/measures, `errors.difference`, made on `run`, compared with `against`.
    `family` is the one in which it is tested; a value, and a number that is only reported, has none. `seeds` is the fewest
    that a verdict may rest on, `against_seeds` the same of `against` where that is more. `smallest_effect` and `tolerance`
    are in the claim's unit (of a ratio: a factor): below the first an effect does not matter, within the second our number
    is precise enough to stand beside the paper's. `models` is the number of networks that an average is of. `studies` says
    what differs in a study. `add` says what to do where a study lacks the run.
    """

    measure: str
    seeds: int
    family: str = ""
    smallest_effect: float = 0.0
    tolerance: float = 0.0
    run: str = ""
    against: str = ""
    against_seeds: int | None = None
    patches: Patches = "ten_patches"
    against_patches: Patches = "ten_patches"
    metric: Literal["top1", "top5"] = "top1"
    models: int = 1
    paper_scale: PaperScale | None = None
    studies: Mapping[str, InStudy] = field(default_factory=dict)
    add: str = ""

    def __post_init__(self) -> None:
        for name in ("seeds", "models"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a count, 1 or more")
        for name in ("smallest_effect", "tolerance"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a size, 0 or more")

    def of_study(self, study: str) -> Block:
        """The block as it stands for one study."""
        own = self.studies.get(study, InStudy())
        given = {name: value for name in InStudy.__slots__ if (value := getattr(own, name)) is not None}
        return replace(self, studies={}, **given)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deviation:
    """A change of a claim's test after its runs; `claim` is `all` for a change of what all share. `date`: 2026-11-30.

    `parts`: which of registration.PARTS were changed; where another one differs too the claim is exploratory all the same.
    """

    claim: str
    date: str
    reason: str
    parts: tuple[Literal["block", "numbers", "measure", "rules"], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What protocol.yaml says of all claims. `power`: the chance that "visible" means; `stop`: when seeds end; `exploratory`:
    studies whose verdicts are that, whatever was registered."""

    confidence: float
    power: float
    stop: str
    families: Mapping[str, Family]
    deviations: tuple[Deviation, ...] = ()
    exploratory: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("confidence", "power"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a share between 0 and 1")
        shares = {name: family.alpha for name, family in self.families.items() if not family.instead_of}
        if sum(shares.values()) > ALPHA + 1e-12:
            raise ValueError(f"the families' alpha add up to {sum(shares.values()):g}; they share {ALPHA}")
        for name, family in self.families.items():
            if family.instead_of and family.alpha > shares.get(family.instead_of, 0) + 1e-12:
                raise ValueError(f"families.{name} takes the place of {family.instead_of!r}, so its alpha is at most as large")


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """`claims`: a block by the claim's id; `measures`: the function that it names, None where no stage measures it."""

    head: Head
    claims: Mapping[str, Block]
    measures: Mapping[str, Callable[..., Any] | None]

    def of_study(self, study: str) -> Protocol:
        """The protocol as it stands for one study."""
        return replace(self, claims={name: block.of_study(study) for name, block in self.claims.items()})


def read_protocol(content: Any, measures: bool = True) -> Protocol:
    """A Protocol from what YAML holds, without the functions that its blocks name, which load torch, unless `measures` is true.

    Raises SettingsError with one sentence where it, or a record of study/paper, is not in order: the key, its value, the remedy.
    """
    if wrong := fault(CLAIMS):
        raise SettingsError(wrong)
    if not isinstance(content, Mapping) or not isinstance(content.get("claims"), Mapping):
        raise SettingsError("protocol.yaml holds no block `claims`; restore it from Git")
    head = checked(Head, {key: value for key, value in content.items() if key != "claims"}, "protocol")
    blocks = {str(name): checked(Block, block, f"claims.{name}") for name, block in content["claims"].items()}
    _check_names(blocks)
    for name, block in blocks.items():
        _check(name, block, head, f"claims.{name}")
        for study in block.studies:
            where = f"claims.{name}.studies.{study}"
            try:
                own = block.of_study(study)
            except ValueError as problem:
                raise SettingsError(f"{where}: {problem}") from None
            _check(name, own, head, where)
    for deviation in head.deviations:
        if deviation.claim not in (*blocks, "all"):
            raise SettingsError(f"deviations names {deviation.claim!r}, which is no block of claims; or write `all`")
    _check_comparisons(blocks, head)
    named = {name: measure_named(block.measure, name) for name, block in blocks.items()} if measures else {}
    return Protocol(head=head, claims=blocks, measures=named)


def _check_comparisons(blocks: Mapping[str, Block], head: Head) -> None:
    """Two claims that rest on the same comparison count once; of several runs against one each is a comparison."""
    for name, family in head.families.items():
        declared = set()
        for block in blocks.values():
            if block.family == name and block.measure != UNMEASURED:
                against = (block.against, block.against_patches, block.patches, block.metric)
                several = bool(family.control) and len(block.against.split()) == 1
                declared |= {(block.measure, run, *against) for run in (block.run.split() if several else [block.run])}
        if len(declared) > family.comparisons:
            raise SettingsError(
                f"families.{name}.comparisons is {family.comparisons}, but the claims declare {len(declared)}; raise it, as a "
                f"deviation of all claims where results are there already"
            )


def _check_names(blocks: Mapping[str, Block]) -> None:
    measured = {claim.id for claim in CLAIMS if claim.kind in MEASURED_KINDS}
    reportable = {claim.id for claim in CLAIMS if claim.kind == "untestable"}
    if unknown := sorted(set(blocks) - measured - reportable):
        raise SettingsError(f"claims.{unknown[0]} is no claim that is measured; its name must be an id of study/paper")
    if missing := sorted(measured - set(blocks)):
        raise SettingsError(f"claims lacks {missing[0]}; say how it is tested, or give it `measure: unmeasured`")


def _check(name: str, block: Block, head: Head, where: str) -> None:
    """What one field cannot know of another. `where`: the key of what is checked, for the sentence."""
    claim = next(claim for claim in CLAIMS if claim.id == name)
    kind = claim.kind
    if block.measure == UNMEASURED:
        return
    if kind in TESTED_KINDS and block.family not in head.families:
        raise SettingsError(f"{where}.family is {block.family!r}; use one of: {', '.join(head.families)}")
    if unknown := [one for one in (*block.run.split(), *block.against.split()) if one not in NAMED]:
        raise SettingsError(
            f"{where} names {unknown[0]}, and NAMED in study/judging/chain.py does not say what it is; correct it or add it"
        )
    controlled = kind in TESTED_KINDS and bool(head.families[block.family].control)
    if (controlled or block.measure == "errors.difference") and not (block.run and block.against):
        raise SettingsError(f"{where} has no {'against' if block.run else 'run'}; name the two runs that are compared")
    if kind in TESTED_KINDS and not block.smallest_effect:
        raise SettingsError(f"{where}.smallest_effect is missing; say below which size an effect does not matter")
    if kind in TESTED_KINDS and claim.unit == "times" and block.smallest_effect <= 1:
        raise SettingsError(f"{where}.smallest_effect is {block.smallest_effect}; of times it is a factor above 1")
    if kind == "value" and not block.tolerance:
        raise SettingsError(f"{where}.tolerance is missing; say how precise our number must be")


UNMEASURED = "unmeasured"


def measure_named(measure: str, claim: str) -> Callable[..., Any] | None:
    """The function that a block names; None for `unmeasured`. Raises SettingsError where there is none."""
    if measure == UNMEASURED:
        return None
    module, _, name = measure.partition(".")
    try:
        found = getattr(importlib.import_module(f"{MEASURES}.{module}"), name) if module.isidentifier() else None
    except (ImportError, AttributeError):
        found = None
    if not name or name.startswith("_") or not inspect.isfunction(found):
        raise SettingsError(
            f"claims.{claim}.measure is {measure!r}; name a function of study/judging/measures, errors.difference"
        )
    return found
