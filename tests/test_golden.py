"""The golden losses: any change of the arithmetic of a training shows here first."""

import json

import pytest

from tests.golden import CASES, GOLDEN, STEPS, here, losses


@pytest.mark.parametrize("case", CASES)
def test_golden_losses(case: str) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert set(golden["losses"]) == set(CASES)
    expected, found = golden["losses"][case], losses(case)
    assert len(found) == STEPS and found[-1] < found[0]
    if golden["made on"] == here():
        assert found == expected, "the bits changed; if they should: uv run python -m tests.golden"
    assert found == pytest.approx(expected, rel=1e-9), "the losses changed; if they should: uv run python -m tests.golden"
