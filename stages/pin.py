"""Keep a finished study in pinned/<name>/, which is in Git, with a manifest and cards. What it holds: study/pinning.py.

    uv run python -m stages.pin sketch              the study that is chosen, as results/ has it
    uv run python -m stages.pin sketch --renew      a pin that is there, judged by today's code, with whatever results/ has
                                                    of its study that was run since; needs none of its weights

What is stale, not committed, diverged or withheld is not pinned, and a sentence says which. (In a study that protocol.yaml calls
exploratory a training that diverged is what came out, so it is pinned, and named in the card.) Weights and features go with
`uv run dvc push` (docs/sharing.md). The tables of README.md and docs/results.md are renewed, and the line `# Result:` of
conf/study/<study>.yaml if it has one.
"""

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages import judge, judgements, versions
from stages.judgements import DVC_LOCK, Judged
from stages.rejudging import pinned_words
from stages.running import refusal
from stages.settings import PARAMS, StudySettings, as_yaml, is_study_name, load, read_params
from study import amounts, files, pinning, provenance, storage
from study.checking import plain
from study.data.packed import read_index
from study.judging import report, staleness
from study.judging.chain import Chain, Conditions
from study.judging.measurement import AT_BEST, OF_EACH
from study.judging.protocol import Protocol
from study.judging.row import NO_NUMBER, qualified, says_of_what
from study.judging.staleness import outdated
from study.judging.verdicts import DIVERGED, HELD, NOT_HELD, NOT_SEEN, SMALL, WITHHELD
from study.machine import peak_memory
from study.provenance import Record

RENEW = "--renew"
FIRST, LONG = 4, 105  # claims of a study and group that README begins with; characters of numbers by run that are too many there
TABLES = (Path("README.md"), Path("docs/results.md"))  # have tables of what the pinned studies found
CONF, PIPELINE = Path("conf"), Path("dvc.yaml")
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
    for problem in (*_of_judge(results), *_of_stages(results, settings, made, conditions), *_of_words(results, made)):
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


def _of_stages(results: Path, settings: StudySettings, made: Judged, conditions: Conditions) -> Iterator[str]:
    """Every stage has run, with the settings of params.yaml, no training diverged, and the files are those of the records.

    In a study that is exploratory by name that a rate makes trainings diverge answers a question; no claim rests on them.
    """
    may_diverge = settings.study in made.protocol.head.exploratory
    chain = Chain(
        folder=results,
        study=settings.study,
        pictures=made.study.packed,
        records=made.study.records,
        conditions=conditions,
    )
    for stage in _expected(settings):
        if broken := chain.withheld([stage]):
            yield f"{stage} cannot be vouched for: {broken.why}; {conditions.remedy}"
        metrics = storage.mapping(results.joinpath(*stage.split("-", 1)) / "metrics.json")
        seeds = metrics.get("seeds") if stage.startswith(("train-", "converge-")) else None
        gone = [seed for seed, end in (seeds or {}).items() if end.get("status") == "diverged"]
        if gone and not may_diverge:
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


def keep(results: Path, folder: Path, params: Mapping[str, Any], written: Path = PARAMS, lock: str = "") -> list[str]:
    """Copy into `folder` what Git keeps of a study's results, its settings, which are `written` there, and its `lock`, or what
    dvc.lock has of it. Returns remarks. Raises ValueError where that is too much for Git.
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
    if sum(sizes.values()) > pinning.MOST and (least := set(pinning.of_later_seeds(kept)) - rests_on):
        for name in least:
            del kept[name], sizes[name]
        remarks.append(
            f"the first-layer kernels of a run's seeds after the first {pinning.FEW_SEEDS} ({len(least)} files) are left out, so "
            "that the pin is small enough for Git; they go with dvc push"
        )
    if sum(sizes.values()) > pinning.MOST and (weights := f"{network}/{pinning.WEIGHTS}") in kept:
        remarks.append(f"{weights} ({sizes.pop(weights) / 1e6:.1f} MB) is too large for Git and goes with dvc push alone")
        del kept[weights]
    if (total := sum(sizes.values())) > pinning.MOST:
        largest = ", ".join(sorted(sizes, key=sizes.__getitem__, reverse=True)[:3])
        raise ValueError(
            f"the pin would have {total / 1e6:.1f} MB, and {pinning.MOST / 1e6:.1f} are the most for Git (largest: {largest}); "
            f"choose fewer runs or test pictures"
        )
    for name, path in kept.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    shutil.copyfile(written, folder / PARAMS)
    storage.write_bytes(folder / DVC_LOCK, (lock or _lock_of(results)).encode())
    return remarks


def _lock_of(results: Path) -> str:
    """dvc.lock without the stages of other studies and of runs that this one has no more: DVC leaves those of earlier choices."""
    stages, kept, lines = read_params(DVC_LOCK)["stages"], True, []
    for line in DVC_LOCK.read_text(encoding="utf-8").splitlines(keepends=True):
        if (name := line.strip().removesuffix(":")) in stages and line.startswith("  ") and line[2] != " ":
            outs = [Path(out["path"]) for out in stages[name].get("outs", ())]
            kept = all(out.exists() for out in outs) and any(out.is_relative_to(results) for out in outs)
        lines.append(line if kept else "")
    return "".join(lines)


def add_cards(results: Path, params: Mapping[str, Any], made: Judged, folder: Path) -> None:
    """Write the card of the study, and of its network where its weights are kept, into the pin's `folder`."""
    name, network, summary = folder.name, pinning.network_of(params), report.summary(made.rows)
    to_go_on = f"cp {files.PINNED / name / PARAMS} {files.PINNED / name / DVC_LOCK} . && uv run dvc pull"
    weights = (folder / network / pinning.WEIGHTS).exists()
    storage.write_bytes(folder / pinning.CARD, pinning.card(name, results, summary, to_go_on, weights).encode())
    if weights:
        storage.write_bytes(folder / pinning.MODEL_CARD, pinning.model_card(name, results, network).encode())


def pin(name: str) -> list[str]:
    """Pin the study that is chosen, whole or not at all. Returns remarks. Raises ValueError where it cannot be pinned."""
    folder, unfinished = files.PINNED / name, storage.WORK / "pin" / name
    if folder.exists():
        raise ValueError(
            f"{folder} exists already; judge it anew with --renew, choose another name, or remove it with: git rm -r {folder}"
        )
    settings, params = load(), read_params(PARAMS)
    if name != settings.study and (CONF / "study" / f"{name}.yaml").exists():
        raise ValueError(f"{name} is another study than {settings.study}, which is chosen; choose it first, or give another name")
    made = require_fit(settings, params)
    if read_index(settings.packed)["sha256"] != made.study.packed:
        raise ValueError(f"{settings.packed} does not hold the pictures of the study; make them with: uv run dvc repro prepare")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a pin that was interrupted
    remarks = keep(settings.results, unfinished, params)
    shutil.copyfile(settings.packed / pinning.MEAN, unfinished / pinning.MEAN)
    _complete(settings.results, params, made, unfinished)
    folder.parent.mkdir(exist_ok=True)
    os.replace(unfinished, folder)
    return remarks


def _complete(results: Path, params: Mapping[str, Any], made: Judged, unfinished: Path) -> None:
    """Cards and manifest. Raises ValueError where what is pinned would not give the verdicts that it holds."""
    add_cards(results, params, made, unfinished)
    storage.write_json(unfinished / pinning.MANIFEST, pinning.manifest(unfinished))
    again = judgements.judged(unfinished, params, judgements.pinned(unfinished, params), versions.as_it_stands())
    for row in again.rows:
        if row.verdict.word != pinned_words(unfinished)[row.claim.id]:
            raise ValueError(f"the pin alone would make “{row.claim.title}” {row.verdict.word}: {row.verdict.why}")


def renew(name: str) -> list[str]:
    """Judge a pin by today's code, with the stages of its study that results/ has in place of, or beside, the pinned ones.

    So a pin keeps up with the rules and gets more runs where nobody has its weights any more. Its settings are those of
    params.yaml where this has its study, else its own. Returns remarks. Raises ValueError where it cannot be renewed; the pin
    is then as it was.
    """
    folder, unfinished = files.PINNED / name, storage.WORK / "pin" / name
    if folder not in pinning.own(files.PINNED):
        raise ValueError(f"there is no pin {folder} of this project's, so there is none to renew; pin it without --renew")
    if changed := judgements.changed_files(folder):
        raise ValueError(f"{folder / changed[0]} is not the file of the pin's manifest; restore it with: git checkout {folder}")
    written = PARAMS if read_params(PARAMS).get("study") == read_params(folder / PARAMS)["study"] else folder / PARAMS
    settings, params = load(written), read_params(written)
    whole = storage.WORK / "renewed" / settings.study
    for left in (unfinished, whole):
        shutil.rmtree(left, ignore_errors=True)
    of_the_pin = _put_together(settings, pinning.network_of(params), folder, whole)
    record = Record("judge", {part: plain(getattr(settings, part)) for part in ("study", "machine")})
    conditions = judgements.renewed(settings, params, record.content, of_the_pin)
    made = judgements.judged(whole, params, conditions, versions.as_it_stands())
    judge.write(whole, settings, made)
    for problem in (*_of_stages(whole, settings, made, conditions), *_of_words(whole, made)):
        raise ValueError(problem)
    lock = _merged_lock(settings, folder, of_the_pin)
    record.add(made_by=judge.made_by(settings, params, lock))
    record.outputs(whole, whole / "judge")
    record.write(files.provenance(whole, "judge"), peak_memory())
    lock["stages"]["judge"] = _judged_in_lock(read_params(folder / DVC_LOCK)["stages"]["judge"], lock, settings, whole)
    remarks = _differences(folder, params, of_the_pin, made.protocol) + keep(whole, unfinished, params, written, as_yaml(lock))
    shutil.copyfile(folder / pinning.MEAN, unfinished / pinning.MEAN)
    _complete(whole, params, made, unfinished)
    shutil.rmtree(folder)  # Git has it
    os.replace(unfinished, folder)
    shutil.rmtree(whole)
    return remarks


def _put_together(settings: StudySettings, network: str, folder: Path, whole: Path) -> list[str]:
    """Into `whole`, every stage of the study as results/ has it, or else as the pin in `folder` does. Returns the latter."""
    of_the_pin = []
    for stage in _expected(settings):
        place = settings.results if files.provenance(settings.results, stage).is_file() else folder
        if not (told := files.provenance(place, stage)).is_file():
            raise ValueError(f"{stage} is neither in {settings.results} nor in {folder}; run: uv run dvc repro {_name(stage)}")
        if place == folder:
            of_the_pin.append(stage)
        below = Path(*stage.split("-", 1))
        for path in (told, *(path for path in (place / below).rglob("*") if path.is_file() and path.name[0] != ".")):
            name = path.relative_to(place)
            if path.name != pinning.WEIGHTS or name.as_posix() == f"{network}/{pinning.WEIGHTS}":
                storage.write_bytes(whole / name, path.read_bytes())
    return of_the_pin


def _differences(folder: Path, params: Mapping[str, Any], of_the_pin: Collection[str], protocol: Protocol) -> list[str]:
    """A remark for each stage of the pin whose code has changed since. Raises ValueError where its settings have, and where a
    claim would compare its errors with those that today's code measured. (Trainings have their code on record.)"""
    lock = read_params(folder / DVC_LOCK)
    settings_alone = {name: block | {"deps": []} for name, block in lock["stages"].items()}
    for stage, why in outdated({"stages": settings_alone}, params, Path(), params["study"], of_the_pin).items():
        if stage in of_the_pin and str(PARAMS) in why:
            raise ValueError(f"{why}, so that what {folder} has of it does not count; run: uv run dvc repro {_name(stage)}")
    today = outdated(lock, params, Path(), params["study"], of_the_pin)
    for block in protocol.claims.values():
        compared = [f"evaluate-{run}" for run in (*block.run.split(), *block.against.split()) if run in params["runs"]]
        anew = [stage for stage in compared if stage not in of_the_pin]
        if anew and (old := next((stage for stage in compared if stage in of_the_pin and stage in today), None)):
            raise ValueError(
                f"{today[old]}, so that its errors are not to be compared with those of {anew[0]}, which today's code measured; "
                f"run: uv run dvc repro {_name(old)}"
            )
    return [f"{stage} is the pinned one, although {why}" for stage, why in today.items() if stage in of_the_pin]


def _name(stage: str) -> str:
    """What DVC calls a stage that records call `train-base`."""
    return stage.replace("-", "@", 1)


def _merged_lock(settings: StudySettings, folder: Path, of_the_pin: Collection[str]) -> dict[str, Any]:
    """The pin's dvc.lock for the stages that are its own, and dvc.lock for the others."""
    of = {True: read_params(folder / DVC_LOCK)["stages"], False: read_params(DVC_LOCK)["stages"] if DVC_LOCK.exists() else {}}
    return {"schema": "2.0", "stages": {_name(stage): of[stage in of_the_pin][_name(stage)] for stage in _expected(settings)}}


def _judged_in_lock(before: Mapping[str, Any], lock: Mapping[str, Any], settings: StudySettings, whole: Path) -> dict[str, Any]:
    """What dvc.lock says of judge, with today's code and what was written now, so that DVC has nothing to run in a clone.

    What a stage of `lock` wrote is what judge read. Results as a whole are nowhere, so what it says of them, as of all
    trainings, stays; whoever has them all judges them once more.
    """
    block = versions.read_yaml(PIPELINE.read_text(encoding="utf-8"), str(PIPELINE))["stages"]["judge"]
    known = {dep["path"]: dep for dep in before["deps"]}
    known |= {out["path"]: out for stage in lock["stages"].values() for out in stage.get("outs", ())}
    deps = []
    for path in (str(dep).replace("${study}", settings.study) for dep in block["deps"]):
        today = {"path": path, "hash": "md5", "md5": staleness.md5(Path(), path)}
        deps.append(today if path.startswith(staleness.CODE) else known[path])
    written = {"path": f"{settings.results}/judge", "hash": "md5", "md5": staleness.md5(whole, "judge")}
    packages = {staleness.PROJECT: {"project.dependencies": staleness.dependencies(Path())}}
    return {"cmd": block["cmd"], "deps": deps, "params": packages, "outs": [written]}


def with_tables(text: str, pins: Iterable[Path]) -> str:
    """A text of TABLES with what is generated from the pinned studies' folders renewed, which stands between marks and an end.

    After `<!-- found -->` what was found first; after `<!-- studies -->` a row a study; after `<!-- measured -->` a line a study
    and a row a claim that one of them measured (but those that protocol.yaml calls exploratory, of what readers ask, which stand
    in no table of claims); after `<!-- computed -->` what follows from the paper's own numbers. Studies of
    drawn pictures stand last; before them stands first which measured most."""
    claims = {study: storage.mapping(study / "judge/claims.json").get("claims", []) for study in pins}
    by_id = {study: {row["id"]: row for row in rows if pinning.is_measured(row)} for study, rows in claims.items()}
    studies = sorted(claims, key=pinning.place)
    measured = [
        f"- {(study / 'judge/claims.md').read_text(encoding='utf-8').splitlines()[0].removeprefix('Study ')} "
        f"In short: {pinning.result(study)}. "
        f"[All claims](../pinned/{study.name}/judge/claims.md), [report](../pinned/{study.name}/judge/report.md)."
        for study in studies
    ]
    tested = [study for study in studies if study.name not in versions.as_it_stands().protocol.get("exploratory", ())]
    measured += ["", f"| § | claim | in the paper |{''.join(f' `{study.name}` |' for study in tested)}"]
    measured += [f"|---|---|---|{'---|' * len(tested)}"]
    computed = ["| § | claim | in the paper | by arithmetic | verdict |", "|---|---|---|---|---|"]
    for row in claims[studies[0]]:
        of_what = "" if row["verdict"] in pinning.COMPUTED else _of_what(row)
        told = f"| {row['section']} | {row['title']}{of_what} | {row['in_paper']} |"
        if row["verdict"] in pinning.COMPUTED:
            computed.append(f"{told} {row['here']} | {row['verdict']} |")
        elif any(row["id"] in by_id[study] for study in tested):
            measured.append(told + "".join(f" {_found(by_id[study].get(row['id']))} |" for study in tested))
    of_each = _of_each_study(by_id, studies, tested)
    blocks = {"found": _found_first(by_id, tested), "studies": of_each, "measured": measured, "computed": computed}
    for block, lines in blocks.items():
        before, mark, rest = text.partition(f"<!-- {block} -->\n")
        if mark:
            text = before + mark + "\n".join([*lines, "<!-- end -->"]) + rest.partition("<!-- end -->")[2]
    return text


def _of_each_study(
    by_id: Mapping[Path, Mapping[str, Mapping[str, Any]]], studies: Sequence[Path], tested: Sequence[Path]
) -> list[str]:
    """A table in Markdown: of each study how many of the claims that it measured came out how, and its error in short; those
    that are not `tested` are exploratory."""
    groups = (HELD, NOT_HELD, SMALL, NOT_SEEN)
    lines = [f"| study | pictures | {' | '.join(groups)} | in short |", "|---|---|---|---|---|---|---|"]
    for study in studies:
        count = Counter(row["group"] for row in by_id[study].values())
        counted = " | ".join(str(count[group]) for group in groups)
        kind = "" if study in tested else " (exploratory)"
        begun = f"| [`{study.name}`](pinned/{study.name}/judge/report.md){kind} | {pinning.pictures_of(study)}"
        lines.append(f"{begun} | {counted} | {pinning.result(study)} |")
    return lines


def _found_first(by_id: Mapping[Path, Mapping[str, Mapping[str, Any]]], studies: Sequence[Path]) -> list[str]:
    """A table in Markdown: of each study of real pictures what it decided, FIRST at most of what did not hold, held, was small.

    Of several studies that measured a claim one at the paper's scale speaks, else the one with most seeds, even where it
    decided nothing.
    """
    order = (NOT_HELD, HELD, SMALL)
    lines = ["| claim | verdict | here | in the paper | rests on |", "|---|---|---|---|---|"]
    real = [study for study in studies if storage.mapping(study / "download/source.json").get("source") != "sketch"]
    speaks: dict[str, Path] = {}
    shown = there = 0
    for name in dict.fromkeys(name for study in real for name in by_id[study]):
        rows_of = {of: by_id[of][name] for of in real if name in by_id[of]}
        speaks[name] = max(rows_of, key=lambda of: (rows_of[of].get("reduced") == [], sum(rows_of[of]["seeds_of_each"])))
    for study in real:
        decided = [row for name, row in by_id[study].items() if speaks[name] == study and row["group"] in order]
        rows = [row for group in order for row in [row for row in decided if row["group"] == group][:FIRST]]
        shown, there = shown + len(rows), there + len(decided)
        for row in rows:
            word = qualified(row["verdict"], row["registered"])
            small = f" ({amounts.amount(row['matters'], row['unit'])})" if row["group"] == SMALL else ""
            here, sample = f"{row['here']}{_by_run(row)}", f"`{study.name}`, {row['sample']}"
            lines.append(f"| {row['title']}{_of_what(row)} | **{word}{small}** | {here} | {row['in_paper']} | {sample} |")
    told = (
        f"Measurements on real pictures decided {there} claims, and {shown} of them are shown: of each study at most {FIRST} "
        f"that did not hold, {FIRST} that held and {FIRST} whose effect is smaller than what matters. Where several studies "
        "measured a claim, the table has the one at the paper's scale, or else the one with most seeds."
    )
    return [*lines, "", told]


def _of_what(row: Mapping[str, Any]) -> str:
    """What a number is of, in brackets, where its claim's title does not say it."""
    return f" ({row['metric']})" if says_of_what(row["kind"], row["unit"]) else ""


def _by_run(row: Mapping[str, Any]) -> str:
    """The numbers of each run, which say what a difference does not, unless they are many; those at each run's best rate, or of
    each effect of several."""
    said = [row["said"]] if row["unit"] != "times" and 0 < len(row["said"]) < LONG else []
    return "".join(f"; {words}" for words in (*said, *(told for told in row["remarks"] if told.startswith((AT_BEST, OF_EACH)))))


def _found(row: Mapping[str, Any] | None) -> str:
    """What a study found of a claim, in a cell of a table: number, interval, what it rests on, verdict."""
    if row is None:
        return NO_NUMBER
    word = row["verdict"].removesuffix(" (reduced scale)")
    if row["group"] == SMALL:  # more may matter here than the paper's own effect is
        seen = ", an effect is seen" if (row["low"] or 0) > 0 else ""
        word += f" ({amounts.amount(row['matters'], row['unit'])}{seen})"
    elif row["kind"] == "absence" and row["group"] == NOT_SEEN and row["matters"] is not None:
        word += f" whether it is over {amounts.amount(row['matters'], row['unit'])}"
    return f"{row['here']}{_by_run(row)}, {row['sample']}: {qualified(word, row['registered'])}"


def with_result(settings: str, folder: Path) -> str:
    """A study's file of settings with what came out of it in the line of its head that begins with `# Result:`."""
    return re.sub(r"^# Result:.*$", lambda _: f"# Result: {pinning.result(folder)}.", settings, flags=re.MULTILINE)


def main() -> None:
    names = [word for word in sys.argv[1:] if word != RENEW]
    if len(names) != 1 or not is_study_name(names[0]):
        sys.exit(f"pin: give a name of letters, digits, - and _, as in: uv run python -m stages.pin sketch [{RENEW}]")
    folder = files.PINNED / names[0]
    try:
        remarks = (renew if RENEW in sys.argv else pin)(folder.name)
    except (ValueError, OSError) as problem:
        sys.exit(f"pin: {refusal(problem)}")
    pages = [page for page in TABLES if page.exists()]
    for page in pages:
        page.write_text(with_tables(page.read_text(encoding="utf-8"), pinning.own(files.PINNED)), encoding="utf-8")
    chosen_by, changed = CONF / "study" / f"{read_params(folder / PARAMS)['study']}.yaml", [folder, DVC_LOCK, *pages]
    if chosen_by.exists():
        changed.append(chosen_by)
        chosen_by.write_text(with_result(chosen_by.read_text(encoding="utf-8"), folder), encoding="utf-8")
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    print(*(f"note: {remark}" for remark in remarks), sep="\n", end="\n" * bool(remarks))
    print(f"{folder} holds {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB; keep it with: git add", *changed, "&& git commit")
    print("weights and features of all its networks go to a DVC remote with: uv run dvc push (docs/sharing.md)")


if __name__ == "__main__":
    main()
