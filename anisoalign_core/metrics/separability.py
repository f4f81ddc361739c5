"""Whether a straight cut tells corrected rows from target rows; no pairs needed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.intervals import COVERAGE
from anisoalign_core.metrics.metric import Metric
from anisoalign_core.numerics import Float32, Float64, generator
from anisoalign_core.things import Things

TEST_SHARE = 0.3
"""Share of the rows held out to measure separability."""


@dataclass(frozen=True)
class Separability:
    """Held-out AUC of a linear classifier of modality, and the rows it was measured on."""

    auc: float
    n_target: int
    n_source: int


def separability(
    target: Float32,
    after: Float32,
    *,
    paired: bool = False,
    random_state: int | np.random.Generator = 0,
    things: Things | None = None,
) -> Separability:
    """Held-out AUC of a logistic regression that tells target rows from corrected source rows.

    0.5 when no linear rule can, 1 when one always can. 1.0 on every raw encoder tried, including
    random-weight ones, so it shows that there is a gap and not that there is meaning. Well below
    0.5 when the means were matched on these very rows: what the training part lacks the test part
    has. That is a sign of scoring the rows a method was fitted on, not of a better correction.

    Parameters
    ----------
    target, after : (n_x, d) and (n_z, d) float32
        Unit rows; scaled by √d about the mean of the training rows, ridge strength 1.
    paired : bool, default False
        Whether rows correspond; a pair is then on one side of the 70:30 split.
    random_state : int or numpy Generator
    things : Things, optional
        What rows show (``after`` is the source), where they are not matched one by one.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    if min(len(target), len(after)) < 4:
        raise ParameterError("Separability needs at least 4 rows of each modality.")
    rng = generator(random_state)
    order_x = rng.permutation(things.count if things else len(target))
    order_z = order_x if paired else rng.permutation(len(after))
    cut_x, cut_z = (max(2, round(len(order) * TEST_SHARE)) for order in (order_x, order_z))
    if things is not None:
        cut_z, cut_x = (len(rows) for rows in things.rows_of(order_x[:cut_x]))
        order_z, order_x = things.rows_of(order_x)
    train = np.concatenate([target[order_x[cut_x:]], after[order_z[cut_z:]]])
    test = np.concatenate([target[order_x[:cut_x]], after[order_z[:cut_z]]])
    centre, size = train.mean(axis=0), np.float32(np.sqrt(target.shape[1]))
    label = np.repeat([1, 0], [len(target) - cut_x, len(after) - cut_z])
    model = LogisticRegression(max_iter=300)
    with warnings.catch_warnings():  # a score short of the last digit is good enough for an AUC
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((train - centre) * size, label)
    scores: Float64 = model.decision_function((test - centre) * size)
    auc = roc_auc_score(np.repeat([1, 0], [cut_x, cut_z]), scores)
    return Separability(float(auc), int(cut_x), int(cut_z))


def auc_interval(
    auc: float, n_positive: int, n_negative: int, coverage: float = COVERAGE
) -> tuple[float, float]:
    """Score interval of an AUC with the standard error of Hanley & McNeil (1982).

    The limits θ solve ``|AUC − θ| = z · se(θ)`` with
    ``se² = θ(1−θ)[1 + (m*−1)((1−θ)/(2−θ) + θ/(1+θ))]/(m n)`` and ``m* = (m+n)/2`` (Newcombe
    2006). Unlike the estimate ± z·se it keeps a width at AUC = 1.

    Parameters
    ----------
    auc : float
    n_positive, n_negative : int
        Held-out rows of each class.
    coverage : float, default 0.95
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z = float(ndtri(0.5 + coverage / 2))
    mean_size = (n_positive + n_negative) / 2

    def excess(theta: float) -> float:
        pairs = (1 - theta) / (2 - theta) + theta / (1 + theta)
        variance = theta * (1 - theta) * (1 + (mean_size - 1) * pairs)
        return float((auc - theta) ** 2 - z**2 * variance / (n_positive * n_negative))

    inside = min(max(auc, 1e-9), 1.0 - 1e-9)  # 0 and 1 are roots themselves, not the ones sought
    low = 0.0 if auc <= 0.0 else float(brentq(excess, 0.0, inside))
    high = 1.0 if auc >= 1.0 else float(brentq(excess, inside, 1.0))
    return low, high


def _measured(c: Comparison) -> Separability:
    return separability(
        c.target, c.after, paired=c.paired, random_state=c.random_state, things=c.things
    )


def _interval(c: Comparison) -> tuple[float, float]:
    found = c.once(_measured)
    return auc_interval(found.auc, found.n_target, found.n_source)


def half(_: Comparison) -> float:
    """0.5: a classifier that guesses."""
    return 0.5


FAMILY = (
    Metric(
        name="separability",
        label="How well a straight cut tells the two sets apart",
        symbol="AUC",
        description="Held-out AUC of a logistic regression with the modality as label; well "
        "below 0.5 suggests a correction fitted on the very rows it is scored on.",
        direction="lower",
        range=(0.0, 1.0),
        needs="unpaired",
        group="support",
        reference="[MG] arXiv:2203.02053; interval of Hanley & McNeil 1982",
        function=lambda c: c.once(_measured).auc,
        floor=half,
        interval=_interval,
    ),
)
