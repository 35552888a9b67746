"""The claims of section 3.4: overlapping pooling."""

from __future__ import annotations

from study.paper.architecture import TEN_PATCHES, VALIDATION_2012
from study.paper.claim import Claim

CLAIMS = (
    Claim(
        id="overlapping-pooling",
        title="Overlapping pooling lowers the error",
        kind="effect",
        section="3.4",
        quote="reduces the top-1 and top-5 error rates by 0.4% and 0.3%",
        metric="top-1 error, pooling of size 2 minus size 3, both at stride 2",
        unit="error difference",
        value=0.004,
        top5=0.003,
        data=VALIDATION_2012,
        protocol=TEN_PATCHES,
        author_run="147: 41.06 / 18.51 against 145: 40.66 / 18.21",
        problems=(
            "nearly identical runs of the author spread from 40.66 to 41.11: the effect is as large as that spread",
            "run 147 also changes the padding of conv2 and conv5, to keep maps of equal size",
        ),
        others=("ImageNet at 128 pixels: 52.9% with size 3, 51.6% with size 2, whose maps were larger (caffenet-benchmark)",),
    ),
    Claim(
        id="overlapping-overfit",
        title="Networks with overlapping pooling overfit slightly less",
        kind="effect",
        section="3.4",
        quote="find it slightly more difficult to overfit",
        metric="validation minus training error at the end, pooling of size 2 minus size 3",
        unit="error difference",
        data="not said",
        protocol="errors during training",
        problems=(
            "no number and no set are given",
            "training errors are those of augmented pictures under dropout, in both networks alike",
        ),
    ),
)
