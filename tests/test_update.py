"""Section 5's rule by hand, and against torch.optim.SGD where they agree and where they must not."""

import pytest
import torch
from torch import nn

from study.training.update import LearningSettings, Momentum, RateSettings, divisions_after, printed_update


def _one_weight() -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(layer.weight, 2.0)
    return layer


def test_the_printed_rule_by_hand() -> None:
    layer, w, v = _one_weight(), 2.0, 0.0
    rule = Momentum(layer, LearningSettings())
    for gradient, divisions in [(1.0, 0), (-3.0, 0), (0.5, 1), (2.0, 1), (0.1, 2)]:
        rate = 0.01 / 10**divisions
        v = 0.9 * v - 0.0005 * rate * w - rate * gradient
        w = w + v
        assert rule.start_epoch(1, divisions) == rate
        layer.weight.grad = torch.tensor([[gradient]], dtype=torch.float64)
        rule.update()
        assert layer.weight.item() == pytest.approx(w, rel=1e-14)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-7), (torch.float32, 1e-5)])
@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_the_fused_form_equals_the_printed_one(dtype: torch.dtype, close: float, momentum: float) -> None:
    """Over rates that fall, biases with a rate of their own, and weights that lie in memory channels last."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(3, 5)).to(dtype).to(memory_format=torch.channels_last)
    rule = Momentum(network, LearningSettings(momentum=momentum, bias_rate=2.0, rate=RateSettings(initial=0.03)))
    weights = [w.detach().clone() for w in network.parameters()]
    velocities = [torch.zeros_like(w) for w in weights]
    for step in range(30):
        rate = rule.start_epoch(1, step // 10)
        for number, parameter in enumerate(network.parameters()):
            parameter.grad = torch.randn_like(parameter)
            velocities[number], weights[number] = printed_update(
                velocities[number], weights[number], parameter.grad.clone(), rate * (1 + number % 2), momentum, 0.0005
            )
        rule.update()
    for parameter, weight in zip(network.parameters(), weights, strict=True):
        torch.testing.assert_close(parameter.detach(), weight, rtol=close, atol=close)


def _both(divisions: list[int]) -> tuple[float, float]:
    ours, theirs = _one_weight(), _one_weight()
    rule = Momentum(ours, LearningSettings())
    sgd = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    for step, times in enumerate(divisions):
        sgd.param_groups[0]["lr"] = rule.start_epoch(1, times)
        for weight in (ours.weight, theirs.weight):
            weight.grad = torch.tensor([[float(step % 3) - 0.7]], dtype=torch.float64)
        rule.update()
        sgd.step()
    return ours.weight.item(), theirs.weight.item()


def test_equal_to_torch_at_a_fixed_rate() -> None:
    ours, theirs = _both([0] * 20)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_different_from_torch_when_the_rate_falls() -> None:
    """Assumption A6: ours still moves with the velocity of the old rate."""
    ours, theirs = _both([0] * 5 + [1] * 5)
    assert abs(ours - theirs) > 1e-3


def test_biases_and_layers_apart() -> None:
    network = nn.Sequential()
    network.add_module("conv1", nn.Linear(1, 1, dtype=torch.float64))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 1.0)
    settings = LearningSettings(weight_decay=0.1, bias_rate=2.0, bias_decay=False, undecayed=("conv1",))
    rule = Momentum(network, settings)
    rule.start_epoch(1, 0)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    rule.update()
    assert network.conv1.weight.item() == pytest.approx(1 - 0.01)
    assert network.conv1.bias.item() == pytest.approx(1 - 0.02)


def _rates(settings: LearningSettings, parameter: str, epochs: list[tuple[int, int]]) -> list[float]:
    """A parameter's rate at (epoch, divisions so far), by what a step with a gradient of 1 does to it."""
    network = nn.Sequential()
    network.add_module(parameter.split(".")[0], nn.Linear(1, 1, dtype=torch.float64))
    weight = network.get_parameter(parameter)
    rates = []
    for epoch, divisions in epochs:
        rule = Momentum(network, settings)
        nn.init.zeros_(weight)
        for one in network.parameters():
            one.grad = torch.ones_like(one)
        rule.start_epoch(epoch, divisions)
        rule.update()
        rates.append(-weight.item())
    return rates


def test_the_released_codes_biases_fall_once() -> None:
    """Assumption A15: from 0.02 to 0.002 with the weights' third division, and never further."""
    settings = LearningSettings(bias_rate=2.0, bias_divisions=(3,))
    when = [(1, 0), (25, 1), (60, 2), (80, 3)]
    assert _rates(settings, "conv2.weight", when) == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5])
    assert _rates(settings, "conv2.bias", when) == pytest.approx([2e-2, 2e-2, 2e-2, 2e-3])


def test_the_released_codes_conv1_slows_down_and_stops() -> None:
    settings = LearningSettings(conv1_slowed=68, conv1_frozen=72)
    when = [(67, 2), (68, 2), (71, 2), (72, 2), (90, 3)]
    assert _rates(settings, "conv1.weight", when) == pytest.approx([1e-4, 1e-5, 1e-5, 0, 0])
    assert _rates(settings, "conv1.bias", when) == pytest.approx([1e-4, 1e-5, 1e-5, 0, 0])
    assert _rates(settings, "conv2.weight", when) == pytest.approx([1e-4, 1e-4, 1e-4, 1e-4, 1e-5])


def test_rate_falls_when_validation_stops_improving() -> None:
    settings = RateSettings(initial=1.0, patience=2)
    errors = [0.5, 0.4, 0.41, 0.42]
    assert [divisions_after(settings, errors[:n]) for n in range(5)] == [0, 0, 0, 0, 1]
    assert divisions_after(settings, [0.5] * 40) == 3, "three divisions, no more"


def test_rate_falls_at_recorded_epochs() -> None:
    """The author's notes: before epochs 23, 51 and 78 of the 2010 run."""
    settings = RateSettings(initial=0.01, rule="epochs", at=(23, 51, 78))
    assert [divisions_after(settings, [0.0] * done) for done in (21, 22, 50, 77, 90)] == [0, 1, 2, 3, 3]
