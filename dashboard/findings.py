"""Figures of a study with what they show in a sentence, made in one place for the pages and for the file that is mailed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from dashboard import charts, frames, judged
from dashboard.reading import Study
from dashboard.tables import listed
from study import amounts, files
from study.judging.report import PRECISION_AT, RANKED_BY
from study.measuring.kernels import COLOURED


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """`drawing` is Plotly's; `words` say what it shows, from the numbers of `table`; `alt` says what is drawn, `source` of what;
    `name` is the figure's in addresses and of its files."""

    drawing: go.Figure
    words: str
    table: pd.DataFrame
    name: str
    alt: str
    source: str


def figure_1(study: Study) -> Finding | None:
    """Training error over epochs by activation; None where no curve was drawn."""
    curves = frames.convergence(study)
    if curves.empty:
        return None
    threshold, reached, told, means = frames.threshold(study), frames.epochs_to_threshold(study), [], {}
    for curve, part in reached.groupby("curve"):
        name, missing, last = charts.curve_name(curve), int(part["epochs_to_threshold"].isna().sum()), part["epochs"].max()
        if missing:
            told.append(f"{name} not after {last:.0f} epochs in {missing} of {len(part)} trainings")
            continue
        means[str(curve)] = float(part["epochs_to_threshold"].mean())
        told.append(f"{name} after {amounts.amount(means[str(curve)], 'epochs')} on average")
    ratio, by = judged.speed_up(study, means)
    told_as = ratio or judged.bounded_speed_up(study)  # where a seed did not reach the threshold there is a bound alone
    words = f"{threshold:.0%} training error: {'; '.join(told)}" + (f": ReLU is {told_as} as fast{by}" if told_as else "")
    if len(told) > 2:  # in words each would take a line
        in_order = sorted(means, key=means.__getitem__)
        first = ", ".join(f"{charts.curve_name(curve)} {amounts.digits(means[curve])}" for curve in in_order)
        never = listed(charts.curve_name(curve) for curve in reached["curve"].unique() if curve not in means)
        limit = f"in {reached['epochs'].max():.0f} epochs not reached by {never}" if never else ""
        words = f"{threshold:.0%} training error: " + "; ".join(filter(None, [first and f"after {first} epochs", limit]))
    return Finding(
        drawing=charts.figure1(curves, threshold, means, ratio),
        words=words,
        table=curves,
        name="figure1",
        alt="Training error over epochs for ReLU (solid) and tanh (dashed), a thin line a seed, and the threshold",
        source=f"{study.address}. {charts.lines_of(curves, 'curve')} {_rates(study)}.",
    )


def _rates(study: Study) -> str:
    """How each curve came by its learning rate, as its race says."""
    tried = frames.rates_tried(study)
    said = []
    for curve, rate, at_edge in frames.rates_chosen(study):
        name = charts.curve_name(curve)
        count = int((tried["curve"] == curve).sum())
        how = "the only one tried" if count < 2 else f"the fastest of {count} tried"
        edge = ", at the edge of what was tried" if at_edge and count > 1 else ""
        said.append(f"{name} learns at {rate:g}, {how}{edge}")
    return "; ".join(said)


def components(study: Study) -> Finding | None:
    """Each run's difference from the one that all are compared with; None where there is no other."""
    table, control = frames.components(study, judged.claims(study)), frames.control(study)
    if table.empty:
        return None
    largest = table.loc[table["difference"].abs().idxmax()]
    size = amounts.amount(abs(largest["difference"]) / 100, "error difference")
    single = largest["seeds"] == 1 or len(frames.seed_errors(study, control)) == 1  # then nobody knows how far seeds differ
    return Finding(
        drawing=charts.components(table, control),
        words=f"The largest difference from {control}: {largest['run']} errs {size} "
        f"{'more' if largest['difference'] > 0 else 'less'}" + " (from one seed)" * bool(single),
        table=table.drop(columns="values"),
        name="components",
        alt=f"Each run's difference from {control} in points of top-1 error",
        source=f"Ten patches, means over seeds. Right of 0 a run errs more than {control}. Intervals are those of the claims, "
        "which hold for all comparisons of a study at once; a run without one is compared by no claim, or has a single seed."
        + (" Runs beyond the axis stand at its edge with their difference." if charts.far_off(table["difference"]).any() else ""),
    )


def curves(study: Study, part: pd.DataFrame, quantity: str, names: list[str]) -> Finding | None:
    """One of charts.QUANTITIES over the epochs of runs: `part` of frames.curves, `names` all runs; None where it is unknown."""
    what, unit = charts.QUANTITIES[quantity]
    ends = part.dropna(subset=[quantity]).groupby(["run", "seed"])[quantity].last().groupby("run").mean()
    if ends.empty:
        return None
    factor = 100 if unit == "%" else 1
    told = {name: f"{amounts.digits(factor * end)}{'' if unit == '%' else ' '}{unit}" for name, end in ends.items()}
    least, most = told[ends.idxmin()], told[ends.idxmax()]
    words = f"{what.capitalize()} at the end: "
    if len(ends) > 1 and least == most:
        words += f"{least} in every run"
    else:
        words += f"lowest {ends.idxmin()} {least}" + (f", highest {ends.idxmax()} {most}" if len(ends) > 1 else "")
    return Finding(
        drawing=charts.training(part, quantity, names, {frames.control(study), ends.idxmin(), ends.idxmax()}),
        words=words,
        table=part,
        name="training",
        alt=f"{what} over epochs, one colour a run",
        source=f"{study.address}. "
        + (
            "Means of the seeds; a few runs, if chosen, show each of theirs."
            if len(ends) > charts.MANY
            else charts.lines_of(part)
        ),
    )


def kernel_kinds(study: Study, run: str) -> Finding | None:
    """How many kernels are frequency- and orientation-selective, or coloured blobs: trained, and before training; None where
    nothing was fitted."""
    fits = frames.kernel_fits(study, run)
    if fits.empty:
        return None
    trained, before = fits[fits["when"] == "end"], fits[fits["when"] == "start"]
    starts = before["seed"].nunique()
    parts = {f"seed {seed}": of for seed, of in trained.groupby("seed")} | (
        {f"untrained, {f'{starts} seeds' if starts > 1 else 'one seed'}": before} if starts else {}
    )
    counts = pd.DataFrame(
        [(place, kind, int((of["kind"] == kind).sum())) for place, of in parts.items() for kind in files.KINDS],
        columns=["place", "kind", "kernels"],
    )
    selective, blobs = int(trained["kind"].str.contains("selective").sum()), int((trained["kind"] == "coloured blob").sum())
    noise = f"; before training {int((before['kind'] != 'neither').sum())} of {len(before)} are either" if len(before) else ""
    return Finding(
        drawing=charts.kernel_kinds(counts[counts["kernels"] > 0]),
        words=f"{selective} of {len(trained)} trained kernels are selective for orientation and frequency, {blobs} coloured "
        f"blobs{noise}",
        table=fits,
        name=f"kernel-kinds-{run}",
        alt="Kernels by kind: selective, blob or neither; grey or coloured; trained and untrained",
        source="A Gabor function with an amplitude and phase for each colour, fitted by least squares. "
        f"Selective: half a wave or more within its envelope; coloured: {COLOURED:.0%} of its energy off the grey axis; neither: "
        f"less than half of the kernel explained. Median explained: {trained['explained'].median():.0%} trained"
        + (f", {before['explained'].median():.0%} untrained." if len(before) else "."),
    )


def precision(study: Study) -> Finding | None:
    """Figure 4, right: how good neighbours are by what was compared; None where that was not measured."""
    table, (run, queries, seeds, chance) = frames.precision(study), frames.retrieval(study)
    if table.empty:
        return None
    known = table[table["by"].isin(RANKED_BY) & table["measure"].isin(PRECISION_AT)]
    known = known.assign(by=known["by"].map(RANKED_BY), measure=known["measure"].map(PRECISION_AT))
    six = known[known["measure"] == PRECISION_AT["6"]].set_index("by")["mean"]
    told = ", ".join(f"{amounts.amount(six[name], 'share')} by {name}" for name in list(RANKED_BY.values())[1:] if name in six)
    far = "; ".join(f"{amounts.amount(share, 'share')} by {name}" for name, share in frames.percentiles(study).items())
    first = amounts.amount(six.get(RANKED_BY["features"], float("nan")), "share")
    return Finding(
        drawing=charts.precision(known, chance),
        words=f"Of six neighbours in the last hidden layer {first} are of the query's class ({told})",
        table=known,
        name="precision",
        alt="Shares of neighbours that are of the query's class, by what was compared",
        source=f"{study.address}, {run}: {queries:,} test pictures against all training pictures, "
        f"the mean of {seeds} seed{'' if seeds == 1 else 's'}, 95% intervals over the queries. How many of all pictures are "
        f"nearer in pixels than the six neighbours are (50% by chance): {far}.",
    )


def by_distance(study: Study, run: str, model: str) -> Finding | None:
    """Error by how far the object is from the centre; None where the pictures do not say where it is."""
    table = frames.by_distance(study, run, model)
    if table.empty:
        return None
    first, last = table.iloc[0], table.iloc[-1]
    return Finding(
        drawing=charts.by_distance(table),
        words=f"Error is {amounts.amount(first['error'], 'error')} where the object lies {first['distance']:.2f} widths from the "
        f"centre, {amounts.amount(last['error'], 'error')} where it lies {last['distance']:.2f}",
        table=table,
        name="off-centre",
        alt="Top-1 error by the distance of the object from the centre of the picture",
        source=f"{study.address}, {run}, {model}: test pictures in {len(table)} parts of equally many by where their object was "
        "drawn; 95% intervals.",
    )


def masks(study: Study) -> Finding | None:
    """How far means of few masks and halved outputs are from the mean of many, and how often each is wrong."""
    table = frames.masks(study)
    if table.empty or not (table["mean"] == "halved").any():
        return None
    halved = table[table["mean"] == "halved"].iloc[0]
    many, about = frames.error_of_many(study), frames.halved(study)
    return Finding(
        drawing=charts.masks(table),
        words=f"Halved outputs lie {amounts.amount(halved['divergence'], 'nats')} from the mean of many masks, "
        f"{how_near(study)}; they err by {amounts.amount(halved['top1_error'], 'error')}"
        + (f", the mean of many by {amounts.amount(many, 'error')}" if many == many else "")
        + f", of {about.get('pictures')} pictures",
        table=table,
        name="masks",
        alt="Divergence from the mean of many masks, and error: means of few masks, and halved outputs",
        source=f"{study.address}, {about.get('run')}, seed {about.get('seed')}, {about.get('pictures')} test pictures. Nats: "
        "Kullback and Leibler's divergence from the geometric mean of many other masks.",
    )


def how_near(study: Study) -> str:
    """Of how many masks the mean is as near to that of many as halved outputs are; empty where it was not measured."""
    table = frames.masks(study)
    halved, geometric = table[table["mean"] == "halved"], table[table["mean"] == "geometric"].sort_values("masks")
    if halved.empty or geometric.empty:
        return ""
    divergence = halved["divergence"].iloc[0]
    if divergence < geometric["divergence"].min():
        return f"nearer than a mean of {geometric['masks'].max():.0f} masks"
    nearest = (geometric["divergence"].map(math.log) - math.log(divergence)).abs().idxmin()
    return f"about as near as a mean of {geometric['masks'][nearest]:.0f} masks"


def masks_by_picture(study: Study) -> Finding | None:
    """Of each picture, whether means of few masks, of many, and halved outputs name the right class."""
    table = frames.masks_by_picture(study)
    if table.empty:
        return None
    right = table.pivot(index="picture", columns="mean", values="right")
    agree, one = float((right["halved"] == right["many"]).mean()), float((right["1"] == right["many"]).mean())
    return Finding(
        drawing=charts.right_by_masks(table),
        words=f"Halved outputs and the mean of many masks are both right or both wrong on {amounts.amount(agree, 'share')} of "
        f"the pictures; a single mask and that mean on {amounts.amount(one, 'share')}",
        table=table,
        name="masks-by-picture",
        alt="Right or wrong by the number of masks averaged, a row a picture",
        source="A row for each test picture. A mask is one draw of the neurons that are dropped; the columns are the geometric "
        "mean of the outputs under 1 to 100 masks, under all that were drawn, and the halved outputs.",
    )


def among_the_five(study: Study, run: str, model: str) -> tuple[str, str] | None:
    """Figure 4, left: how often the right label is among the five where the first is wrong, and of how many; None where nothing
    says or no label is wrong."""
    found = frames.predictions(study, run)
    if found is None or model not in found.best or not (wrong := found.wrong("top1")[model]).any():
        return None
    missed, others = int(wrong.sum()), max(len(frames.class_names(study, frames.labels_in(found))) - 1, 1)
    saved = int((wrong & ~found.wrong("top5")[model]).sum())
    low, high = (amounts.amount(end, "share") for end in frames.wilson(saved, missed))
    told = f"Where the first label is wrong, the right one is among the other four in {amounts.amount(saved / missed, 'share')}"
    return told, (
        f"{saved:,} of {missed:,} misjudged test pictures, 95% interval {low} to {high}; four labels drawn "
        f"from the other {others:,} classes would hold it in {amounts.amount(min(1, 4 / others), 'share')}."
    )


def filters(table: pd.DataFrame) -> str:
    """The errors of base by filter (frames.beside), least first, and whether they lie farther apart than seeds of one do."""
    mean = table.groupby("study")["error"].mean().sort_values()
    by_seed = table.groupby("study")["error"].agg(lambda of: of.max() - of.min()).max()
    told = listed(f"{error:.1f}% ({name})" for name, error in mean.items())
    apart = mean.max() - mean.min()
    more = "farther" if apart > by_seed else "no farther"
    seeds = int(table.groupby("study")["seed"].nunique().max())
    each = f"{seeds} seed{'s' * (seeds > 1)} each"
    return f"{told}, {each}: {apart:.1f} points apart, {more} than seeds of one filter are ({by_seed:.1f})"


def moved(part: pd.DataFrame) -> str:
    """What the mean error of the seeds is at the values of one sweep (frames.sweeps), to follow "the error". Of several lines
    first at the values at which none diverged; where one did there is no mean of it, and the others' errors are said. Empty
    where fewer than two values have a mean on every line."""
    means = part.groupby(["value", "line"])["error"].agg(lambda of: of.mean(skipna=False)).unstack()
    if means.shape[1] == 1:
        mean = means.iloc[:, 0].dropna()
        if len(mean) < 2:
            return ""
        told = listed(f"{error:.1f}% at {value:.3g}" for value, error in mean.items())
        by_seed, apart = part.groupby("value")["error"].agg(lambda of: of.max() - of.min()).max(), mean.max() - mean.min()
        farther = f"{apart:.1f} points apart, seeds of one run up to {by_seed:.1f}"
        within = "no farther apart than seeds of one run" if apart <= by_seed else farther
        lost = [f"at {value:.3g} {_lost(of)} diverged" for value, of in part.groupby("value")["error"] if of.isna().any()]
        return f"is {told} ({within})" + (f" ({listed(lost)})" if lost else "")
    shared = means.dropna()
    if len(shared) < 2:
        return ""
    by = "; ".join(f"{listed(f'{error:.1f}' for error in shared[line])}% with {line}" for line in shared)
    told = f"at {listed(f'{value:.3g}' for value in shared.index)}, {by}"
    for value in means.index[means.isna().any(axis=1)]:
        of_it = means.loc[value].dropna()
        errors = [f"it is {listed(f'{error:.1f}% with {line}' for line, error in of_it.items())}"] if len(of_it) else []
        by_line = part[part["value"] == value].groupby("line")["error"]
        gone = [f"with {line} {_lost(of)} diverged" for line, of in by_line if of.isna().any()]
        told += f"; at {value:.3g} {', and '.join(errors + gone)}" if gone else ""
    for line, others in ((line, means.drop(columns=line)) for line in means if means[line].notna().all()):
        if (others.gt(means[line], axis=0) | others.isna()).all(axis=None):
            return f"is lowest with {line} at each value: {told}"
    return f"is, {told}"


def _lost(errors: pd.Series) -> str:
    """Of how many seeds the error is missing."""
    return f"{errors.isna().sum()} of {len(errors)} seeds"
