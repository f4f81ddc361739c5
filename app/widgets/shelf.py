"""Several sets side by side: what was measured of each is kept while the sets come and go."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from anisoalign_core.gap.report import GapReport, side_by_side
from anisoalign_core.plots import NamedSpectra, encoder_spectra
from app.session import loaded, report, require_pair
from app.widgets.common import figure, plain, three
from app.widgets.rows import for_spreadsheets
from app.widgets.spectra import curves_of

MOST = 8


@dataclass(frozen=True, eq=False)
class Measured:
    """What is kept of a set: numbers, no rows."""

    digest: str
    report: GapReport
    spectra: NamedSpectra


def shelf() -> dict[str, Measured]:
    """Return what this session has measured and kept, by name."""
    found: dict[str, Measured] = st.session_state.setdefault("shelf", {})
    return found


def side_by_side_section() -> None:
    """Keep the report of the current set, and show it beside those that were kept before."""
    st.subheader("Beside other encoders", anchor=False)
    pair, current = require_pair(), loaded()
    known = shelf()
    here = next((name for name, kept in known.items() if kept.digest == pair.digest), None)
    if here is None and len(known) < MOST:
        with st.form("keep_report", border=False):
            left, right = st.columns([3, 1], vertical_alignment="bottom")
            title = "" if current is None else current.title
            name = left.text_input(
                "Keep what was measured of this set as", pair.target.provenance.model or title
            ).strip()
            if right.form_submit_button("Keep", width="stretch"):
                if not name or name in known:
                    st.error("Give it a name that is not taken.", icon=":material/error:")
                else:
                    known[name] = _measured(name)
                    st.rerun()
    elif here is None:
        st.caption(f"{MOST} sets are kept already; remove one to keep this one too.")
    if not known:
        st.caption(
            "Keep this one, then load or encode another set: both appear here in one table and "
            "one figure."
        )
        return
    shown = dict(known)
    if here is None:
        shown["this set"] = _measured("this set")
    _table(shown)
    figure(
        encoder_spectra([kept.spectra for kept in shown.values()]),
        caption="Eigenvalues of the centred covariances as shares of their sum; both axes "
        "logarithmic. Solid the target, dashed the source, dotted the residual of the pairs. "
        + "; ".join(
            f"{plain(name)}: {kept.report.n_target:,} + {kept.report.n_source:,} rows, "
            f"d = {kept.report.dim:,}"
            for name, kept in shown.items()
        )
        + ".",
        alt="Spectra of several sets in one figure",
        key="side_by_side",
    )
    away = st.multiselect("Remove", list(known), key="shelf_remove", placeholder="Choose names")
    if away and st.button("Remove these"):
        for name in away:
            del known[name]
        st.rerun()


def _measured(name: str) -> Measured:
    found = report()
    drawn = curves_of(found)
    spectra = NamedSpectra(name, drawn.target, drawn.source, drawn.residual)
    return Measured(require_pair().digest, found, spectra)


def _table(shown: dict[str, Measured]) -> None:
    table = side_by_side({name: kept.report for name, kept in shown.items()})
    words = pd.DataFrame(index=table.index)
    for name in shown:
        words[name] = [
            three(value) + ("" if pd.isna(null) else f"  (null {three(null)})")
            for value, null in zip(table[name, "value"], table[name, "null"], strict=True)
        ]
    st.dataframe(words, width="stretch", height="content")
    st.caption(
        "In brackets what chance gives for the same number of rows. Numbers can be compared where "
        "the sets hold the same images and texts, or at least their nulls agree."
    )
    st.download_button(
        "Table (CSV)",
        for_spreadsheets(table).to_csv(),
        "gap-reports.csv",
        "text/csv",
        on_click="ignore",
        key="side_by_side_csv",
    )
