"""Reading accounts for every file: what is seen is used or left out for a reason, in each layout that people have."""

import io
import os
import subprocess
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from study.sources import listing as listing_module
from study.sources import walking
from study.sources.decoding import FORMATS, HEAD, format_of
from study.sources.folders import FolderSettings, obtain_folder
from study.sources.layout import arranged
from study.sources.listing import HIDDEN, LINKED, NO_PICTURE, OPENED, USED, list_place
from study.sources.photographs import Photographs


def encoded(kind: str = "JPEG", shade: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 8), (shade, 20, 30)).save(buffer, kind)
    return buffer.getvalue()


JPEG = encoded()
HEIC = b"\0\0\0\x18ftypheic" + bytes(50)


def write(root: Path, *names: str, content: bytes = JPEG) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def tree(root: Path, splits: str = "train val", classes: str = "a b c", each: int = 6) -> Path:
    """`each` pictures of each class in each split; splits is "." for class folders alone."""
    return write(root, *(f"{s}/{c}/{c}{n}.jpg" for s in splits.split() for c in classes.split() for n in range(each)))


def obtain(root: Path, **settings: object) -> Photographs:
    return obtain_folder(FolderSettings(source="folder", place=str(root), **{"validation": 3, **settings}))  # type: ignore[arg-type]


def refusal(root: Path, **settings: object) -> str:
    with pytest.raises(ValueError) as told:
        obtain(root, **settings)
    assert "\n" not in str(told.value) and "delete" not in str(told.value)
    return str(told.value)


def found(root: Path, *options: str) -> int:
    """How many files `find` finds, that is all but folders."""
    done = subprocess.run(["find", *options, str(root), "!", "-type", "d", "-print0"], capture_output=True, check=True)
    return done.stdout.count(b"\0")


def assert_accounted(root: Path, source: Photographs) -> dict[str, int]:
    """The table's counts are those of `find`, with and without -L. Returns the counts by reason."""
    table = source.account.table()
    assert sum(count for _, _, reached, count, _ in table if reached == "directly") == found(root)
    if not any(reason == OPENED for reason, *_ in table):
        assert sum(count for reason, _, _, count, _ in table if reason != LINKED) == found(root, "-L")
    by_reason: Counter[str] = Counter()
    for reason, _, _, count, _ in table:
        by_reason[reason] += count
    assert by_reason[USED] == sum(source.counts.values())
    seen = sum(by_reason.values()) - by_reason[LINKED] - by_reason[OPENED]
    assert f"{seen:,} files seen" in source.account.line() and f": {by_reason[USED]:,} used" in source.account.line()
    return dict(by_reason)


def test_every_file_is_accounted_for(tmp_path: Path) -> None:
    root = tree(tmp_path / "mine")
    write(root, "train/a/a.txt", "train/notes.md", "labels.csv", content=b"a text\n")
    write(root, ".DS_Store", "train/Thumbs.db", "val/a/desktop.ini", "train/a/._a1.jpg", content=b"\0\5\x16\7")
    write(root, "train/.ipynb_checkpoints/a.jpg", "@eaDir/a/SYNO.jpg", "__MACOSX/train/a/._a.jpg", ".git/objects/12/34")
    write(root, "train/loose.jpg", "logo.png", "other/a/1.jpg")
    os.mkfifo(root / "train/b/pipe.jpg")
    (root / "train/c/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / ".hidden_link").symlink_to(root / "train")
    source = obtain(root)
    assert source.counts == {"train": 15, "validation": 3, "test": 18} and source.classes == ("a", "b", "c")
    by_reason = assert_accounted_without_following(root, source)
    assert by_reason == {
        USED: 36, HIDDEN: 9, NO_PICTURE: 3, "in no class folder": 1, "outside of train, val and test": 2,
        "pipe, socket or device": 1, "broken link": 1,
    }  # fmt: skip
    assert "3 no picture (1 .csv, 1 .md, 1 .txt)" in source.account.line()


def assert_accounted_without_following(root: Path, source: Photographs) -> dict[str, int]:
    """For a hidden link: nothing is followed there, while find -L follows it."""
    table = source.account.table()
    assert sum(row[3] for row in table if row[2] == "directly") == found(root)
    by_reason: Counter[str] = Counter()
    for reason, _, _, count, _ in table:
        by_reason[reason] += count
    return dict(by_reason)


def test_links_are_followed(tmp_path: Path) -> None:
    """A class, a split, single files, the place itself, and a link to a link."""
    plain = obtain(tree(tmp_path / "plain"), title="t")
    store, root = tree(tmp_path / "store"), tmp_path / "linked"
    (root / "train").mkdir(parents=True)
    for name in "ab":
        (root / "train" / name).symlink_to(store / "train" / name)
    (tmp_path / "once").symlink_to(store / "val")
    (root / "val").symlink_to(tmp_path / "once")
    for file in (store / "train/c").iterdir():
        (root / "train/c").mkdir(exist_ok=True)
        (root / "train/c" / file.name).symlink_to(file)
    (tmp_path / "place").symlink_to(root)
    for place in (root, tmp_path / "place"):
        source = obtain(place, title="t")
        assert [file.name for file, _ in source.splits["train"]] == [file.name for file, _ in plain.splits["train"]]
        assert source.receipt()["listing_sha256"] == plain.receipt()["listing_sha256"]
        assert assert_accounted(root, source) == {USED: 36, LINKED: 3}
    assert "36 files seen, through 3 links to folders: 36 used" in source.account.line()


def test_circles_of_links_are_refused(tmp_path: Path) -> None:
    for number, (link, target) in enumerate(
        [("train/a/up", ".."), ("train/a/top", "../.."), ("train/above", "../.."), ("train/a/x.jpg", "x.jpg"), ("val/out", "/")]
    ):
        root = tree(tmp_path / str(number) / "mine")
        (root / link).symlink_to(target)
        assert f"{link} leads in a circle" in refusal(root)
    root = tree(tmp_path / "two")
    (root / "train/a/b").symlink_to(root / "train/b")
    (root / "train/b/a").symlink_to(root / "train/a")
    assert "leads in a circle" in refusal(root)


def test_a_class_that_would_be_lost_is_refused(tmp_path: Path) -> None:
    def lost(name: str) -> Path:
        root = tree(tmp_path / name)
        for file in (root / "train/c").iterdir():
            file.unlink()
        return root

    assert "the folder 'train/c' holds nothing; put pictures there" in refusal(lost("empty"))
    root = write(lost("heic"), *(f"train/c/{n}.HEIC" for n in range(6)), content=HEIC)
    assert "'train/c' holds nothing that can be read as a picture: 6 no picture (HEIC); put" in refusal(root)
    assert obtain(root, classes=("a", "b")).counts["train"] == 9, "unless that class is not wanted"
    root = lost("gone")
    (root / "train/c").rmdir()
    (root / "train/c").symlink_to(tmp_path / "nowhere")
    assert "'train/c' is a link that leads nowhere; put" in refusal(root)
    root = tree(tmp_path / "val gone", "train")
    (root / "val").symlink_to(tmp_path / "nowhere")
    assert "'val' is a link that leads nowhere; fill it, or move it" in refusal(root)
    (tree(tmp_path / "empty val", "train") / "val").mkdir()
    assert "the folder 'val' holds nothing; fill it" in refusal(tmp_path / "empty val")
    write(tree(tmp_path / "videos", "train"), "val/a/1.mp4", content=bytes(99))
    assert "'val' holds nothing that can be read as a picture: 1 no picture (mp4); fill it" in refusal(tmp_path / "videos")


def test_what_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator, who may read everything, runs tests too: so what the system answers is made up."""
    root = tree(tmp_path / "mine")
    access, scandir = os.access, os.scandir
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("a1.jpg") and access(path, mode))
    source = obtain(root)
    assert assert_accounted(root, source) == {USED: 34, "may not be read": 2}

    def closed(folder: str) -> object:
        if str(folder).endswith(("train/c", ".Trashes")):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(walking.os, "scandir", closed)
    assert f"the folder {root}/train/c may not be read; allow it (chmod u+rx), or move it" in refusal(root)
    (root / "train/c").rename(root / ".Trashes")
    (root / "val/c").rename(tmp_path / "c")
    assert obtain(root).classes == ("a", "b"), "what is hidden need not be read"


@pytest.mark.parametrize("kind", FORMATS)
def test_pictures_are_known_by_content(kind: str, tmp_path: Path) -> None:
    content = encoded(kind)
    assert format_of(content[:HEAD]) == kind
    root = tree(tmp_path / "mine", classes="a b")
    write(
        root,
        *(f"{split}/c/{name}" for split in ("train", "val") for name in ("x.jfif", "y", "z.dat", "w.jpg_large")),
        content=content,
    )
    source = obtain(root)
    assert source.classes == ("a", "b", "c") and source.counts["test"] == 16


def test_what_begins_as_a_picture_and_is_none_is_not_taken(tmp_path: Path) -> None:
    """Cameras' own files begin as a TIFF; texts may begin with the letters of a bitmap."""
    root = tree(tmp_path / "mine")
    write(root, "train/a/a1.NEF", "train/a/a2.dng", content=encoded("TIFF"))
    write(root, "train/a/cars.txt", content=b"BMW, Audi and others, a longer text\n")
    write(root, "train/a/empty", content=b"")
    assert assert_accounted(root, obtain(root)) == {USED: 36, NO_PICTURE: 4}


def test_what_is_named_a_picture_has_to_be_one(tmp_path: Path) -> None:
    """A page that was saved as x.jpg is not passed over: packing refuses it by name, or counts it among the rejects."""
    source = obtain(write(tree(tmp_path / "mine"), "train/a/page.jpg", content=b"<html>429</html>"))
    assert sum(source.counts.values()) == 37


LAYOUTS = {  # splits of the folder, and the counts of train, validation and test
    "train val": ({"train": 15, "validation": 3, "test": 18}, "the pictures in val are the test set; 3 training pictures, drawn"),
    "train valid test": ({"train": 18, "validation": 18, "test": 18}, "in test are the test set; those in valid steer"),
    "train validation test": ({"train": 18, "validation": 18, "test": 18}, "those in validation steer the learning rate"),
    "train test": ({"train": 15, "validation": 3, "test": 18}, "in test are the test set; 3 training pictures, drawn, steer"),
    "TRAIN Valid": ({"train": 15, "validation": 3, "test": 18}, "the pictures in Valid are the test set"),
    "Training Testing": ({"train": 15, "validation": 3, "test": 18}, "the pictures in Testing are the test set"),
    "train": ({"train": 12, "validation": 3, "test": 3}, "one of 5 pictures of each class, drawn, are the test set; 3 training"),
    ".": ({"train": 12, "validation": 3, "test": 3}, "one of 5 pictures of each class, drawn, are the test set; 3 training"),
    "pets/pictures": ({"train": 12, "validation": 3, "test": 3}, "one of 5 pictures of each class, drawn"),
    "pets/data/train pets/data/val": ({"train": 15, "validation": 3, "test": 18}, "the pictures in val are the test set"),
}  # fmt: skip


@pytest.mark.parametrize("splits", LAYOUTS)
def test_layouts_that_people_have(splits: str, tmp_path: Path) -> None:
    counts, told = LAYOUTS[splits]
    root = write(tree(tmp_path / "mine", splits), "README.txt", content=b"read me")
    source = obtain(root)
    assert source.counts == counts and told in source.told and source.receipt()["splits"] == source.told
    assert source.classes == ("a", "b", "c")
    assert set(Counter(name for _, name in source.splits["test"]).values()) == {counts["test"] // 3}, "of each class as many"
    assert_accounted(root, source)
    assert not {file.path for file, _ in source.splits["train"]} & {file.path for file, _ in source.splits["test"]}


def test_the_nearest_train_counts(tmp_path: Path) -> None:
    root = tree(tmp_path / "mine")
    write(root, *(f"again/train/{c}/{n}.jpg" for c in "ab" for n in range(20)), *(f"again/val/{c}/1.jpg" for c in "ab"))
    source = obtain(root)
    assert source.counts == {"train": 15, "validation": 3, "test": 18}
    assert assert_accounted(root, source)["outside of train, val and test"] == 42
    write(root, *(f"train/train/{n}.jpg" for n in range(6)), "val/train/1.jpg")
    assert obtain(root).classes == ("a", "b", "c", "train"), "a class may be called so"


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        (
            "one/train two/train",
            "holds one/train and two/train, and either could be the training pictures; set download.place to",
        ),
        ("train Train val", "holds Train and train, and either could be"),
        ("train val valid", "holds val and valid, and either could be the validation pictures"),
        ("train Test testing", "holds Test and testing, and either could be the test pictures"),
        ("val test", "holds test, val, but no class folders in train"),
        ("images masks", "'images' holds folders of pictures (a, b, c, ...), so it is no class; set download.place"),
    ],
)
def test_what_could_be_either_is_refused(splits: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in refusal(tree(tmp_path / "mine", splits))


def test_places_without_a_layout_are_refused(tmp_path: Path) -> None:
    assert "holds 2 pictures, but no folders of them; a study needs" in refusal(write(tmp_path / "flat", "1.jpg", "2.jpg"))
    flat = write(tmp_path / "flat train", "train/1.jpg", "train/2.jpg", "val/3.jpg")
    assert "holds train, val, but no class folders in train" in refusal(flat)
    texts = write(tmp_path / "texts", "a/1.txt", "b/2.txt", content=b"text")
    assert "holds no pictures (2 no picture); a study needs train/<class>/" in refusal(texts)
    assert "has 1 class (only); a study needs two or more" in refusal(tree(tmp_path / "one", classes="only"))
    assert "has 1 class (only); a study needs two or more" in refusal(tree(tmp_path / "alone", ".", "only"))
    beside = write(tree(tmp_path / "beside", "."), "test/1.jpg")
    assert "beside holds test, but no class folders in train" in refusal(beside), "test is no class"
    packed = write(tree(tmp_path / "packed", "val"), "train/a.tar.gz", "train/b.tar.gz", content=b"\x1f\x8b")
    assert "packed holds train, val, but no class folders in train" in refusal(packed), "val is not what is trained on"
    vehicles = tree(tmp_path / "vehicles", ".", "train bus car")
    assert obtain(vehicles).classes == ("bus", "car", "train"), "pictures right in a folder named train make it a class"


def test_classes_of_the_splits_are_the_same(tmp_path: Path) -> None:
    root = write(tree(tmp_path / "more"), "val/d/1.jpg")
    assert "the test pictures have the class 'd', which no training picture has; give both" in refusal(root)
    assert obtain(root, classes=("a", "b")).counts["test"] == 12, "classes may be chosen"
    assert_accounted(root, obtain(root, classes=("a", "b")))
    assert "lack the class 'd'" in refusal(write(tree(tmp_path / "fewer"), *(f"train/d/{n}.jpg" for n in range(6))))
    source = obtain(tmp_path / "fewer", fewer_classes=True)
    assert source.classes == ("a", "b", "c", "d") and source.counts["test"] == 18
    said = refusal(write(tmp_path / "fewer", "val/e/1.jpg"), fewer_classes=True)
    assert "the test pictures have the class 'e', which no training picture has" in said, "but no others"
    three = tree(tmp_path / "case", "train val")
    tree(three, "test", "A B C")
    said = refusal(three)
    assert "the 3 classes 'A', 'B', 'C', which no training picture has ('A' there, 'a' in training, 'B' there" in said
    composed, apart = unicodedata.normalize("NFC", "größe"), unicodedata.normalize("NFD", "größe")
    root = tree(tree(tmp_path / "unicode", "train", f"a {composed}"), "val", f"a {apart}")
    assert "('gro\\u0308\\xdfe' there, 'gr\\xf6\\xdfe' in training)" in refusal(root)


def test_a_test_set_without_labels_is_left_out(tmp_path: Path) -> None:
    for number, name in enumerate(("test/1.jpg", "test/images/1.jpg", "test/unknown/1.jpg")):
        root = write(tree(tmp_path / str(number)), name)
        source = obtain(root)
        assert "those in test have no labels and are left out" in source.told and source.counts["test"] == 18
        assert assert_accounted(root, source)["in a test set without labels"] == 1


def labelled(root: Path, text: bytes) -> Path:
    tree(root, "train")
    write(root, *(f"val/images/v {n}.JPEG" if n == 0 else f"val/images/v{n}.JPEG" for n in range(6)))
    return write(root, "val/val_annotations.txt", content=text)


ROWS = ["v 0.JPEG\ta\t0\t0", "v1.JPEG\tb\t0\t0", "v2.JPEG\tc", "v3.JPEG\ta", "v4.JPEG\tb", "v5.JPEG\tc"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_list_of_labels_covers_the_pictures(end: str, tmp_path: Path) -> None:
    root = labelled(tmp_path / "mine", b"\xef\xbb\xbf" + end.join([*ROWS, ""]).encode())
    source = obtain(root)
    assert {file.name: name for file, name in source.splits["test"]} == {
        f"val/images/{row.split(chr(9))[0]}": row.split("\t")[1] for row in ROWS
    }
    assert_accounted(root, source)


def test_a_list_that_names_more_pictures_than_are_there_is_told(tmp_path: Path) -> None:
    """A folder that was copied by half: nothing else shows it."""
    root = labelled(tmp_path / "mine", "\n".join(ROWS).encode())
    assert "more" not in obtain(root).told
    for number in (4, 5):
        (root / f"val/images/v{number}.JPEG").unlink()
    source = obtain(root)
    assert "val/val_annotations.txt names 2 more, such as v4.JPEG, which are not there" in source.told
    assert source.receipt()["splits"] == source.told and source.counts["test"] == 4


def test_lists_of_labels_with_other_columns_or_gaps(tmp_path: Path) -> None:
    spaces = "\n".join(row.replace("\t", " ") for row in ROWS[1:]).encode()
    root = labelled(tmp_path / "spaces", spaces)
    (root / "val/images/v 0.JPEG").unlink()
    assert obtain(root).counts["test"] == 5
    write(root, "val/val_annotations.txt", content=spaces.replace(b" ", b","))
    assert obtain(root).counts["test"] == 5
    short = labelled(tmp_path / "short", "\n".join(ROWS[:2]).encode())
    assert "val/val_annotations.txt lacks 4 of 6 pictures, such as val/images/v2.JPEG; get the whole list" in refusal(short)
    assert "line 2, is 'v1.JPEG', but has a file name and its class" in refusal(
        labelled(tmp_path / "cut", b"v 0.JPEG\ta\nv1.JPEG\n")
    )
    twice = "\n".join([*ROWS, "v1.JPEG\tc"]).encode()
    assert "gives v1.JPEG two classes, b and c" in refusal(labelled(tmp_path / "twice", twice))
    unknown = "\n".join(ROWS).replace("\tc", "\td").encode()
    assert "have the class 'd', which no training picture has" in refusal(labelled(tmp_path / "unknown", unknown))
    (tmp_path / "spaces/val/val_annotations.txt").unlink()
    assert "the 5 pictures in 'val' are in no class folders, and no val_annotations.txt says" in refusal(tmp_path / "spaces")


def test_folders_of_classes_count_before_a_list(tmp_path: Path) -> None:
    """Tiny-ImageNet as many have sorted it, with the list still there, which no longer matters."""
    root = write(tree(tmp_path / "mine"), "val/val_annotations.txt", content=b"v1.JPEG\ta\n")
    assert obtain(root).counts["test"] == 18


def test_names_that_are_not_text(tmp_path: Path) -> None:
    root = tree(tmp_path / "mine", classes="a b")
    os.rename(os.fsencode(root / "train/a/a1.jpg"), os.fsencode(root / "train/a") + b"/caf\xe9.jpg")
    write(root, "train/new\nline/1.jpg", "val/new\nline/1.jpg")
    source = obtain(root)
    assert_accounted(root, source)
    names = [item.name for split in source.counts for item in source.part(split, 0, 99)]
    assert "train/a/caf\\xe9.jpg" in names and source.receipt()["listing_sha256"]
    assert all(name.encode() for name in names) and "\n" not in source.account.line()


def test_tars_of_classes_in_train_are_read_where_they_lie(tmp_path: Path) -> None:
    plain, root = obtain(tree(tmp_path / "plain"), title="t"), tree(tmp_path / "tars", "val")
    (root / "train").mkdir()
    for name in "abc":
        subprocess.run(["tar", "cf", root / f"train/{name}.tar", "-C", tmp_path / "plain/train" / name, "."], check=True)
    write(root, "train.tar", content=(root / "train/a.tar").read_bytes())
    source = obtain(root, title="t")
    assert source.receipt()["listing_sha256"] == plain.receipt()["listing_sha256"]
    assert assert_accounted(root, source) == {USED: 36, OPENED: 3, NO_PICTURE: 1}
    subprocess.run(["tar", "cf", root / "train/c.tar", "-C", tmp_path, "--files-from", "/dev/null"], check=True)
    assert "the folder 'train/c' holds nothing; put pictures there" in refusal(root)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("", "place is ''"),
        (".", "place is '.'"),
        ("/", "place is '/'"),
        ("~", "place is '~'"),
        (" ", "place is ' '"),
        ("..", "'..'"),
    ],
)
def test_places_that_name_nothing_are_refused(place: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="name a folder or an archive of pictures, such as ~/pictures/pets") as told:
        FolderSettings(source="folder", place=place)
    assert sentence in str(told.value)


def test_a_place_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tree(tmp_path / "pets")
    assert obtain(Path("~/pets/")).counts["test"] == 18
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is not there" in refusal(tmp_path / "pipe")


def by_class(source: Photographs, split: str) -> Counter[str]:
    return Counter(name for _, name in source.splits[split])


def test_pictures_of_each_class_are_moved_and_held_out(tmp_path: Path) -> None:
    """As a study of Tiny-ImageNet wants them: some classes, of each some training pictures for test and validation."""
    root = tree(tmp_path / "mine", classes="a b c d e", each=20)
    wanted = {"classes_drawn": 3, "test_per_class": 8, "validation_per_class": 2, "seed": 5}
    source = obtain(root, **wanted)
    assert len(source.classes) == 3 and set(source.classes) < set("abcde")
    for split, each in (("train", 10), ("validation", 2), ("test", 28)):
        assert by_class(source, split) == dict.fromkeys(source.classes, each)
    paths = [file.path for pairs in source.splits.values() for file, _ in pairs]
    assert len(set(paths)) == len(paths) == 3 * 40, "no picture is in two splits, none is lost"
    assert assert_accounted(root, source) == {USED: 120, "of a class that was not chosen": 80}
    assert "8 training pictures of each class, drawn, are in the test set too" in source.told
    assert obtain(root, **wanted).receipt() == source.receipt(), "the same every time"
    other = obtain(root, **{**wanted, "seed": 6, "classes_drawn": 0, "classes": source.classes})
    assert {file.name for file, _ in other.splits["test"]} != {file.name for file, _ in source.splits["test"]}
    moved = {file.name for file, _ in source.splits["test"] if file.name.startswith("train/")}
    alone = obtain(root, **{**wanted, "classes_drawn": 0, "classes": (source.classes[1], source.classes[0])})
    of_two = {file.name for file, _ in alone.splits["test"] if file.name.startswith("train/")}
    assert of_two < moved, "what moves of a class does not depend on the other classes"
    said = refusal(root, test_per_class=18, validation_per_class=2)
    assert "the class 'a' has 20 training pictures; with 18 for test and 2 for validation none are left; lower" in said
    assert "classes_drawn is 6, but there are 5 classes; lower it" in refusal(root, classes_drawn=6)


def test_a_class_that_is_all_held_out_is_refused(tmp_path: Path) -> None:
    root = write(tree(tmp_path / "mine", "train val", "a b", 9), "train/c/1.jpg", "val/c/1.jpg")
    said = {validation: None for validation in range(1, 9)}
    for validation in said:
        try:
            said[validation] = obtain(root, validation=validation).counts["train"]
        except ValueError as problem:
            said[validation] = str(problem)
    lost = [what for what in said.values() if isinstance(what, str)]
    assert lost and set(lost) == {"of the class 'c' no training picture is left; lower download.validation, or add pictures"}


def test_half_of_an_odd_number_of_pictures_is_less_than_half(tmp_path: Path) -> None:
    root = tree(tmp_path / "mine", each=7)
    assert obtain(root, validation=10).counts == {"train": 11, "validation": 10, "test": 21}
    assert "download.validation is 11, taken from 21 training pictures; give fewer than half" in refusal(root, validation=11)


def test_listing_is_in_the_order_of_names(tmp_path: Path) -> None:
    """Folder by folder, and the same in a tar of it, also for names with signs that sort before a slash."""
    root = write(tmp_path / "mine", "train/n1/b.jpg", "train/n1-x/a.jpg", "train/n1/a.jpg", "train/n/c.jpg", "train/N/c.jpg")
    subprocess.run(["tar", "cf", tmp_path / "mine.tar", "-C", root, "."], check=True)
    names = [file.name for file in list_place(root).pictures]
    assert (
        names
        == sorted(names, key=lambda name: name.split("/"))
        == [file.name for file in list_place(tmp_path / "mine.tar").pictures]
    )
    assert {name for _, name in arranged(list_place(root)).splits["train"]} == {"n1", "n1-x", "n", "N"}
    assert listing_module.COLUMNS == ("reason", "ending", "reached", "count", "example")
