"""The built-in pictures: synthetic scenes with one large object, drawn from a seed, so that a study needs no download.

A scene is made of overlapping shapes ("dead leaves": Matheron 1968; Lee, Mumford and Huang 2001), whose occlusions and
power law of sizes give the edge and scale statistics of photographs. One large object stands in it, a disc or a star,
somewhere near the middle. Its class is the pair (colour, surface): 4 colours x 6 surfaces = 24 classes. As in
photographs, colour tells some classes apart and pattern others; the outline says nothing. Stripes are upright and bands
level, within some ten degrees, as things stand in photographs: where patterns lay at any angle a network learned colours
alone until, after a time left to chance, it learned the rest (LOG.md, 2026-11-26).

Picture `i` of seed `s` depends on `(s, i)` and on nothing else, so that any number of workers draws the same set.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HUES = {"red": 0.02, "yellow": 0.14, "green": 0.34, "blue": 0.60}  # around which the two colours of an object lie
SURFACES = ("plain", "striped", "banded", "chequered", "dotted", "ringed")
CLASSES = tuple(f"{hue} {surface}" for hue in HUES for surface in SURFACES)

CANVAS = 2  # drawn at twice the size, then averaged: edges without steps


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureSettings:
    """What shapes the built-in set. `size` is in pixels; the three splits are numbers of pictures."""

    seed: int
    size: int
    train: int
    validation: int
    test: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give a whole number from 0 on")
        if not 32 <= self.size <= 512:
            raise ValueError(f"size is {self.size}, but pictures are drawn from 32 to 512 pixels wide; choose 64")
        for split in ("train", "validation", "test"):
            if getattr(self, split) < len(CLASSES):
                raise ValueError(f"{split} is {getattr(self, split)}, fewer than the {len(CLASSES)} classes; raise it")


def index_of(settings: PictureSettings, split: str, row: int) -> int:
    """The number of picture `row` of a split: the splits follow one another."""
    before = {"train": 0, "validation": settings.train, "test": settings.train + settings.validation}
    return before[split] + row


def picture(settings: PictureSettings, index: int) -> tuple[np.ndarray, int]:
    """Draw picture `index`: uint8 (size, size, 3) RGB, with its label (each class in turn)."""
    random = np.random.default_rng([settings.seed, index])
    label = index % len(CLASSES)
    hue, surface = HUES[CLASSES[label].split()[0]], SURFACES[label % len(SURFACES)]
    width = settings.size * CANVAS

    scene = Image.new("RGB", (width, width), _colour(random))
    brush = ImageDraw.Draw(scene)
    for _ in range(45):
        _leaf(brush, random, width, smallest=0.08, largest=0.60)
    scene = Image.blend(scene, Image.new("RGB", scene.size, _colour(random)), 0.45)  # distance: the background is hazy
    brush = ImageDraw.Draw(scene)
    _place_object(scene, random, width, placed(settings, index), hue, surface)
    for _ in range(int(random.integers(0, 7))):
        _leaf(brush, random, width, smallest=0.04, largest=0.10)

    pixels = np.asarray(scene.reduce(CANVAS), dtype=np.float32)
    return _develop(pixels, random), label


class Placed(NamedTuple):
    """Where a picture's object stands: its radius and its centre (x, y), in widths of the picture."""

    radius: float
    x: float
    y: float

    @property
    def distance(self) -> float:
        """From the centre of the picture."""
        return math.hypot(self.x - 0.5, self.y - 0.5)


def placed(settings: PictureSettings, index: int) -> Placed:
    """Of picture `index`, without drawing it."""
    random = np.random.default_rng([settings.seed, index, 1])
    radius = random.uniform(0.30, 0.42)
    x, y = 0.5 + random.uniform(-0.5, 0.5, 2) * (1 - 1.7 * radius)
    return Placed(radius, x, y)


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    """A muted colour: hues of earth, leaf, sky and stone, little saturation, any brightness."""
    hue = random.choice([0.07, 0.12, 0.28, 0.58]) + random.normal(0, 0.05)
    return _rgb(hue, 0.85 * random.beta(1.8, 3.8), 0.1 + 0.85 * random.beta(1.6, 1.6))


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(255 * red), int(255 * green), int(255 * blue)


def _polygon(centre: np.ndarray, angles: np.ndarray, radii: np.ndarray) -> list[tuple[float, float]]:
    corners = centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
    return [(float(x), float(y)) for x, y in corners]


def _leaf(brush: ImageDraw.ImageDraw, random: np.random.Generator, width: int, smallest: float, largest: float) -> None:
    """One occluding shape. Radii follow r^-3, the law under which the statistics do not depend on scale."""
    u = random.random()
    radius = width * (smallest**-2 + u * (largest**-2 - smallest**-2)) ** -0.5
    centre = random.random(2) * width
    corners = int(random.choice([3, 4, 5, 24]))
    angles = np.sort(random.random(corners)) * 2 * np.pi if corners < 24 else np.linspace(0, 2 * np.pi, 24)
    stretch = radius * random.uniform(0.6, 1.0, corners) if corners < 24 else np.full(24, radius)
    brush.polygon(_polygon(centre, angles, stretch), fill=_colour(random))


def _outline(random: np.random.Generator, width: int, where: Placed) -> Image.Image:
    """The mask of the object, a disc or a star turned by any angle: 0 or 255, (width, width)."""
    mask = Image.new("L", (width, width), 0)
    brush = ImageDraw.Draw(mask)
    centre, radius = width * np.array([where.x, where.y]), width * where.radius
    if random.random() < 0.5:
        angles = np.linspace(0, 2 * np.pi, 48)
        brush.polygon(_polygon(centre, angles, np.full(48, radius)), fill=255)
    else:
        angles = random.uniform(0, 2 * np.pi) + np.arange(10) * np.pi / 5
        brush.polygon(_polygon(centre, angles, radius * np.tile([1.25, 0.65], 5)), fill=255)
    return mask


def _pattern(surface: str, random: np.random.Generator, width: int, where: Placed) -> np.ndarray:
    """How much of its second colour the surface of an object there shows: float (width, width), 0 to 1."""
    angle, period = random.normal(0, 0.15), width * random.uniform(0.11, 0.17)
    y, x = np.mgrid[:width, :width] - width * np.array([where.y, where.x])[:, None, None]
    along = (x * np.cos(angle) + y * np.sin(angle)) / period
    across = (y * np.cos(angle) - x * np.sin(angle)) / period
    patterns = {
        "plain": lambda: np.zeros((width, width)),
        "striped": lambda: along % 1 < 0.5,
        "banded": lambda: across % 1 < 0.5,
        "chequered": lambda: (along % 1 < 0.5) ^ (across % 1 < 0.5),
        "dotted": lambda: (along % 1 - 0.5) ** 2 + (across % 1 - 0.5) ** 2 < 0.09,
        "ringed": lambda: np.hypot(along, across) % 1 < 0.5,
    }
    return patterns[surface]().astype(np.float32)


def _place_object(scene: Image.Image, random: np.random.Generator, width: int, where: Placed, hue: float, surface: str) -> None:
    mask = _outline(random, width, where)
    first, second = _two_colours(random, hue)
    share = _pattern(surface, random, width, where)[:, :, None]
    skin = (1 - share) * np.array(first, dtype=np.float32) + share * np.array(second, dtype=np.float32)
    scene.paste(Image.fromarray(skin.astype(np.uint8)), (0, 0), mask.filter(ImageFilter.BoxBlur(0.5)))


def _two_colours(random: np.random.Generator, hue: float) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """A dark and a bright colour around a hue, in any order, far enough apart for a pattern of them to be seen."""
    bounds = ((0.2, 0.45), (0.55, 0.9))
    dark, bright = (_rgb(hue + random.normal(0, 0.04), random.uniform(0.35, 0.8), random.uniform(*bound)) for bound in bounds)
    return (dark, bright) if random.random() < 0.5 else (bright, dark)


def _develop(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Light falling off across the scene, and a sensor's noise: (h, w, 3) float32 in, uint8 out."""
    height, width, _ = pixels.shape
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.35)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = 1 + strength * (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2)
    noisy = pixels * light[:, :, None] + random.normal(0, 4, pixels.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
