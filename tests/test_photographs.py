"""Photographs in folders and tars, as people have them: found in every layout, labelled rightly, read where they lie, packed."""

import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from study import storage
from study.data.moments import products_of_colours
from study.data.packing import PackingSettings, pack, prepare
from study.sources import fetching
from study.sources.fetching import VARIABLE
from study.sources.folders import FolderSettings, obtain_folder
from study.sources.ilsvrc import IlsvrcSettings, obtain_ilsvrc
from study.sources.listing import list_place
from study.sources.photographs import Photographs
from tests.ilsvrc_shaped import make, photograph, synsets

YEAR_2012 = IlsvrcSettings(source="ilsvrc2012", steering=4)
CLASSES = 12


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "RAW", tmp_path / "raw")
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "official"))
    return make(tmp_path / "official", classes=CLASSES, train=3, val=2)


def _labels_by_name(source: Photographs) -> dict[str, str]:
    return {file.name: name for pairs in source.splits.values() for file, name in pairs}


def test_official_tars_are_read_where_they_lie(official: Path) -> None:
    source = obtain_ilsvrc(YEAR_2012)
    assert source.counts == {"train": 36, "validation": 4, "test": 20} and source.classes == tuple(synsets(CLASSES))
    assert source.words[synsets(CLASSES)[3]] == "thing 4"
    items = list(source.part("train", 0, 36))
    for item in items:
        synset, number = item.name.split("/")[-1].removesuffix(".JPEG").split("_")
        assert source.classes[item.label] == synset
        if int(number) > 0:  # the first ones are odd
            assert item.content == photograph(int(number), item.label)
    assert not list((official.parent).rglob("*.JPEG")), "nothing was unpacked"


def test_validation_labels_follow_the_devkit(official: Path) -> None:
    """The label of picture N stands in line N and counts synsets from 1."""
    truth = np.random.default_rng(1).permutation(np.repeat(np.arange(CLASSES), 2))
    source = obtain_ilsvrc(YEAR_2012)
    seen = set()
    for split in ("validation", "test"):
        for item in source.part(split, 0, 99):
            number = int(item.name.split("_")[-1].removesuffix(".JPEG"))
            seen.add(number)
            assert item.label == truth[number - 1] and item.content == photograph(1000 + number, item.label)
    assert seen == set(range(1, 25)), "what steers the rate is not in the test set"


def test_ilsvrc_2010_has_the_papers_splits_where_the_ground_truth_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "2010", year="2010", classes=5, train=4, val=2, test=3)
    monkeypatch.setenv(VARIABLE, str(root))
    settings = IlsvrcSettings(source="ilsvrc2010", steering=3)
    assert obtain_ilsvrc(settings).counts == {"train": 20, "validation": 10, "test": 15}
    answers = np.random.default_rng(2).permutation(np.repeat(np.arange(5), 3))
    for item in obtain_ilsvrc(settings).part("test", 0, 15):
        assert item.label == answers[int(item.name.split("_")[-1].removesuffix(".JPEG")) - 1]
    (root / "ILSVRC2010_test_ground_truth.txt").unlink()
    assert obtain_ilsvrc(settings).counts == {"train": 20, "validation": 3, "test": 7}


def _extract(official: Path, into: Path) -> None:
    for file in list_place(official / "ILSVRC2012_img_train.tar", lambda name: name.endswith(".tar")).pictures:
        storage.write_bytes(into / "train" / file.name, file.read())
    for file in list_place(official / "ILSVRC2012_img_val.tar").pictures:
        storage.write_bytes(into / file.name, file.read())


def test_extracted_and_kaggles_layouts_have_the_same_labels(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _labels_by_name(obtain_ilsvrc(YEAR_2012))
    extracted, kaggle = tmp_path / "extracted", tmp_path / "kaggle"
    _extract(official, extracted)
    shutil.copy(official / "ILSVRC2012_devkit_t12.tar.gz", extracted)
    _extract(official, kaggle / "ILSVRC/Data/CLS-LOC")
    rows = [f"{Path(name).stem},{label} 1 2 3 4" for name, label in expected.items() if name.startswith("val/")]
    (kaggle / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))
    (kaggle / "LOC_synset_mapping.txt").write_text(f"{synsets(1)[0]} thing 1, object 1\n")
    for root in (extracted, kaggle):
        monkeypatch.setenv(VARIABLE, str(root))
        assert _labels_by_name(obtain_ilsvrc(YEAR_2012)) == expected
    assert obtain_ilsvrc(YEAR_2012).words == {synsets(1)[0]: "thing 1, object 1"}
    (kaggle / "LOC_val_solution.csv").unlink()
    with pytest.raises(ValueError, match=r"val is flat and its labels are missing: put LOC_val_solution.csv"):
        obtain_ilsvrc(YEAR_2012)


def _kaggle(official: Path, root: Path) -> dict[str, str]:
    """As Kaggle has it. Returns the validation pictures' labels by name, without the ending."""
    _extract(official, root / "ILSVRC/Data/CLS-LOC")
    labels = _labels_by_name(obtain_ilsvrc(YEAR_2012))
    return {Path(name).stem: label for name, label in labels.items() if name.startswith("val/")}


def _solution(labels: dict[str, str], head: str = "ImageId,PredictionString", row: str = "{},{} 1 2 3 4", end: str = "\n") -> str:
    return end.join([head, *(row.format(name, label) for name, label in labels.items()), ""])


def test_kaggles_list_in_the_forms_that_people_have(official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "kaggle"
    labels = _kaggle(official, root)
    expected = _labels_by_name(obtain_ilsvrc(YEAR_2012))
    monkeypatch.setenv(VARIABLE, str(root))
    first = next(iter(labels))
    for text in (
        _solution(labels, end="\r\n"),
        "\ufeff" + _solution(labels, head="ImageId, PredictionString"),
        _solution(labels, head="imageid,predictionstring", row="{}.JPEG,{}"),
        _solution(labels | {"ILSVRC2012_val_99999999": "n01440764"}, row='"{}","{} 5 6 7 8 "'),
    ):
        (root / "LOC_val_solution.csv").write_text(text, encoding="utf-8")
        assert _labels_by_name(obtain_ilsvrc(YEAR_2012)) == expected
    few = dict(list(labels.items())[:7])
    for text, sentence in (
        (
            _solution(labels, head="Id,Label"),
            r"LOC_val_solution.csv has the columns Id, Label, not ImageId and PredictionString; get",
        ),
        ("", "has the columns none, not ImageId"),
        (
            _solution(labels | {first: ""}, row="{},{}"),
            rf"LOC_val_solution.csv, line 2, gives {first} no class; get the file anew",
        ),
        (_solution(labels, row="{}"), rf"line 2, gives {first} no class"),
        (_solution(few), "LOC_val_solution.csv lacks 17 of 24 pictures, such as val/ILSVRC2012_val_"),
        (_solution(labels | {first: "n0"}), "the validation pictures have the class 'n0', which no training picture has"),
    ):
        (root / "LOC_val_solution.csv").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=sentence):
            obtain_ilsvrc(YEAR_2012)


def test_ilsvrcs_tars_of_classes_and_empty_folders(official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outer tar unpacked and the inner ones not; nothing unpacked; a class that was not."""
    expected, root = _labels_by_name(obtain_ilsvrc(YEAR_2012)), tmp_path / "once"
    _extract(official, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole/val", root / "val")
    shutil.copy(official / "ILSVRC2012_devkit_t12.tar.gz", root)
    (root / "train").mkdir()
    monkeypatch.setenv(VARIABLE, str(root))
    with pytest.raises(ValueError, match="once/train holds no class folders with pictures, and no tar of a class; https"):
        obtain_ilsvrc(YEAR_2012)
    with tarfile.open(official / "ILSVRC2012_img_train.tar") as tar:
        tar.extractall(root / "train", filter="data")
    source = obtain_ilsvrc(YEAR_2012)
    assert _labels_by_name(source) == expected and source.account.line().startswith("60 files seen: 60 used, 0 left out")
    (root / "train" / f"{synsets(9)[8]}.tar").write_bytes(bytes(10240))
    with pytest.raises(ValueError, match=rf"the folder 'train/{synsets(9)[8]}' holds nothing; put pictures there"):
        obtain_ilsvrc(YEAR_2012)
    chosen = tuple(synsets(3))
    assert obtain_ilsvrc(IlsvrcSettings(source="ilsvrc2012", steering=1, classes=chosen)).counts == {
        "train": 9, "validation": 1, "test": 5,
    }  # fmt: skip


def test_ilsvrcs_validation_set_as_people_have_it(official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, root = _labels_by_name(obtain_ilsvrc(YEAR_2012)), tmp_path / "extracted"
    _extract(official, root)
    monkeypatch.setenv(VARIABLE, str(root))
    with pytest.raises(
        ValueError, match=r"val is flat and its labels are missing: put LOC_val_solution.csv or ILSVRC2012_devkit"
    ):
        obtain_ilsvrc(YEAR_2012)
    shutil.copy(official / "ILSVRC2012_devkit_t12.tar.gz", root)
    missing = min((root / "val").iterdir()).rename(tmp_path / "kept.JPEG")
    with pytest.raises(ValueError, match="the val set has 23 pictures and 24 labels; get both anew"):
        obtain_ilsvrc(YEAR_2012)
    for name, said in (
        ("ILSVRC2012_val_00000099.JPEG", "val/ILSVRC2012_val_00000099.JPEG otherwise"),
        ("a_00000002.JPEG", "two"),
    ):
        missing = missing.rename(root / "val" / name)
        with pytest.raises(ValueError, match=f"the val set's pictures are numbered from 1 to 24, but {said}"):
            obtain_ilsvrc(YEAR_2012)
    missing.rename(root / "val/ILSVRC2012_val_00000001.JPEG")
    assert _labels_by_name(obtain_ilsvrc(YEAR_2012)) == expected
    for name, label in expected.items():  # into folders, as a well-known script does
        if name.startswith("val/"):
            (root / "val" / label).mkdir(exist_ok=True)
            (root / name).rename(root / "val" / label / Path(name).name)
    assert {Path(name).name: label for name, label in _labels_by_name(obtain_ilsvrc(YEAR_2012)).items()} == {
        Path(name).name: label for name, label in expected.items()
    }
    shutil.rmtree(root / "val" / synsets(1)[0])
    with pytest.raises(ValueError, match=rf"the validation pictures lack the class '{synsets(1)[0]}', .* in download.classes$"):
        obtain_ilsvrc(YEAR_2012)
    shutil.rmtree(root / "val")
    with pytest.raises(ValueError, match="extracted/val is missing beside"):
        obtain_ilsvrc(YEAR_2012)
    (root / "val").mkdir()
    with pytest.raises(ValueError, match="extracted/val holds no pictures; https://image-net.org"):
        obtain_ilsvrc(YEAR_2012)
    with pytest.raises(ValueError, match="steering is 24, but the validation set has 24 pictures; choose fewer"):
        monkeypatch.setenv(VARIABLE, str(official))
        obtain_ilsvrc(IlsvrcSettings(source="ilsvrc2012", steering=24))


def test_what_is_missing_is_named(official: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (official / "ILSVRC2012_img_val.tar").unlink()
    with pytest.raises(
        ValueError, match=r"ILSVRC2012_img_val.tar is missing beside ILSVRC2012_img_train.tar; https://image-net.org"
    ):
        obtain_ilsvrc(YEAR_2012)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"ilsvrc2012 is not there: looked for ILSVRC2012_img_train.tar .* set STUDY_DATA"):
        obtain_ilsvrc(YEAR_2012)


def test_a_list_of_classes_selects(official: Path) -> None:
    chosen = (synsets(CLASSES)[7], synsets(CLASSES)[2])
    source = obtain_ilsvrc(IlsvrcSettings(source="ilsvrc2012", steering=2, classes=chosen))
    assert source.classes == chosen and source.counts["train"] == 6
    assert {source.classes[item.label] for item in source.part("test", 0, 9)} <= set(chosen)
    with pytest.raises(ValueError, match="classes names 'n0', which has no training pictures"):
        obtain_ilsvrc(IlsvrcSettings(source="ilsvrc2012", steering=1, classes=(synsets(1)[0], "n0")))


def _tree(root: Path, val: str = "val", classes: int = 3) -> Path:
    for label in range(classes):
        for number in range(20):
            storage.write_bytes(root / f"train/c{label}/{number}.jpg", photograph(number, label))
        for number in range(3):
            storage.write_bytes(root / f"{val}/c{label}/{number}.jpg", photograph(100 + number, label))
    return root


def test_ones_own_pictures_in_a_folder_and_in_a_tar_of_it(tmp_path: Path) -> None:
    root = _tree(tmp_path / "mine")
    with tarfile.open(tmp_path / "mine.tar", "w") as tar:
        tar.add(root, "anything/mine")
    with tarfile.open(tmp_path / "mine.tgz", "w:gz") as tar:
        tar.add(root, "mine")
    shutil.copy(tmp_path / "mine.tar", tmp_path / "tarred.tar")
    sources = [
        obtain_folder(FolderSettings(source="folder", place=str(tmp_path / name), title="mine", validation=6))
        for name in ("mine", "mine.tar", "mine.tgz", "tarred")
    ]
    for source in sources:
        assert source.counts == {"train": 54, "validation": 6, "test": 9}
        assert [(i.name, i.content, i.label) for i in source.part("train", 0, 54)] == [
            (i.name, i.content, i.label) for i in sources[0].part("train", 0, 54)
        ]
    first = [item.label for item in sources[0].part("train", 0, 18)]
    assert len(set(first)) == 3, "in a drawn order, not class by class"
    assert len({source.receipt()["listing_sha256"] for source in sources}) == 1


def test_a_third_split_and_a_list_of_labels(tmp_path: Path) -> None:
    root = _tree(tmp_path / "three")
    shutil.copytree(root / "val", root / "test")
    settings = FolderSettings(source="folder", place=str(root))
    assert obtain_folder(settings).counts == {"train": 60, "validation": 9, "test": 9}
    flat = tmp_path / "tiny"
    shutil.copytree(root / "train", flat / "train")
    for label in range(3):
        storage.write_bytes(flat / f"val/images/val_{label}.JPEG", photograph(5, label))
        storage.write_bytes(flat / f"test/images/test_{label}.JPEG", photograph(6, label))
    (flat / "val/val_annotations.txt").write_text("".join(f"val_{i}.JPEG\tc{2 - i}\t0\t0\t9\t9\n" for i in range(3)))
    (flat / "words.txt").write_text("c0\tgoldfish, Carassius auratus\nc9\tnothing\n")
    source = obtain_folder(FolderSettings(source="folder", place=str(flat), validation=6))
    assert source.counts == {"train": 54, "validation": 6, "test": 3}, "test pictures without labels are left out"
    assert {item.name: item.label for item in source.part("test", 0, 3)} == {f"val/images/val_{i}.JPEG": 2 - i for i in range(3)}
    assert source.receipt()["class_names"] == ["goldfish, Carassius auratus", "c1", "c2"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"place": "nowhere"}, r"nowhere is not there: looked for .*set download.place"),
        ({"place": "empty"}, r"holds no pictures; a study needs train/<class>/, best with val/<class>/"),
        (
            {"place": "good", "validation": 30},
            r"download.validation is 30, taken from 60 training pictures; give fewer than half",
        ),
        ({"place": "single"}, r"has 1 class \(c0\); a study needs two or more"),
    ],
)
def test_what_cannot_be_a_study_is_refused(
    settings: dict, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    _tree(tmp_path / "good")
    _tree(tmp_path / "single", classes=1)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=sentence):
        obtain_folder(FolderSettings(source="folder", **{"validation": 6, **settings}))


@pytest.mark.slow
def test_a_thousand_classes_are_packed_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ILSVRC's shape at full breadth: tars in a tar, 1,000 classes, odd files; the report names every one of them."""
    monkeypatch.setenv(VARIABLE, str(make(tmp_path / "ilsvrc", classes=1000, train=2, val=1)))
    source = obtain_ilsvrc(IlsvrcSettings(source="ilsvrc2012", steering=200))
    said: list[int | str] = []
    index = pack(source, PackingSettings(size=32, shard=500), tmp_path / "packed", 2, said.append)
    assert index["pictures"] == {"train": 2000, "validation": 200, "test": 800} and len(index["classes"]) == 1000
    assert sum(one for one in said if isinstance(one, int)) == 3000
    assert str(said[0]).startswith("3,000 pictures to pack: 0.01 GB of")
    report = {name.split("/")[-1]: (found, done) for _, name, found, done in index["report"]}
    assert set(report) == {f"{synset}_0.JPEG" for synset in synsets(4)}
    assert all(done != "refused" for _, done in report.values())


def test_a_shard_is_what_numpy_saves_of_the_prepared_pictures(tmp_path: Path) -> None:
    """One picture of the first shard cannot be read: the shard is smaller for it."""
    root = _tree(tmp_path / "mine")
    folder, settings = (
        FolderSettings(source="folder", place=str(root), validation=6),
        PackingSettings(size=48, shard=25, rejects=1),
    )
    first, _ = obtain_folder(folder).splits["train"][0]
    Path(first.path).write_bytes(b"no picture")
    source = obtain_folder(folder)
    index = pack(source, settings, tmp_path / "packed", 1, lambda _: None)
    assert index["pictures"]["train"] == 53
    for shard in index["shards"]:
        split, start = shard["file"].removesuffix(".npy").split("-")
        items = source.part(split, 25 * int(start), 25 * int(start) + 25)
        prepared = [prepare(item, split, settings)[0] for item in items]
        saved = io.BytesIO()
        np.save(saved, np.stack([picture for picture in prepared if picture is not None]))
        assert (tmp_path / "packed" / shard["file"]).read_bytes() == saved.getvalue()


@pytest.mark.parametrize(("pictures", "size"), [(1, 8), (3, 17), (40, 64), (2, 256), (1, 300)])
def test_sums_of_products_are_exact(pictures: int, size: int) -> None:
    """Also where every byte is 255, and where the number of pixels divides by nothing."""
    pixels = np.random.default_rng(size).integers(0, 256, (pictures, size, size, 3), dtype=np.uint8)
    for some in (pixels, np.full_like(pixels, 255)):
        exact = np.einsum("nhwa,nhwb->ab", some, some, dtype=np.int64)
        assert products_of_colours(some) == exact.tolist()
