"""The claims of section 4: crops and flips, colour, dropout."""

from __future__ import annotations

from study.paper.architecture import TEN_PATCHES
from study.paper.claim import Claim

AUGMENTATION = (
    Claim(
        id="crops-overfitting",
        title="Without crops and flips the network overfits",
        kind="effect",
        section="4.1",
        quote="Without this scheme, our network suffers from substantial overfitting",
        metric="rise of the validation loss above its minimum, without minus with crops and flips",
        unit="nats",
        data="not said",
        protocol="loss during training",
        problems=("no number and no set are given; the released code draws crops and flips once for 32 pictures",),
    ),
    Claim(
        id="augmentation-free",
        title="Augmentation costs no time",
        kind="absence",
        section="4.1",
        quote="these data augmentation schemes are, in effect, computationally free",
        metric="share of a step's time that reading its pictures from memory and augmenting them takes",
        unit="share",
        data="the authors' machine",
        protocol="steps on augmented batches against steps on one batch again and again, in turns",
        problems=("it depends on the machine: the authors' CPU prepared pictures while the GPUs trained",),
    ),
    Claim(
        id="factor-2048",
        title="Crops and flips enlarge the training set 2,048 times",
        kind="arithmetic",
        section="4.1",
        quote="increases the size of our training set by a factor of 2048",
        metric="different patches of one picture",
        unit="count",
        value=2048,
        problems=("2048 = 32 x 32 x 2, but 224 has 33 positions in 256; the released code draws from 33",),
    ),
    Claim(
        id="colour-pca",
        title="Colour augmentation lowers the error by over 1%",
        kind="effect",
        section="4.1",
        quote="This scheme reduces the top-1 error rate by over 1%",
        metric="top-1 error, without minus with colour augmentation",
        unit="error difference",
        value=0.01,
        data="not said",
        protocol=TEN_PATCHES,
        problems=(
            "'over 1%' is a lower bound",
            "the printed rule scales by eigenvalues, the released code by their square roots, and then divides by 1.1",
            "the constants that most copies use are 2 to 17 times weaker than the code's",
        ),
        others=("a user of fb.resnet.torch saw no help from its colour noise",),
    ),
)

DROPOUT = (
    Claim(
        id="dropout-overfitting",
        title="Without dropout the network overfits",
        kind="effect",
        section="4.2",
        quote="Without dropout, our network exhibits substantial overfitting",
        metric="rise of the validation loss above its minimum, without minus with dropout",
        unit="nats",
        data="not said",
        protocol="loss during training",
        problems=(
            "no number and no set are given",
            "training errors with and without dropout cannot be compared, so the rise of the validation loss is judged",
        ),
        others=("ImageNet at 128 pixels: errors 52.9, 50.3, 50.6, 52.7% at dropout .5, .3, .2, .1 (caffenet-benchmark)",),
    ),
    Claim(
        id="dropout-iterations",
        title="Dropout doubles the iterations to convergence",
        kind="effect",
        section="4.2",
        quote="roughly doubles the number of iterations required to converge",
        metric="iterations to convergence, with over without dropout",
        unit="times",
        value=2.0,
        data="not said",
        protocol="converged: validation error within a tenth of its own minimum",
        problems=("what counts as convergence is not said",),
    ),
    Claim(
        id="dropout-halving",
        title="Halving the outputs approximates the mean of many dropout networks",
        kind="effect",
        section="4.2",
        quote="a reasonable approximation to taking the geometric mean",
        metric="divergence from the geometric mean of 1,000 masks, one mask minus halved outputs",
        unit="nats",
        data="not said",
        protocol="one trained network; a mean of masks that are others than those compared with it",
        problems=("how close counts as reasonable is not said",),
    ),
)

CLAIMS = AUGMENTATION + DROPOUT
