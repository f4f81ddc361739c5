"""Stage II: an instance-conditioned refinement within bounds, under a frozen prior [AA 4.4.2]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.align.anisoalign.frame import outside
from anisoalign_core.align.anisoalign.initial import State
from anisoalign_core.align.anisoalign.network import Network
from anisoalign_core.align.anisoalign.options import Bounds, Stage, Weights
from anisoalign_core.align.anisoalign.phases import PhaseStatistics
from anisoalign_core.align.anisoalign.prior import Noise, PhaseField, Tell, matching_loss
from anisoalign_core.numerics import Float32, Float64

FINEST = 1e-6
"""Squared distances are held above this, where their root has a gradient."""
SURVEY = 2000
"""Rows from which temperatures and the energy distance at the start are read."""


def phase_loss(turned: Any, radii: Any, edges: Any) -> Any:
    """``L_Φ = (1/|E|) Σ_E ω⁰_kl (1 − cos((θ̂_k − θ̂_l) − (θ⁰_k − θ⁰_l)))``, in torch [AA eq. 9].

    ``ω⁰_kl = ρ⁰_k ρ⁰_l / Σ_E ρ⁰_u ρ⁰_v``.

    Parameters
    ----------
    turned : (n, m) tensor
        ``θ̂ − θ⁰``.
    radii : (n, m) tensor
        ρ⁰.
    edges : (e, 2) tensor of int

    Returns
    -------
    () tensor
        Mean over rows; zero for a graph without edges.
    """
    if len(edges) == 0:
        return turned.sum() * 0.0
    k, other = edges.T
    weight = radii[:, k] * radii[:, other]
    weight = weight / (weight.sum(dim=1, keepdim=True) + 1e-12)
    change = 1 - (turned[:, k] - turned[:, other]).cos()
    return (weight * change).sum(dim=1).mean() / len(edges)


def sliced_wasserstein(first: Any, second: Any, directions: Any) -> Any:
    """Mean over directions of the squared 1-D 2-Wasserstein distance; equal row counts (torch)."""
    a, b = (first @ directions).sort(dim=0)[0], (second @ directions).sort(dim=0)[0]
    return (a - b).square().mean()


def energy_distance(first: Any, second: Any) -> Any:
    """``2 E‖a − b‖ − E‖a − a'‖ − E‖b − b'‖`` of unit rows, without a row's distance to itself."""
    between = _distances(first, second).mean()
    return 2 * between - _mean_apart(first) - _mean_apart(second)


def _distances(first: Any, second: Any) -> Any:
    return (2 - 2 * first @ second.T).clamp(min=FINEST).sqrt()


def _mean_apart(rows: Any) -> Any:
    n = len(rows)
    return (_distances(rows, rows).sum() - n * FINEST**0.5) / (n * (n - 1))


def temperature(rows: Any, k: int = 20) -> float:
    """Half the mean difference between the nearest and the k-th nearest cosine (torch)."""
    cosines = rows @ rows.T
    cosines.fill_diagonal_(-2.0)
    nearest = cosines.topk(min(k, len(rows) - 1), dim=1)[0]
    return max(float((nearest[:, 0] - nearest[:, -1]).mean()) / 2, 1e-4)


def neighbour_loss(before: Any, after: Any, temperatures: tuple[float, float]) -> Any:
    """``E_i KL(softmax_j ⟨y_i, y_j⟩/τ ‖ softmax_j ⟨z_i, z_j⟩/τ')`` over j ≠ i (torch)."""
    import torch

    itself = torch.eye(len(before), dtype=torch.bool, device=before.device)
    p, q = (
        (rows @ rows.T / tau).masked_fill(itself, -1e4).log_softmax(dim=1)
        for rows, tau in zip((before, after), temperatures, strict=True)
    )
    return (p.exp() * (p - q)).sum(dim=1).mean()


def on_sphere(rows: Any) -> Any:
    """Return ``z / ‖z‖`` (torch)."""
    return rows / rows.norm(dim=1, keepdim=True)


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything Stage II trains on.

    Attributes
    ----------
    start : State
        (θ⁰, ρ⁰, v⁰) of the fitted source rows.
    basis : (d, r) float64
    target : (n_x, d) float32
        Target rows, for the losses that compare distributions.
    prior : Network or None
        Frozen; needed where L_II has a weight.
    source : (n_y, d) float32
        The rows themselves, in the order of ``start``.
    statistics : PhaseStatistics
    bounds : Bounds
    limit : float or None
        Hard limit β on ``‖δ‖`` of each row.
    weights : Weights
    free_radii : bool
        Whether L_II may also change the radii through the prior's input; published.
    """

    start: State
    basis: Float64
    target: Float32
    prior: Network | None
    source: Float32
    statistics: PhaseStatistics
    bounds: Bounds
    limit: float | None
    weights: Weights
    free_radii: bool = True


def train_refinement(problem: Problem, stage: Stage, tell: Tell) -> Network:
    """Train g on the fitted source rows; at least one loss has a weight.

    Parameters
    ----------
    problem : Problem
    stage : Stage
    tell : callable(step, losses)
        Called after every step with each loss before its weight (``prior`` over its uninformed
        baseline) and ``total``. An exception it raises stops the training.
    """
    import torch

    losses = _Losses.of(problem, stage)
    network = fresh_refiner(problem.start, stage).to_torch(stage.training.device)
    optimiser = torch.optim.Adam(network.layers.parameters(), lr=stage.learning_rate)
    features = torch.as_tensor(problem.start.features(), device=stage.training.device)
    for step in range(stage.steps):
        if stage.decay:
            part = (1 + np.cos(np.pi * step / stage.steps)) / 2
            optimiser.param_groups[0]["lr"] = stage.learning_rate * part
        rows = losses.noise.rows(len(features))
        total, shown = losses.at(rows, network(features[rows]))
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        tell(step, {"total": float(total.detach())} | shown)
    return network.network()


def fresh_refiner(start: State, stage: Stage) -> Network:
    """G before training: inputs standardised over the fitted rows, last layer zero."""
    features = start.features()
    d, m = start.outside.shape[1], start.phases.shape[1]
    shift, scale = features.mean(axis=0), features.std(axis=0)
    shift[: 2 * m], scale[: 2 * m] = 0.0, 1.0
    return Network.fresh(
        3 * m + d,
        stage.training.hidden,
        2 * m + d,
        shift=shift,
        scale=scale,
        last_is_zero=True,
        random_state=stage.random_state + 1,
    )


@dataclass(frozen=True, eq=False)
class _Losses:
    """A problem's arrays as tensors, and the losses of a batch."""

    problem: Problem
    start: State
    basis: Any
    target: Any
    prior: Any
    field: PhaseField
    edges: Any
    noise: Noise
    source: Any
    spread: float
    spread_outside: float
    temperatures: tuple[float, float]
    energy_at_start: float

    @classmethod
    def of(cls, problem: Problem, stage: Stage) -> _Losses:
        import torch

        def tensor(values: Any) -> Any:
            return torch.as_tensor(np.array(values, dtype=np.float32), device=stage.training.device)

        start = problem.start
        target = tensor(problem.target)
        basis = tensor(problem.basis)
        prior = None
        if problem.prior is not None:
            prior = problem.prior.to_torch(stage.training.device)
            for parameter in prior.layers.parameters():
                parameter.requires_grad_(False)
        source = tensor(problem.source)
        first = State(tensor(start.phases), tensor(start.radii), tensor(start.outside))
        begun = on_sphere(first.take(slice(SURVEY)).rows(basis, torch))
        return cls(
            problem,
            first,
            basis,
            target,
            prior,
            PhaseField.of(problem.statistics, stage.training.device),
            torch.as_tensor(problem.statistics.edges, device=stage.training.device),
            Noise.seeded(stage),
            source,
            float(target.var(dim=0).mean()),
            float(outside(target, basis).var(dim=0).sum()),
            (temperature(source[:SURVEY]), temperature(begun)),
            max(float(energy_distance(begun, target[:SURVEY])), 1e-4),
        )

    def at(self, rows: Any, raw: Any) -> tuple[Any, dict[str, float]]:
        """Weighted sum over a batch, and each loss for showing."""
        weights, start = self.problem.weights, self.start.take(rows)
        import torch

        found, shown = {}, {}
        moved = start.moved(raw, self.basis, self.problem.bounds, torch)
        if weights.prior:
            log_radii = moved.radii.log()
            if not self.problem.free_radii:
                log_radii = log_radii.detach()
            found["prior"], baseline = matching_loss(
                self.prior, moved.phases, log_radii, self.noise, self.field
            )
            shown["prior"] = float(found["prior"].detach() / baseline.detach())
        if weights.phase:
            turned = moved.phases - start.phases  # a cosine of it: wrapping makes no difference
            found["phase"] = phase_loss(turned, start.radii, self.edges)
        found |= self._losses_on_rows(rows, start, moved)
        total = sum(getattr(weights, name) * value for name, value in found.items())
        return total, {k: float(v.detach()) for k, v in found.items() if k not in shown} | shown

    def _losses_on_rows(self, rows: Any, start: State, moved: State) -> dict[str, Any]:
        """Losses that compare whole rows, not phases."""
        import torch

        weights = self.problem.weights
        found: dict[str, Any] = {}
        if set(weights.active) <= {"prior", "phase"}:
            return found
        before = start.rows(self.basis, torch)
        step = limited(moved.rows(self.basis, torch) - before, self.problem.limit, torch)
        before_unit, after = on_sphere(before), on_sphere(before + step)
        if weights.gram:
            gram = before_unit @ before_unit.T
            change = (after @ after.T - gram).square().mean()
            found["gram"] = change / gram.var()
        if weights.neighbours:
            found["neighbours"] = neighbour_loss(self.source[rows], after, self.temperatures)
        if weights.distribution or weights.energy:
            size = len(after)
            chosen = torch.randint(
                len(self.target), (size,), generator=self.noise.source, device=after.device
            )
            goal = self.target[chosen]
        if weights.energy:
            found["energy"] = energy_distance(after, goal) / self.energy_at_start
        if weights.distribution:
            directions = torch.randn(
                after.shape[1], 128, generator=self.noise.source, device=after.device
            )
            directions = directions / directions.norm(dim=0)
            found["distribution"] = sliced_wasserstein(after, goal, directions) / self.spread
        if weights.moments:
            ours, theirs = outside(after, self.basis), outside(self.target, self.basis)
            mean = (ours.mean(dim=0) - theirs.mean(dim=0)).square().sum()
            deviation = (ours.std(dim=0) - theirs.std(dim=0)).square().sum()
            found["moments"] = (mean + deviation) / max(self.spread_outside, 1e-12)
        if weights.magnitude:
            found["magnitude"] = step.square().sum(dim=1).mean()
        return found


def limited(steps: Any, limit: float | None, xp: Any = np) -> Any:
    """Shorten steps (n, d) that are longer than the limit β to ``‖δ‖ = β``; None leaves them."""
    if limit is None:
        return steps
    sizes = xp.sqrt((steps * steps).sum(-1) + 1e-20)[:, None]
    return steps * xp.clip(limit / sizes, None, 1.0)
