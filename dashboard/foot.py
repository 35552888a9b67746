"""What stands at the foot of every page when it is asked for."""

from __future__ import annotations

import io
import zipfile
from functools import partial

import pandas as pd
import streamlit as st

from dashboard import frames, reading, showing, tables, verdicts
from dashboard.reading import Study
from study import files
from study.paper.released import DIFFERENCES


def report(study: Study) -> None:
    """The reproduction report, as `judge` wrote it; where it is stale that is said before it."""
    text = reading.text_of(study, "judge/report.md")
    if not text:
        st.info("No report yet: `judge`, the last stage of `uv run dvc repro`, writes it.")
        return
    if stale := verdicts.outdated(study):
        st.warning(f"{showing.plain(stale)}: what this report says of measurements is withheld until `uv run dvc repro` has run.")
    st.caption(f"For a page that can be mailed: `uv run python -m dashboard.mailed {study.address}`")
    st.download_button("Markdown", text, f"report-{study.folder.name}.md", "text/markdown", on_click="ignore")
    body = text.partition("\n")[2].replace("\n## ", "\n### ")
    with st.container(key="report-body"):
        st.markdown(body, width=900)


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
    claims = verdicts.claims(study)
    rows = [
        (claim.id, claim.verdict, claim.registered or "", name, str(sha)[:12])
        for claim in claims.itertuples()
        for name, sha in reading.dictionary(claim.artifacts).items()
    ]
    by_claim = pd.DataFrame(rows, columns=["claim", "verdict", "protocol", "file", "SHA-256"])
    st.dataframe(by_claim, hide_index=True, alt="A row a claim and file: what the verdict rests on")
    showing.download(by_claim, "provenance-by-claim")
    st.subheader("A stage's whole record")
    stage = st.selectbox("Stage", list(made), key="stage")
    st.json(made[stage], expanded=1)


def differences(study: Study) -> None:
    """Where the paper's text and the released code differ."""
    rows = [(one.section, one.what, one.paper, one.code, one.assumption) for one in DIFFERENCES]
    st.caption("The recipe `code145` does what the released code does; assumptions are numbered as in ASSUMPTIONS.md.")
    st.table(pd.DataFrame(rows, columns=["§", "what", "paper", "released code", "assumption"]), hide_index=True)


def downloads(study: Study) -> None:
    """All small files of the study in one archive, made when it is asked for."""
    found = [path for path in sorted(study.folder.rglob("*")) if path.is_file() and files.lasts(path)]
    size = sum(path.stat().st_size for path in found)
    st.caption(
        f"{len(found):,} files, {size / 2**20:.1f} MB: tables, metrics, predictions, kernels. Weights and features are not."
    )
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
