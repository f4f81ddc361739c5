"""Spectra: how large the gap is, and how it is spread over directions."""

import streamlit as st

from app.session import report, require_pair, result
from app.widgets.bench import keep_section
from app.widgets.common import Number, figure, guard, number_row, page_header, plain, three
from app.widgets.glance import first_report
from app.widgets.spectra import curves_of, drawn_once, in_words, spectra_numbers

page_header("Spectra", "How large is the gap, and over how many directions is it spread?")
pair = require_pair()
names = (pair.target.modality, pair.source.modality)
rows = f"{len(pair.target):,} {plain(names[0])} and {len(pair.source):,} {plain(names[1])} rows"
with guard():
    place = st.empty()
    first = first_report(pair)
    if first is not None:
        with place.container():
            number_row([Number(**entry) for entry in spectra_numbers(first[0])])
            st.plotly_chart(first[0].plot("spectra"), key="first_spectra")
    found = report()
    drawn = curves_of(found)
    with place.container():
        number_row([Number(**entry) for entry in spectra_numbers(found)])
    if not pair.paired:
        st.info(
            "These sets are unpaired: the residual, its anisotropy and everything else that "
            "compares partners is left out.",
            icon=":material/link_off:",
        )
    figure(
        drawn_once(found, "spectra"),
        caption=f"Eigenvalues of the centred covariances of {rows}; both axes logarithmic. Decay "
        f"exponents over ranks {found.spectra.decay_range[0]} to {found.spectra.decay_range[1]}: "
        f"{plain(names[0])} {three(found.spectra.target.decay_exponent)}, {plain(names[1])} "
        f"{three(found.spectra.source.decay_exponent)}. The spectra correlate "
        f"{found.spectra.spectral_correlation:.4f} in logarithms, as any two decaying ones do.",
        alt="Eigenvalue spectra of both modalities and of the residual, with nulls",
        key="spectra",
    )
    if found.residual is not None:
        st.subheader("Bias against residual", anchor=False)
        figure(
            drawn_once(found, "bias"),
            caption=f"The mean squared distance between partners, {rows}, split exactly into "
            f"G_μ² and tr Σ_r. Residual share {three(found.residual.share.value)} "
            f"(95 % {three(found.residual.share.low)} to {three(found.residual.share.high)}).",
            alt="One bar split into bias and residual",
            key="bias",
        )
        left, right = st.columns(2)
        with left:
            st.subheader("Where the residual lives", anchor=False)
            figure(
                drawn_once(found, "energy"),
                caption="Share of the residual's variance in its K leading directions "
                f"({three(found.residual.energy_ranks.get(10))} in ten), centred, all pairs. Above "
                "the dashed line partners would concentrate it more than random pairs do.",
                alt="Cumulative energy of the residual with two nulls",
                key="energy",
            )
        with right:
            st.subheader("Shared or opposed", anchor=False)
            figure(
                drawn_once(found, "ratio"),
                caption="Residual variance over that of random pairs, per direction, in the "
                f"{len(drawn.ratios)} directions that hold 90 % of Σ_x + Σ_y. Below 1 partners "
                f"agree. All together: {three(found.residual.trace_ratio)}.",
                alt="Directional ratio per direction",
                key="ratio",
            )
    left, right = st.columns(2)
    with left:
        st.subheader("Do leading directions agree?", anchor=False)
        figure(
            drawn_once(found, "overlap"),
            caption="Overlap O_q of the leading q eigenvectors of both covariances, between chance "
            "(dotted) and two halves of one modality (points; half the rows each).",
            alt="Subspace overlap against rank with random line and ceiling",
            key="overlap",
        )
    with right:
        st.subheader("Principal angles", anchor=False)
        figure(
            drawn_once(found, "angles"),
            caption=f"Angles between the leading {len(drawn.angles)}-dimensional subspaces; the "
            f"smallest is {three(float(drawn.angles[0]) * 57.29578)}°. 0° is a common direction.",
            alt="Principal angles in degrees",
            key="angles",
        )
    if found.bias.top_coordinates:
        st.subheader("Do a few coordinates carry the gap?", anchor=False)
        figure(
            drawn_once(found, "few"),
            caption="Cumulative share of ‖Δ‖² in the largest raw coordinates of the encoder's own "
            f"basis (Schrodi et al. 2024). Evenly spread, one would hold {three(1 / pair.dim)}.",
            alt="Cumulative share of the gap in the largest coordinates",
            key="few",
        )
    with st.expander("All numbers, with intervals and nulls"):
        st.dataframe(
            result(("figure", "table"), lambda: in_words(found)),
            width="stretch",
            height="content",
            column_config={
                "number": st.column_config.Column(width="large"),
                **{
                    name: st.column_config.NumberColumn(format="%.3g")
                    for name in ("value", "95 % from", "to", "read against")
                },
            },
        )
        for note in found.notes:
            st.caption(plain(note))
        text = result(("figure", "JSON"), found.to_json)
        st.download_button("Report (JSON)", text, "gap-report.json", on_click="ignore")
    keep_section()
