"""The paper as data: its numbers add up, its claims are complete, and reading them needs no torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from study.judging.protocol import MEASURED_KINDS, TESTED_KINDS, UNMEASURED, read_protocol
from study.paper import numbers
from study.paper.claim import fault
from study.paper.claims import CLAIMS, claim, count
from study.paper.misread import misreadings

PARAMETERS = {
    "conv1": 34_944,
    "conv2": 307_456,
    "conv3": 885_120,
    "conv4": 663_936,
    "conv5": 442_624,
    "fc6": 37_752_832,
    "fc7": 16_781_312,
    "fc8": 4_097_000,
}
COUNTS = {
    "fewer-connections": (43_713_621_600 / 105_705_600, True),
    "pictures-a-class": (1200, True),
    "parameters": (60_965_224, True),
    "neurons": (659_272, True),
    "input-size": (150_528, True),
    "neurons-conv1": (290_400, False),
    "neurons-other-layers": (368_872, True),
    "layers-below-1-percent": (885_120 / 60_965_224, False),
    "factor-2048": (2178, False),
    "validation-equals-test": (0.001, True),
    "order-of-importance": (None, True),
    "winning-margin": (0.109, True),
}
CONSISTENT = {"pictures-a-class", "validation-equals-test", "order-of-importance", "winning-margin"}
TABLE_1_AND_2 = {
    "table1-sparse-coding": (0.471, 0.282),
    "table1-fisher-vectors": (0.457, 0.257),
    "table1-cnn": (0.375, 0.170),
    "table2-fisher-vectors": (0.262, None),
    "table2-one-cnn": (0.407, 0.182),
    "table2-five-cnns": (0.381, 0.164),
    "table2-five-cnns-test": (0.164, None),
    "table2-pretrained": (0.390, 0.166),
    "table2-seven-cnns": (0.367, 0.154),
    "table2-seven-cnns-test": (0.153, None),
}


@pytest.mark.parametrize("layer", numbers.LAYERS, ids=lambda layer: layer.name)
def test_parameters_of_a_layer(layer):
    assert layer.parameters == PARAMETERS[layer.name]


def test_totals():
    assert {layer.name for layer in numbers.LAYERS} == set(PARAMETERS)
    assert numbers.parameters() == sum(PARAMETERS.values()) == 60_965_224
    assert numbers.exchanged() == 30_336
    assert (numbers.connections(), numbers.fully_connected_parameters()) == (105_705_600, 290_400 * 150_529)
    assert [layer.outputs for layer in numbers.LAYERS] == [*numbers.KERNELS, *numbers.NEURONS, numbers.CLASSES]


@pytest.mark.parametrize("name", COUNTS)
def test_arithmetic(name):
    counted = count(name)
    assert (counted.computed, counted.agrees) == COUNTS[name]
    assert counted.consistent == (name in CONSISTENT), "only the paper's own numbers against each other are consistent"


def test_every_claim_of_arithmetic_is_counted():
    assert {one.id for one in CLAIMS if one.kind == "arithmetic"} == set(COUNTS)


@pytest.mark.parametrize("name", TABLE_1_AND_2)
def test_tables_row_by_row(name):
    assert (claim(name).value, claim(name).top5) == TABLE_1_AND_2[name]


def test_differences_follow_from_the_rows_they_compare():
    pairs = {
        "ten-patches": ("table1-one-patch", "table1-cnn"),
        "margin-over-hand-made": ("table1-fisher-vectors", "table1-cnn"),
        "ensemble": ("table2-one-cnn", "table2-five-cnns"),
        "pre-training": ("table2-one-cnn", "table2-pretrained"),
        "cifar-normalisation": ("cifar-without", "cifar-with"),
    }
    for name, (worse, better) in pairs.items():
        assert claim(name).value == pytest.approx(claim(worse).value - claim(better).value), name
        if claim(name).top5 is not None:
            assert claim(name).top5 == pytest.approx(claim(worse).top5 - claim(better).top5), name


def test_claims_are_complete():
    assert len({one.id for one in CLAIMS}) == len(CLAIMS)
    assert len({one.title for one in CLAIMS}) == len(CLAIMS)
    for one in CLAIMS:
        assert one.title and one.metric, one.id
        assert one.quote or one.source == "author's notes", f"{one.id}: quote what is claimed"
        assert len(one.quote.split()) <= 15, f"{one.id}: quote fewer words"
        assert (one.kind == "value") <= (one.value is not None), one.id
        assert not one.bound or one.value is not None, f"{one.id}: a bound of what?"


@pytest.mark.parametrize("one", CLAIMS, ids=lambda one: one.id)
def test_a_title_is_one_plain_sentence(one):
    """It starts with a capital letter or a number, has a verb's length at least, and is not two sentences or a label."""
    assert one.title[0].isupper() or one.title[0].isdigit()
    assert 3 <= len(one.title.split()) <= 20
    assert not one.title.endswith(".") and ":" not in one.title and ";" not in one.title


def test_every_claim_has_a_block_or_is_counted_or_says_what_would_test_it():
    protocol = read_protocol(YAML(typ="safe", pure=True).load(Path("protocol.yaml")))
    for one in CLAIMS:
        if one.kind == "untestable":
            assert one.problems and one.needs, f"{one.id}: say why nothing here tests it, and what would"
        elif one.kind == "arithmetic":
            assert count(one.id).working
        else:
            assert one.id in protocol.claims, f"{one.id}: say how it is tested"
    counted = {one.id for one in CLAIMS if one.kind == "arithmetic"}
    assert not counted & set(protocol.claims)


def test_the_protocol_tests_every_claim_that_is_measured():
    content = YAML(typ="safe", pure=True).load(Path("protocol.yaml"))
    protocol = read_protocol(content)
    reported = {"three-gigabytes", "communication"}
    assert set(protocol.claims) - reported == {one.id for one in CLAIMS if one.kind in MEASURED_KINDS}
    assert {one.kind for one in CLAIMS if one.id in reported} == {"untestable"}
    for name, block in protocol.claims.items():
        one = claim(name)
        assert one.unit != "times" or block.smallest_effect > 1, f"{name}: a ratio of 1 is no effect"
        assert block.measure != UNMEASURED or block.add, name
        if one.kind in TESTED_KINDS and one.value and one.unit == "error difference" and block.paper_scale:
            half = one.value / 2
            assert block.smallest_effect == pytest.approx(half, abs=1e-9), f"{name}: half of what the paper prints matters"


def test_the_comparisons_that_are_counted_are_those_of_the_blocks():
    """The constants of the protocol are the numbers of different comparisons that its blocks make, and one for pre-training."""
    protocol = read_protocol(YAML(typ="safe", pure=True).load(Path("protocol.yaml")))
    made = {}
    for block in protocol.claims.values():
        names = block.run.split() if block.measure.startswith("errors.difference") else [block.run]
        made.setdefault(block.family, set()).update((block.measure, name, block.against, block.metric) for name in names)
    effects = {(run, against) for _, run, against, _ in made["effects"]}
    assert len(effects) + len(["pre-training"]) == protocol.head.families["effects"].comparisons == 20, (
        "of one comparison more or less `comparisons` in protocol.yaml, the comment below it and the number here tell too"
    )
    for family in ("effect_of_a_pair", "same_network", "learning_curves", "looks_inside", "timings"):
        assert len(made[family]) == protocol.head.families[family].comparisons, family


@pytest.mark.parametrize(("study", "matters", "of_base"), [("sketch", 0.05, 10), ("photographs", 0.03, 15)])
def test_what_matters_in_a_smaller_study(study, matters, of_base):
    protocol = read_protocol(YAML(typ="safe", pure=True).load(Path("protocol.yaml"))).of_study(study)
    for name, block in protocol.claims.items():
        if block.family == "effects":
            assert (block.smallest_effect, block.seeds) == (matters, 5), name
            with_base = "base" in (*block.run.split(), *block.against.split())
            assert block.against_seeds == (of_base if with_base else None), name


def test_misreadings_take_their_numbers_from_the_claims():
    right = {one.said: one.right for one in misreadings()}
    assert right["65,000 neurons"] == "650,000 as printed; 659,272 by count"
    assert right["17.5% top-5 error"] == "17.0%"
    assert "37.5% and 17.0%" in right["67.4% and 40.9% as the headline"]


def test_reading_the_paper_needs_no_torch():
    code = "import sys, study.paper.misread; print(sorted({'torch', 'numpy', 'dvc'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_sections_in_the_second_edition_are_one_higher():
    assert (claim("response-normalisation").cacm, claim("middle-layers").cacm, claim("any-layer").cacm) == ("4.3", "8", "2")


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"metric": ""}, "has no metric; give it one"),
        ({"section": "3.9"}, "has the section '3.9'; use one of: 1, 2, 3, 3.1"),
        ({"unit": "points"}, "has the unit 'points'; use one of: error, error difference"),
        ({"unit": ""}, "has no unit"),
        ({"id": "two-columns"}, "is there 2 times; give each claim an id of its own"),
    ],
)
def test_a_record_that_is_not_in_order_is_told_in_a_sentence(mistake, sentence):
    assert fault(CLAIMS) == ""
    changed = [replace(one, **mistake) if one.id == "response-normalisation" else one for one in CLAIMS]
    name = mistake.get("id", "response-normalisation")
    assert sentence in fault(changed) and fault(changed).startswith(f"the claim {name!r} of study/paper ")
