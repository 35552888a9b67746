"""Figure 1: epochs to a threshold, the race of the rates, which no timing decides, and what is said of the choice."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import converge
from study import storage
from study.measuring import convergence
from study.measuring.convergence import CurveSettings, mean_curve, measure, recorded_times, seconds_to, train_curve
from study.measuring.race import Heat, Trained, choice, epochs_to, fastest, heats, raced
from study.training import outputs
from study.training.loop import Interrupted
from tests.conftest import MACHINE, TINY
from tests.test_training import _steps

NETWORK = dataclasses.replace(TINY, dropout=0.0, bias=0.0, kernels=(8, 8, 8, 8, 8), neurons=(32, 32))
CURVE = CurveSettings(
    network=NETWORK, rates=(0.001, 0.0008, 0.003, 1e18), seeds=(0, 1), epochs=14, batch=4, threshold=0.85, pictures=24
)  # of the race's seed: 0.003 crosses in epoch 8, 0.001 would in epoch 10, and 0.0008 in epoch 11, with AVX2 and with AVX-512;
# at a rate of 0.01 the last bit of a product decides between epoch 7 and epoch 11


WON = 8


@pytest.fixture(autouse=True)
def own_work_area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "WORK", tmp_path / "work")


def _race(
    curve: CurveSettings, packed: Path, monkeypatch: pytest.MonkeyPatch, backwards: bool = False
) -> tuple[dict[float, Trained], list[Any]]:
    """The stage's race, one training after the other, the last one first if `backwards`; and what was reported."""
    news: list[Any] = []

    def one_by_one(work: Any, each: list[Any], machine: Any, bar: Any) -> list[Any]:
        order = list(reversed(range(len(each)))) if backwards else range(len(each))
        done = {number: work(*each[number], news.append) for number in order}
        return [done[number] for number in range(len(each))]

    monkeypatch.setattr(converge, "side_by_side", one_by_one)
    settings: Any = SimpleNamespace(curves={"relu": curve}, machine=MACHINE, packed=packed, results=storage.WORK / "results")
    return converge.race(settings, "relu"), news


def _told(trials: dict[float, Trained]) -> dict[float, tuple[Any, ...]]:
    return {rate: (trial.rows, trial.crossed, trial.diverged) for rate, trial in trials.items()}


@pytest.fixture(scope="module")
def undisturbed(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[float, tuple[Any, ...]]:
    """What comes out of the race in one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "WORK", tmp_path_factory.mktemp("work"))
        trials, _ = _race(CURVE, tiny_set, patch)
    return _told(trials)


def test_a_race_ends_when_no_other_rate_can_win(undisturbed: dict[float, tuple[Any, ...]]) -> None:
    assert {rate: len(rows) for rate, (rows, *_) in undisturbed.items()} == {0.001: WON, 0.003: WON, 0.0008: WON, 1e18: 0}
    assert [rate for rate, (_, crossed, _) in undisturbed.items() if crossed] == [0.003]
    assert [rate for rate, (*_, diverged) in undisturbed.items() if diverged] == [1e18]
    assert all(row[0] == CURVE.race_seed for rows, *_ in undisturbed.values() for row in rows)


def test_the_order_of_the_processes_decides_nothing(
    undisturbed: dict[float, tuple[Any, ...]], tiny_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards each rate trains to the tenth epoch until the winner is known; backwards the winner runs first."""
    trials, news = _race(CURVE, tiny_set, monkeypatch, backwards=True)
    assert _told(trials) == undisturbed
    assert _steps(news) == 3 * WON * 6 + 1, "no rate trains a step after the winner's epoch"
    again, news = _race(CURVE, tiny_set, monkeypatch)
    assert _told(again) == undisturbed and _steps(news) == 0, "a race that is over is taken up"


def test_a_rate_that_is_behind_when_the_winner_is_known_goes_on_to_its_epoch(
    undisturbed: dict[float, tuple[Any, ...]], tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill: one rate has finished, another has made six epochs, the others none."""
    for rate, heat in ((0.003, Heat(0, 14)), (0.0008, Heat(0, 6))):
        alone = dataclasses.replace(CURVE, rates=(rate,))
        train_curve(alone, MACHINE, tiny_set, tmp_path, "relu", CURVE.race_seed, rate, heat, lambda _: None)
    trials, news = _race(CURVE, tiny_set, monkeypatch)
    assert _told(trials) == undisturbed and _steps(news) == (WON - 6 + WON) * 6 + 1


def test_an_interrupted_race_comes_out_the_same(
    undisturbed: dict[float, tuple[Any, ...]], tiny_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter([False] * 40 + [True] + [False] * 25 + [True])
    monkeypatch.setattr(convergence, "asked_to_end", lambda: next(asked, False))
    for _ in range(2):
        with pytest.raises(Interrupted):
            _race(CURVE, tiny_set, monkeypatch)
    trials, news = _race(CURVE, tiny_set, monkeypatch)
    assert _told(trials) == undisturbed and _steps(news) < 4 * 10 * 6 - 66 + 1


def test_the_losers_go_on_where_they_were_when_the_winner_is_taken_off_the_list(
    tiny_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _race(CURVE, tiny_set, monkeypatch, backwards=True)
    trials, news = _race(dataclasses.replace(CURVE, rates=(0.001, 0.0008)), tiny_set, monkeypatch, backwards=True)
    assert [rate for rate, trial in trials.items() if trial.crossed] == [0.001] and len(trials[0.0008].rows) == 10
    assert _steps(news) == 2 * 2 * 6


def test_a_judged_seed_leaves_its_layers_and_kernels(tiny_set: Path, tmp_path: Path) -> None:
    """At whatever epoch it crosses; and it is taken up with them."""
    curve, folders = dataclasses.replace(CURVE, threshold=0.97), (tmp_path / "a", tmp_path / "b")
    first, again = (train_curve(curve, MACHINE, tiny_set, f, "relu", 0, 0.01, None, lambda _: None) for f in folders)
    assert first.rows == again.rows and first.crossed and (first.end or {})["reused"] is False and (again.end or {})["reused"]
    last = len(first.rows)
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == ["kernels-by-epoch.npz", "layers.csv"]
        assert np.load(folder / "kernels-by-epoch.npz")["epochs"].tolist() == sorted(
            {0, *outputs.KERNEL_EPOCHS[: last + 1], last} & set(range(last + 1))
        )
        assert set(pd.read_csv(folder / "layers.csv")["epoch"]) == set(range(last + 1))
    times = recorded_times(curve, {0: first})
    seconds = (first.end or {})["epoch_seconds"]
    assert 0 < (times["seconds_to_threshold"]["0"] or 0) <= sum(seconds) and set(times) == {
        "seconds_to_threshold",
        "processor_seconds_to_threshold",
    }


def test_a_diverged_judged_seed_is_no_censored_one(tiny_set: Path, tmp_path: Path) -> None:
    wild = train_curve(CURVE, MACHINE, tiny_set, tmp_path / "a", "relu", 0, 1e18, None, lambda _: None)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["layers.csv"]
    metrics = measure(dataclasses.replace(CURVE, rates=(1e18,)), {}, {0: wild, 1: _trial([0.9, 0.2], 1)})
    assert metrics["seeds"]["0"] == {"status": "diverged", "epochs_to_threshold": None, "epochs": 0}
    assert metrics["seeds"]["1"]["status"] == "finished" and metrics["diverged"] == [0]
    assert mean_curve({0: wild, 1: _trial([0.9, 0.2], 1)}) == [], "no mean over the survivors"


def _trial(errors: list[float], seed: int = 1000, rate: float = 0.1, **how: Any) -> Trained:
    return Trained([[seed, rate, epoch, epoch, 1.0, error] for epoch, error in enumerate(errors, 1)], **how)


def test_epochs_and_seconds_to_a_threshold() -> None:
    """An epoch's error stands for its middle; between epochs by straight line; never is None."""
    assert epochs_to(0.25, [0.5, 0.2]) == pytest.approx(0.5 + 0.25 / 0.3)
    assert epochs_to(0.25, [0.1]) == 0.5
    assert epochs_to(0.25, [0.9, 0.8]) is None
    assert seconds_to(2.5, [10.0, 20.0, 40.0]) == 50.0 and seconds_to(2.0, [10.0, 20.0]) == 30.0
    assert seconds_to(0.5, [10.0]) == 5.0 and seconds_to(None, [10.0]) is None
    assert mean_curve({0: _trial([0.4, 0.2]), 1: _trial([0.6])}) == [[1, 0.5], [2, 0.2]]


def test_the_fastest_rate() -> None:
    assert fastest({0.1: _trial([0.5, 0.4]), 0.2: _trial([0.5, 0.24])}, 0.25) == 0.2
    assert fastest({0.1: _trial([0.5, 0.4]), 0.2: _trial([0.5, 0.45])}, 0.25) == 0.1, "none crosses: the lowest end"
    assert fastest({0.1: _trial([0.5, 0.24]), 0.2: _trial([0.5, 0.2])}, 0.25) == 0.2, "in the same epoch: the earlier"
    diverged = _trial([0.5, 0.3], diverged=True)
    assert fastest({0.1: _trial([0.5, 0.4, 0.4]), 0.2: diverged}, 0.25) == 0.1, "a rate that diverged has lost"
    assert fastest({0.2: diverged, 0.1: _trial([], diverged=True)}, 0.25) == 0.1, "all have: the smallest"


def test_a_race_is_counted_up_to_the_epoch_in_which_it_is_won() -> None:
    """However much further a process came before it knew."""
    trials = {0.1: _trial([0.9] * 9), 0.2: _trial([0.9, 0.3, 0.2]), 0.3: _trial([0.9, 0.9, 0.5, 0.2])}
    trials |= {0.4: _trial([0.9] * 3, diverged=True), 0.5: _trial([0.9] * 2, diverged=True)}
    trials = {rate: dataclasses.replace(trial, crossed=trial.errors[-1] == 0.2) for rate, trial in trials.items()}
    counted = raced(trials)
    assert {rate: len(trial.rows) for rate, trial in counted.items()} == {0.1: 3, 0.2: 3, 0.3: 3, 0.4: 3, 0.5: 2}
    assert [rate for rate, trial in counted.items() if trial.crossed] == [0.2]
    assert [rate for rate, trial in counted.items() if trial.diverged] == [0.5]
    tried = measure(dataclasses.replace(CURVE, rates=tuple(trials), epochs=40), counted, {})["tried"]
    assert [one["status"] for one in tried] == ["stopped", "crossed", "stopped", "stopped", "diverged"]


@pytest.mark.parametrize("epochs", [1, 4, 5, 6, 40, 93])
def test_heats_cover_every_epoch_once(epochs: int) -> None:
    parts = list(heats(epochs))
    assert [epoch for part in parts for epoch in range(part.start, part.stop)] == list(range(epochs))
    assert len(parts) <= 6


@pytest.mark.parametrize(
    ("errors", "line"),
    [
        (
            [[0.5, 0.1], [0.5, 0.3], [0.5, 0.3]],
            "0.1 crosses 25% first, after 1.1 epochs; it is the smallest of the list, so that",
        ),
        ([[0.5, 0.3], [0.5, 0.1], [0.5, 0.3]], "of 3 rates 0.2 crosses 25% first, after 1.1 epochs"),
        ([[0.5, 0.3], [0.5, 0.3], [0.5, 0.1]], "0.3 crosses 25% first, after 1.1 epochs; it is the largest of the list"),
        ([[0.5, 0.4], [0.5, 0.3], [0.5, 0.4]], "0.2 comes nearest to 25%, which none has crossed in 2 epochs"),
        ([[], [], []], "0.1 is taken, the smallest of them, since every rate has diverged; it is the smallest of the list"),
    ],
)
def test_what_is_said_of_a_choice(errors: list[list[float]], line: str) -> None:
    settings = dataclasses.replace(CURVE, rates=(0.1, 0.2, 0.3), threshold=0.25)
    tried = {rate: _trial(each, diverged=not each) for rate, each in zip(settings.rates, errors, strict=True)}
    assert line in choice(tried, 0.25)
    metrics = measure(settings, tried, {})
    assert metrics["at_edge"] == ("of the list" in choice(tried, 0.25))
    assert metrics["race_seed"] == 1000 and len(metrics["tried"]) == 3


def test_one_rate_alone_has_not_raced() -> None:
    metrics = measure(dataclasses.replace(CURVE, rates=(0.1,)), {}, {0: _trial([0.9], 0)})
    assert metrics["chosen_rate"] == 0.1 and metrics["at_edge"] and metrics["race_seed"] is None and metrics["tried"] == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"race_seed": 1}, "race_seed is 1; give a seed from 0 on that is none of the judged seeds"),
        ({"race_seed": -1}, "race_seed is -1"),
        ({"rates": ()}, "rates is"),
        ({"rates": (0.1, 0.1)}, "all positive and each once"),
        ({"rates": (0.1, 0.0)}, "all positive"),
        ({"seeds": (1, 1)}, "each once"),
        ({"seeds": (-1,)}, "each once and 0 or more"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch 0"),
        ({"pictures": 0}, "pictures 0"),
        ({"threshold": 1.0}, "threshold is 1.0"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(CURVE, **wrong)


def test_more_pictures_than_there_are(tiny_set: Path, tmp_path: Path) -> None:
    many = dataclasses.replace(CURVE, pictures=121)
    with pytest.raises(ValueError, match="pictures is 121, but training and validation set have 120 together; lower it"):
        train_curve(many, MACHINE, tiny_set, tmp_path, "relu", 0, 0.01, None, lambda _: None)
