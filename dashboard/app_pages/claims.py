"""Claims: a list by section, and beside it the claim that is chosen, with all that its verdict rests on."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import address, clickable, drawings, frames, judged, reading, showing, summary, tables
from dashboard.reading import Study
from study import amounts
from study.judging.verdicts import HELD, NOT_HELD, NOT_JUDGED
from study.paper.claim import SECTIONS
from study.provenance import training_seconds

study = showing.begin("Claims")
claims = judged.claims(study)
if claims.empty:
    showing.stop("No verdicts yet: `judge`, the last stage of `uv run dvc repro`, gives them.")
if stale := judged.outdated(study):
    st.warning(
        f"{showing.plain(stale)}. The verdicts that rest on it are withheld until `uv run dvc repro` has "
        "brought them up to date (where that finds nothing to do: `uv run dvc repro -sf judge`)."
    )


def item(study: Study, claim: Any, current: bool) -> str:
    """A claim in the list: its verdict's sign, its sentence, a small interval, the verdict's word."""
    shade, mark = summary.MARKS[claim.group]
    drawn = ""
    if claim.ours == claim.ours and claim.kind in ("effect", "absence", "figure") and claim.unit != "times":
        drawn = drawings.interval(claim.ours, claim.low, claim.high, tables.here(claim))
    found = tables.here(claim)
    told = escape(f"{claim.verdict}; here {found}" if found else claim.verdict)
    return (
        f'<a href="{clickable.link("claims", study=study.address, claim=claim.id)}" data-key="{escape(claim.id, quote=True)}" '
        f'data-to="claim"{" aria-current=true" if current else ""}><b class="{shade}" aria-hidden="true">{mark}</b>'
        f'<span>{escape(claim.title)}</span><span>{drawn}</span><span class="word {shade}">{told}</span></a>'
    )


def listed(study: Study, shown: pd.DataFrame, chosen: str) -> str:
    """By section, what was measured or counted first; the rest of a section is folded."""
    whole = []
    by_id, sections = judged.by_id(study), dict[str, list[Any]]()
    for name in shown["id"]:
        sections.setdefault(by_id[str(name)].section, []).append(by_id[str(name)])
    for section, rows in sections.items():
        first = [claim for claim in rows if claim.group != NOT_JUDGED]
        rest = [claim for claim in rows if claim.group == NOT_JUDGED]
        lines = "".join(item(study, claim, claim.id == chosen) for claim in first)
        if rest:
            inside = "".join(item(study, claim, claim.id == chosen) for claim in rest)
            unfolded = " open" if not first or chosen in {claim.id for claim in rest} else ""
            lines += f"<details{unfolded}><summary>{len(rest)} not judged</summary>{inside}</details>"
        whole.append(f"<h2>{escape(str(section))} {escape(SECTIONS.get(str(section), ''))}</h2>{lines}")
    return f'<div class="scroll list" tabindex="0" role="region" aria-label="Claims by section">{"".join(whole)}</div>'


def one_claim(study: Study, claim: Any) -> None:
    """The claim that is chosen: what was said, what was found, how sure it is, what made it, what would settle it."""
    st.header(claim.title, anchor="claim")
    showing.verdict_badge(claim)
    left_open = showing.sentence(tables.left_open(claim))
    st.markdown(f"{showing.sentence(claim.why or '')} {left_open}{showing.told_of_others(claim)}")
    for other, _ in showing.measured_elsewhere(claim):
        showing.link(other.address, "claims", icon=":material/arrow_forward:", claim=claim.id, study=other.address)
    if rule := tables.rule(claim, judged.family(study, claim.id)):
        st.caption(f"**The rule.** {showing.plain(rule)}")
    if rows := frames.arms(study, reading.dictionary(claim.artifacts)):
        errors = any(name.startswith("evaluate/") for name in reading.dictionary(claim.artifacts))
        unit, what = ("%", "top-1 error") if errors else (" epochs", "epochs to the threshold")
        means = [f"{name} {amounts.digits(sum(values) / len(values))}{unit}" for name, values in rows.items() if values]
        if means:
            table = pd.DataFrame([(name, value) for name, values in rows.items() for value in values], columns=["run", what])
            alt = f"{what} of each seed, a row a run"
            showing.figure(
                drawings.dots(rows, unit, alt),
                f"{what.capitalize()} by seed: {', '.join(means)}",
                table,
                f"seeds-{claim.id}",
                alt,
                source=f"{study.address}: {frames.description(study)}. A dot a seed, the bar their mean.",
            )
    if ways := tables.ways_to_settle(claim.decide):
        st.markdown("**What would settle it**" + (", the cheapest first" if len(ways) > 1 else ""))
        st.markdown("\n".join(f"1. {showing.sentence(way)}" for way in ways))
    theirs = "In the paper" if claim.source in (None, "paper") else "Beside the paper"
    sides = {theirs: tables.paper_facts(claim)} | ({"Here": ours} if (ours := tables.our_facts(claim)) else {})
    remarks = sides.get("Here", {}).pop("remarks", "")  # in a table of a third of the page they would be high and narrow
    for place, (title, facts) in zip(st.columns(len(sides), border=True), sides.items(), strict=True):
        with place:
            st.markdown(f"**{title}**")
            st.table(pd.DataFrame(facts.items()), hide_index=True, hide_header=True, border="horizontal")
    if remarks:
        st.markdown("**Remarks**\n" + "\n".join(f"- {showing.plain(remark)}" for remark in remarks.split("; ")))
    if made := judged.made_by(study, claim):
        seconds = sum(training_seconds(one) for one in made)
        took = f", {tables.duration(seconds)} of processor time in training" if seconds else ""
        commits = showing.listed(dict.fromkeys(str(one.get("commit") or "no commit")[:10] for one in made))
        machines = showing.listed(dict.fromkeys(str(one.get("processor") or "an unknown machine") for one in made))
        stages = showing.listed(one["stage"] for one in made)
        st.caption(showing.plain(f"Made by {stages} at {commits} on {machines}{took}."))
        files = ", ".join(reading.dictionary(claim.artifacts))
        st.caption(showing.plain(f"Rests on {files}."))


counts = {"all": len(claims)} | {group: int((claims["group"] == group).sum()) for group in summary.EVERY}
wanted = address.segmented(
    "Show", list(counts), "show", "all", names=lambda group: f"{group.removeprefix('were ')} ({counts[group]})",
    label_visibility="collapsed",
)  # fmt: skip
shown = claims if wanted == "all" else claims[claims["group"] == wanted]
measured = shown[shown["ours"].notna() & (shown["kind"] != "arithmetic") & (shown["group"] != NOT_JUDGED)]
decided = measured[measured["group"].isin((HELD, NOT_HELD))]
first = str(next(rows for rows in (decided, measured, shown, claims) if len(rows))["id"].iloc[0])
chosen = address.chosen("claim", list(claims["id"]), first, "claim")
if chosen not in set(shown["id"]) and len(shown):
    chosen = first
    address.keep("claim", chosen)
    chosen = address.chosen("claim", list(claims["id"]), first, "claim")
with st.container(key="claims-layout"):
    left, right = st.columns([5, 7], gap="large")
with left:
    if shown.empty:
        st.info("No claim of this study is among these.")
    else:
        clickable.draw(listed(study, shown, chosen), key="claim-list", scroll="" if chosen == first else chosen, keeps="claim")
if len(shown):
    with right:
        one_claim(study, judged.by_id(study)[chosen])


def all_effects(effects: pd.DataFrame) -> None:
    """Every effect on the error with its interval, in one figure."""
    from dashboard import charts  # Plotly takes a second to import

    seen = effects[(effects["low"] > 0) | (effects["high"] < 0)]
    largest = effects.loc[effects["ours"].abs().idxmax()]
    finding = (
        f"Of {len(effects)} effects on the error {len(seen)} have an interval that leaves out 0; "
        f"the largest is {tables.here(largest)}: {largest['title'][0].lower()}{largest['title'][1:]}"
    )
    showing.figure(
        charts.claim_effects(effects), finding, tables.claim_table(effects), "effects",
        "Effects measured here in points of error with their intervals",
        source="Right of 0 is the paper's direction; its own number stands in words, since data and scale differ. The verdict "
        "decides, not the interval alone: it asks for enough seeds, and for an effect that matters.", first=True,
    )  # fmt: skip


effects = judged.effects_on_the_error(claims)
if len(effects) > 1 and address.switch(f"All {len(effects)} effects on the error in one figure", "effects"):
    all_effects(effects)
showing.download(claims, "claims", "All claims as CSV")
