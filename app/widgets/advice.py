"""The Compare page begins here: what are the vectors for, and which correction helps with that."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from anisoalign_core.compare import PURPOSES, Advice, advise
from anisoalign_core.compare.answer import Candidate
from anisoalign_core.compare.entries import FLOOR
from anisoalign_core.compare.plan import plan_advice
from anisoalign_core.compare.purposes import askable
from anisoalign_core.compare.use import described
from anisoalign_core.compare.use.uses import USES
from anisoalign_core.metrics.intervals import Interval
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plots.advice import AS_CHOSEN, gains
from app.session import page_path, require_pair
from app.widgets.asked import ask, was_stopped, when_asked
from app.widgets.class_vectors import ClassVectors, class_vectors, offer_class_vectors
from app.widgets.common import figure, plain
from app.widgets.compare import choose_splits, kept_results, speed_of
from app.widgets.correct import Choice, open_with
from app.widgets.export import file_names
from app.widgets.lessons import Lessons, choose_lessons
from app.widgets.scores import SCORER, WANTED

PURPOSE = "purposes"


@dataclass(frozen=True)
class Question:
    """What is asked: purposes, on how many splits, with which classes.

    Attributes
    ----------
    place : DeltaGenerator
        Where its button stands.
    """

    purposes: tuple[str, ...]
    splits: int
    lessons: Lessons
    seed: int
    vectors: ClassVectors | None
    place: DeltaGenerator

    @property
    def key(self) -> str:
        """What advice is kept under; vectors of class names count where they are asked for."""
        read = any(USES[PURPOSES[name].measures[0]].wants == "prompts" for name in self.purposes)
        vectors = self.vectors.key if read and self.vectors is not None else None
        return repr((self.purposes, self.splits, self.lessons, vectors, self.seed))


def choose_question(pair: EmbeddingPair) -> Question:
    """Choose what the vectors are for; what cannot be asked is listed with what it needs."""
    above, row = st.container(), st.container(horizontal=True, vertical_alignment="center")
    place = row.container(width="content")
    with row.popover("Classes and splits", icon=":material/tune:"):
        splits = choose_splits()
        lessons = choose_lessons(pair, st.container())
    classes = lessons.classes(pair)
    vectors = class_vectors(pair, classes)
    possible, left_out = askable(pair.paired, classes, vectors)
    if PURPOSE in st.session_state:
        kept = [name for name in st.session_state[PURPOSE] or () if name in possible]
        st.session_state[PURPOSE] = kept
    with above:
        chosen = st.pills(
            "**What will these vectors be used for?**",
            possible,
            selection_mode="multi",
            format_func=lambda name: PURPOSES[name].label,
            key=PURPOSE,
            bind="query-params",
            help="Choose one or several; with none chosen, all are asked about.",
        )
        if left_out:
            st.caption("  \n".join(plain(text) for text in left_out.values()))
        if classes is not None:
            offer_class_vectors(pair, classes)
    purposes = tuple(name for name in possible if name in (chosen or possible))
    seed = st.session_state["split_seed"]
    return Question(purposes, splits, lessons, seed, vectors, place)


def advised(question: Question) -> Advice | None:
    """Run on request, keep what finished splits say, and return what there is."""
    pair = require_pair()
    if not question.purposes:
        return None
    asked = pair.digest, question.key
    when_asked("advice", asked, "Advising", lambda tell: _run(question, tell))
    found = kept_results().get(question.key)
    known = found if isinstance(found, Advice) else None
    if known is not None and known.splits == known.wanted:
        return known
    plan = plan_advice(
        pair,
        question.purposes,
        None,
        question.splits,
        questions=question.lessons.questions,
        speed=speed_of(pair.dim),
    )
    question.place.button(
        f"{'Advise' if known is None else 'Advise anew'}, about {plan.duration}",
        type="primary",
        key="advice_run",
        on_click=ask,
        args=("advice", asked),
        help=f"{plan}. Each split fits on some rows, chooses on others, and judges on yet others.",
    )
    stopped = was_stopped("advice")
    if known is not None:
        st.info(
            f"{known.splits} of {known.wanted} splits are finished, and this is what they say.",
            icon=":material/pause_circle:",
        )
    elif stopped:
        st.info(
            "Stopped before two splits were finished, so there is no advice yet.",
            icon=":material/cancel:",
        )
    return known


def _run(question: Question, tell: Progress) -> None:
    """Advise, keeping what each finished split adds."""
    kept = kept_results()

    def keep(found: Advice) -> None:
        kept[question.key] = found

    prompts = None if question.vectors is None else question.vectors.make()
    asked = question.lessons.asked
    keep(
        advise(
            require_pair(),
            question.purposes,
            splits=question.splits,
            random_state=question.seed,
            **asked,
            prompts=prompts,
            on_split=keep,
            progress=tell,
        )
    )


def show_advice(advice: Advice) -> None:
    """Show for each purpose what to use, what it gains and costs, and how it is applied."""
    for purpose in advice.purposes:
        with st.container(border=True):
            _answer(advice, purpose)
    if advice.purposes:
        st.caption(
            f"“{AS_CHOSEN.capitalize()}” is what the sentence tells. The best and the next are "
            "named after all scores were seen, and look a little better than they are."
        )
    told = {advice.in_words(name) for name in (*advice.purposes, *advice.left_out)}
    for sentence in advice.sentences:
        if sentence not in told:
            st.caption(plain(sentence))


def _answer(advice: Advice, purpose: str) -> None:
    label, pick = PURPOSES[purpose].label, advice.answer(purpose).pick
    icon = ":material/do_not_disturb_on:" if pick is None else ":material/check_circle:"
    rest = advice.in_words(purpose).removeprefix(f"{label}: ")
    st.markdown(f"{icon} **{plain(label)}**: {plain(rest)}")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        figure(
            gains(advice, purpose),
            caption=f"Mean of {advice.splits} splits with 95 % intervals, on rows that neither a "
            "fit nor the choice has seen.",
            alt=f"Gain over doing nothing and over ReAlign, {label}",
            key=f"advice_gains_{purpose}",
        )
    with right:
        if pick is None:
            st.markdown("Keep the rows as they are: there is nothing to apply, and nothing to pay.")
            return
        _price(advice, pick)
        _open(advice, purpose, pick)
    target, source = file_names(require_pair())
    st.code(advice.lines(purpose, target=target, source=source), language="bash", wrap_lines=True)


def _price(advice: Advice, pick: Candidate) -> None:
    """Say what a recommendation gains or loses besides its purpose, against doing nothing."""
    price = advice.price(pick)
    if not price:
        rows_stay = pick.entry == FLOOR
        st.markdown(
            "**Elsewhere** nothing changes: rows stay as they are, only scores are mended."
            if rows_stay
            else "**Elsewhere**: not measured, since the run was stopped."
        )
        return
    better, worse, level = list[str](), list[str](), list[str]()
    for name, gain in price.items():
        good = gain.sign * (-1 if described(name).direction == "lower" else 1)
        (better if good > 0 else worse if good < 0 else level).append(_moved(name, gain))
    for words, found in (
        ("Better than doing nothing elsewhere", better),
        ("Worse elsewhere", worse),
        ("Not told apart", level),
    ):
        if found:
            st.markdown("  \n".join([f"**{words}**", *found]))


def _moved(name: str, gain: Interval) -> str:
    """Say with an arrow how a measure moves."""
    shown, (low, high) = described(name), gain.limits
    arrow = "↑" if gain.sign > 0 else "↓" if gain.sign < 0 else "≈"
    return f"{arrow} {plain(f'{shown.label}: {gain.value:+.3f} ({low:+.3f} … {high:+.3f})')}"


def _open(advice: Advice, purpose: str, pick: Candidate) -> None:
    """Offer to take the recommendation to Correct, or its scores to Export."""
    entry = advice.named(pick.entry)
    if pick.entry != FLOOR and st.button(
        "Open in Correct", icon=":material/tune:", key=f"advice_open_{purpose}"
    ):
        _want(pick)
        open_with(Choice(entry.method, entry.parameters))
        _go("correct")
    if pick.scorer and pick.entry != FLOOR:
        st.caption("Then Export: its scorer is set already.")
    elif pick.scorer and st.button(
        "Open in Export", icon=":material/download:", key=f"advice_export_{purpose}"
    ):
        _want(pick)
        st.session_state["choice"] = Choice(entry.method)
        _go("export")


def _want(pick: Candidate) -> None:
    """Set Export's choice of a scorer."""
    if pick.scorer:
        st.session_state[WANTED], st.session_state[SCORER] = True, pick.scorer


def _go(page: str) -> None:
    """Go to another page; what the address says of this one's widgets stays behind."""
    st.switch_page(page_path(page), query_params={})
