"""The claims of section 6.1: Figures 3 and 4."""

from __future__ import annotations

from study.paper.claim import Claim

KERNELS = "first-layer kernels (Figure 3)"
FIVE_QUERIES = "ILSVRC-2010, five test pictures (Figure 4)"
EIGHT_PICTURES = "eight test pictures (Figure 4)"

FIGURE_3 = (
    Claim(
        id="kernels-specialise",
        title="Most first-layer kernels of one column are grey, most of the other one are coloured",
        kind="figure",
        section="6.1",
        quote="GPU 1 are largely color-agnostic ... GPU 2 are largely color-specific",
        metric="share of the kernels that colour sorts into the right column, beyond the share that chance sorts so",
        unit="share",
        value=0.5,
        bound="at least",
        data=KERNELS,
        protocol="columns renumbered in every seed; what was there before training taken out",
        problems=("'largely' is not a number: three of four kernels, where chance sorts half of them, is our reading",),
        others=("not seen in one run of two columns on cats and dogs (demul)",),
    ),
    Claim(
        id="kernels-every-run",
        title="The columns' kernels specialise in every run, from whatever initialisation",
        kind="figure",
        section="6.1",
        quote="occurs during every run and is independent of any particular random weight initialization",
        metric="share of the seeds whose columns specialise, minus one half",
        unit="share",
        data=KERNELS,
        protocol="every seed on its own, columns renumbered",
        problems=("how many runs were looked at is not said",),
        others=("not seen in one run of two columns on cats and dogs (demul)",),
    ),
    Claim(
        id="specialisation-cause",
        title="Restricted connectivity between the columns is what makes their kernels specialise",
        kind="figure",
        section="6.1",
        quote="a result of the restricted connectivity described in Section 3.5",
        metric="difference of the columns' colourfulness beyond chance, minus that of the halves of a network without columns",
        unit="share",
        data=KERNELS,
        protocol="columns renumbered in every seed; what was there before training taken out",
        problems=(
            "no network without columns is shown",
            "without columns response normalisation reads all maps too, so that not the connectivity alone differs",
        ),
    ),
    Claim(
        id="kernels-variety",
        title="The first layer learns kernels of many frequencies and orientations, and coloured blobs",
        kind="untestable",
        section="6.1",
        quote="a variety of frequency- and orientation-selective kernels",
        metric="to be judged by eye",
        unit="",
        data=KERNELS,
        problems=("what counts as variety is not said; the kernels are shown",),
        needs="a number for what counts as a variety",
    ),
)

FIGURE_4 = (
    Claim(
        id="neighbours",
        title="Pictures that are near in the last hidden layer show the same thing",
        kind="figure",
        section="6.1",
        quote="feature activation vectors with a small Euclidean separation",
        metric="share of the query's class among six neighbours, the trained network minus the same network before training",
        unit="share",
        data=FIVE_QUERIES,
        protocol="Euclidean distance, training pictures",
        problems=(
            "the paper shows five queries and names no share",
            "a network that has learned nothing also finds more of the query's class than chance, and than pixels do",
        ),
    ),
    Claim(
        id="neighbours-far-in-pixels",
        title="Pictures that are near in the last hidden layer are generally not near in pixels",
        kind="figure",
        section="6.1",
        quote="generally not close in L2 to the query images",
        metric="mean percentile of six neighbours in pixel distance, the trained network minus the same network before training",
        unit="share",
        data=FIVE_QUERIES,
        protocol="Euclidean distance, training pictures; a percentile of 0.5 is that of a picture drawn at random",
        problems=(
            "how far 'not close' is, is not said; the neighbours of a network that has learned nothing are the comparison",
        ),
    ),
    Claim(
        id="reasonable-labels",
        title="Most of the five likeliest labels are reasonable",
        kind="untestable",
        section="6.1",
        quote="Most of the top-5 labels appear reasonable",
        metric="to be judged by eye",
        unit="",
        data=EIGHT_PICTURES,
        problems=("what counts as reasonable is not said",),
        needs="people's judgement of labels, or a hierarchy of the classes with a distance that counts as reasonable",
    ),
    Claim(
        id="off-centre",
        title="Objects away from the centre of a picture are recognised",
        kind="figure",
        section="6.1",
        quote="even off-center objects ... can be recognized",
        metric="share named right of the pictures with the farthest objects, minus half of that share for central objects",
        unit="share",
        data=EIGHT_PICTURES,
        protocol="outer and inner quarter of the test pictures by the distance of their objects; ten patches",
        problems=(
            "one example (a mite) is no rate, and how far from the centre is not said",
            "'can be recognized' is read as: at least half as often as central objects",
        ),
    ),
)

CLAIMS = FIGURE_3 + FIGURE_4
