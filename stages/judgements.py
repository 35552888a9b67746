"""A judgement put together: the results of a folder, the protocol and code as they stand, and what must agree with records."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages import versions
from stages.relative import written_out
from stages.settings import StudySettings, read_params
from study import provenance, storage
from study.checking import SettingsError, plain
from study.judging.about import Study, study_of
from study.judging.chain import Chain, Conditions
from study.judging.evidence import Evidence
from study.judging.judgement import judge
from study.judging.protocol import Protocol, read_protocol
from study.judging.registration import Version, registration, weakest
from study.judging.row import Row
from study.judging.staleness import outdated

DVC_LOCK = Path("dvc.lock")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A study with its verdicts; `altered`: a sentence for each of its files that is not the one on record."""

    study: Study
    protocol: Protocol
    rows: list[Row]
    altered: list[str]


def judged(folder: Path, params: Mapping[str, Any], conditions: Conditions, today: Version) -> Judged:
    """The study in a folder, working or pinned, whose params.yaml holds `params`."""
    name = str(params["study"])
    protocol = _protocol(today).of_study(name)
    study = study_of(folder, name, protocol)
    evidence = Evidence(folder=folder, study=name, runs=tuple(params["runs"]), curves=tuple(params["curves"]))
    chain = Chain(folder=folder, study=name, pictures=study.packed, records=study.records, conditions=conditions)

    def registered(claim: str, commits: Sequence[str]) -> str:
        return weakest({registration(claim, name, today, versions.at(commit) if commit else None) for commit in commits})

    rows = judge(evidence, protocol, study, chain, registered)
    broken = (chain.withheld([stage]) for stage in study.records)
    return Judged(study=study, protocol=protocol, rows=rows, altered=sorted({one.why for one in broken if one and one.altered}))


def _protocol(today: Version) -> Protocol:
    try:
        return read_protocol(today.protocol)
    except SettingsError as problem:
        raise ValueError(f"protocol.yaml: {problem}") from None


def _lines(params: Mapping[str, Any]) -> dict[str, Any]:
    """By kind of training, the blocks of params.yaml in which trainings may differ."""
    return {"train": {run: written_out(block or {}) for run, block in params["runs"].items()}, "converge": params["curves"]}


def working(settings: StudySettings, params: Mapping[str, Any], code: Mapping[str, Any]) -> Conditions:
    """Of a working study: its settings today, and what DVC and Git know. `code` says at which commit, and whether it is clean."""
    trained: dict[str, Any] = {f"train-{run}": one for run, one in settings.runs.items()}
    trained |= {f"converge-{curve}": one for curve, one in settings.curves.items()}
    wanted = {stage: json.loads(json.dumps(plain(one))) for stage, one in (trained | {"machine": settings.machine}).items()}
    stages = [path.stem for path in (settings.results / "provenance").glob("*.json")]
    lock = read_params(DVC_LOCK) if DVC_LOCK.exists() else {}
    return Conditions(
        refusal=(unclean := _uncommitted(code)),
        remedy=f"{'commit it, then ' if unclean else ''}`uv run dvc repro`",
        lines=_lines(params),
        settings=wanted,
        outdated=outdated(lock, params, Path(), settings.study, stages),
    )


def renewed(
    settings: StudySettings, params: Mapping[str, Any], code: Mapping[str, Any], of_the_pin: Collection[str]
) -> Conditions:
    """Of a pin that is renewed: what `working` asks, but the stages `of_the_pin` have the files and the code that the pin has."""
    asked = working(settings, params, code)
    outdated = {stage: why for stage, why in asked.outdated.items() if stage not in of_the_pin}
    return replace(asked, outdated=outdated, pinned=True)


def pinned(folder: Path, params: Mapping[str, Any]) -> Conditions:
    """Of a pinned study, whose settings are its own: its files are those of its manifest, and the manifest is the one in Git."""
    broken = [f"{name} is not the file of the pin's manifest" for name in changed_files(folder)]
    return Conditions(
        refusal=_uncommitted(provenance.code()) or next(iter(broken), ""),
        remedy="restore from Git what was changed; a pin is never mended",
        lines=_lines(params),
        pinned=True,
    )


def changed_files(folder: Path) -> list[str]:
    """Files of a pin that are not those of its manifest, that it lacks, or that it should not have."""
    path = folder / "manifest.json"
    manifest = storage.mapping(path)
    found = [one for one in folder.rglob("*") if (one.is_file() or one.is_symlink()) and one != path]
    there = {one.relative_to(folder).as_posix(): storage.sha256(one) if one.is_file() else "" for one in found}
    changed = [name for name, sha in manifest.items() if there.get(name) != sha]
    kept = versions.text_at("HEAD", path)
    altered = [path.name] if kept is not None and kept != path.read_bytes() else []
    return altered + changed + sorted(set(there) - set(manifest))


def _uncommitted(code: Mapping[str, Any]) -> str:
    if not code.get("commit"):
        return "the code that judges is in no Git repository, so that nothing says what it is"
    return "the code that judges is not committed" if code.get("dirty") is not False else ""
