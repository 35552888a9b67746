"""Rescale and pack the pictures once (section 2)."""

from stages.running import Bar, run_stage
from stages.settings import StudySettings
from study import files, storage
from study.cores import allotted_cores
from study.data.packing import PICTURES, also_in_training, pack
from study.provenance import Record
from study.sources.choosing import BuiltIn, obtain, roots
from study.sources.walking import look


def prepare(settings: StudySettings, record: Record) -> None:
    seen = look(roots(settings.download))  # before they are listed, so that a change in between is noticed later
    source = obtain(settings.download)
    receipt, folder = source.receipt(), settings.results / "prepare"
    with Bar("packing", sum(source.counts.values())) as bar:
        index = pack(source, settings.prepare, settings.packed, allotted_cores(), bar.tell, seen)
    told = ("size", "filter", "classes", "class_names", "pictures", "mean_rgb", "eigenvalues", "eigenvectors", "sha256")
    facts = {"title": receipt["title"], "synthetic": receipt["synthetic"]} | {name: index[name] for name in told}
    with Bar("comparing test with training pictures", sum(index["pictures"].values())) as bar:
        facts["also_in_training"] = also_in_training(settings.packed, bar.tell)
    storage.write_json(folder / "packed.json", facts)
    storage.write_csv(folder / "pictures.csv", PICTURES, index["report"])
    if isinstance(source, BuiltIn):
        storage.write_csv(folder / "objects.csv", files.OBJECTS, source.objects())
    counted = ", ".join(f"{number:,} {split}" for split, number in index["pictures"].items())
    print(f"packed {counted} pictures of {index['size']} pixels, {len(index['classes'])} classes; "
          f"{len(index['report']):,} unusual ones are in {folder / 'pictures.csv'}", flush=True)  # fmt: skip
    for split, number in facts["also_in_training"].items():
        if number:
            print(f"{number:,} of the {index['pictures'][split]:,} {split} pictures are training pictures too, pixel for pixel: "
                  "errors on them are too low; take them out of one of the two, or say so", flush=True)  # fmt: skip


if __name__ == "__main__":
    run_stage("prepare", prepare)
