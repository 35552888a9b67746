"""A file's bytes as an RGB picture, with every decision told; study/data/packing.py reports them, the dashboard converts alike.

Rules: upright as the camera says, 8 bits, transparency on white, the first frame of several, colour profiles not applied.
Refused is what is no picture, is cut short (a picture whose lower half is grey is not that picture), has too many pixels,
or has no agreed white (32 bits, floats). Bytes that are wrong but decode are beyond a decoder: hashes find those.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

PIXELS = 10**8
MARGIN = 3  # of 570 photographs rescaled from here one differed by more than a grey level on average, by 1.2; at 2, one in 9
ORIENTATION = 0x0112
HEAD = 16  # bytes that tell a format
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")  # no decoder of another format is let near the bytes
SUFFIXES = {".jpg": "JPEG", ".tif": "TIFF"} | {f".{kind.lower()}": kind for kind in FORMATS}
MODES = {  # what Pillow can make of a file, in words; the rest is refused
    **{"RGB": "", "RGBA": "", "YCbCr": "YCbCr", "CMYK": "CMYK", "P": "palette", "PA": "palette"},
    **{"1": "1-bit", "L": "greyscale", "LA": "greyscale", "I;16": "greyscale", "I;16B": "greyscale"},
}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
BROKEN_EXIF = ("broken EXIF", "EXIF not used")
Told = tuple[str, str]  # what was found, what was done


@dataclass(frozen=True, slots=True)
class Decoded:
    """`picture` is in mode RGB and loaded, None where the file is refused. It is Pillow's own: an array would be one more copy.

    `found` says what is unusual about the file, empty for an 8-bit RGB JPEG or PNG; `done` says what was done about it.
    """

    picture: Image.Image | None
    found: str
    done: str


def decode(content: bytes, name: str = "", shorter: int | None = None) -> Decoded:
    """The picture in a file's bytes. No bytes raise or warn. `name` only serves to tell a file that is named wrongly.

    `shorter` says that the picture will be rescaled to that shorter side by a filter that averages over all pixels: a JPEG
    may then come at a half, a quarter or an eighth, where that changes the rescaled picture by less than a grey level on
    average. For a filter that picks pixels leave it out. Warnings are silenced for the whole process while it works, so
    work side by side in processes rather than threads.
    """
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        try:
            picture, told = _decoded(content, name, shorter)
        except Exception as problem:  # noqa: BLE001  decoders meet broken bytes with many kinds of exception
            return Decoded(None, _defect(content, problem), "refused")
    if any("EXIF" in str(remark.message) for remark in remarks):
        told.append(BROKEN_EXIF)
    told = list(dict.fromkeys(told))
    found, done = (", ".join(dict.fromkeys(filter(None, words))) for words in zip(*told, strict=True)) if told else ("", "")
    return Decoded(picture, found, done)


def format_of(head: bytes) -> str:
    """The format that a file's first `HEAD` bytes say it has, one of `FORMATS`; empty where they are no picture's."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    # Two letters alone would make bitmaps of texts: then come the size, four zeros and the place of the pixels, within a page.
    return "BMP" if head.startswith(b"BM") and head[6:10] == bytes(4) and head[12:14] == bytes(2) else ""


class _Unsupported(Exception):
    """A picture that can be read and is not taken; the message is what was found."""


def _decoded(content: bytes, name: str, shorter: int | None) -> tuple[Image.Image, list[Told]]:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > PIXELS:
            raise Image.DecompressionBombError
        told = _kind(image, name)
        if shorter is not None:
            _reduce(image, shorter)
        picture, more = _upright_rgb(image)
        return picture, told + more + _frames(image)


def _kind(image: Image.Image, name: str) -> list[Told]:
    """The format and how colours are stored. Asked before loading, which forgets the depth."""
    kind = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a camera's JPEG with further pictures behind it
    if image.mode not in MODES:
        raise _Unsupported(f"{image.mode} {kind}")
    named = SUFFIXES.get(PurePosixPath(name).suffix.lower(), kind)
    deep = kind in ("PNG", "TIFF") and ";16" in str(
        getattr(image, "tile", [])[:1]
    )  # of 16-bit colours Pillow keeps the upper 8 bits
    words = ["16-bit"] * deep + [MODES[image.mode]] * (MODES[image.mode] != "")
    if not words and named == kind and kind in ("JPEG", "PNG"):
        return []
    found = " ".join([*words, kind, *([] if named == kind else ["named", named])])
    done = ["scaled to 8 bits"] * deep + ["converted to RGB"] * (MODES[image.mode] != "")
    return [(found, ", ".join(done) or f"read as {kind}")]


def _reduce(image: Image.Image, shorter: int) -> None:
    """Let libjpeg decode a fraction. Only where it divides both sides: a part of a pixel at the edge shifts what remains."""
    for fraction in (8, 4, 2):
        width, height = image.width // fraction, image.height // fraction
        whole = image.size == (width * fraction, height * fraction)
        if whole and min(width, height) >= MARGIN * shorter:
            image.draft(None, (width, height))
            return


def rgb(image: Image.Image) -> tuple[np.ndarray, list[Told]]:
    """An opened picture as uint8 (height, width, RGB): upright, 8 bits, transparency on white. Raises what Pillow raises."""
    picture, told = _upright_rgb(image)
    return np.array(picture), told


def _upright_rgb(image: Image.Image) -> tuple[Image.Image, list[Told]]:
    """Pillow's own conversion would clip 16-bit grey, leave the picture lying, and show colours that are hidden."""
    stored = _orientation(image) if image.format == "TIFF" else None  # its loader turns the picture, and forgets that it did
    image.load()
    turn = stored or _orientation(image)
    upright = image.transpose(TURNS[turn]) if turn in TURNS and not stored else image
    told = [(f"EXIF orientation {turn}", "made upright")] if turn in TURNS else [BROKEN_EXIF] if turn == 0 else []
    if upright.has_transparency_data:
        told.append(("transparency", "put on white"))
    if upright.mode.startswith("I;16"):
        return _eight_bits(upright), told
    if upright.has_transparency_data:
        seen = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return upright if upright.mode == "RGB" else upright.convert("RGB"), told


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    grey = np.rint(values / np.float32(257)).astype(np.uint8)
    if "transparency" in image.info:  # the one value that is transparent
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """How the camera was held, 1 to 8; 0 where that cannot be read."""
    try:
        exif = image.getexif()
        value = exif.get(ORIENTATION, 1)
        if not exif and image.info.get("exif"):  # Pillow says that it cannot read them once, when it opens, and swallows it
            return 0
    except Exception:  # noqa: BLE001  metadata that cannot be read do not make the picture unreadable
        return 0
    return value if value in TURNS else 1


def _frames(image: Image.Image) -> list[Told]:
    try:
        several = getattr(image, "is_animated", False)
    except Exception:  # noqa: BLE001  a later frame is broken; so there is one
        several = True
    return [("several frames", "first frame taken")] if several else []


def _defect(content: bytes, problem: Exception) -> str:
    """Why a file is refused, in a few words."""
    if isinstance(problem, _Unsupported):
        return str(problem)
    if isinstance(problem, Image.DecompressionBombError):
        return f"more than {PIXELS // 10**6} million pixels"
    if isinstance(problem, EOFError) or "truncated" in str(problem).lower():
        return "truncated"
    if not isinstance(problem, UnidentifiedImageError):
        return "damaged"
    if not content.strip(b"\0"):
        return "nothing but zeros" if content else "no bytes"
    head = content[:1000]
    if b"<html" in head.lower():
        return "HTML"
    return "text" if head.isascii() and b"\0" not in head else "not a picture"
