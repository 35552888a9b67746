"""What is registered of a claim: its block, its numbers, the code of its measure and of the rules, and nothing else."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from stages import versions
from study.judging.registration import PARTS, Version, _dumped, registration, weakest
from study.paper.claims import CLAIMS

NOW = versions.as_it_stands(Path())
MEASURES = "study/judging/measures/errors.py"


def changed(path: str, old: str, new: str) -> Version:
    """The project before `old` had become what stands there now."""
    assert old in NOW.modules[path], f"{path} has no {old!r}"
    return Version(protocol=NOW.protocol, modules={**NOW.modules, path: NOW.modules[path].replace(old, new)})


def of(then: Version, claim: str = "two-columns", study: str = "sketch") -> str:
    return registration(claim, study, NOW, then)


def test_the_same_is_pre_registered() -> None:
    assert of(Version(protocol=NOW.protocol, modules=NOW.modules)) == "pre-registered"


def test_a_study_of_what_readers_ask_is_exploratory_whatever_was_registered() -> None:
    same = Version(protocol=NOW.protocol, modules=NOW.modules)
    for name in NOW.protocol["exploratory"]:
        assert Path(f"conf/study/{name}.yaml").is_file() and of(same, study=name).startswith("exploratory")


@pytest.mark.parametrize("claim", [one.id for one in CLAIMS if one.value is not None and one.id in NOW.protocol["claims"]])
def test_every_number_of_every_claim_is_among_what_is_registered(claim: str) -> None:
    parts = NOW.registered(claim, "sketch")
    one = next(one for one in CLAIMS if one.id == claim)
    assert parts["numbers"] is not None and {one.value, *([one.top5] if one.top5 is not None else [])} <= set(parts["numbers"])


@pytest.mark.parametrize(
    ("path", "old", "new", "part"),
    [
        ("study/paper/architecture.py", "value=0.017", "value=0.016", "numbers"),
        (MEASURES, "((name, 1), (block.against, -1))", "((name, -1), (block.against, 1))", "measure"),
        ("study/statistics/dunnett.py", "POINTS = 60", "POINTS = 61", "rules"),
        ("study/judging/verdicts.py", "estimate.high < 0:", "estimate.high < 1:", "rules"),
        ("study/statistics/estimates.py", "several = seeds > 1", "several = seeds > 2", "rules"),
    ],
)  # fmt: skip
def test_a_change_that_changes_a_number_or_a_word_counts(path: str, old: str, new: str, part: str) -> None:
    assert of(changed(path, old, new)) == f"exploratory: changed after its runs: {PARTS[part]}"


def test_comments_docstrings_annotations_and_sentences_do_not_count() -> None:
    signature = "def difference(evidence: Evidence, block: Block) -> Measurement:\n"
    then = changed(MEASURES, signature, "def difference(evidence, block):\n    # said otherwise\n")
    assert of(then) == "pre-registered"
    assert of(changed("study/judging/verdicts.py", "the effect goes the other way: ", "the other way: ")) == "pre-registered"
    assert of(changed("study/judging/report.py", "What held", "What stood")) == "pre-registered"


def test_what_a_claim_does_not_use_does_not_count_for_it() -> None:
    then = changed("study/judging/measures/inside.py", "RARE = 0.05", "RARE = 0.06")
    assert of(then) == "pre-registered"
    assert of(then, "kernels-every-run") == "exploratory: changed after its runs: its measure"


def test_another_block_counts_for_its_claim_and_its_study_alone() -> None:
    claims = {name: dict(block) for name, block in NOW.protocol["claims"].items()}
    claims["two-columns"] = claims["two-columns"] | {"studies": {**claims["two-columns"]["studies"], "imagewoof": {"seeds": 9}}}
    then = Version(protocol={**NOW.protocol, "claims": claims}, modules=NOW.modules)
    assert of(then) == "pre-registered" and of(then, "overlapping-pooling", "imagewoof") == "pre-registered"
    assert of(then, study="imagewoof") == "exploratory: changed after its runs: its block of protocol.yaml"


def test_the_share_of_a_family_is_part_of_every_block_in_it() -> None:
    families = {**NOW.protocol["families"], "effects": {**NOW.protocol["families"]["effects"], "comparisons": 19}}
    then = Version(protocol={**NOW.protocol, "families": families}, modules=NOW.modules)
    assert of(then) == "exploratory: changed after its runs: its block of protocol.yaml"
    assert of(then, "ten-patches") == "pre-registered"


def test_what_did_not_exist_is_exploratory_and_an_unknown_commit_is_not_checked() -> None:
    assert of(Version(protocol={}, modules={})) == f"exploratory: changed after its runs: {', '.join(PARTS.values())}"
    assert registration("two-columns", "sketch", NOW, None) == "not checked"


def test_deviations_are_counted_by_their_place_and_old_ones_do_not_count() -> None:
    then = changed(MEASURES, "((name, 1), (block.against, -1))", "((name, -1), (block.against, 1))")
    told = {"date": "2026-12-01", "reason": "a slip", "parts": ["measure"]}
    first, second = ({"claim": name, **told} for name in ("two-columns", "all"))
    both = replace(NOW, protocol={**NOW.protocol, "deviations": [first, second]}, _parts={}, _known={})
    assert registration("two-columns", "sketch", both, then) == "pre-registered, deviations 1 and 2"
    assert registration("overlapping-pooling", "sketch", both, then) == "pre-registered, deviation 2"
    before = Version(protocol={**then.protocol, "deviations": [first, second]}, modules=then.modules)
    assert registration("two-columns", "sketch", both, before).startswith("exploratory")


def test_a_deviation_covers_the_parts_that_it_names_alone() -> None:
    then = changed(MEASURES, "((name, 1), (block.against, -1))", "((name, -1), (block.against, 1))")
    for parts, word in (
        (["measure"], "pre-registered, deviation 1"),
        (["block"], "exploratory: changed after its runs: its measure"),
    ):
        named = [{"claim": "two-columns", "date": "2026-12-01", "reason": "a slip", "parts": parts}]
        today = replace(NOW, protocol={**NOW.protocol, "deviations": named}, _parts={}, _known={})
        assert registration("two-columns", "sketch", today, then) == word


def test_code_is_the_same_text_with_every_version_of_python() -> None:
    """3.12 knows parameters of types, 3.13 leaves out empty lists: as 3.11 has it."""
    tree = _dumped(ast.parse("def f(x):\n    return g()").body[0])
    assert tree == (
        "FunctionDef(name='f', args=arguments(posonlyargs=[], args=[arg(arg='x')], kwonlyargs=[], kw_defaults=[], defaults=[]), "
        "body=[Return(value=Call(func=Name(id='g', ctx=Load()), args=[], keywords=[]))], decorator_list=[])"
    )


def test_of_several_commits_the_weakest_counts() -> None:
    answers = [
        "pre-registered",
        "pre-registered, deviation 1",
        "exploratory: changed after its runs: its block of protocol.yaml",
        "not checked",
    ]
    for worst in range(1, 5):
        assert weakest(set(answers[:worst])) == answers[worst - 1]


def test_code_that_cannot_be_parsed_is_another_code() -> None:
    then = Version(protocol=NOW.protocol, modules={**NOW.modules, MEASURES: "def ("})
    assert of(then) == "exploratory: changed after its runs: its measure"
