"""The Compare page's choices and its run: splits that are finished are never lost."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import streamlit as st

from anisoalign_core.compare import Entry, Leaderboard, default_names, entry, leaderboard
from anisoalign_core.compare.plan import Speed, in_words, plan_board
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair
from app.session import loaded, require_pair
from app.widgets.asked import ask, was_stopped, when_asked
from app.widgets.class_vectors import ClassVectors
from app.widgets.common import plain
from app.widgets.lessons import Lessons

SPLITS = (3, 5, 10)
SPEED_SECONDS = 60.0


@dataclass(frozen=True)
class Contest:
    """What is compared, on how many splits, and what classifiers are taught."""

    methods: tuple[str, ...]
    splits: int
    lessons: Lessons
    holdout: float
    seed: int
    vectors: ClassVectors | None = None

    @property
    def key(self) -> str:
        """What boards are kept under; more splits continue the same board."""
        vectors = None if self.vectors is None else self.vectors.key
        return repr((self.methods, self.lessons, vectors, self.holdout, self.seed))


def choose_splits() -> int:
    """Choose how many splits."""
    return st.segmented_control(
        "Splits",
        SPLITS,
        default=5,
        required=True,
        key="compare_splits",
        bind="query-params",
        help="Every method is fitted and scored on the same seeded splits. More splits narrow "
        "the intervals, down to what the rows themselves allow.",
    )


def choose_contest(
    pair: EmbeddingPair, splits: int, lessons: Lessons, vectors: ClassVectors | None
) -> Contest | None:
    """Choose methods; None while a choice cannot be read."""
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
    try:
        chosen = [entry(name) for name in methods]
    except AnisoAlignError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None
    _say_who_trains([entry(name) for name in usable if name not in methods], splits)
    seed, names = st.session_state["split_seed"], tuple(one.name for one in chosen)
    return Contest(names, splits, lessons, 0.25, seed, vectors)


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
            f"Choosing adds about {in_words(seconds)}."
        )


def kept_results() -> dict[Hashable, object]:
    """Return what this page computed for the loaded set; that of another set is let go.

    Not among the session's results, where other pages' newer ones push out the oldest: a board
    may have taken minutes. Boards and advice lie under texts, which can be written down.
    """
    state = st.session_state
    if state.get("compared_of") is not loaded() or "compared" not in state:
        state["compared_of"], state["compared"] = loaded(), {}
    found: dict[Hashable, object] = state["compared"]
    return found


def compared(contest: Contest) -> Leaderboard | None:
    """Run on request, keep every finished split, and return what there is."""
    pair, known = require_pair(), _board(contest)
    asked = pair.digest, contest.key
    if _missing(contest, known):
        when_asked("compare", asked, "Comparing", lambda tell: _run(contest, known, tell))
        known = _board(contest)
    missing = _missing(contest, known)
    if missing:
        plan = plan_board(
            pair,
            contest.methods,
            contest.splits,
            holdout=contest.holdout,
            questions=contest.lessons.questions,
            already=contest.splits - missing,
            speed=speed_of(pair.dim),
        )
        words = "Compare" if known is None else f"Continue ({missing} more splits)"
        st.button(
            f"{words}, about {plan.duration}",
            type="primary",
            key="compare_run",
            on_click=ask,
            args=("compare", asked),
        )
        stopped = was_stopped("compare")
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


def _run(contest: Contest, known: Leaderboard | None, tell: Progress) -> None:
    """Compare, keeping each finished split."""
    kept = kept_results()
    leaderboard(
        require_pair(),
        contest.methods,
        splits=contest.splits,
        holdout=contest.holdout,
        random_state=contest.seed,
        **contest.lessons.asked,
        prompts=None if contest.vectors is None else contest.vectors.make(),
        previous=known,
        on_split=lambda board: kept.update({contest.key: board}),
        progress=tell,
    )


@st.cache_data(ttl=SPEED_SECONDS, show_spinner=False)
def speed_of(dim: int) -> Speed:
    """Return how quick this server is now, for estimates."""
    return Speed.measured(dim)
