"""The claims about the network's sizes, most of which arithmetic decides (section 3.5 and Figure 2)."""

from __future__ import annotations

from study.paper import numbers
from study.paper.claim import Claim

CLAIMS = (
    Claim(
        id="parameters",
        title="The network has 60 million parameters",
        kind="arithmetic",
        section="3.5",
        quote="60 million parameters",
        metric="weights and biases",
        unit="count",
        value=60e6,
        others=("single-tensor copies without groups have 62,378,344; torchvision's variant 61,100,840",),
    ),
    Claim(
        id="neurons",
        title="The network has 650,000 neurons",
        kind="arithmetic",
        section="3.5",
        quote="650,000 neurons",
        metric="neurons of the eight layers",
        unit="count",
        value=650_000,
    ),
    Claim(
        id="input-size",
        title="The input has 150,528 numbers",
        kind="arithmetic",
        section="3.2",
        quote="the network's input is 150,528-dimensional",
        metric="numbers of a patch",
        unit="count",
        value=numbers.FIGURE_2_INPUT,
    ),
    Claim(
        id="neurons-conv1",
        title="Layer 1 has 253,440 neurons",
        kind="arithmetic",
        section="3.2",
        quote="253,440",
        metric="neurons of conv1",
        unit="count",
        value=numbers.FIGURE_2_NEURONS[0],
        problems=("it equals 55 x 48 x 96; the released code has maps of 55 x 55",),
    ),
    Claim(
        id="neurons-other-layers",
        title="Layers 2 to 8 have the printed numbers of neurons",
        kind="arithmetic",
        section="3.2",
        quote="186,624-64,896-64,896-43,264-4096-4096-1000",
        metric="neurons of conv2 to fc8",
        unit="count",
        value=sum(numbers.FIGURE_2_NEURONS[1:]),
    ),
    Claim(
        id="maps-of-55",
        title="224 pixels at stride 4 with kernels of 11 make maps of 55",
        kind="untestable",
        section="3.5",
        quote="filters the 224x224x3 input image with 96 kernels",
        metric="side of conv1's maps",
        unit="",
        problems=(
            "(224 - 11) / 4 + 1 is no whole number, and the text names no padding",
            "the released code rounds up: the last windows hang 3 pixels over the right and bottom edge and read zeros",
        ),
    ),
)
