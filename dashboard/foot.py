"""What stands at the foot of every page when it is asked for."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from statistics import fmean

import pandas as pd
import streamlit as st

from dashboard import address, frames, judged, reading, showing, tables
from dashboard.reading import Study
from study import amounts, files
from study.paper.released import DIFFERENCES


def report(study: Study) -> None:
    """The reproduction report, as `judge` wrote it; nothing of it where it is stale."""
    text = reading.text_of(study, "judge/report.md")
    if not text:
        st.info("No report yet: `judge`, the last stage of `uv run dvc repro`, writes it.")
        return
    if stale := judged.outdated(study):
        st.warning(f"{showing.plain(stale)}: the report is not shown before `uv run dvc repro` has written it anew.")
        return
    st.caption(f"For a page that can be mailed: `uv run python -m dashboard.mailed {study.address}`")
    st.download_button("Markdown", text, f"report-{study.folder.name}.md", "text/markdown", on_click="ignore")
    body = text.partition("\n")[2].replace("\n## ", "\n### ")
    with st.container(key="report-body"):
        st.markdown(body, width=900)


WORDS = (
    ("base", "the paper's network and recipe, from which other runs differ by a line or two of settings; in smaller studies it "
     "has fewer kernels, and what A2, A3 and A7 of ASSUMPTIONS.md change with that"),
    ("seed", "a whole training from a random beginning of its own; several show how much chance moves a number"),
    ("kept, pinned", "a finished study in Git, in `pinned/`, with hashes of its files; its words are those of its own commit"),
    ("kernel, map, answer", "a kernel is a small filter that a layer learns; slid over what the layer reads it gives an answer "
     "at every place, its activation, and all of these are its map; a loud answer is a large one"),
    ("conv1 to conv5, fc6 to fc8", "the paper's eight layers, convolutional and fully connected; fc8 gives the classes"),
    ("mask", "which neurons dropout leaves out; the network that is left is a thinned one"),
    ("error, top-5 error", "the share of test pictures whose right class is not the likeliest, or not among the five likeliest"),
    ("direction reproduced (reduced scale)", "an effect in the paper's direction is seen, on other pictures or with a smaller "
     "network than the paper's, so that its size says nothing of the paper's"),
    ("smaller than what matters", "the whole interval lies within the smallest effect that matters, on either side of 0"),
    ("undecided", "neither an effect nor its smallness is shown"),
    ("not trained long enough", "what is compared did not appear in any run, so that there is nothing to compare"),
    ("too few seeds", "fewer trainings than the protocol asks for; nothing is tested"),
    ("points", "a difference of two percentages: 20% less 17% is 3 points"),
    ("nats", "a difference of logarithms to the base e: of probabilities, 0.1 nats is a factor of about 1.1"),
    ("interval", "where the true value lies, so wide that all of a family seldom miss it; each claim's rule says how seldom, so "
     "that one difference has two intervals where claims of two families ask for it"),
    ("at least, open", "some trainings ended before they reached what was timed: the factor is that or more, and the interval "
     "has no upper end"),
    ("family", "comparisons that share one chance of a wrong word, so that who asks much is not wrong by luck"),
    ("p", "how often chance would show as much if there were no effect, counted over the whole family"),
    ("Dunnett's test", "compares several runs with one control, here base, whose seeds all comparisons share"),
    ("Wilson's interval", "of a share, from so many test pictures; it says nothing of other seeds"),
    ("would have been seen", "the smallest effect that these seeds and pictures show with the chance that the protocol asks for"),
    ("would matter", "the smallest effect that the protocol asks for, set before the runs by what so many seeds can be expected "
     "to show; it is no judgement of the paper, whose own effects may be smaller"),
    ("ten patches", "four corners and the centre of a picture, and their reflections; the ten answers are averaged"),
    ("torch", "PyTorch, the library that trains; these pages compute without it"),
)  # fmt: skip


def words(study: Study) -> None:
    """The words and the runs' names that these pages use."""
    st.table(pd.DataFrame(WORDS, columns=["word", "means here"]), hide_index=True)
    st.caption("All verdicts, and the rules that give them: docs/verdicts.md in the checkout.")
    settings = frames.settings_of_runs(study)
    control = frames.control(study)
    base = settings.get(control, {})
    rows = [
        (
            run,
            "; ".join(
                f"{key}: {own.get(key)} in place of {base.get(key)}"
                for key in sorted({*base, *own} - {"seeds"})
                if own.get(key) != base.get(key)
            ),
        )
        for run, own in settings.items()
        if own and run != control
    ]
    if base and rows:
        st.subheader(f"In what its runs differ from {showing.plain(control)}")
        st.table(pd.DataFrame(rows, columns=["run", "settings"]), hide_index=True)


def provenance(study: Study) -> None:
    """By stage: when it ran, for how long, on what, from which commit; by claim: on which stages and files it rests."""
    made = frames.provenance(study)
    if not made:
        st.info("No stage has finished yet; each writes here what made its results.")
        return
    st.subheader("By stage")
    table = tables.stages(made)
    if table["code"].eq("changed").any():
        st.warning("Some stages ran on code that differs from their commit: their numbers cannot be made again from Git alone.")
    st.dataframe(table, hide_index=True, alt="A row a stage: when it ran, for how long, on what, from which commit")
    showing.download(table, "provenance")
    st.subheader("By claim")
    claims = judged.claims(study)
    rows = [
        (claim.id, claim.verdict, claim.registered or "", name, str(sha)[:12])
        for claim in claims.itertuples()
        for name, sha in reading.dictionary(claim.artifacts).items()
    ]
    by_claim = pd.DataFrame(rows, columns=["claim", "verdict", "protocol", "file", "SHA-256"])
    st.dataframe(by_claim, hide_index=True, alt="A row a claim and file: what the verdict rests on")
    showing.download(by_claim, "provenance-by-claim")
    st.subheader("A stage's whole record")
    stage = address.select("Stage", list(made), "stage", next(iter(made)))
    with st.expander(f"The record of {stage}"):
        st.json(made[stage], expanded=1)


def differences(study: Study) -> None:
    """Where the paper's text and the released code differ."""
    rows = [
        (one.section, f"{one.what} ({one.assumption}{f'; here {one.both}' if one.both else ''})", one.paper, one.code)
        for one in DIFFERENCES
    ]
    st.caption(
        "The recipe `code145` does what the released code does, `paper` what the text says, but where a row tells what both do "
        "here; assumptions are numbered as in ASSUMPTIONS.md." + _by_recipe(study)
    )
    st.table(pd.DataFrame(rows, columns=["§", "what", "paper", "released code"]), hide_index=True)


def _by_recipe(study: Study) -> str:
    """What a study's networks err by that were trained as the text says and as the released code does; empty without both."""
    errors: dict[str, list[str]] = {}
    for run, settings in frames.settings_of_runs(study).items():
        recipe, of_seeds = str(settings.get("recipe", "paper")), list(frames.seed_errors(study, run).values())
        if of_seeds and (run == frames.control(study) or recipe != "paper"):
            seeds = "one seed" if len(of_seeds) == 1 else f"{len(of_seeds)} seeds"
            error = amounts.amount(fmean(of_seeds), "error")
            errors.setdefault(recipe, []).append(f"{run} {error} ({seeds}, {_schedule(study, run)})")
    if len(errors) < 2:
        return ""
    told = [
        f"as the {'text says' if recipe == 'paper' else 'released code does'}, {tables.listed(of)}"
        for recipe, of in errors.items()
    ]
    return f" Trained in this study, top-1 error from ten patches: {'; '.join(told)}."


def _schedule(study: Study, run: str) -> str:
    """When a run's rate was first divided, which tells recipes apart where epochs are few."""
    curves = frames.curves(study).query("run == @run")
    if curves.empty:
        return "its curve is not here"
    at_first = curves.groupby("seed")["rate"].transform("first")
    lowered = curves[curves["rate"] < at_first]
    if lowered.empty:
        return "its rate never divided"
    before = curves[(curves["seed"] == lowered.iloc[0]["seed"]) & (curves["rate"] == at_first)]
    return f"its rate first divided after {int(before['iteration'].iloc[-1]):,} updates"


def downloads(study: Study) -> None:
    """All small files of the study in one archive, made when it is asked for."""
    found = [path for path in sorted(study.folder.rglob("*")) if path.is_file() and files.lasts(path)]
    size = sum(path.stat().st_size for path in found)
    st.caption(f"{len(found):,} files, {size / 1e6:.1f} MB: tables, metrics, predictions, kernels. Weights and features are not.")
    st.download_button(
        "All as one archive (ZIP)", partial(_archive, study), f"{study.folder.name}.zip", "application/zip", on_click="ignore"
    )


def _archive(study: Study) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(study.folder.rglob("*")):
            if path.is_file() and files.lasts(path):
                archive.write(path, path.relative_to(study.folder.parent))
    return buffer.getvalue()
