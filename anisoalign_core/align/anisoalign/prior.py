"""Stage I: a score network of the target's phases under wrapped Gaussian noise [AA 4.3]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from anisoalign_core.align.anisoalign.network import Network
from anisoalign_core.align.anisoalign.options import PriorKind, Stage
from anisoalign_core.align.anisoalign.phases import PhaseStatistics
from anisoalign_core.errors import ParameterError
from anisoalign_core.geometry.polar import wrap
from anisoalign_core.numerics import Float32, Float64, generator

Tell = Callable[[int, dict[str, float]], None]
CHECK_EVERY = 50


def wrapped_log_density(phases: Any, centre: Any, variance: Any, images: int = 3) -> Any:
    """``log Σ_j N(φ + 2πj; μ, σ²)`` per coordinate, up to a constant in φ (torch)."""
    return _image_logits(phases, centre, variance, images)[0].logsumexp(dim=-1)


def wrapped_score(phases: Any, centre: Any, variance: Any, images: int = 3) -> Any:
    """``∂ log q(φ | μ, σ) / ∂φ`` of the wrapped Gaussian, coordinate by coordinate (torch).

    Parameters
    ----------
    phases, centre : (n, m) tensors
    variance : tensor that broadcasts to them
        σ², here ``2σ_t²``.
    images : int, default 3
        Odd number of periodic images.
    """
    logits, offsets = _image_logits(phases, centre, variance, images)
    return -(logits.softmax(dim=-1) * offsets).sum(dim=-1) / variance


def _image_logits(phases: Any, centre: Any, variance: Any, images: int) -> tuple[Any, Any]:
    import torch

    turns = torch.arange(images, device=phases.device) - images // 2
    offsets = wrap(phases - centre).unsqueeze(-1) + 2 * np.pi * turns
    return -offsets.square() / (2 * variance.unsqueeze(-1)), offsets


@dataclass(frozen=True, eq=False)
class PhaseField:
    """Statistics of phases as tensors: the potential and its gradient.

    Attributes
    ----------
    weight, anchor : (m,) tensors
    real, imaginary : (m, m) tensors
        Couplings on the kept edges.
    """

    weight: Any
    anchor: Any
    real: Any
    imaginary: Any

    @classmethod
    def of(cls, statistics: PhaseStatistics, device: str) -> PhaseField:
        """Take over measured statistics."""
        import torch

        def tensor(values: Float64) -> Any:
            return torch.as_tensor(np.array(values), dtype=torch.float32, device=device)

        graph = statistics.graph
        return cls(
            tensor(statistics.weight),
            tensor(statistics.anchor),
            tensor(graph.real),
            tensor(graph.imag),
        )

    def potential(self, phases: Any) -> Any:
        """``Ψ(φ) = Σ_k α_k (1 − cos(φ_k − ψ̄_k)) + Σ_E A_kl (1 − cos(φ_k − φ_l − η_kl))``.

        Parameters
        ----------
        phases : (n, m) tensor

        Returns
        -------
        (n,) tensor
            [AA A.8.3].
        """
        alone = (self.weight * (1 - (phases - self.anchor).cos())).sum(dim=1)
        turned, quadrature = self._coupled(phases)
        strength = (self.real.square() + self.imaginary.square()).sqrt().sum() / 2
        return alone + strength - (phases.cos() * turned + phases.sin() * quadrature).sum(dim=1) / 2

    def drift(self, phases: Any) -> Any:
        """``[∇Ψ(φ)]_k = α_k sin(φ_k − ψ̄_k) + Σ_l A_kl sin(φ_k − φ_l − η_kl)`` [AA eq. 4]."""
        turned, quadrature = self._coupled(phases)
        pull = self.weight * (phases - self.anchor).sin()
        return pull + phases.sin() * turned - phases.cos() * quadrature

    def _coupled(self, phases: Any) -> tuple[Any, Any]:
        """Real and imaginary part of ``Σ_l A_kl e^{iη_kl} e^{iφ_l}``."""
        cos, sin = phases.cos(), phases.sin()
        real, imaginary = self.real.T, self.imaginary.T
        return cos @ real - sin @ imaginary, cos @ imaginary + sin @ real


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise scales σ_t, log-uniform in [low, high], and seeded draws."""

    stage: Stage
    source: Any

    @classmethod
    def seeded(cls, stage: Stage) -> Noise:
        """Start the seeded stream on the stage's device."""
        import torch

        source = torch.Generator(device=stage.training.device)
        source.manual_seed(stage.random_state)
        return cls(stage, source)

    def rows(self, n: int) -> Any:
        """Draw a batch of row numbers."""
        import torch

        size = min(self.stage.training.batch, n)
        device = self.stage.training.device
        return torch.randint(n, (size,), generator=self.source, device=device)

    def perturb(self, phases: Any, field: PhaseField) -> tuple[Any, Any, Any]:
        """Drift and perturb phases: ``φ̃ = wrap(wrap(φ − τ∇Ψ(φ)) + √2 σ_t ε)`` [AA eq. 5].

        Returns φ̃, the score ``∇ log q(φ̃ | μ_φ, σ_t)`` that a network should predict, and σ_t.
        """
        import torch

        s, device = self.stage.phases, phases.device
        uniform = torch.rand(len(phases), 1, generator=self.source, device=device)
        span = np.log(s.noise_high / s.noise_low)
        sigma = s.noise_low * (uniform * span).exp()
        epsilon = torch.randn(phases.shape, generator=self.source, device=device)
        centre = wrap(phases - s.drift_step * field.drift(phases))
        perturbed = wrap(centre + 2**0.5 * sigma * epsilon)
        wanted = wrapped_score(perturbed, centre, 2 * sigma**2, s.images)
        return perturbed, wanted, sigma


def score(network: Any, phases: Any, sigma: Any, log_radii: Any) -> Any:
    """``s(φ̃, t, log ρ)`` (torch): the network's output over ``√2 σ_t``, the size of a score.

    The network reads ``[sin φ̃, cos φ̃, log σ_t, log ρ]``.
    """
    import torch

    inputs = torch.cat([phases.sin(), phases.cos(), sigma.log(), log_radii], dim=1)
    return -network(inputs) / (2**0.5 * sigma)


def matching_loss(
    network: Any, phases: Any, log_radii: Any, noise: Noise, field: PhaseField
) -> tuple[Any, Any]:
    """``E λ_t ‖s − ∇ log q‖²`` with ``λ_t = 2σ_t²`` [AA eq. 6 and 8], and its uninformed baseline.

    The baseline is the same expression for ``s = 0``: what a network that knows nothing pays.
    """
    perturbed, wanted, sigma = noise.perturb(phases, field)
    found = score(network, perturbed, sigma, log_radii)
    weight = 2 * sigma**2
    loss = (weight * (found - wanted).square()).sum(dim=1).mean()
    return loss, (weight * wanted.square()).sum(dim=1).mean()


def train_prior(
    radii: Float32, phases: Float32, statistics: PhaseStatistics, stage: Stage, tell: Tell
) -> Network:
    """Train the score network on the target's phases.

    Parameters
    ----------
    radii, phases : (n, m) float32
        Of target rows.
    statistics : PhaseStatistics
        Of the same rows: they make the drift.
    stage : Stage
        A share ``check`` of the rows (seeded) is left out of the training and only watched.
    tell : callable(step, losses)
        Called after every step with ``stage_1``, the loss over the uninformed baseline, and every
        50 steps with ``stage_1_unseen``, the same on the rows left out. An exception it raises
        stops the training.
    """
    import torch

    m, n = phases.shape[1], len(phases)
    log_radii = np.log(radii)
    span = np.log([stage.phases.noise_low, stage.phases.noise_high])
    shift = np.concatenate([np.zeros(2 * m), [span.mean()], log_radii.mean(axis=0)])
    scale = np.concatenate([np.ones(2 * m), [np.ptp(span) / 2], log_radii.std(axis=0)])
    fresh = Network.fresh(
        3 * m + 1,
        stage.training.hidden,
        m,
        shift=shift.astype(np.float32),
        scale=scale.astype(np.float32),
        last_is_zero=True,
        random_state=stage.random_state,
    )
    network = fresh.to_torch(stage.training.device)
    optimiser = torch.optim.Adam(network.layers.parameters(), lr=stage.learning_rate)
    field = PhaseField.of(statistics, stage.training.device)
    noise = Noise.seeded(stage)
    order = generator(stage.random_state).permutation(n)
    unseen, seen = np.split(order, [round(n * stage.phases.check)])
    theta, log_rho, theta_unseen, log_rho_unseen = (
        torch.as_tensor(part[rows], device=stage.training.device)
        for rows in (seen, unseen)
        for part in (phases, log_radii)
    )
    for step in range(stage.steps):
        rows = noise.rows(len(seen))
        loss, baseline = matching_loss(network, theta[rows], log_rho[rows], noise, field)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        told = {"stage_1": float(loss.detach() / baseline)}
        if len(unseen) and (step % CHECK_EVERY == 0 or step + 1 == stage.steps):
            same = Noise.seeded(stage)  # the same noise every time, so that the curve is smooth
            with torch.no_grad():
                loss, baseline = matching_loss(network, theta_unseen, log_rho_unseen, same, field)
            told["stage_1_unseen"] = float(loss / baseline)
        tell(step, told)
    return network.network()


def control_phases(phases: Float32, kind: PriorKind, random_state: int) -> Float32:
    """Phases the prior is trained on: the target's, or a falsifier's.

    ``"uniform"`` draws every phase uniformly: nothing to know. ``"shuffled"`` permutes the rows of
    each block on its own: every block keeps its distribution, all that ties blocks to each other
    and to the radii is gone.
    """
    rng = generator(random_state)
    if kind == "target":
        return phases
    if kind == "uniform":
        return rng.uniform(-np.pi, np.pi, phases.shape).astype(np.float32)
    if kind == "shuffled":
        return rng.permuted(phases, axis=0)
    raise ParameterError(f'prior is {kind!r}; choose "target", "uniform" or "shuffled".')
