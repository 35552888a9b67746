"""Prove the ten-patch evaluation on a published number: torchvision's AlexNet on the test pictures of this study.

    uv run python -m stages.foreign alexnet-owt-7be5be79.pth

No stage of dvc.yaml: its weights come from elsewhere. It writes results/<study>/foreign/ as `evaluate` does for a run.
"""

import sys
from pathlib import Path
from typing import Any

from stages.running import Bar, refusal
from stages.settings import StudySettings, load
from study import storage
from study.checking import plain
from study.data.packed import PackedSplit, read_index
from study.machine import peak_memory, set_up
from study.measuring import foreign
from study.measuring.evaluation import write_evaluation
from study.provenance import Record

MODEL = "alexnet"


def evaluate(settings: StudySettings, weights: Path) -> list[str]:
    """Evaluate, write, and say in lines what came out beside what is published."""
    machine, index, folder = set_up(settings.machine), read_index(settings.packed), settings.results / "foreign"
    record = Record("foreign", {name: plain(getattr(settings, name)) for name in ("study", "machine", "evaluate")})
    network = foreign.load(weights)
    outputs = len(network.state_dict()["classifier.6.bias"])
    foreign.require_fit(outputs, index["classes"], index["size"])
    labels = PackedSplit(settings.packed, "test").labels
    with Bar(f"{weights.name}, ten patches", len(labels)) as bar:
        made = foreign.predict_foreign(network, settings.packed, machine, settings.evaluate.batch, bar.tell)
    (folder / "provenance.json").unlink(missing_ok=True)  # of an earlier evaluation
    write_evaluation(folder, "foreign", {MODEL: made}, labels, index["class_names"])
    sha256 = storage.sha256(weights)
    record.add(weights={"file": weights.name, "sha256": sha256}, data_sha256=index["sha256"])
    record.outputs(settings.results, folder)
    record.write(folder / "provenance.json", peak_memory())
    return [*_what(settings, weights.name, sha256, index["classes"]), *_table(storage.read_json(folder / "metrics.json"))]


def _what(settings: StudySettings, name: str, sha256: str, classes: list[str]) -> list[str]:
    """Which weights, which pictures, which classes."""
    receipt, known = settings.results / "download" / "source.json", foreign.TORCHVISION
    title = storage.read_json(receipt)["title"] if receipt.exists() else "no source.json says what they are"
    pictures = len(PackedSplit(settings.packed, "test"))
    weights = "torchvision's own file" if sha256.startswith(known.sha256) else "not torchvision's own file"
    theirs = "ILSVRC-2012's" if foreign.are_ilsvrc_2012(classes) else "not ILSVRC-2012's, taken in the order of the packed set"
    return [
        f"weights: {name}, {weights} (SHA-256 {sha256[:8]}...)",
        f"ours: the {pictures:,} test pictures of {settings.study} ({title}); {len(classes):,} classes, {theirs}",
        f"published: {known.title} on the {known.pictures:,} validation pictures of ILSVRC-2012, centre patch; "
        "comparable on those pictures only",
    ]


def _table(metrics: dict[str, Any]) -> list[str]:
    known = foreign.TORCHVISION
    theirs = {"centre_patch": f"{known.top1_error:10.3%} {known.top5_error:10.3%}", "ten_patches": f"{'-':>10} {'-':>10}"}
    rows = [
        f"{view.replace('_', ' '):14} {metrics[view]['top1_error']:10.3%} {metrics[view]['top5_error']:10.3%} {theirs[view]}"
        for view in ("centre_patch", "ten_patches")
    ]
    heads = ("ours top-1", "top-5", "published", "top-5")
    return [" ".join([" " * 14, *(f"{head:>10}" for head in heads)]), *rows]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("foreign: give a file of weights, as in: uv run python -m stages.foreign alexnet-owt-7be5be79.pth")
    try:
        lines = evaluate(load(), Path(sys.argv[1]))
    except (ValueError, OSError, MemoryError, RuntimeError) as problem:
        if (sentence := refusal(problem)) is None:
            raise
        sys.exit(f"foreign: {sentence}")
    except KeyboardInterrupt:
        sys.exit("foreign: interrupted; nothing was written")
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
