"""The parameters of each method as widgets, read from the knobs that it declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from anisoalign_core.align import ALIGNERS, Aligner, Knob
from anisoalign_core.align import knobs as declared
from app.session import require_pair

SLIDER_WIDTH = 260
BOX_WIDTH = 190


def choose_parameters(method: type[Aligner]) -> dict[str, Any]:
    """Show a widget for every knob that needs a new fit and applies; return what is chosen."""
    usual, dim = method().plain_params(), require_pair().dim
    knobs = [knob for knob in method.knobs if not knob.live]
    alone = len(knobs) == 1
    row = st if alone else st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    folded = None
    chosen: dict[str, Any] = {}
    for knob in knobs:
        if not knob.applies(chosen) or not (knob.choices or knob.most(dim) >= knob.low + knob.step):
            continue
        place = row
        if knob.folded:
            folded = folded or st.expander("More parameters").container(
                horizontal=True, vertical_alignment="bottom", gap="medium"
            )
            place = folded
        if knob.auto and place.toggle(
            f"Automatic {knob.parameter}",
            True,
            key=_auto_key(method, knob),
            bind="query-params",
            help=knob.auto,
        ):
            chosen[knob.parameter] = None
            continue
        begin = knob.start(chosen, usual[knob.parameter], dim)
        key = _key(method, knob, begin)
        chosen[knob.parameter] = _widget(place, knob, key, begin, dim, alone)
    return chosen


def set_parameters(method: type[Aligner], values: Mapping[str, Any]) -> None:
    """Set what :func:`choose_parameters` will show, where it has not been shown yet."""
    usual, dim = method().plain_params(), require_pair().dim
    for knob in method.knobs:
        value = values[knob.parameter]
        if knob.live or not knob.applies(values):
            continue
        if knob.auto:
            st.session_state[_auto_key(method, knob)] = value is None
        if value is not None:
            begin = knob.start(values, usual[knob.parameter], dim)
            shown = value if knob.choices or isinstance(value, bool) else _kind(knob)(value)
            st.session_state[_key(method, knob, begin)] = shown


def _key(method: type[Aligner], knob: Knob, begin: Any) -> str:
    """Key of a knob's widget; what was chosen from another start is no choice here."""
    return method.link + knob.parameter + (f"_{begin}" if callable(knob.begin) else "")


def _auto_key(method: type[Aligner], knob: Knob) -> str:
    return f"{method.link}auto_{knob.parameter}"


def _kind(knob: Knob) -> type[int] | type[float]:
    return int if knob.step >= 1 else float


def _widget(place: Any, knob: Knob, key: str, begin: Any, dim: int, alone: bool) -> Any:
    """Show one knob: a toggle, a choice, a number to type, or a slider."""
    asked: dict[str, Any] = {"key": key, "bind": "query-params", "help": knob.help}
    if isinstance(begin, bool):
        return bool(place.toggle(knob.label, begin, **asked))
    if knob.choices:
        return place.segmented_control(
            knob.label,
            list(knob.choices),
            default=begin,
            required=True,
            format_func=knob.choices.get,
            **asked,
        )
    kind = _kind(knob)
    low, high, begin, step = map(kind, (knob.low, knob.most(dim), begin, knob.step))
    if knob.typed:
        return kind(
            place.number_input(knob.label, low, high, begin, step, width=BOX_WIDTH, **asked)
        )
    width = "stretch" if alone else SLIDER_WIDTH
    return kind(place.slider(knob.label, low, high, begin, step, width=width, **asked))


def in_words(method: str, parameters: Mapping[str, Any]) -> str:
    """Say a method's parameters: those that are not as usual, or that its knobs always say."""
    kind = ALIGNERS[method]
    return declared.in_words(kind.knobs, kind().plain_params(), parameters)
