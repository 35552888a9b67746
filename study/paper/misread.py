"""What readers of the paper often get wrong, beside what it says. The right numbers come from the claims."""

from __future__ import annotations

from dataclasses import dataclass

from study.paper import numbers
from study.paper.claim import Claim
from study.paper.claims import claim

ILSVRC_2010, ILSVRC_2012 = 1_261_406, 1_281_167  # training pictures, as those below by Russakovsky et al. (IJCV 2015), Table 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Misreading:
    said: str
    right: str
    section: str


def _errors(of: Claim) -> str:
    return f"{of.value:.1%} and {of.top5:.1%}"


def misreadings() -> tuple[Misreading, ...]:
    """A row a misreading, in the order in which the paper treats them."""
    table1, fall = claim("table1-cnn"), claim("fall-2009")
    columns, pooling = claim("two-columns"), claim("overlapping-pooling")
    five, five_test = claim("table2-five-cnns"), claim("table2-five-cnns-test")
    rows = [
        ("65,000 neurons", f"{claim('neurons').value:,.0f} as printed; {numbers.neurons():,} by count", "abstract"),
        (
            "exactly 1.2 million training pictures",
            f"the paper rounds ('roughly 1.2 million'): {ILSVRC_2010:,} in ILSVRC-2010, {ILSVRC_2012:,} in ILSVRC-2012",
            "2",
        ),
        ("150,000 test pictures in every year", "150,000 is the test set of ILSVRC-2010; that of ILSVRC-2012 has 100,000", "2"),
        (
            "1,000 pictures in each class",
            "'roughly 1000 images in each of 1000 categories': 668 to 3,047 in ILSVRC-2010, 732 to 1,300 in ILSVRC-2012",
            "2",
        ),
        ("about a week of training", "five to six days", "5"),
        (
            f"{_errors(fall)} as the headline",
            f"that is ImageNet Fall 2009 with 10,184 classes; the headline is {_errors(table1)}",
            "6",
        ),
        (
            f"five networks: {five.top5:.1%} printed twice must be a mistake",
            f"validation {five.top5:.1%} and test {five_test.value:.1%}: both right, and within 0.1%",
            "6",
        ),
        ("three fully connected layers besides the output layer", "three with the output layer", "3.5"),
        (
            "overlapping pooling was compared with pooling that keeps the maps' size",
            f"both halve the maps: size {numbers.POOLING_SIZE} against size 2, at stride {numbers.POOLING_STRIDE}, "
            f"for {100 * (pooling.value or 0):.1f} and {100 * (pooling.top5 or 0):.1f} points",
            "3.4",
        ),
        ("the gain of 1% came from smaller pictures", "colour augmentation did", "4.1"),
        (
            "a ReLU on the output of every layer",
            "the text says so, but the last layer feeds the softmax directly",
            "3.5",
        ),
        (
            f"parallelisation gains {100 * (columns.value or 0):.1f} and {100 * (columns.top5 or 0):.1f} points",
            "against a network on one GPU with half as many kernels in conv1 to conv4; its other layers are whole (footnote 2)",
            "3.2",
        ),
        ("the first deep network on two GPUs; object detection", "neither is claimed; the task is classification", "1"),
        ("17.5% top-5 error", f"{table1.top5:.1%}", "6"),
    ]
    return tuple(Misreading(said=said, right=right, section=section) for said, right, section in rows)
