"""The claims of section 3: ReLUs, two GPUs, response normalisation, overlapping pooling, sizes."""

from __future__ import annotations

from study.paper import numbers
from study.paper.claim import Claim

VALIDATION_2012 = "ILSVRC-2012, validation (50,000 pictures)"
TEST_2010 = "ILSVRC-2010, test (150,000 pictures)"
CIFAR_TRAINING = "CIFAR-10, training (50,000 pictures)"
CIFAR_TEST = "CIFAR-10, test (10,000 pictures)"
TEN_PATCHES = "one network, softmax averaged over ten patches"
FIGURE_1 = "no regularisation; the learning rate chosen for each activation on its own"

RELU = (
    Claim(
        id="relu-faster",
        title="ReLUs train several times faster than tanh",
        kind="effect",
        section="3.1",
        quote="networks with ReLUs consistently learn several times faster",
        metric="epochs to 25% training error, tanh over ReLU",
        unit="times",
        data=CIFAR_TRAINING,
        protocol=FIGURE_1,
        problems=("'several' is not a number: only the direction is judged",),
        others=("ImageNet at 128 pixels: error 52.9% with ReLUs, 59.9% with tanh, equal epochs (caffenet-benchmark)",),
    ),
    Claim(
        id="relu-six-times",
        title="ReLUs reach 25% training error six times faster than tanh",
        kind="effect",
        section="3.1",
        quote="reaches a 25% training error rate on CIFAR-10 six times faster",
        metric="epochs to 25% training error, tanh over ReLU",
        unit="times",
        value=6.0,
        data=CIFAR_TRAINING,
        protocol=FIGURE_1,
        problems=(
            "Figure 1 does not name its network, its learning rates or the number of seeds",
            "neither release holds a configuration with tanh; the four layers of footnote 3 are the closest",
        ),
    ),
    Claim(
        id="no-input-normalisation",
        title="ReLUs need no normalised input",
        kind="effect",
        section="3.3",
        quote="do not require input normalization to prevent them from saturating",
        metric="rise of top-1 error from normalised to raw pictures, tanh minus ReLU",
        unit="error difference",
        data="not said",
        protocol="four runs: ReLU and tanh, each on pictures from 0 to 255 and on pictures of unit variance",
        problems=("saturation does not occur, but initialisation and normalisation constants do depend on the scale",),
        others=("with inputs of unit variance and the printed initialisation, training stalls at a loss of 6.9 for long",),
    ),
)

TWO_GPUS = (
    Claim(
        id="two-columns",
        title="Two columns err less than one column of half the kernels",
        kind="effect",
        section="3.2",
        quote="reduces our top-1 and top-5 error rates by 1.7% and 1.2%",
        metric="top-1 error, one half-width column minus two columns",
        unit="error difference",
        value=0.017,
        top5=0.012,
        data=TEST_2010,
        protocol=TEN_PATCHES,
        author_run="145-half on 2010: 39.17 / 18.23 against 145-2010: 37.47 / 17.00",
        problems=(
            "conv5 and the fully connected layers are not halved (footnote 2)",
            "it compares numbers of kernels, not one GPU with two",
        ),
        others=("ImageNet at 128 pixels: without groups 51.3% error, with them 52.9% (caffenet-benchmark)",),
    ),
    Claim(
        id="two-gpus-time",
        title="Two GPUs train in slightly less time than one",
        kind="untestable",
        section="3.2",
        quote="takes slightly less time to train than the one-GPU net",
        metric="time of a training",
        unit="",
        data="two GTX 580 with 3 GB",
        problems=("it speaks of the hardware of 2012; times here are reported, not judged",),
    ),
    Claim(
        id="three-gigabytes",
        title="3 GB of memory limit the size of the network",
        kind="untestable",
        section="3.2",
        quote="only 3GB of memory, which limits the maximum size",
        metric="memory of the paper's network in a step at batch 128, on one device",
        unit="GiB",
        value=3.0,
        data="one GTX 580 with 3 GB",
        problems=(
            f"weights, velocities and gradients take {numbers.weight_memory() / 2**30:.2f} GiB by count",
            "what the convolutions of 2012 needed besides is not recorded, so ours is reported, not judged",
        ),
    ),
    Claim(
        id="communication",
        title="Communication is an acceptable fraction of the computation",
        kind="untestable",
        section="3.2",
        quote="an acceptable fraction of the amount of computation",
        metric="share of a step spent exchanging activations",
        unit="share",
        problems=(
            "no number is given, and the share depends on the machine",
            f"by count, a column sends {numbers.exchanged():,} numbers a picture in the forward pass",
        ),
    ),
)

NORMALISATION = (
    Claim(
        id="response-normalisation",
        title="Response normalisation lowers the error",
        kind="effect",
        section="3.3",
        quote="reduces our top-1 and top-5 error rates by 1.4% and 1.2%",
        metric="top-1 error, without minus with response normalisation",
        unit="error difference",
        value=0.014,
        top5=0.012,
        data=VALIDATION_2012,
        protocol=TEN_PATCHES,
        author_run="148: 42.03 / 19.36 against 145: 40.66 / 18.21",
        problems=(
            "the paper does not say on which set; the notes say 2012 validation",
            "run 148 also removes a spatial normalisation that the paper does not mention",
            "later runs of the author saw no loss without the normalisation of layer 2 (167: 40.49, 169: 40.60)",
        ),
        others=("ImageNet at 128 pixels: 52.9% without, 53.0% with (caffenet-benchmark)",),
    ),
    Claim(
        id="cifar-normalisation",
        title="Response normalisation takes CIFAR-10 from 13% to 11%",
        kind="effect",
        section="3.3",
        quote="13% test error rate without normalization and 11% with",
        metric="top-1 error, without minus with response normalisation",
        unit="error difference",
        value=0.02,
        data=CIFAR_TEST,
        protocol="four-layer network, ten views averaged",
        author_run="conv-local-13pct (12.6%) against conv-local-11pct (11%)",
        problems=("the configurations also differ in the kernels of a local layer, weight decay and epochs (160 and 520)",),
    ),
    Claim(
        id="cifar-without",
        title="The four-layer network without normalisation errs 13%",
        kind="value",
        section="3.3",
        quote="a four-layer CNN achieved a 13% test error rate without",
        metric="top-1 error",
        unit="error",
        value=0.13,
        data=CIFAR_TEST,
        protocol="four-layer network, ten views averaged",
        author_run="conv-local-13pct: 12.6%, '13% is a conservative estimate'",
    ),
    Claim(
        id="cifar-with",
        title="The four-layer network with normalisation errs 11%",
        kind="value",
        section="3.3",
        quote="and 11% with normalization",
        metric="top-1 error",
        unit="error",
        value=0.11,
        data=CIFAR_TEST,
        protocol="four-layer network, ten views averaged",
        author_run="conv-local-11pct: 11%",
    ),
)

POOLING = (
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
        title="Networks with overlapping pooling overfit a little less",
        kind="effect",
        section="3.4",
        quote="find it slightly more difficult to overfit",
        metric="validation minus training error at the end, pooling of size 2 minus size 3",
        unit="error difference",
        data="not said",
        protocol="errors during training",
        problems=("no number and no set are given",),
    ),
    Claim(
        id="order-of-importance",
        title="Sections 3.2 to 3.4 stand in the order of their importance",
        kind="arithmetic",
        section="3",
        quote="sorted according to our estimation of their importance",
        metric="printed gains in top-1 error of sections 3.2, 3.3 and 3.4",
        unit="",
        problems=("section 3.1 is about time, not error, and has no place in this order",),
    ),
)

CLAIMS = RELU + TWO_GPUS + NORMALISATION + POOLING
