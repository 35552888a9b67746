"""Judging without writing: a working study once more, or a pinned one by the code of its own commit and by today's.

A lock is broken where a file is not the one whose hash is on record, or where a claim was registered otherwise before its runs.
The code of a pin's commit runs in a worktree of Git, which is removed afterwards.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from stages import judgements, versions
from stages.judgements import Judged
from stages.settings import PARAMS, load, read_params
from study import files, provenance, storage
from study.judging import report
from study.judging.registration import CHANGED
from study.judging.row import Row

BROKEN = 3  # the exit status of --strict
PYPROJECT = "pyproject.toml"
WORDS = "--json"  # what `stages.judge --pinned NAME` takes to print words alone


def pinned_words(pinned: Path) -> dict[str, str]:
    """By claim, the word that a pin, or a study, holds."""
    claims = storage.mapping(pinned / "judge/claims.json").get("claims", [])
    return {str(row["id"]): str(row["verdict"]) for row in claims}


def words_at_its_commit(pinned: Path) -> dict[str, str]:
    """By claim, the word that the code gives which judged the pin. Raises ValueError where Git has no such commit, or where
    that code cannot run here."""
    commit = str(storage.mapping(pinned / "judge/provenance.json").get("commit") or "")
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "then"
        if (
            not commit
            or subprocess.run(["git", "worktree", "add", "-q", "--detach", tree, commit], capture_output=True).returncode
        ):
            raise ValueError(f"Git has no commit {commit or 'for this pin'}; fetch the project's history first")
        try:
            return _words_in(tree, pinned)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], capture_output=True)


def _words_in(tree: Path, pinned: Path) -> dict[str, str]:
    """In a checkout of the code that judged: as a pin where it knows pins, else as the working area that it was."""
    knows_pins = "--pinned" in (tree / "stages/judge.py").read_text(encoding="utf-8")
    study = str(read_params(pinned / PARAMS).get("study"))
    free = tree.parent.name  # a name that no pin of that commit has: an earlier pin of this name may lie there, with its manifest
    place = tree / files.PINNED / free if knows_pins else tree / files.RESULTS / study
    shutil.copytree(pinned, place)
    command = [*_python(tree), "-m", "stages.judge", *(("--pinned", free, WORDS) if knows_pins else ())]
    if not knows_pins:
        shutil.copyfile(pinned / PARAMS, tree / PARAMS)
    own = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}  # uv would warn of another one
    done = subprocess.run(command, cwd=tree, env=own, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(f"the code of its commit cannot judge it here: {last}")
    return dict(json.loads(done.stdout)) if knows_pins else pinned_words(place)


def _python(tree: Path) -> list[str]:
    """Python with the packages that a checkout declares: ours if it declares the same, else one that uv makes for it."""
    declared = [tomllib.loads((root / PYPROJECT).read_text("utf-8"))["project"]["dependencies"] for root in (Path(), tree)]
    if declared[0] == declared[1]:
        return [sys.executable]
    if shutil.which("uv") is None:
        raise ValueError("the code of its commit needs other packages than are installed here; install uv, which brings them")
    return ["uv", "run", "--quiet", "--no-default-groups", "--group", "pipeline", "python"]


def differences(name: str, held: Mapping[str, str], then: Mapping[str, str], rows: Sequence[Row]) -> str:
    """In Markdown: what the pin holds, where its own code gives another word, and where today's does, with the reason."""
    same = held == then
    holds = "the verdicts that it holds" if same else "OTHER verdicts than it holds"
    lines = [f"`{name}`: the code of its commit gives {holds}."]
    lines += [
        f"- {claim}: it holds {word!r}, its code gives {then.get(claim)!r}"
        for claim, word in held.items()
        if word != then.get(claim)
    ]
    today = {row.claim.id: row for row in rows}
    changed = [row for row in rows if row.verdict.word != then.get(row.claim.id)]
    lines += ["", f"Today's code gives another word to {len(changed)} of {len(rows)} claims.", ""]
    lines += ["| claim | by its code | by today's | why |", "|---|---|---|---|"]
    for row in changed:
        why = row.verdict.why + (f" ({row.numbers.registered})" if row.numbers.registered else "")
        lines.append(f"| {row.claim.title} | {then.get(row.claim.id, 'no such claim')} | {row.verdict.word} | {why} |")
    lines += [f"| {claim} | {word} | no such claim | |" for claim, word in then.items() if claim not in today]
    return "\n".join(lines)


def judge_pin(name: str, words_alone: bool) -> tuple[str, list[str]]:
    """What to say of a pinned study, and which checks it fails."""
    pinned = files.PINNED / name
    if not (pinned / "judge/claims.json").is_file():
        kept = ", ".join(sorted(path.name for path in files.PINNED.glob("*/")))
        raise ValueError(f"there is no pinned study {name!r}; use one of: {kept or 'none is kept yet'}")
    params = read_params(pinned / PARAMS)
    made = judgements.judged(pinned, params, judgements.pinned(pinned, params), versions.as_it_stands())
    if words_alone:
        return json.dumps({row.claim.id: row.verdict.word for row in made.rows}), []
    held, then = pinned_words(pinned), words_at_its_commit(pinned)
    broken = [f"{name} is not the file of the pin's manifest" for name in judgements.changed_files(pinned)]
    broken += ["its own code gives other verdicts than it holds"] if held != then else []
    return differences(name, held, then, made.rows), broken + failed_checks(made)


def failed_checks(made: Judged) -> list[str]:
    """A sentence for each file that is not the one on record, and each claim that was registered otherwise before its runs."""
    rows = (row for row in made.rows if row.numbers.registered.startswith(CHANGED))
    return made.altered + [f"{row.claim.id} is {row.numbers.registered}" for row in rows]


def judge_again(arguments: list[str]) -> None:
    """`--pinned` and `--strict`: say, and write nothing."""
    strict, words_alone = "--strict" in arguments, WORDS in arguments
    names = [one for one in arguments if not one.startswith("--")]
    wrong = set(arguments) - {"--strict", "--pinned", WORDS, *names} or (words_alone and not names)
    if wrong or len(names) != ("--pinned" in arguments):
        sys.exit("judge: use it alone, with --strict, or with --pinned and the name of a pinned study")
    try:
        if names:
            said, broken = judge_pin(names[0], words_alone)
        else:
            settings, params = load(), read_params(PARAMS)
            conditions = judgements.working(settings, params, provenance.code())
            made = judgements.judged(settings.results, params, conditions, versions.as_it_stands())
            said, broken = report.summary(made.rows), failed_checks(made)
    except (ValueError, OSError) as problem:
        from stages.running import refusal  # loads torch, which takes three seconds

        sys.exit(f"judge: {refusal(problem)}")
    print(said)
    if strict and broken:
        print("\nfailed checks:", *broken, sep="\n- ")
        sys.exit(BROKEN)
