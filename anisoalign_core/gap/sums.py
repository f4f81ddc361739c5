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
from typing import Any

import numpy as np

from anisoalign_core.errors import ParameterError, ShapeError, kind_of
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float64, blocks, read_only, tiles
from anisoalign_core.threads import one_thread

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
    """Leave the caller's graph, precision and cores alone: no gradients, no autocast, one thread.

    Rows that are not finite are counted, not warned of.
    """
    if torch is None:
        with np.errstate(all="ignore"), one_thread():
            yield
        return
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        yield


def holds_sums(device: Any) -> bool:
    """Whether sums stay on a device of torch: not on the CPU, nor where there is no float64."""
    return device.type != "cpu" and has_float64(device)


@cache
def has_float64(device: Any) -> bool:
    """Whether a device of torch computes in float64; Apple's does not."""
    import torch

    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def array_of(batch: Any) -> Any:
    """Return an array of what a batch holds, on the CPU; of a tensor there, the same memory."""
    torch = torch_of(batch)
    if torch is None:
        return batch
    batch = batch.detach().cpu()
    plain = (torch.float16, torch.float32, torch.float64)
    return (batch if batch.dtype in plain else batch.to(torch.float64)).numpy()


def matched(target: Any, source: Any) -> tuple[Any, Any]:
    """Return both batches, tensors detached, where they are (n, d) arrays of numbers of one shape.

    Raises
    ------
    ParameterError
        If one is a tensor and one an array, they are on two devices, or one holds anything but
        real numbers.
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
        if target.device != source.device:
            raise ParameterError(
                f"One batch is on {target.device} and the other on {source.device}; give both on "
                "one device."
            )
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


class PairSums:
    """Sums over matched rows: a few each step, (d, d) ones within the window; all in float64.

    Each step: pairs, cosines of partners, norms, and both sums of unit rows. Within the window
    also scatters of x, of y and of x − y, about a centre near their means (the first block's), so
    that a narrow cone keeps its digits. They are held on the device of the batches and no step
    waits for it; batches on the CPU are read as arrays, and those of a device without float64
    come there.

    Parameters
    ----------
    target : (n, d) array or tensor
        One side of a batch, for its dimensions and its device.
    """

    def __init__(self, target: Any) -> None:
        self.dim = int(target.shape[1])
        self._device = _home(target)
        self._torch = None if self._device is None else torch_of(target)
        self._xp: Any = self._torch or np
        self.clear()

    def clear(self) -> None:
        """Begin again with nothing."""
        self._counts = self._zeros(COUNTED)
        self._totals = self._zeros(2, self.dim)
        self._n = self._zeros(1)
        self._centres: Any = None  # (3, d), from the first block of the window on
        self._shifts: Any = None
        self._scatters: Any = None

    def _zeros(self, *shape: int) -> Any:
        if self._torch is None:
            return np.zeros(shape)
        return self._torch.zeros(shape, dtype=self._torch.float64, device=self._device)

    def fits(self, target: Any) -> bool:
        """Whether a batch is where those before were summed."""
        return bool(_home(target) == self._device)

    def add(self, target: Any, source: Any, *, second: bool) -> None:
        """Add a batch that :func:`matched` let in; ``second``: to the (d, d) sums too."""
        if self._torch is None:
            target, source = array_of(target), array_of(source)
        parts = tiles(target) if self._torch is None else blocks(len(target))
        with apart(self._torch, self._device):
            for part in parts:
                self._add(self._wide(target[part]), self._wide(source[part]), second)

    def _wide(self, rows: Any) -> Any:
        if self._torch is None:
            return rows.astype(np.float64)
        return rows.to(self._torch.float64)

    def _add(self, x: Any, y: Any, second: bool) -> None:
        xp, dot = self._xp, self._xp.linalg.vecdot
        norms_x, norms_y = xp.sqrt(dot(x, x)), xp.sqrt(dot(y, y))
        known = xp.isfinite(norms_x * norms_y) & (norms_x > 0) & (norms_y > 0)
        x, y = self._only(known, x), self._only(known, y)
        over_x, over_y = xp.where(known, 1.0 / norms_x, 0.0), xp.where(known, 1.0 / norms_y, 0.0)
        n = known.sum()
        told = (
            n,
            len(known) - n,
            (dot(x, y) * over_x * over_y).sum(),
            xp.where(known, norms_x, 0.0).sum(),
            xp.where(known, norms_y, 0.0).sum(),
        )
        for at, value in enumerate(told):
            self._counts[at] += value
        sums = over_x @ x, over_y @ y
        for at, value in enumerate(sums):
            self._totals[at] += value
        if second:
            x, y = x * over_x[:, None], y * over_y[:, None]
            self._add_second((x, y, x - y), (*sums, sums[0] - sums[1]), known, n)

    def _only(self, known: Any, rows: Any) -> Any:
        """Zeros in place of rows without a direction."""
        if self._torch is None and known.all():
            return rows
        return self._xp.where(known[:, None], rows, 0.0)

    def _add_second(self, rows: tuple[Any, ...], sums: tuple[Any, ...], known: Any, n: Any) -> None:
        """Add a block to the window."""
        if self._scatters is None:
            self._centres, self._shifts = self._zeros(3, self.dim), self._zeros(3, self.dim)
            self._scatters = self._zeros(3, self.dim, self.dim)
            for at, value in enumerate(sums):
                self._centres[at] += value / (n + (n == 0))
        self._n += n
        for at, side in enumerate(rows):
            centred = self._only(known, side - self._centres[at])
            self._shifts[at] += centred.sum(0)
            self._scatters[at] += centred.T @ centred

    def _window(self) -> tuple[Any, Any, Any]:
        """Return pairs, (3, d) means and (3, d, d) centred scatters of the window."""
        if self._scatters is None:
            return self._n, self._zeros(3, self.dim), self._zeros(3, self.dim, self.dim)
        some = self._n + (self._n == 0)
        beyond = self._shifts / some
        between = self._xp.einsum("ki,kj->kij", beyond, self._shifts)
        return self._n, self._centres + beyond, self._scatters - between

    def finished(self) -> Summed:
        """Return the sums on the CPU, those of all ranks where there are several."""
        with apart(self._torch, self._device):
            counts, totals, n, means, scatters = self._merged()
        pairs, rows = round(counts[0]), round(float(n[0]))
        over = pairs or math.nan
        window: list[Moments | None] = [None] * 3
        if rows:
            window = [
                Moments(rows, read_only(mean), read_only(scatter))
                for mean, scatter in zip(means, scatters, strict=True)
            ]
        return Summed(
            n=pairs,
            dropped=round(counts[1]),
            means=totals / over,
            cosine=float(counts[2] / over),
            norms=counts[3:] / over,
            target=window[0],
            source=window[1],
            residual=window[2],
        )

    def _merged(self) -> list[Float64]:
        """Return counts, totals, and the window's pairs, means and scatters, of all ranks.

        Scatters are shifted to the common mean before they are added,
        ``S = Σ_r S_r + n_r (μ_r − μ)(μ_r − μ)ᵀ`` (Chan, Golub & LeVeque 1983), so that a narrow
        cone keeps its digits.
        """
        group, (n, means, scatters) = ranks(), self._window()
        if group is None:
            held = (self._counts, self._totals, n, means, scatters)
            return [_on_cpu(each) for each in held]
        counts, totals, rows, weighted = group.sum(self._counts, self._totals, n, n * means)
        common = weighted / (rows + (rows == 0))
        steps = means - (common if self._torch is None else self._torch.as_tensor(common).to(means))
        between = self._xp.einsum("ki,kj->kij", steps, steps * n)
        (merged,) = group.sum(scatters + between)
        return [counts, totals, rows, common, merged]


def _home(batch: Any) -> Any:
    """Return the device of torch on which a batch's sums are held; None for arrays on the CPU."""
    if torch_of(batch) is None or not holds_sums(batch.device):
        return None
    return batch.device


def _on_cpu(values: Any) -> Float64:
    return np.array(values if isinstance(values, np.ndarray) else values.cpu().numpy())


class Ranks:
    """All processes of an initialised torch.distributed: its default group."""

    def __init__(self, torch: Any) -> None:
        self._torch, self._dist = torch, torch.distributed
        self.count, self.rank = self._dist.get_world_size(), self._dist.get_rank()

    def sum(self, *parts: Any) -> list[Float64]:
        """Sum float64 arrays or tensors over all ranks, in one go; on the CPU."""
        tensors = [self._torch.as_tensor(part) for part in parts]
        together = self._torch.cat([each.ravel() for each in tensors])
        if self._dist.get_backend() == "nccl" and not together.is_cuda:
            together = together.cuda()
        self._dist.all_reduce(together)
        cuts = np.cumsum([each.numel() for each in tensors])[:-1]
        found = np.split(_on_cpu(together), cuts)
        return [one.reshape(each.shape) for one, each in zip(found, tensors, strict=True)]


def ranks() -> Ranks | None:
    """Return the ranks of this process's group; None where it is alone."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available():
        return None
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() < 2:
        return None
    return Ranks(torch)
