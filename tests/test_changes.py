"""What is kept knows what it was made from: unpacked archives, packed sets, the link by which DVC sees a change."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.settings import read_params
from study import storage
from study.data import packing
from study.data.origin import changed_since
from study.data.packed import damage
from study.data.packing import PackingSettings, also_in_training, pack
from study.sources import fetching, walking
from study.sources.choosing import BuiltInSettings, obtain, roots
from study.sources.cifar import CifarSettings
from study.sources.folders import FolderSettings, ImagenetteSettings
from study.sources.ilsvrc import IlsvrcSettings
from study.sources.pictures import PictureSettings
from study.sources.walking import link, look
from tests.ilsvrc_shaped import make
from tests.project import copy_project, dvc, run, write_params
from tests.test_listing import encoded, tree, write
from tests.test_packing_faults import Here

PACKING = PackingSettings(size=16, shard=7)


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RAW", tmp_path / "raw")
    monkeypatch.delenv(fetching.VARIABLE, raising=False)
    monkeypatch.setattr(packing, "ProcessPoolExecutor", Here)  # to start processes takes longer than these pictures do


def settings_of(place: Path, **more: Any) -> FolderSettings:
    return FolderSettings(source="folder", place=str(place), **{"title": "t", "validation": 3, **more})


def shaded(root: Path, shade: int) -> Path:
    """Three classes of pictures whose files are all of one size."""
    for split in ("train", "val"):
        for label, name in enumerate("abc"):
            pictures = (f"{split}/{name}/{n}.bmp" for n in range(6))
            write(root, *pictures, content=encoded("BMP", shade + 20 * label))
    return root


def zip_of(root: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for file in sorted(file for file in root.rglob("*") if file.is_file()):
            zipped.write(file, file.relative_to(root).as_posix())
    return path


def first_of_test(place: Path) -> object:
    return next(iter(obtain(settings_of(place)).part("test", 0, 1))).content


def test_archives_are_not_confused(tmp_path: Path) -> None:
    """By version, by place, and when another one takes the same place."""
    for number, name in enumerate(("photos.v1.zip", "photos.v2.zip", "elsewhere/photos.v1.zip")):
        root = shaded(tmp_path / f"tree{number}", 10 + number)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        zip_of(root, tmp_path / name)
    names = ("photos.v1.zip", "photos.v2.zip", "elsewhere/photos.v1.zip")
    first = [first_of_test(tmp_path / name) for name in names]
    assert len(set(first)) == 3 and first == [first_of_test(tmp_path / name) for name in names]
    before = (tmp_path / "photos.v1.zip").stat()
    shutil.copy(tmp_path / "photos.v2.zip", tmp_path / "photos.v1.zip")
    assert (tmp_path / "photos.v1.zip").stat().st_size == before.st_size
    assert first_of_test(tmp_path / "photos.v1.zip") == first[1]
    unpacked = [path for path in (tmp_path / "raw/folder").iterdir() if path.is_dir()]
    assert len(unpacked) == 4


def test_an_unpacked_archive_is_kept_as_long_as_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = zip_of(shaded(tmp_path / "tree", 10), tmp_path / "mine.zip")
    source = obtain(settings_of(place))
    hashed: list[Path] = []
    sha256 = storage.sha256
    monkeypatch.setattr(storage, "sha256", lambda path: hashed.append(path) or sha256(path))
    file = Path(source.splits["test"][0][0].path)  # type: ignore[attr-defined]
    before = file.stat().st_mtime_ns
    assert obtain(settings_of(place)).receipt() == source.receipt() and not hashed, "the archive is not read again"
    assert file.stat().st_mtime_ns == before
    file.write_bytes(encoded("BMP", 200))
    assert next(iter(obtain(settings_of(place)).part("test", 0, 1))).content != encoded("BMP", 200)
    file.unlink()
    assert obtain(settings_of(place)).receipt() == source.receipt()
    (note,) = (tmp_path / "raw/folder").glob(".*.unpacked.json")
    for damaged in ("[]", "{", ""):
        note.write_text(damaged)
        assert obtain(settings_of(place)).receipt() == source.receipt()


def packed(place: Path, folder: Path, **more: Any) -> tuple[dict[str, Any], bool]:
    """The index, and whether anything was packed."""
    settings, said = settings_of(place, **more), list[int | str]()
    seen = look(roots(settings))
    pack(obtain(settings), PACKING, folder, 1, said.append, seen)
    return storage.read_json(folder / "index.json"), bool(said)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def replace_keeping_size_and_name(root: Path) -> None:
    """The pictures of two classes exchanged."""
    for split in ("train", "val"):
        for n in range(6):
            a, b = root / f"{split}/a/{n}.bmp", root / f"{split}/b/{n}.bmp"
            one, other = a.read_bytes(), b.read_bytes()
            assert len(one) == len(other)
            a.write_bytes(other), b.write_bytes(one)


def test_pictures_of_the_same_name_and_size_are_packed_again(tmp_path: Path) -> None:
    root, folder = shaded(tmp_path / "tree", 10), tmp_path / "packed"
    before, again = packed(root, folder)
    assert again and packed(root, folder) == (before, False) and changed_since(folder) == ""
    was = contents(folder)
    replace_keeping_size_and_name(root)
    assert changed_since(folder) == (
        f"the files in {root} have changed since they were packed (other sizes or times); look again with: "
        "uv run dvc repro -f prepare"
    )
    after, again = packed(root, folder)
    assert again and after["sha256"] != before["sha256"] and changed_since(folder) == ""
    replace_keeping_size_and_name(root)
    assert packed(root, folder) == (before, True) and contents(folder) == was, "and the same bytes of the same pictures"


def test_exchanged_folders_are_noticed_where_all_times_agree(tmp_path: Path) -> None:
    """As where an archive gives all files one time: names, sizes and times agree, and the labels have been exchanged."""
    root, folder = shaded(tmp_path / "tree", 10), tmp_path / "packed"
    for file in root.rglob("*.bmp"):
        os.utime(file, ns=(10**18, 10**18))
    before, _ = packed(root, folder)
    for split in ("train", "val"):
        (root / split / "a").rename(root / split / "x")
        (root / split / "b").rename(root / split / "a")
        (root / split / "x").rename(root / split / "b")
    assert look([root])["sha256"] == storage.read_json(folder.with_name("packed.origin.json"))["seen"]["sha256"]
    assert "have changed since they were packed" in changed_since(folder)
    after, again = packed(root, folder)
    assert again and after["sha256"] != before["sha256"] and changed_since(folder) == ""
    shutil.copytree(root, tmp_path / "copy")  # with the times
    shutil.rmtree(root)
    (tmp_path / "copy").rename(root)
    assert changed_since(folder) == "" and packed(root, folder) == (after, False), "a copy is the same"


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_replaced_archive_is_noticed(kind: str, tmp_path: Path) -> None:
    place, folder, trees = tmp_path / f"mine.{kind}", tmp_path / "packed", [shaded(tmp_path / name, 10) for name in "xy"]
    replace_keeping_size_and_name(trees[1])

    def make_it(root: Path) -> None:
        if kind == "zip":
            zip_of(root, place)
        else:
            run("tar", "cf", str(place), "-C", str(root), ".", cwd=tmp_path)

    make_it(trees[0])
    before, _ = packed(place, folder)
    size = place.stat().st_size
    make_it(trees[1])
    assert place.stat().st_size == size and "have changed since they were packed (other sizes" in changed_since(folder)
    after, again = packed(place, folder)
    assert again and after["sha256"] != before["sha256"] and changed_since(folder) == ""


def test_what_is_noticed_of_a_folder(tmp_path: Path) -> None:
    root, folder = shaded(tmp_path / "tree", 10), tmp_path / "packed"
    write(root, "words.txt", content=b"a\tfirst\n")
    packed(root, folder)

    def noticed() -> str:
        return changed_since(folder)

    assert noticed() == ""
    write(root, ".DS_Store", "train/a/._0.bmp")
    assert noticed() == "", "hidden files are not the data set's"
    write(root, "train/a/7.bmp")
    assert "(37 files then, 38 now)" in noticed()
    (root / "train/a/7.bmp").unlink()
    assert noticed() == ""
    (root / "train/a/0.bmp").rename(root / "train/a/9.bmp")
    assert noticed()
    (root / "train/a/9.bmp").rename(root / "train/a/0.bmp")
    assert noticed() == ""
    (root / "train/c").rename(root / "train/d")
    assert noticed()
    (root / "train/d").rename(root / "train/c")
    write(root, "words.txt", content=b"a\tother\n")
    assert noticed(), "words of classes count too"
    root.rename(tmp_path / "away")
    assert noticed() == "", "where the pictures are not, nothing can be said"
    shutil.rmtree(folder)
    folder.with_name("packed.origin.json").unlink()
    assert noticed() == ""
    folder.with_name("packed.origin.json").write_text("[]")
    assert noticed() == ""


def test_a_link_that_has_come_is_told(tmp_path: Path) -> None:
    root, folder = shaded(tmp_path / "tree", 10), tmp_path / "packed"
    packed(root, folder)
    (root / "train/a/up").symlink_to("..")
    assert "have changed since they were packed: " in changed_since(folder) and "in a circle" in changed_since(folder)


def test_settings_and_places_of_a_packed_set(tmp_path: Path) -> None:
    """Another number of validation pictures is another set; one that comes from elsewhere is not known to be the same."""
    root, folder = shaded(tmp_path / "tree", 10), tmp_path / "packed"
    before, _ = packed(root, folder)
    assert packed(root, folder, validation=4)[1] and packed(root, folder) == (before, True)
    folder.with_name("packed.origin.json").unlink()
    assert packed(root, folder) == (before, True)


def test_finished_shards_of_other_pictures_are_not_kept(tmp_path: Path) -> None:
    """A packing that was ended, then pictures that were exchanged."""
    root, folder = shaded(tmp_path / "tree", 10), tmp_path / "packed"
    (root / "val/c/5.bmp").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1 picture\(s\) cannot be read"):
        packed(root, folder)
    assert list(folder.glob(".train-*.json"))
    (root / "val/c/5.bmp").write_bytes(encoded("BMP", 50))
    replace_keeping_size_and_name(root)
    after, _ = packed(root, folder)
    assert after == packed(root, tmp_path / "fresh")[0]


@pytest.mark.parametrize("name", ["train-labels.npy", "test-labels.npy", "mean.npy", "train-00001.npy"])
def test_every_file_of_a_packed_set_is_checked(name: str, tmp_path: Path) -> None:
    root, folder = shaded(tmp_path / "tree", 10), tmp_path / "packed"
    before, _ = packed(root, folder)
    was = contents(folder)
    content = bytearray(was[name])
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert damage(folder) == [name]
    assert packed(root, folder) == (before, True) and contents(folder) == was
    (folder / name).unlink()
    assert damage(folder) == [name]


def test_the_hash_of_a_set_covers_labels_mean_and_classes(tmp_path: Path) -> None:
    root = shaded(tmp_path / "tree", 10)
    index, _ = packed(root, tmp_path / "one")
    names = {path.name for path in (tmp_path / "one").glob("*.npy")}
    assert names == {shard["file"] for shard in index["shards"]} | set(index["files"])
    (root / "train/a").rename(root / "train/x"), (root / "train/b").rename(root / "train/a")
    (root / "train/x").rename(root / "train/b")
    (root / "val/a").rename(root / "val/x"), (root / "val/b").rename(root / "val/a"), (root / "val/x").rename(root / "val/b")
    exchanged, _ = packed(root, tmp_path / "two")
    assert exchanged["sha256"] != index["sha256"]
    for split in ("train", "val"):
        (root / split / "c").rename(root / split / "d")
    renamed, _ = packed(root, tmp_path / "three")
    assert renamed["files"] == exchanged["files"] and renamed["sha256"] != exchanged["sha256"]


def test_what_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, where pictures are drawn or held to checksums; the tars of ILSVRC, or its folders and lists."""
    drawn = PictureSettings(seed=1, size=64, train=24, validation=24, test=24)
    assert roots(BuiltInSettings(source="sketch", pictures=drawn)) == [] == roots(CifarSettings(source="cifar10"))
    assert roots(ImagenetteSettings(source="imagenette")) == []
    monkeypatch.setenv(fetching.VARIABLE, str(make(tmp_path / "tars", classes=3)))
    tars = roots(IlsvrcSettings(source="ilsvrc2012"))
    assert [path.name for path in tars] == ["ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"]
    before = look(tars)
    os.utime(tars[0], ns=(1, 1))
    assert look(tars)["sha256"] != before["sha256"] and look([])["files"] == 0
    kaggle = tree(tmp_path / "kaggle/ILSVRC/Data/CLS-LOC")
    write(tmp_path / "kaggle", "LOC_val_solution.csv", content=b"ImageId,PredictionString\n")
    monkeypatch.setenv(fetching.VARIABLE, str(tmp_path / "kaggle"))
    found = roots(IlsvrcSettings(source="ilsvrc2012"))
    assert found == [kaggle / "train", kaggle / "val", tmp_path / "kaggle/LOC_val_solution.csv"]
    monkeypatch.setenv(fetching.VARIABLE, str(tree(tmp_path / "imagenette2-320").parent))
    assert roots(ImagenetteSettings(source="imagenette")) == [tmp_path / "imagenette2-320"]


def test_dvc_is_shown_what_it_can_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "data/source/mine"

    def shown(*of: Path) -> bool:
        made = link(of, place)
        assert made == place.is_symlink() and (made or place.read_text().startswith("There is nothing"))
        assert not made or place.resolve() == of[0].resolve()
        return made

    root = tree(tmp_path / "mine")
    assert shown(root) and not shown() and shown(root) and not shown(root, root)
    assert shown(zip_of(root, tmp_path / "mine.zip"))
    os.mkfifo(root / "pipe")
    assert not shown(root), "DVC would wait for ever"
    (root / "pipe").unlink()
    for name, target in (("gone.jpg", "nowhere"), ("again", "train/a"), ("one.jpg", "train/a/a1.jpg")):
        (root / name).symlink_to(target)
        assert not shown(root), "DVC follows no links, and ends where one is broken"
        (root / name).unlink()
    write(root, ".dvcignore")
    assert not shown(root)
    (root / ".dvcignore").unlink()
    assert shown(root)
    monkeypatch.setattr(walking, "MOST_WATCHED", 35)
    assert not shown(root)
    monkeypatch.undo()
    monkeypatch.setattr(walking, "LARGEST_WATCHED", 35)
    assert not shown(root) and not shown(tmp_path / "mine.zip")
    monkeypatch.undo()
    os.rename(os.fsencode(root / "train/a/a1.jpg"), os.fsencode(root / "train/a") + b"/\xe9.jpg")
    assert not shown(root), "DVC takes names of text alone"


def test_a_relative_place_moves_with_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    tree(Path("pets"))
    assert link([Path("pets")], Path("data/source/mine")) and look([Path("pets")])["roots"] == ["pets"]
    packed(Path("pets"), Path("data/packed/mine"))
    (tmp_path / "one").rename(tmp_path / "other")
    monkeypatch.chdir(tmp_path / "other")
    assert (Path("data/source/mine") / "train/a/a1.jpg").exists() and changed_since(Path("data/packed/mine")) == ""
    write(Path("pets"), "train/a/7.jpg")
    assert changed_since(Path("data/packed/mine"))


@pytest.mark.slow
def test_dvc_notices_what_has_changed(tmp_path: Path) -> None:
    """With the real dvc: pictures added, then of other content; results removed; and what it cannot see, by the command."""
    project, root = tmp_path / "project", shaded(tmp_path / "tree", 10)
    project.mkdir()
    copy_project(project)
    params = read_params(Path(__file__).parents[1] / "params.yaml")
    params.pop("chosen")  # nothing in conf/ is called pets
    params |= {"study": "pets", "prepare": {"size": 64}}
    params["download"] = {"source": "folder", "place": str(root), "validation": 3}
    write_params(project, params)
    run("git", "init", "-q", cwd=project)
    results = project / "results/pets"

    def repro(*options: str) -> tuple[str, str]:
        """What dvc says, and the hash of the packed set."""
        said = dvc("repro", *options, "prepare", cwd=project).stdout
        return said, storage.read_json(project / "data/packed/pets/index.json")["sha256"]

    said, first = repro()
    assert "36 files seen: 36 used, 0 left out" in said
    receipt = storage.read_json(results / "download/source.json")
    assert "\nused,.bmp,directly,36,train/" in (results / "download/files.csv").read_text()
    assert "up to date" in repro()[0]
    write(root, "train/a/7.bmp", content=encoded("BMP", 77))
    assert "train" in dvc("status", cwd=project).stdout
    said, added = repro()
    assert "37 files seen: 37 used" in said and added != first
    (root / "train/a/7.bmp").unlink()
    shutil.rmtree(results)
    said, again = repro()
    assert "Running stage 'download'" in said and again == first, "no earlier receipt comes back from the run cache"
    assert storage.read_json(results / "download/source.json") == receipt
    replace_keeping_size_and_name(root)
    said, exchanged = repro()
    assert "Running stage 'prepare'" in said and exchanged != first
    (root / "train/linked.bmp").symlink_to(root / "train/a/0.bmp")  # which DVC does not look at from then on
    said, _ = repro("-f")
    assert "dvc does not watch these files: uv run dvc repro -f prepare looks at them again" in said
    replace_keeping_size_and_name(root)
    assert "up to date" in repro()[0]
    told = run("python", "-c", "from pathlib import Path; from study.data import origin; "
               "print(origin.changed_since(Path('data/packed/pets')))", cwd=project)  # fmt: skip
    assert "have changed since they were packed" in told.stdout
    assert repro("-f")[1] == first and "up to date" in repro()[0]
    assert sorted(path.name for path in root.rglob("*.bmp")), "the pictures themselves are untouched"


def test_pictures_that_are_also_learned_are_counted(tmp_path: Path) -> None:
    """Every picture of a class has one shade here, so the test pictures are training pictures too; then five are no more."""
    root = shaded(tmp_path / "tree", 10)
    packed(root, tmp_path / "one")
    told: list[int | str] = []
    assert also_in_training(tmp_path / "one", told.append) == {"validation": 3, "test": 18} and sum(told) == 36
    for n in range(5):
        (root / f"val/b/{n}.bmp").write_bytes(encoded("BMP", 100 + n))
    packed(root, tmp_path / "other")
    assert also_in_training(tmp_path / "other") == {"validation": 3, "test": 13}
