"""A model that turns images and captions into embeddings, ready to be used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anisoalign_core.encode.tokenizers import Tokenizer, Tokens
from anisoalign_core.errors import AnisoAlignError, ParameterError
from anisoalign_core.files.source import first_line, printable
from anisoalign_core.numerics import Float32, row_norms, unit_rows
from anisoalign_core.rows import valid_norms

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PRECISIONS = ("fp32", "fp16", "bf16")
_ONE_AT_A_TIME = threading.Lock()
"""Held while a batch is on a card: its memory is for one."""


@dataclass(frozen=True, eq=False)
class Encoder:
    """Images and captions to unit rows; build one with :func:`load_encoder`.

    Attributes
    ----------
    name : str
        Architecture and weights in a few words.
    dim : int
        Dimensions d of its embeddings.
    model : torch.nn.Module
        On ``device``, in evaluation mode.
    tokenizer : Tokenizer or None
        None where only images are encoded.
    transform : callable
        From a PIL image to the (3, height, width) tensor that the model takes.
    device : str
    precision : {"fp32", "fp16", "bf16"}
        Of the products inside the model; weights are held in float32, and so are the results.
    about : mapping
        What :meth:`describe` tells of architecture, weights and preprocessing.
    """

    name: str
    dim: int
    model: Any
    tokenizer: Tokenizer | None
    transform: Callable[[Image], torch.Tensor]
    device: str
    precision: str
    about: Mapping[str, Any]

    def describe(self) -> dict[str, Any]:
        """Return everything that the embeddings depend on, as it goes into JSON.

        Returns
        -------
        dict
            ``name``, ``architecture``, ``weights`` (tag, file and its XXH3-128 digest),
            ``dimensions``, ``parameters``, ``preprocess``, ``tokenizer``, ``precision``,
            ``device``, ``versions``.
        """
        return {
            "name": self.name,
            **self.about,
            "dimensions": self.dim,
            "tokenizer": None if self.tokenizer is None else self.tokenizer.name,
            "precision": self.precision,
            "device": self.device,
        }

    @property
    def summary(self) -> str:
        """One line for the provenance of a set: name, weights, image size, precision."""
        height, width = self.about["preprocess"]["size"]
        digest = self.about["weights"]["digest"][:8]
        pixels = f"{height} px" if height == width else f"{height} × {width} px"
        under = self.about["weights"].get("under")
        weights = f"weights {digest}" + (f' under "{under}"' if under else "")
        return f"{self.name} ({weights}, {pixels}, {self.precision})"

    def encode_images(self, images: Sequence[Image]) -> Float32:
        """Encode images as one batch.

        Parameters
        ----------
        images : sequence of n PIL images
            Of any size; red, green and blue.

        Returns
        -------
        (n, d) float32
            Unit rows: ``f(x) / ‖f(x)‖``.

        Raises
        ------
        AnisoAlignError
            If the device has too little memory, or a row comes out zero or not finite.
        """
        return self.encode_pixels([self.transform(image) for image in images])

    def encode_pixels(self, pixels: Sequence[torch.Tensor]) -> Float32:
        """Encode images that ``transform`` has prepared already; otherwise as `encode_images`."""
        import torch

        batch = torch.stack(list(pixels)) if pixels else torch.empty(0)
        return self._encoded(self.model.encode_image, batch, "image")

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """Encode captions as one batch: (n, d) float32 unit rows.

        Raises
        ------
        AnisoAlignError
            As :meth:`encode_images`.
        """
        return self.encode_tokens(self.tokens_of(texts))

    def tokens_of(self, texts: Sequence[str]) -> Tokens:
        """Return captions as the numbers that the text tower reads.

        Raises
        ------
        ParameterError
            If the encoder was loaded for images alone.
        """
        if self.tokenizer is None:
            raise ParameterError(
                f"{self.name} was loaded for images alone. Load it with texts=True for captions."
            )
        return self.tokenizer(texts)

    def encode_tokens(self, tokens: Tokens) -> Float32:
        """Encode captions that the tokenizer has read already; otherwise as `encode_texts`."""
        import torch

        return self._encoded(self.model.encode_text, torch.from_numpy(tokens.ids), "caption")

    def _encoded(self, tower: Callable[..., Any], batch: torch.Tensor, what: str) -> Float32:
        import torch

        if not len(batch):
            return np.empty((0, self.dim), dtype=np.float32)
        kind, cast = self.device.partition(":")[0], _torch_type(self.precision)
        try:
            with (
                nullcontext() if kind == "cpu" else _ONE_AT_A_TIME,
                torch.inference_mode(),
                torch.autocast(kind, dtype=cast, enabled=cast != torch.float32),
            ):
                rows = tower(batch.to(self.device))
        except torch.cuda.OutOfMemoryError as error:
            raise AnisoAlignError(
                f"{self.device} has too little memory for a batch of {len(batch)} with "
                f"{self.name}. Choose a smaller batch_size (--batch-size)."
            ) from error
        rows = rows[0] if isinstance(rows, tuple) else rows  # some towers give their tokens too
        found = rows.float().cpu().numpy()
        norms = row_norms(found)
        bad = int((~valid_norms(norms)).sum())
        if bad:
            hint = (
                "Choose the precision bf16 or fp32."
                if self.precision == "fp16"
                else "Check that the weights are whole and belong to this architecture."
            )
            raise AnisoAlignError(
                f"{self.name} gave no direction for {bad} of {len(found)} {what}s of a batch: "
                f"zeros, NaN or Inf. {hint}"
            )
        return unit_rows(found, norms)


def check_device(device: str) -> None:
    """Refuse a device that is not there: ``cpu``, ``cuda``, ``cuda:1``, …, or ``mps``."""
    import torch

    kind, colon, number = device.partition(":")
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind not in there or (colon and (kind == "cpu" or not number.isdecimal())):
        raise ParameterError(
            f'device is "{printable(device, 40)}"; choose cpu, cuda, cuda:1 (a card by number) or '
            "mps."
        )
    if not there[kind]:
        names = ", ".join(name for name, found in there.items() if found)
        raise ParameterError(
            f"PyTorch {torch.__version__} finds no {kind} device here; there is: {names}. Choose "
            "one of these, or install PyTorch for that device."
        )
    if colon and kind == "cuda" and int(number) >= torch.cuda.device_count():
        raise ParameterError(
            f"device is {device}, and this machine has {torch.cuda.device_count()} card(s), "
            "counted from 0."
        )


def check_precision(precision: str, device: str) -> None:
    """Refuse a precision that the device does not compute with: a small product is tried."""
    import torch

    if precision not in PRECISIONS:
        raise ParameterError(
            f'precision is "{printable(precision, 40)}"; choose {", ".join(PRECISIONS)}.'
        )
    cast = _torch_type(precision)
    if cast == torch.float32:
        return
    try:
        ones = torch.ones(8, 8, device=device)
        with torch.autocast(device.partition(":")[0], dtype=cast):
            found = torch.nn.functional.linear(ones, ones)
        reason = "" if found.dtype == cast else "it computes in float32 instead"
    except (RuntimeError, ValueError, TypeError) as error:
        reason = first_line(error)
    if reason:
        raise ParameterError(
            f"{precision} does not work on {device} with PyTorch {torch.__version__} ({reason}). "
            "Choose another precision or device; fp32 works on all."
        )


def _torch_type(precision: str) -> torch.dtype:
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
