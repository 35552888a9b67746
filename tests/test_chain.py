"""What a verdict must not survive: every way of changing results, records, settings, code or claims that was ever tried.

Each is tried on a working study and on a pinned one, in a checkout of its own with real commits. On a working study one of them
cannot be noticed: who edits predictions together with the record that has their hash. A pin's manifest, which is in Git, sees it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages import judge, judgements, pin, rejudging, versions
from stages.settings import read_params
from study import pinning, predictions, provenance, storage
from study.judging import report, verdicts
from study.judging.row import Row
from study.judging.staleness import md5
from tests.invented import CURVE, CURVES, MACHINE, RUNS, SHARED, edit, invent, merged
from tests.project import copy_project, run

RESULTS, PINNED = Path("results/sketch"), Path("pinned/kept")
PARAMS = {"study": "sketch", "machine": MACHINE, "train": SHARED, "runs": RUNS, "converge": {}, "curves": CURVES}
PARAMS["retrieve"] = {"run": "base", "seed": 0}
CODE = {"train": ["study/network", "study/training", "stages/train.py"], "evaluate": ["study/measuring/evaluation.py"]}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a finished study, judged and pinned, everything committed."""
    root = tmp_path_factory.mktemp("checkout")
    copy_project(root)
    write_yaml(root / "params.yaml", PARAMS)
    run("git", "init", "-q", "-b", "main", cwd=root)
    commit(root, "code")
    head = run("git", "rev-parse", "HEAD", cwd=root).stdout.strip()
    invent(root / RESULTS, pictures=300)
    for path in (root / RESULTS / "provenance").glob("*.json"):
        edit(path, lambda record: record.update(commit=head))
    write_yaml(root / "dvc.lock", {"schema": "2.0", "stages": dict(locked(root))})
    storage.write_json(root / RESULTS / "judge/claims.json", {"claims": []})
    storage.write_json(root / RESULTS / "judge/provenance.json", {"commit": head})
    with in_folder(root):
        pin.keep(RESULTS, PINNED, PARAMS)
        storage.write_json(PINNED / "manifest.json", pinning.manifest(PINNED))
    commit(root, "its pin")
    return root


def locked(root: Path):
    """What DVC would have in dvc.lock of the stages that an effect rests on, and of the others."""
    for path in sorted((root / RESULTS / "provenance").glob("*.json")):
        stage, _, name = path.stem.partition("-")
        deps = [{"path": code, "md5": md5(root, code)} for code in CODE.get(stage, [])]
        known = {"train": SHARED, f"runs.{name}": RUNS[name]} if stage == "train" else {}
        outs = [{"path": f"{RESULTS}/{stage}{'/' * bool(name)}{name}", "md5": "0"}]
        yield "@".join(part for part in (stage, name) if part), {"deps": deps, "params": {"params.yaml": known}, "outs": outs}


def write_yaml(path: Path, content: object) -> None:
    with open(path, "w", encoding="utf-8") as file:
        YAML().dump(json.loads(json.dumps(content)), file)


def commit(root: Path, message: str) -> None:
    run(
        "git", "add", "-A", "-f", "study", "stages", "*.yaml", "*.toml", "pinned" if (root / "pinned").exists() else ".", cwd=root
    )
    run("git", "commit", "-qm", message, cwd=root)


class in_folder:  # noqa: N801
    """Like contextlib.chdir, and no commit is remembered from another checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.before = Path.cwd()
        os.chdir(self.folder)
        versions.at.cache_clear()

    def __exit__(self, *_: object) -> None:
        os.chdir(self.before)
        versions.at.cache_clear()


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "checkout", symlinks=True))


def rows(root: Path, pinned: bool) -> dict[str, Row]:
    return {row.claim.id: row for row in judged(root, pinned).rows}


def judged(root: Path, pinned: bool) -> judgements.Judged:
    with in_folder(root):
        params, today = read_params(), versions.as_it_stands()
        if pinned:
            kept = read_params(PINNED / "params.yaml")
            return judgements.judged(PINNED, kept, judgements.pinned(PINNED, kept), today)
        return judgements.judged(RESULTS, params, judgements.working(settings_of(params), params, provenance.code()), today)


def settings_of(params: dict[str, Any]) -> Any:
    """What judging asks of the settings of a study."""
    runs = {name: merged(params["train"], lines) for name, lines in params["runs"].items()}
    curves = {name: merged(CURVE, lines) for name, lines in params["curves"].items()}
    return SimpleNamespace(
        study="sketch", results=RESULTS, packed=Path("data/sketch"), runs=runs, curves=curves, machine=params["machine"]
    )


@pytest.mark.parametrize("pinned", [False, True], ids=["working", "pinned"])
def test_untouched_it_has_its_verdict(root: Path, pinned: bool) -> None:
    row = rows(root, pinned)["two-columns"]
    assert row.verdict.word == verdicts.DIRECTION, row.verdict.why
    assert row.numbers.registered == "pre-registered"
    assert not judged(root, pinned).altered


def of_study(root: Path, pinned: bool) -> Path:
    return root / (PINNED if pinned else RESULTS)


def sha_in_record(folder: Path, stage: str, name: str) -> None:
    edit(folder / f"provenance/{stage}.json", lambda record: record["outputs"].update({name: storage.sha256(folder / name)}))


def other_predictions(root: Path, pinned: bool, with_record: bool = False) -> None:
    folder = of_study(root, pinned)
    made = predictions.read(folder / "evaluate/one_column", "ten_patches")
    better = {model: best[:, ::-1] for model, best in made.best.items()}
    changed = predictions.Predictions(labels=made.labels, best=better)
    predictions.write(folder / "evaluate/one_column", "ten_patches", changed, 24)
    if with_record:
        sha_in_record(folder, "evaluate-one_column", "evaluate/one_column/ten_patches.npz")


def record(stage: str, change: Callable[[dict], object]) -> Callable[[Path, bool], None]:
    return lambda root, pinned: edit(of_study(root, pinned) / f"provenance/{stage}.json", change)


def no_record(root: Path, pinned: bool) -> None:
    (of_study(root, pinned) / "provenance/evaluate-one_column.json").unlink()


def empty_record(root: Path, pinned: bool) -> None:
    (of_study(root, pinned) / "provenance/evaluate-one_column.json").write_text("{}")


def no_records(root: Path, pinned: bool) -> None:
    shutil.rmtree(of_study(root, pinned) / "provenance")


def stray(root: Path, pinned: bool) -> None:
    folder = of_study(root, pinned) / "train/base"
    (folder / "seed-11").mkdir()
    shutil.copyfile(folder / "seed-9/kernels.npy", folder / "seed-11/kernels.npy")


def linked_seed(root: Path, pinned: bool) -> None:
    (of_study(root, pinned) / "train/base/seed-11").symlink_to("seed-9")


def gone(root: Path, pinned: bool) -> None:
    run_of_it = "base" if pinned else "one_column"  # a pin keeps the centre patch of base alone
    (of_study(root, pinned) / f"evaluate/{run_of_it}/centre_patch.npz").unlink()


def other_params(root: Path, pinned: bool) -> None:
    path = root / ("pinned/kept/params.yaml" if pinned else "params.yaml")
    path.write_text(path.read_text().replace("epochs: 12", "epochs: 13"))


def more_seeds_in_params(root: Path, pinned: bool) -> None:
    path = root / ("pinned/kept/params.yaml" if pinned else "params.yaml")
    content = read_params(path)
    content["runs"]["one_column"]["seeds"] = [0, 1, 2, 3, 4, 5]
    write_yaml(path, content)


def another_machine(root: Path, pinned: bool) -> None:
    path = root / ("pinned/kept/params.yaml" if pinned else "params.yaml")
    path.write_text(path.read_text().replace("precision: float32", "precision: bfloat16"))


def append(name: str, text: str, committed: bool = False) -> Callable[[Path, bool], None]:
    def change(root: Path, pinned: bool) -> None:
        with open(root / name, "a", encoding="utf-8") as file:
            file.write(text)
        if committed:
            commit(root, "changed")

    return change


def number_of_the_paper(root: Path, pinned: bool) -> None:
    path = root / "study/paper/architecture.py"
    path.write_text(path.read_text().replace("value=0.017", "value=0.217"))


def protocol_for_this_study(root: Path, pinned: bool) -> None:
    path = root / "protocol.yaml"
    path.write_text(path.read_text().replace("smallest_effect: 0.0085", "smallest_effect: 0.00085"))


NOT_COMMITTED = "the code that judges is not committed"
MANIFEST = "is not the file of the pin's manifest"
TAMPERED: dict[str, tuple[Callable[[Path, bool], object], str]] = {
    "predictions alone": (other_predictions, "evaluate/one_column/ten_patches.npz is not what evaluate-one_column wrote"),
    "a record is deleted": (no_record, "evaluate-one_column has no provenance record"),
    "a record is empty": (empty_record, "evaluate-one_column has no provenance record"),
    "a record has no outputs": (
        record("evaluate-one_column", lambda r: r.pop("outputs")),
        "the record of evaluate-one_column does not say what it wrote",
    ),
    "all records are deleted": (no_records, "download has no provenance record"),
    "a record of uncommitted code": (record("train-one_column", lambda r: r.update(dirty=True)), "code of train-one_column"),
    "a record outside Git": (record("train-one_column", lambda r: r.update(commit=None)), "code of train-one_column"),
    "params changed after the run": (other_params, "ran with another learning.epochs than params.yaml says"),
    "a seed more in params": (more_seeds_in_params, "train-one_column ran with another seeds than params.yaml says"),
    "another machine in params": (another_machine, "ran with another precision than params.yaml says"),
    "training code changed after the run": (
        append("study/training/update.py", "\nRATE = 1\n", committed=True),
        "study/training has changed since train-one_column ran",
    ),
    "measuring code changed after the run": (
        append("study/measuring/evaluation.py", "\nRATE = 1\n", committed=True),
        "study/measuring/evaluation.py has changed since evaluate-one_column ran",
    ),
    "judging code edited": (append("study/judging/verdicts.py", "\nEASY = True\n"), NOT_COMMITTED),
    "a test edited": (append("study/statistics/dunnett.py", "\nEASY = True\n"), NOT_COMMITTED),
    "a number of the paper edited": (number_of_the_paper, NOT_COMMITTED),
    "the protocol edited": (protocol_for_this_study, NOT_COMMITTED),
    "other pictures": (
        record("train-one_column", lambda r: r.update(data_sha256="7" * 64)),
        "train-one_column saw other pictures",
    ),
    "no word of the pictures": (
        record("train-one_column", lambda r: r.pop("data_sha256")),
        "the record of train-one_column does not say which pictures it saw",
    ),
    "no word of the pictures that were evaluated": (
        record("evaluate-one_column", lambda r: r.pop("data_sha256")),
        "the record of evaluate-one_column does not say which pictures it saw",
    ),
    "no word of the weights that were evaluated": (
        record("evaluate-one_column", lambda r: r.pop("inputs")),
        "the record of evaluate-one_column does not say which weights it read",
    ),
    "no word of one seed's weights": (
        record("evaluate-one_column", lambda r: r["inputs"].pop(f"{RESULTS}/train/one_column/seed-2/weights.safetensors")),
        "the record of evaluate-one_column does not say which weights it read",
    ),
    "a link in place of a seed": (linked_seed, "train/base/seed-11 was not written by train-base"),
    "other training code": (record("train-one_column", lambda r: r.update(training_code="d" * 64)), "equal training code"),
    "no word of the training code": (record("train-one_column", lambda r: r.pop("training_code")), "equal training code"),
    "another precision on record": (
        record("train-one_column", lambda r: r["settings"]["machine"].update(precision="bfloat16")),
        "train-one_column ran with another precision than params.yaml says",
    ),
    "other epochs on record": (
        record("train-one_column", lambda r: r["run"]["learning"].update(epochs=24)),
        "train-one_column ran with another learning.epochs than params.yaml says",
    ),
    "a stray seed": (stray, "train/base/seed-11/kernels.npy was not written by train-base"),
    "a file is gone": (gone, "evaluate/one_column/centre_patch.npz, which evaluate-one_column wrote, is gone"),
    "other weights were evaluated": (
        record("train-one_column", lambda r: r["outputs"].update({"train/one_column/seed-0/weights.safetensors": "e" * 64})),
        "evaluate-one_column read another train/one_column/seed-0/weights.safetensors than train-one_column wrote",
    ),
}
ALLOWED_ON_A_PIN = {"training code changed after the run", "measuring code changed after the run"}  # it was judged at its commit


@pytest.mark.parametrize("case", TAMPERED)
def test_on_a_working_study_it_is_withheld_with_the_reason(root: Path, case: str) -> None:
    change, reason = TAMPERED[case]
    change(root, False)
    row = rows(root, pinned=False)["two-columns"]
    assert row.verdict.word == verdicts.WITHHELD and reason in row.verdict.why, row.verdict.why
    assert "`uv run dvc repro`" in row.decide


@pytest.mark.parametrize("case", sorted(set(TAMPERED) - ALLOWED_ON_A_PIN))
def test_on_a_pinned_study_it_is_withheld(root: Path, case: str) -> None:
    change, reason = TAMPERED[case]
    change(root, True)
    row = rows(root, pinned=True)["two-columns"]
    assert row.verdict.word == verdicts.WITHHELD
    assert reason in row.verdict.why if reason == NOT_COMMITTED else MANIFEST in row.verdict.why, row.verdict.why
    assert "restore" in row.decide


@pytest.mark.parametrize("case", sorted(ALLOWED_ON_A_PIN))
def test_todays_training_code_says_nothing_of_a_pin(root: Path, case: str) -> None:
    TAMPERED[case][0](root, True)
    assert rows(root, pinned=True)["two-columns"].verdict.word == verdicts.DIRECTION


def test_predictions_and_their_hash_edited_together_are_seen_on_a_pin_alone(root: Path) -> None:
    """README says so: nothing but a signature would show it on a working study."""
    for pinned, word in ((False, verdicts.CONTRADICTED), (True, verdicts.WITHHELD)):
        other_predictions(root, pinned, with_record=True)
        assert rows(root, pinned)["two-columns"].verdict.word in (word, verdicts.DIRECTION if not pinned else word)
        assert (rows(root, pinned)["two-columns"].verdict.word == verdicts.WITHHELD) == pinned


def test_a_manifest_edited_as_well_is_not_the_one_in_git(root: Path) -> None:
    other_predictions(root, True, with_record=True)
    folder = root / PINNED
    kept = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"manifest.json"}
    storage.write_json(folder / "manifest.json", {name: storage.sha256(folder / name) for name in sorted(kept)})
    row = rows(root, pinned=True)["two-columns"]
    assert row.verdict.word == verdicts.WITHHELD and row.verdict.why == f"manifest.json {MANIFEST}"


DIFFERENT = {
    "learning.batch": lambda run: run["learning"].update(batch=64),
    "network.dropout": lambda run: run["network"].update(dropout=0.4),
    "share": lambda run: run.update(share=0.5),
}


@pytest.mark.parametrize("line", DIFFERENT)
def test_runs_that_differ_in_more_than_the_lines_of_their_blocks_are_not_compared(root: Path, line: str) -> None:
    """Also where nothing is there to hold the records against but the records themselves."""
    edit(root / PINNED / "provenance/train-one_column.json", lambda record: DIFFERENT[line](record["run"]))
    with in_folder(root):
        kept = read_params(PINNED / "params.yaml")
        conditions = judgements.Conditions(lines={"train": kept["runs"], "converge": kept["curves"]}, pinned=True)
        made = judgements.judged(PINNED, kept, conditions, versions.as_it_stands())
    row = next(row for row in made.rows if row.claim.id == "two-columns")
    assert row.verdict.why == f"train-one_column and train-base differ in {line}, which is no line of their blocks"


def test_a_stage_that_dvc_does_not_know_is_withheld(root: Path) -> None:
    (root / "dvc.lock").unlink()
    assert "dvc.lock does not know that download ran" in rows(root, pinned=False)["two-columns"].verdict.why


def test_uncommitted_judging_withholds_what_is_counted_as_well(root: Path) -> None:
    number_of_the_paper(root, False)
    assert rows(root, pinned=False)["parameters"].verdict.word == verdicts.WITHHELD


def test_a_broken_chain_leaves_the_others_standing(root: Path) -> None:
    no_record(root, False)
    found = rows(root, pinned=False)
    assert found["response-normalisation"].verdict.word == verdicts.DIRECTION
    assert found["two-columns"].verdict.word == verdicts.WITHHELD and found["two-columns"].numbers.ours is not None


@pytest.mark.parametrize("uncommitted", [False, True])
def test_the_stage_says_how_many_are_withheld_and_why(root: Path, uncommitted: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if uncommitted:
        number_of_the_paper(root, False)
    with in_folder(root):
        record: Any = SimpleNamespace(content=provenance.code(), add=lambda **_: None)
        judge.judge_study(settings_of(read_params()), record)
        held = json.loads((RESULTS / "judge/claims.json").read_text())["claims"]
    withheld = [row["id"] for row in held if row["verdict"] == verdicts.WITHHELD]
    note = f"note: {len(withheld)} are withheld, since {NOT_COMMITTED}"
    assert bool(withheld) == uncommitted and (note in capsys.readouterr().out) == uncommitted


class TestRegistered:
    """Committed after the runs, so that only Git's history shows it."""

    def registered(self, root: Path) -> str:
        return rows(root, pinned=False)["two-columns"].numbers.registered

    def test_another_block_is_exploratory(self, root: Path) -> None:
        protocol_for_this_study(root, False)
        commit(root, "another smallest effect")
        assert self.registered(root) == "pre-registered", "this study has its own"
        path = root / "protocol.yaml"
        path.write_text(path.read_text().replace("sketch: {smallest_effect: 0.05}", "sketch: {smallest_effect: 0.04}"))
        commit(root, "another one here")
        assert self.registered(root) == "exploratory: changed after its runs: its block of protocol.yaml"

    def test_another_number_of_the_paper_is_exploratory(self, root: Path) -> None:
        number_of_the_paper(root, False)
        commit(root, "another number")
        assert self.registered(root) == "exploratory: changed after its runs: the paper's numbers"

    def test_a_deviation_with_date_and_reason_is_named(self, root: Path) -> None:
        number_of_the_paper(root, False)
        path = root / "protocol.yaml"
        deviations = [
            f"{{claim: {name}, date: '2026-12-01', parts: [numbers], reason: a slip of the pen}}"
            for name in ("colour-pca", "two-columns")
        ]
        said = "".join(f"\n  - {one}" for one in deviations)
        path.write_text(re.sub(r"^deviations:.*$", lambda found: f"{found[0]}{said}", path.read_text(), flags=re.MULTILINE))
        commit(root, "a slip mended")
        assert self.registered(root) == "pre-registered, deviation 2"


def judge_pin(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "stages.judge", "--pinned", "kept", *options, cwd=root, check=False)


@pytest.mark.slow
def test_a_pin_is_judged_by_the_code_of_its_commit_and_by_todays(root: Path) -> None:
    """The same words as long as the code is the same; then which changed, and why; a broken lock has a status of its own."""
    made = judged(root, pinned=True)
    folder = root / PINNED
    storage.write_json(folder / "judge/claims.json", report.as_json(made.study, made.rows))
    edit(folder / "manifest.json", lambda m: m.update({"judge/claims.json": storage.sha256(folder / "judge/claims.json")}))
    commit(root, "its words")
    done = judge_pin(root, "--strict")
    assert done.returncode == 0, done.stderr
    assert "the code of its commit gives the verdicts that it holds" in done.stdout
    record = folder / "judge/provenance.json"  # pinned anew: at the commit that judged it lies another pin of its name
    edit(record, lambda content: content.update(commit=run("git", "rev-parse", "HEAD", cwd=root).stdout.strip(), again=True))
    edit(folder / "manifest.json", lambda m: m.update({"judge/provenance.json": storage.sha256(record)}))
    commit(root, "pinned anew")
    done = judge_pin(root, "--strict")
    assert done.returncode == 0 and "the code of its commit gives the verdicts that it holds" in done.stdout, done.stdout
    assert f"another word to 0 of {len(made.rows)} claims" in done.stdout
    path = root / "protocol.yaml"
    path.write_text(path.read_text().replace("sketch: {smallest_effect: 0.05}", "sketch: {smallest_effect: 0.001}"))
    commit(root, "another smallest effect")
    done = judge_pin(root)
    (line,) = (line for line in done.stdout.splitlines() if "One GPU" in line)
    assert (
        "| smaller than what matters | undecided |" in line
        and "exploratory: changed after its runs: its block of protocol.yaml" in line
    )
    assert done.returncode == 0 and judge_pin(root, "--strict").returncode == rejudging.BROKEN
    other_predictions(root, True)
    done = judge_pin(root, "--strict")
    assert done.returncode == rejudging.BROKEN
    assert "evaluate/one_column/ten_patches.npz is not the file of the pin's manifest" in done.stdout
    assert (
        run("git", "worktree", "list", cwd=root).stdout.count("\n") == 1
        and "pinned/kept" not in run("git", "status", "--porcelain", "--", "stages", cwd=root).stdout
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--pinned", "nosuch"], "there is no pinned study 'nosuch'; use one of: kept"),
        (["--pinned"], "use it alone, with --strict, or with --pinned and the name of a pinned study"),
        (["--json"], "use it alone, with --strict, or with --pinned and the name of a pinned study"),
        (["--lenient"], "use it alone, with --strict, or with --pinned and the name of a pinned study"),
    ],
)
def test_a_wrong_call_is_one_sentence(template: Path, arguments: list[str], sentence: str) -> None:
    with in_folder(template), pytest.raises(SystemExit, match=sentence):
        rejudging.judge_again(arguments)


def test_failed_checks_are_files_and_claims_that_were_registered_otherwise(root: Path) -> None:
    assert rejudging.failed_checks(judged(root, pinned=False)) == []
    other_predictions(root, False)
    number_of_the_paper(root, False)
    commit(root, "another number")
    assert rejudging.failed_checks(judged(root, pinned=False)) == [
        "evaluate/one_column/ten_patches.npz is not what evaluate-one_column wrote",
        "two-columns is exploratory: changed after its runs: the paper's numbers",
    ]


def test_a_pins_code_runs_with_the_packages_that_its_commit_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree").mkdir()
    for root in (tmp_path, tmp_path / "tree"):
        (root / "pyproject.toml").write_text('[project]\ndependencies = ["torch==2.15.0"]\n')
    assert rejudging._python(tmp_path / "tree") == [sys.executable]
    (tmp_path / "tree/pyproject.toml").write_text('[project]\ndependencies = ["torch==2.15.0", "statsmodels==0.15.1"]\n')
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert rejudging._python(tmp_path / "tree")[:2] == ["uv", "run"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="install uv, which brings them"):
        rejudging._python(tmp_path / "tree")
