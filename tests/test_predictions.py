"""Predictions as small arrays: what is written is read, to the same bytes; what is damaged or not whole is refused."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from study import predictions
from study.predictions import Predictions

LABELS = np.array([0, 7, 299])
BEST = {"seed-0": np.array([[0, 1, 2, 3, 4], [1, 7, 2, 3, 4], [1, 2, 3, 4, 5]]), "averaged": np.array([[299, 1, 2, 3, 4]] * 3)}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    predictions.write(tmp_path, "ten_patches", Predictions(labels=LABELS, best=BEST), classes=300)
    predictions.write_probabilities(tmp_path, {"seed-0": np.full((3, 5), 0.2)})
    return tmp_path


def test_what_is_written_is_read(written: Path) -> None:
    read = predictions.read(written, "ten_patches")
    assert np.array_equal(read.labels, LABELS) and list(read.best) == ["averaged", "seed-0"]
    assert all(np.array_equal(read.best[model], best) for model, best in BEST.items())
    assert {model: bad.tolist() for model, bad in read.wrong("top1").items()} == {
        "averaged": [True, True, False],
        "seed-0": [False, True, True],
    }
    assert read.wrong("top5")["seed-0"].tolist() == [False, False, True]
    assert np.array_equal(predictions.read_probabilities(written)["seed-0"], np.full((3, 5), 0.2, dtype=np.float16))


@pytest.mark.parametrize(("classes", "kind"), [(2, np.uint8), (256, np.uint8), (257, np.uint16), (1000, np.uint16)])
def test_labels_take_as_little_room_as_they_need(tmp_path: Path, classes: int, kind: type) -> None:
    last = np.array([classes - 1])
    predictions.write(tmp_path, "ten_patches", Predictions(labels=last, best={"seed-0": last[:, None]}), classes)
    with np.load(tmp_path / "ten_patches.npz") as file:
        assert file["labels"].dtype == file["seed-0"].dtype == kind and file["labels"] == classes - 1


def test_the_same_predictions_have_the_same_bytes(written: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    predictions.write(other, "ten_patches", predictions.read(written, "ten_patches"), classes=300)
    predictions.write(other, "ten_patches", Predictions(labels=LABELS, best=BEST), classes=300)
    assert (other / "ten_patches.npz").read_bytes() == (written / "ten_patches.npz").read_bytes()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.integers(0, 10_000) | st.none())
@example(place=818, bit=0, cut=824)  # a member before the beginning of the file, which the system refuses to look for
def test_damage_is_refused_or_harmless(written: Path, tmp_path: Path, place: int, bit: int, cut: int | None) -> None:
    """Every array has its checksum: what is read is what was written."""
    content = bytearray((written / "ten_patches.npz").read_bytes())
    content[place % len(content)] ^= 1 << bit
    (tmp_path / "centre_patch.npz").write_bytes(content[:cut])
    try:
        read = predictions.read(tmp_path, "centre_patch")
    except ValueError as refused:
        assert "damaged" in str(refused) or "not whole" in str(refused)
    else:
        assert np.array_equal(read.labels, LABELS)
        assert all(np.array_equal(best, BEST[model]) for model, best in read.best.items() if model in BEST)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path, buffer = tmp_path / "ten_patches.npz", io.BytesIO()
    np.save(buffer, LABELS)
    for content in (b"", b"picture,label\n", buffer.getvalue()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="it is damaged, or holds something else than predictions"):
            predictions.read(tmp_path, "ten_patches")
    with pytest.raises(FileNotFoundError):
        predictions.read(tmp_path, "centre_patch")


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": LABELS},
        BEST,
        {"labels": LABELS, "seed-0": BEST["seed-0"][:2]},
        {"labels": LABELS, "seed-0": LABELS},
        {"labels": LABELS, "seed-0": np.zeros((3, 6), dtype=np.uint8)},
        {"labels": LABELS, "seed-0": np.zeros((3, 0), dtype=np.uint8)},
        {"labels": BEST["seed-0"], **BEST},
    ],
)
def test_what_is_not_whole_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    with open(tmp_path / "ten_patches.npz", "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="it is not whole"):
        predictions.read(tmp_path, "ten_patches")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.integers(0, 10_000) | st.none())
@example(place=818, bit=0, cut=824)
def test_damaged_arrays_are_a_valueerror_for_the_judgement(written: Path, place: int, bit: int, cut: int | None) -> None:
    content = bytearray((written / "ten_patches.npz").read_bytes())
    content[place % len(content)] ^= 1 << bit
    path = written / "kernels-by-epoch.npz"
    path.write_bytes(content[:cut])
    try:
        arrays = predictions.read_arrays(path)
    except ValueError as refused:
        assert "damaged" in str(refused)
    else:
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
