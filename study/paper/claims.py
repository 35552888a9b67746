"""Every claim of the paper, in the order of its sections, and what counting says of those that its own numbers decide."""

from __future__ import annotations

from dataclasses import dataclass

from study.paper import architecture, figures, learning, numbers, overfitting, questions, results, sizes
from study.paper.claim import SECTIONS, Claim

CLAIMS: tuple[Claim, ...] = tuple(
    sorted(
        architecture.CLAIMS
        + questions.CLAIMS
        + sizes.CLAIMS
        + overfitting.CLAIMS
        + learning.CLAIMS
        + results.CLAIMS
        + figures.CLAIMS,
        key=lambda claim: [*SECTIONS, claim.section].index(claim.section),
    )
)
ROUND = 0.02  # '60 million' and '650,000' are rounded: within this share they count as right
ROUGH = 0.5  # 'roughly 1,000' has one digit: it rounds what lies within this share of it
MUCH = 10  # 'much fewer' is a factor of this or more


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """What a claim comes to by count (None: an order, not a number), and how.

    `consistent`: a sentence is held against other numbers of the paper, which may all be wrong together.
    """

    computed: float | None
    agrees: bool
    working: str
    consistent: bool = False


def claim(name: str) -> Claim:
    """The claim of that id. Raises KeyError naming it."""
    return {one.id: one for one in CLAIMS}[name]


def count(name: str) -> Count:
    """What a claim of kind `arithmetic` comes to. Raises KeyError for any other id."""
    return {
        "fewer-connections": _fewer_connections,
        "pictures-a-class": _pictures_a_class,
        "parameters": _parameters,
        "neurons": _neurons,
        "input-size": _input_size,
        "neurons-conv1": _neurons_conv1,
        "neurons-other-layers": _neurons_other_layers,
        "layers-below-1-percent": _layers_below_1_percent,
        "factor-2048": _factor_2048,
        "validation-equals-test": _validation_equals_test,
        "order-of-importance": _order_of_importance,
        "winning-margin": _winning_margin,
    }[name]()


def _stated(name: str) -> float:
    value = claim(name).value
    assert value is not None, f"{name} states no number"
    return value


def _fewer_connections() -> Count:
    first, connected = numbers.LAYERS[0], numbers.fully_connected_parameters()
    fewer_connections, fewer_parameters = connected / numbers.connections(), connected / first.parameters
    working = (
        f"conv1 has {numbers.connections():,} connections and {first.parameters:,} parameters, biases counted; fully connected, "
        f"its {first.neurons:,} neurons would have {connected:,} of either, {fewer_connections:,.0f} and "
        f"{fewer_parameters:,.0f} times as many"
    )
    computed = min(fewer_connections, fewer_parameters)
    return Count(computed=computed, agrees=computed >= MUCH, working=working)


def _pictures_a_class() -> Count:
    computed = numbers.TRAINING_PICTURES / numbers.CLASSES
    working = f"{numbers.TRAINING_PICTURES:,} training pictures over {numbers.CLASSES:,} categories = {computed:,.0f}"
    return Count(
        computed=computed, agrees=abs(computed / _stated("pictures-a-class") - 1) <= ROUGH, working=working, consistent=True
    )


def _parameters() -> Count:
    computed = numbers.parameters()
    working = f"{computed:,} = " + " + ".join(f"{layer.parameters:,}" for layer in numbers.LAYERS)
    return Count(computed=computed, agrees=abs(computed / _stated("parameters") - 1) <= ROUND, working=working)


def _neurons() -> Count:
    computed = numbers.neurons()
    printed = sum(numbers.FIGURE_2_NEURONS)
    working = f"{computed:,} with 55 x 55 x 96 neurons in layer 1; the printed layer sizes add up to {printed:,}"
    return Count(computed=computed, agrees=abs(computed / _stated("neurons") - 1) <= ROUND, working=working)


def _input_size() -> Count:
    computed = numbers.input_size()
    return Count(computed=computed, agrees=computed == _stated("input-size"), working=f"224 x 224 x 3 = {computed:,}")


def _neurons_conv1() -> Count:
    first = numbers.LAYERS[0]
    working = f"{first.side} x {first.side} x {first.outputs} = {first.neurons:,}"
    return Count(computed=first.neurons, agrees=first.neurons == _stated("neurons-conv1"), working=working)


def _neurons_other_layers() -> Count:
    counted = tuple(layer.neurons for layer in numbers.LAYERS[1:])
    working = ", ".join(f"{layer.name} {layer.neurons:,}" for layer in numbers.LAYERS[1:])
    return Count(computed=sum(counted), agrees=counted == numbers.FIGURE_2_NEURONS[1:], working=working)


def _layers_below_1_percent() -> Count:
    shares = numbers.shares()
    above = [name for name, share in shares.items() if share > _stated("layers-below-1-percent")]
    working = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
    if above:
        working += f"; above 1%: {' and '.join(above)}"
    return Count(computed=max(shares.values()), agrees=not above, working=working)


def _factor_2048() -> Count:
    positions = numbers.PICTURE - numbers.CROP + 1
    working = f"{positions} x {positions} positions x 2 reflections = {numbers.crops():,}"
    return Count(computed=numbers.crops(), agrees=numbers.crops() == _stated("factor-2048"), working=working)


def _validation_equals_test() -> Count:
    pairs = [("table2-five-cnns", "table2-five-cnns-test"), ("table2-seven-cnns", "table2-seven-cnns-test")]
    both = [(claim(validation).top5, claim(test).value) for validation, test in pairs]
    computed = max(round(abs((a or 0) - (b or 0)), 6) for a, b in both)
    working = ", ".join(f"{a:.1%} and {b:.1%}" for a, b in both)
    return Count(computed=computed, agrees=computed <= _stated("validation-equals-test"), working=working, consistent=True)


def _order_of_importance() -> Count:
    gains = [_stated(name) for name in ("two-columns", "response-normalisation", "overlapping-pooling")]
    working = " > ".join(f"{100 * gain:.1f}" for gain in gains) + " points"
    return Count(computed=None, agrees=gains == sorted(gains, reverse=True), working=working, consistent=True)


def _winning_margin() -> Count:
    second, first = _stated("table2-fisher-vectors"), _stated("table2-seven-cnns-test")
    computed = round(second - first, 6)
    working = f"{second:.1%} and {first:.1%} in Table 2, as in the abstract: {100 * computed:.1f} points"
    return Count(computed=computed, agrees=computed == _stated("winning-margin"), working=working, consistent=True)
