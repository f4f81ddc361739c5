"""The Compare page's choices and its run: splits that are finished are never lost."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from anisoalign_core.align import ALIGNERS
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.leaderboard import DEFAULT, Leaderboard, entry, leaderboard
from anisoalign_core.metrics.transfer import class_columns, described, parse_keywords
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.publish.tables import cell
from app.session import require_pair
from app.widgets.common import Number, number_row, plain
from app.widgets.progress import progress_bar

SPLITS = (3, 5, 10)
SECONDS = 0.8
"""One method on one split of the sample; training is added to it."""
TRAINING_SECONDS = {"anisoalign": 25.0, "anisoalign:variant=corrected": 3.0}
CARDS = {
    "omega": "Neighbours kept",
    "mixing_coverage": "Covers the target",
    "matched_cosine": "Partners' cosine",
    "label_transfer": "Labels learned",
    "mixed_gallery_ndcg": "Mixed gallery",
}


@dataclass(frozen=True)
class Contest:
    """What is compared, on how many splits, and what classifiers are taught."""

    methods: tuple[str, ...]
    splits: int
    columns: tuple[str, ...]
    keywords: str
    holdout: float
    seed: int

    @property
    def key(self) -> tuple[object, ...]:
        """What boards are kept under; more splits continue the same board."""
        return "board", self.methods, self.columns, self.keywords, self.holdout, self.seed


def choose_contest(pair: EmbeddingPair) -> Contest | None:
    """Choose methods, splits and lessons; None while a choice cannot be read."""
    usable = [name for name in DEFAULT if pair.paired or entry(name).needs != "paired"]
    methods = st.multiselect(
        "Methods",
        usable,
        default=[name for name in usable if not entry(name).trains],
        format_func=_label,
        accept_new_options=True,
        key="compare_methods",
        persist_state="session",
        help="Type to add a setting, for example bounded:bound=0.5 or "
        "anisoalign:variant=corrected,rank=16. The raw source, ReAlign and the target's own rows "
        "always stand on the board.",
    )
    left, right = st.columns([1, 2], vertical_alignment="top")
    with left:
        splits = st.segmented_control(
            "Splits",
            SPLITS,
            default=5,
            required=True,
            key="compare_splits",
            persist_state="session",
            help="Every method is fitted and scored on the same seeded splits. More splits narrow "
            "the intervals, down to what the rows themselves allow.",
        )
    with right:
        columns, keywords = _lessons(pair)
    try:
        for name in methods:
            entry(name)
        if keywords:
            parse_keywords(keywords)
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None
    return Contest(tuple(methods), splits, columns, keywords, 0.25, st.session_state["split_seed"])


def _label(name: str) -> str:
    try:
        one = entry(name)
    except AnisoAlignError:
        return name
    tail = {"control": ", control", "reference": ", uses pairs"}.get(one.role, "")
    if one.trains:
        tail += ", trains"
    return one.label + tail


def _lessons(pair: EmbeddingPair) -> tuple[tuple[str, ...], str]:
    """Choose what classifiers are taught: label columns, or keywords in captions."""
    found = [pair.source.labels, pair.target.labels]
    if pair.paired:
        found = [found[0] if found[0] is not None else found[1]] * 2
    columns = [name for name in class_columns(found[0]) if name in class_columns(found[1])]
    told = [side.captions is not None for side in (pair.source, pair.target)]
    readable = any(told) if pair.paired else all(told)
    ways = ["labels"] * bool(columns) + ["keywords"] * bool(readable)
    if not ways:
        st.caption(
            "Classifiers cannot be taught here: the set has neither labels nor captions on both "
            "sides. Load a table with label columns, or captions, on the Data page."
        )
        return (), ""
    way = ways[0]
    if len(ways) == 2:
        way = st.segmented_control(
            "Teach classifiers",
            ways,
            default="labels",
            required=True,
            format_func={"labels": "labels of the set", "keywords": "words in captions"}.get,
            key="compare_way",
            persist_state="session",
        )
    if way == "keywords":
        text = st.text_input(
            "Classes, as words in captions",
            placeholder="dog: dog, puppy; cat: cat, kitten",
            key="compare_keywords",
            persist_state="session",
            help="A row belongs to a class when its caption holds a word of that class and of no "
            "other. One class per semicolon; the name, a colon, its words.",
        )
        return (), text.strip()
    chosen = st.pills(
        "Labels to teach",
        columns,
        default=columns,
        selection_mode="multi",
        key="compare_columns",
        persist_state="session",
    )
    return tuple(name for name in columns if name in chosen), ""


def compared(contest: Contest) -> Leaderboard | None:
    """Run on request, keep every finished split, and return what there is."""
    pair = require_pair()
    results, full = st.session_state["results"], (pair.digest, contest.key)
    known: Leaderboard | None = results.get(full)
    missing = contest.splits - (known.splits if known else 0)
    if missing > 0 and st.session_state.get("compare_asked") == full:

        def keep(board: Leaderboard) -> None:
            results[full] = board

        with progress_bar("Comparing", on_cancel=_stop) as tell:
            known = leaderboard(
                pair,
                contest.methods,
                splits=contest.splits,
                holdout=contest.holdout,
                random_state=contest.seed,
                columns=contest.columns or None,
                keywords=parse_keywords(contest.keywords) if contest.keywords else None,
                previous=known,
                on_split=keep,
                progress=tell,
            )
        _stop()
        missing = 0
    if missing > 0:
        words = "Compare" if known is None else f"Continue ({missing} more splits)"
        st.button(
            f"{words}, about {_estimate(contest, missing, pair)}",
            type="primary",
            key="compare_run",
            on_click=lambda: st.session_state.update(compare_asked=full),
        )
        if known is not None:
            st.info(
                f"{known.splits} of {contest.splits} splits are finished; nothing of them is lost.",
                icon=":material/pause_circle:",
            )
    return known


def _stop() -> None:
    st.session_state.pop("compare_asked", None)


def _estimate(contest: Contest, splits: int, pair: EmbeddingPair) -> str:
    held = min(0.25 * min(len(pair.source), len(pair.target)), 2000)
    each = SECONDS * max((held / 1000) ** 2, 0.2) * max(pair.dim / 128, 1) ** 0.5
    trained = sum(
        TRAINING_SECONDS.get(name, TRAINING_SECONDS["anisoalign"])
        for name in contest.methods
        if ALIGNERS[entry(name).method].trains
    )
    seconds = splits * (each * (len(contest.methods) + 3) + trained)
    return "a minute" if seconds < 75 else f"{seconds / 60:.0f} minutes"


def winners(board: Leaderboard) -> None:
    """Show for a few questions the best method that reads no pairs, beside ReAlign."""
    numbers = []
    for metric, words in CARDS.items():
        rivals = [
            one
            for one in board.ranked
            if one.role == "method" and one.name != "realign" and board.has(one.name, metric)
        ]
        if not rivals:
            continue
        best = max(rivals, key=lambda one: board.score(one.name, metric).value)
        shown = described(metric)
        verdict = {
            "better": "better than ReAlign",
            "worse": "worse than ReAlign",
            "cannot tell": "not told from ReAlign",
            None: "ReAlign",
        }[board.answer(best.name, metric)]
        numbers.append(
            Number(
                words,
                board.score(best.name, metric).value,
                f"{plain(best.label)}; {verdict} ({cell(board.score('realign', metric))})",
                f"{shown.symbol}: {shown.description} Best of the methods that read no pairs.",
                shown.direction,
            )
        )
    number_row(numbers)
    st.caption(
        "The best of several looks a little better than it is: read it with its interval, below."
    )
