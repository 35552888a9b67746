"""A foreign network in our ten-patch evaluation: torchvision's AlexNet against torchvision's own way of testing it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torchvision.models import AlexNet_Weights, alexnet
from torchvision.transforms import v2

from stages import foreign as command
from stages.settings import merged, read_params
from study import predictions, storage
from study.data.feeding import NO_AUGMENTATION, Feed
from study.data.packed import PackedSplit
from study.data.packing import PackingSettings, pack
from study.machine import Machine, set_up
from study.measuring import foreign
from study.predictions import VIEWS
from study.sources.folders import FolderSettings, obtain_folder
from tests.conftest import MACHINE
from tests.ilsvrc_shaped import photograph, synsets
from tests.project import ROOT, copy_project, run, write_params

CPU = torch.device("cpu")
COUNT = 3
RAISED = 2.0  # over He's deviation: logits then differ enough that any mistake of a patch shows in the probabilities


def _random(outputs: int = COUNT) -> nn.Module:
    torch.manual_seed(2012)
    with torch.device("meta"):
        network = alexnet(weights=None, num_classes=outputs)
    network = network.to_empty(device="cpu")
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(weight, std=0.1)
        else:
            nn.init.normal_(weight, std=(2 / weight[0].numel()) ** 0.5 * (RAISED if name == "classifier.6.weight" else 1))
    return network.eval()


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    return _random()


@pytest.fixture(scope="module")
def weights(theirs: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "own-alexnet.pth"
    torch.save(theirs.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 + 3 + 6 photographs of 3 classes at 256 pixels, the test's own."""
    folder = tmp_path_factory.mktemp("foreign")
    for label in range(COUNT):
        for number in range(5):
            storage.write_bytes(folder / f"raw/train/c{label}/{number}.jpg", photograph(number, label))
        for number in range(2):
            storage.write_bytes(folder / f"raw/val/c{label}/{number}.jpg", photograph(100 + number, label))
    source = obtain_folder(FolderSettings(source="folder", place=str(folder / "raw"), title="stripes", validation=3))
    pack(source, PackingSettings(size=256), folder / "packed", 1, lambda _: None)
    return folder / "packed"


@pytest.fixture(scope="module")
def plain(theirs: nn.Module, packed: Path) -> dict[str, np.ndarray]:
    """Probabilities by torchvision's own way."""
    crops = {"centre_patch": v2.CenterCrop(224), "ten_patches": v2.TenCrop(224)}
    return {view: _plainly(theirs, packed, crop) for view, crop in crops.items()}


@torch.no_grad()
def _plainly(network: nn.Module, packed: Path, crop: nn.Module) -> np.ndarray:
    """Scale, normalise, crop, softmax, average over the crops."""
    split = PackedSplit(packed, "test")
    pictures = torch.from_numpy(split.take(np.arange(len(split)))).permute(0, 3, 1, 2)
    means, deviations = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    ready = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(means, deviations), crop])(pictures)
    views = ready if isinstance(ready, tuple) else (ready,)
    return torch.stack([network(view).softmax(dim=1) for view in views]).mean(dim=0).numpy()


def test_probabilities_are_those_of_torchvisions_own_way(plain: dict[str, np.ndarray], weights: Path, packed: Path) -> None:
    centre, ten = plain["centre_patch"], plain["ten_patches"]
    assert len(set(ten.argmax(axis=1).tolist())) > 1 and np.abs(ten - centre).max() > 0.01, "mistakes would show"
    done: list[int] = []
    made = foreign.predict_foreign(foreign.load(weights), packed, Machine(), 4, done.append)
    assert np.array_equal(made.best["centre_patch"], np.argsort(-centre, axis=1)), "the order of all three classes"
    assert np.array_equal(made.best["ten_patches"], np.argsort(-ten, axis=1))
    np.testing.assert_allclose(made.probabilities, -np.sort(-ten, axis=1), rtol=0, atol=1e-5)
    assert done == [4, 2]


def test_patches_get_their_grey_levels_back(theirs: nn.Module, packed: Path) -> None:
    """Within 1e-4 grey levels: at 255 float32 is exact to 2^-17, and two roundings were made."""
    feed = Feed(packed, ("test",), foreign.CROP, CPU, replace(NO_AUGMENTATION, mean="centre"))
    wrapped = foreign.Foreign(theirs, feed.central_mean, Machine())
    patches, _ = next(feed.test_batches(len(feed), 10))
    pictures = torch.from_numpy(PackedSplit(packed, "test").take(np.arange(len(feed)))).permute(0, 3, 1, 2).float()
    five = torch.stack(v2.FiveCrop(224)(pictures), dim=1)
    cut = torch.cat([five, five.flip(4)], dim=1).flatten(0, 1)
    assert (wrapped.grey_levels(patches) - cut).abs().max() < 1e-4
    assert (patches - cut).abs().min() > 10, "the mean was subtracted"


@pytest.mark.parametrize(("precision", "close"), [("float64", 1e-5), ("bfloat16", 0.1)])
def test_precision_is_the_machines(
    precision: str, close: float, plain: dict[str, np.ndarray], weights: Path, packed: Path
) -> None:
    """float64 and float32 agree; bfloat16 has 8 bits, which show."""
    machine = set_up(replace(MACHINE, precision=precision))
    feed = Feed(packed, ("test",), foreign.CROP, CPU, replace(NO_AUGMENTATION, mean="centre"))
    patches, _ = next(feed.test_batches(3))
    with torch.no_grad():
        made = foreign.Foreign(foreign.load(weights), feed.central_mean, machine)(patches).float().softmax(dim=1).numpy()
    difference = np.abs(made - plain["centre_patch"][:3]).max()
    assert difference < close and (difference > 1e-4) == (precision == "bfloat16")


def test_the_constants_are_torchvisions() -> None:
    torchvisions, known = AlexNet_Weights.IMAGENET1K_V1, foreign.TORCHVISION
    (published,) = torchvisions.meta["_metrics"].values()
    assert known.top1_error == pytest.approx(1 - published["acc@1"] / 100, abs=1e-9)
    assert known.top5_error == pytest.approx(1 - published["acc@5"] / 100, abs=1e-9)
    assert known.address == torchvisions.url and known.address.endswith(f"-{known.sha256}.pth")
    how = torchvisions.transforms()
    assert (tuple(how.mean), tuple(how.std), how.crop_size) == (foreign.MEAN, foreign.DEVIATION, [foreign.CROP])
    assert len(torchvisions.meta["categories"]) == foreign.CLASSES


def test_weights_come_from_either_format(theirs: nn.Module, weights: Path, tmp_path: Path) -> None:
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "own.safetensors")
    torch.save({n: w.half() for n, w in theirs.state_dict().items()}, tmp_path / "half.pth", _use_new_zipfile_serialization=False)
    for path, close in ((weights, 0), (tmp_path / "own.safetensors", 0), (tmp_path / "half.pth", 1e-3)):
        read = foreign.load(path)
        assert not read.training and len(read.state_dict()) == 16
        for name, weight in theirs.state_dict().items():
            torch.testing.assert_close(read.state_dict()[name].float(), weight, rtol=close, atol=close)


class Trap:
    """What a hostile file would hold: reading it as a pickle would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


Change = Callable[[dict], object]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: {"state_dict": w, "epoch": 90}, "holds no table of weights alone"),
        (lambda w: {f"module.{name}": value for name, value in w.items()}, "lacks classifier.1.bias, unlike torchvision's"),
        (lambda w: w | {"norm.weight": torch.ones(3)}, "has norm.weight, unlike torchvision's AlexNet"),
        (
            lambda w: w | {"features.0.weight": torch.ones(96, 3, 11, 11)},
            r"has features.0.weight as \[96, 3, 11, 11\] torch.float32, torchvision's AlexNet as \[64, 3, 11, 11\] floats",
        ),
        (
            lambda w: w | {"classifier.6.bias": torch.ones(7)},
            r"has classifier.6.weight as \[3, 4096\] torch.float32, torchvision's AlexNet as \[7, 4096\]",
        ),
        (lambda w: w | {"features.0.bias": torch.ones(64, dtype=torch.int64)}, r"has features.0.bias as \[64\] torch.int64"),
        (lambda w: torch.ones(3), "holds no table of weights alone"),
        (lambda w: {"features.0.bias": Trap(Path("sprung"))}, "is damaged, or holds more than tensors"),
    ],
)
def test_other_weights_are_refused(
    change: Change, sentence: str, theirs: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(change(theirs.state_dict()), "w.pth")
    with pytest.raises(ValueError, match=rf"^w.pth {sentence}.*; fetch https://download.pytorch.org/.*, or save the state_dict"):
        foreign.load(Path("w.pth"))
    assert not Path("sprung").exists(), "nothing in the file was executed"


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x80\x02}q\x00.", b"PK\x03\x04" + bytes(60), bytes(99)])
def test_a_damaged_file_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged, or holds more than tensors; fetch https"):
        foreign.load(tmp_path / name)


def test_half_a_download_is_refused(weights: Path, tmp_path: Path) -> None:
    with open(weights, "rb") as file:
        (tmp_path / "w.pth").write_bytes(file.read(1 << 20))
    with pytest.raises(ValueError, match=r"w.pth is damaged, or holds more than tensors; fetch https"):
        foreign.load(tmp_path / "w.pth")


def test_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "w.pth", tmp_path):
        with pytest.raises(ValueError, match="is not there; fetch https"):
            foreign.load(path)


@pytest.mark.parametrize(
    ("outputs", "classes", "size", "sentence"),
    [
        (1000, synsets(1000), 64, r"have 64 pixels a side, fewer than a patch's 224; set prepare.size to 256"),
        (1000, synsets(24), 256, r"the packed set's 24 classes \(n10000000, ...\) are not that; choose study=ilsvrc2012"),
        (1000, synsets(1000)[::-1], 256, r"wordnet's ids in sorted order, and the packed set's 1,000 classes \(n10036963"),
        (1000, [f"c{i:03d}" for i in range(1000)], 256, r"the packed set's 1,000 classes \(c000, ...\) are not that"),
        (1000, [*synsets(999), synsets(999)[-1]], 256, r"1,000 classes \(n10000000, ...\) are not that"),
        (10, synsets(24), 256, r"the network has 10 outputs and the packed set 24 classes; choose the study"),
    ],
)
def test_what_does_not_fit_is_refused(outputs: int, classes: list[str], size: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        foreign.require_fit(outputs, classes, size)


def test_what_fits() -> None:
    foreign.require_fit(1000, synsets(1000), 224)
    foreign.require_fit(3, ["zebra", "ant", "cat"], 256)


def test_the_classes_of_the_published_number_are_told_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not foreign.are_ilsvrc_2012(synsets(1000)), "1,000 ids, but others"
    monkeypatch.setattr(foreign, "ILSVRC_2012", sha256("\n".join(synsets(1000)).encode()).hexdigest())
    assert foreign.are_ilsvrc_2012(synsets(1000)) and not foreign.are_ilsvrc_2012(synsets(999))


@pytest.fixture(scope="module")
def project(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study has packed these photographs."""
    folder = tmp_path_factory.mktemp("a project")
    copy_project(folder)
    params = read_params(ROOT / "params.yaml")
    del params["chosen"]
    params["download"] = {"source": "folder", "place": "anywhere", "title": "stripes", "validation": 3}
    write_params(folder, merged(params, {"study": "stripes", "prepare": {"size": 256}, "evaluate": {"batch": 5}}))
    (folder / "data" / "packed").mkdir(parents=True)
    (folder / "data" / "packed" / "stripes").symlink_to(packed)
    storage.write_json(folder / "results/stripes/download/source.json", {"title": "stripes of all kinds"})
    return folder


def test_the_command_writes_and_says_what_came_out(
    project: Path,
    plain: dict[str, np.ndarray],
    weights: Path,
    packed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = project / "results" / "stripes" / "foreign"
    storage.write_json(written / "provenance.json", {"of": "an earlier evaluation"})
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["foreign", str(weights)])
    command.main()
    said = capsys.readouterr().out.splitlines()
    labels = PackedSplit(packed, "test").labels
    expected = {view: (probabilities.argmax(axis=1) != labels).mean() for view, probabilities in plain.items()}
    metrics = storage.read_json(written / "metrics.json")
    assert metrics["pictures"] == 6 and set(metrics["models"]) == {"alexnet"}
    for view, top1_error in expected.items():
        assert metrics[view] == {"top1_error": pytest.approx(top1_error), "top5_error": 0.0}, "3 classes are within the best five"
    assert {view: predictions.read(written, view).best["alexnet"].shape for view in VIEWS} == dict.fromkeys(VIEWS, (6, 3))
    hashed = storage.sha256(weights)
    record = storage.read_json(written / "provenance.json")
    assert record["weights"] == {"file": weights.name, "sha256": hashed} and str(weights.parent) not in str(record)
    assert record["data_sha256"] == storage.read_json(packed / "index.json")["sha256"]
    outputs = {f"foreign/{name}" for name in ("metrics.json", "classes.csv")}
    outputs |= {f"foreign/{name}.npz" for name in (*VIEWS, "probabilities")}
    assert record["outputs"] == {name: storage.sha256(written.parent / name) for name in outputs}
    centre, ten = expected["centre_patch"], expected["ten_patches"]
    assert said == [
        f"weights: own-alexnet.pth, not torchvision's own file (SHA-256 {hashed[:8]}...)",
        "ours: the 6 test pictures of stripes (stripes of all kinds); 3 classes, not ILSVRC-2012's, "
        "taken in the order of the packed set",
        "published: torchvision's AlexNet_Weights.IMAGENET1K_V1 on the 50,000 validation pictures of ILSVRC-2012, centre patch; "
        "comparable on those pictures only",
        "               ours top-1      top-5  published      top-5",
        f"centre patch   {centre:10.3%}     0.000%    43.478%    20.934%",
        f"ten patches    {ten:10.3%}     0.000%          -          -",
    ]


def test_torchvisions_file_and_classes_are_recognised(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: Path, packed: Path
) -> None:
    classes = storage.read_json(packed / "index.json")["classes"]
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["foreign", str(weights)])
    monkeypatch.setattr(foreign, "TORCHVISION", replace(foreign.TORCHVISION, sha256=storage.sha256(weights)[:8]))
    monkeypatch.setattr(foreign, "ILSVRC_2012", sha256("\n".join(classes).encode()).hexdigest())
    command.main()
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("weights: own-alexnet.pth, torchvision's own file (SHA-256 ")
    assert said[1].endswith("3 classes, ILSVRC-2012's")


@pytest.mark.parametrize(
    ("study", "arguments", "sentence"),
    [
        ("stripes", [], "foreign: give a file of weights, as in: uv run python -m stages.foreign alexnet-owt-7be5be79.pth"),
        ("stripes", ["a.pth", "b.pth"], "foreign: give a file of weights"),
        ("stripes", ["nowhere.pth"], "foreign: nowhere.pth is not there; fetch https://download.pytorch.org"),
        ("stripes", ["params.yaml"], "foreign: params.yaml is damaged, or holds more than tensors; fetch"),
        ("elsewhere", ["w.pth"], "foreign: no packed pictures in data/packed/elsewhere; make them with"),
        ("a/b", ["w.pth"], "foreign: params.yaml: study is 'a/b'; it names a folder"),
    ],
)
def test_a_mistake_gets_one_sentence(
    study: str, arguments: list[str], sentence: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(tmp_path, read_params(project / "params.yaml") | {"study": study})
    (tmp_path / "data").symlink_to(project / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["foreign", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert str(ended.value).startswith(sentence) and "\n" not in str(ended.value)
    assert not (tmp_path / "results").exists(), "nothing was written"


def test_weights_that_do_not_fit_the_study_get_one_sentence(
    project: Path, weights: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = storage.read_json(packed / "index.json") | {"classes": ["a", "b", "c", "d"]}
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["foreign", str(weights)])
    monkeypatch.setattr(command, "read_index", lambda folder: index)
    with pytest.raises(SystemExit, match="^foreign: the network has 3 outputs and the packed set 4 classes; choose the study"):
        command.main()


@pytest.mark.slow
def test_a_mistake_gets_a_status(project: Path) -> None:
    failed = run(sys.executable, "-m", "stages.foreign", "nowhere.pth", cwd=project, check=False)
    assert failed.returncode == 1 and failed.stderr.startswith("foreign: nowhere.pth is not there; fetch https")
    assert len(failed.stderr.splitlines()) == 1 and failed.stdout == ""
