"""The Compare page's answer row: who is ahead, and whether that can be told."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from anisoalign_core.compare import BASELINE, Entry, Leaderboard
from anisoalign_core.compare.use import described
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.publish.tables import cell, three
from app.widgets.common import Number, number_row, plain

CARDS = {
    "omega": "Neighbours kept",
    "mixing_coverage": "Covers the target",
    "label_transfer": "Labels learned",
    "search_recall": "Partners found",
    "mixed_gallery_ndcg": "Mixed gallery",
    "cluster_v_measure": "Clusters",
    "zero_shot_accuracy": "Classes named",
}
MOST = 5
"""Cards shown: the first of those that the board has."""


def winners(board: Leaderboard) -> None:
    """Show for a few questions the best method that reads no pairs, beside ReAlign."""
    numbers: list[Number] = []
    for metric, words in CARDS.items():
        rivals = [
            one
            for one in board.ranked
            if one.role == "method" and one.name != BASELINE and board.has(one.name, metric)
        ]
        if not rivals or len(numbers) == MOST:
            continue
        rivals.sort(key=lambda one: -board.score(one.name, metric).value)
        best = rivals[0]
        shown = described(metric)
        numbers.append(
            Number(
                words,
                board.score(best.name, metric).value,
                f"{plain(best.label)}: {_against_baseline(board, best, metric)}"
                f"{_beside_floor(board, best, metric)}",
                f"{shown.symbol}: {shown.description} Best of the methods that read no pairs"
                f"{_runner_up(board, rivals, metric)}.",
                shown.direction,
            )
        )
    number_row(numbers)
    st.caption(
        "The best of several looks a little better than it is: read it with its interval, below."
    )


def _beside_floor(board: Leaderboard, one: Entry, metric: str) -> str:
    """Say what chance gives where a value cannot be read without: of shuffled pairs, say."""
    words = METRICS[metric].floor_words if metric in METRICS else ""
    floor = board.floor(one.name, metric)
    return f"; {words} {three(floor)}" if words and floor is not None else ""


def _against_baseline(board: Leaderboard, one: Entry, metric: str) -> str:
    """Say whether a method beats ReAlign, with the interval of the difference."""
    rival = f"ReAlign's {three(board.score(BASELINE, metric).value)}"
    verdict = board.answer(one.name, metric)
    if verdict is None:
        return f"beside {rival}; one split cannot tell"
    words = {"better": "better than", "worse": "worse than", "cannot tell": "not told from"}
    return f"{words[verdict]} {rival}, difference {cell(board.difference(one.name, metric))}"


def _runner_up(board: Leaderboard, rivals: Sequence[Entry], metric: str) -> str:
    """Say who comes next, and whether it is told from the best."""
    if len(rivals) < 2:
        return ""
    best, second = rivals[:2]
    told = board.answer(best.name, metric, second.name) == "better"
    return (
        f"; next comes {plain(second.label)} with {three(board.score(second.name, metric).value)}"
        f"{'' if told else ', not told from it'}"
    )
