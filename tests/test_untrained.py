"""An untrained network run through a whole study, from pictures to verdicts, earns no word that needs learning."""

import sys
from pathlib import Path

import pytest

from study import storage
from study.judging import verdicts
from tests.project import MINIATURE, add_study, copy_project, dvc, run

RUNS = ["base", "one_column", "no_normalisation", "no_dropout", "one_large_gpu"]
NOTHING = 1e-12  # a rate at which nothing is learned
UNTRAINED = MINIATURE | {
    "study": "untrained",
    "chosen": {"study": "untrained"},
    "only": RUNS,
    "download": {"pictures": {"seed": 1, "size": 64, "train": 96, "validation": 24, "test": 480}},
    "train": {
        "network": {"kernels": [8, 8, 8, 8, 8], "neurons": [16, 16]},
        "learning": {"epochs": 4, "batch": 32, "rate": {"initial": NOTHING, "rule": "epochs", "at": []}},
        "seeds": [0, 1, 2, 3, 4],
    },
    "runs": {"base": {"seeds": list(range(10))}},
    "curves": {name: {"rates": [NOTHING, 2 * NOTHING, 4 * NOTHING]} for name in ("relu", "tanh")},
    "retrieve": {"queries": 100, "seeds": 5},
}


@pytest.mark.slow
def test_an_untrained_study_earns_no_word_that_needs_learning(tmp_path: Path) -> None:
    copy_project(tmp_path)
    add_study(tmp_path, "untrained", UNTRAINED)
    run(sys.executable, "-m", "stages.choose", "untrained", cwd=tmp_path)
    run("git", "init", "-q", cwd=tmp_path)
    run("git", "add", "-A", cwd=tmp_path)
    run("git", "commit", "-qm", "an untrained study", cwd=tmp_path)
    for stage in ("train", "evaluate", "judge"):  # each in less than the time that a command may take
        dvc("repro", stage, cwd=tmp_path)
    claims = storage.read_json(tmp_path / "results/untrained/judge/claims.json")["claims"]
    tested = {row["id"]: (row["verdict"], row["why"]) for row in claims if row["test"]}
    assert {"two-columns", "neighbours", "dropout-halving", "ten-patches", "kernels-specialise"} <= set(tested)
    assert not [name for name, (word, _) in tested.items() if word == verdicts.WITHHELD], tested
    judged = {
        name: said
        for name, said in tested.items()
        if verdicts.GROUPS[said[0]] in (verdicts.HELD, verdicts.NOT_HELD, verdicts.SMALL)
    }
    assert set(judged) <= {"augmentation-free"}, judged
    assert sum(word == verdicts.NOT_LONG_ENOUGH for word, _ in tested.values()) >= 12, tested
