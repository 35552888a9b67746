"""Photographs as files: in folders, or as members of tars that stay as they are. Listed once, read one by one.

What is where study/sources/listing.py and layout.py tell; here splits are completed and drawn. Pictures are packed in an
order drawn once and for all, so that the first part of a set is a sample of it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from study.sources.items import Item
from study.sources.layout import Pairs
from study.sources.listing import Account, File, Listing, accounted

NOT_CHOSEN = "of a class that was not chosen"
SHARE = 5  # where nothing says which pictures are the test set, one of so many of each class are


@dataclass(frozen=True, slots=True)
class Section:
    """Some photographs with their labels: what a worker receives."""

    files: Sequence[File]
    labels: Sequence[int]

    def __iter__(self) -> Iterator[Item]:
        for file, label in zip(self.files, self.labels, strict=True):
            yield Item(file.name, file.read(), label)


@dataclass(frozen=True)
class Photographs:
    """A source of listed photographs. `splits`: by split, pairs of a file and its class (a folder's name).

    `told` says in words which pictures are the splits; `account` has all files that were seen.
    """

    title: str
    about: Mapping[str, Any]  # of the receipt: which data set, with which settings
    classes: tuple[str, ...]
    splits: Mapping[str, Pairs]
    words: Mapping[str, str]
    told: str = ""
    account: Account = field(default_factory=Account, repr=False)

    @cached_property
    def labels(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.classes)}

    @property
    def counts(self) -> dict[str, int]:
        return {split: len(pairs) for split, pairs in self.splits.items()}

    def part(self, split: str, start: int, stop: int) -> Section:
        pairs = self.splits[split][start:stop]
        return Section([file for file, _ in pairs], [self.labels[name] for _, name in pairs])

    def receipt(self) -> dict[str, Any]:
        """Names and sizes of all files, as one hash; their contents are in the packed set's."""
        return self._receipt

    @cached_property
    def _receipt(self) -> dict[str, Any]:
        listed = hashlib.sha256()
        for split, pairs in self.splits.items():
            for file, name in pairs:
                listed.update(f"{split}\t{name}\t{file.name}\t{_size(file)}\n".encode())
        named = [self.words.get(name, name) for name in self.classes]
        told = {"title": self.title, "synthetic": False, "class_names": named, "pictures": self.counts, "splits": self.told}
        return {**self.about, **told, "listing_sha256": listed.hexdigest()}


def _size(file: File) -> int:
    return Path(file.path).stat().st_size if file.size < 0 else file.size


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which pictures of a listing become the study's. `classes` in that order, all if it is empty, or so many drawn by `seed`.

    Of each class `test_per_class` training pictures move to the test set, and `validation_per_class` to the validation set,
    which otherwise are the last `validation` in the drawn order. `fewer_classes`: validation and test may lack some.
    """

    classes: Sequence[str] = ()
    classes_drawn: int = 0
    validation: int = 0
    validation_per_class: int = 0
    test_per_class: int = 0
    seed: int = 0
    fewer_classes: bool = False


def photographs(
    title: str,
    about: Any,
    splits: Mapping[str, Pairs],
    wanted: Wanted,
    listings: Sequence[Listing],
    words: Mapping[str, str] | None = None,
    told: Sequence[str] = (),
) -> Photographs:
    """Keep the chosen classes, complete the splits, draw the order, and refuse what cannot be a study.

    `splits` need not have `validation` and `test`. `listings` are what the pictures were listed in.
    """
    classes = chosen_classes(title, splits["train"], wanted)
    require_same_classes(title, about, splits, classes, wanted)
    chosen = set(classes)
    kept: dict[str, Pairs] = {split: [pair for pair in pairs if pair[1] in chosen] for split, pairs in splits.items()}
    for file in (file for pairs in splits.values() for file, name in pairs if name not in chosen):
        listings[0].leave(file, NOT_CHOSEN)
    said = [*told, *(missing for listing in listings for missing in listing.missing)]
    training, test = _with_test(kept, wanted, said)
    training, validation = _with_validation(training, kept, wanted, said)
    if lost := sorted(chosen - {name for _, name in training}):
        raise ValueError(f"of the class {lost[0]!r} no training picture is left; lower download.validation, or add pictures")
    ordered = {"train": training, "validation": validation, "test": drawn(test, "test")}
    account = accounted(listings, (file for pairs in ordered.values() for file, _ in pairs))
    return Photographs(title, asdict(about), classes, ordered, words or {}, "; ".join(said), account)


def chosen_classes(title: str, training: Pairs, wanted: Wanted) -> tuple[str, ...]:
    """The classes in the order of their labels. Raises ValueError where they are not there, or fewer than two."""
    known = sorted({name for _, name in training})
    if missing := [name for name in wanted.classes if name not in known]:
        raise ValueError(f"classes names {missing[0]!r}, which has no training pictures; there are {', '.join(known[:8])}, ...")
    if wanted.classes_drawn > len(known):
        raise ValueError(f"classes_drawn is {wanted.classes_drawn}, but there are {len(known)} classes; lower it")
    if len(known) < 2:
        raise ValueError(f"{title} has {len(known)} class ({', '.join(known)}); a study needs two or more")
    if wanted.classes_drawn:
        return tuple(sorted(known[i] for i in _drawn_rows(f"classes of {wanted.seed}", len(known))[: wanted.classes_drawn]))
    return tuple(wanted.classes) or tuple(known)


def require_same_classes(title: str, about: Any, splits: Mapping[str, Pairs], classes: Sequence[str], wanted: Wanted) -> None:
    """Validation and test have the classes that are trained on: else their pictures would be lost, or classes untested."""
    training = {name for _, name in splits["train"]}
    for split in (split for split in ("validation", "test") if split in splits):
        there = {name for _, name in splits[split]}
        unknown, lacking = sorted(there - training), sorted(set(classes) - there)
        if unknown and not wanted.classes and not wanted.classes_drawn:
            raise ValueError(
                f"{title}: the {split} pictures have {_some(unknown)}, which no training picture has{_alike(unknown, training)}; "
                f"give both the same classes, or name those that are wanted in download.classes"
            )
        if lacking and not wanted.fewer_classes:
            further = ", or set download.fewer_classes to true" if hasattr(about, "fewer_classes") else ""
            raise ValueError(
                f"{title}: the {split} pictures lack {_some(lacking)}, which training pictures have; add them, name the classes "
                f"that are wanted in download.classes{further}"
            )


def _some(names: Sequence[str]) -> str:
    named = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    return f"the class {named}" if len(names) == 1 else f"the {len(names):,} classes {named}"


def _alike(names: Sequence[str], others: set[str]) -> str:
    """Which of the names differ from others in the case of letters or their Unicode form alone."""

    def plain(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()

    of_plain = {plain(name): name for name in others}
    found = [(name, of_plain[plain(name)]) for name in names if plain(name) in of_plain]
    told = ", ".join(f"{ascii(name)} there, {ascii(other)} in training" for name, other in found[:3])
    return f" ({told})" if told else ""


def _drawn_rows(purpose: str, number: int) -> list[int]:
    """All of so many rows, in an order that depends on the purpose and the number alone."""
    seed = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return [int(row) for row in np.random.Generator(np.random.PCG64(seed)).permutation(number)]


def drawn(pairs: Pairs, split: str) -> Pairs:
    """In an order that depends on the split's name and their number alone."""
    return [pairs[row] for row in _drawn_rows(f"order of {split}", len(pairs))]


def _taken_from(training: Pairs, each: Mapping[str, int], purpose: str) -> tuple[Pairs, Pairs]:
    """So many pictures of each class, drawn, and the others: both in the order that they had."""
    by_class: dict[str, list[int]] = {}
    for place, (_, name) in enumerate(training):
        by_class.setdefault(name, []).append(place)
    taken = {
        places[row]
        for name, places in by_class.items()
        for row in _drawn_rows(f"{purpose}, class {name}", len(places))[: each[name]]
    }
    return (
        [pair for place, pair in enumerate(training) if place in taken],
        [pair for place, pair in enumerate(training) if place not in taken],
    )


def _with_test(splits: Mapping[str, Pairs], wanted: Wanted, said: list[str]) -> tuple[Pairs, Pairs]:
    """The training and the test pictures: those that are there, and training pictures that move, which are a share of each
    class where there is no test set and no number is wanted."""
    training, test = splits["train"], splits.get("test", [])
    if test and not wanted.test_per_class:
        return training, test
    counts = Counter(name for _, name in training)
    each = {name: wanted.test_per_class or max(1, count // SHARE) for name, count in counts.items()}
    _require_left(counts, each, wanted.validation_per_class)
    moved, training = _taken_from(training, each, f"test of {wanted.seed}")
    many = (
        f"{wanted.test_per_class:,} training pictures of each class"
        if wanted.test_per_class
        else f"one of {SHARE} pictures of each class"
    )
    said.append(f"{many}, drawn, are {'in' if test else ''} the test set{' too' if test else ''}".replace("  ", " "))
    return training, test + moved


def _require_left(counts: Mapping[str, int], each: Mapping[str, int], further: int) -> None:
    fewest = min(counts, key=lambda name: counts[name] - each[name])
    if counts[fewest] <= each[fewest] + further:
        raise ValueError(
            f"the class {fewest!r} has {counts[fewest]:,} training pictures; with {each[fewest]:,} for test and {further:,} for "
            f"validation none are left; lower download.test_per_class or download.validation_per_class, or add pictures"
        )


def _with_validation(training: Pairs, splits: Mapping[str, Pairs], wanted: Wanted, said: list[str]) -> tuple[Pairs, Pairs]:
    """The training and the validation pictures, in drawn order; without a validation set training pictures become it."""
    if splits.get("validation"):
        return drawn(training, "train"), drawn(splits["validation"], "validation")
    if wanted.validation_per_class:
        counts = Counter(name for _, name in training)
        each = dict.fromkeys(counts, wanted.validation_per_class)
        _require_left(counts, each, 0)
        said.append(f"{wanted.validation_per_class:,} training pictures of each class, drawn, steer the learning rate")
        held_out, training = _taken_from(training, each, f"validation of {wanted.seed}")
        return drawn(training, "train"), drawn(held_out, "validation")
    if 2 * wanted.validation >= len(training):
        raise ValueError(
            f"download.validation is {wanted.validation}, taken from {len(training):,} training pictures; give fewer than half, "
            f"as in: uv run python -m stages.choose STUDY download.validation={max(1, len(training) // 5)}"
        )
    said.append(f"{wanted.validation:,} training pictures, drawn, steer the learning rate")
    ordered = drawn(training, "train")
    return ordered[: len(ordered) - wanted.validation], ordered[len(ordered) - wanted.validation :]
