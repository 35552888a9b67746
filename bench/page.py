"""How fast and light the dashboard is, measured in Chromium and printed as Markdown.

    uv run python -m bench.page                                   every measurement, on the results of this checkout
    uv run python -m bench.page draw clicks                       of: draw, clicks, sessions, uploads
    uv run python -m bench.page uploads --count 1000              so many uploads

Keep the machine quiet meanwhile. Chromium must be there.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60
READS = 2  # seconds that a visitor looks at a page before the first click
ADDRESSES = (
    "", "claims", "how?part=convolution", "how?part=normalisation", "how?part=pooling", "how?part=columns", "how?part=dropout",
    "how?part=augmentation", "how?part=patches", "how?part=sampling", "how?part=learning", "how?part=size", "how?part=equations",
    "how?part=questions", "how?part=misread", "sees", "sees?view=confusions", "sees?view=tables", "inside", "inside?view=layers",
    "inside?view=map", "training", "training?view=components", "training?view=curves", "training?view=questions",
    "training?view=cost", "compare", "?foot=report", "?foot=words", "?foot=provenance", "?foot=paper%20against%20code",
    "?foot=downloads",
)  # fmt: skip


@contextmanager
def served(checkout: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The dashboard of a checkout on loopback: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "streamlit", "run", str(checkout / "dashboard/app.py"), "--server.port", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=checkout)
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(SECONDS)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the dashboard did not start")


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright. Raises RuntimeError where there is none."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise RuntimeError("there is no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


def settle(tab: Any) -> None:
    """Wait until a page is drawn: its title is there, its script has ended, no placeholder is left, two frames have passed."""
    tab.wait_for_selector("h1", timeout=1000 * SECONDS)
    tab.wait_for_selector("[data-test-script-state=notRunning]", timeout=1000 * SECONDS)
    tab.wait_for_function("!document.querySelector('[data-testid=stSkeleton], [data-stale=true]')", timeout=1000 * SECONDS)
    tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def clicked(tab: Any, click: Callable[[], None]) -> float:
    """Seconds from a click until the page that follows is drawn: its address holds every choice, `foot` too, at the end."""
    before = tab.url
    began = time.perf_counter()
    click()
    tab.wait_for_function(
        "before => location.href != before && location.search.includes('foot=')", arg=before, timeout=1000 * SECONDS, polling=10
    )
    settle(tab)
    return time.perf_counter() - began


def draw(checkout: Path, count: int) -> None:
    """The first visit after the server's start, then visits by new browsers, then by one that has been there."""
    print("| first page drawn | seconds | aim |\n|---|---|---|")
    with browser() as chromium:
        firsts, others, again = [], [], []
        for _ in range(3):
            with served(checkout) as (address, _process):
                firsts.append(_visit(chromium.new_context(), address))
        with served(checkout) as (address, _process):
            _visit(chromium.new_context(), address)
            others = [_visit(chromium.new_context(), address) for _ in range(7)]
            context = chromium.new_context()
            again = [_visit(context, address) for _ in range(7)][1:]
    for words, times, aim in (
        ("first visit after the start", firsts, 4),
        ("a new browser", others, 1.5),
        ("a browser again", again, 1.5),
    ):
        print(f"| {words} | {_spread(times)} | {aim} |")


def _visit(context: Any, address: str) -> float:
    tab = context.new_page()
    began = time.perf_counter()
    tab.goto(f"{address}/", wait_until="commit")
    settle(tab)
    taken = time.perf_counter() - began
    tab.close()
    return taken


def _spread(times: list[float]) -> str:
    return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"


CLICKS: tuple[tuple[str, str, str], ...] = (  # where, what is clicked, in words
    ("", "a[data-key=held]", "Start: the claims that held"),
    ("", "a[data-key=dropout]", "Start: a layer of the map"),
    ("claims", ".list a:visible:not([aria-current]) >> nth=3", "Claims: another claim"),
    ("how?part=convolution", ".kernels a >> nth=5", "How it works: a kernel"),
    ("how?part=normalisation", ".st-key-lrn-place [data-key] >> nth=40", "How it works: a place"),
    ("how?part=pooling", "button:has-text('2') >> nth=0", "How it works: windows of 2"),
    ("sees", ".grid a >> nth=3", "What it sees: another picture"),
    ("sees?view=confusions", "svg a >> nth=6", "What it sees: a confusion"),
    ("inside", ".kernels a >> nth=4", "Inside: a kernel"),
    ("training", "button:has-text('Components')", "Training: the components"),
)


def clicks(checkout: Path, count: int) -> None:
    print(f"| a click {READS} s after a page was drawn, until what follows is drawn | seconds | aim |\n|---|---|---|")
    with browser() as chromium, served(checkout) as (address, _process):
        for where, what, words in CLICKS:
            times = []
            for number in range(4):
                tab = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
                tab.goto(f"{address}/{where}")
                settle(tab)
                target = tab.locator(what).first
                if not target.count():
                    break
                tab.wait_for_timeout(1000 * READS)
                taken = clicked(tab, lambda target=target: target.click(force=True))  # type: ignore[misc]
                times += [taken] if number else []  # the first warms what the server keeps
                tab.context.close()
            print(f"| {words} | {_spread(times) if times else 'not there in this study'} | 0.5 |", flush=True)


def sessions(checkout: Path, count: int) -> None:
    """20 visitors over the websocket, each a click every five seconds for a minute, on any page."""
    with served(checkout) as (address, _process):
        asyncio.run(_one_session(address, list(ADDRESSES), [], 0))  # every page once, as on a server that has been visited
        times: list[float] = []

        async def all_of_them() -> None:
            await asyncio.gather(*(_one_session(address, random.Random(n).choices(ADDRESSES, k=12), times, 5) for n in range(20)))

        asyncio.run(all_of_them())
    times.sort()
    print("| 20 sessions, a click every 5 s | p50 s | p95 s | aim p95 |\n|---|---|---|---|")
    print(f"| {len(times)} clicks | {times[len(times) // 2]:.2f} | {times[int(0.95 * len(times))]:.2f} | 1.5 |")


async def _one_session(address: str, pages: list[str], times: list[float], every: float) -> None:
    import websockets
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    await asyncio.sleep(every * random.random())
    stream = f"ws://{address.removeprefix('http://')}/_stcore/stream"
    async with websockets.connect(stream, subprotocols=[websockets.Subprotocol("streamlit")], max_size=None) as connection:
        for number, (page, _, query) in enumerate(one.partition("?") for one in pages):
            ask = BackMsg()
            ask.rerun_script.page_name, ask.rerun_script.query_string = page, query
            began = time.perf_counter()
            await connection.send(ask.SerializeToString())
            while True:
                message = ForwardMsg()
                message.ParseFromString(await connection.recv())
                if message.WhichOneof("type") == "script_finished":
                    break
            times += [time.perf_counter() - began] if number else []  # the first is the visit
            await asyncio.sleep(max(0.0, every - (time.perf_counter() - began)))


def uploads(checkout: Path, count: int) -> None:
    """The server's memory over so many uploads of other pictures, after the first."""
    with browser() as chromium, served(checkout) as (address, process):
        tab = chromium.new_context().new_page()
        tab.goto(f"{address}/sees")
        settle(tab)
        place = tab.locator("input[type=file]").first
        if not place.count():
            print("uploads: the features or weights of this study are not here, so nothing can be uploaded")
            return
        chance, memory, first = np.random.default_rng(0), [_memory(process.pid)], 0.0
        for number in range(count):
            buffer = io.BytesIO()
            Image.fromarray(chance.integers(0, 256, (240, 320, 3), dtype=np.uint8)).save(buffer, "PNG")
            began = time.perf_counter()
            place.set_input_files({"name": f"{number}.png", "mimeType": "image/png", "buffer": buffer.getvalue()})
            tab.wait_for_selector("text=says the network", timeout=1000 * SECONDS)
            settle(tab)
            first = first or time.perf_counter() - began  # later ones find the words of the one before on the page
            memory.append(_memory(process.pid))
    print("| uploads | memory before, MB | after the first | after the last | more than after the first, at most | aim |")
    print("|---|---|---|---|---|---|")
    most = max(memory[1:]) - memory[1]
    print(f"| {count} | {memory[0]:.0f} | {memory[1]:.0f} | {memory[-1]:.0f} | {most:.0f} | 50 |")
    print(f"\nThe first upload until its answer is drawn: {first:.2f} s.")


def _memory(process: int) -> float:
    """Resident megabytes of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


PARTS: dict[str, Callable[[Path, int], None]] = {
    "draw": draw, "clicks": clicks, "sessions": sessions, "uploads": uploads,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the folder whose dashboard and results are measured")
    parser.add_argument("--count", type=int, default=100, help="uploads")
    asked = parser.parse_args()
    for name in asked.parts or PARTS:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; use some of: {', '.join(PARTS)}")
        try:
            PARTS[name](asked.checkout.resolve(), asked.count)
        except RuntimeError as problem:
            sys.exit(f"bench.page: {problem}")
        print(flush=True)
    load = os.getloadavg()[0]
    print(f"Load of the machine at the end: {load:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
