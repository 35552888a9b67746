"""Trainings that are finished are taken up again: by what shapes them, whole or not at all, and never by other code."""

import dataclasses
import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from stages.settings import merged, read_params
from study import storage
from study.machine import MachineSettings
from study.training import checkpoint, loop
from study.training import run as training_run
from study.training.checkpoint import Checkpoints, disk_use
from study.training.code import SHAPING, STUDY, source_hash, training_code
from study.training.reporting import Skipped
from study.training.run import RunSettings, train_seed
from tests.conftest import MACHINE
from tests.project import MINIATURE, ROOT, copy_project, run, write_params
from tests.test_pipeline import _needed
from tests.test_training import _same, _steps


@pytest.fixture(autouse=True)
def own_work_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "WORK", tmp_path / "work")


@pytest.fixture
def short(tiny_run: RunSettings) -> RunSettings:
    """Two batches, one epoch."""
    return dataclasses.replace(tiny_run, share=1 / 3, learning=dataclasses.replace(tiny_run.learning, epochs=1))


def _train(
    settings: RunSettings, packed: Path, folder: Path, machine: MachineSettings = MACHINE, seed: int = 0, report=lambda _: None
) -> dict:
    return train_seed(settings, machine, packed, folder, "tiny", seed, report)


def test_a_finished_training_is_taken_up_with_its_seconds(short: RunSettings, tiny_set: Path, tmp_path: Path) -> None:
    """Of the same seed, whichever others there are, and whatever the run is called."""
    first, news = _train(short, tiny_set, tmp_path / "a"), []
    more = dataclasses.replace(short, seeds=(0, 1, 2))
    again = train_seed(more, MACHINE, tiny_set, tmp_path / "b", "other", 0, news.append)
    assert not first["reused"] and again == first | {"reused": True} and _same(tmp_path / "a", tmp_path / "b")
    assert news == ["other seed 0 was trained before, for 1 epochs, and is reused", Skipped(32)]
    kept = sum(path.stat().st_size for path in (tmp_path / "work").rglob("*") if path.is_file())
    assert f"{kept / 1e6:,.1f} MB" in disk_use() and "remove it while nothing trains" in disk_use()


def _other_pictures(packed: Path, folder: Path) -> Path:
    shutil.copytree(packed, folder)
    index = storage.read_json(folder / "index.json")
    storage.write_json(folder / "index.json", index | {"sha256": "0" * 64})
    return folder


def test_nothing_else_is_taken_up(short: RunSettings, tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another setting, seed, machine, set of pictures, code or torch: each trains."""
    assert not _train(short, tiny_set, tmp_path / "0")["reused"]
    slower = dataclasses.replace(short, learning=dataclasses.replace(short.learning, momentum=0.8))
    assert not _train(slower, tiny_set, tmp_path / "1")["reused"]
    assert not _train(short, tiny_set, tmp_path / "2", seed=1)["reused"]
    assert not _train(short, tiny_set, tmp_path / "3", dataclasses.replace(MACHINE, threads=2))["reused"]
    assert not _train(short, _other_pictures(tiny_set, tmp_path / "packed"), tmp_path / "4")["reused"]
    monkeypatch.setattr(Checkpoints.__init__, "__defaults__", ("other code", print))
    assert not _train(short, tiny_set, tmp_path / "5")["reused"]
    monkeypatch.setattr(torch, "__version__", "99.0")
    assert not _train(short, tiny_set, tmp_path / "6")["reused"]
    monkeypatch.undo()
    monkeypatch.setattr(storage, "WORK", tmp_path / "work")
    assert _train(short, tiny_set, tmp_path / "7")["reused"] and _same(tmp_path / "0", tmp_path / "7")


@pytest.mark.parametrize("damaged", ["weights.safetensors", "layers.csv", "finished"])
def test_what_is_damaged_is_trained_again(damaged: str, short: RunSettings, tiny_set: Path, tmp_path: Path) -> None:
    _train(short, tiny_set, tmp_path / "a")
    (path,) = (path for path in storage.WORK.rglob("*") if path.name.startswith(damaged))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    news: list[int | str] = []
    assert not _train(short, tiny_set, tmp_path / "b", report=news.append)["reused"]
    assert str(news[0]).startswith("tiny seed 0 starts anew: ") and "damaged" in str(news[0]) and _steps(news) == 2
    assert _same(tmp_path / "a", tmp_path / "b") and _train(short, tiny_set, tmp_path / "c")["reused"]


def test_an_end_at_any_moment_of_finishing_leaves_nothing_half(
    short: RunSettings, tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends at its first write to the disk, at its second, and so on, until it comes through."""
    write, whole = storage.write_bytes, tmp_path / "whole"
    _train(short, tiny_set, whole)
    for moment in range(100):
        monkeypatch.setattr(storage, "WORK", tmp_path / f"work-{moment}")
        writes = iter(range(moment))

        def until_it_ends(path: Path, content: bytes, writes=writes) -> None:
            if next(writes, None) is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f".{path.name}.1").write_bytes(content[: len(content) // 2])
                raise KeyboardInterrupt
            write(path, content)

        monkeypatch.setattr(storage, "write_bytes", until_it_ends)
        try:
            _train(short, tiny_set, tmp_path / f"ended-{moment}")
            break
        except KeyboardInterrupt:
            monkeypatch.setattr(storage, "write_bytes", write)
            _train(short, tiny_set, tmp_path / f"again-{moment}")
            assert _same(tmp_path / f"again-{moment}", whole)
    assert moment > 5, "weights, the list of results, and all the files that are copied"


def test_a_checkpoint_of_other_code_is_left_and_said() -> None:
    lines: list[str] = []
    Checkpoints("run", "old", lines.append).save(70, {"w": torch.ones(3)}, {"epoch": 7})
    new = Checkpoints("run", "new", lines.append)
    assert new.latest() is None
    assert lines == ["starts anew: the code that trains has changed since the checkpoint at epoch 7 was saved"]
    new.save(10, {"w": torch.zeros(3)}, {"epoch": 1})
    assert new.latest()[1] == {"epoch": 1}  # type: ignore[index]
    assert Checkpoints("run", "old", lines.append).latest()[1] == {"epoch": 7}, "its own code still has it"  # type: ignore[index]


def test_a_checkpoint_of_another_torch_is_left_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(torch, "__version__", "1.0")
    Checkpoints("run", "code", lines.append).save(70, {"w": torch.ones(3)}, {"epoch": 7})
    monkeypatch.setattr(torch, "__version__", "2.0")
    assert Checkpoints("run", "code", lines.append).latest() is None
    assert lines == ["starts anew: the version of torch has changed since the checkpoint at epoch 7 was saved"]


def test_other_processors_go_on_and_are_told(
    tiny_run: RunSettings, tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    news: list[int | str] = []
    monkeypatch.setattr(loop, "capability", lambda devices: "AVX2")
    monkeypatch.setattr(training_run, "asked_to_end", lambda: _steps(news) == 4)
    with pytest.raises(loop.Interrupted):
        _train(tiny_run, tiny_set, tmp_path / "out", report=news.append)
    monkeypatch.setattr(loop, "capability", lambda devices: "AVX512")
    monkeypatch.setattr(training_run, "asked_to_end", lambda: False)
    news.clear()
    end = _train(tiny_run, tiny_set, tmp_path / "out", report=news.append)
    assert "tiny seed 0 was trained with AVX2 so far and goes on with AVX512: its bits are those of neither alone" in news
    assert end["capability"] == ["AVX2", "AVX512"] and _steps(news) == 13, "it went on from the fifth batch"


def test_the_code_that_trains_is_what_the_stage_imports() -> None:
    """All of it but the writing of files, and nothing else."""
    covered = {
        path.relative_to(ROOT).as_posix()
        for name in SHAPING
        for path in ([STUDY / name] if name.endswith(".py") else (STUDY / name).glob("*.py"))
        if path.name != "__init__.py"
    }
    assert covered == _needed("train") - {"stages/train.py", "study/storage.py"}


def test_a_change_of_one_module_changes_the_code(tmp_path: Path) -> None:
    shutil.copytree(STUDY, tmp_path / "study")
    assert source_hash(SHAPING, tmp_path / "study") == training_code()
    loop_py = tmp_path / "study/training/loop.py"
    loop_py.write_bytes(loop_py.read_bytes().replace(b"\n", b"\r\n"))
    (tmp_path / "study/files.py").write_text("")
    assert source_hash(SHAPING, tmp_path / "study") == training_code(), "line ends, and other modules, do not count"
    (tmp_path / "study/network/alexnet.py").write_text("")
    assert source_hash(SHAPING, tmp_path / "study") != training_code()


def _stage(project: Path, *command: str) -> str:
    return run(sys.executable, "-m", *command, cwd=project).stdout


def _record(project: Path) -> dict:
    return json.loads((project / "results/miniature/provenance/train-base.json").read_text())


def _weights(project: Path) -> list[str]:
    paths = sorted((project / "results/miniature/train/base").glob("seed-*/weights.safetensors"))
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


@pytest.fixture
def project(tmp_path: Path, tiny_set: Path) -> Path:
    """A project whose pictures are packed."""
    folder = tmp_path / "project"
    folder.mkdir()
    copy_project(folder)
    shutil.copytree(tiny_set, folder / "data/packed/miniature")
    return folder


def _set_seeds(project: Path, *seeds: int) -> None:
    params = merged(read_params(ROOT / "params.yaml"), MINIATURE)
    params["runs"] = {"base": {"seeds": list(seeds)}}
    write_params(project, params)


def test_three_seeds_then_five_by_the_stage(project: Path) -> None:
    """Two are trained, three keep their weights; the stage's record says which is which."""
    _set_seeds(project, 0, 1, 2)
    assert "was trained before" not in _stage(project, "stages.train", "base")
    three, first = _weights(project), _record(project)
    assert first["reused_seeds"] == [] and first["training_code"] == source_hash(SHAPING, project / "study")
    assert first["capability"] == [torch.backends.cpu.get_cpu_capability()] and len(first["data_sha256"]) == 64
    _set_seeds(project, 3, 0, 1, 2, 4)
    said = _stage(project, "stages.train", "base")
    assert said.count("is reused") == 3 and said.count("epoch 1/1") == 2 and "remove it while nothing trains" in said
    record = _record(project)
    assert _weights(project)[:3] == three and len(set(_weights(project))) == 5
    assert record["reused_seeds"] == [0, 1, 2] and set(record["epoch_seconds"]) == {"0", "1", "2", "3", "4"}
    assert all(record[name]["1"] == first[name]["1"] for name in ("epoch_seconds", "epoch_processor_seconds"))


@pytest.mark.slow
def test_three_seeds_then_five_by_dvc(miniature: Path, tmp_path: Path) -> None:
    """DVC removes a stage's outputs before it runs; what is kept is no output."""
    folder = tmp_path / "project"
    shutil.copytree(miniature, folder)
    params = read_params(folder / "params.yaml")
    command = (sys.executable, "-m", "dvc", "repro", "train@base")
    results = folder / "results/miniature/train/base"
    for seeds in ([0, 1, 2], [0, 1, 2, 3, 4]):
        params["runs"]["base"]["seeds"] = seeds
        write_params(folder, params)
        said = run(*command, cwd=folder).stdout
        assert said.count("is reused") == len(seeds) - 1 - (len(seeds) == 5) and said.count("epoch 1/1") == (
            1 if len(seeds) == 3 else 2
        )
    for seed in (0, 1):
        name = f"seed-{seed}/weights.safetensors"
        assert (results / name).read_bytes() == (miniature / "results/miniature/train/base" / name).read_bytes()
    assert len(list(results.glob("seed-*/weights.safetensors"))) == 5
    module = folder / "study/training/update.py"
    module.write_text(module.read_text() + "# another line\n")
    said = run(*command, cwd=folder).stdout
    assert said.count("starts anew: the code that trains has changed since it was finished") == 5
    params["runs"]["base"]["learning"] = {"momentum": 0.8}
    write_params(folder, params)
    assert "is reused" not in run(*command, cwd=folder).stdout
    assert checkpoint.TRAININGS in {path.name for path in (folder / ".work").iterdir()}
