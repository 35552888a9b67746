"""The dashboard in a real browser, at the width of a phone and of a desk: nothing goes wrong, everything is reached, and the
questions of the paper's readers are answered within two clicks of the first page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from bench import page as measured
from dashboard import judged, mailed, tables
from dashboard.how import answers as answered
from dashboard.reading import Study
from study.paper import numbers
from study.paper.claims import claim
from study.pinning import own, place
from tests.fabricated import study as fabricated_study
from tests.test_query import TAKEN

ROOT = Path(__file__).parents[1]
WIDTHS = (390, 1280)
OWN_PROBES = "/_stcore/"  # Streamlit asks for these below a page's own path first, where they are not
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(measured.CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]


@lru_cache(maxsize=1)
def axe() -> str:
    """The source of axe-core, which the package axe-playwright-python brings."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def findings(tab: Any) -> list[tuple[str, str, str]]:
    """What axe finds that is serious or critical: rule, first element, what is wrong."""
    tab.evaluate(f"() => {{ {axe()} }}")
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (one["id"], one["nodes"][0]["html"][:120], one["nodes"][0].get("failureSummary", "")[:200])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def contrast_of_figures(tab: Any) -> float:
    """The least contrast of text in figures with what lies under it, which axe does not look at; 21 where there is none.

    Under the text of our drawings lies the last rectangle that is drawn before it around its middle, else the page. Text within
    Plotly's bars is left out: Plotly chooses its colour by the bar."""
    return float(
        tab.evaluate(
            """() => {
              const parts = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
              const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(c => c / 255)
                .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
              const page = parts(getComputedStyle(document.querySelector('.stApp')).backgroundColor);
              const over = (one, ground) => { const style = getComputedStyle(one);
                if (style.fill === 'none') return ground;
                const [r, g, b, a] = parts(style.fill), share = a * style.fillOpacity * style.opacity;
                return [r, g, b].map((c, n) => share * c + (1 - share) * ground[n]); };
              const under = text => { const box = text.getBoundingClientRect(), svg = text.ownerSVGElement;
                const x = box.x + box.width / 2, y = box.y + box.height / 2;
                return [...svg.querySelectorAll('rect')]
                  .filter(one => one.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)
                  .filter(one => { const r = one.getBoundingClientRect();
                    return r.left <= x && x <= r.right && r.top <= y && y <= r.bottom; })
                  .reduce((ground, one) => over(one, ground), page); };
              const shown = [...document.querySelectorAll('svg text:not(.bartext)')].filter(one => one.textContent.trim());
              return Math.min(21, ...shown.map(one => {
                const ground = one.closest('.js-plotly-plot') ? page : under(one);
                const [a, b] = [light(over(one, ground)), light(ground)];
                return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); })); }"""
        )
    )


def sideways(tab: Any) -> int:
    """By how many pixels the page is wider than the window."""
    return int(
        tab.evaluate(
            "(() => { const main = document.querySelector('[data-testid=stMain]');"
            " return Math.max(main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth - innerWidth); })()"
        )
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    for name in ("dashboard", "study"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    fabricated_study(folder)
    shutil.copytree(folder / "results/invented", folder / "pinned/kept")
    return folder


@pytest.fixture(scope="module")
def address(checkout: Path) -> Iterator[str]:
    with measured.served(checkout) as (where, _process):
        yield where


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    for name in ("dashboard", "study", "pinned"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def pins(clone: Path) -> Iterator[str]:
    """The page of a fresh clone: of the studies that are really pinned."""
    with measured.served(clone) as (where, _process):
        yield where


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with measured.browser() as running:
        yield running


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def said(tab: Any) -> str:
    return str(tab.inner_text("[data-testid=stMain]"))


@pytest.mark.parametrize(
    ("of", "width", "theme"),
    [
        ("address", 390, "light"),
        ("address", 1280, "light"),
        ("address", 1280, "dark"),
        ("pins", 390, "dark"),
        ("pins", 1920, "light"),
    ],
)
def test_every_page_is_drawn_without_an_error_within_its_width_and_for_everybody(
    of: str, width: int, theme: str, request: pytest.FixtureRequest, chromium: Any
) -> None:
    """Of a working study with its pictures, and of the pinned study that a fresh clone shows first, whose pictures are not
    there: no error, nothing asked of other hosts, no scroll sideways, nothing serious that axe finds, legible figures."""
    base = request.getfixturevalue(of)
    wrong: list[tuple[Any, ...]] = []
    asked, titles = [], {}
    for where in measured.ADDRESSES:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        context.on("request", lambda request: asked.append(request.url))
        tab = context.new_page()
        tab.on("pageerror", lambda problem, where=where: wrong.append((where, str(problem))))
        tab.on(
            "console",
            lambda line, where=where: (
                wrong.append((where, line.text))
                if line.type == "error" and OWN_PROBES not in str(line.location.get("url", ""))
                else None
            ),
        )
        tab.goto(f"{base}/{where}")
        measured.settle(tab)
        tab.wait_for_timeout(300)
        if wide := sideways(tab):
            wrong.append((where, f"{wide} pixels wider than the window"))
        if tab.locator("[data-testid=stException]").count():
            wrong.append((where, "an exception"))
        titles[where.partition("?")[0]] = tab.title()
        wrong.extend((where, *finding) for finding in findings(tab))
        if (contrast := contrast_of_figures(tab)) < 4.5:
            wrong.append((where, f"text of a figure has a contrast of {contrast:.1f}"))
        context.close()
    assert wrong == []
    assert len(set(titles.values())) == len(titles) == 7
    own = (base, base.replace("http", "ws"), "data:", f"blob:{base}")
    assert [url for url in asked if not url.startswith(own)] == []


def test_a_mailed_study_fits_a_phone(clone: Path, tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    for folder in own(clone / "pinned"):
        page = tmp_path / f"{folder.name}.html"
        page.write_text(mailed.page(Study(folder=folder, pinned=True)), encoding="utf-8")
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 844})
            tab.goto(page.as_uri())
            tab.wait_for_selector(".js-plotly-plot .main-svg")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, folder.name


@pytest.mark.parametrize("width", WIDTHS)
def test_a_link_to_a_claim_lands_on_it(width: int, address: str, chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844})
    tab = context.new_page()
    tab.goto(f"{address}/claims?claim=ensemble")
    measured.settle(tab)
    heading = tab.locator("h2#claim")
    assert heading.inner_text() == claim("ensemble").title
    box = heading.bounding_box()
    assert 0 <= box["y"] < 844
    context.close()


def test_what_is_chosen_stays_and_stands_in_the_address(tab: Any, address: str) -> None:
    tab.goto(f"{address}/sees?run=one_column&study=pinned/kept")
    measured.settle(tab)
    tab.get_by_role("link", name="Inside").click()
    tab.wait_for_url("**/inside?*")
    measured.settle(tab)
    assert "run=one_column" in tab.url and "study=pinned%2Fkept" in tab.url
    tab.locator(".kernels a").nth(2).click()
    tab.wait_for_url("**kernel=1-2*")
    measured.settle(tab)
    assert "Kernel 2 of seed 1" in said(tab)
    tab.go_back()
    tab.wait_for_url("**kernel=1-0*")
    tab.get_by_text("Kernel 0 of seed 1").first.wait_for()  # the address is the earlier one before anything is drawn
    measured.settle(tab)
    assert "Kernel 0 of seed 1" in said(tab)


def test_the_keyboard_reaches_and_opens_a_layer_of_the_map(tab: Any, address: str) -> None:
    tab.goto(address)
    measured.settle(tab)
    tab.locator("svg a[data-key=pooling]").first.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/how?*part=pooling*")
    measured.settle(tab)
    assert "Pooling" in said(tab)


def test_a_picture_of_one_s_own_gets_five_labels_and_its_neighbours(tab: Any, address: str) -> None:
    tab.goto(f"{address}/sees")
    measured.settle(tab)
    file = {"name": "own.png", "mimeType": "image/png", "buffer": TAKEN["png"]()}
    tab.locator("input[type=file]").first.set_input_files(file)
    tab.wait_for_selector("text=says the network")
    measured.settle(tab)
    assert tab.locator(".st-key-own-labels .label").count() == 5
    assert tab.locator(".st-key-own-neighbours img").count() == 6
    tab.locator(".st-key-own-neighbours a").first.click()
    tab.wait_for_url("**query=train-*")
    measured.settle(tab)
    assert "Train picture" in said(tab)


def test_a_confusion_opens_its_pictures(tab: Any, address: str) -> None:
    tab.goto(f"{address}/sees?view=confusions")
    measured.settle(tab)
    cell = tab.locator("svg a").nth(4)
    key = cell.get_attribute("data-key")
    cell.click(force=True)
    tab.wait_for_url(f"**cell={key}*")
    measured.settle(tab)
    tab.locator(".st-key-of-cell a").first.click()
    tab.wait_for_url("**view=pictures*")
    measured.settle(tab)
    assert "likeliest labels" in said(tab)


def test_a_point_of_the_map_opens_its_picture(tab: Any, address: str) -> None:
    tab.goto(f"{address}/inside?view=map")
    measured.settle(tab)
    box = tab.locator(".scatterlayer path.point").nth(7).bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.wait_for_selector("h2:has-text('Test picture')", timeout=1000 * measured.SECONDS)
    tab.locator(".st-key-of-map a").first.click()
    tab.wait_for_url("**view=pictures*")
    measured.settle(tab)
    assert "likeliest labels" in said(tab)


# The rows of shared/paper/readers.md: the question that answers it, what the page of all questions says, and what its part says.
QUESTIONS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "How does splitting the training into two GPUs work? Is one powerful GPU different?": (
        "two-gpus", ("claim one-large-gpu",), ("62,378,344", "60,965,224", "claim two-columns"),
    ),
    "Are 1.2 million examples too big for one GPU?": (
        "too-big", ("batches of 128",), (f"{numbers.weight_memory() / 2**30:.2f} GiB",),
    ),
    "Did the GPUs run in parallel; how much crosses?": (
        "communication", ("0.6% to 0.8% of a step",), (f"{numbers.exchanged():,}",),
    ),
    "What is local response normalisation, intuitively, and does it matter?": (
        "response-error", ("Maps compete", "claim response-normalisation"), ("more than a tenth of the loudest one",),
    ),
    "What do its constants do?": ("constants", ("k plus alpha times the squares",), ("the divisor is k^beta = 1.68",)),
    "Is batch normalisation better, and more robust?": (
        "batch", ("claim batch-normalisation", "learning rate"), ("claim batch-normalisation",),
    ),
    "What is ReLU, and why not a threshold?": (
        "relu", ("claim relu-faster", "slope is 0 everywhere"), ("claim relu-faster",),
    ),
    "Why do ReLUs not require input normalisation?": ("input-scale", (), ("claim no-input-normalisation",)),
    "Local or overlapping pooling; does it reduce parameters?": (
        "pooling-parameters", ("37,752,832", "claim overlapping-pooling"), ("51,384,320", "claim overlapping-pooling"),
    ),
    "How is multiplying by 0.5 analogous to dropping out?": (
        "halving", ("halving sends that average always",), ("claim dropout-halving", "they err by 30.0%"),
    ),
    "Would a better approach for down-sampling help?": ("filters", (), ("false ones: 93 grey levels with nearest",)),
    "Is augmentation computationally free?": (
        "free", ("costs no time as long as it is done before they are",), ("2,178", "claim colour-pca"),
    ),
    "What do depth, breadth and sharing do?": (
        "width", ("105,705,600", "claim larger-networks"), ("105,705,600", "claim larger-networks"),
    ),
    "Are hand-crafted features much worse?": (
        "hand-made", ("claim margin-over-hand-made",), ("48.5%", "claim margin-over-hand-made"),
    ),
    "Would more data help?": ("more-data", ("claim more-data",), ("claim more-data",)),
    "Does the rate decrease by itself, equally for all layers?": ("rate", ("divided by ten 3 times",), ("23, 51 and 78",)),
    "What do the equations mean?": ("equations", (), ("def printed_update", "1e-4 divided by the 5 maps")),
}  # fmt: skip
NOT_MEASURED = ("No pinned study measured it", "Not measured in any study that is here")
OF_THE_FIGURES = ("they err by", "grey levels", "more than a tenth", "48.5%")  # numbers of the invented study


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_reader_s_question_is_answered_within_two_clicks(question: str, tab: Any, address: str, checkout: Path) -> None:
    """With one click in a sentence, with two where it is seen at work, above all else that stands there."""
    claims = {claim.id: claim for claim in judged.claims(Study(folder=checkout / "results/invented", pinned=True)).itertuples()}
    for answers in _pages(question, tab, address):
        for answer in answers:
            kind, _, name = answer.partition(" ")
            wanted = tables.here(claims[name]) if kind == "claim" else answer
            assert wanted and wanted in said(tab), f"{wanted} is not in the page"


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_fresh_clone_answers_it_with_what_the_pinned_studies_measured(question: str, tab: Any, pins: str, clone: Path) -> None:
    """The claim's number of the study shown, else that of another that measured it, else a sentence that none did."""
    studies = sorted(
        (Study(folder=path, pinned=True) for path in (clone / "pinned").iterdir()), key=lambda one: place(one.folder)
    )
    for answers in _pages(question, tab, pins):
        for answer in answers:
            kind, _, name = answer.partition(" ")
            if kind != "claim":
                assert answer in said(tab) or any(part in answer for part in OF_THE_FIGURES), f"{answer} is not in the page"
                continue
            found = [tables.here(row) for one in studies if (row := judged.by_id(one)[name]) is not None and tables.here(row)]
            wanted = found[:1] or NOT_MEASURED
            assert any(one in said(tab) for one in wanted), f"{wanted} of {name} is not in the page"


def _pages(question: str, tab: Any, address: str) -> Iterator[tuple[str, ...]]:
    """Opens the page of all questions from the first page, then the question's part from there: what each must say."""
    name, in_a_sentence, at_work = QUESTIONS[question]
    tab.goto(address)
    measured.settle(tab)
    tab.get_by_role("link", name="questions that readers ask").click()
    tab.wait_for_url("**part=questions*")
    measured.settle(tab)
    yield in_a_sentence
    tab.get_by_role("link", name=answered.QUESTIONS[name].asked).click()
    tab.wait_for_url(f"**question={name}*")
    measured.settle(tab)
    assert answered.QUESTIONS[name].asked in tab.inner_text(".st-key-asked")
    yield at_work


def test_what_is_often_misread_is_one_click_away(tab: Any, address: str) -> None:
    tab.goto(address)
    measured.settle(tab)
    tab.get_by_role("link", name="What is often misread").click()
    tab.wait_for_url("**part=misread*")
    measured.settle(tab)
    assert f"{numbers.neurons():,} by count" in said(tab)
