"""ILSVRC-2010 and ILSVRC-2012 as people have them: the official tars, extracted folders, or Kaggle's layout.

    ILSVRC2012_img_train.tar (a tar a class within), ILSVRC2012_img_val.tar (flat), ILSVRC2012_devkit_t12.tar.gz
    ILSVRC2010_images_train.tar, ILSVRC2010_images_val.tar, ILSVRC2010_images_test.tar, ILSVRC2010_devkit-1.0.tar.gz
    train/<class>/ and val/, flat with one of the devkit, LOC_val_solution.csv, or with a directory a class

The tars are read where they lie; nothing is unpacked. The labels of ILSVRC-2012's test set are not public: its validation
set is the test set here but for the part that steers the learning rate (assumption A18). ILSVRC-2010 has the paper's own
splits where its test set's ground truth is given.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from study.sources.archives import members
from study.sources.fetching import places
from study.sources.photographs import File, Photographs, below, drawn, list_folder, list_tar, photographs, with_classes

Pairs = list[tuple[File, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class IlsvrcSettings:
    """`steering`: so many pictures of the validation set steer the learning rate and are not in the test set.

    `classes` selects synsets (n01440764, ...), all 1,000 if it is empty.
    """

    source: Literal["ilsvrc2012", "ilsvrc2010"]
    steering: int = 5000
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.steering < 1:
            raise ValueError(f"steering is {self.steering}; give a part of the 50,000 validation pictures, such as 5000")


@dataclass(frozen=True, slots=True)
class Names:
    """What the files of a year are called."""

    train: str
    val: str
    test: str
    devkit: str
    truth: str
    number: str  # the field of meta.mat that counts synsets


NAMES = {
    "ilsvrc2012": Names(
        "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "", "ILSVRC2012_devkit_t12.tar.gz",
        "ILSVRC2012_validation_ground_truth.txt", "ILSVRC2012_ID",
    ),
    "ilsvrc2010": Names(
        "ILSVRC2010_images_train.tar", "ILSVRC2010_images_val.tar", "ILSVRC2010_images_test.tar",
        "ILSVRC2010_devkit-1.0.tar.gz", "ILSVRC2010_validation_ground_truth.txt", "ILSVRC2010_ID",
    ),
}  # fmt: skip
TEST_TRUTH = "ILSVRC2010_test_ground_truth.txt"
KAGGLE = "ILSVRC/Data/CLS-LOC"
HOW = "https://image-net.org has both years for registered users, kaggle.com the year 2012"


def obtain_ilsvrc(settings: IlsvrcSettings) -> Photographs:
    """Find the year's files. Raises ValueError saying what was looked for, where, and how to get it."""
    year, looked_in = settings.source, []
    for place in places(year):
        for root in (place, place / year, place / year.upper(), place / "imagenet"):
            looked_in.append(root)
            if (root / NAMES[year].train).is_file():
                return _from_tars(settings, root)
            if year == "ilsvrc2012" and ((root / KAGGLE / "train").is_dir() or (root / "train").is_dir()):
                return _from_folders(settings, root)
    raise ValueError(
        f"{year} is not there: looked for {NAMES[year].train} or train/<class>/ in {', '.join(map(str, looked_in[:4]))}; "
        f"{HOW}; put the files into a directory and set STUDY_DATA to it"
    )


def _from_tars(settings: IlsvrcSettings, root: Path) -> Photographs:
    names = NAMES[settings.source]
    for needed in (names.val, names.devkit):
        if not (root / needed).is_file():
            raise ValueError(f"{root / needed} is missing beside {names.train}; {HOW}")
    synsets, words, truth = _devkit(root / names.devkit, names)
    train = [(file, PurePosixPath(file.name).name.split("_")[0]) for file in list_tar(root / names.train)]
    train = [(_under("train", file), name) for file, name in train]
    val = _labelled(list_tar(root / names.val), [synsets[i] for i in truth], "val")
    test = None
    if names.test and (root / names.test).is_file() and (root / TEST_TRUTH).is_file():
        numbers = _numbers((root / TEST_TRUTH).read_text())
        test = _labelled(list_tar(root / names.test), [synsets[i] for i in numbers], "test")
    return _study(settings, train, val, test, words)


def _from_folders(settings: IlsvrcSettings, root: Path) -> Photographs:
    """Extracted as the official tars are, or as Kaggle has it."""
    data = root / KAGGLE if (root / KAGGLE / "train").is_dir() else root
    splits, _ = below([_under(s, file) for s in ("train", "val") for file in list_folder(data / s)])
    train, val = with_classes(splits["train"]), with_classes(splits.get("val", []))
    words: Mapping[str, str] = {}
    if not val:
        val, words = _flat_validation(settings, root, splits.get("val", []))
    return _study(settings, train, val, None, words)


def _flat_validation(settings: IlsvrcSettings, root: Path, flat: Sequence[File]) -> tuple[Pairs, Mapping[str, str]]:
    names = NAMES[settings.source]
    if (root / "LOC_val_solution.csv").is_file():
        rows = csv.DictReader((root / "LOC_val_solution.csv").read_text().splitlines())
        by_name = {f"{row['ImageId']}.JPEG": row["PredictionString"].split()[0] for row in rows}
        mapping = root / "LOC_synset_mapping.txt"
        lines = mapping.read_text().splitlines() if mapping.is_file() else []
        return with_classes(flat, by_name), dict(line.split(" ", 1) for line in lines if " " in line)
    if (root / names.devkit).is_file():
        synsets, words, truth = _devkit(root / names.devkit, names)
        return _labelled(flat, [synsets[i] for i in truth], "val"), words
    raise ValueError(f"{root}/val is flat and its labels are missing: put LOC_val_solution.csv or {names.devkit} into {root}")


def _study(settings: IlsvrcSettings, train: Pairs, val: Pairs, test: Pairs | None, words: Mapping[str, str]) -> Photographs:
    year = settings.source.removeprefix("ilsvrc")
    if test is not None:
        return photographs(f"ILSVRC-{year}", settings, {"train": train, "validation": val, "test": test}, settings.classes, words)
    val = [pair for pair in val if not settings.classes or pair[1] in settings.classes]
    ordered, steering = drawn(val, "official validation"), settings.steering
    if steering >= len(ordered):
        raise ValueError(f"steering is {steering}, but the validation set has {len(ordered):,} pictures; choose fewer")
    splits = {"train": train, "validation": ordered[:steering], "test": ordered[steering:]}
    title = f"ILSVRC-{year}, tested on {len(val) - steering:,} of its validation pictures, {steering:,} steer the learning rate"
    return photographs(title, settings, splits, settings.classes, words)


def _under(split: str, file: File) -> File:
    name = file.name if file.name.startswith(f"{split}/") else f"{split}/{file.name}"
    return File(name, file.path, file.offset, file.size)


def _labelled(listed: Sequence[File], labels: Sequence[str], split: str) -> Pairs:
    """Pictures whose names end in a number from 1 on, with the label of that number."""
    if len(listed) != len(labels):
        raise ValueError(f"the {split} set has {len(listed):,} pictures and {len(labels):,} labels; fetch both again")
    numbered = [(int(re.findall(r"\d+", PurePosixPath(file.name).stem)[-1]), file) for file in listed]
    return [(_under(split, file), labels[number - 1]) for number, file in numbered]


def _devkit(archive: Path, names: Names) -> tuple[dict[int, str], dict[str, str], list[int]]:
    """Synsets by number, their words, and the validation set's numbers."""
    from scipy.io import loadmat

    wanted = {"meta.mat", names.truth}
    content = {PurePosixPath(n).name: c for n, c in members(archive, lambda name: PurePosixPath(name).name in wanted)}
    if missing := wanted - set(content):
        raise ValueError(f"{archive} has no {', '.join(sorted(missing))}; fetch it again")
    meta = loadmat(io.BytesIO(content["meta.mat"]), squeeze_me=True)["synsets"]
    leaves = [row for row in meta if int(row["num_children"]) == 0]
    synsets = {int(row[names.number]): str(row["WNID"]) for row in leaves}
    words = {str(row["WNID"]): str(row["words"]).split(",")[0] for row in leaves}
    return synsets, words, _numbers(content[names.truth].decode())


def _numbers(text: str) -> list[int]:
    return [int(line) for line in text.split()]
