"""Keep a finished study in pinned/<name>/, which is in Git, with a manifest and cards. What it holds: study/pinning.py.

    uv run python -m stages.pin sketch

What is stale, not committed, diverged or withheld is not pinned, and a sentence says which. Weights and features go with
`uv run dvc push` (docs/sharing.md). README.md's tables are renewed, and the line `# Result:` of
conf/study/<name>.yaml if it has one.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages import judgements, versions
from stages.judgements import LOCK, Judged
from stages.rejudging import pinned_words
from stages.settings import PARAMS, StudySettings, is_study_name, load, read_params
from study import amounts, files, pinning, provenance, storage
from study.data.packed import read_index
from study.judging import report, staleness
from study.judging.chain import Chain, Conditions
from study.judging.registration import EXPLORATORY
from study.judging.row import NO_NUMBER
from study.judging.verdicts import DIVERGED, HELD, NOT_HELD, NOT_SEEN, SMALL, WITHHELD

FIRST = 3  # claims of a study that README begins with
README, CONF, PIPELINE = Path("README.md"), Path("conf"), Path("dvc.yaml")
ANEW = "run: uv run dvc repro"


def require_fit(settings: StudySettings, params: Mapping[str, Any]) -> Judged:
    """The study as it is judged now. Raises ValueError with the first thing for which it cannot be pinned."""
    results = settings.results
    if not (results / "judge" / "claims.json").exists():
        raise ValueError(f"the study that is chosen, {results.name}, is not judged yet; choose another, or {ANEW}")
    code = provenance.code()
    conditions = judgements.working(settings, params, code)
    if conditions.refusal:
        raise ValueError(f"{conditions.refusal}; commit it, then {ANEW}")
    made = judgements.judged(results, params, conditions, versions.as_it_stands())
    if missing := [stage for stage in _expected(settings) if stage not in made.study.records]:
        raise ValueError(f"{results.name} is not finished: {', '.join(missing)} did not run; {ANEW}")
    for problem in (*_of_judge(results), *_of_stages(settings, made, conditions), *_of_words(results, made)):
        raise ValueError(problem)
    return made


def _of_judge(results: Path) -> Iterator[str]:
    record = storage.mapping(results / "judge/provenance.json")
    if not record.get("commit") or record.get("dirty") is not False:
        yield f"the verdicts were given by code that was not committed; commit it, then {ANEW}"
    for name in staleness.changed_artifacts(results, record.get("outputs", {})):
        yield f"{name} is not what judge wrote; {ANEW}"
    if changed := staleness.changed_makers(Path(), results.name, record.get("made_by", {})):
        yield f"stale: {changed[0]} has changed since the verdicts were given; {ANEW}"


def _of_stages(settings: StudySettings, made: Judged, conditions: Conditions) -> Iterator[str]:
    """Every stage has run, with the settings of params.yaml, no training diverged, and the files are those of the records."""
    chain = Chain(
        folder=settings.results,
        study=settings.study,
        pictures=made.study.packed,
        records=made.study.records,
        conditions=conditions,
    )
    for stage in _expected(settings):
        if broken := chain.withheld([stage]):
            yield f"{stage} cannot be vouched for: {broken.why}; {conditions.remedy}"
        metrics = storage.mapping(settings.results.joinpath(*stage.split("-", 1)) / "metrics.json")
        seeds = metrics.get("seeds") if stage.startswith(("train-", "converge-")) else None
        if gone := [seed for seed, end in (seeds or {}).items() if end.get("status") == "diverged"]:
            yield (
                f"{stage} diverged from seed {' and '.join(gone)}, so nothing is computed from it; give all runs that are "
                f"compared a smaller rate, or leave it out (only=), then {ANEW}"
            )


def _expected(settings: StudySettings) -> Iterator[str]:
    """The stages of dvc.yaml but the last, as records name them."""
    stages = versions.read_yaml(PIPELINE.read_text(encoding="utf-8"), str(PIPELINE))["stages"]
    tables = {"${runs}": list(settings.runs), "${curves}": list(settings.curves)}
    for stage, block in stages.items():
        if "foreach" in block:
            yield from (f"{stage}-{name}" for name in tables[block["foreach"]])
        elif stage != "judge":
            yield stage


def _of_words(results: Path, made: Judged) -> Iterator[str]:
    held = pinned_words(results)
    for row in made.rows:
        if row.verdict.word in (WITHHELD, DIVERGED):
            yield f"the verdict on “{row.claim.title}” is {row.verdict.word}: {row.verdict.why}; {row.decide or ANEW}"
        if (then := held.get(row.claim.id)) != row.verdict.word:
            yield f"stale: “{row.claim.title}” is {then!r} in claims.json and {row.verdict.word!r} today; {ANEW}"


def keep(results: Path, folder: Path, params: Mapping[str, Any]) -> list[str]:
    """Copy into `folder` what Git keeps of a study's results and params.yaml, and dvc.lock. Returns remarks.

    Raises ValueError where that is too much for Git.
    """
    network = pinning.network_of(params)
    claims = storage.mapping(results / "judge/claims.json").get("claims", [])
    rests_on = {name for row in claims for name in row.get("artifacts") or {}}
    found = {path.relative_to(results).as_posix(): path for path in sorted(results.rglob("*")) if path.is_file()}
    kept = {name: path for name, path in found.items() if path.name[0] != "." and pinning.is_kept(name, network, rests_on)}
    searched = {name: path for name, path in found.items() if name in pinning.SEARCHED}
    if sum(path.stat().st_size for path in searched.values()) <= pinning.MOST_SEARCHED:
        kept |= searched
    sizes, remarks = {name: path.stat().st_size for name, path in kept.items()}, []
    if sum(sizes.values()) > pinning.MOST and (weights := f"{network}/{pinning.WEIGHTS}") in kept:
        remarks.append(f"{weights} ({sizes.pop(weights) / 1e6:.1f} MB) is too large for Git and goes with dvc push alone")
        del kept[weights]
    if (total := sum(sizes.values())) > pinning.MOST:
        largest = ", ".join(sorted(sizes, key=sizes.__getitem__, reverse=True)[:3])
        raise ValueError(
            f"the pin would have {total / 1e6:.1f} MB, and {pinning.MOST / 1e6:.0f} are the most for Git (largest: {largest}); "
            f"choose fewer runs or test pictures"
        )
    for name, path in kept.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    shutil.copyfile(PARAMS, folder / PARAMS)
    storage.write_bytes(folder / LOCK, _lock_of(results).encode())
    return remarks


def _lock_of(results: Path) -> str:
    """dvc.lock without the stages of other studies and of runs that this one has no more: DVC leaves those of earlier choices."""
    stages, kept, lines = read_params(LOCK)["stages"], True, []
    for line in LOCK.read_text(encoding="utf-8").splitlines(keepends=True):
        if (name := line.strip().removesuffix(":")) in stages and line.startswith("  ") and line[2] != " ":
            outs = [Path(out["path"]) for out in stages[name].get("outs", ())]
            kept = all(out.exists() for out in outs) and any(out.is_relative_to(results) for out in outs)
        lines.append(line if kept else "")
    return "".join(lines)


def add_cards(settings: StudySettings, params: Mapping[str, Any], made: Judged, folder: Path) -> None:
    """The cards and the mean picture. Raises ValueError where the packed pictures are not those of the study."""
    if read_index(settings.packed)["sha256"] != made.study.packed:
        raise ValueError(f"{settings.packed} does not hold the pictures of the study; make them with: uv run dvc repro prepare")
    shutil.copyfile(settings.packed / pinning.MEAN, folder / pinning.MEAN)
    name, network, summary = folder.name, pinning.network_of(params), report.summary(made.rows)
    to_go_on = f"cp {files.PINNED / name / PARAMS} {files.PINNED / name / LOCK} . && uv run dvc pull"
    weights = (folder / network / pinning.WEIGHTS).exists()
    storage.write_bytes(folder / pinning.CARD, pinning.card(name, settings.results, summary, to_go_on, weights).encode())
    if weights:
        storage.write_bytes(folder / pinning.MODEL_CARD, pinning.model_card(name, settings.results, network).encode())


def pin(name: str) -> list[str]:
    """Pin the study that is chosen, whole or not at all. Returns remarks. Raises ValueError where it cannot be pinned."""
    folder, unfinished = files.PINNED / name, storage.WORK / "pin" / name
    if folder.exists():
        raise ValueError(f"{folder} exists already; choose another name, or remove it with: git rm -r {folder}")
    settings, params = load(), read_params(PARAMS)
    made = require_fit(settings, params)
    shutil.rmtree(unfinished, ignore_errors=True)  # of a pin that was interrupted
    remarks = keep(settings.results, unfinished, params)
    add_cards(settings, params, made, unfinished)
    storage.write_json(unfinished / pinning.MANIFEST, pinning.manifest(unfinished))
    again = judgements.judged(unfinished, params, judgements.pinned(unfinished, params), versions.as_it_stands())
    for row in again.rows:
        if row.verdict.word != pinned_words(unfinished)[row.claim.id]:
            raise ValueError(f"the pin alone would make “{row.claim.title}” {row.verdict.word}: {row.verdict.why}")
    folder.parent.mkdir(exist_ok=True)
    os.replace(unfinished, folder)
    return remarks


def with_tables(readme: str, pins: Iterable[Path]) -> str:
    """README's text with what is generated from the pinned studies' folders renewed, which stands between marks and an end.

    After `<!-- found -->` what was found first; after `<!-- measured -->` a line a study and a row a claim that one of them
    measured; after `<!-- computed -->` what follows from the paper's own numbers. Studies of drawn pictures stand last; before
    them stands first which measured most."""
    claims = {study: storage.mapping(study / "judge/claims.json").get("claims", []) for study in pins}
    by_id = {study: {row["id"]: row for row in rows if pinning.is_measured(row)} for study, rows in claims.items()}
    studies = sorted(claims, key=pinning.place)
    measured = [
        f"- {(study / 'judge/claims.md').read_text(encoding='utf-8').splitlines()[0].removeprefix('Study ')} "
        f"In short: {pinning.result(study)}. "
        f"[All claims](pinned/{study.name}/judge/claims.md), [report](pinned/{study.name}/judge/report.md)."
        for study in studies
    ]
    measured += ["", f"| § | claim | in the paper |{''.join(f' `{study.name}` |' for study in studies)}"]
    measured += [f"|---|---|---|{'---|' * len(studies)}"]
    computed = ["| § | claim | in the paper | by arithmetic | verdict |", "|---|---|---|---|---|"]
    for row in claims[studies[0]]:
        of_what = f" ({row['metric']})" if row["kind"] in ("figure", "absence") and row["verdict"] not in pinning.COMPUTED else ""
        told = f"| {row['section']} | {row['title']}{of_what} | {row['in_paper']} |"
        if row["verdict"] in pinning.COMPUTED:
            computed.append(f"{told} {row['here']} | {row['verdict']} |")
        elif any(row["id"] in of_study for of_study in by_id.values()):
            measured.append(told + "".join(f" {_found(by_id[study].get(row['id']))} |" for study in studies))
    for block, lines in {"found": _found_first(by_id, studies), "measured": measured, "computed": computed}.items():
        before, mark, rest = readme.partition(f"<!-- {block} -->\n")
        if mark:
            readme = before + mark + "\n".join([*lines, "<!-- end -->"]) + rest.partition("<!-- end -->")[2]
    return readme


def _found_first(by_id: Mapping[Path, Mapping[str, Mapping[str, Any]]], studies: Sequence[Path]) -> list[str]:
    """A line a claim that a study of real pictures decided, at most FIRST a study, what did not hold before what held."""
    lines, told = [], set[str]()
    for study in studies:
        drawn = storage.mapping(study / "download/source.json").get("source") == "sketch"
        decided = [row for name, row in by_id[study].items() if row["group"] in (NOT_HELD, SMALL, HELD) and name not in told]
        order = (NOT_HELD, SMALL, HELD)
        for row in sorted(decided, key=lambda row: order.index(row["group"]))[: 0 if drawn else FIRST]:
            told.add(row["id"])
            paper = f"; {row['in_paper']} in the paper" if row["paper"] is not None else ""
            lines.append(f"- {row['title']}: **{row['verdict']}**. {row['here']} in `{study.name}`, {row['sample']}{paper}.")
    return lines


def _found(row: Mapping[str, Any] | None) -> str:
    """What a study found of a claim, in a cell of README's table: number, interval, what it rests on, verdict."""
    if row is None:
        return NO_NUMBER
    word = row["verdict"].removesuffix(" (reduced scale)")
    if row["group"] == SMALL:  # more may matter here than the paper's own effect is
        word += f" ({amounts.amount(row['matters'], row['unit'])})"
    elif row["kind"] == "absence" and row["group"] == NOT_SEEN and row["matters"] is not None:
        word += f" whether it is over {amounts.amount(row['matters'], row['unit'])}"
    exploratory = f", {EXPLORATORY}" if str(row["registered"]).startswith(EXPLORATORY) else ""
    return f"{row['here']}, {row['sample']}: {word}{exploratory}"


def with_result(settings: str, folder: Path) -> str:
    """A study's file of settings with what came out of it in the line of its head that begins with `# Result:`."""
    return re.sub(r"^# Result:.*$", lambda _: f"# Result: {pinning.result(folder)}.", settings, flags=re.MULTILINE)


def main() -> None:
    if len(sys.argv) != 2 or not is_study_name(sys.argv[1]):
        sys.exit("pin: give a name of letters, digits, - and _, as in: uv run python -m stages.pin sketch")
    folder = files.PINNED / sys.argv[1]
    try:
        remarks = pin(folder.name)
    except (ValueError, OSError) as problem:
        sys.exit(f"pin: {problem}")
    README.write_text(with_tables(README.read_text(encoding="utf-8"), pinning.own(files.PINNED)), encoding="utf-8")
    chosen_by, changed = CONF / "study" / f"{folder.name}.yaml", [folder, LOCK, README]
    if chosen_by.exists():
        changed.append(chosen_by)
        chosen_by.write_text(with_result(chosen_by.read_text(encoding="utf-8"), folder), encoding="utf-8")
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    print(*(f"note: {remark}" for remark in remarks), sep="\n", end="\n" * bool(remarks))
    print(f"{folder} holds {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB; keep it with: git add", *changed, "&& git commit")
    print("weights and features of all its networks go to a DVC remote with: uv run dvc push (docs/sharing.md)")


if __name__ == "__main__":
    main()
