"""Pinning and verifying: what is not whole is refused by name, and a byte that differs anywhere is found and named."""

import hashlib
import io
import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from dashboard import query
from dashboard.reading import Study
from stages import judgements, pin, remotes, verify, versions
from stages.settings import load, merged, read_params
from study import dvc_objects, machine, pinning, provenance, storage
from study.judging.evidence import Evidence
from study.judging.protocol import measure_named, read_protocol
from study.judging.verdicts import WITHHELD
from study.measuring import retraining
from study.training import outputs
from study.training.code import training_code
from tests.project import ROOT, copy_project, dvc, run
from tests.test_chain import in_folder

STUDY = Path("results/miniature")


@contextmanager
def flipped(path: Path) -> Iterator[None]:
    """One bit in the middle of a file, which may be read-only as DVC's objects are, and back."""
    content, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    place = len(content) // 2
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    try:
        yield
    finally:
        path.write_bytes(content)
        path.chmod(mode)


def broken(root: Path, remote: str | None = None, mend: bool = False) -> list[str]:
    """What `stages.verify kept` names."""
    with in_folder(root):
        found = verify.verification("kept")
        verify.verify_hashes(found, remote, mend)
    return found.broken


# What is pinned


def test_what_a_pin_keeps() -> None:
    network, rests_on = "train/base/seed-0", {"train/two/seed-3/kernels-by-epoch.npz"}
    kept = {
        "judge/claims.json", "train/two/seed-3/curve.csv", "train/two/seed-3/kernels.npy", "evaluate/two/ten_patches.npz",
        "evaluate/base/centre_patch.npz", "evaluate/base/probabilities.npz", "train/base/seed-4/kernels-by-epoch.npz",
        "train/base/seed-0/weights.safetensors", "train/base/seed-0/kernels.png", "train/two/seed-3/kernels-by-epoch.npz",
    }  # fmt: skip
    left = {
        "train/base/seed-1/weights.safetensors", "train/two/seed-0/weights.safetensors", "evaluate/two/centre_patch.npz",
        "evaluate/two/probabilities.npz", "train/two/seed-0/kernels-by-epoch.npz", "retrieve/features-train.npy",
        "train/base/seed-1/kernels.png", "download/thumbnail.png", "download/photograph.jpg",
    }  # fmt: skip
    assert {name for name in kept | left if pinning.is_kept(name, network, rests_on)} == kept


@pytest.mark.parametrize("name", [path.stem for path in sorted(Path("conf/data").glob("*.yaml"))])
def test_pictures_of_every_source_have_their_terms(name: str) -> None:
    source = read_params(Path(f"conf/data/{name}.yaml"))["download"]
    assert (pinning.licence(source) == pinning.UNKNOWN) == (name == "folder")


def test_real_pictures_stand_before_drawn_ones_and_much_before_little(tmp_path: Path) -> None:
    judged, open_ = {"group": "held", "verdict": "direction reproduced"}, {"group": "were not judged", "verdict": "not run"}
    computed = {"group": "held", "verdict": "confirmed by arithmetic"}
    for name, source, claims in (
        ("a", "folder", [judged, open_, computed, computed]),
        ("b", "cifar10", [judged, judged]),
        ("asked", "folder", [judged | {"registered": "exploratory: what readers ask"}] * 9),
        ("c", "sketch", [judged] * 5),
        ("damaged", "folder", "not a list"),
    ):
        storage.write_json(tmp_path / name / "download/source.json", {"source": source})
        storage.write_json(tmp_path / name / "judge/claims.json", {"claims": claims})
    assert [path.name for path in sorted(tmp_path.iterdir(), key=pinning.place)] == ["b", "a", "damaged", "asked", "c"]


def test_a_study_of_two_runs_tells_of_both_and_one_of_more_of_base(tmp_path: Path) -> None:
    for name, wrong in (("base", 331), ("code145", 350), ("no_dropout", 400)):
        models = {"seed-0": {"ten_patches": {"top1_wrong": wrong}}}
        storage.write_json(tmp_path / f"evaluate/{name}/metrics.json", {"pictures": 1000, "models": models})
        said = [f"base errs by 33.1% from ten patches{(one := ' (one seed)')}", f"code145 errs by 35.0% from ten patches{one}"]
        expected = {"base": said[:1], "code145": said, "no_dropout": said[:1]}[name]
        assert pinning.result(tmp_path) == "; ".join(expected)


@pytest.mark.slow
def test_a_pin_is_small_whole_and_says_what_it_is(kept: Path) -> None:
    pinned = kept / "pinned/kept"
    manifest = json.loads((pinned / "manifest.json").read_text())
    there = {path.relative_to(pinned).as_posix(): path for path in pinned.rglob("*") if path.is_file()}
    assert {name: storage.sha256(path) for name, path in there.items() if name != "manifest.json"} == manifest
    assert sum(path.stat().st_size for path in there.values()) <= pinning.MOST
    heavy = {name for name in there if name.endswith(".safetensors") or "features" in name}
    assert heavy == {"train/base/seed-0/weights.safetensors", *pinning.SEARCHED}
    assert {Path(name).name for name in there if name.endswith((".png", ".jpg"))} == {"kernels.png"}
    card, model = (" ".join((pinned / name).read_text().split()) for name in ("README.md", "MODEL_CARD.md"))
    for word in ("What", "How", "On what", "Licence", "Limits", "`base` from 2 seeds", "under its licence, MIT"):
        assert word in card
    errors = json.loads((pinned / "evaluate/base/metrics.json").read_text())["models"]["seed-0"]["ten_patches"]
    assert f"top-1 {errors['top1_wrong'] / 48:.1%}" in model and "Not meant for" in model
    record = json.loads((pinned / "provenance/train-base.json").read_text())
    assert record["commit"][:10] in card
    with in_folder(kept):
        settings = load(Path("pinned/kept/params.yaml"))
    assert list(settings.runs["base"].seeds) == record["run"]["seeds"], "the params are those of the records"


@pytest.mark.slow
def test_its_params_and_lock_make_a_clone_current(kept: Path, tmp_path: Path) -> None:
    """Nothing is to be trained again; and a pin whose weights lie nowhere does not disturb a plain `dvc pull`."""
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(kept), str(clone), cwd=tmp_path)
    shutil.copytree(clone / "pinned/kept", clone / "pinned/ghost")
    lock = (clone / "pinned/ghost/dvc.lock").read_text()
    (clone / "pinned/ghost/dvc.lock").write_text(re.sub(r"md5: \w{8}", "md5: 00000000", lock))
    for name in ("params.yaml", "dvc.lock"):
        (clone / name).unlink()
        shutil.copyfile(clone / "pinned/kept" / name, clone / name)
    said = dvc("repro", "--dry", "--allow-missing", cwd=clone).stdout
    assert "Running stage" not in said and "up to date" in said
    dvc("remote", "add", "--local", "-d", "lab", str(kept.with_name("lab")), cwd=clone)
    dvc("pull", cwd=clone)
    assert (clone / STUDY / "train/base/seed-1/weights.safetensors").is_file()


@pytest.mark.slow
def test_a_clone_names_a_picture_by_the_pinned_weights(kept: Path, tmp_path: Path) -> None:
    """Without torch: its labels, and its neighbours, since the pinned features are few."""
    clone = tmp_path / "clone"
    run("git", "clone", "-q", str(kept), str(clone), cwd=tmp_path)
    with in_folder(clone):
        found = query.answer(np.zeros((64, 64, 3), dtype=np.uint8), Study(folder=Path("pinned/kept"), pinned=True), 6)
    assert isinstance(found, query.Answer), found
    assert found.probabilities.shape == (24,) and abs(found.probabilities.sum() - 1) < 1e-5 and len(found.rows) == 6


# What is refused


def record(stage: str, **facts: object) -> tuple[Path, object]:
    return STUDY / f"provenance/{stage}.json", lambda text: json.dumps(json.loads(text) | facts)


def diverged(text: str) -> str:
    content = json.loads(text)
    content["seeds"]["1"]["status"] = "diverged"
    return json.dumps(content)


REFUSED = {
    "stale code": (Path("study/statistics/power.py"), lambda text: text + "\n# more\n", "the code that judges is not committed"),
    "uncommitted training": (*record("train-base", dirty=True), "train-base cannot be vouched for: the code of"),
    "other settings": (Path("params.yaml"), lambda text: text.replace("masks: 100", "masks: 200"), "has changed since"),
    "another training file": (
        STUDY / "train/base/seed-0/curve.csv", lambda text: text.replace("1", "2", 1), "curve.csv is not what train-base wrote",
    ),
    "another verdict": (
        STUDY / "judge/claims.json", lambda text: text.replace("undecided", "reproduced"), "claims.json is not what judge wrote",
    ),
    "a diverged seed": (STUDY / "train/base/metrics.json", diverged, "train/base/metrics.json is not what train-base wrote"),
    "no record": (STUDY / "provenance/halve.json", None, "miniature is not finished: halve did not run"),
    "not judged": (STUDY / "judge/claims.json", None, "the study that is chosen, miniature, is not judged yet"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_whole_is_not_pinned(kept: Path, case: str) -> None:
    name, change, sentence = REFUSED[case]
    path = kept / name
    before = path.read_bytes()
    path.unlink()  # not through the link to DVC's cache
    if change:
        path.write_text(change(before.decode()))
    try:
        with in_folder(kept), pytest.raises(ValueError, match=re.escape(sentence)):
            pin.pin("other")
        assert not (kept / "pinned/other").exists()
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(before)


@pytest.mark.slow
def test_a_diverged_training_is_not_pinned_though_its_record_knows_it(kept: Path) -> None:
    """Everything agrees with everything, and yet nothing could be computed from that seed."""
    metrics, told = kept / STUDY / "train/base/metrics.json", kept / STUDY / "provenance/train-base.json"
    before = {path: path.read_bytes() for path in (metrics, told)}
    for path in before:
        path.unlink()
    metrics.write_text(diverged(before[metrics].decode()))
    content = json.loads(before[told])
    content["outputs"]["train/base/metrics.json"] = storage.sha256(metrics)
    told.write_text(json.dumps(content))
    try:
        with in_folder(kept):
            with pytest.raises(ValueError, match="train-base diverged from seed 1, so nothing is computed from it"):
                pin.pin("other")
            settings, params = load(), read_params(Path("params.yaml"))
            conditions = judgements.working(settings, params, provenance.code())
            made = judgements.judged(settings.results, params, conditions, versions.as_it_stands())
            head = replace(made.protocol.head, exploratory=(settings.study,))
            exploratory = replace(made, protocol=replace(made.protocol, head=head))
            assert [*pin._of_stages(settings.results, settings, made, conditions)]
            assert not [*pin._of_stages(settings.results, settings, exploratory, conditions)]
            card = " ".join(pinning.card("other", settings.results, "", "", True).split())
            assert "`base` from 2 seeds (diverged from seed 1)" in card
    finally:
        for path, text in before.items():
            path.unlink()
            path.write_bytes(text)


def test_what_is_withheld_or_judged_otherwise_today_is_named(tmp_path: Path) -> None:
    held = [{"id": "a", "verdict": WITHHELD}, {"id": "b", "verdict": "direction reproduced"}, {"id": "c", "verdict": "undecided"}]
    storage.write_json(tmp_path / "judge/claims.json", {"claims": held})
    words = {"a": WITHHELD, "b": "undecided", "c": "undecided"}
    rows = [
        SimpleNamespace(
            claim=SimpleNamespace(id=name, title=name.upper()),
            verdict=SimpleNamespace(word=word, why="code changed"),
            decide="",
        )
        for name, word in words.items()
    ]
    withheld, stale = pin._of_words(tmp_path, SimpleNamespace(rows=rows))  # type: ignore[arg-type]
    assert withheld.startswith(f"the verdict on “A” is {WITHHELD}: code changed")
    assert stale.startswith("stale: “B” is 'direction reproduced' in claims.json and 'undecided' today")


def test_what_is_too_large_for_git_stays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results, params = Path("results/mine"), {"retrieve": {"run": "base", "seed": 0}}
    weights = f"train/base/seed-0/{pinning.WEIGHTS}"
    for name, size in {weights: 3000, "evaluate/base/metrics.json": 900, **dict.fromkeys(pinning.SEARCHED, 200)}.items():
        storage.write_bytes(results / name, b"{" + b" " * (size - 2) + b"}")
    storage.write_json(results / "judge/claims.json", {"claims": []})
    stages = {"train@base": "mine/train/base", "train@gone": "mine/train/gone", "train@other": "other/train/base"}
    storage.write_bytes(Path("results/other/train/base/x"), b"x")
    text = "".join(f"  {name}:\n    cmd: train\n    outs:\n    - path: results/{out}\n" for name, out in stages.items())
    Path("dvc.lock").write_text(f"schema: '2.0'\nstages:\n{text}")
    Path("params.yaml").write_text("study: mine\n")

    def kept(name: str) -> set[str]:
        return {path.relative_to(name).as_posix() for path in Path(name).rglob("*") if path.is_file()}

    assert pin.keep(results, Path("whole"), params) == []
    assert {weights, "evaluate/base/metrics.json", "params.yaml", *pinning.SEARCHED} <= kept("whole")
    assert list(read_params(Path("whole/dvc.lock"))["stages"]) == ["train@base"], (
        "no stage of another study or of a run that is gone"
    )
    monkeypatch.setattr(pinning, "MOST_SEARCHED", 500)
    monkeypatch.setattr(pinning, "MOST", 3500)
    assert pin.keep(results, Path("small"), params) == [f"{weights} (0.0 MB) is too large for Git and goes with dvc push alone"]
    assert weights not in kept("small") and not kept("small").intersection(pinning.SEARCHED)
    monkeypatch.setattr(pinning, "MOST", 500)
    least = [f"train/base/seed-{seed}/kernels.npy" for seed in (0, 2, 5, 9, 10)]
    for name in least:
        storage.write_bytes(results / name, b" " * 700)
    storage.write_json(results / "judge/claims.json", {"claims": [{"artifacts": {least[3]: ""}}]})
    monkeypatch.setattr(pinning, "MOST", 6900)
    assert pin.keep(results, Path("fewer kernels"), params) == [
        "the first-layer kernels of a run's seeds after the first 3 (1 files) are left out, so that the pin is small enough for "
        "Git; they go with dvc push"
    ]
    assert kept("fewer kernels").issuperset({weights, *least[:4]}) and least[4] not in kept("fewer kernels")
    for name in least:
        (results / name).unlink()
    monkeypatch.setattr(pinning, "MOST", 500)
    with pytest.raises(ValueError, match=r"are the most for Git \(largest: evaluate/base/metrics.json"):
        pin.keep(results, Path("none"), params)
    assert not Path("none").exists()


def test_pins_of_others_are_not_ours(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        storage.write_json(tmp_path / name / pinning.MANIFEST, {})
    (tmp_path / "theirs.dvc").write_text("")
    (tmp_path / "half").mkdir()
    assert pinning.own(tmp_path) == [tmp_path / "ours"]


# Renewed


@pytest.fixture(scope="module")
def bare(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of what Git has: no results, no cache, another study chosen."""
    clone = tmp_path_factory.mktemp("renewed") / "clone"
    run("git", "clone", "-q", str(kept), str(clone), cwd=clone.parent)
    (clone / "dvc.lock").unlink()
    run(sys.executable, "-m", "stages.choose", "sketch", "--discard-edits", cwd=clone)
    return clone


def at_head(clone: Path) -> None:
    """As Git has it, with nothing beside that but what it ignores."""
    run("git", "checkout", "-q", "--", "pinned", "study", cwd=clone)
    run("git", "clean", "-qfd", "pinned", cwd=clone)
    shutil.rmtree(clone / "results", ignore_errors=True)


@pytest.mark.slow
def test_a_pin_is_judged_anew_without_its_weights(bare: Path) -> None:
    """By code that says something in other words, and with all files of its stages as they were, byte for byte."""
    at_head(bare)
    pinned, changed = bare / "pinned/kept", bare / "study/judging/report.py"
    before = {path.relative_to(pinned).as_posix(): path.read_bytes() for path in pinned.rglob("*") if path.is_file()}
    changed.write_text(changed.read_text() + "\n\nOTHER = 1\n")
    refused = run(sys.executable, "-m", "stages.pin", "kept", "--renew", cwd=bare, check=False)
    assert refused.returncode == 1 and "the code that judges is not committed" in refused.stderr
    run("git", "commit", "-qam", "other words", cwd=bare)
    done = run(sys.executable, "-m", "stages.pin", "kept", "--renew", cwd=bare)
    assert "although" not in done.stdout, "no stage but the judgement rests on what was changed"
    after = {path.relative_to(pinned).as_posix(): path.read_bytes() for path in pinned.rglob("*") if path.is_file()}
    assert set(after) == set(before)
    differing = {name for name in after if after[name] != before[name]}
    assert {name.split("/")[0] for name in differing} <= {"judge", "manifest.json", "README.md", "MODEL_CARD.md", "dvc.lock"}
    assert "The study `miniature` of" in after["README.md"].decode()
    record = json.loads(after["judge/provenance.json"])
    assert record["commit"] == run("git", "rev-parse", "HEAD", cwd=bare).stdout.strip() and record["dirty"] is False
    words = [{row["id"]: row["verdict"] for row in json.loads(files["judge/claims.json"])["claims"]} for files in (before, after)]
    assert words[0] == words[1]
    run("git", "commit", "-qam", "renewed", cwd=bare)
    with in_folder(bare):
        found = verify.verification("kept")
        verify.verify_pin(found)
    assert found.broken == []


@pytest.mark.slow
def test_a_pin_gets_a_run_more_and_trains_nothing_again(bare: Path) -> None:
    at_head(bare)
    pinned = bare / "pinned/kept"
    trained = (pinned / "provenance/train-base.json").read_bytes()
    params = read_params(pinned / "params.yaml")
    params["runs"]["no_dropout"] = {"network": {"dropout": 0.0}, "seeds": [0, 1]}
    (bare / "params.yaml").write_text(json.dumps(params))
    short = run(sys.executable, "-m", "stages.pin", "kept", "--renew", cwd=bare, check=False)
    assert (
        "train-no_dropout is neither in results/miniature nor in pinned/kept; run: uv run dvc repro train@no_dropout"
        in short.stderr
    )
    dvc("repro", "evaluate@no_dropout", cwd=bare)
    assert not (bare / STUDY / "train/base").exists()
    run(sys.executable, "-m", "stages.pin", "kept", "--renew", cwd=bare)
    assert (pinned / "provenance/train-base.json").read_bytes() == trained
    rows = {row["id"]: row for row in json.loads((pinned / "judge/claims.json").read_text())["claims"]}
    assert rows["dropout-error"]["verdict"] != "not run" and rows["dropout-error"]["sample"]
    lock = read_params(pinned / "dvc.lock")["stages"]
    assert {"train@base", "train@no_dropout", "evaluate@no_dropout", "prepare"} <= set(lock)
    run("git", "add", "-A", cwd=bare)
    run("git", "commit", "-qm", "a run more", cwd=bare)
    clone = bare.with_name("again")
    run("git", "clone", "-q", str(bare), str(clone), cwd=bare.parent)
    for name in ("params.yaml", "dvc.lock"):
        shutil.copyfile(pinned / name, clone / name)
    said = dvc("repro", "--dry", "--allow-missing", cwd=clone).stdout
    assert "Running stage" not in said and "up to date" in said
    run("git", "reset", "-q", "--hard", "HEAD~1", cwd=bare)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"train": {"learning": {"epochs": 2}}}, "train-base cannot be vouched for: train-base ran with another learning.epochs"),
        ({"evaluate": {"batch": 7}}, "so that what pinned/kept has of it does not count; run: uv run dvc repro evaluate@base"),
        ({"halve": {"masks": 110}}, "so that what pinned/kept has of it does not count; run: uv run dvc repro halve"),
    ],
)
def test_stages_of_other_settings_do_not_count(bare: Path, change: dict[str, Any], sentence: str) -> None:
    at_head(bare)
    (bare / "params.yaml").write_text(json.dumps(merged(read_params(bare / "pinned/kept/params.yaml"), change)))
    before = (bare / "pinned/kept/manifest.json").read_bytes()
    refused = run(sys.executable, "-m", "stages.pin", "kept", "--renew", cwd=bare, check=False)
    assert refused.returncode == 1 and sentence in refused.stderr, refused.stderr
    assert (bare / "pinned/kept/manifest.json").read_bytes() == before


@pytest.mark.slow
def test_what_is_no_pin_of_ours_or_was_changed_is_not_renewed(bare: Path) -> None:
    at_head(bare)
    told = run(sys.executable, "-m", "stages.pin", "nothing", "--renew", cwd=bare, check=False)
    assert "there is no pin pinned/nothing of this project's" in told.stderr
    with flipped(bare / "pinned/kept/evaluate/base/metrics.json"):
        told = run(sys.executable, "-m", "stages.pin", "kept", "--renew", cwd=bare, check=False)
    assert "pinned/kept/evaluate/base/metrics.json is not the file of the pin's manifest" in told.stderr


@pytest.mark.slow
def test_a_name_that_is_taken_gets_one_sentence(kept: Path) -> None:
    with (
        in_folder(kept),
        pytest.raises(
            ValueError, match="pinned/kept exists already; judge it anew with --renew, choose another name, or remove it with"
        ),
    ):
        pin.pin("kept")


def test_the_name_of_another_study_gets_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "params.yaml", "params.yaml")
    shutil.copytree(ROOT / "conf", "conf")
    with pytest.raises(
        ValueError, match="^cifar10 is another study than sketch, which is chosen; choose it first, or give another"
    ):
        pin.pin("cifar10")


@pytest.mark.parametrize("arguments", [["a/b"], [], ["one", "two"], ["-x"]])
def test_a_wrong_name_gets_one_sentence(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pin", *arguments])
    with pytest.raises(SystemExit, match="^pin: give a name of letters"):
        pin.main()


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["nothing"], 1, "verify: there is no pinned study 'nothing'; use one of: "),
        (["old", "--evaluate", "base"], 1, "verify: the settings of pinned/old are of another version of this project"),
        (["old", "--remote", "lab"], 1, "verify: pinned/old was pinned without dvc.lock"),
        (["old", "--evaluate", "base", "--mend"], 2, "--mend goes with hashes"),
        (["old", "--train", "base", "--epochs", "0"], 2, "--epochs is 0; it counts epochs, 1 or more"),
    ],
)
def test_what_cannot_be_verified_gets_one_sentence(
    arguments: list[str], status: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Of a pin that is older than dvc.lock in pins, and than settings as they are."""
    old = tmp_path / "pinned/old"
    storage.write_bytes(old / "params.yaml", b"study: sketch\nanalyse: 1\n")
    storage.write_json(old / "judge/provenance.json", {"commit": "a" * 40})
    storage.write_json(old / "manifest.json", pinning.manifest(old))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["verify", *arguments])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    if status == 1:
        assert str(ended.value).startswith(sentence)
    else:
        assert ended.value.code == status and sentence in capsys.readouterr().err


# A byte flipped

OF_THE_PIN = [
    "README.md", "MODEL_CARD.md", "manifest.json", "params.yaml", "dvc.lock", "mean.npy", "judge/claims.json", "judge/report.md",
    "judge/claims.tex", "train/base/seed-0/curve.csv", "train/base/seed-0/kernels.npy", "train/base/seed-0/kernels.png",
    "train/base/seed-1/kernels-by-epoch.npz", "train/base/seed-0/weights.safetensors", "evaluate/base/ten_patches.npz",
    "provenance/train-base.json",
]  # fmt: skip
OF_RESULTS = ["train/base/seed-1/weights.safetensors", "retrieve/features-train.npy", "train/base/seed-1/layers.csv"]
OF_DVC = [*OF_RESULTS, "train/base", "provenance/prepare.json"]


@pytest.mark.slow
def test_all_is_well_says_so_with_status_0(kept: Path) -> None:
    done = run(sys.executable, "-m", "stages.verify", "kept", "--remote", "lab", cwd=kept)
    assert done.stdout.splitlines()[-1] == "all is well" and "note:" not in done.stdout
    with flipped(kept / "pinned/kept/judge/report.md"):
        done = run(sys.executable, "-m", "stages.verify", "kept", cwd=kept, check=False)
    assert done.returncode == 3 and "- pinned/kept/judge/report.md is not the file of the manifest" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_THE_PIN)
def test_a_byte_of_the_pin(kept: Path, name: str) -> None:
    with flipped(kept / "pinned/kept" / name):
        assert any(one.startswith(f"pinned/kept/{name} is ") for one in broken(kept))


@pytest.mark.slow
def test_a_file_too_few_and_one_too_many(kept: Path) -> None:
    path, more = kept / "pinned/kept/judge/open.md", kept / "pinned/kept/judge/more.md"
    content = path.read_bytes()
    path.unlink()
    more.write_text("?")
    assert [one.partition(";")[0] for one in broken(kept)] == [
        "pinned/kept/judge/open.md is missing", "pinned/kept/judge/more.md is not a file of the manifest",
    ]  # fmt: skip
    path.write_bytes(content)
    more.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_RESULTS)
def test_a_byte_of_the_working_area(kept: Path, name: str) -> None:
    path = kept / STUDY / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)  # a copy, whatever links DVC makes
    with flipped(path):
        (said,) = broken(kept)
    assert said.startswith(f"results/miniature/{name} is not what ")


def object_of(kept: Path, name: str) -> str:
    """The MD5 by which DVC has a file or folder of the study."""
    outs = dvc_objects.outs_of(read_params(kept / "dvc.lock"), "miniature")
    out = next(out for out in outs if f"{STUDY}/{name}" == out.name or f"{STUDY}/{name}".startswith(f"{out.name}/"))
    if out.name == f"{STUDY}/{name}":
        return out.md5
    listing = dvc_objects.in_cache(kept / ".dvc/cache", out.md5).read_bytes()
    return next(one.md5 for one in dvc_objects.files_in(out, listing, {}, "miniature") if one.name == f"{STUDY}/{name}")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["cache", "remote"])
@pytest.mark.parametrize("name", OF_DVC)
def test_a_byte_in_the_cache_or_in_a_remote(kept: Path, place: str, name: str) -> None:
    folder = kept / ".dvc/cache" if place == "cache" else kept.with_name("lab")
    said = "is damaged in DVC's cache" if place == "cache" else "is damaged in the remote lab"
    with flipped(dvc_objects.in_cache(folder, object_of(kept, name))):
        found = broken(kept, "lab" if place == "remote" else None)
    assert len(found) == 1 and found[0].startswith(f"results/miniature/{name}") and said in found[0]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["cache", "remote"])
def test_what_is_damaged_or_lacking_is_mended_from_a_right_copy(kept: Path, place: str) -> None:
    """`dvc push` says that everything is up to date, whatever bytes have the right name."""
    folder = kept / ".dvc/cache" if place == "cache" else kept.with_name("lab")
    damaged, lacking = (dvc_objects.in_cache(folder, object_of(kept, name)) for name in ("train/base", OF_RESULTS[0]))
    right = {path: path.read_bytes() for path in (damaged, lacking)}
    damaged.chmod(0o644)
    damaged.write_bytes(b"[]")
    lacking.unlink()
    if place == "remote":
        assert "up to date" in dvc("push", "-r", "lab", cwd=kept).stdout
    assert broken(kept, "lab") != [] and broken(kept, "lab", mend=True) == []
    if place == "remote":
        assert lacking.read_bytes() == right[lacking]
    assert damaged.read_bytes() == right[damaged]
    for path, content in right.items():
        if not path.exists():
            path.write_bytes(content)


@pytest.mark.parametrize("mended", [False, True])
def test_what_mending_could_not_mend_is_not_told_to_be_mended_again(mended: bool) -> None:
    """Where no right copy was found, the remedy is somebody else's push."""
    damaged, lacking = (dvc_objects.Stored(f"results/miniature/{name}", "0" * 32) for name in ("train/base", "x.npy"))
    place = remotes.Place("the remote lab", lambda md5: io.BytesIO(), lambda file, md5: None, whole=True)
    found, held = verify.Verification(folder=Path("pinned/kept")), dvc_objects.Found(damaged=[damaged], lacking=[lacking])
    verify.report_objects(found, place, held, "lab", mended)
    told = "`uv run dvc push` where there is one" if mended else "stages.verify kept --remote lab --mend"
    assert [one.partition(";")[0] for one in found.broken] == [
        "results/miniature/train/base is damaged in the remote lab", "the remote lab lacks results/miniature/x.npy",
    ]  # fmt: skip
    assert all(told in one for one in found.broken) and not (mended and "--mend" in " ".join(found.broken))


@pytest.mark.parametrize(("imported", "remedy"), [(False, "restore it from Git"), (True, "uv run dvc checkout --force ")])
def test_an_imported_pin_is_brought_back_by_dvc(tmp_path: Path, imported: bool, remedy: str) -> None:
    folder = tmp_path / "kept"
    storage.write_bytes(folder / "judge/report.md", b"another")
    storage.write_json(folder / pinning.MANIFEST, {"judge/report.md": "0" * 64, "params.yaml": "0" * 64})
    if imported:
        (tmp_path / "kept.dvc").write_text("outs: []\n")
    found = verify.Verification(folder=folder)
    assert verify.verify_pin(found) == ["judge/report.md", "params.yaml"]
    assert len(found.broken) == 2 and all(remedy in one for one in found.broken)


@pytest.mark.slow
def test_a_gigabyte_in_ten_seconds(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(64 << 20)
    (tmp_path / "object").write_bytes(content)
    one = dvc_objects.Stored("x", hashlib.md5(content).hexdigest(), storage.sha256(tmp_path / "object"))
    began = time.perf_counter()
    found = dvc_objects.look([one] * 16, lambda md5: (tmp_path / "object").open("rb"), {}, "x")
    seconds = time.perf_counter() - began
    assert found.size == 1 << 30 and not found.damaged and seconds < 10


# Evaluated and trained again


@pytest.mark.slow
def test_weights_give_the_same_errors(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with in_folder(kept):
        found = verify.verification("kept")
        verify.verify_errors(found, "base", None)
    said = capsys.readouterr().out
    assert found.broken == [] and said.count("the same of every one of 48 test pictures, to the bit") == 2
    path = kept / "pinned/kept/evaluate/base/ten_patches.npz"
    before = path.read_bytes()
    with np.load(path) as arrays:
        other = {name: array.copy() for name, array in arrays.items()}
    other["seed-1"] = other["seed-1"][:, ::-1]
    np.savez(path, **other)
    with in_folder(kept):
        found = verify.verification("kept")
        verify.verify_errors(found, "base", 1)
    path.write_bytes(before)
    assert len(found.broken) == 1 and found.broken[0].startswith("base seed 1 gives other errors than are pinned")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "epochs"), [("base", None), ("relu", 1)])
def test_a_training_gives_the_same_losses(kept: Path, name: str, epochs: int | None, capsys) -> None:
    with in_folder(kept):
        found = verify.verification("kept")
        verify.verify_losses(found, name, None, epochs)
    said = capsys.readouterr().out
    assert found.broken == [] and f"{name} seed 0, 1 epochs: the same losses to every digit that is kept" in said
    assert ("the same weights at the end, bit for bit" in said) == (name == "base")
    assert "was trained before" not in said


@pytest.mark.slow
def test_other_losses_are_a_fault_here_and_a_question_of_spread_elsewhere(kept: Path, capsys) -> None:
    curve, told = (kept / "pinned/kept" / name for name in ("train/base/seed-0/curve.csv", "provenance/train-base.json"))
    before = {path: path.read_bytes() for path in (curve, told)}
    head, row = curve.read_text().splitlines()
    values = row.split(",")
    values[3] = f"{float(values[3]) * 1.0001:.6g}"
    curve.write_text(f"{head}\n{','.join(values)}\n")
    with in_folder(kept):
        here = verify.verification("kept")
        verify.verify_losses(here, "base", 0, None)
        content = json.loads(told.read_text())
        content["versions"]["torch"] = "2.0.0"
        told.write_text(json.dumps(content))
        elsewhere = verify.verification("kept")
        verify.verify_losses(elsewhere, "base", 0, None)
    for path, text in before.items():
        path.write_bytes(text)
    assert here.broken == ["base seed 0 has other losses on the same machine and versions, from epoch 1 on"]
    said = capsys.readouterr().out
    assert elsewhere.broken == [] and "other bits (torch is" in said and "statistically the same" in said


def test_another_machine_is_told_by_what_decides_the_bits(tmp_path: Path) -> None:
    """The same machine and versions, then another of each; a GPU that is not here is replaced by the CPU."""
    found, settings = verify.Verification(folder=tmp_path), load()
    capability = machine.capability([torch.device("cpu")])
    then = {"versions": provenance.environment()["versions"], "capability": [capability]}

    def why(stage: str = "train-base", declared: dict | None = None, **other: object) -> str:
        storage.write_json(tmp_path / "provenance/train-base.json", then | other)
        storage.write_json(tmp_path / "provenance/evaluate-base.json", {"versions": then["versions"]})
        here = replace(settings, machine=replace(settings.machine, **(declared or {})))
        used, said = verify.machine_here(found, here, stage)
        assert used.machine.devices == ("cpu",) and used.machine.replicas == 1
        return said

    assert why() == why("evaluate-base") == ""
    assert why(capability=["a pocket calculator"]) == f"the processor has {capability} and was a pocket calculator"
    assert "and was a pocket calculator" in why("evaluate-base", capability=["a pocket calculator"])
    assert (
        why(versions={**then["versions"], "torch": "1.0"}) == f"torch is {torch.__version__.partition('+')[0]} here and was 1.0"
    )
    other = f"the processor is {provenance.environment()['processor']} here and was Another"
    assert why(processor="Another") == why("evaluate-base", processor="Another") == other, "with the same instructions"
    assert why(declared={"replicas": 4}) == "one process does what several did"
    if not torch.cuda.is_available():
        assert why(declared={"devices": ("cuda:0",)}) == "cuda:0 is not here, so the CPU is used"


def test_elsewhere_a_loss_must_lie_where_one_more_seed_would() -> None:
    seeds = [2.00, 2.02, 1.98, 2.01, 1.99]
    assert retraining.of_the_seeds(2.05, seeds)[0] and not retraining.of_the_seeds(2.30, seeds)[0]
    inside = np.random.default_rng(0).normal(0, 1, (2000, 6))
    share = np.mean([retraining.of_the_seeds(float(row[0]), row[1:].tolist())[0] for row in inside])
    assert abs(share - retraining.CONFIDENCE) < 0.01
    with pytest.raises(ValueError, match="one seed alone"):
        retraining.of_the_seeds(2.0, [2.0])


def test_errors_by_older_code_are_not_pinned_beside_those_of_todays(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("pinned/photographs")
    params, settings = read_params(folder / "params.yaml"), load(folder / "params.yaml")
    protocol = read_protocol(versions.as_it_stands().protocol)
    changed = "study/measuring/evaluation.py has changed since evaluate-base ran"
    monkeypatch.setattr(
        pin, "outdated", lambda lock, *_: {"evaluate-base": changed} if lock["stages"]["train@base"]["deps"] else {}
    )
    stages = list(pin._expected(settings))
    assert pin._differences(folder, params, stages, protocol) == [f"evaluate-base is the pinned one, although {changed}"]
    anew = [stage for stage in stages if stage != "evaluate-base_half_rate"]  # which no claim compares
    assert len(pin._differences(folder, params, anew, protocol)) == 1
    with pytest.raises(ValueError, match="those of evaluate-no_dropout, .*; run: uv run dvc repro evaluate@base"):
        pin._differences(folder, params, [stage for stage in stages if stage != "evaluate-no_dropout"], protocol)


@pytest.mark.parametrize(("run", "said"), [("relu", ""), ("base", "base seed 0 diverges here after 10 of the 42 epochs")])
def test_a_curve_that_ends_sooner_crossed_sooner_and_a_run_diverged(monkeypatch, run: str, said: str) -> None:
    found = verify.verification("sketch")
    kind = "converge" if run == "relu" else "train"
    rate = storage.read_json(found.folder / f"converge/{run}/metrics.json")["chosen_rate"] if kind == "converge" else None
    rows = verify._curves(found.folder, kind, run, rate, (0,))[0][:10]
    monkeypatch.setattr(verify, "pictures_of", lambda _: Path())
    monkeypatch.setattr(verify, "read_index", lambda _: {"pictures": {}})
    monkeypatch.setattr(verify, "machine_here", lambda found, settings, stage: (settings, "another machine"))
    monkeypatch.setattr(retraining, "pictures_an_epoch", lambda *_: 1)
    monkeypatch.setattr(retraining, "as_written", lambda curve: curve)
    curve = [[row.get(column, "0") for column in outputs.CURVE] for row in rows]
    made = SimpleNamespace(curve=curve, kernels={}, weights=None)
    monkeypatch.setattr(retraining, "train_again", lambda *_: made)
    verify.verify_losses(found, run, 0, None)
    assert [one.startswith(said) for one in found.broken] == [True] * bool(said)


def test_a_seed_that_diverged_at_once_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verify.verification("readers")
    monkeypatch.setattr(verify, "pictures_of", lambda _: Path("data/packed/readers"))
    sentence = "seed 0 diverged in its first epoch, so that there is nothing to compare; try another, with --seed 1"
    with pytest.raises(ValueError, match=sentence):
        verify.verify_losses(found, "no_normalisation_tenfold_rate", None, None)


@pytest.mark.parametrize("name", [folder.name for folder in pinning.own(ROOT / "pinned")])
def test_what_a_stage_of_a_pin_read_is_what_another_wrote(name: str) -> None:
    """Also where a stage was run again and the pin renewed; else DVC would run in a clone what nothing has changed of."""
    stages = read_params(ROOT / "pinned" / name / "dvc.lock")["stages"]
    written = {out["path"]: out["md5"] for block in stages.values() for out in block.get("outs", ())}
    read = [(stage, dep) for stage, block in stages.items() for dep in block.get("deps", ()) if dep["path"] in written]
    assert len(read) > len(stages) and not [(stage, dep) for stage, dep in read if dep["md5"] != written[dep["path"]]]


@pytest.mark.slow
@pytest.mark.parametrize("name", [folder.name for folder in pinning.own(ROOT / "pinned")])
def test_in_a_fresh_clone_no_pinned_study_is_trained_again(name: str, tmp_path: Path) -> None:
    """What a training rests on, from the download on, is as it was when each was pinned: DVC would run none of it anew."""
    copy_project(tmp_path)
    run("git", "init", "-q", cwd=tmp_path)
    for file in ("params.yaml", "dvc.lock"):
        shutil.copyfile(ROOT / "pinned" / name / file, tmp_path / file)
    settings = load(tmp_path / "params.yaml")
    made = [*(f"train@{run}" for run in settings.runs), *(f"converge@{curve}" for curve in settings.curves)]
    trainings = ["download", "prepare", *made]
    said = dvc("repro", "--dry", "--allow-missing", "-s", *trainings, cwd=tmp_path).stdout
    assert "Running stage" not in said and all(f"Stage '{stage}' didn't change" in said for stage in trainings)
    trained = [json.loads(path.read_text()) for path in (ROOT / "pinned" / name / "provenance").glob("train-*.json")]
    assert {record["training_code"] for record in trained} == {training_code()}


# What may explain a number, or limits it, stands beside it: counted apart, in a study that is pinned

PINNED = ROOT / "pinned/photographs"


def remarks(name: str) -> tuple[str, ...]:
    runs = tuple(path.name for path in (PINNED / "train").iterdir())
    block = read_protocol(versions.as_it_stands().protocol).claims[name]
    function = measure_named(block.measure, name)
    assert function is not None
    return function(Evidence(folder=PINNED, study="photographs", runs=runs, curves=()), block).remarks


def test_convolutional_parameters_are_told_apart() -> None:
    of = {
        name: sum(
            layer["parameters"]
            for layer in storage.read_json(PINNED / f"evaluate/{name}/network.json")["layers"]
            if layer["kind"] == "convolution"
        )
        for name in ("base", "one_column")
    }
    assert f"in its convolutional layers {1 - of['one_column'] / of['base']:.0%} fewer" in "".join(remarks("two-columns"))
    assert not any("parameters" in one for one in remarks("dropout-error"))


def test_endings_and_the_centre_patch() -> None:
    ends, errors = {}, {}
    for name in ("no_dropout", "base"):
        curves = (PINNED / "train" / name).glob("*/curve.csv")
        ends[name] = np.mean([pd.read_csv(path)["training_error"].iloc[-1] for path in curves])
        errors[name] = storage.read_json(PINNED / f"evaluate/{name}/metrics.json")["centre_patch"]["top1_error"]
    found = remarks("dropout-error")
    assert f"training error at the end no_dropout {ends['no_dropout']:.1%}, base {ends['base']:.1%}" in found
    assert f"from the centre patch {100 * (errors['no_dropout'] - errors['base']):.2f} points" in found


def test_the_exact_interval_of_a_share() -> None:
    """Clopper and Pearson's of 3 in 15, from tables: 0.0433 to 0.4809."""
    assert any("shown to specialise are 4% to 48% of all" in one for one in remarks("kernels-every-run"))
