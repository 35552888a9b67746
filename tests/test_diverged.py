"""Trainings that diverged: the stages that read networks compute nothing on them, say so in a line, and go on."""

from dataclasses import replace
from pathlib import Path

import pytest

from stages.evaluate import evaluate
from stages.halve import halve_outputs
from stages.retrieve import retrieve
from stages.settings import StudySettings, merged, read_params, resolve
from study import predictions, storage
from study.machine import Machine
from study.network.building import build
from study.provenance import Record
from study.training import outputs
from study.training.loop import Progress
from study.training.run import write_training
from tests.project import MINIATURE, ROOT


@pytest.fixture
def study(tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudySettings:
    """A study of three seeds, the first of which diverged and left no weights."""
    monkeypatch.chdir(tmp_path)
    params = merged(read_params(ROOT / "params.yaml"), MINIATURE)
    lines = {"machine": {"threads": 8}, "runs": {"base": {"seeds": [0, 1, 2]}}, "retrieve": {"queries": 10}}
    settings = resolve(merged(params, lines))
    Path("data/packed").mkdir(parents=True)
    settings.packed.symlink_to(tiny_set)
    for seed in (1, 2):
        network = build(settings.runs["base"].network, 24, Machine())
        network.initialise(seed)
        write_training(_trained(settings) / outputs.seed_folder(seed), network, Progress(status="finished"))
    _ends(settings, "diverged", "finished", "finished")
    return settings


def _trained(settings: StudySettings) -> Path:
    return settings.results / "train/base"


def _ends(settings: StudySettings, *status: str) -> None:
    seeds = {str(seed): {"status": one} for seed, one in enumerate(status)}
    storage.write_json(_trained(settings) / "metrics.json", {"seeds": seeds})


def _record() -> Record:
    return Record("a stage", {})


def test_evaluate(study: StudySettings, capsys: pytest.CaptureFixture[str]) -> None:
    record = _record()
    evaluate(study, record, "base")
    said = "base: diverged in 1 of 3 seeds (0); the others are evaluated each by itself, without a mean\n"
    assert capsys.readouterr().out == said
    metrics = storage.read_json(study.results / "evaluate/base/metrics.json")
    assert metrics["diverged"] == [0] and set(metrics["models"]) == {"seed-1", "seed-2"} and "ten_patches" not in metrics
    assert list(predictions.read(study.results / "evaluate/base", "centre_patch").best) == ["seed-1", "seed-2"]
    assert [Path(path).parent.name for path in record.content["inputs"]] == ["seed-1", "seed-2"]


def test_evaluate_where_all_diverged(study: StudySettings, capsys: pytest.CaptureFixture[str]) -> None:
    _ends(study, "diverged", "diverged", "diverged")
    evaluate(study, _record(), "base")
    assert capsys.readouterr().out.startswith("base: diverged in 3 of 3 seeds (0, 1, 2)")
    there = {path.name: path.read_text() for path in (study.results / "evaluate/base").iterdir()}
    assert set(there) == {"metrics.json", "network.json", "kernels.csv", "patches.csv"}
    assert all(there[name].count("\n") == 1 for name in ("kernels.csv", "patches.csv")), "columns without a row"


def test_evaluate_where_none_did(study: StudySettings) -> None:
    """Then there is an average; of one network there is none."""
    _ends(study, "finished", "finished", "finished")
    for seeds, models in (((1, 2), {"seed-1", "seed-2", "averaged"}), ((2,), {"seed-2"})):
        run = replace(study.runs["base"], seeds=seeds)
        evaluate(replace(study, runs={"base": run}), _record(), "base")
        metrics = storage.read_json(study.results / "evaluate/base/metrics.json")
        assert set(metrics["models"]) == models and metrics["diverged"] == [] and metrics["ten_patches"]["top1_error"] > 0.5
    assert not storage.WORK.exists() or not list(storage.WORK.iterdir()), "no scratch file is left"


def test_retrieve(study: StudySettings, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the seed that diverged nothing is searched or kept; the others are measured."""
    folder = study.results / "retrieve"
    retrieve(study, _record())
    assert capsys.readouterr().out == "base diverged in 1 of 3 seeds (0); nothing is computed on these\n"
    metrics = storage.read_json(folder / "metrics.json")
    assert metrics["diverged"] == [0] and set(metrics["seeds"]) == {"1", "2"} and "features_match" not in metrics
    assert sorted(path.name for path in folder.iterdir()) == ["matches.csv", "metrics.json"]
    rows = (folder / "matches.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["seed", *["1"] * 10, *["2"] * 10]
    _ends(study, "diverged", "diverged", "diverged")
    (folder / "matches.csv").unlink()
    retrieve(study, _record())
    assert storage.read_json(folder / "metrics.json") == {"run": "base", "seed": 0, "diverged": [0, 1, 2]}
    assert [path.name for path in folder.iterdir()] == ["metrics.json"]


def test_retrieve_of_a_seed_that_finished(study: StudySettings) -> None:
    retrieve(replace(study, retrieve=replace(study.retrieve, seed=2, seeds=2)), _record())
    metrics, folder = storage.read_json(study.results / "retrieve/metrics.json"), study.results / "retrieve"
    assert set(metrics["seeds"]) == {"2"} and metrics["features_match"] == metrics["seeds"]["2"]["features_match"]
    assert metrics["diverged"] == [0], "it is one of the two that were to be measured"
    assert {path.name for path in folder.iterdir()} >= {"neighbours.csv", "features-train.npy", "features-test.npy"}


def test_halve(study: StudySettings, capsys: pytest.CaptureFixture[str]) -> None:
    halve_outputs(study, _record())
    assert capsys.readouterr().out == "seed 0 of base diverged: its outputs are not halved\n"
    assert storage.read_json(study.results / "halve/metrics.json") == {"run": "base", "seed": 0, "diverged": [0]}
    assert [path.name for path in (study.results / "halve").iterdir()] == ["metrics.json"]
