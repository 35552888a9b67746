"""What every page shares: the study shown and how fresh it is, figures with all that belongs to them, and the foot."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard import address, clickable, drawings, frames, judged, reading, tables
from dashboard.reading import Study
from dashboard.tables import listed as listed
from study.judging import verdicts
from study.judging.row import DIRECTION, IN_NOTES, NO_NUMBER, NOT_IN_PAPER
from study.judging.verdicts import HELD, NOT_HELD, NOT_JUDGED, NOT_SEEN, SMALL

if TYPE_CHECKING:
    from dashboard.findings import Finding  # it imports Plotly, which the first visit should not wait for

NOTHING = "There are no results yet. Make them with `uv run dvc repro`."
REFRESH_EVERY = 5  # seconds
UNSAID = (NO_NUMBER, DIRECTION, NOT_IN_PAPER, IN_NOTES)  # what the paper says of a claim that needs no sentence beside its title
FRESH_FOR = 5  # seconds during which code and settings are not looked at again
MOST_LETTERS = 100  # of both sides of a difference, where several studies are listed
ICONS = {
    HELD: ":material/check_circle:",
    NOT_HELD: ":material/cancel:",
    SMALL: ":material/close_fullscreen:",
    NOT_SEEN: ":material/help:",
}
PAGES = {  # file below app_pages/, title, part of the address
    "start": "Start",
    "claims": "Claims",
    "how": "How it works",
    "sees": "What it sees",
    "inside": "Inside",
    "training": "Training",
    "compare": "Compare",
}


def page_file(name: str) -> str:
    return f"app_pages/{name}.py"


def chosen() -> Study | None:
    """The study that is shown, or None where there are no results at all."""
    return st.session_state.get("shown-study")


def choose() -> Study | None:
    """The line under the navigation: which study, what its pictures are, how fresh its results."""
    found = {study.address: study for study in reading.studies(Path())}
    st.session_state["shown-study"] = None
    st.session_state["kept-studies"] = [study for study in found.values() if study.pinned]
    if not found:
        return None
    with st.container(horizontal=True, vertical_alignment="center", key="study-line"):
        name = address.select("Study", list(found), "study", next(iter(found)), label_visibility="collapsed", width=230)
        study = st.session_state["shown-study"] = found[name]
        st.markdown(plain(frames.description(study) or "the pictures of this study are not prepared yet"), width="stretch")
        words, colour, icon = freshness(study)
        st.badge(words, color=colour, icon=icon)
    if told := taken(study):
        st.caption(plain(told))
    return study


def taken(study: Study) -> str:
    """Of a pinned study: which repository it was taken from, and that its protocol is another; empty where there is neither."""
    source, other = reading.origin(study) if study.pinned else "", judged.another_protocol(study)
    told = [f"Taken from {source}."] if source else []
    if other:
        told.append(
            "Its claims were tested by another protocol.yaml than the one here; beside a study judged here, Compare says how."
        )
    return " ".join(told)


def freshness(study: Study) -> tuple[str, tables.Colour, str]:
    """How far the results can be trusted to be of today's code: words, a colour, an icon."""
    made = frames.judged_by(study)
    if not made:
        return "not judged yet", "gray", ":material/hourglass:"
    when = f"judged {str(made.get('started', ''))[:10]}" if made.get("started") else "judged"
    if study.pinned:
        commit = f" at commit {str(made['commit'])[:7]}" if made.get("commit") else ""
        return f"kept, {when}{commit}", "gray", ":material/lock:"
    stale = _outdated(str(study.folder.resolve()), int(time.monotonic() / FRESH_FOR))
    if stale:
        return "stale: " + stale.replace(" changed after these verdicts were given", " changed"), "violet", ":material/update:"
    return f"up to date, {when}", "green", ":material/check:"


@st.cache_data(max_entries=50, show_spinner=False)
def _outdated(folder: str, tick: int) -> str:
    """verdicts.outdated of a working study, looked at again when `tick` changes."""
    return judged.outdated(Study(folder=Path(folder), pinned=False))


def begin(title: str) -> Study:
    """The page's title, and the study shown; without results, one sentence and the end of the page."""
    st.title(title)
    study = chosen()
    if study is None:
        stop(NOTHING)
    return study


def warn_of_diverged(study: Study, *names: str) -> None:
    """A line where trainings diverged: of the runs or curves named, or of all."""
    found = frames.diverged_trainings(study)
    for name in names or found:
        if seeds := found.get(name):
            told = f"The training of {name} diverged from seed {' and '.join(map(str, seeds))}, so nothing is computed from it."
            remedy = " The remedy is a smaller rate (`train.learning.rate.initial`) for all runs that are compared."
            st.warning(plain(told) + ("" if study.pinned else remedy))  # what is pinned so is a result


def unknown_choices() -> None:
    """What the address asked for and is not there, a sentence each."""
    for kind, value, shown in address.unknown():
        st.warning(
            f"The address asks for the {plain(kind)} “{plain(value)}”, which is not here; this page shows “{plain(shown)}”."
        )


class PageEnds(Exception):
    """There is nothing more to show on a page; the foot follows."""


def stop(sentence: str, *ids: str) -> NoReturn:
    """One sentence, the claims that this part of a page leads to, so that what another study found is told, and the end."""
    st.info(sentence)
    if ids and (study := chosen()):
        leads_to(study, *ids)
    raise PageEnds


def notes(study: Study) -> None:
    """What was there but could not be read."""
    for note in dict.fromkeys(study.notes):
        st.caption(f":material/hourglass: {plain(note)}")


def choose_run(study: Study, stage: str = "evaluate", label: str = "Run", **more: Any) -> str | None:
    """The run that all pages share; None where no run has results of the stage."""
    names = frames.runs(study, stage)
    return address.select(label, names, "run", names[0], **more) if names else None


def where(page: str, **choices: object) -> str:
    """A relative address with the study and these choices."""
    study = chosen()
    held = {"study": study.address} if study else {}
    return f"{'' if page == 'start' else page}?{urlencode(held | {name: str(value) for name, value in choices.items()})}"


def go_to(page: str, **choices: object) -> NoReturn:
    """Open a page with these choices."""
    for name, value in choices.items():
        address.keep(name, value)
    st.switch_page(page_file(page))
    raise AssertionError("switch_page does not return")


def link(label: str, page: str, icon: str | None = None, **choices: object) -> None:
    """A link to a page with these choices, which keeps the study."""
    study = chosen()
    held = {"study": study.address} if study else {}
    st.page_link(
        page_file(page), label=label, icon=icon, query_params=held | {name: str(value) for name, value in choices.items()}
    )


def finding(found: Finding, first: bool = False) -> None:
    """A figure of dashboard/findings.py; `first`: no heading but the page's title stands above it."""
    figure(found.drawing, found.words, found.table, found.name, found.alt, source=found.source, first=first)


def figure(
    drawing: Any,
    finding: str,
    table: pd.DataFrame,
    name: str,
    alt: str,
    source: str = "",
    key: str = "",
    select: bool = False,
    keeps: str = "",
    first: bool = False,
) -> Any:
    """A figure under a sentence that says what it shows; below it where it is from, and its table, CSV, SVG and link.

    `drawing` is Plotly's or a text of SVG. `finding` comes from the data that is drawn. Returns Plotly's selection where
    `select` is true; `keeps` is the choice that a click in SVG makes; `first`: no heading but the page's title stands above
    it. The table is drawn when it is asked for.
    """
    (st.header if first else st.subheader)(finding, anchor=name)
    chosen_points = None
    if isinstance(drawing, str):
        clickable.draw(drawing, key=f"drawing-{name}", keeps=keeps)
    else:
        from dashboard import charts  # Plotly takes a second to import, which the first visit should not wait for

        drawing = charts.dressed(drawing, st.context.theme.type == "dark")
        more: dict[str, Any] = {"on_select": "rerun", "selection_mode": "points"} if select else {}
        chosen_points = st.plotly_chart(drawing, key=key or f"chart-{name}", config=charts.settings(name), alt=alt, **more)
    study = chosen()
    st.caption(plain(source or (f"{study.address}: {frames.description(study)}" if study else "")))
    more_of(table, name, alt, drawing if isinstance(drawing, str) else None)
    return chosen_points


def more_of(table: pd.DataFrame, name: str, alt: str, svg: str | None) -> None:
    """What belongs to a figure, drawn when it is asked for: its table, CSV, SVG and link. `svg`: None of Plotly's, which
    gives its own; empty where pictures were shown, which are not handed on."""
    with st.expander(
        "Table, CSV, link" if svg == "" else "Table, CSV, SVG, link", on_change="rerun", key=f"more-{name}"
    ) as more_of_it:
        if more_of_it.open:
            st.dataframe(table, hide_index=True, key=f"table-{name}", alt=f"The numbers of the figure: {alt}")
            with st.container(horizontal=True, vertical_alignment="center"):
                download(table, name)
                if svg:
                    whole = drawings.standing_alone(svg)
                    st.download_button("SVG", whole, f"{name}.svg", "image/svg+xml", key=f"svg-{name}", on_click="ignore")
                elif svg is None:
                    st.caption("SVG: the camera below the figure")
            base = str(st.context.url or "").split("?")[0]
            st.code(f"{base}?{urlencode(address.current())}#{name}", language=None)


def download(table: pd.DataFrame, name: str, label: str = "CSV") -> None:
    st.download_button(label, table.to_csv(index=False), f"{name}.csv", "text/csv", key=f"csv-{name}", on_click="ignore")


def verdict_badge(claim: Any) -> None:
    st.badge(claim.verdict, color=tables.VERDICTS.get(claim.verdict, "gray"), icon=ICONS.get(claim.group))


def leads_to(study: Study, *ids: str) -> None:
    """The claims that a part leads to: what was measured here, the verdict, and the way to the claim."""
    by_id = judged.by_id(study)
    for number, name in enumerate(ids):
        claim = by_id.get(name)
        if claim is None:
            continue
        with st.container(border=True, key=f"leads-{name}-{number}"):
            st.markdown(f"**{plain(claim.title)}.** {_measured_here(claim)}")
            row = st.container(horizontal=True, vertical_alignment="center")
        with row:
            verdict_badge(claim)
            link("Claim", "claims", icon=":material/arrow_forward:", claim=name)
            for other, _ in measured_elsewhere(claim):
                link(other.address, "claims", icon=":material/arrow_forward:", claim=name, study=other.address)


def measured_elsewhere(claim: Any) -> list[tuple[Study, Any]]:
    """The other kept studies that measured a claim, each with its row there."""
    if claim.kind in ("arithmetic", "untestable"):
        return []
    shown = chosen()
    others = [one for one in st.session_state.get("kept-studies", ()) if shown is None or one.address != shown.address]
    rows = [(other, judged.by_id(other).get(claim.id)) for other in others]
    return [(other, row) for other, row in rows if row is not None and row.group != NOT_JUDGED and tables.here(row)]


def told_of_others(claim: Any) -> str:
    """What the other kept studies measured of a claim; that none did, where the one shown did not either."""
    if claim.kind in ("arithmetic", "untestable"):
        return ""
    measured = measured_elsewhere(claim)
    if not measured:
        return " No pinned study measured it." if claim.group == NOT_JUDGED else ""
    named = _named([other for other, _ in measured])
    if claim.group != NOT_JUDGED:  # beside what was measured here the number and the word are enough
        found = "; ".join(f"{tables.here(row)} on {named[other.address]}, {row.verdict}" for other, row in measured)
        return f" **Elsewhere**: {with_code(found)}."
    if len(measured) == 1:
        [(other, row)] = measured
        told = f"{tables.both_sides(row, most=MOST_LETTERS)}; {tables.judged(row)}."
        return f" **On {plain(named[other.address])}**: {with_code(told)}"
    lines = [f" In other studies{f', {plain(claim.metric)}' if claim.unit in tables.WITH_METRIC and claim.metric else ''}:"]
    for other, row in measured:
        told = f"{tables.both_sides(row, of_what=False, most=MOST_LETTERS)}; {tables.judged(row)}"
        lines.append(f"- **{plain(named[other.address])}**: {with_code(told)}")
    return "\n".join(lines) + "\n\n"  # what follows is no part of the last line


def _named(studies: list[Study]) -> dict[str, str]:
    """By address, what studies are called by their pictures; with its address where another, or the one shown, has the same."""
    called = {study.address: frames.called(study) for study in studies}
    shown = chosen()
    every = [*called.values(), *([frames.called(shown)] if shown else [])]
    return {address: f"{name}, {address}" if every.count(name) > 1 else name for address, name in called.items()}


def _measured_here(claim: Any) -> str:
    """What was measured, with both sides of a difference; or why nothing was; and what others and other studies found."""
    paper = f" In the paper: {plain(claim.in_paper)}." if claim.in_paper and claim.in_paper not in UNSAID else ""
    if paper and claim.verdict == verdicts.DIRECTION:
        paper += " At another scale sizes cannot be compared."
    some = isinstance(claim.others, list) and claim.others
    others = f" Others found: {plain('; '.join(map(str, claim.others)))}." if some else ""
    after = paper + others + told_of_others(claim)
    if not tables.here(claim):
        why = f"Not {'tested' if claim.kind == 'untestable' else 'measured'} here: {with_code(tables.reason(claim))}."
        return (why if claim.kind != "arithmetic" else "") + after
    more = [tables.left_open(claim), tables.at_best(claim), tables.limits(claim)]
    by = "By arithmetic" if claim.kind == "arithmetic" else "Here"
    return f"{by}: {with_code(tables.both_sides(claim))}.{''.join(f' {sentence(part)}' for part in more if part)}{after}"


FOOT = ("report", "words", "provenance", "paper against code", "downloads")


def foot(study: Study) -> None:
    """The end of every page: the report, what made the results, where paper and code differ, everything as one archive."""
    notes(study)
    st.divider()
    choices = ("nothing", *FOOT)
    words = {"nothing": "Nothing"} | {name: name.capitalize() for name in FOOT}
    part = address.segmented("About this study", choices, "foot", "nothing", names=words.__getitem__)
    if part != "nothing":
        from dashboard import foot as shown

        {
            "report": shown.report,
            "words": shown.words,
            "provenance": shown.provenance,
            "paper against code": shown.differences,
            "downloads": shown.downloads,
        }[part](study)


@st.fragment(run_every=REFRESH_EVERY)
def refresh_when_changed() -> None:
    """Draw the page anew as soon as a file of the study has changed."""
    study = chosen()
    now = reading.stamp(study) if study else None
    if st.session_state.setdefault("stamp", now) != now:
        st.session_state["stamp"] = now
        st.rerun(scope="app")


def plain(text: Any) -> str:
    """Text from a file, so that Markdown shows it as it stands."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~$:-])", r"\\\1", str(text))


def with_code(text: str) -> str:
    """A sentence from a file as it stands, but for commands between backticks, which become code."""
    return "".join(f"`{part}`" if place % 2 else plain(part) for place, part in enumerate(str(text).split("`")))


def sentence(text: str) -> str:
    """What a file says of a claim as a sentence, with a capital and a full stop."""
    shown = with_code(str(text))
    return f"{shown[:1].upper()}{shown[1:].rstrip('.')}." if shown else ""
