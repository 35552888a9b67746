"""Where the paper and the authors' released code differ, statement by statement: what the recipe `code145` (study/training) does,
but where both recipes do the same.

Source: the released configuration of run 145 with the author's notes, and the programs that read it (2012-13).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """`section` of the NIPS 2012 edition; `assumption`: the number in ASSUMPTIONS.md that says what is done about it;
    `both`: what both recipes do, empty where `code145` does what the code does and `paper` what the text says."""

    what: str
    paper: str
    code: str
    section: str
    assumption: str
    both: str = ""


def _row(section: str, what: str, paper: str, code: str, assumption: str, both: str = "") -> Difference:
    return Difference(what=what, paper=paper, code=code, section=section, assumption=assumption, both=both)


DIFFERENCES = (
    _row("3.3", "alpha of response normalisation", "1e-4 on the sum of squares", "1e-4 divided by the 5 maps: 2e-5", "A4"),
    _row("3.3", "maps that it sums over", "of all kernels of the layer", "of each GPU's own", "A23", "as the code"),
    _row("3.3", "a second normalisation in layer 2", "not mentioned", "over 5x5 positions of the same map", "A14"),
    _row("3.5", "order in layer 1", "ReLU, normalisation, pooling", "normalisation, pooling, ReLU", "A14"),
    _row(
        "3.5",
        "224 pixels at stride 4",
        "no padding is named",
        "the last window hangs 3 pixels over the edge",
        "A1",
        "as the code",
    ),
    _row("3.5", "where fc8 is", "not mentioned", "on the first GPU", "A25", "half of the classes on each GPU"),
    _row(
        "4.1",
        "what alpha multiplies in the change of colours",
        "the eigenvalues",
        "their square roots; the patch is then divided by 1.1",
        "A5, A16",
    ),
    _row(
        "4.1",
        "when a change of colours is drawn",
        "for each use of a picture",
        "in the background; the last is used again where the next is not ready",
        "A16",
        "as the paper",
    ),
    _row("4.1", "crops and flips", "a patch a picture", "one crop and flip for 32 pictures in a row", "A16"),
    _row("4.1", "which mean is subtracted", "the mean picture, before patches are cut", "its centre, from every patch", "A11"),
    _row("5", "deviation of the weights at the start", "0.01 in every layer", "0.03 in conv3, conv4 and conv5", "A2"),
    _row("5", "rate of the biases", "one rate for all layers", "at first twice the weights' rate, lowered once", "A10, A15"),
    _row("5", "weight decay of the biases", "not excepted", "none", "A10"),
    _row("5", "rate of conv1", "one rate for all layers", "a tenth from epoch 68, 0 from epoch 72", "A15"),
    _row("5", "order of the pictures", "not mentioned", "the same in every epoch", "A24", "drawn anew in every epoch"),
    _row("5", "end of augmentation", "not mentioned", "colour is switched off after epoch 67", "A16"),
)
