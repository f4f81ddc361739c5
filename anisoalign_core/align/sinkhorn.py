"""Entropic optimal transport between source and target rows, carried to new rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from anisoalign_core.align.knobs import MOST, Knob
from anisoalign_core.align.memory import FromMemory, drawn, softmax
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import Float32, Float64, Progress

FEWEST = 0.005
"""Smallest regularisation: cosines differ by 2 at most, and e^(−2/ε) must stay a number."""
ABSORB = 200.0
"""Logarithm of a scaling at which it moves into the potentials."""
TELL = 50
"""Iterations between two calls of ``progress``."""


@dataclass(frozen=True, eq=False)
class Balance:
    """Potentials of a plan, and how well they balance it.

    Attributes
    ----------
    potential : (m,) float64
        v, of mean zero.
    iterations : int
    imbalance : float
        ``Σ_j |Σ_i P_ij − 1/m|``, with rows that sum to 1/n.
    """

    potential: Float64
    iterations: int
    imbalance: float


def balance(
    products: Float64,
    regularisation: float,
    tolerance: float,
    most: int,
    progress: Progress | None = None,
) -> Balance:
    """Sinkhorn's scaling of ``P_ij = exp((u_i + s_ij + v_j)/ε)`` to equal row and column sums.

    Scalings that grow large are taken into the potentials (Schmitzer 2019), so that none leaves
    the range of float64.

    Parameters
    ----------
    products : (n, m) float64
        Inner products s of unit rows; on them ``−s`` and half the squared distance are one cost.
    regularisation : float
        ε, at least 0.005.
    tolerance : float
        Imbalance at which the iteration ends.
    most : int
        Iterations at most.
    progress : callable(fraction, words), optional
    """
    n, m = products.shape
    u, v = -products.max(axis=1), np.zeros(m)
    kernel = np.exp((products + u[:, None]) / regularisation)
    scaling = np.ones(m)
    step, imbalance = 0, np.inf
    while True:
        rows = 1.0 / (n * (kernel @ scaling))
        columns = scaling * (rows @ kernel)
        imbalance = float(np.abs(columns - 1.0 / m).sum())
        if imbalance <= tolerance or step == most:
            break
        scaling /= m * columns
        step += 1
        if np.abs(np.log(scaling)).max() > ABSORB:
            u += regularisation * np.log(rows)
            v += regularisation * np.log(scaling)
            kernel = np.exp((products + u[:, None] + v) / regularisation)
            scaling = np.ones(m)
        if progress is not None and step % TELL == 0:
            progress(step / most, f"{step:,} iterations, imbalance {imbalance:.2g}")
    v = v + regularisation * np.log(scaling)
    return Balance(v - v.mean(), step, imbalance)


class Sinkhorn(FromMemory):
    """``z = Norm(Σ_j w_j x_j)``, ``w = softmax_j((y·x_j + v_j)/ε)``, v from balanced transport.

    The fit finds the plan between source rows and a memory of target rows that maximises
    ``Σ P_ij y_i·x_j + ε H(P)`` with equal row and column sums. The potential v carries it to new
    rows; for a fitted one w is its row of the plan. Every target row is used equally often in the
    mean. A shift of all source rows, such as along the gap, changes nothing, for v takes it up.

    Parameters
    ----------
    regularisation : float, default 0.01
        ε, at least 0.005; large values give the mean of all.
    memory_rows : int, default 2000
        Rows of each side in the plan, at most; of more a seeded sample. The plan holds the square
        of it in memory, 32 MB twice at 2,000 rows.
    iterations : int, default 2000
        At most.
    tolerance : float, default 1e-4
        Mass out of balance (see ``imbalance_``) at which the fit ends.
    random_state : int, default 0

    Attributes
    ----------
    potential_ : (m,) float64
        v.
    iterations_ : int
    imbalance_ : float
        ``Σ_j |Σ_i P_ij − 1/m|`` of the plan.
    converged_ : bool
        Whether the imbalance is within the tolerance; a ``ConvergenceWarning`` says if not.
    """

    name = "sinkhorn"
    label = "Entropic transport"
    summary = "A soft mean of target rows that uses each equally often; the model keeps copies."
    reference = (
        "Cuturi, Sinkhorn Distances, 2013; to new rows: Pooladian & Niles-Weed, arXiv:2109.12004"
    )
    knobs = (
        Knob(
            "regularisation",
            "Regularisation ε",
            "Small values give few target rows, large ones the mean of all.",
            FEWEST,
            0.5,
            FEWEST,
        ),
        Knob(
            "memory_rows",
            "Memory",
            "Rows of each side in the plan, at most; of more a seeded sample. The model holds "
            "copies of the target's.",
            1,
            MOST,
            1,
            folded=True,
            typed=True,
        ),
    )

    potential_: Float64
    iterations_: int
    imbalance_: float
    converged_: bool

    def __init__(
        self,
        regularisation: float = 0.01,
        memory_rows: int = 2000,
        iterations: int = 2000,
        tolerance: float = 1e-4,
        random_state: int = 0,
    ) -> None:
        self.regularisation = regularisation
        self.memory_rows = memory_rows
        self.iterations = iterations
        self.tolerance = tolerance
        self.random_state = random_state

    def check_parameters(self, dim: int) -> None:
        """See :meth:`Aligner.check_parameters`."""
        super().check_parameters(dim)
        if not FEWEST <= self.regularisation <= MOST:
            raise ParameterError(
                f"regularisation is {self.regularisation}; choose it between {FEWEST} and 1e9."
            )
        if not 0.0 < self.tolerance < 2.0:
            raise ParameterError(f"tolerance is {self.tolerance}; choose it between 0 and 2.")
        if not self.iterations >= 1:
            raise ParameterError(f"iterations is {self.iterations}; choose at least 1.")

    def _fit(self, y: Float32, x: Float32, progress: Progress | None) -> None:
        super()._fit(y, x, progress)
        rows = y[drawn(len(y), self.memory_rows, self.random_state)].astype(np.float64)
        found = balance(
            rows @ self.memory_.T.astype(np.float64),
            self.regularisation,
            self.tolerance,
            self.iterations,
            progress,
        )
        self.potential_ = found.potential
        self.iterations_, self.imbalance_ = found.iterations, found.imbalance
        self.converged_ = found.imbalance <= self.tolerance
        if not self.converged_:
            from sklearn.exceptions import ConvergenceWarning

            warnings.warn(
                f"{self.label} stopped after {found.iterations:,} iterations with "
                f"{found.imbalance:.2g} of the mass out of balance, above the tolerance of "
                f"{self.tolerance:g}. Allow more iterations, or a larger regularisation.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _check_loaded(self) -> None:
        super()._check_loaded()
        potential = np.asarray(self.potential_)
        if potential.shape != (len(self.memory_),) or not np.isfinite(potential).all():
            raise ShapeError("The potential of this model does not fit its memory.")

    def _weigh(self, products: Float64) -> Float64:
        products += self.potential_
        return softmax(products, 1.0 / self.regularisation)
