"""Falsifiers on the Correct page: whether a learned correction is more than its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import streamlit as st

from anisoalign_core.align import AnisoAlign
from anisoalign_core.metrics import METRICS
from anisoalign_core.numerics import Progress
from app.session import already, long_result, require_pair
from app.widgets.common import plain
from app.widgets.learned import Learned
from app.widgets.tables import table_to_read

if TYPE_CHECKING:
    from anisoalign_core.compare import Falsification

SPLITS = (3, 5, 10)
GAIN = " at equal Ω"
"""What marks a column of gains; its bounds carry ", low" and ", high" after it."""
OWN_WORDS = {"R@10": "Partner found in the first 10 places, mean of both ways"}
ROUNDING = 6
"""Decimals kept: below are float32 differences of nothing."""
TRAININGS = 8
"""Trainings of one split, of about the cost of one of the full method."""


def falsifiers(learned: Learned) -> None:
    """Run the falsifiers on request, and show their table."""
    st.subheader("Falsifiers", anchor=False)
    st.caption(
        "Each part of the method against a version without it, and a prior against priors that "
        "know nothing, on repeated splits of this set. Gains are taken against BoundedTransport at "
        "the bound that costs as much meaning (equal Ω): more support is easy for whoever gives up "
        "neighbours."
    )
    if learned.trained_at is None:
        st.caption("The start alone has no parts to leave out: switch Refine on for falsifiers.")
        return
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    splits = row.segmented_control(
        "Splits",
        SPLITS,
        default=3,
        required=True,
        key="falsify_splits",
        bind="query-params",
        help="More splits narrow the intervals and take proportionally longer.",
    )
    key = ("falsified", learned.shown_as.key, splits)
    minutes = splits * TRAININGS * learned.seconds / 60
    about = "less than a minute" if minutes < 1 else f"about {minutes:.0f} minutes"
    there = already(key)
    if not there and row.button(f"Run falsifiers ({about})", key="falsify"):
        st.session_state["falsify_asked"] = key
    if not there and st.session_state.get("falsify_asked") != key:
        return

    def run(tell: Progress) -> Falsification:
        from anisoalign_core.compare import falsify

        method = cast(AnisoAlign, learned.shown_as.build())
        return falsify(require_pair(), splits=splits, method=method, progress=tell)

    _table(long_result(key, "Falsifiers", run, long=True))


def _table(found: Falsification) -> None:
    """Show mean scores, then gains over the closed form, each under its own heading."""
    frame = found.to_frame().round(ROUNDING)
    gains = [name for name in frame.columns if GAIN in name]
    st.markdown("**Means over the splits, on held-out rows**")
    table_to_read(frame.drop(columns=gains), "falsified")
    if gains:
        st.markdown("**Gains over BoundedTransport at equal Ω, with 95 % intervals**")
        named = frame[gains].dropna(how="all").rename(columns=lambda name: name.replace(GAIN, ""))
        table_to_read(named, "falsified_gains")
    symbols = {name.partition(GAIN)[0] for name in frame.columns}
    known = {metric.symbol: metric.label for metric in METRICS.values()} | OWN_WORDS
    st.caption(plain("; ".join(f"{one}: {known[one]}" for one in known if one in symbols)))
    for note in found.notes:
        st.caption(plain(note))
