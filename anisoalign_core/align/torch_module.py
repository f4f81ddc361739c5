"""A fitted affine map as a ``torch.nn.Module``; torch is imported when this is first called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.matrices import SpanMatrix

if TYPE_CHECKING:
    from anisoalign_core.align.affine import AffineMap


def affine_module(affine: AffineMap) -> Any:
    """Return ``Norm(Norm(μ_t + A (Norm(y) − μ_s)) + c)`` as a scriptable module.

    Parameters
    ----------
    affine : AffineMap

    Returns
    -------
    torch.nn.Module
        ``forward`` takes a floating tensor (n, d) on the module's device and returns unit rows
        in the module's dtype.
    """
    import torch

    class AffineCorrection(torch.nn.Module):
        """A bounded affine correction followed by projection to the unit sphere."""

        if TYPE_CHECKING:  # for mypy only: the script compiler cannot read these
            source_mean: torch.Tensor
            linear_transposed: torch.Tensor
            span: torch.Tensor
            beyond: torch.Tensor
            target_mean: torch.Tensor
            recentring: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            d = len(affine.source_mean)
            linear = affine.linear
            self.on_span = isinstance(linear, SpanMatrix)
            self.level = 0.0
            full, (span, beyond) = np.zeros((0, 0)), (np.zeros((0, 0), dtype=np.float32),) * 2
            if isinstance(linear, SpanMatrix):
                self.level = linear.level
                span, beyond = linear.row_factors
            else:
                full = linear if linear.ndim == 2 else np.diag(np.broadcast_to(linear, (d,)))
            zero = np.zeros(d)
            recentring = zero if affine.recentring is None else affine.recentring
            self.recentred = affine.recentring is not None
            for name, value in (
                ("source_mean", affine.source_mean),
                ("linear_transposed", full.T),
                ("span", span),
                ("beyond", beyond),
                ("target_mean", affine.target_mean),
                ("recentring", recentring),
            ):
                tensor = torch.tensor(np.array(value), dtype=torch.float32)
                self.register_buffer(name, tensor, persistent=tensor.numel() > 0)

        def __reduce__(self) -> tuple[Any, ...]:
            return _again, (affine, self.state_dict())

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            rows = torch.nn.functional.normalize(rows.to(self.source_mean.dtype), dim=-1)
            centred = rows - self.source_mean
            if self.on_span:
                mapped = self.level * centred + (centred @ self.span) @ self.beyond
            else:
                mapped = centred @ self.linear_transposed
            mapped = mapped + self.target_mean
            mapped = torch.nn.functional.normalize(mapped, dim=-1)
            if self.recentred:
                mapped = torch.nn.functional.normalize(mapped + self.recentring, dim=-1)
            return mapped

    return AffineCorrection().eval()


def _again(affine: AffineMap, state: dict[str, Any]) -> Any:
    """Build a module again from its pickle, with the buffers, dtype and device that it had."""
    like = state["source_mean"]
    module = affine_module(affine).to(like.device, like.dtype)
    module.load_state_dict(state)
    return module
