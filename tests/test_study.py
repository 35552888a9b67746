"""The whole study in miniature, through `dvc repro`: run, run again, cloned, changed, pushed and pulled."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.settings import merged, read_params
from study.training.code import training_code
from tests.ilsvrc_shaped import make
from tests.project import (
    ENVIRONMENT,
    MINIATURE,
    ROOT,
    add_study,
    bring_results,
    copy_project,
    dvc,
    run,
    running_in,
    write_params,
)  # fmt: skip


def test_a_folder_of_pictures_through_the_first_network(own_pictures: Path) -> None:
    """The page for own pictures: chosen, found, packed, trained and evaluated by `dvc repro`, and up to date after it."""
    results = own_pictures / "results" / "pets"
    metrics = json.loads((results / "evaluate/base/metrics.json").read_text())
    assert metrics["pictures"] == 18 and set(metrics["models"]) == {"seed-0"}
    assert json.loads((results / "prepare/packed.json").read_text())["classes"] == ["cat", "dog", "hen"]
    record = json.loads((results / "provenance/train-base.json").read_text())
    assert record["commit"] == run("git", "rev-parse", "HEAD", cwd=own_pictures).stdout.strip() and record["dirty"] is False
    assert run("git", "status", "--porcelain", cwd=own_pictures).stdout.split() in ([], ["??", "dvc.lock"])
    assert "Data and pipelines are up to date" in dvc("repro", "evaluate@base", cwd=own_pictures).stdout


@pytest.mark.slow
def test_every_file_that_files_py_names_is_there(miniature: Path) -> None:
    results = miniature / "results" / "miniature"
    seeds = [f"train/{run}/seed-{seed}" for run in ("base", "no_normalisation") for seed in (0, 1)]
    of_a_seed = ("curve.csv", "layers.csv", "weights.safetensors", "kernels.npy", "kernels.png", "kernels-by-epoch.npz")
    names = [f"{seed}/{file}" for seed in seeds for file in of_a_seed]
    for run_name in ("base", "no_normalisation"):
        names += [f"train/{run_name}/metrics.json"]
        names += [
            f"evaluate/{run_name}/{file}"
            for file in ("metrics.json", "classes.csv", "kernels.csv", "patches.csv", "network.json")
        ]
        names += [f"evaluate/{run_name}/{file}.npz" for file in ("ten_patches", "centre_patch", "probabilities")]
        names += [f"provenance/{stage}-{run_name}.json" for stage in ("train", "evaluate")]
    for curve in ("relu", "tanh"):
        names += [f"converge/{curve}/{file}" for file in ("metrics.json", "curves.csv", "figure1.csv")]
        names += [f"converge/{curve}/seed-{seed}/{file}" for seed in (0, 1) for file in ("layers.csv", "kernels-by-epoch.npz")]
    names += ["download/source.json", "prepare/packed.json", "retrieve/metrics.json", "retrieve/neighbours.csv"]
    names += [f"retrieve/{file}.csv" for file in ("matches", "others", "map")]
    names += [f"retrieve/features-{file}.npy" for file in ("train", "test", "train-codes", "train-facts")]
    names += [f"halve/{file}" for file in ("metrics.json", "divergences.csv")]
    names += [f"cost/{file}" for file in ("metrics.json", "rounds.csv")]
    names += [f"hand_made/{file}" for file in ("metrics.json", "predictions.csv")]
    names += [
        f"judge/{file}" for file in ("claims.json", "claims.csv", "claims.md", "report.md", "protocol.json", "provenance.json")
    ]
    assert [name for name in names if not (results / name).is_file()] == []


@pytest.mark.slow
def test_a_study_leaves_git_as_it_was_but_for_the_lock(miniature: Path) -> None:
    changed = run("git", "show", "--name-only", "--format=", "HEAD", cwd=miniature).stdout.split()
    assert set(changed) <= {"dvc.lock"}
    assert run("git", "status", "--porcelain", cwd=miniature).stdout == ""


@pytest.mark.slow
def test_a_second_repro_does_nothing(miniature: Path) -> None:
    assert "Data and pipelines are up to date" in dvc("repro", cwd=miniature).stdout


@pytest.mark.slow
def test_dvc_shows_metrics_and_every_plot(miniature: Path) -> None:
    shown = json.loads(dvc("metrics", "show", "--json", cwd=miniature).stdout)[""]["data"]
    assert any(name.endswith("retrieve/metrics.json") for name in shown)
    for plot, holds in {"Figure 1": "training_error", "Validation error of base": "validation_error"}.items():
        assert holds in dvc("plots", "show", plot, "--show-vega", cwd=miniature).stdout
    dvc("plots", "show", "-o", "plots", cwd=miniature)
    page = (miniature / "plots/index.html").read_text()
    titles = ("Training error, ReLU and tanh", "Validation and training error of base", "Top-1 error by class, base")
    assert all(title in page for title in titles) and page.count("kernels.png") >= 2
    shutil.rmtree(miniature / "plots")
    columns = dvc("exp", "show", "--csv", cwd=miniature).stdout.splitlines()[0]
    assert "errors.base.top1_error" in columns and "train.learning.epochs" in columns


@pytest.mark.slow
def test_provenance_names_what_made_a_result(miniature: Path) -> None:
    record = json.loads((miniature / "results/miniature/provenance/train-base.json").read_text())
    head = run("git", "rev-parse", "HEAD~1", cwd=miniature).stdout.strip()
    assert record["commit"] == head and record["dirty"] is False
    assert record["run"]["seeds"] == [0, 1] and record["seconds"] > 0 and record["peak_memory_bytes"] > 1e7
    assert set(record["versions"]) >= {"torch", "numpy", "pillow", "python"}
    assert record["training_code"] == training_code() and record["capability"] and record["reused_seeds"] == []
    index = json.loads((miniature / "data/packed/miniature/index.json").read_text())
    for stage in ("train-base", "train-no_normalisation", "converge-relu", "converge-tanh"):
        record = json.loads((miniature / f"results/miniature/provenance/{stage}.json").read_text())
        assert record["data_sha256"] == index["sha256"] and record["training_code"] == training_code()
        assert [len(seconds) for seconds in record["epoch_processor_seconds"].values()] == [1 + ("converge" in stage)] * 2


@pytest.mark.slow
def test_what_other_stages_read_holds_no_time(miniature: Path) -> None:
    for path in (miniature / "results" / "miniature").rglob("*.json"):
        if "provenance" not in path.as_posix() and path.parent.name != "cost":  # whose result is a time
            content = path.read_text()
            assert '"seconds"' not in content and '"started"' not in content, path


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("stages.train", "nosuch"), "train: 'nosuch' is not in params.yaml; use one of: base"),
        pytest.param(("stages.converge",), "converge: give one name, and not 0; use one of: relu, tanh", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_name_gets_one_sentence(own_pictures: Path, command: tuple[str, ...], sentence: str) -> None:
    failed = run(sys.executable, "-m", *command, cwd=own_pictures, check=False)
    assert failed.returncode == 1 and failed.stderr.startswith(sentence) and len(failed.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_clone_is_current_and_one_changed_run_concerns_its_consumers_only(miniature: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(miniature), str(clone), cwd=tmp_path)
    said = dvc("repro", "--dry", "--allow-missing", cwd=clone).stdout
    assert "Running stage" not in said and "Data and pipelines are up to date" in said
    bring_results(miniature, clone)
    params = read_params(clone / "params.yaml")
    params["runs"]["no_normalisation"]["learning"] = {"momentum": 0.8}
    write_params(clone, params)
    assert _stages_to_run(clone) == {"train@no_normalisation", "evaluate@no_normalisation", "judge"}


@pytest.mark.slow
def test_a_change_of_machine_is_never_served_from_the_cache(miniature: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(miniature), str(clone), cwd=tmp_path)
    bring_results(miniature, clone)
    params = read_params(clone / "params.yaml")
    params["machine"]["threads"] = 2
    write_params(clone, params)
    runs = {f"{stage}@{name}" for stage in ("train", "evaluate") for name in ("base", "no_normalisation")}
    assert _stages_to_run(clone) == runs | {"converge@relu", "converge@tanh", "retrieve", "halve", "cost", "hand_made", "judge"}


def _stages_to_run(folder: Path) -> set[str]:
    said = dvc("repro", "--dry", cwd=folder).stdout
    return {line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")}


@pytest.mark.slow
def test_a_study_travels_and_a_tampered_remote_is_noticed(miniature: Path, tmp_path: Path) -> None:
    remote, clone, other = tmp_path / "remote", tmp_path / "clone", tmp_path / "other"
    dvc("remote", "add", "-f", "--local", "lab", str(remote), cwd=miniature)
    dvc("push", "-r", "lab", cwd=miniature)
    for folder in (clone, other):
        run("git", "clone", "-q", str(miniature), str(folder), cwd=tmp_path)
        dvc("remote", "add", "--local", "lab", str(remote), cwd=folder)
        dvc("remote", "modify", "--local", "lab", "verify", "true", cwd=folder)
    dvc("pull", "-r", "lab", cwd=clone)
    weights = "results/miniature/train/base/seed-0/weights.safetensors"
    assert (clone / weights).read_bytes() == (miniature / weights).read_bytes()
    assert not (clone / "data").exists(), "pictures do not travel"
    largest = max((path for path in remote.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    largest.chmod(0o644)
    largest.write_bytes(largest.read_bytes()[:-1] + b"?")
    assert dvc("pull", "-r", "lab", cwd=other, check=False).returncode != 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the death of a parent is signalled on Linux only")
def test_when_dvc_is_terminated_its_trainers_end(miniature: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(miniature), str(clone), cwd=tmp_path)
    bring_results(miniature, clone)
    params = read_params(clone / "params.yaml")
    params["runs"]["base"] = {"learning": {"epochs": 500}}
    write_params(clone, params)
    command = [sys.executable, "-m", "dvc", "repro", "train@base"]
    training = subprocess.Popen(command, cwd=clone, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert training.stdout is not None
    while "epoch 2/500" not in training.stdout.readline():
        assert training.poll() is None
    training.terminate()
    training.wait(timeout=20)
    training.stdout.close()
    deadline = time.monotonic() + 20
    while (left := running_in(clone)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


@pytest.mark.slow
def test_another_study_and_back_without_training(miniature: Path, tmp_path: Path) -> None:
    """Choosing another study removes and forgets nothing: back again, results come from DVC's run cache, on either side."""
    folder = tmp_path / "switch"
    shutil.copytree(miniature, folder)
    add_study(folder, "other", merged(MINIATURE, {"download": {"pictures": {"seed": 2}}, "runs": {"base": {"seeds": [0]}}}))
    _choose_and_run(folder, "other")
    assert (folder / "results/other/judge/claims.json").exists()
    dvc("checkout", cwd=folder)
    kept = folder / "results/miniature/train/base/seed-1/weights.safetensors"
    assert kept.exists(), "DVC's checkout removes nothing of the study that was chosen before"
    for study in ("miniature", "other"):
        said = _choose_and_run(folder, study)
        skipped = ("is cached - skipping run", "didn't change, skipping")
        for stage in ("train@base", "train@no_normalisation", "converge@tanh", "evaluate@base", "retrieve"):
            assert any(f"Stage '{stage}' {word}" in said for word in skipped), stage
        for name in ("weights.safetensors", "curve.csv"):
            path = f"results/miniature/train/base/seed-1/{name}"
            assert (folder / path).read_bytes() == (miniature / path).read_bytes()


def _choose_and_run(folder: Path, study: str) -> str:
    run(sys.executable, "-m", "stages.choose", study, cwd=folder)
    return dvc("repro", cwd=folder).stdout


@pytest.mark.slow
def test_dvcs_experiments_change_what_is_chosen_and_never_the_study(miniature: Path, tmp_path: Path) -> None:
    folder = tmp_path / "experiments"
    run("git", "clone", "-q", str(miniature), str(folder), cwd=tmp_path)
    bring_results(miniature, folder)
    dvc("exp", "run", "-S", "cost.rounds=4", "cost", cwd=folder)
    before = read_params(miniature / "params.yaml")
    assert read_params(folder / "params.yaml") == merged(before, {"cost": {"rounds": 4}})
    refused = run(sys.executable, "-m", "stages.choose", "sketch", cwd=folder, check=False)
    assert refused.returncode == 1 and "would lose that: cost.rounds is 4" in refused.stderr
    renamed = dvc("exp", "run", "-S", "study=sketch", cwd=folder, check=False)
    assert (
        renamed.returncode and "study is 'sketch', but the rest of params.yaml is 'miniature'; set it back, or" in renamed.stderr
    )
    assert not any(path.is_file() for path in (folder / "results/sketch").rglob("*"))
    # By the other name, DVC's checkout takes the results for what no stage makes, and out of the folder; its cache keeps them.
    run(sys.executable, "-m", "stages.choose", "miniature", "cost.rounds=4", cwd=folder)
    brought_back = dvc("repro", cwd=folder).stdout
    assert not any(f"Running stage '{stage}" in brought_back for stage in ("train", "evaluate", "converge", "cost"))
    for path in (folder / "results/miniature/train").rglob("*"):
        assert not path.is_file() or path.read_bytes() == (miniature / path.relative_to(folder)).read_bytes()
    assert (folder / "results/miniature/train/base/seed-1/weights.safetensors").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")
def test_the_whole_study_on_ilsvrcs_shape(tmp_path: Path) -> None:
    """Tars in a tar, 1,000 classes, odd files among them, more shards than ILSVRC-2012's 1,282 + 50: every stage, from the
    official files to the verdicts, with at most 256 open files and 4 GiB of data a process."""
    folder, classes = tmp_path / "project", 1000
    folder.mkdir()
    copy_project(folder)
    make(tmp_path / "official", classes=classes, train=3, val=1)
    params = merged(read_params(ROOT / "params.yaml"), MINIATURE)
    params["download"] = {"source": "ilsvrc2012", "steering": 400}
    params["prepare"] |= {"shard": 2}
    params["runs"] = {"base": {"seeds": [0]}, "code145": {"recipe": "code145", "seeds": [0]}}
    write_params(folder, params)
    run("git", "init", "-q", cwd=folder)
    limited = ("sh", "-c", 'ulimit -n 256 && ulimit -d 4194304 && exec "$@"', "sh", sys.executable, "-m", "dvc", "repro")
    run(*limited, cwd=folder, environment={"STUDY_DATA": str(tmp_path / "official")})
    assert len(list((folder / "data/packed/miniature").glob("train-[0-9]*.npy"))) == 1500
    for record in (folder / "results/miniature/provenance").glob("*.json"):
        assert json.loads(record.read_text())["peak_memory_bytes"] < 2**32, record
    results = folder / "results/miniature"
    evaluated = json.loads((results / "evaluate/code145/metrics.json").read_text())
    assert evaluated["pictures"] == 600
    packed = json.loads((results / "prepare/packed.json").read_text())
    assert len(packed["classes"]) == classes and packed["class_names"][1] == "thing 2"
    assert len((results / "prepare/pictures.csv").read_text().splitlines()) == 5, "a header and the four odd ones"
    claims = json.loads((results / "judge/claims.json").read_text())
    assert len(claims["claims"]) > 50
    assert not list(folder.rglob("*.JPEG"))
