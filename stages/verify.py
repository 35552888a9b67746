"""Whether a pinned study is what it says. Ends with status 0 where all is well, and with 3 where something is not, naming it.

    uv run python -m stages.verify sketch                            every file against its hash: the pin's, those in DVC's
                                                                     cache, those in results/
    uv run python -m stages.verify sketch --remote lab               and what a DVC remote holds: every byte of it is read;
                                                                     with --mend what is damaged or lacking is made good
    uv run python -m stages.verify sketch --evaluate base            the weights give the same errors, evaluated again
    uv run python -m stages.verify sketch --train base --epochs 2    a run (or curve) trained again gives the same losses

On the same machine and versions the bits must be the same; elsewhere numbers are compared statistically, and it says which.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from stages import judgements, remotes
from stages.rejudging import BROKEN
from stages.settings import PARAMS, StudySettings, read_params, resolve
from study import dvc_objects, files, pinning, predictions, storage, strict
from study.checking import SettingsError
from study.data.packed import PACKED, damage, read_index
from study.training import outputs

MOST_NAMED = 3  # of what a place lacks, at most


@dataclass(kw_only=True, slots=True)
class Verification:
    """A pinned study that is verified; `broken` collects a sentence for each thing that is not as it should be."""

    folder: Path
    broken: list[str] = field(default_factory=list)

    @property
    def params(self) -> dict[str, Any]:
        return read_params(self.folder / PARAMS)

    @property
    def study(self) -> str:
        return str(self.params["study"])

    def say(self, text: str) -> None:
        print(text, flush=True)


def verification(name: str) -> Verification:
    """Raises ValueError where nothing of that name is pinned, or where it is no pin."""
    folder = files.PINNED / name
    if not (folder / pinning.MANIFEST).is_file():
        known = ", ".join(sorted(path.parent.name for path in files.PINNED.glob(f"*/{pinning.MANIFEST}")))
        raise ValueError(f"there is no pinned study {name!r}; use one of: {known or 'none is pinned yet'}")
    return Verification(folder=folder)


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar of bytes on a terminal."""
    with tqdm(desc=title, total=total, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), leave=False) as bar:
        yield lambda read: bar.update(read) and None


# Hashes


def verify_hashes(found: Verification, remote: str | None, mend: bool) -> None:
    """The pin's files against its manifest, and what DVC holds of the study against dvc.lock and the pin's records."""
    if {PARAMS.name, judgements.DVC_LOCK.name} & set(verify_pin(found)):
        found.say("params.yaml or dvc.lock is damaged, so nothing else can be checked")
        return
    records = dvc_objects.recorded(found.folder)
    verify_results(found, records)
    if not (found.folder / judgements.DVC_LOCK).exists():
        if remote is not None:
            raise ValueError(f"{found.folder} was pinned without dvc.lock, so that nothing says what {remote} should hold of it")
        found.say(f"DVC: {found.folder} was pinned without dvc.lock, so that nothing says what DVC should hold of it")
        return
    outs = dvc_objects.outs_of(read_params(found.folder / judgements.DVC_LOCK), found.study)
    with remotes.opened() as repo:
        places = [remotes.cache(repo), *([remotes.remote(repo, remote)] if remote else [])]
        if mend:
            mend_objects(found, places, outs, records)
        for place in places:
            report_objects(found, place, look(found, place, outs, records), remote, mend)


def verify_pin(found: Verification) -> list[str]:
    """The pin's files against its manifest, and this against Git. Returns the names of those that differ."""
    manifest = storage.mapping(found.folder / pinning.MANIFEST)
    if not manifest:
        found.broken.append(f"{found.folder / pinning.MANIFEST} is damaged; restore it from Git")
        return [PARAMS.name]
    changed, imported = judgements.changed_files(found.folder), found.folder.with_name(f"{found.folder.name}.dvc")
    restore = f"bring it back with: uv run dvc checkout --force {imported}" if imported.exists() else "restore it from Git"
    for name in changed:
        path = found.folder / name
        if name == pinning.MANIFEST:
            found.broken.append(f"{path} is not the one in Git; restore it")
        elif not path.exists():
            found.broken.append(f"{path} is missing; {restore}")
        else:
            found.broken.append(f"{path} is not {'the file' if name in manifest else 'a file'} of the manifest; {restore}")
    size = sum((found.folder / name).stat().st_size for name in manifest if (found.folder / name).is_file())
    told = f"{len(changed)} of them not as in the manifest" if changed else "those of the manifest"
    found.say(f"{found.folder}: {len(manifest)} files, {size / 1e6:,.1f} MB, {told}")
    return changed


def verify_results(found: Verification, records: Mapping[str, str]) -> None:
    """The working area, where it is that of the pin: stages whose records are the pinned ones, file by file."""
    results = files.RESULTS / found.study
    if not results.is_dir():
        return
    same = {path.stem for path in (found.folder / "provenance").glob("*.json") if _same(path, results / "provenance" / path.name)}
    if _same(found.folder / "judge/provenance.json", results / "judge/provenance.json"):
        same.add("judge")
    wanted = {name: sha for name, sha in records.items() if pinning.stage_of(name) in same and (results / name).is_file()}
    with progress(str(results), sum((results / name).stat().st_size for name in wanted)) as tell:
        made = pinning.sha256_of_all((results / name for name in wanted), tell)
    wrong = [name for name, sha in wanted.items() if made[results / name] != sha]
    found.broken += [
        f"{results / name} is not what {pinning.stage_of(name)} wrote; bring it back with: uv run dvc checkout" for name in wrong
    ]
    others = (
        f"; of {len(records) - len(wanted)} more there are none here, or those of another training"
        if len(wanted) < len(records)
        else ""
    )
    if not wanted:
        found.say(f"{results}: holds no file of the pinned study, so there is nothing to verify")
        return
    found.say(f"{results}: {len(wanted)} files are here of the pinned study, {len(wrong) or 'none'} damaged{others}")


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def look(
    found: Verification, place: remotes.Place, outs: list[dvc_objects.Stored], records: Mapping[str, str]
) -> dvc_objects.Found:
    with progress(place.name) as tell:
        return dvc_objects.look(outs, place.read, records, found.study, tell)


def report_objects(found: Verification, place: remotes.Place, held: dvc_objects.Found, remote: str | None, mended: bool) -> None:
    """What is damaged in a place, one by one, and what it lacks, in one sentence."""
    remedy = (
        "no right copy of it is in results/, in DVC's cache or in the remote: `uv run dvc push` where there is one brings it"
        if mended
        else "to put a right copy from the cache or a remote in its place: "
        f"uv run python -m stages.verify {found.folder.name} --remote {remote or 'NAME'} --mend"
    )
    found.broken += [f"{one} is damaged in {place.name}; {remedy}" for one in held.damaged]
    if held.lacking and place.whole:
        named = ", ".join(str(one) for one in held.lacking[:MOST_NAMED])
        more = f" and {len(held.lacking) - MOST_NAMED} more files and lists of files" if len(held.lacking) > MOST_NAMED else ""
        found.broken.append(f"{place.name} lacks {named}{more}; {remedy}")
    lacking = f", {len(held.lacking)} are not here" if held.lacking else ""
    damaged = f"{len(held.damaged) or 'none'} damaged"
    found.say(f"{place.name}: {held.read} files and lists of files read, {held.size / 1e6:,.1f} MB, {damaged}{lacking}")


def mend_objects(
    found: Verification, places: list[remotes.Place], outs: list[dvc_objects.Stored], records: Mapping[str, str]
) -> None:
    """Put a right copy in the place of what is damaged or lacking, from the working area or another place: `dvc push` takes for
    right whatever has the right name, and for complete every folder whose list is there."""
    for place in places:
        for _ in range(2):  # a list that was mended names more files
            held = look(found, place, outs, records)
            wrong = [*held.damaged, *(held.lacking if place.whole else ())]
            for one in wrong:
                if (content := _right_copy(one, [other for other in places if other is not place])) is None:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    (copy := Path(folder) / one.md5).write_bytes(content)
                    place.write(copy, one.md5)
                found.say(f"mended in {place.name}: {one}")


def _right_copy(one: dvc_objects.Stored, places: list[remotes.Place]) -> bytes | None:
    with suppress(OSError):
        if one.is_content(content := Path(one.name).read_bytes()):
            return content
    for place in places:
        with suppress(OSError), place.read(one.md5) as file:
            if one.is_content(content := file.read()):
                return content
    return None


# Evaluated again, trained again


def settings_of(found: Verification) -> StudySettings:
    """The settings of the pinned study. Raises ValueError where today's code does not know them any more."""
    try:
        return resolve(found.params)
    except SettingsError as problem:
        commit = str(storage.mapping(found.folder / "judge/provenance.json").get("commit"))[:10]
        raise ValueError(
            f"the settings of {found.folder} are of another version of this project ({problem}); a checkout of commit {commit} "
            f"knows them: git worktree add ../then {commit}"
        ) from None


def machine_here(found: Verification, settings: StudySettings, stage: str) -> tuple[StudySettings, str]:
    """The settings with a machine that is here, and why bits may differ from those of the record; "" where they may not."""
    import torch

    from study import machine, provenance

    record = storage.mapping(found.folder / f"provenance/{stage}.json")
    trained = storage.mapping(found.folder / f"provenance/train-{stage.partition('-')[2]}.json") or record
    declared = settings.machine
    if any(name.startswith("cuda") for name in declared.devices) and not torch.cuda.is_available():
        declared = replace(declared, devices=("cpu",), precision="float32", compiled=False)
        return replace(settings, machine=declared), f"{', '.join(settings.machine.devices)} is not here, so the CPU is used"
    if declared.replicas > 1:
        return replace(settings, machine=replace(declared, replicas=1)), "one process does what several did"
    here, then = provenance.environment(), record
    for name in ("torch", "numpy", "python"):
        if here["versions"][name] != then.get("versions", {}).get(name):
            return settings, f"{name} is {here['versions'][name]} here and was {then.get('versions', {}).get(name)}"
    capability = machine.capability(torch.device(name) for name in declared.devices)
    if trained.get("capability") not in (None, [capability]):
        return settings, f"the processor has {capability} and was {', '.join(trained['capability'])}"
    if trained.get("processor") not in (None, here["processor"]):  # with the same instructions, but maybe other kernels of oneDNN
        return settings, f"the processor is {here['processor']} here and was {trained['processor']}"
    return settings, ""


def pictures_of(found: Verification) -> Path:
    """The packed set that the study was made from. Raises ValueError where it is not here, or damaged."""
    wanted = storage.mapping(found.folder / "prepare/packed.json").get("sha256")
    for index in sorted(PACKED.glob("*/index.json")):
        if wanted and storage.mapping(index).get("sha256") == wanted:
            if wrong := damage(index.parent):
                raise ValueError(f"{index.parent / wrong[0]} is damaged; make it again with: uv run dvc repro -f prepare")
            return index.parent
    raise ValueError(
        f"the pictures of {found.folder} are not packed here; pack them with: "
        f"cp {found.folder / PARAMS} {found.folder / judgements.DVC_LOCK} . && uv run dvc repro prepare"
    )


def weights_of(found: Verification, run: str, seed: int) -> Path | None:
    """A file that has the recorded weights of a network: in the pin, in results/ or in DVC's cache; None where there is none."""
    name = f"train/{run}/{outputs.seed_folder(seed)}/{pinning.WEIGHTS}"
    wanted = dvc_objects.recorded(found.folder).get(name)
    places = [found.folder / name, files.RESULTS / found.study / name]
    if (found.folder / judgements.DVC_LOCK).exists():
        outs = dvc_objects.outs_of(read_params(found.folder / judgements.DVC_LOCK), found.study)
        with remotes.opened() as repo:
            cache = Path(repo.cache.local_cache_dir)
            for folder in (one for one in outs if one.name == f"results/{found.study}/train/{run}"):
                listing = dvc_objects.in_cache(cache, folder.md5)
                known = dvc_objects.files_in(folder, listing.read_bytes(), {}, found.study) if listing.is_file() else []
                places += [dvc_objects.in_cache(cache, one.md5) for one in known if one.name == f"results/{found.study}/{name}"]
    there = [place for place in places if place.is_file()]
    right = next((place for place in there if storage.sha256(place) == wanted), None)
    working = files.RESULTS / found.study
    if there == [working / name] and dvc_objects.recorded(working).get(name) != wanted:
        found.say(f"{working / name} is of another training than the pinned one; not evaluated")
    elif there and right is None:
        found.broken.append(f"{there[0]} is not the weights that train-{run} wrote")
    return right


def verify_errors(found: Verification, run: str, seed: int | None) -> None:
    """Evaluate again every network of a run whose weights are here, and compare what it says of each test picture."""
    from stages.running import Bar
    from study.data.feeding import Feed
    from study.machine import set_up
    from study.measuring import evaluation, retraining
    from study.training.run import load_network

    settings, packed = settings_of(found), pictures_of(found)
    if run not in settings.runs:
        raise ValueError(f"{run!r} is no run of {found.folder}; use one of: {', '.join(settings.runs)}")
    settings, why = machine_here(found, settings, f"evaluate-{run}")
    folder, wanted = found.folder / "evaluate" / run, settings.runs[run]
    pinned = {view: predictions.read_arrays(folder / predictions.file_of(view)) for view in _views(folder)}
    metrics, classes = strict.mapping(folder / "metrics.json"), len(read_index(packed)["classes"])
    seeds = [one for one in wanted.seeds if seed in (None, one)]
    _require_seed(run, seed, wanted.seeds)
    here = {one: path for one in seeds if (path := weights_of(found, run, one))}
    if not here and not found.broken:
        raise ValueError(f"no weights of {run} are here; bring them from a remote (docs/sharing.md), or name another run")
    for one, weights in here.items():
        machine = set_up(settings.machine)
        with tempfile.TemporaryDirectory() as scratch:  # an object of DVC's cache has another name
            shutil.copyfile(weights, Path(scratch) / pinning.WEIGHTS)
            network = load_network(wanted, classes, Path(scratch), machine)
        feed = Feed(packed, ("test",), wanted.network.crop, machine.devices[0], wanted.augmentation)
        with Bar(f"{run} seed {one}", len(feed)) as bar:
            made = evaluation.predict(network, feed, settings.evaluate.batch, bar.tell)
        model = outputs.seed_folder(one)
        differing = retraining.differences(made, model, pinned)
        counts = {
            view: evaluation.wrong(made.best[view], feed.labels.numpy()) for view in pinned if view != predictions.PROBABILITIES
        }
        then = metrics["models"][model]
        ten = counts["ten_patches"]
        errors = f"top-1 {ten['top1_wrong'] / len(feed):.2%}, top-5 {ten['top5_wrong'] / len(feed):.2%}"
        if not any(differing.values()):
            found.say(f"{run} seed {one}: the same of every one of {len(feed):,} test pictures, to the bit; {errors}")
            continue
        most = f"what it says of {max(differing.values()):,} of {len(feed):,} test pictures differs in some digit; {errors}"
        agree = all(retraining.close(counts[view], then[view], len(feed)) for view in counts)
        if why and agree:
            found.say(f"{run} seed {one}: the same errors within {retraining.TOLERANCE:.1%} of the pictures ({why}); {most}")
        else:
            found.broken.append(f"{run} seed {one} gives other errors than are pinned: {most}" + (f" ({why})" if why else ""))


def _require_seed(name: str, seed: int | None, seeds: tuple[int, ...]) -> None:
    if seed is not None and seed not in seeds:
        raise ValueError(f"{name} was not trained from seed {seed}; use one of: {', '.join(map(str, seeds))}")


def _views(folder: Path) -> list[str]:
    known = (*predictions.VIEWS, predictions.PROBABILITIES)
    return [view for view in known if (folder / predictions.file_of(view)).is_file()]


def verify_losses(found: Verification, name: str, seed: int | None, epochs: int | None) -> None:
    """Train one seed of a run or curve again, whole or for its first epochs, and compare losses, kernels and weights."""
    from stages.running import Bar
    from study.machine import heed_requests_to_end
    from study.measuring import retraining
    from study.training.loop import Interrupted

    settings, packed = settings_of(found), pictures_of(found)
    known: dict[str, Any] = {**settings.curves, **settings.runs}
    if name not in known:
        raise ValueError(f"{name!r} is no run and no curve of {found.folder}; use one of: {', '.join(known)}")
    of_a_run = name in settings.runs
    kind, one = "train" if of_a_run else "converge", known[name]
    _require_seed(name, seed, one.seeds)
    seed = one.seeds[0] if seed is None else seed
    settings, why = machine_here(found, settings, f"{kind}-{name}")
    record = storage.mapping(found.folder / f"provenance/{kind}-{name}.json")
    if not why and record.get("training_code") != retraining.TRAINING_CODE:
        why = "the code that trains has changed since; that of its own commit is in a checkout of it"
    rate = storage.mapping(found.folder / f"converge/{name}/metrics.json").get("chosen_rate")
    pinned = _curves(found.folder, kind, name, rate, one.seeds)
    if not pinned[seed]:
        longer = [of for of in one.seeds if pinned[of]]
        instead = f"try another, with --seed {longer[0]}" if longer else "so did all of its seeds"
        raise ValueError(f"{name} seed {seed} diverged in its first epoch, so that there is nothing to compare; {instead}")
    heed_requests_to_end()
    total = min(epochs or len(pinned[seed]), len(pinned[seed]))
    try:
        work = total * retraining.pictures_an_epoch(one, read_index(packed)["pictures"])
        with Bar(f"{name} seed {seed}", work) as bar:
            made = retraining.train_again(one, rate, settings.machine, packed, name, seed, epochs, bar.tell)
    except Interrupted:
        sys.exit("verify: asked to end; the state is saved, the same command goes on from there")
    rows = [dict(zip(outputs.CURVE, row, strict=True)) for row in retraining.as_written(made.curve)]
    columns = [column for column in pinned[seed][0] if column in outputs.CURVE]
    then = [{column: row[column] for column in columns} for row in pinned[seed][:total]]
    now = [{column: row[column] for column in columns} for row in rows]
    weights = storage.mapping(found.folder / f"provenance/{kind}-{name}.json").get("outputs", {})
    wanted = weights.get(f"{kind}/{name}/{outputs.seed_folder(seed)}/{pinning.WEIGHTS}", "")
    compared = {"losses to every digit that is kept": now == then}
    if kept := _kernels(found.folder, kind, name, seed):
        epochs_of_both = sorted(set(kept) & set(made.kernels))
        bits = (np.array_equal(kept[epoch], made.kernels[epoch].cpu().numpy()) for epoch in epochs_of_both)
        compared[f"kernels of the first layer after {', '.join(map(str, epochs_of_both))} epochs, bit for bit"] = all(bits)
    if made.weights:
        compared["weights at the end, bit for bit"] = made.weights == wanted
    if all(compared.values()):
        found.say(f"{name} seed {seed}, {total} epochs: the same {'; the same '.join(compared)}" + f" ({why})" * bool(why))
        return
    if not why:
        others_are = next(what for what, same in compared.items() if not same)
        first = next((f", from epoch {a['epoch']} on" for a, b in zip(now, then, strict=False) if a != b), "")
        found.broken.append(f"{name} seed {seed} has other {others_are.split(' ')[0]} on the same machine and versions{first}")
        return
    if len(rows) < total and (of_a_run or not rows):  # a curve may end sooner, where it crosses the threshold sooner
        found.broken.append(f"{name} seed {seed} diverges here after {len(rows)} of the {total} epochs that are pinned ({why})")
        return
    total = min(total, len(rows))
    others = [float(of[total - 1]["training_loss"]) for of in pinned.values() if len(of) >= total]
    if len(others) < 2:
        raise ValueError(
            f"{name} gives other bits here ({why}), and was trained from one seed, so that nothing says how far trainings "
            "differ: only the machine and versions of its record can tell whether it comes out again"
        )
    within, said = retraining.of_the_seeds(float(rows[total - 1]["training_loss"]), others)
    told = f"{name} seed {seed}: other bits ({why}); training loss after {total} epochs {said}"
    if within:
        found.say(f"{told}: statistically the same")
    else:
        found.broken.append(told)


def _curves(pinned: Path, kind: str, name: str, rate: float | None, seeds: tuple[int, ...]) -> dict[int, list[dict[str, str]]]:
    """By seed, the rows of its pinned curve as text; of a curve of Figure 1 those at the rate that was chosen."""
    if kind == "train":
        return {seed: _rows(pinned / "train" / name / outputs.seed_folder(seed) / "curve.csv") for seed in seeds}
    rows = [row for row in _rows(pinned / "converge" / name / "curves.csv") if rate is None or row["rate"] == f"{rate:.6g}"]
    return {seed: [row for row in rows if row["seed"] == str(seed)] for seed in seeds}


def _kernels(pinned: Path, kind: str, name: str, seed: int) -> dict[int, np.ndarray]:
    """The first layer's kernels by epoch, float16, where the pin has them."""
    path = pinned / kind / name / outputs.seed_folder(seed) / "kernels-by-epoch.npz"
    kept = predictions.read_arrays(path) if path.is_file() else {}
    return dict(zip(map(int, kept["epochs"]), kept["kernels"], strict=True)) if kept else {}


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(prog="verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the pinned study")
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument("--remote", metavar="NAME", help="read and compare what this DVC remote holds, too")
    parser.add_argument("--mend", action="store_true", help="put right copies in the place of damaged and lacking ones")
    depth.add_argument("--evaluate", metavar="RUN", help="evaluate the networks of a run again")
    depth.add_argument("--train", metavar="RUN", help="train a seed of a run or curve again")
    parser.add_argument("--seed", type=int, help="this seed: all, or the first, if not given")
    parser.add_argument("--epochs", type=int, help="train for so many epochs: to the end if not given")
    given = parser.parse_args()
    if given.mend and (given.evaluate or given.train):
        parser.error("--mend goes with hashes: leave --evaluate and --train out")
    if given.epochs is not None and not given.train:
        parser.error("--epochs goes with --train")
    if given.epochs is not None and given.epochs < 1:
        parser.error(f"--epochs is {given.epochs}; it counts epochs, 1 or more")
    if given.seed is not None and not (given.train or given.evaluate):
        parser.error("--seed goes with --evaluate or --train")
    try:
        found = verification(given.name)
        if given.evaluate:
            verify_errors(found, given.evaluate, given.seed)
        elif given.train:
            verify_losses(found, given.train, given.seed, given.epochs)
        else:
            verify_hashes(found, given.remote, given.mend)
    except (ValueError, OSError, MemoryError, RuntimeError) as problem:
        from stages.running import refusal  # loads torch, which takes three seconds

        if (sentence := refusal(problem)) is None:
            raise
        sys.exit(f"verify: {sentence}")
    except KeyboardInterrupt:
        done = "what was mended so far stays mended" if given.mend else "nothing was changed"
        sys.exit(f"verify: interrupted; {done}, and the same command begins again or goes on where it can")
    if found.broken:
        print("broken:", *found.broken, sep="\n- ")
        sys.exit(BROKEN)
    print("all is well")


if __name__ == "__main__":
    main()
