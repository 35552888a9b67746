"""The claims of sections 1, 5 and 7: weight decay, biases, rates, time, depth, size."""

from __future__ import annotations

from study.paper.architecture import TEN_PATCHES
from study.paper.claim import Claim

LEARNING = (
    Claim(
        id="weight-decay",
        title="Weight decay lowers the training error",
        kind="effect",
        section="5",
        quote="not merely a regularizer: it reduces the model's training error",
        metric="training error at the end, without minus with weight decay",
        unit="error difference",
        data="not said",
        protocol="error during training",
        others=("ImageNet at 128 pixels: error 52.9% at 5e-4, 55.0% at 1e-4, but on validation (caffenet-benchmark)",),
    ),
    Claim(
        id="biases-of-one",
        title="Biases of one speed up the beginning",
        kind="effect",
        section="5",
        quote="accelerates the early stages of learning",
        metric="training loss after the first epoch, biases of zero minus biases of one",
        unit="nats",
        data="not said",
        protocol="loss during training",
        others=("users of Caffe report a flat loss with biases of one and none with 0.1 (BVLC/caffe#2085)",),
    ),
    Claim(
        id="equal-rates",
        title="All layers learn at the same rate",
        kind="untestable",
        section="5",
        quote="an equal learning rate for all layers",
        metric="what was done",
        unit="",
        problems=(
            "the released configuration contradicts it: biases learn at 0.02, and their rate falls less",
            "there, conv1 is slowed and frozen at the end",
        ),
    ),
    Claim(
        id="three-divisions",
        title="The rate was divided by ten three times",
        kind="untestable",
        section="5",
        quote="reduced three times prior to termination",
        metric="what was done",
        unit="",
        author_run="145-2010: divided at epochs 23, 51 and 78; 145: at 25, 51 and 79",
        problems=("a statement about the authors' own training; the notes of two runs agree with it",),
    ),
    Claim(
        id="ninety-cycles",
        title="Roughly 90 cycles took five to six days",
        kind="untestable",
        section="5",
        quote="roughly 90 cycles ... five to six days on two NVIDIA GTX 580",
        metric="time of a training",
        unit="",
        author_run="145-2010 stopped at epoch 93, 145 at epoch 91",
        problems=("it speaks of the hardware of 2012",),
    ),
)

SIZE = (
    Claim(
        id="any-layer",
        title="Removing any convolutional layer costs accuracy",
        kind="effect",
        section="1",
        quote="removing any convolutional layer ... resulted in inferior performance",
        metric="smallest loss of top-1 error over the five removals",
        unit="error difference",
        data="not said",
        protocol=TEN_PATCHES,
        problems=("no runs are released, and how maps were matched after a removal is not said",),
    ),
    Claim(
        id="middle-layers",
        title="Removing a middle layer costs about 2%",
        kind="effect",
        section="7",
        quote="a loss of about 2% for the top-1 performance",
        metric="top-1 error, without minus with one middle layer",
        unit="error difference",
        value=0.02,
        data="not said",
        protocol=TEN_PATCHES,
        problems=("no runs are released",),
    ),
    Claim(
        id="layers-below-1-percent",
        title="Each convolutional layer has no more than 1% of the parameters",
        kind="arithmetic",
        section="1",
        quote="each of which contains no more than 1% of the model's parameters",
        metric="largest share of the parameters in one convolutional layer",
        unit="share",
        value=0.01,
    ),
    Claim(
        id="larger-networks",
        title="A larger network does better",
        kind="effect",
        section="7",
        quote="our results have improved as we have made our network larger",
        metric="top-1 error, half-width minus full-width network, both of two columns",
        unit="error difference",
        data="not said",
        protocol=TEN_PATCHES,
        others=("ImageNet at 128 pixels: half the width costs 5.5 points (caffenet-benchmark)",),
    ),
    Claim(
        id="more-data",
        title="More data do better",
        kind="effect",
        section="1",
        quote="improved simply by waiting for faster GPUs and bigger datasets",
        metric="top-1 error, half of the training pictures minus all",
        unit="error difference",
        data="not said",
        protocol=TEN_PATCHES,
        others=(
            "ImageNet at 128 pixels: 52.9, 56.2, 60.7, 69.5% at 1200, 800, 400, 200 thousand (caffenet-benchmark)",
        ),
    ),
)

CLAIMS = LEARNING + SIZE
