"""The report that can be mailed: one file that asks nothing of anybody, and holds no photograph."""

import re
import shutil
from pathlib import Path

import pytest

from dashboard import mailed
from dashboard.reading import Study
from study import storage
from tests.fabricated import study as fabricated_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mailed")
    fabricated_study(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mailed, "ROOT", tmp_path)
    return tmp_path


def study_of(root: Path) -> Study:
    return Study(folder=root / "results/invented", pinned=False)


def neighbours(root: Path) -> str:
    return "".join(mailed._neighbours(study_of(root)))


def test_it_is_one_file(root: Path) -> None:
    page = mailed.page(study_of(root))
    assert page.startswith("<!DOCTYPE html>") and page.count("</html>") == 1 and "AlexNet, claim by claim: invented" in page
    addresses = re.findall(r'<(?:img|script|link|iframe)[^>]*?(?:src|href)="([^"]*)"', page)
    assert addresses and all(address.startswith("data:") for address in addresses)


def test_drawn_pictures_are_shown_and_photographs_are_not(root: Path) -> None:
    assert "<img" in neighbours(root)
    packed = root / "results/invented/prepare/packed.json"
    storage.write_json(packed, storage.read_json(packed) | {"synthetic": False})
    assert "<img" not in neighbours(root) and "<span>" in neighbours(root)


def test_the_command_says_what_it_wrote_or_what_there_is(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["mailed", "results/invented", "mine.html"])
    mailed.main()
    assert (root / "mine.html").is_file() and "mine.html" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["mailed", "pinned/nosuch"])
    with pytest.raises(SystemExit, match="there is no study pinned/nosuch; there are: results/invented"):
        mailed.main()
