"""Find or fetch the pictures and verify them; write what they are, and what became of every file that was seen."""

from pathlib import Path

from stages.running import run_stage
from stages.settings import StudySettings
from study import storage
from study.provenance import Record
from study.sources.choosing import obtain, roots
from study.sources.listing import COLUMNS
from study.sources.photographs import Photographs
from study.sources.walking import LOOK_AGAIN, link

SOURCE = Path("data/source")  # what DVC looks at to see whether pictures have changed


def download(settings: StudySettings, record: Record) -> None:
    watched = link(roots(settings.download), SOURCE / settings.study)
    source = obtain(settings.download)
    receipt, folder = source.receipt(), settings.results / "download"
    storage.write_json(folder / "source.json", receipt)
    counted = ", ".join(f"{number:,} {split}" for split, number in source.counts.items())
    told = "verified"
    if isinstance(source, Photographs):
        storage.write_csv(folder / "files.csv", COLUMNS, source.account.table())
        told = f"{source.told}; {source.account.line()}"
        told += "" if watched else f"; dvc does not watch these files: {LOOK_AGAIN} looks at them again"
    print(f"{receipt['title']}: {counted} pictures, {len(source.classes):,} classes; {told}", flush=True)


if __name__ == "__main__":
    run_stage("download", download)
