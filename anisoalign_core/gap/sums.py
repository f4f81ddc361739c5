"""Sums over the batches of a training run, held where the batches are: on the device, in float64.

One set of formulas serves NumPy arrays and torch tensors: what both libraries have by one name.
torch is never imported here; who gives tensors has loaded it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError, kind_of
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float64, blocks, read_only

SIDES = ("target", "source", "residual")
COUNTED = 5
"""Rows summed, rows dropped, and sums of cosines and of both sides' norms."""


@dataclass(frozen=True, eq=False)
class Summed:
    """What the batches since the last row come to, on the CPU.

    Attributes
    ----------
    n, dropped : int
        Pairs that were summed, and pairs left out because a row had no direction.
    means : (2, d) float64
        Of target and source unit rows.
    cosine : float
        Mean cosine of partners.
    norms : (2,) float64
        Mean norm of target and source rows before they were normalised.
    residual, target, source : Moments or None
        Of the window: of unit rows and of ``x − y``; None without a row in it.
    """

    n: int
    dropped: int
    means: Float64
    cosine: float
    norms: Float64
    target: Moments | None
    source: Moments | None
    residual: Moments | None


def torch_of(*batches: Any) -> Any:
    """Return torch where any of the batches is a tensor, else None; nothing is imported."""
    torch = sys.modules.get("torch")
    if torch is None or not any(isinstance(batch, torch.Tensor) for batch in batches):
        return None
    return torch


@contextmanager
def apart(torch: Any, device: Any) -> Iterator[None]:
    """Leave the caller's graph and precision alone: no gradients, no autocast."""
    if torch is None:
        with np.errstate(all="ignore"):  # rows that are not finite are counted, not warned of
            yield
        return
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        yield


@cache
def has_float64(device: Any) -> bool:
    """Whether a device of torch computes in float64; Apple's does not."""
    import torch

    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def matched(target: Any, source: Any) -> tuple[Any, Any]:
    """Return both batches, tensors detached, where they are (n, d) arrays of numbers of one shape.

    Raises
    ------
    ParameterError
        If one is a tensor and one an array, or one holds anything but real numbers.
    ShapeError
        If they are not two axes each, or differ in shape.
    """
    torch = torch_of(target, source)
    if torch is None:
        target, source = np.asarray(target), np.asarray(source)
        wrong = [each.dtype for each in (target, source) if each.dtype.kind not in "fiu"]
    else:
        for each in (target, source):
            if not isinstance(each, torch.Tensor):
                raise ParameterError(
                    f"One batch is a tensor and the other {kind_of(each)}; give two tensors."
                )
        target, source = target.detach(), source.detach()
        wrong = [each.dtype for each in (target, source) if each.dtype.is_complex]
        wrong += [each.dtype for each in (target, source) if each.dtype == torch.bool]
    if wrong:
        raise ParameterError(f"A batch holds {wrong[0]}, not real numbers; give feature rows.")
    shapes = tuple(target.shape), tuple(source.shape)
    if shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][1] < 2:
        raise ShapeError(
            f"The batches have shapes {shapes[0]} and {shapes[1]}; row i of one is the partner of "
            "row i of the other, so both are (rows, dimensions) with at least 2 dimensions."
        )
    return target, source


def unit(batch: Any, torch: Any) -> tuple[Any, Any]:
    """Rows in float64 over their norms, and the norms: not finite or 0 where there is no direction.

    ``x / ‖x‖`` of (n, d) rows.
    """
    rows = np.asarray(batch, dtype=np.float64) if torch is None else batch.to(torch.float64)
    norms = (torch or np).sqrt((torch or np).linalg.vecdot(rows, rows))
    return rows / norms[:, None], norms


class PairSums:
    """Sums over matched rows: a few each step, (d, d) ones within the window.

    Each step: pairs, cosines of partners, norms, and both sums of unit rows. Within the window
    also the centred scatters of x, of y and of x − y, merged batch by batch with the pairwise
    update of Chan, Golub & LeVeque (1983). All of it is float64, on the device of the batches; on
    a device without float64 the batches come to the CPU. No step waits for the device.

    Parameters
    ----------
    target, source : (n, d) arrays or tensors
        A batch, for its dimensions and its device.
    """

    def __init__(self, target: Any, source: Any) -> None:
        self._torch = torch = torch_of(target, source)
        self.dim = int(target.shape[1])
        if torch is None:
            self._xp: Any = np
            self._home: dict[str, Any] = {"dtype": np.float64}
        else:
            at = target.device if has_float64(target.device) else torch.device("cpu")
            self._xp, self._home = torch, {"dtype": torch.float64, "device": at}
        self.clear()

    def clear(self) -> None:
        """Begin again with nothing."""
        self._counts = self._zeros(COUNTED)
        self._totals = self._zeros(2, self.dim)
        self._n = self._zeros(1)
        self._means = self._zeros(3, self.dim)
        self._scatters: Any = None  # (3, d, d), from the first step of the window on

    def _zeros(self, *shape: int) -> Any:
        return self._xp.zeros(shape, **self._home)

    def fits(self, target: Any) -> bool:
        """Whether a batch is of the kind, and on the device, of those before."""
        torch = torch_of(target)
        return torch is self._torch and (
            torch is None or self._home["device"] == target.device or not has_float64(target.device)
        )

    def add(self, target: Any, source: Any, *, second: bool) -> None:
        """Add a batch that :func:`matched` let in; ``second``: to the (d, d) sums too."""
        with apart(self._torch, self._home.get("device")):
            for part in blocks(len(target)):
                self._add(target[part], source[part], second)

    def _add(self, target: Any, source: Any, second: bool) -> None:
        xp = self._xp
        if self._torch is not None:
            target, source = (each.to(self._home["device"]) for each in (target, source))
        (x, norms_x), (y, norms_y) = unit(target, self._torch), unit(source, self._torch)
        lengths = norms_x * norms_y
        known = xp.isfinite(lengths) & (norms_x > 0) & (norms_y > 0)
        x, y = (xp.where(known[:, None], each, 0.0) for each in (x, y))
        n = known.sum()
        told = (
            n,
            len(known) - n,
            xp.linalg.vecdot(x, y).sum(),
            xp.where(known, norms_x, 0.0).sum(),
            xp.where(known, norms_y, 0.0).sum(),
        )
        for at, value in enumerate(told):
            self._counts[at] += value
        sums = x.sum(0), y.sum(0)
        for at, value in enumerate(sums):
            self._totals[at] += value
        if second:
            self._merge((x, y, x - y), (*sums, sums[0] - sums[1]), known[:, None], n)

    def _merge(self, rows: tuple[Any, ...], sums: tuple[Any, ...], known: Any, n: Any) -> None:
        """Merge a block into the moments of the window."""
        xp = self._xp
        if self._scatters is None:
            self._scatters = self._zeros(len(SIDES), self.dim, self.dim)
        share = n / xp.maximum(
            self._n + n, xp.ones_like(self._n)
        )  # of the block; 0 of an empty one
        some = xp.maximum(n * xp.ones_like(self._n), xp.ones_like(self._n))
        for at in range(len(SIDES)):
            own = sums[at] / some
            centred = (rows[at] - own) * known
            step = own - self._means[at]
            self._scatters[at] += centred.T @ centred
            self._scatters[at] += xp.outer(step, step * (self._n * share))
            self._means[at] += step * share
        self._n = self._n + n

    def finished(self) -> Summed:
        """Return the sums on the CPU, those of all ranks where there are several."""
        with apart(self._torch, self._home.get("device")):
            return self._finished()

    def _finished(self) -> Summed:
        counts, totals, n, means, scatters = self._merged()
        summed = counts[0]
        window: list[Moments | None] = [None] * len(SIDES)
        if scatters is not None and n >= 1:
            window = [
                Moments(round(n), read_only(mean), read_only(scatter))
                for mean, scatter in zip(means, scatters, strict=True)
            ]
        over = summed if summed > 0 else math.nan
        return Summed(
            n=round(summed),
            dropped=round(counts[1]),
            means=totals / over,
            cosine=float(counts[2] / over),
            norms=counts[3:] / over,
            target=window[0],
            source=window[1],
            residual=window[2],
        )

    def _merged(self) -> tuple[Float64, Float64, float, Float64, Float64 | None]:
        """Return counts, totals, and the window's rows, means and scatters of all ranks.

        Sums of unit rows in float64 keep their digits. Scatters are shifted to the common mean
        before they are added, ``S = Σ_r S_r + n_r (μ_r − μ)(μ_r − μ)ᵀ``, so that a narrow cone
        keeps its own.
        """
        group = ranks()
        sizes = (COUNTED, 2 * self.dim, 1, 3 * self.dim)
        if group is None:
            held = (self._counts, self._totals, self._n, self._means)
            counts, totals, n, means = (_on_cpu(each) for each in held)
            scatters = None if self._scatters is None else _on_cpu(self._scatters)
            return counts, totals, float(n[0]), means, scatters
        first = group.sum(
            *(self._counts, self._totals.ravel(), self._n, (self._n * self._means).ravel())
        )
        cuts = np.cumsum((0, *sizes))
        counts, totals, n, weighted = (first[start:stop] for start, stop in pairwise(cuts))
        means = weighted.reshape(3, -1) / max(float(n[0]), 1.0)
        steps = _on_cpu(self._means) - means
        own = float(_on_cpu(self._n)[0])
        scatters = self._zeros(3, self.dim, self.dim) if self._scatters is None else self._scatters
        lifted = [
            scatter + self._like(own * np.outer(step, step))
            for scatter, step in zip(scatters, steps, strict=True)
        ]
        merged = group.sum(*(each.ravel() for each in lifted))
        return (
            counts,
            totals.reshape(2, -1),
            float(n[0]),
            means,
            merged.reshape(3, self.dim, self.dim),
        )

    def _like(self, array: Float64) -> Any:
        return array if self._torch is None else self._torch.as_tensor(array, **self._home)


def _on_cpu(values: Any) -> Float64:
    return np.array(values if isinstance(values, np.ndarray) else values.cpu().numpy())


class Ranks:
    """All processes of an initialised torch.distributed: its default group."""

    def __init__(self, torch: Any) -> None:
        self._torch, self._dist = torch, torch.distributed
        self.count, self.rank = self._dist.get_world_size(), self._dist.get_rank()

    def sum(self, *parts: Any) -> Float64:
        """Sum flat float64 arrays or tensors over all ranks, end to end; on the CPU."""
        tensors = [self._torch.as_tensor(part) for part in parts]
        together = self._torch.cat(tensors)
        if self._dist.get_backend() == "nccl" and not together.is_cuda:
            together = together.cuda()
        self._dist.all_reduce(together)
        return _on_cpu(together)


def ranks() -> Ranks | None:
    """Return the ranks of this process's group; None where it is alone."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available():
        return None
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() < 2:
        return None
    return Ranks(torch)
