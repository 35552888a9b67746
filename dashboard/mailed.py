"""A study's report with its figures as one HTML file, which needs no server, no network and no other file: to be mailed.

    uv run python -m dashboard.mailed pinned/sketch                  # writes report-sketch.html
    uv run python -m dashboard.mailed results/sketch report.html

Its sentences, tables and figures are those of the dashboard.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `--only-group dashboard` does not install the project
    sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402
import plotly.graph_objects as go  # noqa: E402
from plotly.offline import get_plotlyjs  # noqa: E402

from dashboard import charts, drawings, findings, frames, galleries, judged, reading, rendering, tables  # noqa: E402
from dashboard.findings import Finding  # noqa: E402
from dashboard.reading import Study  # noqa: E402
from study import files, storage  # noqa: E402
from study.judging.row import NO_NUMBER  # noqa: E402
from study.judging.verdicts import GROUPS, NOT_JUDGED  # noqa: E402
from study.paper import results  # noqa: E402
from study.paper.misread import misreadings  # noqa: E402

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; } th, td { text-align: left; padding: 0.25rem 0.5rem;
  border-bottom: 1px solid #ddd; vertical-align: top; } .wide { overflow-x: auto; } h3 { margin-bottom: 0.2rem; }
.source { color: #555; font-size: 0.9rem; }
.kernels { display: grid; grid-template-columns: repeat(var(--columns), 1fr); gap: 3px; }
.kernels img { width: 100%; image-rendering: pixelated; } svg[role=img] { max-width: 460px; }
:root { --st-text-color: #111; --st-primary-color: #0063a0; }
.pictures { display: grid; grid-template-columns: repeat(7, minmax(0, 1fr)); gap: 6px; overflow-wrap: anywhere; }
.pictures { font-size: 0.8rem; } .pictures img { width: 100%; } summary { font-size: 1.5em; font-weight: bold; cursor: pointer; }
.claims table { table-layout: fixed; } .claims th:first-child { width: 4rem; } .claims th:nth-child(2) { width: 30%; }
@media (max-width: 640px) {
  table { font-size: 0.8rem; } th, td { padding: 0.2rem; } .pictures { font-size: 0.65rem; gap: 3px; }
  .claims thead { display: none; } .claims tr { display: block; padding: 0.4rem 0; border-bottom: 1px solid #ddd; }
  .claims td { display: block; border: 0; padding: 0; } .claims td:nth-child(2) { font-weight: bold; }
  .claims td:empty { display: none; }
  .claims td:nth-child(1)::before { content: "section "; } .claims td:nth-child(4)::before { content: "in the paper: "; }
  .claims td:nth-child(5)::before { content: "here: "; } .claims td:nth-child(6)::before { content: "rests on: "; }
}
"""


def page(study: Study) -> str:
    """The whole file. Raises ValueError where the study is not judged."""
    claims = judged.claims(study)
    if claims.empty:
        raise ValueError(f"{study.address} is not judged yet; run: uv run dvc repro")
    control = frames.control(study)
    parts = [_head(study, claims), *_found(findings.components(study)), *_found(findings.figure_1(study)), *_kernels(study)]
    parts += [*_claims(claims), *_effects(claims), *_curves(study), *_built(study, control)]
    parts += [*_found(findings.kernel_kinds(study, control))]
    parts += [*_labels(study, control), *_neighbours(study), *_found(findings.precision(study))]
    parts += [*_found(findings.masks(study)), *_found(findings.masks_by_picture(study)), *_errors(study)]
    parts += [*_report(study), *_misread()]
    body = "\n".join(parts)
    library = f"<script>{get_plotlyjs()}</script>"  # once, before all figures
    title = f"AlexNet, claim by claim: {study.folder.name}"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>{library}'
        f"</head>\n<body>\n{body}\n</body></html>\n"
    )


def _head(study: Study, claims: pd.DataFrame) -> str:
    made = frames.judged_by(study)
    said = [f"{int((claims['group'] == group).sum())} {group}" for group in dict.fromkeys(GROUPS.values())]
    stale = judged.outdated(study)
    warned = f"<p><strong>Stale: {escape(stale)}; the verdicts that rest on it are withheld.</strong></p>" if stale else ""
    return (
        f"<h1>AlexNet, claim by claim: {escape(study.folder.name)}</h1><p>A. Krizhevsky, I. Sutskever, G. E. Hinton: ImageNet "
        f"Classification with Deep Convolutional Neural Networks, NIPS 2012.</p><p>{escape(frames.description(study))}. Judged "
        f"{escape(str(made.get('started', ''))[:10])} at commit "
        f"{escape(str(made.get('commit', 'not known'))[:10])}.</p>{warned}<p><strong>Of {len(claims)} claims "
        f"{', '.join(said)}.</strong></p>"
    )


def _claims(claims: pd.DataFrame) -> list[str]:
    parts = []
    for group in dict.fromkeys(GROUPS.values()):
        of_group = claims[claims["group"] == group]
        of_group = of_group.iloc[(of_group["kind"] == "arithmetic").argsort(kind="stable")]  # what was measured first
        table, title = (
            f'<div class="claims">{_table(tables.claim_table(of_group).replace(NO_NUMBER, ""))}</div>',
            escape(group.capitalize()),
        )
        if group == NOT_JUDGED and len(of_group):
            parts.append(f"<details><summary>{title}: {len(of_group)}</summary>{table}</details>")
        elif len(of_group):
            parts += [f"<h2>{title}</h2>", table]
    return parts


def _effects(claims: pd.DataFrame) -> list[str]:
    """Every effect on the error with its interval, in one figure."""
    effects = judged.effects_on_the_error(claims)
    if effects.empty:
        return []
    largest = effects.loc[effects["ours"].abs().idxmax()]
    finding = f"Effects on the error; the largest is {tables.here(largest)}"
    return _figure(charts.claim_effects(effects), finding, "Right of 0 is the paper's direction.")


def _found(found: Finding | None) -> list[str]:
    """A figure of dashboard/findings.py; nothing where there is none."""
    return [] if found is None else _figure(found.drawing, found.words, found.source)


def _built(study: Study, run: str) -> list[str]:
    """Figure 2: the network of a run as it was built."""
    network = frames.built(study, run)
    if not network:
        return []
    parameters = sum(layer.get("parameters", 0) for layer in network["layers"])
    title = f"Figure 2 of {run}: {'two columns' if network['columns'] == 2 else 'one column'}, {parameters:,} parameters"
    return [f"<h2>{escape(title)}</h2>", drawings.built(network, title)]


def _curves(study: Study) -> list[str]:
    table = frames.curves(study)
    return [] if table.empty else _found(findings.curves(study, table, "validation_error", list(table["run"].unique())))


def _kernels(study: Study) -> list[str]:
    for run in frames.runs(study, "train"):
        for seed in frames.seeds(study, run):
            if by_epoch := frames.kernels_by_epoch(study, run, seed):
                kernels = by_epoch[max(by_epoch)]
                full = rendering.full_scale([kernels])
                cells = "".join(
                    f'<img src="{rendering.kernel_tile(one, full)}" alt="kernel {n}">' for n, one in enumerate(kernels)
                )
                columns = galleries.in_a_row(len(kernels), 12)
                title = f"First-layer kernels of {run}, seed {seed}"
                told = f"Mid-grey is weight 0, full colour from ±{full:.2g} on; column 1 first."
                return [
                    f"<h2>{escape(title)}</h2>",
                    f'<div class="kernels" style="--columns:{columns}">{cells}</div>',
                    f'<p class="source">{told}</p>',
                ]
    return []


def _labels(study: Study, run: str) -> list[str]:
    """Figure 4, left, in numbers; and the classes that are most often taken for one another."""
    found = frames.predictions(study, run)
    if found is None:
        return []
    model = files.AVERAGED if files.AVERAGED in found.best else next(iter(found.best))
    parts = (
        [f"<h3>{escape(told[0])}</h3><p>{escape(told[1])}</p>"] if (told := findings.among_the_five(study, run, model)) else []
    )
    parts += _found(findings.by_distance(study, run, model))
    pairs, names = (
        frames.confusions(found.labels, found.best[model][:, 0]).head(10),
        frames.class_names(study, frames.labels_in(found)),
    )
    if pairs.empty:
        return parts
    table = pairs.assign(true=[names[n] for n in pairs["true"]], predicted=[names[n] for n in pairs["predicted"]])
    first = table.iloc[0]
    title = f"Most often {first['true']} is taken for {first['predicted']}: {first['pictures']} test pictures"
    return [*parts, f"<h3>{escape(title)}</h3>", _table(table), f'<p class="source">{escape(run)}, {escape(model)}</p>']


def _report(study: Study) -> list[str]:
    """What the report says beside the claims and figures above: how it was done, what was easy and hard, paper against code."""
    parts = []
    for section in reading.text_of(study, "judge/report.md").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title not in ("Results", "Figures 1 to 4"):
            parts += [f"<h2>{escape(title)}</h2>", *map(_block, filter(None, body.strip().split("\n\n")))]
    return parts


def _block(text: str) -> str:
    """A table or a paragraph of the report's Markdown."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    if len(rows) > 2 and all(len(row) == len(rows[0]) for row in rows[2:]):
        return _table(pd.DataFrame(rows[2:], columns=rows[0]))
    return f"<p>{escape(text.replace('`', ''))}</p>"


def _neighbours(study: Study) -> list[str]:
    """Five queries with their six nearest. Drawn pictures are shown; photographs are others' and not ours to mail, so only their
    classes are."""
    table, names = frames.neighbours(study), frames.class_names(study)
    rows = []
    for asked in table["query"].unique()[:5]:
        part = table[table["query"] == asked].sort_values("rank")
        shown = [("test", int(asked), part["label"].iloc[0])]
        shown += [("train", int(row), label) for row, label in zip(part["neighbour"], part["neighbour_label"], strict=True)]
        for split, row, label in shown:
            source = galleries.thumbnail(study, split, row) if frames.is_synthetic(study) else ""
            name = escape(names[int(label)] if int(label) < len(names) else f"class {int(label)}")
            rows.append(f'<span><img src="{source}" alt="{name}"><br>{name}</span>' if source else f"<span>{name}</span>")
    if not rows:
        return []
    return [
        "<h2>Test pictures and their nearest training pictures</h2>",
        f'<div class="pictures">{"".join(rows)}</div>',
    ]


def _errors(study: Study) -> list[str]:
    table = frames.errors(study)
    about = frames.description(study).split(" · ")[0] or study.address
    ours = tables.ours_beneath(table, frames.diverged(study), about, "ten_patches")
    parts = []
    for title, rows in (("Table 1", results.TABLE_1), ("Table 2", results.TABLE_2)):
        whole = pd.concat([tables.printed(rows), ours], ignore_index=True)
        for column in ("top-1", "top-5"):
            whole[column] = ["" if pd.isna(value) else f"{value:.1f}%" for value in whole[column]]
        parts += [f"<h2>{title} of the paper, ours beneath</h2>", _table(whole)]
    return parts


def _misread() -> list[str]:
    rows = pd.DataFrame([(one.said, one.right, one.section) for one in misreadings()], columns=["said", "right", "section"])
    return ["<h2>Often misread</h2>", _table(rows)]


def _figure(figure: go.Figure, finding: str, source: str) -> list[str]:
    figure = copy.deepcopy(charts.dressed(figure, dark=False)).update_layout(template="plotly_white")
    return [
        f"<h3>{escape(finding)}</h3>",
        figure.to_html(full_html=False, include_plotlyjs=False, config=charts.settings("figure")),
        f'<p class="source">{escape(source)}</p>',
    ]


def _table(table: pd.DataFrame) -> str:
    shown: Any = table.fillna("")
    return f'<div class="wide">{shown.to_html(index=False, border=0, escape=True)}</div>'


def main() -> None:
    parser = argparse.ArgumentParser(prog="dashboard.mailed", description="Write a study's report as one HTML file.")
    parser.add_argument("study", help="pinned/<name> or results/<name>")
    parser.add_argument("file", nargs="?", type=Path, help="where to write it; report-<name>.html where not given")
    asked = parser.parse_args()
    where = Path.cwd()
    os.chdir(ROOT)
    known = {study.address: study for study in reading.studies(Path())}
    if asked.study not in known:
        sys.exit(
            f"mailed: there is no study {asked.study}; there are: {', '.join(known) or 'none, make one with uv run dvc repro'}"
        )
    study = known[asked.study]
    target = where / (asked.file or f"report-{study.folder.name}.html")
    try:
        content = page(study)
        storage.write_bytes(target, content.encode())
    except (ValueError, OSError) as problem:
        sys.exit(f"mailed: {problem}")
    for note in dict.fromkeys(study.notes):
        print(f"mailed: {note}", file=sys.stderr)
    print(f"{target}: {len(content) / 1e6:.1f} MB, one file")


if __name__ == "__main__":
    main()
