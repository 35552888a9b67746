"""DVC's cache and remotes, asked through DVC's own library, whichever kind they are. No stage of dvc.yaml imports it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from study import dvc_objects, storage

EXTRAS = ("ssh", "s3")  # kinds of address that need the project's extra of that name


@contextmanager
def opened() -> Iterator[Any]:
    """This project as DVC sees it. Raises ValueError where DVC is not installed or this is no DVC project."""
    try:
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo
    except ImportError:
        raise ValueError("DVC is not installed; install what requirements.lock names, or use uv run") from None
    try:
        with Repo() as repo:
            yield repo
    except NotDvcRepoError:
        raise ValueError("this folder is no DVC project; run from the project's folder") from None


@dataclass(frozen=True, slots=True)
class Place:
    """Where objects lie. `read` opens one by its MD5 and raises FileNotFoundError where the place lacks it; `write` puts a file
    there under its MD5, over what is there. `whole`: the place is to hold everything, as a cache need not."""

    name: str
    read: Callable[[str], BinaryIO]
    write: Callable[[Path, str], None]
    whole: bool


def cache(repo: Any) -> Place:
    """DVC's cache."""
    folder = Path(repo.cache.local_cache_dir)

    def write(file: Path, md5: str) -> None:
        if (path := dvc_objects.in_cache(folder, md5)).exists():
            path.chmod(0o644)  # Windows replaces no file that may not be written
        storage.write_bytes(path, file.read_bytes())
        path.chmod(0o444)  # as DVC has it

    return Place("DVC's cache", lambda md5: open(dvc_objects.in_cache(folder, md5), "rb"), write, False)


def remote(repo: Any, remote: str) -> Place:
    """A remote of this project.

    Raises ValueError where there is no such remote, or where what its kind needs is not installed.
    """
    from dvc.exceptions import DvcException

    known = repo.config["remote"]
    if remote not in known:
        raise ValueError(f"there is no remote {remote!r}; use one of: {', '.join(known) or 'none is set up (docs/sharing.md)'}")
    kind = str(known[remote].get("url", "")).partition("://")[0]
    try:
        odb = repo.cloud.get_remote_odb(name=remote)
        odb.fs.fs  # noqa: B018  connects: what is missing is said here, and not by a thread
    except ImportError:
        extra = f"put --extra {kind} after `uv run`" if kind in EXTRAS else f"install dvc[{kind}]"
        raise ValueError(f"a remote of kind {kind} needs more than is installed; {extra}") from None
    except (DvcException, ValueError) as problem:
        raise ValueError(f"the remote {remote} cannot be asked: {problem}") from None
    if not known[remote].get("verify"):
        print(
            f"note: DVC takes what {remote} hands out unchecked; set it right with: uv run dvc remote modify {remote} verify true"
        )
    return Place(
        f"the remote {remote}",
        lambda md5: odb.fs.open(odb.oid_to_path(md5), "rb"),
        lambda file, md5: odb.fs.put_file(str(file), odb.oid_to_path(md5)),
        True,
    )
