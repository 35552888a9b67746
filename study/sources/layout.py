"""Which of the listed pictures belong to which split and class, in the layouts that people have.

    <place>/train/<class>/...    beside it val, valid or validation, and test, in any case of letters; of several folders
                                 named train the one nearest to the place counts
    <place>/<class>/...          class folders alone

Folders that hold everything, as an archive's own, are passed over. A flat val with a list of labels (Tiny-ImageNet's
val_annotations.txt) will do. What cannot be meant for certain is refused, naming what was found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from study.sources.decoding import SUFFIXES
from study.sources.listing import BROKEN, TRAIN, File, Listing

VALIDATION = frozenset(("val", "valid", "validation"))
TEST = frozenset(("test", "testing"))
SPLITS = TRAIN | VALIDATION | TEST
LABELS = "val_annotations.txt"  # of a flat validation folder: file name, class
WORDS = "words.txt"  # class, its words, separated by a tab

OUTSIDE = "outside of train, val and test"
NO_CLASS = "in no class folder"
UNLABELLED = "in a test set without labels"

Pairs = list[tuple[File, str]]  # a picture and its class, which is a folder's name


@dataclass(kw_only=True)
class Arranged:
    """Pictures with their classes by split (`train`, and `validation` and `test` where they are there).

    `folders` says what each of these splits is called in the place; `unlabelled` names a test set that has no labels.
    """

    splits: dict[str, Pairs]
    folders: dict[str, str] = field(default_factory=dict)
    unlabelled: str = ""


def arranged(listing: Listing, chosen: Sequence[str] = ()) -> Arranged:
    """Raises ValueError where no layout fits, or a class folder (of the `chosen`, if any are) has nothing that can be read."""
    train = _train(listing)
    above = _branching(listing) if train is None else train.rpartition("/")[0]
    made = _class_folders(listing, above, chosen) if train is None else _beside_train(listing, train, chosen)
    if above:  # folders that hold everything are no part of a picture's name
        for split, pairs in made.splits.items():
            made.splits[split] = [(replace(file, name=file.name[len(above) + 1 :]), name) for file, name in pairs]
    return made


def _train(listing: Listing) -> str | None:
    """The folder named train, with class folders in it, that is nearest to the place."""
    found: dict[str, int] = {}
    for file in listing.pictures:
        parts = file.name.split("/")
        depth = next((depth for depth, part in enumerate(parts[:-2]) if part.casefold() in TRAIN), None)
        if depth is not None:
            found["/".join(parts[: depth + 1])] = depth
    nearest = sorted(folder for folder, depth in found.items() if depth == min(found.values()))
    _require_one(listing, nearest, "the training pictures")
    return nearest[0] if nearest else None


def _require_one(listing: Listing, folders: Sequence[str], what: str) -> None:
    if len(folders) > 1:
        raise ValueError(
            f"{listing.root} holds {' and '.join(folders)}, and either could be {what}; set download.place to the folder that "
            f"is meant, or move the other one elsewhere"
        )


def _beside_train(listing: Listing, train: str, chosen: Sequence[str]) -> Arranged:
    above = train.rpartition("/")[0]
    inside = _children(listing, above)
    name = train.rpartition("/")[2]
    made = Arranged(splits={"train": with_classes(listing, inside.pop(name), len(train.split("/")))}, folders={"train": name})
    require_pictures(listing, train, {name for _, name in made.splits["train"]}, chosen)
    known = {name for _, name in made.splits["train"]}
    for split, names in (("validation", VALIDATION), ("test", TEST)):
        found = sorted(folder for folder in _folders(listing, above) if folder.casefold() in names)
        _require_one(listing, [_join(above, folder) for folder in found], f"the {split} pictures")
        for folder in found:
            pictures = inside.pop(folder, [])
            if not pictures:
                raise ValueError(_nothing_in(listing, _join(above, folder)) + "; fill it, or move it out of the data set")
            pairs = _labelled(listing, _join(above, folder), pictures, known)
            if pairs is None:
                made.unlabelled = folder
            else:
                made.splits[split], made.folders[split] = pairs, folder
    used = sum(inside.values(), [])
    for file in used + _outside(listing, above):
        listing.leave(file, OUTSIDE)
    return made


def _join(above: str, folder: str) -> str:
    return f"{above}/{folder}" if above else folder


def _children(listing: Listing, above: str) -> dict[str, list[File]]:
    """Pictures by the folder of `above` that they are in; "" has those that are in it directly."""
    depth = len(above.split("/")) if above else 0
    found: dict[str, list[File]] = {}
    for file in listing.pictures:
        if not above or file.name.startswith(f"{above}/"):
            parts = file.name.split("/")
            found.setdefault(parts[depth] if len(parts) > depth + 1 else "", []).append(file)
    return found


def _outside(listing: Listing, above: str) -> list[File]:
    return [file for file in listing.pictures if above and not file.name.startswith(f"{above}/")]


def _folders(listing: Listing, above: str) -> set[str]:
    """Names of the folders in `above`, empty ones and those without pictures too."""
    depth = len(above.split("/")) if above else 0
    begin = f"{above}/" if above else ""
    return {name.split("/", depth + 1)[depth] for name in _all_folders(listing) if name and name.startswith(begin)}


def _all_folders(listing: Listing) -> Iterable[str]:
    """Names of folders, and of links that lead nowhere and may have been folders."""
    yield from listing.folders
    yield from {file.name.rpartition("/")[0] for file in listing.pictures}
    for file, reason in listing.others:
        lost = reason == BROKEN and PurePosixPath(file.name).suffix.lower() not in SUFFIXES
        yield file.name if lost else file.name.rpartition("/")[0]


def require_pictures(listing: Listing, above: str, known: set[str], chosen: Sequence[str]) -> None:
    """Every class folder has pictures, so that no class is lost without a word."""
    for folder in sorted(_folders(listing, above) - known):
        if not chosen or folder in chosen:
            raise ValueError(
                f"{_nothing_in(listing, _join(above, folder))}; put pictures there, move it out of the data set, or name the "
                f"classes that are wanted in download.classes"
            )


def _nothing_in(listing: Listing, folder: str) -> str:
    """A folder without pictures, and what is there in place of them."""
    there = Counter(
        f"{reason} ({file.name.rpartition('.')[2] if '.' in file.name else 'no ending'})"
        for file, reason in listing.others
        if file.name.startswith(f"{folder}/")
    )
    told = ", ".join(f"{count} {what}" for what, count in there.most_common(4))
    if any(file.name == folder for file, _ in listing.others):
        return f"{listing.root}: {folder!r} is a link that leads nowhere"
    return f"{listing.root}: the folder {folder!r} holds nothing" + (f" that can be read as a picture: {told}" if told else "")


def with_classes(listing: Listing, pictures: Iterable[File], depth: int) -> Pairs:
    """Each picture's class is the folder at a depth; those that are in none are left out."""
    pairs = []
    for file in pictures:
        parts = file.name.split("/")
        if len(parts) > depth + 1:
            pairs.append((file, parts[depth]))
        else:
            listing.leave(file, NO_CLASS)
    return pairs


def _labelled(listing: Listing, folder: str, pictures: Sequence[File], known: set[str]) -> Pairs | None:
    """The pictures of a validation or test folder with their classes: by folders where these are classes, else by a list.
    None for a test set without labels."""
    depth = len(folder.split("/"))
    named = {parts[depth] for parts in (file.name.split("/") for file in pictures) if len(parts) > depth + 1}
    if named & known:
        return with_classes(listing, pictures, depth)
    if lists := [file for file in listing.lists(LABELS) if file.name.startswith(f"{folder}/")]:
        return by_list(listing, pictures, read_labels(lists[0]), lists[0].name)
    if len(named) > 1 or {name.casefold() for name in named} & {name.casefold() for name in known}:
        return with_classes(listing, pictures, depth)  # classes of other names, which are refused below
    if folder.rpartition("/")[2].casefold() in TEST:
        for file in pictures:
            listing.leave(file, UNLABELLED)
        return None
    raise ValueError(
        f"{listing.root}: the {len(pictures):,} pictures in {folder!r} are in no class folders, and no {LABELS} says their "
        f"classes; put it beside them"
    )


def _class_folders(listing: Listing, above: str, chosen: Sequence[str]) -> Arranged:
    """Without a folder named train: the first folder that branches holds the classes."""
    children = _children(listing, above)
    inside = sorted(name for name in children if name)
    splits = sorted(name for name in _folders(listing, above) if name.casefold() in SPLITS)
    # A class may be called train, of vehicles, say; but test pictures that lie beside class folders are no class.
    if not inside or set(inside) <= set(splits) or any(name.casefold() not in TRAIN or name not in inside for name in splits):
        raise ValueError(_no_layout(listing, above, splits))
    depth = len(above.split("/")) if above else 0
    for name in inside:
        _require_class(listing, _join(above, name), children[name])
    for file in [*children.pop("", []), *_outside(listing, above)]:
        listing.leave(file, NO_CLASS)
    pairs = [(file, file.name.split("/")[depth]) for name in inside for file in children[name]]
    require_pictures(listing, above, set(inside), chosen)
    return Arranged(splits={"train": pairs})


def _branching(listing: Listing) -> str:
    """The nearest folder that pictures are in more than one folder of; "" for the place itself."""
    above, inside = "", _children(listing, "")
    while len(names := [name for name in inside if name]) == 1 and names[0].casefold() not in SPLITS:
        further = _children(listing, _join(above, names[0]))
        if not any(further):
            break
        above, inside = _join(above, names[0]), further
    return above


def _require_class(listing: Listing, folder: str, pictures: Sequence[File]) -> None:
    """A class has pictures in its folder, or in one folder of that; what only has folders of pictures holds classes itself."""
    depth = len(folder.split("/"))
    deeper = {"" if len(parts) == depth + 1 else parts[depth] for parts in (file.name.split("/") for file in pictures)}
    if len(deeper) > 1 and "" not in deeper:
        raise ValueError(
            f"{listing.root}: {folder!r} holds folders of pictures ({', '.join(sorted(deeper)[:3])}, ...), so it is no class; "
            f"set download.place to the folder that holds train/<class>/ or the class folders"
        )


def _no_layout(listing: Listing, above: str, splits: Sequence[str]) -> str:
    wanted = "a study needs train/<class>/, best with val/<class>/, or class folders alone; see docs/own-pictures.md"
    if not listing.pictures:
        others = Counter(reason for _, reason in listing.others)
        told = ", ".join(f"{count:,} {reason}" for reason, count in others.most_common())
        return f"{listing.root} holds no pictures{f' ({told})' if told else ''}; {wanted}"
    if splits:
        return f"{listing.root} holds {', '.join(_join(above, name) for name in splits)}, but no class folders in train; {wanted}"
    return f"{listing.root} holds {len(listing.pictures):,} pictures, but no folders of them; {wanted}"


def read_labels(file: File) -> dict[str, str]:
    """File names and classes, in columns that tabs separate, else commas or spaces."""
    labels: dict[str, str] = {}
    for number, line in enumerate(file.read().decode("utf-8-sig", "replace").splitlines(), start=1):
        columns = [column.strip() for column in (line.split("\t") if "\t" in line else line.replace(",", " ").split())]
        if not line.strip():
            continue
        if len(columns) < 2 or not columns[0] or not columns[1]:
            raise ValueError(f"{file.name}, line {number}, is {line[:60]!r}, but has a file name and its class; mend that line")
        name = columns[0].rpartition("/")[2]
        if labels.setdefault(name, columns[1]) != columns[1]:
            raise ValueError(f"{file.name} gives {name} two classes, {labels[name]} and {columns[1]}; mend one of them")
    return labels


def by_list(listing: Listing, pictures: Iterable[File], labels: Mapping[str, str], called: str) -> Pairs:
    """Each picture with its class of a list by file name. Raises ValueError where the list does not cover them all.

    Where it names further ones, as where a folder was copied by half, `listing.missing` says so.
    """
    named = [(file, labels.get(file.name.rpartition("/")[2])) for file in pictures]
    if missing := [file.name for file, label in named if label is None]:
        raise ValueError(
            f"{called} lacks {len(missing):,} of {len(named):,} pictures, such as {missing[0]}; get the whole list, or move "
            f"these pictures elsewhere"
        )
    if further := sorted(labels.keys() - {file.name.rpartition("/")[2] for file, _ in named}):
        listing.missing.append(f"{called} names {len(further):,} more, such as {further[0]}, which are not there")
    return [(file, label) for file, label in named if label is not None]


def read_words(listing: Listing) -> dict[str, str]:
    """Words for classes, where a list of them is there."""
    for file in listing.lists(WORDS)[:1]:
        rows = (line.split("\t") for line in file.read().decode("utf-8", "replace").splitlines())
        return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}
    return {}
