"""The dashboard as it is started: a real server on loopback, every page asked for over its websocket, no browser."""

from __future__ import annotations

import asyncio
import os
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

from tests.fabricated import study as fabricated_study

ROOT = Path(__file__).parents[1]
PAGES = ("", "errors", "curves", "kernels", "similar", "provenance")
SECONDS = 60
NO_TORCH = "import sys; sys.modules['torch'] = None; sys.modules['scipy'] = None; sys.modules['safetensors'] = None\n"


@pytest.fixture(scope="module", params=["nothing", "results"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """A dashboard in a folder without or with results; yields its port and which of the two."""
    folder = tmp_path_factory.mktemp("served")
    if request.param == "results":
        fabricated_study(folder)
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit/config.toml").write_bytes((ROOT / ".streamlit/config.toml").read_bytes())
    (folder / "sitecustomize.py").write_text(NO_TORCH)  # as in an environment with the dashboard's packages alone
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    assert subprocess.run([sys.executable, "-c", "import torch"], env=environment, capture_output=True).returncode
    command = [sys.executable, "-W", "error", "-m", "streamlit", "run", str(ROOT / "dashboard/app.py")]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=folder,
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
    asked = {"": "claims", "curves": "Convergence", "errors": "Error tables", "kernels": "First-layer kernels"}
    assert asked.get(page, page)[:6].lower() in headings[0].lower()
    sentence = any("uv run dvc repro" in element.alert.body for element in elements)
    assert sentence == (what == "nothing")


def test_it_answers_on_loopback_alone_and_to_its_own_names_alone(served: tuple[int, str]) -> None:
    port, _ = served
    with socket.socket() as elsewhere:
        assert elsewhere.connect_ex(("127.0.0.2", port)) != 0

    async def rebound() -> None:
        address = f"ws://attacker.example:{port}/_stcore/stream"
        async with websockets.connect(address, subprotocols=["streamlit"], host="127.0.0.1"):
            raise AssertionError("a page of another name was let in")

    with pytest.raises(websockets.InvalidStatus) as refused:
        asyncio.run(rebound())
    assert refused.value.response.status_code == 403
