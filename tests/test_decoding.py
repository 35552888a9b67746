"""A file's bytes as RGB: each kind of unusual file, each refusal, the fraction of a JPEG, and that no bytes raise or warn.

And what rescaling makes of it: the bytes of Pillow's own rescaling, of which only the central square is kept.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tarfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from study.data.rescaling import FILTERS, FilterSettings, rescale, rescaled_size
from study.sources import decoding
from study.sources.decoding import Decoded, decode

PHOTOGRAPHS = Path(__file__).parents[2] / "shared/data"
SMOOTHING = [FilterSettings(kind="bilinear"), FilterSettings(kind="bicubic"), FilterSettings(kind="lanczos")]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 40, height: int = 30) -> Image.Image:
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3)
    return Image.fromarray(ramp.astype(np.uint8))


def noise(width: int = 64, height: int = 48) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def textured(width: int, height: int, seed: int) -> Image.Image:
    """As a photograph: smooth in the large, with edges, and detail that is weaker the finer it is."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (2, 6, 18, 54, 162):
        coarse = random.normal(0, 90 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        for colour in range(3):
            layer = Image.fromarray(coarse[:, :, colour]).resize((width, height), Image.Resampling.BICUBIC)
            total[:, :, colour] += np.asarray(layer)
    total[height // 3 :, width // 2 :] += 60
    return Image.fromarray(np.clip(128 + total, 0, 255).astype(np.uint8))


def sixteen_bit_png(values: np.ndarray, colour: int) -> bytes:
    """Pillow writes 16 bits of grey alone. `colour` is PNG's word: 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def ycck_jpeg(image: Image.Image) -> bytes:
    """CMYK stored as brightness, two differences and black, inverted, as Adobe's programs do. Pillow writes plain CMYK:
    so the channels are transformed by hand and the marker told that they are."""
    cmyk = np.asarray(image.convert("CMYK"))
    brightness = np.asarray(Image.fromarray(cmyk[:, :, :3].copy()).convert("YCbCr"))
    stored = np.dstack([255 - brightness, cmyk[:, :, 3]])
    content = bytearray(encoded(Image.fromarray(stored, mode="CMYK"), "JPEG", quality=100, subsampling=0))
    transform = content.index(b"Adobe") + 11
    assert content[transform] == 0
    content[transform] = 2
    return bytes(content)


def taken(content: bytes, name: str = "") -> tuple[np.ndarray, str, str]:
    decoded = decode(content, name)
    assert decoded.picture is not None, decoded.found
    assert decoded.picture.mode == "RGB"
    return np.asarray(decoded.picture), decoded.found, decoded.done


def with_alpha() -> Image.Image:
    image = gradient().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def two_frames(kind: str) -> bytes:
    return encoded(gradient(), kind, save_all=True, append_images=[gradient().rotate(180)])


SIXTEEN = np.full((30, 40), 40000, dtype=np.uint16)
TAKEN: dict[str, tuple[Callable[[], bytes], str, str, str]] = {
    "JPEG": (lambda: encoded(gradient(), "JPEG"), "a.JPEG", "", ""),
    "PNG": (lambda: encoded(gradient()), "a.png", "", ""),
    "progressive JPEG": (lambda: encoded(gradient(), "JPEG", progressive=True), "a.jpg", "", ""),
    "no name": (lambda: encoded(gradient()), "", "", ""),
    "a tail": (lambda: encoded(gradient()) + b"PK\x03\x04 and more", "", "", ""),
    "CMYK": (lambda: encoded(gradient().convert("CMYK"), "JPEG"), "a.JPEG", "CMYK JPEG", "converted to RGB"),
    "YCCK": (lambda: ycck_jpeg(gradient()), "a.JPEG", "CMYK JPEG", "converted to RGB"),
    "grey": (lambda: encoded(gradient().convert("L"), "JPEG"), "a.JPEG", "greyscale JPEG", "converted to RGB"),
    "PNG as JPEG": (lambda: encoded(gradient()), "n02105855_2933.JPEG", "PNG named JPEG", "read as PNG"),
    "grey PNG as JPEG": (
        lambda: encoded(gradient().convert("L")),
        "a.jpg",
        "greyscale PNG named JPEG",
        "converted to RGB",
    ),
    "16-bit grey": (
        lambda: encoded(Image.fromarray(SIXTEEN)),
        "",
        "16-bit greyscale PNG",
        "scaled to 8 bits, converted to RGB",
    ),
    "16-bit RGB": (lambda: sixteen_bit_png(np.dstack([SIXTEEN] * 3), 2), "", "16-bit PNG", "scaled to 8 bits"),
    "16-bit RGBA": (
        lambda: sixteen_bit_png(np.dstack([SIXTEEN] * 4), 6),
        "",
        "16-bit PNG, transparency",
        "scaled to 8 bits, put on white",
    ),
    "palette": (lambda: encoded(gradient().convert("P")), "", "palette PNG", "converted to RGB"),
    "palette, transparent": (
        lambda: encoded(gradient().convert("P"), transparency=3),
        "",
        "palette PNG, transparency",
        "converted to RGB, put on white",
    ),
    "palette, alphas": (
        lambda: encoded(gradient().convert("P"), transparency=bytes(range(256))),
        "",
        "palette PNG, transparency",
        "converted to RGB, put on white",
    ),
    "alpha": (lambda: encoded(with_alpha()), "", "transparency", "put on white"),
    "grey and alpha": (
        lambda: encoded(with_alpha().convert("LA")),
        "",
        "greyscale PNG, transparency",
        "converted to RGB, put on white",
    ),
    "one bit": (lambda: encoded(gradient().convert("1")), "", "1-bit PNG", "converted to RGB"),
    "GIF": (lambda: encoded(gradient(), "GIF"), "a.gif", "palette GIF", "converted to RGB"),
    "GIF as JPEG": (lambda: encoded(gradient(), "GIF"), "a.JPEG", "palette GIF named JPEG", "converted to RGB"),
    "animated GIF": (
        lambda: two_frames("GIF"),
        "",
        "palette GIF, several frames",
        "converted to RGB, first frame taken",
    ),
    "WebP": (lambda: encoded(gradient(), "WEBP"), "a.webp", "WEBP", "read as WEBP"),
    "animated WebP": (lambda: two_frames("WEBP"), "", "WEBP, several frames", "read as WEBP, first frame taken"),
    "animated PNG": (lambda: two_frames("PNG"), "", "several frames", "first frame taken"),
    "two pictures in a camera's JPEG": (lambda: two_frames("MPO"), "a.jpg", "several frames", "first frame taken"),
    "TIFF": (lambda: encoded(gradient(), "TIFF"), "", "TIFF", "read as TIFF"),
    "16-bit TIFF": (
        lambda: encoded(Image.fromarray(SIXTEEN), "TIFF"),
        "",
        "16-bit greyscale TIFF",
        "scaled to 8 bits, converted to RGB",
    ),
    "BMP": (lambda: encoded(gradient(), "BMP"), "", "BMP", "read as BMP"),
    "BMP as PNG": (lambda: encoded(gradient(), "BMP"), "a.png", "BMP named PNG", "read as BMP"),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_an_unusual_file_is_taken_and_told(kind: str) -> None:
    make, name, found, done = TAKEN[kind]
    picture, *told = taken(make(), name)
    assert picture.shape == (30, 40, 3)
    assert told == [found, done]


def without_end(content: bytes) -> bytes:
    return content[:-2]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "zero bytes": (lambda: b"", "no bytes"),
    "a file that was allotted and never written": (lambda: bytes(5000), "nothing but zeros"),
    "text": (lambda: b"404: not found\n", "text"),
    "HTML": (lambda: "<!DOCTYPE html>\n<HTML lang='cs'>Nenalezeno: strana, kterou chcete, není zde".encode(), "HTML"),
    "HTML behind a GIF's head": (lambda: b"GIF89a<html><script>alert(1)</script>", "HTML"),
    "SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text"),
    "EPS": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "text"),
    "HEIC": (lambda: b"\x00\x00\x00\x18ftypheic" + bytes(100), "not a picture"),
    "a JPEG's head": (lambda: b"\xff\xd8\xff", "not a picture"),
    # A cut file would come out grey or black from some row on; it is not the picture that its label is about.
    "JPEG cut at half": (lambda: half(encoded(noise(), "JPEG")), "truncated"),
    "progressive JPEG cut at half": (lambda: half(encoded(noise(), "JPEG", progressive=True)), "truncated"),
    "JPEG without its last two bytes": (lambda: without_end(encoded(noise(), "JPEG")), "truncated"),
    "PNG cut at half": (lambda: half(encoded(noise())), "truncated"),
    "GIF cut at half": (lambda: half(encoded(noise(), "GIF")), "truncated"),
    "BMP cut at half": (lambda: half(encoded(noise(), "BMP")), "truncated"),
    "TIFF cut at half": (lambda: half(encoded(noise(), "TIFF")), "truncated"),
    "WebP cut at half": (lambda: half(encoded(noise(), "WEBP")), "damaged"),
    "floats": (lambda: encoded(gradient().convert("F"), "TIFF"), "F TIFF"),
    "32 bits": (lambda: encoded(gradient().convert("I"), "TIFF"), "I TIFF"),
    "more pixels than the limit": (lambda: bomb(10_001), "more than 100 million pixels"),
    "more pixels than Pillow's limit": (lambda: bomb(20_000), "more than 100 million pixels"),
}


def bomb(side: int) -> bytes:
    """A few kilobytes that say that they are `side` times `side` pixels: the head is honest, the pixels are missing."""
    content = bytearray(encoded(gradient()))
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_whole_picture_is_refused_and_told(kind: str) -> None:
    make, found = REFUSED[kind]
    assert decode(make(), "a.JPEG") == Decoded(None, found, "refused")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("shorter", [None, 8])
def test_a_jpeg_is_refused_wherever_it_is_cut(progressive: bool, shorter: int | None) -> None:
    content = encoded(noise(), "JPEG", progressive=progressive)
    assert decode(content, shorter=shorter).picture is not None
    assert all(decode(content[:cut], shorter=shorter).picture is None for cut in range(0, len(content), 5))
    assert all(decode(content[:-cut], shorter=shorter).picture is None for cut in range(1, 9))


def test_a_png_may_lack_only_what_follows_its_pixels() -> None:
    content = encoded(noise())
    whole = taken(content)[0]
    for cut in [*range(1, 40), len(content) // 2]:
        picture = decode(content[:-cut]).picture
        assert picture is None or np.array_equal(np.asarray(picture), whole)
    assert decode(content[:-40]).picture is None


def test_pixels_near_the_limit_are_taken_without_pillows_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # the limit of pixels, 1,200 here, is above where Pillow warns
    monkeypatch.setattr(decoding, "PIXELS", 1200)
    assert decode(encoded(gradient())).picture is not None
    monkeypatch.setattr(decoding, "PIXELS", 1199)
    assert decode(encoded(gradient())).picture is None


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000), (9, 2)])
def test_any_shape_is_taken(size: tuple[int, int]) -> None:
    for kind in ("PNG", "JPEG"):
        picture, *told = taken(encoded(Image.new("RGB", size, "red"), kind))
        assert picture.shape == (size[1], size[0], 3)
        assert told == ["", ""]
        assert np.abs(picture.astype(int) - (255, 0, 0)).max() <= 1


def test_damage_inside_the_scan_of_a_jpeg_passes() -> None:
    """A decoder cannot know: wrong bytes are the code of another picture, and libjpeg goes on after a marker too early.

    Only hashes of the files detect this; so a data set that has published hashes is held to them.
    """
    content = bytearray(encoded(noise(320, 240), "JPEG"))
    whole = taken(bytes(content))[0]
    content[5000:5064] = np.random.default_rng(4).integers(0, 255, 64, dtype=np.uint8).tobytes()  # below FF: no marker
    picture, *told = taken(bytes(content))
    assert told == ["", ""]
    assert not np.array_equal(picture, whole)
    closed = taken(half(bytes(content)) + b"\xff\xd9")[0]
    assert closed[-1].std() == 0


def test_cmyk_is_inverted_as_adobe_stores_it() -> None:
    for content in (encoded(gradient().convert("CMYK"), "JPEG", quality=100), ycck_jpeg(gradient())):
        picture, *_ = taken(content)
        assert np.abs(picture.astype(int) - np.asarray(gradient())).mean() < 3


@pytest.mark.parametrize("value", [0, 128, 40000, 65535])
def test_sixteen_bits_are_scaled_rather_than_clipped(value: int) -> None:
    grey = np.full((4, 5), value, dtype=np.uint16)
    big_endian = encoded(Image.frombytes("I;16B", (5, 4), grey.astype(">u2").tobytes()), "TIFF")
    for content in (encoded(Image.fromarray(grey)), encoded(Image.fromarray(grey), "TIFF"), big_endian):
        assert set(taken(content)[0].ravel()) == {round(value / 257)}
    colours = taken(sixteen_bit_png(np.dstack([grey] * 3), 2))[0]
    assert np.abs(colours.astype(float) - value / 257).max() <= 1


def test_what_is_transparent_is_white() -> None:
    hidden = Image.fromarray(np.full((20, 20, 4), (255, 0, 0, 0), dtype=np.uint8))
    half_hidden = Image.fromarray(np.full((20, 20, 2), (0, 128), dtype=np.uint8), mode="LA")
    assert taken(encoded(hidden))[0].min() == 255
    assert set(taken(encoded(half_hidden))[0].ravel()) == {127}
    assert taken(encoded(hidden, "WEBP", lossless=True, exact=True))[0].min() == 255
    palette = Image.new("P", (20, 20), 3)
    palette.putpalette([10] * 768)
    assert taken(encoded(palette, transparency=3))[0].min() == 255
    assert taken(encoded(palette, transparency=2))[0].max() == 10
    deep = Image.fromarray(SIXTEEN)
    assert taken(encoded(deep, transparency=40000))[0].min() == 255
    assert taken(encoded(deep, transparency=40001))[0].max() == round(40000 / 257)


def test_of_several_frames_the_first_is_taken() -> None:
    for kind in ("GIF", "PNG"):
        assert np.array_equal(taken(two_frames(kind))[0], taken(encoded(gradient(), kind))[0])


STORED = {  # how a picture lies in the file so that the orientation makes it upright
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def turned(turn: int, kind: str, upright: np.ndarray, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return encoded(Image.fromarray(np.ascontiguousarray(STORED[turn](upright))), kind, exif=exif, **options)


@pytest.mark.parametrize("turn", range(1, 9))
def test_eight_rotated_copies_decode_alike(turn: int) -> None:
    upright = np.asarray(textured(64, 48, 0))
    told = ["", ""] if turn == 1 else [f"EXIF orientation {turn}", "made upright"]
    picture, *words = taken(turned(turn, "PNG", upright))
    assert np.array_equal(picture, upright) and words == told
    picture, *words = taken(turned(turn, "JPEG", upright, quality=95, subsampling=0))
    assert np.abs(picture.astype(int) - upright).mean() < 5 and words == told  # turned wrongly it would be 30 and more
    picture, found, _ = taken(turned(turn, "TIFF", upright))  # whose loader in Pillow turns by itself
    assert np.array_equal(picture, upright) and found == ", ".join(["TIFF", *filter(None, told[:1])])
    deep = encoded(Image.fromarray(np.ascontiguousarray(STORED[turn](upright))[:, :, 0].astype(np.uint16) * 257))
    assert taken(deep)[0].shape == STORED[turn](upright).shape


BROKEN = {
    "rubbish": b"Exif\0\0rubbish",
    "a value that lies beyond the end": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x09\0\0\xff\xff",
    "fewer entries than counted": b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03\0\0\0\x01",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_exif_does_not_cost_the_picture(kind: str) -> None:
    picture, *told = taken(encoded(gradient(), "JPEG", exif=BROKEN[kind]))
    assert picture.shape == (30, 40, 3)
    assert told == ["broken EXIF", "EXIF not used"]


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_turns_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert taken(encoded(gradient(), "JPEG", exif=exif))[1:] == ("", "")


def differences(content: bytes, shorter: int) -> list[float]:
    """Mean grey levels between the rescaled fraction and the rescaled whole, a filter each; none where it is not reduced."""
    whole, fraction = decode(content).picture, decode(content, "", shorter).picture
    assert whole is not None and fraction is not None
    if whole.size == fraction.size:
        return []
    pairs = [(rescale(whole, shorter, how).astype(int), rescale(fraction, shorter, how)) for how in SMOOTHING]
    return [float(np.abs(one - other).mean()) for one, other in pairs]


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(("size", "fraction"), [((768, 576), 2), ((800, 768), 4), ((1600, 1200), 8)])
def test_a_fraction_rescaled_is_the_whole_rescaled(size: tuple[int, int], fraction: int, mode: str, subsampling: int) -> None:
    options = {} if mode == "L" else {"subsampling": subsampling}
    content = encoded(textured(*size, seed=fraction).convert(mode), "JPEG", quality=90, **options)
    shorter = min(size) // fraction // decoding.MARGIN
    found = differences(content, shorter)
    assert len(found) == 3 and max(found) <= 1
    picture = decode(content, "", shorter).picture
    assert picture is not None and picture.size == (size[0] // fraction, size[1] // fraction)


def test_a_fraction_is_taken_only_where_it_is_alike() -> None:
    """Too near to the rescaled size, or with a part of a pixel at an edge: several grey levels, so the whole comes."""
    decoded = {}
    for size, shorter in [((480, 360), 60), ((480, 360), 61), ((481, 360), 20), ((480, 364), 20), ((482, 362), 20)]:
        picture = decode(encoded(gradient(*size), "JPEG"), "", shorter).picture
        assert picture is not None
        decoded[*size, shorter] = picture.size
    assert decoded[480, 360, 60] == (240, 180)
    assert decoded[480, 360, 61] == (480, 360)
    assert decoded[481, 360, 20] == (481, 360)
    assert decoded[480, 364, 20] == (120, 91)
    assert decoded[482, 362, 20] == (241, 181)


def test_other_formats_come_whole_and_a_fraction_is_made_upright() -> None:
    upright = np.asarray(textured(480, 320, 1))
    for kind in ("PNG", "WEBP", "TIFF"):
        assert taken(encoded(Image.fromarray(upright), kind))[0].shape == (320, 480, 3)
    decoded = decode(turned(6, "JPEG", upright), "", 32)
    assert decoded.picture is not None and decoded.picture.size == (480 // 2, 320 // 2)
    assert (decoded.found, decoded.done) == ("EXIF orientation 6", "made upright")


@pytest.mark.parametrize("archive", ["imagenet-native-sample.tar", "imagewoof-320-sample.tar"])
def test_fractions_of_photographs(archive: str) -> None:
    """Each at its hardest, just so large that it is reduced. One in hundreds is above 1, by colours that libjpeg clips."""
    if not (PHOTOGRAPHS / archive).exists():
        pytest.skip(f"{archive} is not here; photographs of other people are not part of the project")
    found = []
    with tarfile.open(PHOTOGRAPHS / archive) as tar:
        for member in [member for member in tar if member.isfile()][::5]:
            content = tar.extractfile(member).read()  # type: ignore[union-attr]
            picture = taken(content)[0]
            found += [differences(content, min(picture.shape[:2]) // fraction // decoding.MARGIN) for fraction in (2, 4)]
    reduced = np.array([levels for levels in found if levels])
    assert len(reduced) >= 10
    assert reduced.mean() < 0.5
    assert (reduced.max(axis=1) > 1).mean() <= 0.01


def rescaled_whole(picture: np.ndarray, size: int, how: FilterSettings) -> np.ndarray:
    """Section 2 as it reads: rescale the picture, then cut out the central square."""
    whole = rescaled_size(picture.shape[1], picture.shape[0], size)
    left, top = ((side - size) // 2 for side in whole)
    return np.asarray(Image.fromarray(picture).resize(whole, FILTERS[how.kind]))[top : top + size, left : left + size]


sides = st.integers(2, 11).flatmap(lambda power: st.integers(2**power // 2, 2**power))  # as many small ones as large ones


@settings(max_examples=300, deadline=None)
@given(sides, sides, st.sampled_from([8, 32, 63, 100]), st.sampled_from(SMOOTHING))
def test_the_square_alone_is_the_whole_rescaled_and_cut(width: int, height: int, size: int, how: FilterSettings) -> None:
    """Byte for byte. Also where Pillow takes the columns first: of a picture much taller than wide."""
    assume(max(width, height) * size <= 3000 * min(width, height))
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected = rescaled_whole(picture, size, how)
    assert np.array_equal(rescale(picture, size, how), expected)
    assert np.array_equal(rescale(Image.fromarray(picture), size, how), expected)


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.75, 1.0, 4 / 3, 1.9, 1.99, 2.0, 2.01, 2.02, 2.1, 3.0])
@pytest.mark.parametrize("how", SMOOTHING, ids=lambda how: how.kind)
def test_the_square_alone_at_the_papers_size(ratio: float, how: FilterSettings) -> None:
    for shorter in (200, 256, 257, 320, 375, 500):
        width, height = (shorter, round(shorter * ratio)) if ratio >= 1 else (round(shorter / ratio), shorter)
        picture = np.random.default_rng(shorter).integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert np.array_equal(rescale(picture, 256, how), rescaled_whole(picture, 256, how)), (width, height)


VALID = [
    lambda: encoded(gradient(), "JPEG"),
    lambda: encoded(gradient(), "JPEG", progressive=True),
    lambda: encoded(gradient().convert("CMYK"), "JPEG"),
    lambda: turned(6, "JPEG", np.asarray(gradient())),
    lambda: turned(6, "TIFF", np.asarray(gradient())),
    lambda: encoded(with_alpha()),
    lambda: encoded(gradient().convert("P"), transparency=3),
    lambda: encoded(Image.fromarray(SIXTEEN)),
    lambda: two_frames("PNG"),
    lambda: two_frames("GIF"),
    lambda: two_frames("WEBP"),
    lambda: two_frames("MPO"),
    lambda: encoded(gradient(), "BMP"),
    lambda: encoded(gradient(), "TIFF", compression="tiff_lzw"),
]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(VALID), st.integers(0, 2**32 - 1), st.integers(0, 30), st.booleans(), st.sampled_from([None, 4]))
def test_no_bytes_raise_or_warn(make: Callable[[], bytes], seed: int, changes: int, cut: bool, shorter: int | None) -> None:
    random = np.random.default_rng(seed)
    content = bytearray(make())
    within = 200 if random.integers(2) else len(content)  # half of the files are changed in their heads alone
    for place in random.integers(0, min(within, len(content)), changes):
        content[place] = random.integers(256)
    told = decode(bytes(content[: random.integers(len(content)) if cut else None]), "a.JPEG", shorter)
    assert (told.picture is None) == (told.done == "refused")
    assert (told.found == "") == (told.done == "")
    assert told.picture is None or (told.picture.mode == "RGB" and rescale(told.picture, 8, SMOOTHING[0]).shape == (8, 8, 3))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_never_were_a_picture_are_refused(content: bytes) -> None:
    assert decode(content).done == "refused"


def test_warnings_of_others_are_as_they_were() -> None:
    before = list(warnings.filters)
    decode(b"")
    assert warnings.filters == before


def test_decoding_needs_no_torch() -> None:
    line = "import sys, dashboard.query, study.sources.decoding; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", line], check=True, cwd=Path(__file__).parents[1])
