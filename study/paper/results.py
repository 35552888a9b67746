"""The claims of section 6: Tables 1 and 2 row by row, Fall 2009, and the differences between rows."""

from __future__ import annotations

from study.paper.architecture import TEN_PATCHES, TEST_2010, VALIDATION_2012
from study.paper.claim import Claim

TEST_2012 = "ILSVRC-2012, test (labels not published)"
FALL_2009 = "ImageNet Fall 2009, half of 8.9 million pictures, 10,184 classes"
ANOTHER_GROUP = "a result of another group, quoted for comparison: nothing of ours can test it"
MEMBERS = "which networks were averaged is not said"
LINEAGE = "by the notes its first five layers come from run 145 on ILSVRC-2012, by way of Fall 2009 and of Fall 2011"
COEFFICIENTS = "the released avg-valid.py fits coefficients to the validation labels; whether Table 2 did is not known"


def _row(
    name: str,
    title: str,
    quote: str,
    errors: tuple[float | None, float],
    data: str,
    *,
    protocol: str = TEN_PATCHES,
    author_run: str = "",
    problems: tuple[str, ...] = (),
    others: tuple[str, ...] = (),
) -> Claim:
    """A row of Table 1 or 2. `errors`: top-1 and top-5; where only the second is printed, it is the claim's value."""
    top1, top5 = errors
    return Claim(
        id=name,
        title=title,
        kind="untestable" if ANOTHER_GROUP in problems else "value",
        section="6",
        quote=quote,
        metric="top-5 error" if top1 is None else "top-1 error",
        unit="error",
        value=top5 if top1 is None else top1,
        top5=None if top1 is None else top5,
        data=data,
        protocol=protocol,
        author_run=author_run,
        problems=problems,
        others=others,
        needs="the features and classifiers of that group" if ANOTHER_GROUP in problems else "",
    )


TABLE_1 = (
    _row(
        "table1-cnn", "The network errs 37.5% on ILSVRC-2010 (Table 1)",
        "top-1 and top-5 test set error rates of 37.5% and 17.0%",
        (0.375, 0.170), TEST_2010, author_run="145-2010: 37.47 / 17.00",
        others=("39.9 / 18.7 (LeonPeric)", "40.3 / 19.7 on 2010 validation (AsteroidHunter)"),
    ),
    _row(
        "table1-one-patch", "From one patch the network errs 39.0% on ILSVRC-2010 (section 6)",
        "without averaging predictions over ten patches", (0.390, 0.183), TEST_2010,
        protocol="one network, centre patch", author_run="145-2010: 39.02 / 18.30",
    ),
    _row(
        "table1-sparse-coding", "Sparse coding errs 47.1% on ILSVRC-2010 (Table 1)", "Sparse coding [2] 47.1% 28.2%",
        (0.471, 0.282), TEST_2010, protocol="six models averaged", problems=(ANOTHER_GROUP,),
    ),
    _row(
        "table1-fisher-vectors", "Fisher vectors err 45.7% on ILSVRC-2010 (Table 1)", "SIFT + FVs [24] 45.7% 25.7%",
        (0.457, 0.257), TEST_2010, protocol="two classifiers averaged", problems=(ANOTHER_GROUP,),
    ),
)  # fmt: skip

TABLE_2 = (
    _row(
        "table2-fisher-vectors", "Fisher vectors have a top-5 error of 26.2% on ILSVRC-2012 (Table 2)", "SIFT + FVs [7] 26.2%",
        (None, 0.262), TEST_2012, protocol="several classifiers averaged", problems=(ANOTHER_GROUP,),
    ),
    _row(
        "table2-one-cnn", "One network errs 40.7% on ILSVRC-2012 (Table 2)", "1 CNN 40.7% 18.2%",
        (0.407, 0.182), VALIDATION_2012, author_run="145: 40.66 / 18.21",
        others=("41.2 / 18.2 (longrootchen)", "centre patch: 42.9 / 19.8 (Caffe), 43.5 / 20.9 (torchvision's variant)"),
    ),
    _row(
        "table2-five-cnns", "Five averaged networks err 38.1% on ILSVRC-2012 (Table 2)", "5 CNNs 38.1% 16.4%",
        (0.381, 0.164), VALIDATION_2012, protocol="five networks averaged, ten patches",
        problems=(MEMBERS, COEFFICIENTS),
    ),
    _row(
        "table2-five-cnns-test", "Five averaged networks have a top-5 test error of 16.4% (Table 2)", "5 CNNs 16.4%",
        (None, 0.164), TEST_2012, protocol="five networks averaged, ten patches", problems=(MEMBERS,),
    ),
    _row(
        "table2-pretrained", "One network pre-trained on Fall 2011 errs 39.0% on ILSVRC-2012 (Table 2)", "1 CNN* 39.0% 16.6%",
        (0.390, 0.166), VALIDATION_2012, protocol="six convolutional layers, pre-trained on Fall 2011; ten patches",
        author_run="146-2012-2011: 38.99 / 16.62",
        problems=(LINEAGE,),
    ),
    _row(
        "table2-seven-cnns", "Seven averaged networks err 36.7% on ILSVRC-2012 (Table 2)", "7 CNNs* 36.7% 15.4%",
        (0.367, 0.154), VALIDATION_2012, protocol="two pre-trained and five networks averaged, ten patches",
        problems=(MEMBERS, COEFFICIENTS, "the notes hold two networks that were pre-trained on Fall 2009, and one on 2011"),
    ),
    _row(
        "table2-seven-cnns-test", "Seven averaged networks have a top-5 test error of 15.3% (Table 2)", "7 CNNs* 15.3%",
        (None, 0.153), TEST_2012, protocol="two pre-trained and five networks averaged, ten patches",
        problems=(MEMBERS,),
    ),
)  # fmt: skip

FALL = (
    _row(
        "fall-2009", "A network of six convolutional layers errs 67.4% on ImageNet Fall 2009",
        "on this dataset are 67.4% and 40.9%",
        (0.674, 0.409), FALL_2009, protocol="six convolutional layers, ten patches",
        problems=("no released note has these numbers; the nearest, without a sixth layer, is 69.42 / 43.73",),
    ),
    _row(
        "fall-2009-others", "The best published result on ImageNet Fall 2009 was an error of 78.1%",
        "best published results ... 78.1% and 60.9%",
        (0.781, 0.609), FALL_2009, protocol="not said", problems=(ANOTHER_GROUP,),
    ),
)  # fmt: skip

DIFFERENCES = (
    Claim(
        id="ten-patches",
        title="Ten averaged patches err less than one",
        kind="effect",
        section="6",
        quote="without averaging predictions over ten patches ... are 39.0% and 18.3%",
        metric="top-1 error, centre patch minus ten patches",
        unit="error difference",
        value=0.015,
        top5=0.013,
        data=TEST_2010,
        protocol="the same network",
        author_run="145-2010: 39.02 / 18.30 against 37.47 / 17.00",
    ),
    Claim(
        id="margin-over-hand-made",
        title="The network errs much less than hand-made features",
        kind="effect",
        section="6",
        quote="considerably better than the previous state-of-the-art",
        metric="top-1 error, hand-made features minus the network",
        unit="error difference",
        value=0.082,
        top5=0.087,
        data=TEST_2010,
        protocol=TEN_PATCHES,
        problems=("the words are the abstract's, the number is the difference of two rows of Table 1",),
    ),
    Claim(
        id="ensemble",
        title="Averaging networks lowers the error",
        kind="effect",
        section="6",
        quote="Averaging the predictions of five similar CNNs",
        metric="top-1 error, mean of single networks minus their average",
        unit="error difference",
        value=0.026,
        top5=0.018,
        data=VALIDATION_2012,
        protocol="ten patches, softmax averaged over networks",
        problems=(MEMBERS, COEFFICIENTS, "the number counts from the one network printed, 40.7%, not from the mean of the five"),
    ),
    Claim(
        id="pre-training",
        title="Pre-training on more pictures lowers the error",
        kind="effect",
        section="6",
        quote="then 'fine-tuning' it on ILSVRC-2012",
        metric="top-1 error, from scratch minus pre-trained",
        unit="error difference",
        value=0.017,
        top5=0.016,
        data=VALIDATION_2012,
        protocol=TEN_PATCHES,
        problems=("the pre-trained network also has a sixth convolutional layer", LINEAGE),
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
    Claim(
        id="validation-equals-test",
        title="Validation and test error differ by no more than 0.1%",
        kind="arithmetic",
        section="6",
        quote="they do not differ by more than 0.1%",
        metric="largest difference of the rows of Table 2 that have both",
        unit="error difference",
        value=0.001,
        bound="at most",
        data="ILSVRC-2012, top-5 error",
    ),
    Claim(
        id="winning-margin",
        title="The winning entry of ILSVRC-2012 had a top-5 error of 15.3%, the second-best one of 26.2%",
        kind="arithmetic",
        section="6",
        quote="a winning top-5 test error rate of 15.3%, compared to 26.2%",
        metric="top-5 error, the second-best entry minus the winning one",
        unit="error difference",
        value=0.109,
        data=TEST_2012,
        problems=("nothing of ours can score either entry: the test labels are the organisers'", "the words are the abstract's"),
    ),
)

CLAIMS = TABLE_1 + TABLE_2 + FALL + DIFFERENCES
