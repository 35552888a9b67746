"""Figure 3, described: a Gabor function fitted to each first-layer kernel by least squares (section 6.1).

"A variety of frequency- and orientation-selective kernels, as well as various colored blobs" becomes a count. The model is a
wave under a Gaussian envelope, whose amplitude and phase each colour has of its own (Daugman 1985, with colours):

    K(x, y, c) = exp(-u^2 / 2 s^2 - v^2 / 2 t^2) (a_c cos 2 pi f u + b_c sin 2 pi f u),    u, v: x, y turned and moved

Six numbers are searched for, the amplitudes follow by linear least squares at every step. The explained share is that of the
kernel's sum of squares; what the fit explains of noise is seen on the untrained kernels. It needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from study.measuring.kernels import COLOURED, colourfulness

EXPLAINED = 0.5  # share from which on the fit is taken to describe a kernel; of noise it explains a tenth
SELECTIVE = 0.5  # waves within two deviations of the envelope's middle from which on a kernel counts as selective
NARROWEST, WIDEST = 0.06, 0.6  # deviation of the envelope, in kernel sides
STEPS = 40  # evaluations of a fit, for each of its numbers, at most


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """`explained` from 0 to 1; `orientation` of the wave's stripes in degrees, 0 (lying) to 180, anticlockwise; `frequency` in
    waves a pixel; `waves` within two deviations of the envelope and within the kernel; `colour`: the share of the fit's energy
    that is off the grey axis; `fitted` (h, w, RGB)."""

    explained: float
    orientation: float
    frequency: float
    waves: float
    colour: float
    fitted: np.ndarray

    @property
    def kind(self) -> str:
        """One of files.KINDS."""
        if self.explained < EXPLAINED:
            return "neither"
        coloured = self.colour >= COLOURED
        if self.waves >= SELECTIVE:
            return "coloured, selective" if coloured else "grey, selective"
        return "coloured blob" if coloured else "grey blob"


def fit(kernel: np.ndarray) -> Fit:
    """The best of three searches, from the two strongest waves of the kernel's spectrum and from a blob; (h, w, RGB) in."""
    height, width = kernel.shape[:2]
    y, x = np.mgrid[:height, :width]
    values = kernel.reshape(height * width, -1).astype(np.float64)
    energy = float(np.square(values).sum())
    if not energy > 0 or not np.isfinite(energy):
        return Fit(explained=0.0, orientation=0.0, frequency=0.0, waves=0.0, colour=0.0, fitted=np.zeros(kernel.shape))
    scaled, side = values / np.sqrt(energy), max(height, width)

    def residuals(numbers: np.ndarray) -> np.ndarray:
        basis = _basis(numbers, x.ravel(), y.ravel(), side)
        products = basis.T @ basis
        products[[0, 1], [0, 1]] += 1e-9 * np.trace(products) + 1e-30  # one of the waves, or both, can be nothing
        left: np.ndarray = scaled - basis @ np.linalg.solve(products, basis.T @ scaled)
        return left.ravel()

    searches = [least_squares(residuals, start, method="lm", max_nfev=STEPS * 7) for start in _starts(kernel)]
    best = min(searches, key=lambda found: found.cost)
    left = residuals(best.x).reshape(kernel.shape)
    _, _, across, _, turn, frequency = _meant(best.x, side)
    fitted = np.sqrt(energy) * (scaled.reshape(kernel.shape) - left)
    return Fit(
        explained=float(1 - np.square(left).sum()),
        orientation=float(np.degrees(np.pi / 2 - turn) % 180),
        frequency=float(frequency),
        waves=float(frequency * min(4 * across, side)),
        colour=float(colourfulness(fitted[None])[0]),
        fitted=fitted,
    )


def _meant(numbers: np.ndarray, side: int) -> tuple[float, float, float, float, float, float]:
    """Middle (x, y), deviations across and along the stripes, direction of the wave, frequency: of numbers without bounds."""
    x, y, across, along, turn, frequency = numbers
    widths = (side * (NARROWEST + (WIDEST - NARROWEST) / (1 + np.exp(-wide))) for wide in np.clip((across, along), -30, 30))
    return x, y, *widths, turn, 0.25 - 0.25 * np.cos(frequency)  # frequency: 0 to 1/2


def _basis(numbers: np.ndarray, x: np.ndarray, y: np.ndarray, side: int) -> np.ndarray:
    """The two waves under the envelope at every place: (places, 2)."""
    middle_x, middle_y, across, along, turn, frequency = _meant(numbers, side)
    u = (x - middle_x) * np.cos(turn) + (y - middle_y) * np.sin(turn)
    v = (y - middle_y) * np.cos(turn) - (x - middle_x) * np.sin(turn)
    envelope = np.exp(-0.5 * np.square(u / across) - 0.5 * np.square(v / along))
    phase = 2 * np.pi * frequency * u
    return np.stack([envelope * np.cos(phase), envelope * np.sin(phase)], axis=1)


def _starts(kernel: np.ndarray) -> list[np.ndarray]:
    """Numbers from which to search: the two strongest waves, apart from one another, and a blob; in the middle of the energy."""
    height, width = kernel.shape[:2]
    power = np.square(kernel, dtype=np.float64).sum(axis=2)
    share = np.square(power) / np.square(power).sum()
    x, y = float((share.sum(axis=0) * np.arange(width)).sum()), float((share.sum(axis=1) * np.arange(height)).sum())
    points = 32
    spectrum = np.abs(np.fft.fft2(kernel, s=(points, points), axes=(0, 1))).sum(axis=2)
    across, down = np.meshgrid(np.fft.fftfreq(points), np.fft.fftfreq(points))
    upper = (down > 0) | ((down == 0) & (across >= 0))  # the other half mirrors it
    spectrum[~upper | (np.hypot(across, down) > 0.45)] = 0
    starts = [np.array([x, y, 0.0, 0.0, 0.0, 0.3])]
    for _ in range(2):
        row, column = np.unravel_index(int(spectrum.argmax()), spectrum.shape)
        fx, fy = across[row, column], down[row, column]
        frequency = min(max(float(np.hypot(fx, fy)), 0.02), 0.48)
        starts.append(np.array([x, y, -0.5, -0.5, np.arctan2(fy, fx), np.arccos(1 - 4 * frequency)]))
        spectrum[np.hypot(across - fx, down - fy) < 1.2 / max(height, width)] = 0
    return starts


def described(seed: int, kernels_by_epoch: dict[int, np.ndarray], untrained: bool = True) -> list[list[Any]]:
    """Rows of files.KERNELS: the kernels (n, h, w, RGB) at the end and, if wanted and kept, those before training."""
    last, rows = max(kernels_by_epoch), list[list[Any]]()
    for when, epoch in {"end": last, "start": 0}.items():
        if when == "start" and not (untrained and last > 0):
            continue
        for number, kernel in enumerate(kernels_by_epoch.get(epoch, ())):
            one = fit(kernel)
            facts = (one.explained, one.orientation, one.frequency, one.waves, one.colour)
            rows.append([seed, when, number, *(round(fact, 5) for fact in facts), one.kind])
    return rows
