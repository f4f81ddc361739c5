"""A set at a glance: the verdict and five numbers, the quick ones first."""

from __future__ import annotations

import streamlit as st

from anisoalign_core import gap
from anisoalign_core.gap.report import GapReport
from anisoalign_core.pairs import EmbeddingPair
from app.session import already, loaded, report, result
from app.widgets.common import Number, number_row, plain, three

SOON = "being measured …"
FIRST_ROWS = 5000
"""From so many rows on, quick numbers are shown before the others are measured."""
ICONS = {"nothing": ":material/block:", "shared": ":material/check_circle:"}


def begin_with(pair: EmbeddingPair) -> None:
    """Show what is known of a set: gap and share at once, the rest in its place when measured."""
    place = st.empty()
    first = first_report(pair)
    if first is not None:
        with place.container():
            st.info(
                "**Whether there is anything to align is being measured.**",
                icon=":material/hourglass_top:",
            )
            number_row(_first_numbers(*first, pair))
    found = report()
    with place.container():
        box = {"shared": st.success, "nothing": st.error}.get(found.verdict.level, st.warning)
        icon = ICONS.get(found.verdict.level, ":material/help:")
        box(f"**{found.verdict.headline}**", icon=icon)
        number_row(_numbers(found, pair))
        with st.expander("Why this verdict"):
            for reason in found.verdict.reasons:
                st.markdown(f"- {plain(reason)}")
            for note in found.notes:
                st.caption(plain(note))


def first_report(pair: EmbeddingPair) -> tuple[GapReport, float | None] | None:
    """Return means, spectra and the residual's share of a large set that is still to be measured.

    None where everything is known already, or soon.
    """
    current, rows = loaded(), max(len(pair.source), len(pair.target))
    if current is None or current.sample is not None or rows < FIRST_ROWS or already("report"):
        return None

    def build() -> tuple[GapReport, float | None]:
        with st.spinner("Measuring the means and spectra …"):
            share = None
            if pair.paired:
                from anisoalign_core.geometry.residual import Residual

                share = Residual.share_of(pair.source.vectors, pair.target.vectors, pair.things)
            return gap.diagnose(pair, parts=()), share

    return result("first report", build)


def _first_numbers(found: GapReport, share: float | None, pair: EmbeddingPair) -> list[Number]:
    """Return what is known first, and the places of what is not."""
    quick = _numbers(found, pair)[:1]
    if pair.paired:
        finds = f"{pair.source.modality.capitalize()} finds its {pair.target.modality}"
        quick.append(Number("Residual share", share, f"95 %: {SOON}", percent=True))
        quick += [Number("Residual anisotropy", None, SOON), Number(finds, None, SOON)]
    return [*quick, Number("Told apart by a line", None, SOON)]


def _numbers(found: GapReport, pair: EmbeddingPair) -> list[Number]:
    names = (pair.target.modality, pair.source.modality)
    numbers = [
        Number(
            "Gap between the means",
            found.bias.centroid_gap.value,
            f"sampling floor {found.bias.floor:.2g}",
            f"Distance between the mean {names[0]} and the mean {names[1]} vector, G_μ "
            "(Liang et al. 2022). 0 to 2; the floor is what two samples of one distribution show.",
        )
    ]
    if found.residual is not None and found.structure is not None:
        share = found.residual.share
        numbers += [
            Number(
                "Residual share",
                share.value,
                f"95 %: {three(share.low, percent=True)} to {three(share.high, percent=True)}",
                "Share of the mean squared distance between partners that the means do not "
                "explain: trΣ_r / (G_μ² + trΣ_r). Neither way is better (Yu et al. 2026).",
                percent=True,
            ),
            Number(
                "Residual anisotropy",
                found.residual.anisotropy.value,
                f"random pairs {three(found.residual.anisotropy_repaired)}",
                "Largest residual variance over the average one, A_r. Read it against random "
                "re-pairing: below means that partners share the leading directions "
                "(Yu et al. 2026).",
            ),
        ]
        shown = found.gallery()
        if shown is not None:
            size, hits = shown
            numbers.append(
                Number(
                    f"{names[1].capitalize()} finds its {names[0]}",
                    hits.recall_at_1["source_to_target"].value,
                    f"of {size}; chance {100 * hits.recall_chance:.2g} %",
                    f"Share of rows whose true partner is the nearest of {size}, R@1, the exact "
                    "mean over all such galleries; on every page of this size. Higher is better.",
                    percent=True,
                )
            )
    numbers.append(
        Number(
            "Told apart by a line",
            found.separability,
            "0.5 if mixed",
            "Held-out AUC of a linear classifier of the modality. 1.0 on every raw encoder tried, "
            "untrained ones too: it shows a gap, not meaning.",
        )
    )
    return numbers
