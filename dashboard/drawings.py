"""Small figures as SVG, drawn here: they cost the page nothing to load, take its colours, and their parts can be clicked.

Each is a function from values to a text of SVG. Texts from files are escaped. No Streamlit here, and no file is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from study.paper import numbers

INK = "var(--st-text-color, currentColor)"
ACCENT = "var(--st-primary-color, #0063a0)"
SECOND = "#D55E00"
CROSSING = 24  # height of the lines by which columns read one another
BLOCK = 'fill="var(--st-secondary-background-color, #f3f3f1)" stroke="var(--st-text-color, #111)"'


def interval(ours: float, low: float, high: float, word: str, width: int = 92, height: int = 18) -> str:
    """A number with its interval and zero in the middle: right of it is the paper's direction. `word` is for those who listen."""
    ends = [abs(end) for end in (ours, low, high) if math.isfinite(end)]
    most = 1.15 * max(*ends, 1e-9)

    def at(value: float, otherwise: float) -> float:
        shown = value if math.isfinite(value) else otherwise
        return width / 2 * (1 + max(-1.0, min(1.0, shown / most)))

    left, right, middle = at(low, -most), at(high, most), height / 2
    if not math.isfinite(low) and not math.isfinite(high):  # one seed has no interval
        left = right = at(ours, 0)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(word, quote=True)}" style="width:{width}px">'
        f'<line x1="{width / 2}" x2="{width / 2}" y1="1" y2="{height - 1}" stroke="{INK}" stroke-opacity="0.55"/>'
        f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{middle}" y2="{middle}" stroke="{ACCENT}" stroke-width="2.5"/>'
        f'<circle cx="{at(ours, 0):.1f}" cy="{middle}" r="3.6" fill="{ACCENT}"/></svg>'
    )


def lines(series: Mapping[str, Sequence[tuple[float, float]]], level: float | None, label: str) -> str:
    """Curves from the origin, the first solid, the second dashed, each with its name at its end; `level` is a dotted line."""
    width, height, right, low = 230, 104, 46, 92
    series = {name: one for name, one in series.items() if one}
    points = [point for one in series.values() for point in one]
    if not points:
        return ""
    far, high = max(x for x, _ in points) or 1, max(y for _, y in points) or 1
    parts = []
    at = None if level is None else low - (low - 8) * level / high
    taken: list[float] = [] if at is None else [at]  # the names' places, and the dotted line's, which would strike one through
    for number, (name, one) in enumerate(series.items()):
        colour, dash = ((ACCENT, ""), (SECOND, "5 3"))[number % 2]
        placed = [((width - right) * x / far, low - (low - 8) * y / high) for x, y in one]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        free = (y for y in range(8, height) if all(abs(y - other) >= 12 for other in taken))
        end = min(free, key=lambda y: abs(y - placed[-1][1]), default=placed[-1][1])
        taken.append(end)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>')
        parts.append(f'<text x="{placed[-1][0] + 4:.1f}" y="{end + 4:.1f}" font-size="12">{escape(name)}</text>')
    if at is not None:
        parts.append(f'<line x1="0" x2="{width - right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{INK}" stroke-dasharray="2 3"/>')
    parts.append(f'<line x1="0" x2="{width - right}" y1="{low}" y2="{low}" stroke="{INK}" stroke-opacity="0.4"/>')
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'


def dots(rows: Mapping[str, Sequence[float]], unit: str, label: str, width: int = 420) -> str:
    """A dot a seed and a bar at the mean, a row an arm, on an axis that has its ends written.

    It begins at 0, but where all values lie in the upper half of that axis: there they would be too close to be told apart.
    """
    if not rows or not any(rows.values()):
        return ""
    every = [value for one in rows.values() for value in one]
    least, most = 0.0, 1.08 * max(map(abs, every)) or 1
    if min(every) > max(every) / 2 and max(every) > min(every):
        beside = (max(every) - min(every)) / 4
        least, most = min(every) - beside, max(every) + beside
    left, step = 8, 40
    height = step * len(rows) + 22

    def at(value: float) -> float:
        return left + (width - 2 * left) * (value - least) / (most - least)

    parts = []
    for number, (name, values) in enumerate(rows.items()):
        y = step * number + 30
        colour = {"relu": ACCENT, "tanh": SECOND}.get(name, (ACCENT, SECOND)[number % 2])  # as in Figure 1
        parts.append(f'<text x="{left}" y="{y - 14}" font-size="13">{escape(name)}</text>')
        parts.append(f'<line x1="{left}" x2="{width - left}" y1="{y}" y2="{y}" stroke="{INK}" stroke-opacity="0.25"/>')
        for value in values:
            told = f"<title>{value:.4g}{escape(unit)}</title>"
            parts.append(f'<circle cx="{at(value):.1f}" cy="{y}" r="5" fill="{colour}" fill-opacity="0.65">{told}</circle>')
        if values:
            mean = sum(values) / len(values)
            parts.append(
                f'<line x1="{at(mean):.1f}" x2="{at(mean):.1f}" y1="{y - 9}" y2="{y + 9}" stroke="{INK}" stroke-width="2"/>'
            )
    low = step * len(rows) + 16
    parts.append(f'<text x="{left}" y="{low}" font-size="12">{f"{least:.3g}{escape(unit)}" if least else 0}</text>')
    parts.append(f'<text x="{width - left}" y="{low}" font-size="12" text-anchor="end">{most:.3g}{escape(unit)}</text>')
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label, quote=True)}" '
        f'style="max-width:{width}px">{"".join(parts)}</svg>'
    )


# Figure 2: a row a layer, what stands in each of the two columns, the part of "How it works" it leads to, and what is told of it
ROWS = (
    ("input", "pictures of 224 x 224 x 3", "augmentation", "crops, flips and colour changes (4.1)"),
    ("conv1", "", "convolution", "kernels of 11 x 11 at stride 4, ReLU"),
    ("normalise", "response normalisation", "normalisation", "loud neighbours turn a map down (3.3)"),
    ("pool", "overlapping pooling", "pooling", "windows of 3 at stride 2 (3.4)"),
    ("conv2", "", "convolution", "kernels of 5 x 5, each of its own column"),
    ("normalise", "response normalisation", "normalisation", "loud neighbours turn a map down (3.3)"),
    ("pool", "overlapping pooling", "pooling", "windows of 3 at stride 2 (3.4)"),
    ("conv3", "", "columns", "reads both columns: here they talk (3.2)"),
    ("conv4", "", "columns", "reads its own column alone"),
    ("conv5", "", "columns", "reads its own column alone"),
    ("pool", "overlapping pooling", "pooling", "windows of 3 at stride 2 (3.4)"),
    ("fc6", "", "dropout", "half of the neurons are off in training (4.2)"),
    ("fc7", "", "dropout", "what Figure 4 compares pictures by"),
    ("fc8", "", "patches", "1,000 classes, ten patches averaged (4.1)"),
)


def network(href: Mapping[str, str]) -> str:
    """Figure 2 from top to bottom: both columns, what crosses, sizes; each layer is a link to its part.

    `href`: by part of "How it works", an address that is ready for an attribute.
    """
    layers = {layer.name: layer for layer in numbers.LAYERS}
    width, step, high = 430, 34, 26
    parts = []
    for number, (name, words, part, told) in enumerate(ROWS):
        y = number * step + 2
        whole = name in ("input", "fc8")
        if layer := layers.get(name):
            per = layer.outputs // (1 if whole else numbers.COLUMNS)
            words = f"{name}: {per:,}" + (f" of {layer.side} x {layer.side}" if layer.side > 1 else "")
        boxes = [(2, width - 4)] if whole else [(2, width / 2 - 9), (width / 2 + 7, width / 2 - 9)]
        thin = name in ("normalise", "pool")
        top, tall = (y + 3, high - 6) if thin else (y, high)
        whole_row = (
            f'<rect x="0" y="{y}" width="{width}" height="{high}" fill="#fff" fill-opacity="0"/>'  # a click anywhere counts
        )
        drawn = whole_row + "".join(
            f'<rect class="block" x="{x:.0f}" y="{top}" width="{wide:.0f}" height="{tall}" '
            f'rx="{11 if thin else 4}" stroke-dasharray="{"3 2" if thin else "none"}"/>'
            f'<text class="name" x="{x + wide / 2:.0f}" y="{y + 18}" text-anchor="middle" font-size="13">{words}</text>'
            for x, wide in boxes
        )
        label = escape(f"{words}: {told}", quote=True)
        parts.append(f'<a href="{href[part]}" data-key="{part}" aria-label="{label}"><title>{label}</title>{drawn}</a>')
        if number:
            crosses = name in ("conv3", "fc6", "fc7", "fc8")
            arrows = _arrows(width, y, step - high, crosses)
            told = "here the columns read one another: Two GPUs (3.2)"
            link = f'<a href="{href["columns"]}" data-key="columns" aria-label="{told}"><title>{told}</title>{arrows}</a>'
            parts.append(link if crosses else arrows)
    height = step * len(ROWS)
    frame = f'viewBox="0 0 {width} {height}" style="max-width:{width}px" role="group" aria-label="Figure 2"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def _arrows(width: int, y: float, gap: int, crosses: bool) -> str:
    """From the row above to the one at `y`: straight down in each column, and across where the columns communicate."""
    left, right = width / 4, 3 * width / 4
    ways = [(left, left), (right, right)] + ([(left, right), (right, left)] if crosses else [])
    return "".join(
        f'<line x1="{a:.0f}" x2="{b:.0f}" y1="{y - gap}" y2="{y}" stroke="{ACCENT if a != b else INK}" '
        f'stroke-width="{2 if a != b else 1.2}"/>'
        for a, b in ways
    )


def built(network: Mapping[str, Any], label: str) -> str:
    """Figure 2 of a network as it was built (frames.built): what stands in each column from layer to layer, what it reads, what
    crosses. Legible where it is 360 pixels wide."""
    columns, width, gap, y = int(network["columns"]), 400, 20, 2.0
    wide = (width - 4 - gap * (columns - 1)) / columns
    lefts = [2 + number * (wide + gap) for number in range(columns)]
    parts = [_box(2, y, width - 4, 24, [f"patches of {network['input']} x {network['input']} x 3"])]
    bottom, whole = y + 24, True
    for layer in network["layers"]:
        learned, across = "inputs" in layer, layer.get("sees") == "all" and columns > 1
        label_of = f"{layer['crosses']:,} numbers each way" if across else ""
        y = bottom + (CROSSING + 18 if across else 18)
        parts.append(_flow(lefts, wide, bottom, y, whole, across, label_of))
        if not learned:
            parts += [_box(left, y, wide, 21, [_thin(layer)], round_=10) for left in lefts]
            bottom, whole = y + 21, False
            continue
        own = layer["maps"] / columns
        share = f"{own:,.0f}" if own == int(own) else f"{int(own):,} or {int(own) + 1:,}"
        parts += [_box(left, y, wide, 40, _told(layer, share)) for left in lefts]
        facts = f"{layer['parameters']:,} parameters, {_short(layer['multiplications'])} multiplications"
        field = f", each sees {layer['field']} x {layer['field']} pixels" if layer["kind"] != "full" else ""
        parts.append(_words(width / 2, y + 54, facts + field, 11.5))
        bottom, whole = y + 58, False
    frame = f'viewBox="0 0 {width} {bottom + 4:.0f}" style="max-width:560px" role="img" aria-label="{escape(label, quote=True)}"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def timeline(layers: Sequence[Mapping[str, Any]], columns: int, label: str) -> str:
    """A picture's way forward through the learned layers of a network in columns (frames.built), from left to right: a lane a
    column, each layer as wide as its multiplications, and lines across where a layer waits for what the other columns send."""
    width, high, apart, gap, top = 400, 26, 26, 14, 36
    waits = sum(layer["crosses"] > 0 for layer in layers)
    unit = (width - 4 - gap * waits - 2 * len(layers)) / sum(layer["multiplications"] for layer in layers)
    lanes = [top + number * (high + apart) for number in range(columns)]
    parts, x, above = [], 2.0, False
    for layer in layers:
        if layer["crosses"]:
            ends = [(a + high / 2, b + high / 2) for a in lanes for b in lanes if a != b]
            parts += [
                f'<line x1="{x:.1f}" x2="{x + gap - 2:.1f}" y1="{a}" y2="{b}" stroke="{SECOND}" stroke-width="2"/>'
                for a, b in ends
            ]
            x += gap
        wide = max(unit * layer["multiplications"], 2)
        fits = wide > 7 * len(layer["name"])
        parts += [_box(x, lane, wide, high, [layer["name"] if fits else ""], round_=2) for lane in lanes]
        if not fits:  # its name stands above, on two lines in turn, so that neighbours do not run into each other
            parts.append(_words(min(x + wide / 2, width - 14), top - (22 if above else 6), layer["name"], 11.5))
            above = not above
        x += wide + 2
    height = lanes[-1] + high + 20
    parts += [f'<text x="2" y="{height - 4}" font-size="11.5">first</text>']
    parts += [f'<text x="{width - 2}" y="{height - 4}" font-size="11.5" text-anchor="end">last</text>']
    frame = f'viewBox="0 0 {width} {height}" style="max-width:560px" role="img" aria-label="{escape(label, quote=True)}"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def _told(layer: Mapping[str, Any], share: str) -> list[str]:
    """The two lines in a learned layer's box."""
    weights = layer["parameters"] // layer["maps"] - 1
    if layer["kind"] == "full":
        return [f"{layer['name']}: {share} neurons", f"each reads {weights:,} numbers"]
    size = f"{layer['size']} x {layer['size']} x {layer['inputs']}"
    stride = f", stride {layer['stride']}" if layer["stride"] > 1 else ""
    kernels = f"not shared, {size}" if layer["kind"] == "local" else f"kernels {size}{stride}"
    return [f"{layer['name']}: {share} maps of {layer['side']} x {layer['side']}", kernels]


def _thin(layer: Mapping[str, Any]) -> str:
    if layer["kind"] == "normalisation":
        return f"{layer['name']} normalisation"
    name = {"average": "average pooling", "local": "pooling"}.get(layer["name"], "overlapping pooling")
    return f"{name}: {layer['side']} x {layer['side']}"


def _box(x: float, y: float, wide: float, high: float, lines: Sequence[str], round_: int = 4) -> str:
    """A rectangle with one or two lines of text in it, the first of them bold where there are two."""
    drawn = f'<rect class="block" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="{round_}" {BLOCK}/>'
    if len(lines) == 1:
        return drawn + _words(x + wide / 2, y + high / 2 + 4.5, lines[0], 12.5)
    return drawn + _words(x + wide / 2, y + 17, lines[0], 13, bold=True) + _words(x + wide / 2, y + 33, lines[1], 12.5)


def _words(x: float, y: float, text: str, size: float, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" font-size="{size}"{weight}>{escape(text)}</text>'


def _flow(lefts: Sequence[float], wide: float, above: float, below: float, whole: bool, across: bool, label: str) -> str:
    """Arrows from a row to the next: down in each column, and across where a layer reads both; `whole`: from the pictures."""
    middles = [left + wide / 2 for left in lefts]
    crosses = across and not whole
    ways = [(x, x, below) for x in middles]
    ways += [(a, b, above + CROSSING) for a in middles for b in middles if a != b] if crosses else []
    drawn = "".join(
        f'<line x1="{a:.1f}" x2="{b:.1f}" y1="{above:.1f}" y2="{end:.1f}" stroke="{SECOND if a != b else INK}" '
        f'stroke-width="{2 if a != b else 1.3}"/>'
        for a, b, end in ways
    )
    return drawn + (_words(sum(middles) / len(middles), below - 6, label, 11.5) if crosses else "")


def _short(number: float) -> str:
    """105 M, 38 M, 663 k: three digits at the most."""
    for size, word in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:.0f}"


def sheet(tiles: Sequence[Sequence[str]], columns: int, label: str) -> str:
    """Kernels, given as data addresses, in blocks below one another with so many in a row: a drawing to be kept as a file."""
    side, gap, parts, y = 44, 4, [], 0
    for block in tiles:
        for number, source in enumerate(block):
            place = f'x="{(side + gap) * (number % columns)}" y="{y + (side + gap) * (number // columns)}"'
            parts.append(f'<image href="{source}" {place} width="{side}" height="{side}" style="image-rendering:pixelated"/>')
        y += (side + gap) * -(-len(block) // columns) + 3 * gap
    frame = f'viewBox="0 0 {(side + gap) * columns - gap} {y}" role="img" aria-label="{escape(label, quote=True)}"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def standing_alone(svg: str) -> str:
    """A drawing as a file: with its namespace, black on white, its links taken out."""
    whole = re.sub(r"</?a\b[^>]*>", "", svg[svg.index("<svg") : svg.rindex("</svg>") + 6])
    style = "<style>svg{background:#fff;--st-text-color:#111;--st-primary-color:#0063a0;font-family:sans-serif}</style>"
    head, _, rest = whole.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg">{style}{rest}'
