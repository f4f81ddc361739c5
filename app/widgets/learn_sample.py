"""What the Learn page knows about the bundled sample: computed once, shared by all sessions.

The story never looks at what a person loaded, so nothing here belongs to one session. Parameters
of cached functions are a few words or numbers. The sample is small: one thread of BLAS is done
with it sooner than two, which wait for each other where many are at work.
"""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from anisoalign_core.align import Aligner, BoundedTransport, Identity, MeanShift, ReAlign
from anisoalign_core.compare.study import Plane, Study, Trial, View
from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.geometry.directions import Directions, ends
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.mixing import delta_mu
from anisoalign_core.metrics.retrieval import gallery_recall
from anisoalign_core.numerics import Float64, Integers, generator
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.plots.ball import WORDS
from anisoalign_core.plots.live import LivePicture, lesson, picture
from anisoalign_core.plots.teach import temperature_words
from anisoalign_core.samples import Training, load_training
from anisoalign_core.teach import (
    BallBound,
    Claim,
    Cones,
    Found,
    Moved,
    Sentences,
    ball_bound,
    ball_shift,
    claims,
    find_pictures,
    shape_axes,
    two_cones,
    usual_nearest,
)
from anisoalign_core.threads import one_thread
from app.session import sample_pair as shared_sample

END_ROWS = 4
LEADING = 40
DRAWN = 600
NEAREST = 8
MOST_THUMBNAILS, MOST_FOUND = 1000, 200
TITLE = "Captioned scenes"


def pair() -> EmbeddingPair:
    """Return the sample."""
    return shared_sample("scenes")


def told() -> EmbeddingPair:
    """Return the scenes that have three captions each."""
    return shared_sample("scenes-captions")


@st.cache_resource(show_spinner=False)
@one_thread()
def sentences() -> Sentences:
    """Return what lies between the captions of a scene, and between them and the scene."""
    return Sentences.of(told().source.vectors, told().target.vectors, told().matched)


def control() -> EmbeddingPair:
    """Return the same pairs through the encoder before training."""
    return shared_sample("scenes-untrained")


def shown(side: EmbeddingSet) -> tuple[Any, Any]:
    """Return the captions and thumbnails that a side of the sample has, where it has them."""
    return side.captions, side.thumbnails


@lru_cache(maxsize=MOST_THUMBNAILS)
def thumbnail(side: EmbeddingSet, row: int) -> str:
    """Return a picture of the sample as an address that holds it: nothing is fetched for it."""
    from PIL import Image

    assert side.thumbnails is not None  # the sample's pictures have them
    Image.fromarray(side.thumbnails[row]).save(held := io.BytesIO(), "PNG")
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode("ascii")


@st.cache_resource(show_spinner=False, max_entries=MOST_FOUND)
def nearest(trained: bool, row: int) -> Found:
    """Return the pictures that are nearest to a caption, after training or before."""
    sides = pair() if trained else control()
    return find_pictures(sides.source.vectors, sides.target.vectors, row, NEAREST)


@st.cache_resource(show_spinner="Searching …")
@one_thread()
def retrieval(trained: bool) -> dict[str, float]:
    """R@1 among :data:`GALLERY` pairs, both ways."""
    sides = pair() if trained else control()
    return gallery_recall(sides.source.vectors, sides.target.vectors)


@st.cache_resource(show_spinner=False)
@one_thread()
def found_at(scale: float, step: int) -> float:
    """R@1 of captions among :data:`GALLERY` pictures at a checkpoint of the training."""
    runs = training()
    place, at = runs.scales.index(scale), runs.steps.index(step)
    return gallery_recall(runs.source[place][at], runs.target[place][at])["source_to_target"]


@st.cache_resource(show_spinner="Opening the checkpoints …")
def training() -> Training:
    """Return the checkpoints of the sample's training."""
    return load_training()


@st.cache_resource(show_spinner="Following the training …")
@one_thread()
def training_live(scale: float, kind: str) -> LivePicture:
    """Return one run's clouds along its checkpoints; ``kind`` is "cone" or "gap"."""
    runs = training()
    place = runs.scales.index(scale)
    return lesson.training_picture(
        runs.source[place],
        runs.target[place],
        runs.steps,
        [runs.measured[scale, step] for step in runs.steps],
        names=WORDS,
        about=temperature_words(scale),
        kind=kind,
    )


@st.cache_resource(show_spinner=False, max_entries=MOST_FOUND)
def cones(opening: int, angle: int) -> Cones:
    """Return two cones of so many degrees, so far apart."""
    return two_cones(opening, angle)


@st.cache_resource(show_spinner=False, max_entries=MOST_FOUND)
def toy_shift(method: str, turn: int) -> Moved:
    """Return the toy's captions brought to the pictures' mean."""
    return ball_shift(method, turn=turn)


@st.cache_resource(show_spinner=False, max_entries=MOST_FOUND)
def toy_view(bound: float) -> Moved:
    """Return the toy's captions under a bound."""
    return toy_bound().view(bound)


@st.cache_resource(show_spinner=False)
def toy_bound() -> BallBound:
    """Return the toy of the bounded correction, fitted."""
    return ball_bound()


@st.cache_resource(show_spinner="Measuring the residual …")
@one_thread()
def directions() -> Directions:
    """Return the sample's named directions, with its residual computed."""
    known = Directions(pair())
    _ = known.residual.values, known.residual.repaired_values
    return known


@st.cache_resource(show_spinner=False)
@one_thread()
def residual_ends(number: int) -> tuple[Integers, Integers]:
    """Return the pairs that differ most along a residual direction, each way."""
    known = directions()
    differences = pair().target.vectors - pair().source.vectors
    low, high, _ = ends(differences, known.get("residual", number).vector, END_ROWS)
    return low, high


@st.cache_resource(show_spinner="Dividing the sample …")
@one_thread()
def study() -> Study:
    """Return the sample under its seeded split, ready to score corrections."""
    made = Study(pair(), pair().split(0))
    _ = made.reference, made.uncorrected
    return made


@st.cache_resource(show_spinner="Bringing partners together …")
@one_thread()
def residual_live() -> LivePicture:
    """Return partners brought together along the residual's leading directions."""
    known = directions()
    ends = [residual_ends(number) for number in range(1, LEADING + 1)]
    drawn = np.sort(generator(0).permutation(len(pair().source))[:DRAWN])
    return lesson.residual_picture(pair().source, pair().target, known.residual, ends, WORDS, drawn)


@st.cache_resource(show_spinner="Shifting …")
@one_thread()
def shift_live() -> LivePicture:
    """Return the held-out captions under a part of the mean shift."""
    return lesson.shift_picture(study(), plane(0, 2), WORDS)


@st.cache_resource(show_spinner="Fitting the bounded correction …")
@one_thread()
def bound_live(across: int, up: int) -> LivePicture:
    """Return the bounded correction on two of the directions named in `AXES`."""
    return picture(bounded(), plane(across, up), value=0.3, curve=bound_curve(), title=TITLE)


@st.cache_resource(show_spinner="Following the bound …")
@one_thread()
def trade_off_live() -> LivePicture:
    """Return the bounded correction with meaning against fit, other methods beside it."""
    others = {
        words: (shift_scores(name)["omega"], shift_scores(name)["mixing_coverage"])
        for name, (words, _, _) in SHIFTS.items()
        if name != "realign"  # the curve starts there
    }
    return lesson.with_trade_off(bound_live(0, 1), others, ("neighbours kept", "pictures covered"))


SHIFTS: dict[str, tuple[str, type[Aligner], dict[str, object]]] = {
    "identity": ("As they are", Identity, {}),
    "mean-shift": ("Mean shift", MeanShift, {}),
    "realign": ("ReAlign", ReAlign, {}),
    "rotate": ("Rotation", BoundedTransport, {"bound": 0.0, "recentre": "rotate"}),
}
"""Ways to bring the means together: words, aligner, parameters; the toy knows the same names."""


@st.cache_resource(show_spinner="Fitting …")
@one_thread()
def shifted(method: str) -> Trial:
    """Return one way to bring the means together, fitted on the sample."""
    _, aligner, parameters = SHIFTS[method]
    return study().fit(aligner(**parameters))


@st.cache_resource(show_spinner=False)
@one_thread()
def shift_scores(method: str) -> dict[str, float]:
    """Return its scores."""
    return scores_of(shifted(method).view())


def scores_of(view: View) -> dict[str, float]:
    """Return the live scores of a view, and ``gap``: the distance of the means that it leaves."""
    both = Comparison.between(view.target[: view.study.live[1]], view.live_rows)
    return view.scores | {"gap": delta_mu(both)}


AXES = (
    "along the gap",
    "where pictures vary more than captions",
    "where captions vary more than pictures",
)


@st.cache_resource(show_spinner=False)
def plane(across: int, up: int) -> Plane:
    """Return two of the directions named in `AXES`, from the fitted rows."""
    held, parts = study(), study().split
    axes = shape_axes(
        pair().source.vectors[parts.fit_source], pair().target.vectors[parts.fit_target]
    )[:, [across, up]]
    both = np.concatenate([held.source @ axes, held.target @ axes])
    low, high = both.min(axis=0) - 0.12, both.max(axis=0) + 0.12
    ranges = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    words = f"Across: {AXES[across]}. Up: {AXES[up]}."
    return Plane(axes, (AXES[across], AXES[up]), words, (ranges[0], ranges[1]))


@st.cache_resource(show_spinner="Fitting the bounded correction …")
@one_thread()
def bounded() -> Trial:
    """Return the bounded correction, fitted once; its bound moves without a new fit."""
    trial = study().fit(BoundedTransport(bound=0.0))
    _ = trial.sweep
    return trial


@st.cache_resource(show_spinner="Following the bound …")
@one_thread()
def bound_curve() -> dict[str, Float64]:
    """Return the live scores along the bound."""
    return bounded().curve(floors=True)


@st.cache_resource(show_spinner="Looking for the automatic bound …")
@one_thread()
def automatic() -> Aligner:
    """Return the correction under the bound that ``"auto"`` finds on the same fit rows."""
    parts = study().split
    return BoundedTransport().fit(
        pair().source.take(parts.fit_source), pair().target.take(parts.fit_target)
    )


def automatic_bound() -> float:
    """Return that bound."""
    fitted: Any = automatic()
    return float(fitted.bound_)


@st.cache_resource(show_spinner="Looking at the sample's own captions …")
@one_thread()
def usual_cosines() -> tuple[float, float]:
    """Return how near held-out captions usually are to a picture, before and after that."""
    rows, target = study().source, pair().target.vectors
    return usual_nearest(rows, target), usual_nearest(automatic().transform(rows), target)


@st.cache_resource(show_spinner="Measuring what the claims rest on …")
@one_thread()
def measured_claims() -> tuple[Claim, ...]:
    """Return the claims with their numbers."""
    return claims(pair(), control())
