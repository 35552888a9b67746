"""One form of a number wherever people read it: three digits that count, and the unit in words."""

from __future__ import annotations

import math

MOST_TIMES = 100  # above that a factor is "over 100 times": what lies beyond is not measured


def amount(value: float, unit: str) -> str:
    """A number in the unit of its claim (study/paper/claim.py), such as "13.7 points", "37.5%" or "2.44 times"."""
    number, name = _number(value, unit), _NAMES.get(unit, unit)
    return f"{number}{'' if name == '%' else ' '}{name}".rstrip()


def lasting(seconds: float) -> str:
    """A length of time as one would say it: "1 minute", "31 minutes", "1.7 hours", "14 hours", "3 days"."""
    minutes, hours = max(round(seconds / 60), 1), seconds / 3600
    if minutes < 90:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{hours:.{1 if hours < 9.95 else 0}f} hours" if hours < 48 else f"{hours / 24:.0f} days"


def interval(value: float, low: float, high: float, unit: str) -> str:
    """A number with its interval, such as "13.7 points (5.6 to 21.8)"; an infinite end is "open".

    A factor's interval from below a hundredth to over a hundred says nothing, and is left out.
    """
    if unit == "times" and low < 1 / MOST_TIMES and high > MOST_TIMES:
        return amount(value, unit)
    return f"{amount(value, unit)} ({_number(low, unit)} to {_number(high, unit)})"


_NAMES = {"error difference": "points", "share difference": "points", "error": "%", "share": "%", "count": ""}


def _number(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "open"
    if unit == "times" and value > MOST_TIMES:
        return f"over {MOST_TIMES}"
    if unit == "count":
        return f"{value:,.0f}"
    return digits(100 * value if _NAMES.get(unit) in ("points", "%") else value)


def digits(value: float) -> str:
    """Three digits that count, without an exponent."""
    if abs(value) < 1e-6:
        return "0"
    places = 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{min(max(places, 0), 6)}f}"
