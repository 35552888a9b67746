"""Find or fetch the pictures and verify them; write what they are."""

from stages.running import run_stage
from stages.settings import StudySettings
from study import storage
from study.provenance import Record
from study.sources.choosing import obtain


def download(settings: StudySettings, record: Record) -> None:
    source = obtain(settings.download)
    receipt = source.receipt()
    storage.write_json(settings.results / "download" / "source.json", receipt)
    print(f"{receipt['title']}: {sum(source.counts.values()):,} pictures, verified", flush=True)


if __name__ == "__main__":
    run_stage("download", download)
