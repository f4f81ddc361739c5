"""A leaderboard on the page: picture, tables, answers, checks, published figures, export."""

from __future__ import annotations

from functools import partial
from typing import get_args

import pandas as pd
import streamlit as st

from anisoalign_core.compare import Leaderboard, published
from anisoalign_core.compare.captions import CaptionBoard
from anisoalign_core.compare.results import GROUPS
from anisoalign_core.compare.use import described
from anisoalign_core.compare.use.use import Group
from anisoalign_core.plots.leaderboard import answers, tradeoff_board
from anisoalign_core.publish import FORMATS, render
from anisoalign_core.publish.tables import (
    GROUP_WORDS,
    LEGEND,
    beside_published,
    checks,
    needs_line,
    table,
)
from app.widgets.common import figure, plain
from app.widgets.tables import table_to_read

GAINS = ("support", *get_args(Group))
"""Groups of what a correction may buy."""


def picture(board: Leaderboard) -> None:
    """Show what is gained against semantics, axes to choose."""
    st.subheader("What each method buys, and what it costs", anchor=False)
    left, right = st.columns(2)
    across = left.selectbox(
        "Cost: what the source keeps",
        _first("omega", _directed(board, "semantics")),
        format_func=_words,
        key="compare_across",
        bind="query-params",
    )
    up = right.selectbox(
        "Gain: support, or any use",
        _first("mixing_coverage", [one for name in GAINS for one in _directed(board, name)]),
        format_func=_words,
        key="compare_up",
        bind="query-params",
    )
    rows = board.setting.rows
    figure(
        tradeoff_board(board, across, up),
        caption=f"Mean of {board.splits} splits with 95 % intervals, {rows['source']:,} held-out "
        "source rows in each. Up and to the right is better, unless an arrow points down. Curves "
        "turn a method's one dial, for measures computed along it; names that would cover each "
        "other show on hover.",
        alt="Scatter plot of methods: support against semantics, with curves over their dials",
        key="compare_tradeoff",
    )


def _directed(board: Leaderboard, group: str) -> list[str]:
    return [one for one in board.metrics(group) if described(one).direction != "neutral"]


def _first(name: str, names: list[str]) -> list[str]:
    return sorted(names, key=lambda one: one != name)


def _words(metric: str) -> str:
    shown = described(metric)
    return f"{shown.label} ({shown.symbol})"


def tables(board: Leaderboard) -> None:
    """Show one group of metrics at a time, every entry with its interval."""
    st.subheader("The board", anchor=False)
    groups = [group for group in GROUPS if board.metrics(group)]
    group = st.segmented_control(
        "Group of measures",
        groups,
        default=groups[0],
        required=True,
        key="compare_group",
        bind="query-params",
    )
    header, rows = table(board, group)
    metrics = board.metrics(group)
    heads = _told_apart(header[2:], metrics)
    st.markdown(f"**{GROUP_WORDS[group]}**")
    frame = pd.DataFrame(rows, columns=["method", "reads", *heads])
    frame["method"] = frame["method"].str.strip("*")
    table_to_read(frame.set_index("method"), "board")
    st.caption(f"{LEGEND} Needs: {plain(needs_line(board, group))}")
    with st.expander("In words"):
        for name in metrics:
            shown = described(name)
            st.markdown(
                f"- **{plain(shown.symbol)}** ({shown.needs}): {plain(shown.label)}. "
                f"{plain(shown.description)} "
                f"({plain(shown.reference)})"
            )


def _told_apart(heads: list[str], metrics: list[str]) -> list[str]:
    """Add to heads that occur twice what their words hold in brackets, such as a direction."""
    return [
        f"{head} ({described(name).label.rpartition('(')[2].rstrip(')')})"
        if heads.count(head) > 1
        else head
        for head, name in zip(heads, metrics, strict=True)
    ]


def better(board: Leaderboard) -> None:
    """Answer "better than ReAlign?" for one measure, with the interval of the difference."""
    st.subheader("Better than ReAlign?", anchor=False)
    if board.splits < 2:
        st.caption("An interval needs at least two splits.")
        return
    measures = [name for name in board.metrics() if described(name).direction != "neutral"]
    usual = next(
        name for name in ("label_transfer", "mixing_coverage", *measures) if name in measures
    )
    metric = st.selectbox(
        "Measure",
        measures,
        index=measures.index(usual),
        format_func=_words,
        key="compare_metric",
        bind="query-params",
    )
    figure(
        answers(board, metric),
        caption="Differences are taken split by split, so what both methods share cancels; bars "
        "are 95 % intervals. A bar that holds zero says: cannot be told apart on these rows.",
        alt="Differences to ReAlign per method with intervals",
        key="compare_answers",
    )
    controls = [one for one in board.ranked if one.role == "control"]
    ahead = [one.label for one in controls if board.answer(one.name, metric) == "better"]
    if ahead:
        st.caption(
            f"Controls come out better too ({', '.join(map(plain, ahead))}): on this measure alone "
            "better does not mean that a correction is good."
        )
    with st.expander("Every method and measure, as a table"):
        _every_answer(board)


def _every_answer(board: Leaderboard) -> None:
    """Show all differences to ReAlign, to sort and to search."""
    frame = board.to_frame().dropna(subset=["better_than_realign"])
    words = {name: described(name).label for name in frame["metric"].unique()}
    frame = frame.assign(measure=frame["metric"].map(words))
    number = st.column_config.NumberColumn
    st.dataframe(
        frame,
        width="stretch",
        height=420,
        hide_index=True,
        column_order=[
            "label",
            "measure",
            "better_than_realign",
            "minus_realign",
            "minus_realign_low",
            "minus_realign_high",
            "direction",
            "group",
            "metric_needs",
            "role",
        ],
        column_config={
            "label": st.column_config.TextColumn("method", pinned=True, width=190),
            "measure": st.column_config.TextColumn("measure", width=330),
            "better_than_realign": st.column_config.TextColumn("better than ReAlign?"),
            "minus_realign": number("difference", format="%.3g"),
            "minus_realign_low": number("from", format="%.3g", help="95 % interval"),
            "minus_realign_high": number("to", format="%.3g", help="95 % interval"),
            "direction": st.column_config.TextColumn("better when"),
            "metric_needs": st.column_config.TextColumn("measure needs"),
        },
    )


def facts(board: Leaderboard) -> None:
    """Show whether floors, ceilings and controls are where they must be, and what it rests on."""
    st.subheader("Can the board be trusted?", anchor=False)
    st.markdown("\n".join(plain_item(text) for text in checks(board)))
    for text in board.sentences:
        st.caption(plain(text))


def plain_item(text: str) -> str:
    """Escape a list item but keep its bullet and indent."""
    bare = text.lstrip("* ")
    return text[: len(text) - len(bare)] + plain(bare)


def beside(board: Leaderboard) -> None:
    """Show published figures and ours, marked as another encoder's."""
    st.subheader("Published figures, of another encoder", anchor=False)
    header, rows = beside_published(board)
    if not rows:
        st.caption("None of the published methods is on this board.")
        return
    frame = pd.DataFrame(rows, columns=header)
    table_to_read(frame.set_index(header[0]), "published")
    st.caption(
        f"Published: {plain(published.ENCODER)}. Another encoder and other data: compare orders, "
        "never values."
    )


def take_home(board: Leaderboard, captions: CaptionBoard | None) -> None:
    """Offer the board in every format."""
    st.subheader("Take it home", anchor=False)
    row = st.container(horizontal=True)
    for suffix, words in FORMATS.items():
        row.download_button(
            suffix.lstrip(".").upper().replace("TEX", "LaTeX").replace("MD", "Markdown"),
            data=partial(render, board, suffix, captions),
            file_name=f"leaderboard{suffix}",
            key=f"compare_download_{suffix}",
            help=words,
            on_click="ignore",
            icon=":material/download:",
        )
    st.caption(
        "HTML is one file with the figures, the recipe and the digests of the inputs; JSON holds "
        "every split's value and the command that computes it again."
    )
