"""Files in ILSVRC's shape, made here: tars in a tar, a flat validation set, a devkit; odd pictures among the ordinary ones."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat


def synsets(classes: int) -> list[str]:
    return [f"n{10_000_000 + 37 * i:08d}" for i in range(classes)]


def photograph(number: int, label: int, kind: str = "JPEG", mode: str = "RGB", orientation: int = 0) -> bytes:
    """A picture of 40 to 90 pixels a side whose colour and stripes tell its class."""
    random = np.random.Generator(np.random.PCG64([number, label]))
    height, width = random.integers(40, 90, 2)
    y, x = np.mgrid[:height, :width] / 6
    stripes = np.sin(x * np.cos(label) + y * np.sin(label))[..., None] * 50
    base = np.array([label * 53 % 200, label * 91 % 200, label * 17 % 200]) + 28
    pixels = np.clip(base + stripes + random.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
    image, buffer = Image.fromarray(pixels).convert(mode), io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(buffer, kind, **({"exif": exif} if orientation else {}))
    return buffer.getvalue()


ODD = (
    {"mode": "CMYK"},
    {"mode": "L"},
    {"kind": "PNG"},
    {"orientation": 6},
)  # among the first pictures of the first classes, all of them named .JPEG


def make(root: Path, year: str = "2012", classes: int = 1000, train: int = 2, val: int = 1, test: int = 0) -> Path:
    """`train`, `val` and `test` count pictures a class. Returns the folder with the official files' names."""
    root.mkdir(parents=True, exist_ok=True)
    names, before = synsets(classes), "img" if year == "2012" else "images"
    with tarfile.open(root / f"ILSVRC{year}_{before}_train.tar", "w") as outer:
        for label, synset in enumerate(names):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for number in range(train):
                    odd = ODD[label] if number == 0 and label < len(ODD) else {}
                    _add(tar, f"{synset}_{number}.JPEG", photograph(number, label, **odd))  # type: ignore[arg-type]
            _add(outer, f"{synset}.tar", inner.getvalue())
    truth = np.random.default_rng(1).permutation(np.repeat(np.arange(classes), val))
    _flat(root / f"ILSVRC{year}_{before}_val.tar", f"ILSVRC{year}_val", truth, 1000)
    if test:
        answers = np.random.default_rng(2).permutation(np.repeat(np.arange(classes), test))
        _flat(root / f"ILSVRC{year}_images_test.tar", f"ILSVRC{year}_test", answers, 2000)
        (root / f"ILSVRC{year}_test_ground_truth.txt").write_text("".join(f"{label + 1}\n" for label in answers))
    _devkit(
        root / (f"ILSVRC{year}_devkit_t12.tar.gz" if year == "2012" else f"ILSVRC{year}_devkit-1.0.tar.gz"), year, names, truth
    )
    return root


def _flat(path: Path, name: str, labels: np.ndarray, seed: int) -> None:
    with tarfile.open(path, "w") as tar:
        for number, label in enumerate(labels, start=1):
            _add(tar, f"val/{name}_{number:08d}.JPEG", photograph(seed + number, int(label)))


def _devkit(path: Path, year: str, names: list[str], truth: np.ndarray) -> None:
    """meta.mat as in the official one: synsets that are classes, and inner nodes of the hierarchy after them."""
    fields = [(f"ILSVRC{year}_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [(i, name, f"thing {i}, object {i}", "a thing", 0) for i, name in enumerate(names, start=1)]
    rows += [(len(names) + 1, "n00001740", "entity", "everything", len(names))]
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": np.array(rows, dtype=fields)[:, None]})
    with tarfile.open(path, "w:gz") as tar:
        _add(tar, "devkit/data/meta.mat", buffer.getvalue())
        _add(tar, f"devkit/data/ILSVRC{year}_validation_ground_truth.txt", "".join(f"{i + 1}\n" for i in truth).encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
