"""Keep a finished study: copy what is small and lasting from results/<study>/ into pinned/<name>/, which is in Git.

    uv run python -m stages.pin sketch

Weights and features stay in DVC's cache and remotes. README.md's table of claims is renewed if it shows this name.
"""

import re
import shutil
import sys
from pathlib import Path

from stages.settings import PARAMS, load
from study import files, storage
from study.judging import report
from study.judging.verdicts import NOT_JUDGED

README = Path("README.md")


def lasting(results: Path) -> list[Path]:
    """The files of a study that Git can keep: tables, metrics, predictions, pictures of kernels and the kernels themselves."""
    found = (path for path in sorted(results.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return [path for path in found if files.lasts(path)]


def pin(results: Path, folder: Path) -> None:
    """Raises ValueError if the study is not judged yet, or if something of that name is kept already."""
    if not (results / "judge" / "claims.json").exists():
        raise ValueError(f"{results} is not judged yet; run: uv run dvc repro")
    if folder.exists():
        raise ValueError(f"{folder} exists already; choose another name, or remove it with: git rm -r {folder}")
    for path in lasting(results):
        copy = folder / path.relative_to(results)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copyfile(PARAMS, folder / "params.yaml")
    kept = sorted(path for path in folder.rglob("*") if path.is_file())
    storage.write_json(folder / "manifest.json", {path.relative_to(folder).as_posix(): storage.sha256(path) for path in kept})


def with_table(readme: str, name: str, table: str) -> str:
    """README's text with what was measured or computed between `<!-- claims: name -->` and `<!-- end -->`."""
    judged = table.partition(f"**{report.TITLES[NOT_JUDGED]}**")[0]
    whole = f"All claims, those not judged too: `pinned/{name}/judge/claims.md`."
    block = rf"(<!-- claims: {re.escape(name)} -->\n).*?(<!-- end -->)"
    text = f"{judged.strip()}\n\n{whole}"
    return re.sub(block, lambda found: f"{found[1]}{text}\n{found[2]}", readme, flags=re.DOTALL)


def main() -> None:
    if len(sys.argv) != 2 or not sys.argv[1].replace("-", "").replace("_", "").isalnum():
        sys.exit("pin: give a name of letters, digits, - and _, as in: uv run python -m stages.pin sketch")
    folder = files.PINNED / sys.argv[1]
    try:
        pin(load().results, folder)
    except (ValueError, OSError) as problem:
        sys.exit(f"pin: {problem}")
    table = (folder / "judge" / "claims.md").read_text(encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8"), folder.name, table), encoding="utf-8")
    print(f"{folder} holds {sum(1 for path in folder.rglob('*') if path.is_file())} files; commit it with: git add {folder}")


if __name__ == "__main__":
    main()
