"""Names and formats of the files of a study: the only module that knows them. It needs neither torch nor DVC.

    results/<study>/                     the working area (in DVC's cache, not in Git); pinned/<name>/ has this tree (pinning.py)
      download/source.json               what the pictures are, with the checksums of their files, and how splits were made
      download/files.csv                 of photographs: how many files were used and left out, by reason and ending
      prepare/packed.json                the packed set: counts, classes, mean, colour covariance, content hash
      prepare/objects.csv                of built-in pictures: where the objects of the test pictures are (OBJECTS)
      prepare/pictures.csv               a row a picture file that is unusual: what was found and done (study/data/packing.py)
      train/<run>/metrics.json           one entry a seed: epochs, last errors, finished or diverged
      train/<run>/seed-<s>/curve.csv     a row an epoch (study/training/outputs.py)
      train/<run>/seed-<s>/weights.safetensors
      train/<run>/seed-<s>/kernels.npy   first-layer kernels, float32 (kernels, height, width, RGB); column 1 first
      train/<run>/seed-<s>/kernels.png   the same as a picture (Figure 3)
      evaluate/<run>/metrics.json        top-1 and top-5 error, ten patches and centre patch, a seed, averaged models
      evaluate/<run>/ten_patches.npz, centre_patch.npz, probabilities.npz    what each model predicts (study/predictions.py)
      evaluate/<run>/classes.csv         error by class (CLASSES), empty where a class has no test picture
      evaluate/<run>/kernels.csv         a row a seed and first kernel (KERNELS): what was fitted to it, its kind (KINDS)
      evaluate/<run>/patches.csv         the patches of test pictures that excite each kernel most (PATCHES)
      evaluate/<run>/network.json        the built network, layer by layer (study/measuring/architecture.py; Figure 2)
      converge/<curve>/metrics.json      rates tried, rate chosen, epochs to the threshold by seed (null: not reached)
      converge/<curve>/curves.csv        a row a seed and epoch (study/training/outputs.py)
      converge/<curve>/figure1.csv       epoch, training_error: the mean over seeds, for DVC's plot of Figure 1
      retrieve/metrics.json              how often neighbours share the query's class, precision at 1, 6, 50, and on average
      retrieve/neighbours.csv            a row a query and rank (NEIGHBOURS), of one seed
      retrieve/others.csv                a row a query and rank (OTHERS): by an untrained network, by colour histograms
      retrieve/map.csv                   a row a test picture (MAP): its features along their two main axes
      retrieve/matches.csv               a row a seed and query (MATCHES): trained, untrained, pixels
      retrieve/features-train.npy, features-test.npy    float32 (pictures, features) of the last hidden layer
      retrieve/features-train-codes.npy, -facts.npy     an index of the former, to search it (study/measuring/index.py)
      halve/metrics.json                 how far halved outputs, and means of few masks, are from the mean of many (section 4.2)
      halve/divergences.csv              the same, a row a test picture (DIVERGENCES), and which means are right of it
      cost/metrics.json, rounds.csv      a step's seconds with and without augmentation (COSTS), its memory, what crosses
      hand_made/metrics.json, predictions.csv    a linear classifier on hand-made features of the same pictures (HAND_MADE)
      foreign/                           another network, tested as ours are, and its provenance.json (no stage)
      judge/claims.json, claims.csv, claims.md, claims.tex   a row a claim: numbers, uncertainty, scale, verdict
      judge/open.md, misread.md          what would settle the open claims; what readers often get wrong
      judge/report.md                    the reproduction report on one page
      judge/protocol.json                how each claim was tested, to be compared with another repository's
      judge/metrics.json                 how many claims got which verdict
      judge/provenance.json              what made the verdicts
      provenance/<stage>.json            what made any other stage's results; `train-<run>.json` where a stage has many

Errors are fractions from 0 to 1 in every file. Pictures and labels are numbered from 0 within their split.
"""

from __future__ import annotations

from pathlib import Path

RESULTS = Path("results")
PINNED = Path("pinned")

HAND_MADE = ("picture", "label", "first", "second", "third", "fourth", "fifth")
COSTS = ("round", "way", "seconds")  # seconds of a step, the mean of the round
DIVERGENCES = ("picture", "label", "halved")  # in nats; then geometric_<n> and arithmetic_<n>, the means of n masks
CLASSES = ("class", "name", "pictures", "top1_error", "top5_error")
MATCHES = ("seed", "query", "label", "features_match", "untrained_match", "pixels_match") + (
    "features_percentile",
    "untrained_percentile",
)  # shares of a query's neighbours that have its class; mean percentiles of neighbours in pixel distance, 0 to 1
OBJECTS = ("picture", "label", "distance")  # of the object's centre from that of the test picture, in widths of the picture
NEIGHBOURS = ("query", "label", "rank", "neighbour", "neighbour_label", "distance", "pixel_neighbour", "pixel_label")
KERNELS = ("seed", "when", "kernel", "explained", "orientation", "frequency", "waves", "colour", "kind")  # `when`: start or end
KINDS = ("grey, selective", "coloured, selective", "coloured blob", "grey blob", "neither")
PATCHES = ("seed", "kernel", "rank", "picture", "y", "x", "answer")  # the patch's upper left pixel, in the packed picture
OTHERS = ("by", "query", "rank", "neighbour", "neighbour_label")
MAP = ("picture", "across", "down")

AVERAGED = "averaged"  # the `model` of a prediction made by averaging the models of all seeds


LASTING = {".json", ".csv", ".npz", ".md", ".tex", ".png"}


def lasts(path: Path) -> bool:
    """Whether a file is small and of use for long: tables, metrics, predictions, kernels. Weights and features are neither."""
    return path.suffix in LASTING or path.name == "kernels.npy"


def provenance(results: Path, stage: str) -> Path:
    """Where a stage (`evaluate-base`) says what made its results. `judge` reads the folder, so its own is not there."""
    return results / "judge" / "provenance.json" if stage == "judge" else results / "provenance" / f"{stage}.json"
