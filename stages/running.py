"""What every stage does around its work: settings in, one sentence out on a mistake, provenance, progress."""

from __future__ import annotations

import errno
import math
import os
import queue
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from tqdm import tqdm

from stages import PARENT
from stages.settings import PARAMS, load
from stages.workers import forking_server
from study import files
from study.checking import SettingsError, plain
from study.cores import allotted_cores
from study.machine import MachineSettings, ask_to_end, asked_to_end, heed_requests_to_end, peak_memory
from study.provenance import Record
from study.training.loop import Interrupted
from study.training.reporting import Skipped

REMEDIES = {  # of problems with files, where whoever raised them names none
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EMFILE: "allow more open files (ulimit -n 4096)",
    errno.EACCES: "allow this user to read and write there",
    errno.EPERM: "allow this user to read and write there",
    errno.EROFS: "this disk can only be read; work in a copy on another one",
    errno.EEXIST: "move away what is there",
    errno.ENOTDIR: "move away what is there",
    errno.EISDIR: "move away what is there",
    errno.EPIPE: "who read its output is gone; what was saved is taken up by the same command",
}
TOO_LARGE = ("not enough memory", "can't allocate memory", "Storage size calculation overflowed")
SAVING = ("train", "converge")  # stages that save their state when they are asked to end; the others just end


def run_stage(stage: str, work: Callable[..., Any], table: str = "") -> None:
    """Run `work(settings, record)` as the program of a stage.

    With a `table` of params.yaml ("runs", "curves") it is `work(settings, record, name)`, for its entry that the command line
    names. What users can mend ends the program with one sentence and status 1, and nothing is lost.
    """
    end_with_parent()
    if stage in SAVING:
        heed_requests_to_end()
    try:
        settings = load()
        names = (the_name(getattr(settings, table)),) if table else ()
        record = Record(stage, {name: plain(getattr(settings, name)) for name in ("study", "machine")})
        work(settings, record, *names)
        if not follows():
            record.outputs(settings.results, settings.results.joinpath(stage, *names))
            record.write(files.provenance(settings.results, "-".join((stage, *names))), peak_memory() + sum(_peak.values()))
    except (ValueError, OSError, MemoryError, RuntimeError) as problem:
        if (sentence := refusal(problem)) is None:
            raise
        sys.exit(f"{stage}: {sentence}")
    except Interrupted:
        print(f"{stage}: asked to end; the state is saved, the same command goes on from there", file=sys.stderr)
        sys.exit(128 + signal.SIGTERM)
    except KeyboardInterrupt:
        sys.exit(f"{stage}: interrupted; what was done so far is kept, the same command goes on from there")


def refusal(problem: Exception) -> str | None:
    """One sentence, with what to do, for a problem that users can mend; None for a mistake of this program's."""
    text = " ".join(str(problem).split())
    if isinstance(problem, SettingsError):
        return text if text.startswith(str(PARAMS)) else f"{PARAMS}: {text}"
    if isinstance(problem, FileNotFoundError) and str(problem.filename).startswith(f"{files.RESULTS}/"):
        return f"{problem.filename} is missing; `uv run dvc repro` makes it, or brings it back from DVC's cache"
    if isinstance(problem, BrokenProcessPool):
        return (
            "one of its processes was killed, most likely for memory; close other programs, or put `taskset -c 0` before the "
            "command, which runs fewer trainings at a time, and run it again: what was saved is taken up"
        )
    if isinstance(problem, torch.OutOfMemoryError):
        return f"the memory of the GPU is too small ({text.split('.')[0]}); make batches smaller, or give each column its own GPU"
    if isinstance(problem, MemoryError) or any(words in text for words in TOO_LARGE):
        asked = re.search(r"tried to allocate (\d+) bytes", text)
        much = f" ({int(asked[1]) / 1e9:,.1f} GB were asked for at once)" if asked else ""
        return f"this machine has too little memory{much}; close other programs, or use smaller batches"
    if found := re.match(r"(\S+).* does not have a deterministic implementation", text):
        return f"params.yaml: machine.deterministic is true, which {found[1]} cannot be on this device; set it to false"
    if isinstance(problem, NotImplementedError) and "MPS" in text:
        return f"params.yaml: machine.devices names mps, which lacks what this needs ({text.split('. ')[0]}); use cpu"
    remedy = REMEDIES.get(problem.errno or 0, "") if isinstance(problem, OSError) else ""
    return f"{text}; {remedy}" if remedy and remedy not in text else text if isinstance(problem, ValueError | OSError) else None


def follows() -> bool:
    """Whether this is one of torchrun's processes that write and say nothing, since the first does."""
    return os.environ.get("RANK", "0") != "0"


def with_replicas(machine: MachineSettings) -> None:
    """Become torchrun with as many copies of this stage as `machine.replicas` declares, unless torchrun started this."""
    if machine.replicas > 1 and "WORLD_SIZE" not in os.environ:
        copies = ["--standalone", "--nproc-per-node", str(machine.replicas), "-m", f"stages.{Path(sys.argv[0]).stem}"]
        os.execv(sys.executable, [sys.executable, "-m", "torch.distributed.run", *copies, *sys.argv[1:]])


def end_with_parent() -> None:
    """End when `dvc` ends: it passes on no signal, and an orphan would train on beside the next `dvc repro`.

    Linux tells of a parent's death from now on; if it died while this program was still being loaded, this is already an
    orphan. On macOS a thread looks whether the parent is still the same; Windows shows neither.
    """
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        if os.getppid() != PARENT:
            sys.exit(128 + signal.SIGTERM)
    elif sys.platform == "win32":
        print("note: on Windows a stage does not notice that dvc was ended; end it too", file=sys.stderr)
    else:
        Thread(target=_end_when_orphaned, daemon=True).start()


def _end_when_orphaned() -> None:
    while os.getppid() == PARENT:
        time.sleep(1)
    ask_to_end()


def the_name(known: Mapping[str, Any]) -> str:
    """The run or curve named on the command line. Raises ValueError if there is none of that name."""
    given = sys.argv[1:]
    if len(given) != 1:
        raise ValueError(f"give one name, and not {len(given)}; use one of: {', '.join(known)}")
    if given[0] not in known:
        raise ValueError(f"{given[0]!r} is not in params.yaml; use one of: {', '.join(known)}")
    return given[0]


class Bar:
    """A bar on a terminal; in a log, the lines alone, each with the time that is left."""

    def __init__(self, title: str, total: int, unit: str = "picture") -> None:
        self.total, self.done = total, 0
        self.began: tuple[float, int] | None = None  # when the first were done, and how many: to start takes long, too
        self.bar = tqdm(
            total=total,
            desc=title,
            unit=unit,
            disable=follows() or not sys.stderr.isatty(),
            leave=False,
            mininterval=0.2,
            unit_scale=True,
        )

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def tell(self, news: int | str) -> None:
        """So many more are done, or need not be done; or a line to print."""
        if isinstance(news, Skipped):
            self.total -= news
            self.bar.total = self.total
        elif isinstance(news, int):
            self.done += news
            self.began = self.began or (time.monotonic(), self.done)
            self.bar.update(news)
        elif not follows():
            self.bar.clear()
            print(", ".join([news, *self.left()]), flush=True)

    def left(self) -> list[str]:
        """How long it will take, reckoned from what has been done since the first news; nothing where that is too little."""
        if self.began is None or self.done - self.began[1] <= self.total / 1000 or self.done >= self.total:
            return []
        remaining = (time.monotonic() - self.began[0]) * (self.total - self.done) / (self.done - self.began[1])
        return [f"{remaining / 60:.1f} min left" if remaining >= 60 else f"{remaining:.0f} s left"]


def worker_count(tasks: int, capacity: float) -> int:
    """How many workers end `tasks` equal ones soonest where `capacity` run at full speed: up to half as many again share it.

    On two cores three at once for five tasks, since 3 + 2 leave no core idle, and two for ten.
    """

    def duration(workers: int) -> float:
        whole, rest = divmod(tasks, workers)
        return whole * max(1.0, workers / capacity) + bool(rest) * max(1.0, rest / capacity)

    possible = range(max(1, int(capacity)), math.ceil(1.5 * capacity) + 1)
    return min(tasks, min(possible, key=duration))


def side_by_side(work: Callable[..., Any], each: Sequence[tuple[Any, ...]], machine: MachineSettings, bar: Bar) -> list[Any]:
    """`work(*arguments, tell)` for each, on the CPU in a process each, as results do not depend on who runs when."""
    alone = machine.devices != ("cpu",) or machine.replicas > 1
    workers = 1 if alone else worker_count(len(each), allotted_cores() / machine.threads)
    if workers == 1:
        return [work(*arguments, bar.tell) for arguments in each]
    context = forking_server()
    news, (ended, ending) = context.Queue(), context.Pipe(duplex=False)  # no Event, which waits for ever for a worker that died
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_connect, initargs=(news, ended)) as pool:
        tasks = [pool.submit(_in_worker, work, arguments) for arguments in each]
        try:
            while not all(task.done() for task in tasks) or not news.empty():
                with suppress(queue.Empty):
                    bar.tell(news.get(timeout=0.2))
                if asked_to_end():
                    ending.close()
        finally:  # by an error, too, such as nobody there who reads what is printed: the pool waits until its workers have ended
            ending.close()
        done = [task.result() for task in tasks]
    _peak["of workers together"] = sum(sorted(peak for _, peak in done)[-workers:])
    return [result for result, _ in done]


_news: dict[str, Any] = {}  # in a worker: the queue to its parent
_peak: dict[str, int] = {}  # in the parent: bytes


def _connect(queue_to_parent: Any, ended: Any) -> None:
    _news["put"] = queue_to_parent.put
    queue_to_parent.cancel_join_thread()  # a parent that has an error reads no more, and a worker must not wait for it to end
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches everybody: workers end without a word, the stage speaks
    heed_requests_to_end()  # a cluster tells all processes of a job
    Thread(target=_end_with_stage, daemon=True).start()
    Thread(target=_pass_on, args=(ended,), daemon=True).start()


def _pass_on(ended: Any) -> None:
    """The stage was asked to end, and closed its end of this pipe: so are its workers."""
    wait([ended])
    ask_to_end()


def _end_with_stage() -> None:
    """A stage that is killed cannot end its workers, and the server that forked them lives as long as they do."""
    stage = parent_process()
    if stage is not None:
        wait([stage.sentinel])
        os._exit(1)


def _in_worker(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, int]:
    return work(*arguments, _news["put"]), peak_memory()
