"""What all parts of "How it works" look at: one picture, a run's first kernels, its whole network where that is here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from safetensors import SafetensorError
from safetensors.numpy import load_file
from streamlit.delta_generator import DeltaGenerator

from dashboard import address, findings, frames, judged, query, rendering, showing, shown_pictures
from dashboard.reading import Study
from study import in_numpy
from study.data.rescaling import rescale
from study.paper import numbers
from study.sources import pictures as maker

MOST = 200  # test pictures on the slider
STAND_IN = maker.PictureSettings(seed=2012, size=64, train=24, validation=24, test=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """`picture` uint8 (size, size, RGB), `row` its number in the test set (None: the visitor's own, or a stand-in); `patch`
    float32 (crop, crop, RGB), its centre minus the mean; `kernels` (n, h, w, RGB) of the first layer, column 1 first;
    `network` the whole one, None where its weights are not here; `settings` the network's, as its training recorded them;
    `above` is the place for a part's title and answers, above what chooses all this."""

    study: Study
    run: str
    seed: int
    picture: np.ndarray
    row: int | None
    patch: np.ndarray
    kernels: np.ndarray
    settings: dict[str, Any]
    network: in_numpy.AlexNet | in_numpy.FourLayer | None
    above: DeltaGenerator

    @property
    def columns(self) -> int:
        return int(self.settings.get("columns", frames.columns(self.study, self.run)))

    @property
    def stride(self) -> int:
        return in_numpy.first_layer(self.settings)[0]

    @property
    def response(self) -> dict[str, Any]:
        """The constants of response normalisation: the run's own, or the paper's where it has none."""
        return self.settings.get("response") or dict(numbers.RESPONSE)

    @property
    def answers(self) -> np.ndarray:
        """What conv1 makes of the patch, before its ReLU: (n, h, w)."""
        if self.network is not None:
            return self.network.layers(self.patch)["conv1"]
        (stride, padding), scale = in_numpy.first_layer(self.settings), np.float32(self.settings.get("input_scale", 1.0))
        return in_numpy.convolve(scale * self.patch.transpose(2, 0, 1), self.kernels, stride=stride, padding=padding)

    def name(self, label: int) -> str:
        names = frames.class_names(self.study)
        return names[label] if label < len(names) else f"class {label}"


def choose(study: Study) -> Subject:
    """Ask which picture and which run, and read both. Ends the page where there are no kernels."""
    names = [run for run in frames.runs(study, "train") if frames.seeds(study, run)]
    if not names:
        showing.stop("No kernels yet. `uv run dvc repro` trains the runs of the study.")
    above = st.container()  # of the controls: who asks wants the answers first
    left, right = st.columns([1, 5], vertical_alignment="center", gap="medium")
    with right, st.container(horizontal=True, vertical_alignment="bottom"):
        run = address.select("Run", names, "run", names[0], width=190)
        seeds = [seed for seed in frames.seeds(study, run) if frames.kernels_by_epoch(study, run, seed)]
        if not seeds:
            showing.stop("The kernels of this run are not there yet.")
        seed = address.select("Seed", seeds, "seed", seeds[0], width=90)
        count = min(MOST, frames.counts(study).get("test", 1))
        row = int(address.slider("Test picture", 0, max(count - 1, 1), "picture", doubtful(study, run, count), width=260))
        with st.popover("Use your own picture", icon=":material/upload:"):
            st.file_uploader(f"{query.LIMITS}.", type=list(query.SUFFIXES), key="how-dropped", on_change=_keep_dropped)
        content = st.session_state.get("how-own")  # also after a part that has no picture was looked at
        if content is not None and st.session_state.get("how-dropped") is None and st.button("Back to the test pictures"):
            content = st.session_state["how-own"] = None
    own = query.decode_query(content) if content is not None else None
    if isinstance(own, str):
        st.info(own)
        own = None
    by_epoch = frames.kernels_by_epoch(study, run, seed)
    subject = Subject(
        study=study, run=run, seed=seed, picture=np.zeros((64, 64, 3), np.uint8), row=row, patch=np.zeros((1, 1, 3), np.float32),
        kernels=by_epoch[max(by_epoch)], settings=rendering.network_settings(study, run), network=network(study, run, seed),
        above=above,
    )  # fmt: skip
    subject = with_picture(subject, own)
    left.image(
        subject.picture,
        width=150,
        alt="The picture that all parts look at",
        caption="your own picture" if own is not None else None,
    )
    if subject.row is None and own is None:
        st.markdown(
            ":small[A drawn picture, of none of its classes, stands in for the study's own, which are not on this machine.]",
            help=f"{study.by('dvc repro prepare')} brings them, or an own picture takes its place.",
        )
    return subject


def _keep_dropped() -> None:
    file = st.session_state["how-dropped"]
    st.session_state["how-own"] = None if file is None else file.getvalue()


def elsewhere(subject: Subject) -> None:
    """Where this run's weights are not here: a link to a kept study that has those of a network of section 3, and if there is
    one, to one whose test pictures are here too."""
    if subject.network is not None:
        return
    part = address.current().get("part", "dropout")
    kept = [study for study in st.session_state.get("kept-studies", ()) if not query.lacking(study)]
    able = [study for study in kept if isinstance(query.network_of(study), in_numpy.AlexNet)]
    for other in sorted(able, key=lambda study: shown_pictures.picture_of(study, "test", 0) is None)[:1]:
        showing.link(f"Try it on the network of {other.address}, which is here", "how", study=other.address, part=part)


def doubtful(study: Study, run: str, count: int) -> int:
    """The first of so many test pictures that some seeds name right and others wrong, which teaches more than a sure one."""
    found = frames.predictions(study, run)
    wrong = [] if found is None else [found.wrong("top1")[name][:count] for name in found.best if name.startswith("seed")]
    some = np.flatnonzero(np.any(wrong, axis=0) & ~np.all(wrong, axis=0)) if wrong else np.zeros(0)
    return int(some[0]) if len(some) else min(4, count - 1)


def with_picture(subject: Subject, own: np.ndarray | None) -> Subject:
    """The subject with the visitor's picture, the test picture of its row, or a drawn one where neither is here."""
    found, row = own, None
    if own is None:
        found = shown_pictures.picture_of(subject.study, "test", subject.row or 0)
        row = subject.row if found is not None else None
    if found is None:
        found = maker.picture(STAND_IN, subject.row or 0)[0]
    size = frames.made_of(subject.study, "prepare/packed.json", lambda packed: int(packed["size"]), len(found))
    picture = rescale(found, size, query.filter_of(subject.study))
    return replace(subject, picture=picture, row=row, patch=centre(subject, picture))


def centre(subject: Subject, picture: np.ndarray, top: int | None = None, left: int | None = None) -> np.ndarray:
    """A patch of a picture minus the mean at its place, float32 (crop, crop, RGB); the central one where none is given."""
    size = len(picture)
    crop = min(int(subject.settings.get("crop", size - size // 7)), size)
    edge = (size - crop) // 2
    y, x = edge if top is None else top, edge if left is None else left
    whole = picture - mean_of(subject.study, size)
    return np.asarray(whole[y : y + crop, x : x + crop], dtype=np.float32)


def mean_of(study: Study, size: int) -> np.ndarray:
    """The study's mean picture (size, size, RGB), or its mean colour where that is damaged or missing, else mid-grey."""
    if (path := query.mean_of(study)) is not None:
        try:
            mean = np.load(path, allow_pickle=False)
            if mean.shape == (size, size, 3):
                return np.asarray(mean, dtype=np.float32)
        except (OSError, ValueError):
            pass
    colour = frames.packed(study).get("mean_rgb")
    known = isinstance(colour, list) and len(colour) == 3 and all(isinstance(one, int | float) for one in colour)
    return np.asarray(colour if known else [127.5] * 3, dtype=np.float32)


def network(study: Study, run: str, seed: int) -> in_numpy.AlexNet | in_numpy.FourLayer | None:
    """The whole network of a run's seed; None where its weights are not here, or are of no network that is known here."""
    path = study.folder / f"train/{run}/seed-{seed}/weights.safetensors"
    settings = rendering.network_settings(study, run)
    try:
        seen = path.stat()
        return _network(path.resolve(), seen.st_mtime_ns, json.dumps(settings)) if settings else None
    except (OSError, ValueError, KeyError):
        return None


@lru_cache(maxsize=4)
def _network(path: Path, changed: int, settings: str) -> in_numpy.AlexNet | in_numpy.FourLayer:
    """Shared by all visitors, so nobody changes it."""
    try:
        return in_numpy.build(json.loads(settings), load_file(path))
    except SafetensorError as problem:
        raise ValueError(f"{path} is damaged") from problem


def first_that(study: Study, has: Callable[[Study], bool]) -> Study | None:
    """The study shown where it has what a reader asks for, else the first pinned one that has it; None where none does."""
    return next((one for one in (study, *st.session_state.get("kept-studies", ())) if has(one)), None)


def where_changed(study: Study | None, settings: Mapping[str, str], otherwise: str, line: str = "", values: int = 2) -> str:
    """What the error does over these settings (frames.SWEEPS, by name, with what each is called) in the study shown, else in the
    first pinned one with so many values of one of them; `otherwise` where there is none. `line`: which normalisation has them."""

    def drawn(one: Study) -> bool:
        table = frames.sweeps(one)
        table = table[table["sweep"].isin(list(settings)) & (table["line"].eq(line) | (line == ""))]
        return bool((table.groupby("sweep")["value"].nunique() >= values).any())

    found = None if study is None else first_that(study, drawn)
    if found is None:
        return otherwise
    table = frames.sweeps(found)
    told = [(name, moved) for name in settings if (moved := findings.moved(table[table["sweep"] == name]))]
    words = "; ".join(f"over {settings[name]}, {'it' if n else 'the error'} {moved}" for n, (name, moved) in enumerate(told))
    by_run = table[table["sweep"].isin(list(settings))].drop_duplicates(["run", "seed"]).groupby("run")["error"]
    spread = float(by_run.var().mean()) ** 0.5
    seeds = f" Seeds of one run have a standard deviation of {spread:.1f} points." if spread == spread else ""
    compared = "" if found is study else ", whose errors are not to be compared with those of this study,"
    return (
        f"On {frames.called(found)}{compared} {words}.{seeds} Drawn under Training, One setting in steps, of "
        f"{showing.plain(found.address)}."
    )


def claim_of(study: Study | None, name: str) -> Any:
    """A claim's row; None where the study has no verdicts."""
    if study is None:
        return None
    return judged.by_id(study).get(name)
