"""Choices that stand in the page's address, defaults included, and that stay while pages change.

A choice has one name everywhere: in the address, as the widget's key, and among what is kept. The address wins where it
asks for something that was not shown (a link was followed, or the browser went back); a value that is not on offer is
named in a sentence. Streamlit's own `bind` leaves defaults out of the address and drops unknown values without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
MOST_CHARACTERS = 60  # of an unknown value that a sentence repeats


def begin() -> None:
    """Call before the first choice of a run of the script: from here on it is noted what the address must hold."""
    st.session_state["held"] = {}


def write() -> None:
    """Call after the last choice: the address holds all of them and nothing else."""
    held = st.session_state.get("held", {})
    if st.query_params.to_dict() != held:
        st.query_params.from_dict(held)
    st.session_state["shown"] = dict(held)


def current() -> dict[str, str]:
    """The choices made so far in this run, as an address would hold them."""
    return dict(st.session_state.get("held", {}))


def keep(name: str, value: Any) -> None:
    """Choose from code, before the choice is asked for: what a click on a picture or a figure does."""
    st.session_state.setdefault("kept", {})[name] = str(value)


def chosen(name: str, options: Iterable[T], default: T, what: str = "") -> T:
    """One of `options`: what the address asks for, else what was kept, else `default`. `what` names its kind in a sentence."""
    by_name = {str(option): option for option in options}
    by_name.setdefault(str(default), default)

    def read(text: str) -> str | None:
        return text if text in by_name else None

    return by_name[_taken(name, read, str(default), what)]


def number(name: str, lowest: float, highest: float, default: float, what: str = "") -> float:
    """A number of that range, whole where `default` is."""

    def read(text: str) -> str | None:
        try:
            value = type(default)(text)
        except ValueError:
            return None
        return text if lowest <= value <= highest else None

    return type(default)(_taken(name, read, str(default), what))


def picture(name: str, counts: Mapping[str, int], default: str) -> str:
    """A picture by its split and number, such as `test-3`, where `counts` says how many pictures a split has."""

    def read(text: str) -> str | None:
        split, _, row = text.partition("-")
        whole = row.isdecimal() and len(row) < 12 and row == str(int(row))
        return text if text == default or (whole and int(row) < counts.get(split, 0)) else None

    return _taken(name, read, default, "picture")


def several(name: str, options: Sequence[str], what: str = "") -> list[str]:
    """Any number of `options`, in their order; in the address joined by commas, `all` for none."""

    def read(text: str) -> str | None:
        return text if text == "all" or set(text.split(",")) <= set(options) else None

    text = _taken(name, read, "all", what)
    return [] if text == "all" else [option for option in options if option in text.split(",")]


def _taken(name: str, read: Callable[[str], str | None], default: str, what: str) -> str:
    kept = st.session_state.setdefault("kept", {})
    asked = st.query_params.get(name)
    text = read(kept[name]) if name in kept else None
    shown = text or default
    if asked is not None and asked != st.session_state.get("shown", {}).get(name):
        if read(asked) is None:
            short = asked if len(asked) <= MOST_CHARACTERS else f"{asked[:MOST_CHARACTERS]} …"
            st.session_state.setdefault("unknown", {})[name] = (what or name, short, shown)
        else:
            shown = kept[name] = asked
    st.session_state.setdefault("held", {})[name] = shown
    return shown


def unknown() -> list[tuple[str, str, str]]:
    """What the address asked for in vain since the last call: kind, value, and what is shown in its place."""
    return list(st.session_state.pop("unknown", {}).values())


def _keep_widget(name: str) -> None:
    """A callback: what a widget holds now is kept. An empty choice leaves what was."""
    value = st.session_state[name]
    if isinstance(value, list):
        keep(name, ",".join(map(str, value)) or "all")
    elif value is not None:
        keep(name, value)


def segmented(label: str, options: Sequence[T], name: str, default: T, names: Callable[[Any], str] = str, **more: Any) -> T:
    """One of a few, side by side."""
    value = chosen(name, options, default, label.lower())
    return _shown(st.segmented_control, name, value, label, options, format_func=names, required=True, **more)


def select(label: str, options: Sequence[T], name: str, default: T, names: Callable[[Any], str] = str, **more: Any) -> T:
    """One of many."""
    return _shown(st.selectbox, name, chosen(name, options, default, label.lower()), label, options, format_func=names, **more)


def slider(label: str, lowest: float, highest: float, name: str, default: float, step: float = 1, **more: Any) -> Any:
    """A number of a range, which grows where `default` lies outside of it."""
    lowest, highest = min(lowest, default), max(highest, default)
    value = number(name, lowest, highest, default, label.lower())
    return _shown(st.slider, name, value, label, lowest, highest, step=step, **more)


def steps(label: str, options: Sequence[T], name: str, default: T, names: Callable[[Any], str] = str, **more: Any) -> T:
    """One of an ordered few, on a slider."""
    return _shown(
        st.select_slider, name, chosen(name, options, default, label.lower()), label, options, format_func=names, **more
    )


def switch(label: str, name: str, default: bool = False, **more: Any) -> bool:
    """On or off."""
    return _shown(st.toggle, name, chosen(name, (True, False), default, label.lower()), label, **more)


def pills(label: str, options: Sequence[str], name: str, names: Callable[[Any], str] = str, **more: Any) -> list[str]:
    """Any number of them; none stands for all."""
    value = several(name, options, label.lower())
    return _shown(st.pills, name, value, label, options, selection_mode="multi", format_func=names, **more)


def search(label: str, options: Sequence[str], name: str, **more: Any) -> list[str]:
    """Any number of many, looked for by their names; none stands for what the page draws at first."""
    return _shown(st.multiselect, name, several(name, options, label.lower()), label, options, **more)


def _shown(widget: Callable[..., Any], name: str, value: T, *arguments: Any, **more: Any) -> T:
    """Streamlit's widget with the value of a choice; what it is changed to is kept."""
    st.session_state[name] = value
    widget(*arguments, key=name, on_change=_keep_widget, args=(name,), **more)
    return value
