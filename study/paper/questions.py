"""Comparisons that the paper does not make: what its author's notes add, and what its readers ask (sections 3.2 and 3.3)."""

from __future__ import annotations

from study.paper.architecture import TEN_PATCHES, VALIDATION_2012
from study.paper.claim import Claim

CLAIMS = (
    Claim(
        id="one-large-gpu",
        title="One GPU that holds all kernels without groups errs less than two columns",
        kind="effect",
        section="3.2",
        quote="How is it different than training in a single powerful GPU?",
        metric="top-1 error, two columns minus one of their joint width",
        unit="error difference",
        source="readers",
        data="not in the paper",
        protocol=TEN_PATCHES,
        problems=(
            "without groups the network has more parameters, 62,378,344 against 60,965,224 at the paper's size, all of these in "
            "convolutional layers; and response normalisation then reads all maps",
        ),
        others=("ImageNet at 128 pixels: without groups 51.3% error, with them 52.9% (caffenet-benchmark)",),
    ),
    Claim(
        id="no-communication",
        title="Columns that never communicate err more",
        kind="effect",
        section="3.2",
        quote="",
        metric="top-1 error, without minus with communication",
        unit="error difference",
        source="author's notes",
        data=VALIDATION_2012,
        protocol=TEN_PATCHES,
        author_run="150: 41.83 / 19.33 against 145: 40.66 / 18.21",
        problems=("run 150 also has more kernels in conv2 and more neurons, to make up for the connections that are missing",),
    ),
    Claim(
        id="batch-normalisation",
        title="Batch normalisation lowers the error below that of response normalisation",
        kind="effect",
        section="3.3",
        quote="more robust to hyperparameters",
        metric="top-1 error, response minus batch normalisation",
        unit="error difference",
        source="readers",
        data="not in the paper",
        protocol=TEN_PATCHES,
        problems=("compared at the rate of response normalisation, which may not be the best one for batch normalisation",),
        others=(
            "centre patch: 41.8 / 19.2 with batch normalisation (MatConvNet), 42.9 / 19.8 with response normalisation (Caffe)",
        ),
    ),
)
