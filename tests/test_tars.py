"""Archives of pictures: links in them are resolved inside or named, and what is damaged or short is refused with the place."""

import gzip
import io
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from study.sources import fetching
from study.sources.folders import FolderSettings, obtain_folder
from study.sources.listing import LINKED, list_place
from study.sources.photographs import Photographs
from tests.test_listing import JPEG, encoded, tree, write

KINDS = ("tar", "tar.gz", "tar.bz2", "tar.xz", "zip")
LINK = {"hard": tarfile.LNKTYPE, "symbolic": tarfile.SYMTYPE}


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RAW", tmp_path / "raw")
    monkeypatch.delenv(fetching.VARIABLE, raising=False)


def archive(path: Path, root: Path, links: dict[str, str] | None = None, kind: str = "symbolic") -> Path:
    """An archive of a folder, and in it links by name with what they lead to."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for file in sorted(file for file in root.rglob("*") if file.is_file()):
                zipped.write(file, file.relative_to(root).as_posix())
            for name, target in (links or {}).items():
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                zipped.writestr(info, target)
        return path
    with tarfile.open(path, "w:" + path.name.partition("tar")[2].removeprefix(".")) as tar:  # type: ignore[call-overload]
        tar.add(root, ".")
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = LINK[kind], target
            tar.addfile(info)
    return path


def obtain(place: Path, **settings: object) -> Photographs:
    return obtain_folder(FolderSettings(source="folder", place=str(place), **{"validation": 3, "title": "t", **settings}))  # type: ignore[arg-type]


def refusal(place: Path) -> str:
    with pytest.raises(ValueError) as told:
        obtain(place)
    assert "\n" not in str(told.value) and "delete" not in str(told.value) and str(place) in str(told.value)
    return str(told.value)


def contents(source: Photographs) -> dict[str, list[tuple[str, bytes, int]]]:
    return {
        split: [(item.name, item.content, item.label) for item in source.part(split, 0, count)]  # type: ignore[misc]
        for split, count in source.counts.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_links_in_an_archive_lead_to_what_is_in_it(kind: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "mine", classes="a b")
    write(root, "val/c/1.jpg", content=encoded(shade=7))
    links = {
        "./train/c": "../val/c",  # a class
        "train/a/again.jpg": "./a1.jpg",  # a picture
        "val/b/from.jpg": "../../train/b/b2.jpg",
        "train/b/linked.jpg": "../a/again.jpg",  # a link to a link
        "latest": "train/a",
    }
    linked = obtain(archive(tmp_path / f"mine.{kind}", root, links))
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert contents(linked) == contents(obtain(root))
    assert linked.counts["test"] == 14 and linked.classes == ("a", "b", "c")
    opened = {example: count for reason, _, _, count, example in linked.account.table() if reason == LINKED}
    assert opened == {"latest" if kind != "tar" else "train/c": 2}


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_hard_links_in_a_tar_are_files(kind: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "mine", classes="a b")
    links = {"train/c/1.jpg": "./train/a/a1.jpg", "val/c/1.jpg": "train/c/1.jpg"}
    source = obtain(archive(tmp_path / f"mine.{kind}", root, links, "hard"))
    assert source.counts["test"] == 13
    (item,) = [item for item in source.part("test", 0, 99) if item.name == "val/c/1.jpg"]
    assert item.content == JPEG and item.label == 2
    assert all(row[0] != LINKED for row in source.account.table())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("../../../etc", "'train/c', a link to '../../../etc', which is not in it"),
        ("/etc", "'train/c', a link to '/etc', which is not in it"),
        ("nowhere", "'train/c', a link to 'nowhere', which is not in it"),
        ("c", "'train/c', a link to 'c', which is not in it"),
        ("../train", "'train/c', a link that leads in a circle"),
    ],
)
def test_links_that_lead_elsewhere_are_named(kind: str, target: str, said: str, tmp_path: Path) -> None:
    place = archive(tmp_path / f"mine.{kind}", tree(tmp_path / "mine"), {"train/c": target} if target != "x" else {})
    if kind != "tar":  # there the folder of that name is in the way
        place = archive(tmp_path / f"other.{kind}", tree(tmp_path / "other", classes="a b"), {"train/c": target})
    assert said in refusal(place)
    assert not list((tmp_path / "raw").rglob("*.jpg"))


def test_links_of_a_tar_that_lead_in_a_circle(tmp_path: Path) -> None:
    links = {"train/a/x": "../b", "train/b/y": "../a"}
    assert "a link that leads in a circle" in refusal(archive(tmp_path / "mine.tar", tree(tmp_path / "mine"), links))


def sorted_tar(tmp_path: Path, name: str = "mine.tar", **options: object) -> Path:
    root = tree(tmp_path / "of tar", **options)  # type: ignore[arg-type]
    subprocess.run(["tar", "cf", tmp_path / name, "--sort=name", "-C", root, "."], check=True)
    return tmp_path / name


def last_header(path: Path) -> tarfile.TarInfo:
    with tarfile.open(path) as tar:
        return [member for member in tar if member.isfile()][-1]


def test_a_tar_cut_anywhere_is_refused_with_the_place(tmp_path: Path) -> None:
    whole = sorted_tar(tmp_path)
    content, last = whole.read_bytes(), last_header(whole)
    end = last.offset + padded(last)
    for cut in [*range(512, end, 512 * 7 + 256), last.offset, last.offset_data, last.offset_data + 100, end - 1, end, end + 511]:
        whole.write_bytes(content[:cut])
        said = refusal(whole)
        assert "cannot be read as an archive" in said and "at byte" in said and "after '" in said, cut
    for cut in (end + 512, end + 1024):  # all members, and at least one of the two blocks that mark the end
        whole.write_bytes(content[:cut])
        assert obtain(whole).counts["test"] == 18


def padded(member: tarfile.TarInfo) -> int:
    """Bytes of a member in a tar, its header too."""
    return 512 + 512 * -(-member.size // 512)


def damage(place: Callable[[tarfile.TarInfo], slice], by: bytes = b"\0") -> Callable[[Path], None]:
    def act(path: Path) -> None:
        content = bytearray(path.read_bytes())
        with tarfile.open(path) as tar:
            member = [member for member in tar if member.isfile()][7]
        where = place(member)
        content[where] = by * len(content[where])
        path.write_bytes(content)

    return act


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (damage(lambda m: slice(m.offset + 148, m.offset + 156), b"0"), "cut short or damaged, bad checksum, at byte"),
        (damage(lambda m: slice(m.offset + 124, m.offset + 136), b"z"), "cut short or damaged"),
        (damage(lambda m: slice(m.offset, m.offset_data)), "cut short or damaged"),  # a header of zeros, then a picture
        (damage(lambda m: slice(m.offset, m.offset + 10**6)), "nothing but zeros in the last"),  # allotted, and not all came
        (damage(lambda m: slice(m.offset, m.offset + 3 * padded(m))), "nothing but zeros from byte"),  # three members are gone
    ],
)
def test_a_damaged_tar_is_refused_with_the_place(act: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    act(sorted_tar(tmp_path))
    assert said in refusal(tmp_path / "mine.tar") and "after '" in refusal(tmp_path / "mine.tar")
    with gzip.open(tmp_path / "mine.tar.gz", "wb") as file:
        file.write((tmp_path / "mine.tar").read_bytes())
    assert said in refusal(tmp_path / "mine.tar.gz")


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_joined_tars_are_read_to_the_end(kind: str, tmp_path: Path) -> None:
    one, other = sorted_tar(tmp_path, "one.tar", splits="train"), tmp_path / "other.tar"
    archive(other, tree(tmp_path / "other", "val"))
    pieces = [path.read_bytes() for path in (one, other)]
    joined = tmp_path / f"joined.{kind}"
    joined.write_bytes(b"".join(gzip.compress(piece) if kind == "tar.gz" else piece for piece in pieces))
    assert obtain(joined).counts == {"train": 15, "validation": 3, "test": 18}


@pytest.mark.parametrize("joined", [False, True])
def test_tars_that_begin_with_a_global_header_are_read_whatever_their_length(joined: bool, tmp_path: Path) -> None:
    """git archive writes such ones, the commit in the header; they end at every place of a record."""
    root, place = tree(tmp_path / "mine"), tmp_path / "mine.tar"
    pieces = []
    for blocks in range(20):
        with tarfile.open(place, "w", pax_headers={"comment": "9" * 40}) as tar:
            tar.add(root, ".")
            padding = tarfile.TarInfo("notes.txt")
            padding.size = 512 * blocks
            tar.addfile(padding, io.BytesIO(bytes(512 * blocks)))
        assert place.read_bytes()[156:157] == tarfile.XGLTYPE
        pieces.append(place.read_bytes())
        if joined:
            place.write_bytes(pieces[0] + pieces[-1])
        assert obtain(place).counts["test"] == 18, blocks


def test_a_member_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    """As `tar --update` adds a newer one, which is the one that would be unpacked."""
    root = tree(tmp_path / "mine")
    place = archive(tmp_path / "mine.tar", root)
    write(root, "val/a/a1.jpg", content=encoded(shade=9))
    with tarfile.open(place, "a") as tar:
        tar.add(root / "val/a/a1.jpg", "./val/a/a1.jpg")
    assert obtain(place).counts["test"] == 18
    assert contents(obtain(place)) == contents(obtain(root))


def test_a_damaged_tar_within_a_tar_is_named(tmp_path: Path) -> None:
    inner = archive(tmp_path / "a.tar", tree(tmp_path / "one", ".", "a") / "a").read_bytes()
    place = archive(tmp_path / "outer.tar", write(tree(tmp_path / "mine", "val"), "train/a.tar", "train/b.tar", content=inner))
    assert obtain(place, fewer_classes=True, classes=("a", "b")).counts["test"] == 12
    for content in (inner[:-10240], inner[:1000], b""):
        write(tmp_path / "mine", "train/b.tar", content=content)
        said = refusal(archive(tmp_path / "outer.tar", tmp_path / "mine"))
        assert "outer.tar, in it train/b.tar, cannot be read as an archive (" in said


def test_other_things_in_a_tar(tmp_path: Path) -> None:
    root = tree(tmp_path / "mine")
    with tarfile.open(tmp_path / "mine.tar", "w") as tar:
        tar.add(root, "/home/me/mine")
        device = tarfile.TarInfo("home/me/mine/train/a/zero.jpg")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
    source = obtain(tmp_path / "mine.tar")
    assert source.counts["test"] == 18
    assert "1 pipe, socket or device (.jpg)" in source.account.line()
    with tarfile.open(tmp_path / "out.tar", "w") as tar:
        info = tarfile.TarInfo("../train/a/1.jpg")
        info.size = len(JPEG)
        tar.addfile(info, io.BytesIO(JPEG))
    assert "holds '../train/a/1.jpg', which lies outside" in refusal(tmp_path / "out.tar")
    with open(tmp_path / "thin", "wb") as file:
        file.truncate(10**6)
    subprocess.run(["tar", "cSf", tmp_path / "sparse.tar", "-C", tmp_path, "thin"], check=True)
    assert "holds 'thin' in sparse form; make it anew without --sparse" in refusal(tmp_path / "sparse.tar")
    write(tmp_path, "photo.jpg")
    assert "photo.jpg cannot be read as an archive" in refusal(tmp_path / "photo.jpg")
    write(tmp_path, "nothing.tar", content=b"")
    assert "nothing.tar cannot be read as an archive" in refusal(tmp_path / "nothing.tar")


@pytest.mark.parametrize("name", ["MINE.TAR", "mine.Zip", "mine.tar.GZ", "mine"])
def test_archives_are_known_by_content(name: str, tmp_path: Path) -> None:
    root = tree(tmp_path / "of it")
    made = archive(tmp_path / ("made." + ("zip" if "zip" in name.lower() else "tar.gz" if "gz" in name.lower() else "tar")), root)
    assert obtain(made.rename(tmp_path / name)).counts["test"] == 18
    assert obtain(tmp_path / "MINE").counts["test"] == 18 if name.isupper() else True


def test_a_zip_with_a_password_or_cut_short(tmp_path: Path) -> None:
    place = archive(tmp_path / "mine.zip", tree(tmp_path / "mine"))
    content = place.read_bytes()
    locked = bytearray(content)
    for mark, flag in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            locked[at + flag] |= 1
    place.write_bytes(locked)
    assert "holds 'train/a/a0.jpg', which is encrypted; get it anew, or unpack it yourself and name the folder" in refusal(place)
    place.write_bytes(content[: len(content) // 2])
    assert "cannot be read as an archive (File is not a zip file); get it anew" in refusal(place)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("train/a", "holds 'train/a' as a file and as a folder, which cannot both be; get it anew"),
        ("train/a/a0.jpg/x.jpg", "holds 'train/a/a0.jpg/x.jpg' as a file and as a folder, which"),
        (f"train/a/{'x' * 300}.jpg", "a name that this disk does not take; get it anew, or unpack it yourself"),
    ],
)
def test_members_that_cannot_have_their_names_are_the_archives_fault(kind: str, name: str, said: str, tmp_path: Path) -> None:
    place = tmp_path / f"mine.{kind}"
    root = tree(tmp_path / "mine")
    if kind == "zip":
        with zipfile.ZipFile(archive(place, root), "a") as zipped:
            zipped.writestr(name, JPEG)
    else:
        with tarfile.open(place, "w:gz") as tar:
            tar.add(root, ".")
            info = tarfile.TarInfo(name)
            info.size = len(JPEG)
            tar.addfile(info, io.BytesIO(JPEG))
    assert said in refusal(place)
    assert not any(path.is_dir() for path in (tmp_path / "raw/folder").iterdir()), "nothing is left of it"


def test_what_is_unpacked_is_all_listed(tmp_path: Path) -> None:
    """As macOS makes a zip: a shadow beside every file, which is left out and counted."""
    root = tree(tmp_path / "mine")
    write(
        root, *(f"__MACOSX/{file.relative_to(root).parent}/._{file.name}" for file in root.rglob("*.jpg")), content=b"\0\5\x16\7"
    )
    source = obtain(archive(tmp_path / "mine.zip", root))
    assert source.counts == {"train": 15, "validation": 3, "test": 18}
    assert "72 files seen: 36 used, 36 left out (36 hidden or of the system (.jpg))" in source.account.line()
    assert len(list_place(root).left) == 36
