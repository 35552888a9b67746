"""The golden losses: any change of the arithmetic of a training shows here first."""

import json

import pytest

from study.training.recipes import RECIPES
from tests.golden import GOLDEN, STEPS, here, losses


@pytest.mark.parametrize("recipe", RECIPES)
def test_golden_losses(recipe: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert set(golden["losses"]) == set(RECIPES)
    expected, found = golden["losses"][recipe], losses(recipe)
    assert len(found) == STEPS and found[-1] < found[0]
    if golden["made on"] == here():
        assert found == expected, "the bits changed; if they should: uv run python -m tests.golden"
    assert found == pytest.approx(expected, rel=1e-9), "the losses changed; if they should: uv run python -m tests.golden"
