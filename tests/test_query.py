"""A dropped picture: what becomes RGB, what is refused in one sentence, and that no bytes raise."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dashboard import query


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3)
    return Image.fromarray(ramp.astype(np.uint8))


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def bomb(side: int) -> bytes:
    return encoded(Image.new("1", (side, side)))


def animation() -> bytes:
    return encoded(gradient(), "WEBP", save_all=True, append_images=[gradient().rotate(90)])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"not a picture at all", "neither JPEG, PNG nor WebP"),
    "svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "neither JPEG, PNG nor WebP"),
    "html behind a GIF's name": (lambda: b"GIF89a<script>alert(1)</script>", "neither JPEG, PNG nor WebP"),
    "gif": (lambda: encoded(gradient(), "GIF"), "neither JPEG, PNG nor WebP"),
    "tiff": (lambda: encoded(gradient(), "TIFF"), "neither JPEG, PNG nor WebP"),
    "eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "neither JPEG, PNG nor WebP"),
    "heic": (lambda: b"\x00\x00\x00\x18ftypheic" + bytes(100), "neither JPEG, PNG nor WebP"),
    "11 MB": (lambda: b"\xff\xd8\xff" + bytes(11 * 2**20), "at most 10 MB"),
    "JPEG cut at half": (lambda: half(encoded(gradient(400, 300), "JPEG")), "damaged or cut short"),
    "PNG cut at half": (lambda: half(encoded(gradient(400, 300))), "damaged or cut short"),
    "PNG's head alone": (lambda: b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
    "WebP's head alone": (lambda: b"RIFF\x00\x00\x00\x00WEBP", "damaged or cut short"),
    "a JPEG that calls itself PNG": (
        lambda: b"\x89PNG\r\n\x1a\n" + encoded(gradient(), "JPEG"),
        "damaged or cut short",
    ),
    "36 million pixels": (lambda: bomb(6000), "at most 25 million"),
    "100 million pixels": (lambda: bomb(10000), "25 million"),
    "400 million pixels": (lambda: bomb(20000), "25 million"),
    "1 x 1": (lambda: encoded(Image.new("RGB", (1, 1))), "at least 16"),
    "10000 x 1": (lambda: encoded(Image.new("RGB", (10000, 1))), "at least 16"),
    "too long": (lambda: encoded(Image.new("RGB", (16, 400))), "20 to 1"),
    "too wide": (lambda: encoded(Image.new("1", (10001, 600))), "10,000 a side"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_picture_gets_one_sentence(name: str) -> None:
    make, words = REFUSED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        content = make()
    refusal = query.decode_query(content)
    assert isinstance(refusal, str)
    assert words in refusal
    assert refusal.count(".") == 1 and refusal.endswith(".")


TAKEN: dict[str, Callable[[], bytes]] = {
    "png": lambda: encoded(gradient()),
    "jpeg": lambda: encoded(gradient(), "JPEG"),
    "webp": lambda: encoded(gradient(), "WEBP"),
    "grey": lambda: encoded(gradient().convert("L")),
    "palette": lambda: encoded(gradient().convert("P")),
    "one bit": lambda: encoded(gradient().convert("1")),
    "CMYK": lambda: encoded(gradient().convert("CMYK"), "JPEG"),
    "animation": animation,
    "with a tail": lambda: encoded(gradient()) + b"PK\x03\x04 and more",
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_good_picture_becomes_rgb(name: str) -> None:
    picture = query.decode_query(TAKEN[name]())
    assert isinstance(picture, np.ndarray)
    assert (picture.shape, picture.dtype) == ((30, 40, 3), np.uint8)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_is_turned_as_its_camera_says(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    stored = Image.fromarray(np.zeros((32, 48, 3), dtype=np.uint8))
    picture = query.decode_query(encoded(stored, "JPEG", exif=exif))
    assert isinstance(picture, np.ndarray)
    assert picture.shape == ((32, 48, 3) if turn <= 4 else (48, 32, 3))


def test_sixteen_bits_are_scaled_rather_than_clipped() -> None:
    picture = query.decode_query(encoded(Image.fromarray(np.full((20, 20), 40000, dtype=np.uint16))))
    assert isinstance(picture, np.ndarray)
    assert set(picture.ravel()) == {round(40000 / 257)}


def test_what_is_transparent_is_white() -> None:
    hidden = Image.fromarray(np.full((20, 20, 4), (255, 0, 0, 0), dtype=np.uint8))
    picture = query.decode_query(encoded(hidden))
    assert isinstance(picture, np.ndarray)
    assert picture.min() == 255


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_no_bytes_raise(kind: str, seed: int, changes: int) -> None:
    random = np.random.default_rng(seed)
    content = bytearray(encoded(gradient(), kind))
    for place in random.integers(8 if kind == "PNG" else 12, len(content), changes):
        content[place] = random.integers(256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow remarks on broken metadata
        picture = query.decode_query(bytes(content[: random.integers(12, len(content) + 1)]))
    assert isinstance(picture, str) or (picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3)
