"""Memory does not grow with the pictures: each stage that reads a trained network, at once and at four times as many."""

import math
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from stages.settings import load, merged, read_params
from study import storage
from study.machine import Machine
from study.measuring.index import indexed
from study.network.building import build
from study.training import outputs
from study.training.loop import Progress
from study.training.run import write_training
from tests.project import ENVIRONMENT, MINIATURE, ROOT, copy_project, write_params

CLASSES, SIZE, SHARD = 1000, 64, 500
FROM_A_SHELL = ("sh", "-c", '"$@"; exit $?', "sh", sys.executable)  # Linux counts the memory of who starts a process as its own
STAGES = (("evaluate", "base"), ("retrieve",), ("halve",), ("hand_made",))


def _project(folder: Path, times: int) -> Path:
    """A study whose packed set and trained networks are there: 2,000 pictures a split, times `times`."""
    folder.mkdir()
    copy_project(folder)
    counts = {"train": 2000 * times, "validation": 100, "test": 2000 * times}
    params = merged(read_params(ROOT / "params.yaml"), MINIATURE)
    params["runs"] = {"base": {}}
    write_params(folder, merged(params, {"halve": {"pictures": 400 * times}}))
    _pack(folder / "data/packed/miniature", counts)
    trained = folder / "results/miniature/train/base"
    for seed in (0, 1):
        network = build(load(folder / "params.yaml").runs["base"].network, CLASSES, Machine())
        network.initialise(seed)
        write_training(trained / outputs.seed_folder(seed), network, Progress(status="finished"))
    storage.write_json(trained / "metrics.json", {"seeds": {seed: {"status": "finished"} for seed in "01"}})
    return folder


def _pack(folder: Path, counts: dict[str, int]) -> None:
    folder.mkdir(parents=True)
    random, shards = np.random.default_rng(0), []
    for split, count in counts.items():
        np.save(folder / f"{split}-labels.npy", np.arange(count, dtype=np.int32) % CLASSES)
        for first in range(0, count, SHARD):
            pixels = random.integers(0, 256, (min(SHARD, count - first), SIZE, SIZE, 3), dtype=np.uint8)
            name = f"{split}-{first // SHARD:05d}.npy"
            np.save(folder / name, pixels)
            shards.append({"file": name, "split": split, "pictures": len(pixels)})
    np.save(folder / "mean.npy", np.full((SIZE, SIZE, 3), 127, dtype=np.float32))
    names = [f"class {number}" for number in range(CLASSES)]
    index = {"size": SIZE, "classes": names, "class_names": names, "pictures": counts, "shards": shards, "sha256": "0" * 64}
    storage.write_json(folder / "index.json", index | {"eigenvalues": [1, 1, 1], "eigenvectors": np.eye(3).tolist()})


@pytest.mark.slow
def test_four_times_the_pictures_take_no_more_memory(tmp_path: Path) -> None:
    """Memory that is no file's: pages of the packed files, which are mapped, stay resident while nobody needs the room.

    Two runs of `hand_made` on the same pictures differ by up to 20%, by where the allocator finds room for what is freed and
    taken again. So its least of many runs counts: what grows with the pictures is in every one of them.
    """
    one, four = (_project(tmp_path / str(times), times) for times in (1, 4))
    grown = {}
    for stage, *names in STAGES:
        command = (sys.executable, "-m", f"stages.{stage}", *names)
        few, many = (5, 20) if stage == "hand_made" else (2, 2)
        at_once, least = min(held_at_most(*command, cwd=one) for _ in range(few)), math.inf
        for _ in range(many):
            least = min(least, held_at_most(*command, cwd=four))
            if least <= 1.1 * at_once:
                break
        grown[stage] = least / at_once
        print(f"{stage}: {at_once:,} bytes, {grown[stage]:.3f} times as many with four times the pictures")
        assert at_once > 0, "a system without /proc does not tell"
    assert {stage: times for stage, times in grown.items() if times > 1.1} == {}


def held_at_most(*command: str, cwd: Path) -> int:
    """The most memory that a command and its children held at once while it ran, in bytes, looked at every 5 ms."""
    most = 0
    with subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        while running.poll() is None:
            most = max(most, sum(map(_anonymous, _family(running.pid))))
            time.sleep(0.005)
        assert running.returncode == 0, running.stderr.read().decode()[-2000:]
    return most


def _family(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(one for child in children for one in _family(int(child)))]


def _anonymous(process: int) -> int:
    """Resident bytes of a process that are no file's; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)


LOOK = """
import sys
from pathlib import Path
import numpy as np
from dashboard import query
from dashboard.reading import Study
from study.machine import peak_memory
found = query.answer(np.zeros((64, 64, 3), dtype=np.uint8), Study(folder=Path(sys.argv[1]), pinned=False), 6)
assert not isinstance(found, str), found
print(peak_memory())
"""


@pytest.mark.slow
def test_an_uploaded_picture_is_compared_in_memory_that_does_not_hold_them(tmp_path: Path) -> None:
    """But for what the index keeps of each, some bytes; the vectors, 64 bytes each here and 16 KiB at the paper's scale, pass."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; from tests.fabricated import study; "
    subprocess.run([sys.executable, "-c", code + "study(Path('.'))"], cwd=tmp_path, check=True)
    stored, peaks = tmp_path / "results/invented/retrieve/features-train.npy", []
    few, many = 600_000, 2_400_000
    columns = np.load(stored).shape[1]
    for rows in (few, many):
        vectors = np.random.default_rng(0).random((rows, columns), dtype=np.float32)
        np.save(stored, vectors)
        deque(indexed(stored, rows, (vectors[first : first + 50_000] for first in range(0, rows, 50_000))), maxlen=0)
        looked = [*FROM_A_SHELL, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + LOOK, "results/invented"]
        peaks.append(int(subprocess.run(looked, cwd=tmp_path, check=True, capture_output=True, text=True).stdout))
    print(peaks)
    assert peaks[1] - peaks[0] < 60 * (many - few)
