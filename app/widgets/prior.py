"""What a trained AnisoAlign learned of the target, and what it does to rows block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import streamlit as st

from anisoalign_core.align.anisoalign import PhaseStatistics, Prepared
from anisoalign_core.align.anisoalign.prepared import BoundsView
from anisoalign_core.compare.study import View
from anisoalign_core.geometry.polar import wrap
from anisoalign_core.numerics import Float32, Float64
from anisoalign_core.plots import block_arrows, coupling_graph, couplings, losses, phase_histograms
from app.widgets.common import figure, plain, three
from app.widgets.learned import START_WORDS, Learned
from app.widgets.rows import cards

PANELS = 12
ARROWS = 400
END_ROWS = 5
RESTATES, PARTLY = 0.8, 0.4
"""Correlations above which couplings are said to restate the means mostly, or in part."""


def prior_section(learned: Learned, view: View) -> None:
    """Show the prior, its graph and its effect; nothing is computed while it is folded."""
    views: dict[str, Callable[[Learned, View], None]] = {
        "What it knows": _knowledge,
        "Phases": _phases,
        "Couplings": _couplings,
        "One block": _one_block,
    }
    box = st.expander("The prior, phases and blocks", key="prior_open", on_change="rerun")
    if not box.open:
        return
    with box:
        chosen = st.segmented_control(
            "Look at",
            list(views),
            default="What it knows",
            required=True,
            label_visibility="collapsed",
            key="prior_view",
            bind="query-params",
        )
        views[chosen](learned, view)


def _knowledge(learned: Learned, view: View) -> None:
    method = learned.method
    if not method.losses_:
        st.caption("Nothing was trained, so there are no losses: this is the start alone.")
        return
    if "stage_1" in method.losses_:
        st.markdown(_knowledge_words(method.losses_))
        caption = (
            "Left: what each network pays, over what one that knows nothing would pay on the same "
            "noise (dotted, 1). The dashed line parts the stages: before it the prior learns from "
            "the target's fitted rows, dotted with markers on rows it never sees; after it the "
            "corrected source rows are judged by it. Right: the other losses, before their "
            "weights. "
        )
    else:
        st.markdown(
            "**No prior was trained**: this variant gives it no weight, so Stage I is left out. "
            "Phases and couplings are measured all the same."
        )
        caption = "The losses of the refinement, before their weights. "
    figure(
        losses(method.losses_, _steps(learned)),
        caption=f"{caption}Each point is a mean over neighbouring steps.",
        alt="Loss curves of the training",
        key="losses",
    )


def _knowledge_words(known: dict[str, list[float]]) -> str:
    seen = float(np.mean(known["stage_1"][-50:]))
    words = (
        f"**The prior** ends at **{three(seen)}** on the rows it learns from, where a network that "
        "knows nothing pays 1"
    )
    if "stage_1_unseen" not in known:
        return words + "."
    unseen = known["stage_1_unseen"][-1]
    words += f", and at **{three(unseen)}** on target rows it has not seen: "
    if unseen >= 1:
        return words + "of those it knows nothing; what it learned is these rows by heart."
    return words + f"it saves {three(1 - unseen, percent=True)} of what knowing nothing costs."


def _phases(learned: Learned, view: View) -> None:
    method, study = learned.method, learned.trial.study
    m = method.phases_.blocks
    first = 0
    if m > PANELS:
        pages = -(-m // PANELS)
        page = st.number_input(
            f"Page of blocks ({PANELS} each, {pages} pages)",
            1,
            pages,
            1,
            key="prior_page",
            width=260,
        )
        first = (int(page) - 1) * PANELS
    names = (plain(study.pair.target.modality), plain(study.pair.source.modality))
    after, epsilon = view.moved.rows(), method.initial.epsilon
    phases = (
        (study.pair.target.modality, method.frame_.polar(study.target, epsilon)[1]),
        (f"{study.pair.source.modality}, start", _prepared(learned, view).start.phases),
        (f"{study.pair.source.modality}, corrected", method.frame_.polar(after, epsilon)[1]),
    )
    blocks = range(first, min(first + PANELS, m))
    figure(
        phase_histograms(phases, blocks),
        caption=f"Phases of {len(study.target):,} {names[0]} and {len(study.source):,} {names[1]} "
        f"held-out rows, blocks {first + 1} to {blocks[-1] + 1} of {m}, one scale. At the "
        f"start {START_WORDS[method.start_in_force]}; corrected are the finished rows under the "
        "bounds in force. Dotted: every phase equally likely.",
        alt="Histograms of phases by block for target, start and corrected rows",
        key="phase_histograms",
    )


def _couplings(learned: Learned, view: View) -> None:
    known = learned.method.phases_
    m = known.blocks
    if m < 2:
        st.caption("There is only one block, so nothing to couple it with.")
        return
    st.markdown(_coupling_words(known))
    figure(
        couplings(known),
        caption="Every point is a pair of blocks. Left: on the dotted line a coupling says only "
        "what the means of its two blocks say. Right: with the means taken out, only what lies "
        "above the dotted line is more than three standard deviations of independent phases.",
        alt="Couplings against the means and centred couplings against chance",
        key="couplings",
    )
    figure(
        coupling_graph(known),
        caption=_graph_words(known),
        alt="Blocks on a circle, joined where a coupling is kept",
        key="coupling_graph",
    )


def _graph_words(known: PhaseStatistics) -> str:
    m, edges = known.blocks, known.edges
    kind = "centred, C_kl" if known.is_centred else "uncentred, M_kl"
    words = (
        f"The graph: {len(edges):,} of {m * (m - 1) // 2:,} couplings between {m} blocks are in "
        f"force ({kind}, from {int(known.rows):,} fitted target rows)"
    )
    if not len(edges):
        return words + "; none exceeds chance."
    strength = np.abs(known.graph[edges[:, 0], edges[:, 1]])
    return (
        f"{words}, of strengths from {three(float(strength.min()))} to "
        f"{three(float(strength.max()))}; wider is stronger, larger blocks hold more energy. Hover "
        "a block for its partners."
    )


def _coupling_words(known: PhaseStatistics) -> str:
    upper = np.triu_indices(known.blocks, 1)
    above = int((np.abs(known.centred_coupling)[upper] > known.null[upper]).sum())
    words = (
        f"With the means of the phases taken out, **{above:,} of {len(upper[0]):,}** couplings "
        "exceed chance."
    )
    restated = known.restated
    if not np.isfinite(restated):
        return words
    how = "do not only restate"
    if restated > RESTATES:
        how = "mostly restate"
    elif restated > PARTLY:
        how = "restate in part"
    return (
        f"The published couplings **{how}** the means: their sizes correlate with those the means "
        f"alone would give at **{three(restated)}**. {words}"
    )


def _one_block(learned: Learned, view: View) -> None:
    study, method = learned.trial.study, learned.method
    known = method.phases_
    block = 0
    if known.blocks > 1:
        block = int(st.number_input("Block", 1, known.blocks, 1, key="prior_block", width=160) - 1)
    start, moved, turn = _turned(learned, view, block)
    names = (study.pair.target.modality, study.pair.source.modality)
    shown = min(ARROWS, len(start))
    target = method.frame_.coordinates(study.target[:ARROWS])[:, 2 * block : 2 * block + 2]
    most = cast(BoundsView, view.moved).bounds.theta if learned.trained_at else 0.0
    at_bound = float(np.mean(np.abs(turn) >= most - 1e-3)) if most else 0.0
    figure(
        block_arrows(
            start[:shown],
            moved[:shown],
            target,
            names=names,
            anchor=complex(known.mean[block]),
            rows=study.shown[0][:shown],
        ),
        caption=f"Block {block + 1} of {known.blocks} in its own plane, uncentred: arrows lead "
        f"from the start to the corrected place of {shown:,} of {len(start):,} held-out "
        f"{plain(names[1])} rows, before the sphere; dots are {len(target):,} {plain(names[0])} "
        "rows. The line points along their mean phase and is the longer the more they agree (|m| = "
        f"{three(float(abs(known.mean[block])))}). {three(at_bound, percent=True)} of the rows "
        "turn by all that α_θ allows.",
        alt="Arrows from start to corrected in the plane of one block",
        key="block_arrows",
    )
    if not turn.any():
        st.caption("No row of this block turns under these bounds.")
        return
    order = np.argsort(turn, kind="stable")
    count = min(END_ROWS, len(order) // 2)
    ends = ((order[:count], "clockwise"), (order[::-1][:count], "anticlockwise"))
    for column, (some, words) in zip(st.columns(2), ends, strict=True):
        with column.container(border=True):
            st.caption(f"turned most {words} (Δθ in radians)")
            cards(study.pair.source, study.shown[0][some], [f"{turn[i]:+.3f}" for i in some])


def _turned(learned: Learned, view: View, block: int) -> tuple[Float64, Float64, Float64]:
    """Coordinates of the shown rows in a block at the start and corrected, and their turns."""
    prepared = _prepared(learned, view)
    columns = slice(2 * block, 2 * block + 2)
    theta, rho = prepared.start.phases[:, block], prepared.start.radii[:, block]
    start = np.column_stack([rho * np.cos(theta), rho * np.sin(theta)])
    moved = learned.method.frame_.coordinates(_moved(learned, view))[:, columns]
    turn = wrap(np.arctan2(moved[:, 1], moved[:, 0]) - theta)
    return start, moved, turn


def _prepared(learned: Learned, view: View) -> Prepared:
    """Return the shown rows' start and raw corrections; the start alone has none to move."""
    if learned.trained_at is None:
        return learned.method.prepare(learned.trial.study.source)
    return cast(BoundsView, view.moved).prepared


def _moved(learned: Learned, view: View) -> Float32:
    """Return the shown rows under the bounds in force, before the sphere."""
    prepared = _prepared(learned, view)
    bounds = learned.method.bounds
    return prepared.moved(cast(BoundsView, view.moved).bounds if learned.trained_at else bounds)


def _steps(learned: Learned) -> tuple[int, int]:
    first, second = learned.method.training_steps
    return first, second
