"""The dashboard as it is started, from a folder that is not its own: a real server on loopback, every page asked for over its
websocket; and in a browser, whose requests are counted."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from dashboard import showing
from tests.fabricated import study as fabricated_study

ROOT = Path(__file__).parents[1]
PAGES = {"": "ImageNet Classification", **{name: title for name, title in showing.PAGES.items() if name != "start"}}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60
PAPER = "https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks"
NO_TORCH = "import sys; sys.modules['torch'] = None; sys.modules['scipy'] = None\n"


@pytest.fixture(scope="module", params=["nothing", "results"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """The dashboard of a checkout without or with results, started from elsewhere; yields its port and which of the two.

    Where it is started, other results lie about, and settings that would let everybody in.
    """
    folder = tmp_path_factory.mktemp("served")
    checkout, elsewhere = folder / "checkout", folder / "elsewhere"
    for name in ("dashboard", "study"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    if request.param == "results":
        fabricated_study(checkout)
    (elsewhere / "results/stray/judge").mkdir(parents=True)
    (elsewhere / "results/stray/judge/claims.json").write_text("[]")
    (elsewhere / ".streamlit").mkdir()
    (elsewhere / ".streamlit/config.toml").write_text('[server]\naddress = "0.0.0.0"\n[client]\nshowErrorLinks = true\n')
    (folder / "sitecustomize.py").write_text(NO_TORCH)  # as in an environment with the dashboard's packages alone
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    assert subprocess.run([sys.executable, "-c", "import torch"], env=environment, capture_output=True).returncode
    command = [sys.executable, "-W", "error", "-m", "streamlit", "run", str(checkout / "dashboard/app.py")]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=elsewhere,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        _wait_for(port, server, folder / "log")
        yield port, request.param
        assert "Traceback" not in (folder / "log").read_text()
    finally:
        server.terminate()
        server.wait(SECONDS)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the dashboard did not start:\n{log.read_text()}")


async def _elements(port: int, page: str) -> list[ForwardMsg]:
    """Everything that the server draws for a page, until its script has finished."""
    ask = BackMsg()
    ask.rerun_script.page_name = page
    drawn = []
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    async with asyncio.timeout(SECONDS):
        async with websockets.connect(address, subprotocols=["streamlit"], max_size=None) as connection:
            await connection.send(ask.SerializeToString())
            while True:
                message = ForwardMsg()
                message.ParseFromString(await connection.recv())
                drawn.append(message)
                if message.WhichOneof("type") == "script_finished":
                    return drawn


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_served_without_an_exception(page: str, served: tuple[int, str]) -> None:
    port, what = served
    drawn = asyncio.run(_elements(port, page))
    assert drawn[-1].script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
    elements = [message.delta.new_element for message in drawn if message.WhichOneof("type") == "delta"]
    kinds = [element.WhichOneof("type") for element in elements]
    assert "exception" not in kinds
    headings = [element.heading.body for element in elements if element.WhichOneof("type") == "heading"]
    assert headings[0].startswith(PAGES[page])
    sentence = any("There are no results yet" in element.alert.body for element in elements)
    assert sentence == (what == "nothing")
    assert "results/stray" not in str(elements)


def test_it_answers_on_loopback_alone_and_to_its_own_names_alone(served: tuple[int, str]) -> None:
    port, _ = served
    with socket.socket() as elsewhere:  # which is this machine too, as its address in a network is
        assert elsewhere.connect_ex(("127.0.0.2", port)) != 0

    async def rebound() -> None:
        address = f"ws://attacker.example:{port}/_stcore/stream"
        async with websockets.connect(address, subprotocols=["streamlit"], host="127.0.0.1"):
            raise AssertionError("a page of another name was let in")

    with pytest.raises(websockets.InvalidStatus) as refused:
        asyncio.run(rebound())
    assert refused.value.response.status_code == 403


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")
def test_a_browser_asks_nothing_of_other_hosts(served: tuple[int, str]) -> None:
    """Every page, drawn to its end: no request beyond loopback, no link to outside in what was drawn, the icon our own."""
    from playwright.sync_api import sync_playwright

    port, what = served
    asked: list[str] = []
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for page in PAGES:
            context = browser.new_context()
            context.on("request", lambda request: asked.append(request.url))
            tab = context.new_page()
            tab.goto(f"http://127.0.0.1:{port}/{page}")
            tab.wait_for_selector("h1", timeout=1000 * SECONDS)
            tab.wait_for_selector("[data-test-script-state=notRunning]", timeout=1000 * SECONDS)
            tab.wait_for_timeout(500)
            icon = tab.evaluate("document.querySelector('link[rel~=icon]').href")
            links = tab.eval_on_selector_all(  # whole addresses, of links in drawings too, whose `href` is an object
                "a[href]", "found => found.map(link => new URL(link.getAttribute('href'), document.baseURI).href)"
            )
            assert icon.startswith(f"http://127.0.0.1:{port}/media/")
            assert {link for link in links if not link.startswith(f"http://127.0.0.1:{port}/")} <= {PAPER}
            context.close()
        browser.close()
    assert len(asked) > 50 * len(PAGES)
    own = (f"http://127.0.0.1:{port}/", f"ws://127.0.0.1:{port}/", "data:", f"blob:http://127.0.0.1:{port}/")
    assert [url for url in asked if not url.startswith(own)] == []
