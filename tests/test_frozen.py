"""What the long runs on real pictures depend on stays as it is from their first step until they are pinned.

The hashes are those of the commit that they run from, 926d595, and stand in their records. The file goes with the pins.
"""

import hashlib
from pathlib import Path

import pytest

from study import pinning, storage
from study.measuring.convergence import CODE
from study.training.code import training_code

TRAINING = "ea1743b3ae44a0e313998c1289af324ecb3092c15328bd05137b2a2ad03a383f"
# Of study/measuring/convergence.py and race.py
CURVES = "a89708e09fe1773a43f6db4d42a523bef937550eb2f172b76aafa276ead3709e"
FILES = {
    "stages/train.py": "6583e01f84f6bfe0f1da471f9e06b9a00ee54487dc9eb2ee678d0dd161cf1100",
    "stages/converge.py": "954eba289a1ad94e03fcd5df353503600524ea009590fe5cf04d0e9ea52a2551",
    "study/storage.py": "20693fe8469f2773d6d7106f881f097b5545440c70c2157356ccacf47aed789c",
}


def test_the_code_that_trains() -> None:
    assert training_code() == TRAINING
    assert CODE == CURVES + TRAINING


@pytest.mark.parametrize("study", pinning.own(Path("pinned")), ids=lambda folder: folder.name)  # not those of other labs
def test_the_records_of_the_pins(study: Path) -> None:
    records = [*study.glob("provenance/train-*.json"), *study.glob("provenance/converge-*.json")]
    assert records and {storage.read_json(path)["training_code"] for path in records} == {TRAINING}


@pytest.mark.parametrize("name", FILES)
def test_files_that_dvc_asks_besides(name: str) -> None:
    assert hashlib.sha256(Path(name).read_bytes()).hexdigest() == FILES[name]
