"""A project in miniature, in a folder of its own, for the tests that run `dvc`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from stages.settings import merged, read_params
from tests.ilsvrc_shaped import photograph

ROOT = Path(__file__).parent.parent
PROJECT = (
    "study",
    "stages",
    "dashboard",
    "conf",
    "dvc.yaml",
    "protocol.yaml",
    "pyproject.toml",
    "README.md",
    ".gitignore",
    ".dvcignore",
)
MINIATURE = {
    "study": "miniature",
    "chosen": {"study": "miniature"},
    "download": {"pictures": {"seed": 1, "size": 64, "train": 72, "validation": 24, "test": 48}},
    "train": {
        "network": {"kernels": [8, 8, 8, 8, 8], "neurons": [16, 16]},
        "learning": {"epochs": 1, "rate": {"at": []}},
        "seeds": [0, 1],
    },
    "runs": {"base": {"seeds": [0, 1]}},
    "converge": {"network": {"kernels": [8, 8, 8, 8, 8], "neurons": [16, 16]}, "pictures": 64, "epochs": 2, "seeds": [0, 1]},
    "retrieve": {"queries": 24},
    "halve": {"pictures": 24, "masks": 100},
    "cost": {"steps": 1, "rounds": 3},
}
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c",
}  # fmt: skip


ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode beside the modules must not count as a change of them


def run(
    *command: str, cwd: Path, check: bool = True, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT | (environment or {}), capture_output=True, text=True, timeout=570)
    assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def dvc(
    *arguments: str, cwd: Path, check: bool = True, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "dvc", *arguments, cwd=cwd, check=check, environment=environment)


def copy_project(folder: Path) -> None:
    for name in PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(
            ROOT / name,
            folder / name,
            **({"ignore": shutil.ignore_patterns("__pycache__")} if (ROOT / name).is_dir() else {}),
        )
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copyfile(ROOT / ".dvc" / name, folder / ".dvc" / name)


def write_params(folder: Path, params: dict) -> None:
    with open(folder / "params.yaml", "w", encoding="utf-8") as file:
        YAML().dump(params, file)


def add_study(folder: Path, name: str, lines: dict) -> None:
    """A file in conf/study/: the built-in study with two of its runs and other lines."""
    own = merged(read_params(ROOT / "conf" / "study" / "sketch.yaml"), {"only": ["base", "no_normalisation"]} | lines)
    with open(folder / "conf" / "study" / f"{name}.yaml", "w", encoding="utf-8") as file:
        YAML().dump({key: value for key, value in own.items() if key not in ("study", "chosen")}, file)


def make_miniature(folder: Path) -> None:
    """A fresh project whose study has just run and is committed."""
    copy_project(folder)
    add_study(folder, "miniature", MINIATURE)
    run(sys.executable, "-m", "stages.choose", "miniature", cwd=folder)
    run("git", "init", "-q", "-b", "main", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", "commit", "-qm", "a study", cwd=folder)
    done = dvc("repro", cwd=folder)
    assert "Warning" not in done.stdout + done.stderr, done.stderr
    run("git", "add", "-A", cwd=folder)
    run("git", "commit", "-qm", "its results", cwd=folder)


def make_own_pictures(folder: Path) -> None:
    """A fresh project that has just run the first network of docs/own-pictures.md, smaller, on a folder of 54 photographs."""
    place = folder.with_name("my pictures")
    for split, count in (("train", 12), ("val", 6)):
        for label, name in enumerate(("cat", "dog", "hen")):
            (place / split / name).mkdir(parents=True)
            for number in range(count):
                (place / split / name / f"{number}.jpg").write_bytes(photograph(number + 100 * count, label))
    copy_project(folder)
    small = ["scale=small", "train.network.kernels=[8, 8, 8, 8, 8]", "train.network.neurons=[16, 16]", "only=base"]
    short = ["train.learning.epochs=1", "train.learning.rate.at=[]", "runs.base.seeds=[0]", "download.validation=6"]
    run(sys.executable, "-m", "stages.choose", "pets", f"place={place}", *small, *short, cwd=folder)
    run("git", "init", "-q", "-b", "main", cwd=folder)
    run("git", "add", "-A", cwd=folder)
    run("git", "commit", "-qm", "a study", cwd=folder)
    dvc("repro", "evaluate@base", cwd=folder)


def bring_results(miniature: Path, clone: Path) -> None:
    """Results from the first checkout, as from a remote, and the pictures packed anew."""
    dvc("remote", "add", "--local", "-d", "first", str(miniature / ".dvc" / "cache"), cwd=clone)
    dvc("pull", cwd=clone)
    dvc("repro", "prepare", cwd=clone)


def running_in(folder: Path) -> list[str]:
    """Processes whose working directory is `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == str(folder):
                found.append((process / "cmdline").read_text())
        except OSError:  # ended meanwhile, or not ours
            continue
    return found
