"""Section 5's rule by hand, and against torch.optim.SGD where they agree and where they must not."""

import pytest
import torch
from torch import nn

from study.training.update import LearningSettings, Momentum, RateSettings, rate_after


def _one_weight() -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(layer.weight, 2.0)
    return layer


def test_the_printed_rule_by_hand() -> None:
    layer, w, v = _one_weight(), 2.0, 0.0
    rule = Momentum(layer, LearningSettings())
    for gradient, rate in [(1.0, 0.01), (-3.0, 0.01), (0.5, 0.001), (2.0, 0.001)]:
        v = 0.9 * v - 0.0005 * rate * w - rate * gradient
        w = w + v
        rule.update([torch.tensor([[gradient]], dtype=torch.float64)], rate)
        assert layer.weight.item() == pytest.approx(w, rel=1e-14)


def _both(rates: list[float]) -> tuple[float, float]:
    ours, theirs = _one_weight(), _one_weight()
    rule = Momentum(ours, LearningSettings())
    sgd = torch.optim.SGD(theirs.parameters(), lr=rates[0], momentum=0.9, weight_decay=0.0005)
    for step, rate in enumerate(rates):
        gradient = torch.tensor([[float(step % 3) - 0.7]], dtype=torch.float64)
        rule.update([gradient], rate)
        sgd.param_groups[0]["lr"] = rate
        theirs.weight.grad = gradient
        sgd.step()
    return ours.weight.item(), theirs.weight.item()


def test_equal_to_torch_at_a_fixed_rate() -> None:
    ours, theirs = _both([0.01] * 20)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_different_from_torch_when_the_rate_falls() -> None:
    """Assumption A6: ours still moves with the velocity of the old rate."""
    ours, theirs = _both([0.01] * 5 + [0.001] * 5)
    assert abs(ours - theirs) > 1e-3


def test_biases_and_layers_apart() -> None:
    network = nn.Sequential()
    network.add_module("conv1", nn.Linear(1, 1, dtype=torch.float64))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0)
    settings = LearningSettings(weight_decay=0.1, bias_rate=2.0, bias_decay=False, undecayed=("conv1",))
    rule = Momentum(network, settings)
    rule.update([torch.ones(1, 1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)], 0.01)
    assert network.conv1.weight.item() == pytest.approx(1 - 0.01)
    assert network.conv1.bias.item() == pytest.approx(1 - 0.02)


def test_rate_falls_when_validation_stops_improving() -> None:
    settings = RateSettings(initial=1.0, patience=2)
    errors = [0.5, 0.4, 0.41, 0.42]
    assert [rate_after(settings, errors[:n]) for n in range(5)] == [1.0, 1.0, 1.0, 1.0, pytest.approx(0.1)]
    assert rate_after(settings, [0.5] * 40) == pytest.approx(1e-3), "three divisions, no more"


def test_rate_falls_at_recorded_epochs() -> None:
    settings = RateSettings(initial=0.01, rule="epochs", at=(23, 51, 78))
    rates = [rate_after(settings, [0.0] * done) for done in (21, 22, 50, 77, 90)]
    assert rates == pytest.approx([0.01, 1e-3, 1e-4, 1e-5, 1e-5])
