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
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from study.sources.archives import members
from study.sources.fetching import places
from study.sources.folders import require_classes
from study.sources.layout import Pairs, by_list, require_pictures, with_classes
from study.sources.listing import File, Listing, list_place
from study.sources.photographs import Photographs, Wanted, chosen_classes, drawn, photographs, require_same_classes


@dataclass(frozen=True, kw_only=True, slots=True)
class IlsvrcSettings:
    """`steering`: so many pictures of the validation set steer the learning rate and are not in the test set.

    `classes` selects synsets (n01440764, ...), all 1,000 if it is empty.
    """

    source: Literal["ilsvrc2012", "ilsvrc2010"]
    steering: int = 5000
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.steering < 50_000:
            raise ValueError(f"steering is {self.steering}; give a part of the 50,000 validation pictures, such as 5000")
        require_classes(self.classes)


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
SOLUTION, MAPPING = "LOC_val_solution.csv", "LOC_synset_mapping.txt"
HOW = "https://image-net.org has both years for registered users, kaggle.com the year 2012"


def obtain_ilsvrc(settings: IlsvrcSettings) -> Photographs:
    """Find the year's files. Raises ValueError saying what was looked for, where, and how to get it."""
    root = _root(settings)
    return _from_tars(settings, root) if (root / NAMES[settings.source].train).is_file() else _from_folders(settings, root)


def _root(settings: IlsvrcSettings) -> Path:
    year, looked_in = settings.source, []
    for place in places(year):
        for root in (place, place / year, place / year.upper(), place / "imagenet"):
            looked_in.append(root)
            folders = year == "ilsvrc2012" and (_data(root) / "train").is_dir()
            if (root / NAMES[year].train).is_file() or folders:
                return root
    raise ValueError(
        f"{year} is not there: looked for {NAMES[year].train} or train/<class>/ in {', '.join(map(str, looked_in[:4]))}; "
        f"{HOW}; put the files into a directory and set STUDY_DATA to it"
    )


def ilsvrc_roots(settings: IlsvrcSettings) -> list[Path]:
    """The files and folders that the pictures and labels are read from."""
    root, names = _root(settings), NAMES[settings.source]
    read = [names.val, names.devkit, names.test, TEST_TRUTH]
    if (root / names.train).is_file():
        found = [root / name for name in (names.train, *read) if name]
    else:
        found = [_data(root) / "train", _data(root) / "val", *(root / name for name in (SOLUTION, MAPPING, names.devkit))]
    return [path for path in found if path.exists()]


def _data(root: Path) -> Path:
    return root / KAGGLE if (root / KAGGLE / "train").is_dir() else root


def _from_tars(settings: IlsvrcSettings, root: Path) -> Photographs:
    names = NAMES[settings.source]
    for needed in (names.val, names.devkit):
        if not (root / needed).is_file():
            raise ValueError(f"{root / needed} is missing beside {names.train}; {HOW}")
    synsets, words, truth = _devkit(root / names.devkit, names)
    listings = {"train": _listed(root / names.train, "train"), "val": _listed(root / names.val, "val")}
    train = [(file, file.name.rpartition("/")[2].split("_")[0]) for file in listings["train"].pictures]
    require_pictures(listings["train"], "train", {file.name.split("/")[1] for file in listings["train"].pictures}, ())
    val = _labelled(listings["val"].pictures, truth, "val")
    test = None
    if names.test and (root / names.test).is_file() and (root / TEST_TRUTH).is_file():
        listings["test"] = _listed(root / names.test, "test")
        answers = _labels((root / TEST_TRUTH).read_bytes(), synsets, TEST_TRUTH)
        test = _labelled(listings["test"].pictures, answers, "test")
    return _study(settings, train, val, test, list(listings.values()), words)


def _listed(root: Path, split: str) -> Listing:
    """A folder or a tar, as what is in a folder of the split's name; a tar a class within is opened."""
    listing = list_place(root, lambda name: name.lower().endswith(".tar") and "/" not in name)

    def under(file: File) -> File:
        name = file.name if file.name.startswith(f"{split}/") else f"{split}/{file.name}"
        return File(name, file.path, file.offset, file.size, file.reached)

    listing.pictures = [under(file) for file in listing.pictures]
    listing.others = [(under(file), reason) for file, reason in listing.others]
    listing.left = [(under(file), reason) for file, reason in listing.left]
    listing.folders = [f"{split}/{name}" for name in listing.folders]
    return listing


def _from_folders(settings: IlsvrcSettings, root: Path) -> Photographs:
    """Extracted as the official tars are, or as Kaggle has it."""
    data = _data(root)
    if not (data / "val").is_dir():
        raise ValueError(f"{data / 'val'} is missing beside {data / 'train'}; {HOW}")
    train, val = _listed(data / "train", "train"), _listed(data / "val", "val")
    pairs = with_classes(train, train.pictures, 1)
    known = {name for _, name in pairs}
    require_pictures(train, "train", known, settings.classes)
    if not known:
        raise ValueError(f"{data / 'train'} holds no class folders with pictures, and no tar of a class; {HOW}")
    folders = {parts[1] for parts in (file.name.split("/") for file in val.pictures) if len(parts) > 2}
    if len(folders) > 1 or folders & known:
        return _study(settings, pairs, with_classes(val, val.pictures, 1), None, [train, val], {})
    labels, words = _flat_validation(settings, root, val)
    return _study(settings, pairs, labels, None, [train, val], words)


def _flat_validation(settings: IlsvrcSettings, root: Path, val: Listing) -> tuple[Pairs, Mapping[str, str]]:
    names = NAMES[settings.source]
    if not val.pictures:
        raise ValueError(f"{val.root} holds no pictures; {HOW}")
    if (root / SOLUTION).is_file():
        mapping = root / MAPPING
        lines = mapping.read_text(encoding="utf-8", errors="replace").splitlines() if mapping.is_file() else []
        words = dict(line.split(" ", 1) for line in lines if " " in line)
        return by_list(val, val.pictures, _kaggles_labels(root / SOLUTION), SOLUTION), words
    if (root / names.devkit).is_file():
        _, words, truth = _devkit(root / names.devkit, names)
        return _labelled(val.pictures, truth, "val"), words
    raise ValueError(f"{val.root} is flat and its labels are missing: put {SOLUTION} or {names.devkit} into {root}")


def _kaggles_labels(solution: Path) -> dict[str, str]:
    """File names and synsets: each row has a picture's name without its ending, then synsets and boxes."""
    rows = csv.DictReader(solution.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
    picture, prediction = columns.get("imageid"), columns.get("predictionstring")
    if picture is None or prediction is None:
        there = ", ".join(rows.fieldnames or ()) or "none"
        raise ValueError(
            f"{solution} has the columns {there}, not ImageId and PredictionString; get the file anew from kaggle.com"
        )
    labels = {}
    for row in rows:
        name = (row[picture] or "").strip().removesuffix(".JPEG")
        words = (row[prediction] or "").split()
        if not name or not words:
            raise ValueError(f"{solution}, line {rows.line_num}, gives {name or 'no picture'} no class; get the file anew")
        labels[f"{name}.JPEG"] = words[0]
    return labels


def _study(
    settings: IlsvrcSettings, train: Pairs, val: Pairs, test: Pairs | None, listings: Sequence[Listing], words: Mapping[str, str]
) -> Photographs:
    year, wanted = settings.source.removeprefix("ilsvrc"), Wanted(classes=settings.classes)
    if test is not None:
        splits = {"train": train, "validation": val, "test": test}
        return photographs(f"ILSVRC-{year}", settings, splits, wanted, listings, words, ["the paper's own splits"])
    classes = chosen_classes(f"ILSVRC-{year}", train, wanted)
    require_same_classes(f"ILSVRC-{year}", settings, {"train": train, "validation": val}, classes, wanted)
    ordered, steering = drawn([pair for pair in val if pair[1] in set(classes)], "official validation"), settings.steering
    if steering >= len(ordered):
        raise ValueError(f"steering is {steering}, but the validation set has {len(ordered):,} pictures; choose fewer")
    title = (
        f"ILSVRC-{year}, tested on {len(ordered) - steering:,} of its validation pictures, {steering:,} steer the learning rate"
    )
    not_chosen = [pair for pair in val if pair[1] not in set(classes)]
    splits = {"train": train, "validation": ordered[:steering], "test": ordered[steering:] + not_chosen}
    told = ["validation and test set are drawn from the official validation set"]
    return photographs(title, settings, splits, replace(wanted, fewer_classes=True), listings, words, told)


def _labelled(listed: Sequence[File], labels: Sequence[str], split: str) -> Pairs:
    """Pictures whose names end in a number from 1 on, with the label of that number."""
    if len(listed) != len(labels):
        raise ValueError(f"the {split} set has {len(listed):,} pictures and {len(labels):,} labels; get both anew")
    places = [int((re.findall(r"\d+", PurePosixPath(file.name).stem) or ["0"])[-1]) for file in listed]
    if sorted(places) != list(range(1, len(labels) + 1)):
        wrong = next((file.name for file, place in zip(listed, places, strict=True) if not 1 <= place <= len(labels)), "two")
        raise ValueError(f"the {split} set's pictures are numbered from 1 to {len(labels):,}, but {wrong} otherwise; get it anew")
    return [(file, labels[place - 1]) for file, place in zip(listed, places, strict=True)]


def _devkit(archive: Path, names: Names) -> tuple[dict[int, str], dict[str, str], list[str]]:
    """Synsets by number, their words, and the validation pictures' synsets."""
    from scipy.io import loadmat

    wanted = {"meta.mat", names.truth}
    content = {PurePosixPath(n).name: c for n, c in members(archive, lambda name: PurePosixPath(name).name in wanted)}
    if missing := wanted - set(content):
        raise ValueError(f"{archive} has no {', '.join(sorted(missing))}; get it anew")
    try:
        meta = loadmat(io.BytesIO(content["meta.mat"]), squeeze_me=True)["synsets"]
        leaves = [row for row in meta if int(row["num_children"]) == 0]
        synsets = {int(row[names.number]): str(row["WNID"]) for row in leaves}
        words = {str(row["WNID"]): str(row["words"]).split(",")[0] for row in leaves}
    except Exception as problem:  # noqa: BLE001  a reader of MATLAB's files meets broken bytes with many kinds of exception
        raise ValueError(f"{archive}: meta.mat cannot be read ({type(problem).__name__}); get it anew") from problem
    return synsets, words, _labels(content[names.truth], synsets, names.truth)


def _labels(content: bytes, synsets: Mapping[int, str], called: str) -> list[str]:
    """The synset of each line's number. Raises ValueError naming a line that has none."""
    labels = []
    for line, text in enumerate(content.decode("utf-8", "replace").split(), start=1):
        number = int(text) if text.isdecimal() else 0
        if number not in synsets:
            raise ValueError(f"{called}, line {line}, is {text[:20]!r}, the number of no synset; get it anew")
        labels.append(synsets[number])
    return labels
