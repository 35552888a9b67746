"""The claims of sections 3.1 to 3.4, ReLUs, two GPUs, response normalisation, overlapping pooling; and the conditions that many
claims share."""

from __future__ import annotations

from study.paper import numbers
from study.paper.claim import Claim

VALIDATION_2012 = "ILSVRC-2012, validation (50,000 pictures)"
TEST_2010 = "ILSVRC-2010, test (150,000 pictures)"
BY_NOTES_2012 = "ILSVRC-2012, validation, by the author's notes (50,000 pictures)"  # which the paper does not say
BY_NOTES_2010 = "ILSVRC-2010, test, by the author's notes (150,000 pictures)"
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
        problems=(
            "'several' is not a number: only the direction is judged",
            "the paper counts iterations, as many an epoch with either: epochs are judged, seconds stand beside them",
        ),
        others=("ImageNet at 128 pixels: error 52.9% with ReLUs, 59.9% with tanh, equal epochs (caffenet-benchmark)",),
    ),
    Claim(
        id="relu-six-times",
        title="ReLUs reach 25% training error on CIFAR-10 six times faster than tanh",
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
        id="relu-varies",
        title="The advantage of ReLUs over tanh depends on the network",
        kind="effect",
        section="3.1",
        quote="The magnitude of the effect demonstrated here varies with network architecture",
        metric="ratio of epochs to 25% training error, tanh over ReLU, of one network over that of another, the larger first",
        unit="times",
        data=CIFAR_TRAINING,
        protocol=FIGURE_1,
        problems=(
            "no second network, and no amount of variation, is named: a difference in either direction is what is claimed",
        ),
    ),
    Claim(
        id="no-input-normalisation",
        title="ReLUs do not require input normalisation",
        kind="effect",
        section="3.3",
        quote="do not require input normalization to prevent them from saturating",
        metric="rise of top-1 error from normalised to raw pictures, tanh minus ReLU",
        unit="error difference",
        data="not said",
        protocol="four runs: ReLU and tanh, each on pictures from 0 to 255 and on pictures of unit variance",
        problems=(
            "the paper speaks of saturation alone, not of tanh: to compare errors, with tanh's beside them, is our reading",
            "saturation does not occur, but initialisation and normalisation constants do depend on the scale",
        ),
        others=("with inputs of unit variance and the printed initialisation, training stalls at a loss of 6.9 for long",),
    ),
)

TWO_GPUS = (
    Claim(
        id="two-columns",
        title="Two columns err less than one column with half of the kernels",
        kind="effect",
        section="3.2",
        quote="reduces our top-1 and top-5 error rates by 1.7% and 1.2%",
        metric="top-1 error, one half-width column minus two columns",
        unit="error difference",
        value=0.017,
        top5=0.012,
        data=BY_NOTES_2010,
        protocol=TEN_PATCHES,
        author_run="145-half on 2010: 39.17 / 18.23 against 145-2010: 37.47 / 17.00",
        problems=(
            "conv5 and the fully connected layers are not halved (footnote 2)",
            "it compares numbers of kernels, not one GPU with two; by footnote 2 it is biased in favour of the one column",
            "the paper does not say on which set; the notes say the test pictures of 2010",
        ),
    ),
    Claim(
        id="two-gpus-time",
        title="The network on two GPUs trains in slightly less time than the smaller one on one GPU",
        kind="untestable",
        section="3.2",
        quote="takes slightly less time to train than the one-GPU net",
        metric="time of a training",
        unit="",
        data="two GTX 580 with 3 GB",
        problems=("it speaks of the hardware of 2012; times here are reported, not judged",),
        needs="two GTX 580 with 3 GB in one computer, and the convolutions of 2012",
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
        needs="a GTX 580 with 3 GB, and the convolutions of 2012",
    ),
    Claim(
        id="communication",
        title="Communication between the GPUs is an acceptable fraction of the computation",
        kind="untestable",
        section="3.2",
        quote="an acceptable fraction of the amount of computation",
        metric="share of a step spent exchanging activations",
        unit="share",
        problems=(
            "no number is given, and the share depends on the machine",
            f"by count, a column sends {numbers.exchanged():,} numbers a picture in the forward pass",
        ),
        needs="two GTX 580 in one computer, and a number for what is acceptable",
    ),
    Claim(
        id="connectivity-chosen",
        title="Validation chose which layers communicate between the GPUs",
        kind="untestable",
        section="3.2",
        quote="Choosing the pattern of connectivity is a problem for cross-validation",
        metric="what was done",
        unit="",
        author_run="132 and 133: communication before conv4 in place of conv3, worse than 131",
        problems=("a statement about the authors' own choice; which patterns were tried, and how they erred, is not said",),
        needs="the authors' records of the patterns that they tried",
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
        data=BY_NOTES_2012,
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
        id="normalisation-generalises",
        title="Response normalisation narrows the gap between training and validation error",
        kind="effect",
        section="3.3",
        quote="the following local normalization scheme aids generalization",
        metric="validation minus training error at the end, without minus with response normalisation",
        unit="error difference",
        data="not said",
        protocol="errors during training",
        problems=(
            "'aids generalization' may mean no more than a lower test error; the gap is what the word means",
            "training errors are those of augmented pictures under dropout, in both networks alike",
        ),
    ),
    Claim(
        id="cifar-normalisation",
        title="Response normalisation lowers the error on CIFAR-10 from 13% to 11%",
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
        title="The four-layer network without normalisation errs 13% on CIFAR-10",
        kind="value",
        section="3.3",
        quote="a four-layer CNN achieved a 13% test error rate without",
        metric="top-1 error",
        unit="error",
        value=0.13,
        data=CIFAR_TEST,
        protocol="four-layer network, ten views averaged",
        author_run="conv-local-13pct: 12.6%, '13% is a conservative estimate'",
        problems=("the released configuration was trained for 160 epochs, at last on the validation pictures too",),
    ),
    Claim(
        id="cifar-with",
        title="The four-layer network with normalisation errs 11% on CIFAR-10",
        kind="value",
        section="3.3",
        quote="and 11% with normalization",
        metric="top-1 error",
        unit="error",
        value=0.11,
        data=CIFAR_TEST,
        protocol="four-layer network, ten views averaged",
        author_run="conv-local-11pct: 11%",
        problems=("the released configuration also has more kernels in a local layer, another weight decay and 520 epochs",),
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
        data=BY_NOTES_2012,
        protocol=TEN_PATCHES,
        author_run="147: 41.06 / 18.51 against 145: 40.66 / 18.21",
        problems=(
            "nearly identical runs of the author spread from 40.66 to 41.11: the effect is as large as that spread",
            "run 147 also changes the padding of conv2 and conv5, to keep maps of equal size",
            "the paper does not say on which set; the notes say 2012 validation",
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

CLAIMS = RELU + TWO_GPUS + NORMALISATION + POOLING
