"""The Compare page's choices and its run: splits that are finished are never lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anisoalign_core.compare import Entry, Leaderboard, default_names, entry, leaderboard
from anisoalign_core.compare.use import class_columns, parse_keywords
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.pairs import EmbeddingPair
from app.session import loaded, require_pair
from app.widgets.common import plain
from app.widgets.progress import progress_bar

SPLITS = (3, 5, 10)
WAYS = {"labels": "labels of the set", "keywords": "words in captions"}
BASE_SECONDS, SCORE_SECONDS, DIM_SECONDS, TEACH_SECONDS = 0.05, 0.16, 0.11, 0.17
"""One method on one split: always; per (1,000 scored rows)²; per 512 dimensions; per question."""


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
    usable = [name for name in default_names() if pair.paired or entry(name).needs != "paired"]
    methods = st.multiselect(
        "Methods",
        usable,
        default=[name for name in usable if not entry(name).trains],
        format_func=_label,
        accept_new_options=True,
        # a choice that is no option of the next set would come back as if it had been typed
        key="compare_methods" if pair.paired else "compare_methods_unpaired",
        bind="query-params",
        help="Type to add a setting, for example bounded:bound=0.5 or "
        "anisoalign:variant=corrected,rank=16. The raw source, ReAlign and the target's own rows "
        "always stand on the board.",
    )
    row = st.container(horizontal=True, gap="large")  # wraps on narrow screens, unlike columns
    splits = row.segmented_control(
        "Splits",
        SPLITS,
        default=5,
        required=True,
        key="compare_splits",
        bind="query-params",
        help="Every method is fitted and scored on the same seeded splits. More splits narrow "
        "the intervals, down to what the rows themselves allow.",
    )
    columns, keywords = _lessons(pair, row)
    try:
        chosen = [entry(name) for name in methods]
        if keywords:
            parse_keywords(keywords)
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None
    _say_who_trains([entry(name) for name in usable if name not in methods], splits)
    return Contest(
        tuple(one.name for one in chosen),
        splits,
        columns,
        keywords,
        0.25,
        st.session_state["split_seed"],
    )


def _label(name: str) -> str:
    try:
        one = entry(name)
    except AnisoAlignError:
        return name
    tail = {"control": ", control", "reference": ", uses pairs"}.get(one.role, "")
    if one.trains:
        tail += ", trains"
    return one.label + tail


def _say_who_trains(idle: Sequence[Entry], splits: int) -> None:
    """Say which methods are not chosen because they take their time."""
    slow = [one for one in idle if one.trains]
    if slow:
        dim = require_pair().dim
        seconds = splits * sum(one.build().training_seconds(dim) for one in slow)
        st.caption(
            f"Not chosen, since training takes time: {' and '.join(one.label for one in slow)}. "
            f"Choosing adds about {_in_words(seconds)}."
        )


def _lessons(pair: EmbeddingPair, row: DeltaGenerator) -> tuple[tuple[str, ...], str]:
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
        way = row.segmented_control(
            "Teach classifiers",
            ways,
            default="labels",
            required=True,
            format_func={
                "labels": "labels of the set",
                "keywords": "words in captions",
            }.__getitem__,
            key="compare_way",
            bind="query-params",
        )
    if way == "keywords":
        text = st.text_input(
            "Classes, as words in captions",
            placeholder="dog: dog, puppy; cat: cat, kitten",
            key="compare_keywords",
            bind="query-params",
            help="A row belongs to a class when its caption holds a word of that class and of no "
            "other. One class per semicolon; the name, a colon, its words.",
        )
        if text.strip():
            return (), text.strip()
        st.caption(
            "Until classes are typed, "
            + ("the labels of the set are taught." if columns else "no classifier is taught.")
        )
        return tuple(columns), ""
    chosen = st.pills(
        "Labels to teach",
        columns,
        default=columns,
        selection_mode="multi",
        format_func=plain,
        key="compare_columns",
        bind="query-params",
    )
    if not chosen:
        st.caption("None is chosen, so all are taught.")
    return tuple(name for name in columns if name in (chosen or columns)), ""


def kept_results() -> dict[tuple[object, ...], object]:
    """Return what this page computed for the loaded set; that of another set is let go.

    Not among the session's results, where other pages' newer ones push out the oldest: a board
    may have taken minutes.
    """
    if st.session_state.get("compared_of") is not loaded():
        st.session_state["compared_of"], st.session_state["compared"] = loaded(), {}
    found: dict[tuple[object, ...], object] = st.session_state["compared"]
    return found


def compared(contest: Contest) -> Leaderboard | None:
    """Run on request, keep every finished split, and return what there is."""
    known = _board(contest)
    asked = (require_pair().digest, contest.key)
    if _missing(contest, known) and st.session_state.get("compare_asked") == asked:
        st.session_state["compare_unfinished"] = True  # until the end, or an error, is reached
        _run(contest, known)
        _stop()
        del st.session_state["compare_unfinished"]
        known = _board(contest)
    missing = _missing(contest, known)
    if missing:
        words = "Compare" if known is None else f"Continue ({missing} more splits)"
        st.button(
            f"{words}, about {_estimate(contest, missing, require_pair())}",
            type="primary",
            key="compare_run",
            on_click=lambda: st.session_state.update(compare_asked=asked),
        )
        stopped = st.session_state.pop("compare_unfinished", False)
        if known is not None:
            st.info(
                f"{known.splits} of {contest.splits} splits are finished; nothing of them is lost.",
                icon=":material/pause_circle:",
            )
        elif stopped:
            st.info(
                "Stopped before the first split was finished, so there is nothing to show yet.",
                icon=":material/cancel:",
            )
    return known


def _board(contest: Contest) -> Leaderboard | None:
    found = kept_results().get(contest.key)
    return found if isinstance(found, Leaderboard) else None


def _missing(contest: Contest, known: Leaderboard | None) -> int:
    return max(contest.splits - (known.splits if known else 0), 0)


def _run(contest: Contest, known: Leaderboard | None) -> None:
    """Compare, keeping each finished split; an error is said once and ends the run."""
    kept = kept_results()
    try:
        with progress_bar("Comparing", on_cancel=_stop, long=True) as tell:
            leaderboard(
                require_pair(),
                contest.methods,
                splits=contest.splits,
                holdout=contest.holdout,
                random_state=contest.seed,
                columns=contest.columns or None,
                keywords=parse_keywords(contest.keywords) if contest.keywords else None,
                previous=known,
                on_split=lambda board: kept.update({contest.key: board}),
                progress=tell,
            )
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")
    except Exception:
        _stop()  # or every later run of the page would fail in the same way
        del st.session_state["compare_unfinished"]
        raise


def _stop() -> None:
    st.session_state.pop("compare_asked", None)


def _estimate(contest: Contest, splits: int, pair: EmbeddingPair) -> str:
    held = min(contest.holdout * min(len(pair.source), len(pair.target)), 2000)
    questions = 1 if contest.keywords else len(contest.columns)
    each = BASE_SECONDS + DIM_SECONDS * pair.dim / 512 + TEACH_SECONDS * questions
    each += SCORE_SECONDS * (held / 1000) ** 2 * max(pair.dim / 128, 1) ** 0.5
    training = sum(entry(name).build().training_seconds(pair.dim) for name in contest.methods)
    return _in_words(splits * (each * (len(contest.methods) + 3) + training))


def _in_words(seconds: float) -> str:
    if seconds < 40:
        return "half a minute"
    return "a minute" if seconds < 90 else f"{seconds / 60:.0f} minutes"
