"""Verdicts for people and programs: rows as JSON and CSV, tables in Markdown and LaTeX, and the report on one page.

The report has the order that reviewers of reproductions know: scope, methodology, results, what was easy, what was hard, where
paper and code differ. Every number comes from a row or a record.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any

from study import files, storage
from study.amounts import amount, interval
from study.judging.about import Study
from study.judging.protocol import Head
from study.judging.registration import PRE_REGISTERED
from study.judging.row import COLUMNS, NO_NUMBER, UNREADABLE, Row, qualified, says_of_what
from study.judging.verdicts import GROUPS, HELD, NOT_HELD, NOT_JUDGED, NOT_LONG_ENOUGH, NOT_SEEN, SMALL, WORDS
from study.paper.misread import misreadings
from study.paper.released import DIFFERENCES
from study.provenance import training_seconds

LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", NO_NUMBER: "--"}  # fmt: skip
TITLES = {
    HELD: "What held",
    NOT_HELD: "What did not hold",
    SMALL: "What was smaller than what matters here",
    NOT_SEEN: "What could not be seen",
    NOT_JUDGED: "What was not judged",
}
KINDS = {
    "effect": "effects",
    "absence": "of something that makes no difference",
    "figure": "patterns in a figure",
    "value": "numbers",
    "arithmetic": "that its own numbers decide",
    "untestable": "that nothing of ours can decide",
}
RANKED_BY = {  # of the right half of Figure 4, by the names in retrieve/metrics.json
    "features": "last hidden layer",
    "untrained": "the same, untrained",
    "colours": "colour histogram",
    "pixels": "pixels",
}
PER_LAYER = ("parameters", "multiplications", "crosses")
PRECISION_AT = {"1": "nearest", "6": "6 nearest", "50": "50 nearest", "average": "mean average precision"}
MOST = 8  # sentences of one group: a page holds no more
# So begin remarks on every comparison, which the page has all; and those of them that the report leaves out, by group
OF_ALL = ("compared at one rate", "validation loss at the end", "from the centre patch", "training error at the end")
LEFT_OUT = {NOT_HELD: OF_ALL[:2], SMALL: OF_ALL[:3]}
EASY = (
    "Layer sizes, the update rule, the schedule and the tests are stated; what can be counted agrees, but for what is refuted "
    "above. The released configurations carry the author's notes, which name the run of a number and agree with the tables."
)
HARD = (
    "The text alone does not fix the padding, the order within layer 1, the units of the colour change, the fate of biases, or "
    "how maps fit after a layer is removed; Figure 1 names neither its network nor its rates. Several effects are as small as "
    "the spread between the author's own nearly identical runs: one training each cannot show them. The printed "
    "initialisation stays on a plateau for long where data are few. The data of Tables 1 and 2 must be asked for; those of "
    "Fall 2009 and 2011 cannot be had."
)


def as_json(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """The content of claims.json."""
    return {
        "study": study.name,
        "scale": study.pictures,
        "counts": counts(rows)["verdicts"],
        "claims": [row.columns() for row in rows],
        "misread": [asdict(one) for one in misreadings()],
    }


def as_csv(rows: Sequence[Row]) -> list[list[Any]]:
    """Rows of claims.csv, in the order of COLUMNS; lists are joined by semicolons, files stand as `path sha256`."""

    def flat(value: Any) -> Any:
        if isinstance(value, Mapping):
            return "; ".join(f"{path} {sha}" for path, sha in value.items())
        return "; ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else value

    return [[flat(row.columns()[column]) for column in COLUMNS] for row in rows]


def counts(rows: Sequence[Row]) -> dict[str, Any]:
    """The content of metrics.json: how many claims there are and how many have each verdict."""
    words = Counter(row.verdict.word for row in rows)
    return {"claims": len(rows), "verdicts": {word: words[word] for word in WORDS}}


def summary(rows: Sequence[Row]) -> str:
    """`Of 61 claims 12 are decided by arithmetic, whatever is trained: 9 held and 3 did not hold. Of the others 5 held, ...`"""
    counted = [row for row in rows if row.claim.kind == "arithmetic"]
    others = [row for row in rows if row.claim.kind != "arithmetic"]
    return (
        f"Of {len(rows)} claims {len(counted)} are decided by arithmetic, whatever is trained: {_counted(counted)}. "
        f"Of the others {_counted(others)}."
    )


def _counted(rows: Sequence[Row]) -> str:
    """`14 held, 1 was smaller than what matters and 40 were not judged`"""
    groups = Counter(GROUPS[row.verdict.word] for row in rows)
    said = [f"{count} {name.replace('were', 'was') if count == 1 else name}" for name in TITLES if (count := groups[name])]
    return " and ".join(part for part in (", ".join(said[:-1]), *said[-1:]) if part)


def as_markdown(study: Study, rows: Sequence[Row]) -> str:
    """claims.md: what held, what did not, what could not be seen, and what was not judged."""
    parts = [f"Study `{study.name}`: {study.pictures}. {summary(rows)}"]
    for group, title in TITLES.items():
        of_group = [row for row in rows if row.group() == group]
        if of_group:
            lines = ["| § | claim | in the paper | here | rests on | verdict |", "|---|---|---|---|---|---|"]
            lines += [f"| {' | '.join(_cell(cell) for cell in _cells(row))} |" for row in of_group]
            parts.append(f"**{title}**\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _cells(row: Row) -> list[str]:
    claim, measured = row.claim, row.numbers.ours is not None
    title = f"{claim.title} ({claim.metric})" if measured and says_of_what(claim.kind, claim.unit) else claim.title
    word = qualified(row.verdict.word, row.numbers.registered)
    return [claim.section, title, row.in_paper(), row.here(), f"{row.sample()}{_limit(row)}", word]


def _limit(row: Row) -> str:
    """From which size on an effect would matter or would be seen, as the end of a sentence; empty where that says nothing."""
    if row.group() == SMALL:
        seen = "; an effect is seen" if (row.numbers.low or 0) > 0 else ""
        return f"{seen}; effects from {row.matters()} on would matter"
    if row.group() != NOT_SEEN or row.verdict.word == NOT_LONG_ENOUGH:
        return ""
    if row.claim.kind == "absence" and row.matters():  # a difference is seen; whether it matters is not
        return f"; open whether it is over {row.matters()}"
    return f"; effects from {row.visible()} would be seen" if row.visible() else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def open_questions(study: Study, rows: Sequence[Row]) -> str:
    """open.md: what would decide each claim that is open; first those that were measured, last those that no training decides."""
    parts: dict[str, list[str]] = {"Measured here, and open": [], "Not tried here": [], "What no training here can decide": []}
    measured, not_tried, untestable = parts.values()
    for row in rows:
        if row.decide:
            kind = untestable if row.claim.kind == "untestable" else measured if row.numbers.ours is not None else not_tried
            kind.append(f"- {row.claim.title}: {row.verdict.why}. To decide: {row.decide}.")
    said = [f"## {title}\n\n" + "\n".join(lines) for title, lines in parts.items() if lines]
    return "\n\n".join([f"# What would decide the open claims of study `{study.name}`", *said]) + "\n"


def misread_table() -> str:
    """'Often misread' as a Markdown table."""
    lines = ["| § | said | right |", "|---|---|---|"]
    lines += [f"| {one.section} | {_cell(one.said)} | {_cell(one.right)} |" for one in misreadings()]
    return "\n".join(lines) + "\n"


def as_latex(rows: Sequence[Row]) -> str:
    """The same table for a paper (package booktabs)."""
    lines = [
        r"\begin{tabular}{lp{5cm}llll}",
        r"\toprule",
        r"\S & claim & in the paper & here & rests on & verdict \\",
        r"\midrule",
    ]
    for row in rows:
        cells = _cells(row)
        lines.append(" & ".join("".join(LATEX.get(sign, sign) for sign in cell) for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def one_page(study: Study, head: Head, rows: Sequence[Row]) -> str:
    """report.md."""
    parts = [
        f"# Reproduction report: study `{study.name}`",
        "A. Krizhevsky, I. Sutskever, G. E. Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012.",
        "## Scope",
        _scope(study, rows),
        "## Methodology",
        _methodology(study, head, rows),
        "## Results",
        summary(rows),
        *(found for group in (HELD, NOT_HELD, SMALL, NOT_SEEN) if (found := _of_group(rows, group))),
        "What would decide the open ones stands in `open.md`, all claims in `claims.md`.",
        *(["## Figures 1 to 4", found] if (found := _figures(study.folder)) else []),
        "## What was easy",
        EASY,
        "## What was hard",
        HARD,
        "## Where paper and code differ",
        _differences(),
        "## Authors",
        "Not asked: all rests on the paper, the released code and its notes.",
    ]
    return "\n\n".join(parts) + "\n"


def _scope(study: Study, rows: Sequence[Row]) -> str:
    kinds = Counter[str](row.claim.kind for row in rows)
    counted = ", ".join(f"{kinds[kind]} {words}" for kind, words in KINDS.items() if kinds[kind])
    of = Counter[str](row.claim.source for row in rows)
    whose = {"paper": "of the paper", "author's notes": "of its author's notes", "readers": "of its readers"}
    sources = ", ".join(f"{of[source]} {words}" for source, words in whose.items() if of[source])
    return (
        f"{len(rows)} claims are {sources}: {counted}. This study tries them on {study.pictures}. "
        "A study smaller than the paper's can show directions, or smallness, never the paper's numbers."
    )


def _methodology(study: Study, head: Head, rows: Sequence[Row]) -> str:
    made = study.records.values()
    hours = sum(training_seconds(one) for one in made) / 3600
    machines = dict.fromkeys(f"{one['processor']}, {one.get('cores')} cores" for one in made if one.get("processor"))
    commits = dict.fromkeys(str(one["commit"])[:10] for one in made if one.get("commit"))
    judged = [row for row in rows if row.group() != NOT_JUDGED]
    registered = sum(row.numbers.registered.startswith(PRE_REGISTERED) for row in judged)
    shares = ", ".join(
        f"{name.replace('_', ' ')} {family.alpha:g}" for name, family in head.families.items() if not family.instead_of
    )
    return (
        f"Runs: {_trainings(study) or 'none'}. Code at "
        f"{', '.join(commits) or 'no commit'}; {hours:.3g} hours of processor time for training, races aside, on "
        f"{'; '.join(machines) or 'an unknown machine'}. The tests stand in `protocol.yaml`; {registered} claims are "
        "pre-registered: their tests were fixed before the runs. The unit of replication is the seed; the finite test set adds "
        "variance. The chance of any wrong word is shared among families of a fixed number of comparisons: "
        f"{shares}."
    )


def _trainings(study: Study) -> str:
    """The runs, and the curves of Figure 1, with how long each learned: those that learned alike stand together."""
    alike: dict[str, list[str]] = {}
    for stage, record in study.records.items():
        kind, _, name = stage.partition("-")
        if kind == "converge":
            learned = (record.get("curve") or {}).get("pictures")
            of_which = f"{learned:,} pictures" if learned else "validation pictures too"
            alike.setdefault(f"Figure 1, {of_which}", []).append(name)
        elif kind == "train":
            alike.setdefault(_learned(study.folder / "train" / name, record), []).append(name)
    named = {words: ", ".join(f"`{name}`" for name in sorted(names)) for words, names in alike.items()}
    return "; ".join(f"{names}{words and f' ({words})'}" for words, names in named.items())


def _learned(folder: Path, record: Mapping[str, Any]) -> str:
    """For how many epochs and updates a run learned, how often its rate was divided, and in which precision; empty where nothing
    says."""
    try:
        with min(folder.glob("*/curve.csv")).open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        divided, precision = len({float(row["rate"]) for row in rows}) - 1, record["settings"]["machine"]["precision"]
        return f"{len(rows)} epochs, {int(rows[-1]['iteration']):,} updates, rate divided {divided} times, {precision}"
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return ""


def _of_group(rows: Sequence[Row], group: str) -> str:
    of_group = sorted((row for row in rows if row.group() == group), key=lambda row: row.claim.kind == "arithmetic")
    lines: list[str] = []
    known: dict[tuple[str, tuple[str, ...]], Row] = {}  # two claims may rest on the same numbers, which stand beside the first
    for row in of_group[:MOST]:
        above = known.setdefault((row.numbers.said, row.numbers.remarks), row) is not row and bool(row.numbers.said)
        lines.append(f"- {row.claim.title}: {_sentence(row, above)}")
    more = f" ({len(of_group)}, of which {MOST} are shown)" if len(of_group) > MOST else ""
    return "\n".join([f"**{TITLES[group]}**{more}", "", *lines]) if lines else ""


def _sentence(row: Row, above: bool) -> str:
    """What was found here, run by run, beside the paper's number, with what limits it and what an open claim would have taken;
    `above`: its numbers by run stand beside another claim already."""
    by_run = "the runs above" if above else row.numbers.said
    by = " by arithmetic" if row.claim.kind == "arithmetic" else f" here ({by_run})" if by_run else " here"
    word = qualified(row.verdict.word, row.numbers.registered)
    said = f"{word}; {row.here()}{'' if word.endswith(by) else by}" if row.here() != NO_NUMBER else word
    paper = f", {row.in_paper()} in the paper" if row.claim.value is not None else ""
    left_out = LEFT_OUT.get(row.group(), OF_ALL)
    measured = row.group() in (HELD, NOT_HELD, SMALL, NOT_SEEN) and not above
    remarks = "".join(f"; {one}" for one in row.numbers.remarks if measured and not one.startswith(left_out))
    return f"{said}{paper}{_limit(row)}{remarks}."


def _figures(folder: Path) -> str:
    """What the paper's figures show, counted in this study; a figure for which nothing was measured is left out."""
    run = _looked_into(folder)
    figures = (partial(_figure_1, folder), *(partial(of, folder, run) for of in (_figure_2, _figure_3, _figure_4)))
    points = "\n".join(f"- {one}" for of in (*figures, partial(_halving, folder)) for one in _readable(of))
    return "\n\n".join((points, *_readable(lambda: [_precision(folder)]))).strip()


def _readable(found: Callable[[], Iterable[str]]) -> list[str]:
    """Sentences on files of results; none where one of them has another form than it should have, which its claim says."""
    try:
        return list(found())
    except UNREADABLE:
        return []


def _looked_into(folder: Path) -> str:
    """The run whose neighbours were looked up, which Figures 2 to 4 are of."""
    return str(storage.mapping(folder / "retrieve/metrics.json").get("run", "base"))


def _figure_1(folder: Path) -> Iterator[str]:
    for path in sorted((folder / "converge").glob("*/metrics.json")):
        curve = storage.mapping(path)
        epochs = [one.get("epochs_to_threshold") for one in curve.get("seeds", {}).values()]
        reached = [each for each in epochs if each is not None]
        if epochs:
            mean = f"after {amount(fmean(reached), 'epochs')}, the mean of {len(reached)} seeds" if reached else "by no seed"
            missed = f"; {len(epochs) - len(reached)} never reached it" if 0 < len(reached) < len(epochs) else ""
            record = storage.mapping(folder / f"provenance/converge-{path.parent.name}.json")
            seconds = [one for one in (record.get("processor_seconds_to_threshold") or {}).values() if one]
            took = f", {amount(fmean(seconds), 'seconds')} of processor time" if len(seconds) == len(reached) > 0 else ""
            yield f"Figure 1, {path.parent.name}: {curve.get('threshold', 0.25):.0%} training error {mean}{took}{missed}."


def _figure_2(folder: Path, run: str) -> Iterator[str]:
    layers = storage.mapping(folder / f"evaluate/{run}/network.json").get("layers") or []
    parameters, multiplications, crosses = (sum(one.get(of, 0) for one in layers) for of in PER_LAYER)
    if parameters:
        columns = f"; {crosses:,} numbers of a picture cross from each column to the other" if crosses else ""
        yield f"Figure 2, {run}: {parameters:,} parameters, {multiplications:,} multiplications a picture{columns}."


def _figure_3(folder: Path, run: str) -> Iterator[str]:
    """Kernels by what was fitted to them (study/measuring/gabor.py)."""
    try:
        with (folder / f"evaluate/{run}/kernels.csv").open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except OSError:
        return
    for when, words in (("end", "trained"), ("start", "untrained")):
        kinds = Counter(row.get("kind") for row in rows if row.get("when") == when)
        if total := sum(kinds.values()):
            told = "; ".join(f"{kinds[kind]} {kind}" for kind in files.KINDS if kinds[kind])
            yield f"Figure 3, {run}, {total} {words} kernels: {told}."
    waves = [row for row in rows if row.get("when") == "end" and "selective" in str(row.get("kind")) and row.get("frequency")]
    if len(waves) > 1:
        eighths = {round(float(row["orientation"]) / 22.5) % 8 for row in waves}
        low, *_, high = quantiles([float(row["frequency"]) for row in waves], n=10)
        told = f"{len(eighths)} of 8 orientations; four of five have {low:.2f} to {high:.2f} waves a pixel"
        yield f"Figure 3, {run}, its {len(waves)} selective kernels: {told}."


def _halving(folder: Path) -> Iterator[str]:
    """Errors with halved outputs, with one mask and with the mean of many, of the pictures that were tried."""
    halved = storage.mapping(folder / "halve/metrics.json")
    errors = halved.get("top1_error") or {}
    if {"halved", "geometric_1", "many"} <= set(errors):
        one, mean, half = (amount(errors[of], "error") for of in ("geometric_1", "many", "halved"))
        told = f"{half} err with halved outputs, {one} with a mask, {mean} with the mean of {halved.get('masks'):,}"
        yield f"Dropout, {halved.get('run')}, {halved.get('pictures')} pictures: {told}."


def _figure_4(folder: Path, run: str) -> Iterator[str]:
    models = storage.mapping(folder / f"evaluate/{run}/metrics.json").get("models", {})
    wrong = [one["ten_patches"] for name, one in models.items() if name.startswith("seed")]
    if missed := sum(one["top1_wrong"] for one in wrong):
        among = 1 - sum(one["top5_wrong"] for one in wrong) / missed
        told = amount(among, "share")
        yield f"Figure 4, left, {run}: where the first label is wrong, the right one is among the other four in {told}."
    seeds = (storage.mapping(folder / "retrieve/metrics.json").get("seeds") or {}).values()
    by_seed = [[one.get(f"{by}_percentile") for one in seeds] for by in ("features", "untrained")]
    if seeds and None not in (*by_seed[0], *by_seed[1]):
        here, before = (amount(fmean(of), "share") for of in by_seed)
        yield f"Figure 4, right, {run}: {here} of all pictures are nearer in pixels than six neighbours, {before} untrained."


def _precision(folder: Path) -> str:
    """Shares of neighbours that are of the query's class, as a table in Markdown; empty where none were looked up."""
    retrieved = storage.mapping(folder / "retrieve/metrics.json")
    found = retrieved.get("precision", {})
    cells = {
        words: [_with_interval(found[by].get(one)) for one in PRECISION_AT] for by, words in RANKED_BY.items() if found.get(by)
    }
    lines = [f"| Figure 4, right: neighbours by | {' | '.join(PRECISION_AT.values())} |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {by} | {' | '.join(told)} |" for by, told in cells.items())]) if cells else ""


def _with_interval(found: Mapping[str, float] | None) -> str:
    if not found:
        return NO_NUMBER
    known = "low" in found and "high" in found
    return interval(found["mean"], found["low"], found["high"], "share") if known else amount(found["mean"], "share")


def _differences() -> str:
    lines = ["| § | what | paper | released code |", "|---|---|---|---|"]
    apart = [one for one in DIFFERENCES if not one.both]
    return "\n".join(lines + [f"| {one.section} | {one.what} | {one.paper} | {one.code} |" for one in apart])
