"""What the Learn page asks before each picture, what is, and the picture before and after."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from anisoalign_core.metrics.retrieval import GALLERY
from anisoalign_core.numerics import generator
from anisoalign_core.plots.live import LivePicture
from anisoalign_core.plots.live.predicted import beginning, opening
from anisoalign_core.teach import Prediction
from app.classes import Question
from app.widgets import learn_sample as sample
from app.widgets.common import plain, three
from app.widgets.live_picture import show

FIRST_CAPTION = 17
SOME = 12
THUMBNAIL = 92
BOUND = 0.5
TEN = 10
CLAIMS = 8
"""The step that asks one question for each claim."""
KEPT_OPENINGS = 32


@dataclass(frozen=True)
class Asked:
    """A prediction, what is, and what is said beside it.

    Attributes
    ----------
    prediction : Prediction
    found : callable
        Returns what is, as `Prediction.compared` takes it.
    beside : callable
        Returns a sentence or two, said after the comparison.
    mark : (str, float) or None
        The curve of the step's live picture that was asked about, and the dial's value there;
        without a name, the dial's own value was asked for.
    """

    prediction: Prediction
    found: Callable[[], float]
    beside: Callable[[], str]
    mark: tuple[str, float] | None = None


def asked(question: Question) -> Asked:
    """Return what a step asks."""
    number, part = question
    return _claim(part) if number == CLAIMS else STEPS[number]()


def _place(
    words: str, low: float, high: float, ends: tuple[str, str], percent: bool = False
) -> Prediction:
    return Prediction.placed(words, low, high, 0.1, ends=ends, percent=percent)


def _space() -> Asked:
    def beside() -> str:
        before = sample.retrieval(False)["source_to_target"]
        chance = three(1 / GALLERY, percent=True)
        return f"By chance {chance} would, and before training {three(before, percent=True)} do."

    return Asked(
        _place(
            f"Each caption looks for its own picture among {GALLERY}. How many captions find it "
            "first, ahead of all others?",
            0,
            1,
            ("none", "all"),
            percent=True,
        ),
        lambda: sample.retrieval(True)["source_to_target"],
        beside,
    )


def _cone() -> Asked:
    def at(step: int, side: str) -> float:
        runs = sample.training()
        return float(getattr(runs.measured[runs.scales[-1], step], f"{side}_length"))

    def beside() -> str:
        last = sample.training().steps[-1]
        return (
            f"That of the pictures is {three(at(0, 'target'))}. {last} steps of training take the "
            f"two to {three(at(last, 'source'))} and {three(at(last, 'target'))}."
        )

    return Asked(
        _place(
            "Before any training the encoder's weights are random. How long is the mean of all "
            "captions' arrows then?",
            0,
            1,
            ("0: they point everywhere", "1: all the same way"),
        ),
        lambda: at(0, "source"),
        beside,
        ("source_length", 0.0),
    )


def _gap() -> Asked:
    runs = sample.training()
    scale, last = runs.scales[-1], runs.steps[-1]

    def at(step: int) -> float:
        return float(runs.measured[scale, step].gap)

    return Asked(
        _place(
            f"Before training the two means lie {three(at(0))} apart. {last} steps at temperature "
            f"{1 / scale:.2g} then turn partners towards each other. How far apart are the means "
            "at the end?",
            0,
            1.4,
            ("0: they coincide", "1.4: far apart"),
        ),
        lambda: at(last),
        lambda: f"On the way it was as much as {three(max(at(step) for step in runs.steps))}.",
        ("gap", float(len(runs.steps) - 1)),
    )


def _shift() -> Asked:
    def beside() -> str:
        left = sample.shift_scores("mean-shift")["gap"]
        return f"The gap that is left is {three(left)}: the means agree, the shapes do not."

    return Asked(
        _place(
            "One arrow moves every caption so that the two means agree. How much of the pictures' "
            "neighbourhoods do captions cover then?",
            0,
            1,
            ("0: apart", "1: fully mixed"),
        ),
        lambda: along(sample.shift_live(), "mixing_coverage", 1.0),
        beside,
        ("mixing_coverage", 1.0),
    )


def _residual() -> Asked:
    held = along(sample.residual_live(), "energy", TEN)
    return Asked(
        _place(
            f"The first {TEN} of {sample.pair().dim} directions hold "
            f"{three(held, percent=True)} of the residual between partners. "
            "Give every caption a random picture instead of its own: what share "
            f"do {TEN} directions hold then?",
            0,
            1,
            ("nothing", "all"),
            percent=True,
        ),
        lambda: along(sample.residual_live(), "repaired", TEN),
        lambda: f"Between true partners it is {three(held, percent=True)}.",
        ("repaired", float(TEN)),
    )


def _bounded() -> Asked:
    first = along(sample.bound_live(1, 2), "mixing_coverage", 0.0)

    def beside() -> str:
        kept = [along(sample.bound_live(1, 2), "omega", alpha) for alpha in (0.0, BOUND)]
        shares = [three(share, percent=True) for share in kept]
        return f"Of each caption's neighbours it keeps {shares[1]}; at α = 0, {shares[0]}."

    return Asked(
        _place(
            f"At α = 0 captions cover {three(first)} of the pictures' neighbourhoods. Now every "
            f"axis may leave the overall scale by a factor of e^{BOUND:g} = "
            f"{math.exp(BOUND):.2f}. How much do they cover then?",
            0,
            1,
            ("0: apart", "1: fully mixed"),
        ),
        lambda: along(sample.bound_live(1, 2), "mixing_coverage", BOUND),
        beside,
        ("mixing_coverage", BOUND),
    )


def _trade_off() -> Asked:
    first = along(sample.trade_off_live(), "psi", 0.0)
    return Asked(
        _place(
            f"At α = 0 similarities among captions are kept to Ψ = {three(first)}. How far can the "
            "bound α go before that falls by 0.01?",
            0,
            1.5,
            ("0: ReAlign", "1.5: nearly no bound"),
        ),
        sample.automatic_bound,
        lambda: "",
        ("", 0.0),
    )


def _claim(part: int) -> Asked:
    claim = sample.measured_claims()[part]
    return Asked(
        Prediction("May this be said?", ("No.", "Yes, with these words.")),
        lambda: float(claim.holds),
        lambda: plain(claim.because),
    )


STEPS: dict[int, Callable[[], Asked]] = {
    1: _space,
    2: _cone,
    3: _gap,
    4: _shift,
    5: _residual,
    6: _bounded,
    7: _trade_off,
}


def along(made: LivePicture, name: str, value: float) -> float:
    """Return a number of a live picture at one of the values where it was measured."""
    return float(made.facts["scores"][name][made.facts["grid"].index(value)])


def live(number: int) -> LivePicture:
    """Return the live picture that a step's question is about."""
    made: dict[int, Callable[[], LivePicture]] = {
        2: lambda: sample.training_live(sample.training().scales[-1], "cone"),
        3: lambda: sample.training_live(sample.training().scales[-1], "gap"),
        4: sample.shift_live,
        5: sample.residual_live,
        6: lambda: sample.bound_live(1, 2),
        7: sample.trade_off_live,
    }
    return made[number]()


@st.cache_resource(show_spinner=False, max_entries=KEPT_OPENINGS)
def marked(number: int, guess: int) -> LivePicture:
    """Return a step's picture with a prediction and what is: it begins and runs there by itself."""
    one, made = asked((number, 0)), live(number)
    assert one.mark is not None  # only steps with a live picture are asked for
    name, at = one.mark
    place, found = one.prediction.places[guess], one.found()
    if not name:
        return opening(made, found, predicted=(place, None), found=(found, None))
    # a cone is asked about where training begins, and seen through it
    to = made.facts["dial"]["high"] if at == made.facts["dial"]["low"] else at
    return opening(made, to, predicted=(at, place), found=(at, found))


def shown(number: int, guess: int | None) -> LivePicture:
    """Return a step's picture, with the prediction marked where there is one."""
    return live(number) if guess is None else marked(number, guess)


BEGINNINGS = {
    3: "Before any training, on directions of its end; uncentred. Numbers in all dimensions.",
    4: "Held-out rows of each side as they are, uncentred. Numbers in all dimensions.",
    5: "Pairs of the sample, the gap taken away, on the residual's second and third direction.",
    6: "Held-out rows at α = 0, which is ReAlign: one scale for all axes. Fitted on other rows.",
    7: "Held-out rows at α = 0, which is ReAlign: one scale for all axes. Fitted on other rows.",
}


@st.cache_resource(show_spinner=False)
def _beginning(number: int) -> LivePicture:
    counts_up = number == 5  # its numbers are shares of what is not begun
    return beginning(live(number), BEGINNINGS[number], cards=not counts_up)


def before(number: int) -> None:
    """Show what may be seen before the prediction, where the answer is not in it."""
    if number in BEGINNINGS:
        show(_beginning(number), f"learn_before_{number}")
    elif number == 1:
        _some_pictures()


def _some_pictures() -> None:
    """Show one caption, and some of the pictures among which it has to find its own."""
    pair = sample.pair()
    captions = sample.shown(pair.source)[0]
    others = generator(0).permutation(len(pair.target))
    rows = [FIRST_CAPTION, *others[others != FIRST_CAPTION][: SOME - 1].tolist()]
    mixed = [rows[place] for place in generator(1).permutation(SOME)]
    st.markdown(
        f"One caption says “{plain(str(captions[FIRST_CAPTION]))}” Its own picture is among these "
        f"{SOME}:"
    )
    tiles = st.container(horizontal=True, gap="small")
    for row in mixed:
        tiles.image(sample.thumbnail(pair.target, row), width=THUMBNAIL, alt=str(captions[row]))
