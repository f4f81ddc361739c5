"""A small multilayer perceptron: trained in torch, kept and applied in numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from anisoalign_core.errors import ShapeError
from anisoalign_core.numerics import Float32, Integers, generator


@dataclass(frozen=True, eq=False)
class Network:
    """Layers with SiLU between them, inputs standardised first.

    Attributes
    ----------
    sizes : (L + 1,) int
        Width of the input, of each hidden layer, and of the output.
    values : (p,) float32
        Weights (out, in) and biases (out,) of each layer, one after the other.
    shift, scale : (sizes[0],) float32
        The input is ``(u − shift) / scale``.
    """

    sizes: Integers
    values: Float32
    shift: Float32
    scale: Float32

    def __post_init__(self) -> None:
        """Refuse values that do not fill the layers, as a damaged file may hold."""
        sizes = [int(size) for size in self.sizes]
        wanted = sum(o * (i + 1) for i, o in pairwise(sizes))
        entry = (sizes[0],) if sizes else ()
        if len(sizes) < 2 or self.values.shape != (wanted,) or self.shift.shape != entry:
            raise ShapeError("The layers of a network do not fit together.")

    @property
    def layers(self) -> list[tuple[Float32, Float32]]:
        """Weights (out, in) and biases (out,) as views of :attr:`values`."""
        found, at = [], 0
        for i, o in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            weight = self.values[at : at + i * o].reshape(o, i)
            found.append((weight, self.values[at + i * o : at + i * o + o]))
            at += i * o + o
        return found

    def __call__(self, inputs: Float32) -> Float32:
        """Apply the network to (n, sizes[0]) rows, in numpy."""
        hidden = (inputs - self.shift) / self.scale
        *inner, (weight, bias) = self.layers
        for inner_weight, inner_bias in inner:
            hidden = hidden @ inner_weight.T + inner_bias
            with np.errstate(over="ignore"):  # exp(−u) = inf gives the right limit, 0
                hidden = hidden / (1 + np.exp(-hidden))
        return np.asarray(hidden @ weight.T + bias, dtype=np.float32)

    def to_torch(self, device: str) -> Trainable:
        """Return a copy that torch can train."""
        import torch

        parts: list[Any] = []
        for weight, bias in self.layers:
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], device=device)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight.copy()))
                layer.bias.copy_(torch.from_numpy(bias.copy()))
            parts += [layer, torch.nn.SiLU()]
        shift, scale = (torch.from_numpy(v.copy()).to(device) for v in (self.shift, self.scale))
        return Trainable(self, torch.nn.Sequential(*parts[:-1]), shift, scale)

    @classmethod
    def fresh(
        cls,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        shift: Float32,
        scale: Float32,
        last_is_zero: bool,
        random_state: int,
    ) -> Network:
        """Two hidden layers with uniform weights within ``±1/√fan-in``.

        ``last_is_zero`` starts the network at zero everywhere.
        """
        rng = generator(random_state)
        sizes = (inputs, hidden, hidden, outputs)
        flat = []
        for layer, (i, o) in enumerate(pairwise(sizes)):
            drawn = rng.uniform(-1, 1, o * (i + 1)) / np.sqrt(i)
            flat.append(drawn * (not (last_is_zero and layer == 2)))
        return cls(
            np.array(sizes, dtype=np.intp),
            np.concatenate(flat).astype(np.float32),
            np.asarray(shift, dtype=np.float32),
            np.maximum(np.asarray(scale, dtype=np.float32), np.float32(1e-6)),
        )


@dataclass(frozen=True, eq=False)
class Trainable:
    """A :class:`Network` as torch layers that work on standardised inputs."""

    origin: Network
    layers: Any
    shift: Any
    scale: Any

    def __call__(self, inputs: Any) -> Any:
        """Apply the layers to an (n, sizes[0]) tensor."""
        return self.layers((inputs - self.shift) / self.scale)

    def network(self) -> Network:
        """Return the layers as they are now, for numpy."""
        flat = [
            part.detach().cpu().numpy().astype(np.float32).ravel()
            for layer in self.layers
            if hasattr(layer, "weight")
            for part in (layer.weight, layer.bias)
        ]
        return replace(self.origin, values=np.concatenate(flat))
