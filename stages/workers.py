"""The server that forks the workers of a stage: it loads torch once for all of them, while the stage itself still loads it.

Imported before anything slow (stages/__init__.py).
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, get_context
from typing import Any

FORKING = ("train", "evaluate", "converge", "retrieve")  # stages that have workers
LONGEST_TMPDIR = 70  # bytes: a socket's path has at most 103, and multiprocessing adds 32
# What workers use and is slow to load; never the stage itself, which a worker imports under another name. The last takes
# as long as torch: its switch for deterministic algorithms loads it, else in every worker anew.
LOADED = ("stages.running", "study.training.run", "scipy.optimize", "torch._inductor.config")


def forking_server() -> Any:
    """A context whose server runs; it must outlive a SIGTERM to the whole job, or workers are lost before they have saved."""
    if sys.platform == "win32":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([*LOADED])
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which the server inherits
    with _short_temporary_folder():
        forkserver.ensure_running()
    signal.signal(signal.SIGTERM, before)
    return context


@contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """The server listens at a socket in a temporary folder, whose path may have no more than some 100 bytes."""
    usual = tempfile.gettempdir()
    if len(os.fsencode(usual)) > LONGEST_TMPDIR:
        short = [folder for folder in ("/tmp", "/var/tmp", "/dev/shm") if os.access(folder, os.W_OK)]
        if not short:
            raise ValueError(f"TMPDIR is {usual}, too long a path for a socket; set TMPDIR to a shorter one")
        tempfile.tempdir = short[0]
    try:
        yield
    finally:
        tempfile.tempdir = usual


def _begin_early() -> None:
    """Where this is the program of a stage with workers. What is wrong is said when workers are needed."""
    if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2:3] in [[f"stages.{stage}"] for stage in FORKING]:
        with suppress(ValueError, OSError):
            forking_server()


_begin_early()
