"""How large the maps are from layer to layer (section 3.5, Figure 2), as the released code counts windows.

Released code, layer.py: windows = 1 + ceil((size + 2 padding - window) / stride), for convolutions and poolings alike. What
hangs over the right and bottom edge reads zeros, or nothing where a maximum is taken (assumption A1).
"""

from __future__ import annotations

import math


def windows(size: int, window: int, stride: int, padding: int = 0) -> int:
    """How many windows stand along a side of `size` pixels: 55 for 224, 11, 4."""
    return 1 + math.ceil((size + 2 * padding - window) / stride)


def overhang(size: int, window: int, stride: int) -> int:
    """Pixels by which the last window hangs over: 3 for 224, 11, 4."""
    return (windows(size, window, stride) - 1) * stride + window - size
