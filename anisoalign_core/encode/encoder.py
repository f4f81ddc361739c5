"""A model that turns images, captions or sounds into embeddings, ready to be used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from anisoalign_core.encode.audio import Clip
from anisoalign_core.encode.tokenizers import Tokenizer, Tokens
from anisoalign_core.errors import AnisoAlignError, ParameterError, ShapeError
from anisoalign_core.numerics import Float32, row_norms, unit_rows
from anisoalign_core.rows import as_real_matrix, valid_norms

if TYPE_CHECKING:
    from PIL.Image import Image

_ONE_AT_A_TIME = threading.Lock()
"""Held while a batch is on a card, whose memory is for one, or in code that knows no threads."""
Tower = Callable[[Any], npt.ArrayLike]
"""From n prepared things to n rows, of any length."""


def as_it_is(image: Image) -> Image:
    """Return an image, for models that prepare it themselves."""
    return image


class Encodes(Protocol):
    """What :func:`~anisoalign_core.encode.encode` needs of a model; :class:`Encoder` has it.

    Rows may be of any length and type that :func:`anisoalign_core.rows.admit` takes; they are put
    on the unit sphere, and zeros and NaN refused, by whoever asks. A model of one side raises any
    error on the other. One that hears has ``encode_audio``, of a list of
    :class:`~anisoalign_core.encode.audio.Clip`, too.
    """

    @property
    def name(self) -> str:
        """What to call it in messages."""
        ...

    @property
    def dim(self) -> int:
        """Dimensions d of its embeddings."""
        ...

    @property
    def summary(self) -> str:
        """One line for the provenance of a set: which model, which weights."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return everything that the embeddings depend on, fit for JSON."""
        ...

    def encode_images(self, images: Sequence[Image], /) -> npt.ArrayLike:
        """Return (n, d) rows of n images, red, green and blue."""
        ...

    def encode_texts(self, texts: Sequence[str], /) -> npt.ArrayLike:
        """Return (n, d) rows of n captions."""
        ...


@dataclass(frozen=True, eq=False)
class Encoder:
    """Images, captions and sounds to unit rows.

    Build one with :func:`~anisoalign_core.encode.load_encoder`, or of functions with
    :func:`~anisoalign_core.encode.from_callables`.

    Attributes
    ----------
    name : str
        Architecture and weights in a few words.
    dim : int
        Dimensions d of its embeddings.
    model : object
        A torch module on ``device``, in evaluation mode, or whatever the towers call.
    tokenizer : Tokenizer or None
        From captions to what the text tower reads; None where captions are not encoded.
    transform : callable or None
        From a PIL image to what the image tower takes many of; None where images are not encoded.
    device : str
    precision : {"fp32", "fp16", "bf16", ""}
        Of the products inside the model; weights are held in float32, and so are the results.
        Empty where it is not known.
    about : mapping
        What :meth:`describe` tells of backend, architecture, weights and preprocessing.
    towers : mapping
        By ``"image"``, ``"caption"`` and ``"sound"``: from prepared things to rows.
    listen : callable or None
        From a clip of sound to what the tower of sounds takes many of.
    logit_scale, logit_bias : float or None
        Of the logits ``s · cos(x, y) + b`` that the model was trained with: the inverse temperature
        s, as a factor and not its logarithm, and b. None where the model has none, or its weights
        do not say.
    side_by_side : bool
        Whether several batches may be in a tower at the same time.
    """

    name: str
    dim: int
    model: Any
    tokenizer: Tokenizer | None
    transform: Callable[[Image], Any] | None
    device: str
    precision: str
    about: Mapping[str, Any]
    towers: Mapping[str, Tower] = field(default_factory=dict)
    listen: Callable[[Clip], Any] | None = None
    logit_scale: float | None = None
    logit_bias: float | None = None
    side_by_side: bool = False

    def describe(self) -> dict[str, Any]:
        """Return everything that the embeddings depend on, as it goes into JSON.

        Returns
        -------
        dict
            ``name``, ``backend``, ``architecture``, ``weights`` (tag, file and its XXH3-128
            digest), ``dimensions``, ``parameters``, ``preprocess``, ``tokenizer``, ``precision``,
            ``device``, ``versions``, and ``logit_scale`` and ``logit_bias`` where there are such.
        """
        logits = {"logit_scale": self.logit_scale, "logit_bias": self.logit_bias}
        return {
            "name": self.name,
            **self.about,
            "dimensions": self.dim,
            "tokenizer": None if self.tokenizer is None else self.tokenizer.name,
            "precision": self.precision,
            "device": self.device,
            **{key: value for key, value in logits.items() if value is not None},
        }

    @property
    def summary(self) -> str:
        """One line for the provenance of a set: name, weights, image size, precision."""
        said, weights = [], self.about.get("weights", {})
        if digest := weights.get("digest"):
            under = weights.get("under")
            said.append(f"weights {digest[:8]}" + (f' under "{under}"' if under else ""))
        if size := self.about.get("preprocess", {}).get("size"):
            height, width = size
            said.append(f"{height} px" if height == width else f"{height} × {width} px")
        said += [self.precision] if self.precision else []
        return f"{self.name} ({', '.join(said)})" if said else self.name

    def needs(self, what: str) -> Tower:
        """Return a tower, or say that there is none.

        Parameters
        ----------
        what : {"image", "caption", "sound"}

        Raises
        ------
        ParameterError
        """
        tower = self.towers.get(what)
        if tower is not None:
            return tower
        if what == "caption" and self.about.get("backend") != "python":
            raise ParameterError(
                f"{self.name} was loaded for images alone. Load it with texts=True for captions, "
                "or choose a model that reads them."
            )
        raise ParameterError(f"{self.name} encodes no {what}s. Choose a model that does.")

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
        ParameterError
            If the model encodes no images.
        ShapeError
            If what comes out has another shape than (n, d).
        AnisoAlignError
            If the device has too little memory, or a row comes out zero or not finite.
        """
        self.needs("image")
        assert self.transform is not None  # noqa: S101  (narrows: towers bring it)
        return self.encode_pixels([self.transform(image) for image in images])

    def encode_pixels(self, pixels: Sequence[Any]) -> Float32:
        """Encode images that ``transform`` has prepared already; otherwise as `encode_images`."""
        return self._encoded(list(pixels), len(pixels), "image")

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """Encode captions as one batch: (n, d) float32 unit rows.

        Raises
        ------
        ParameterError, ShapeError, AnisoAlignError
            As :meth:`encode_images`.
        """
        return self.encode_tokens(self.tokens_of(texts))

    def tokens_of(self, texts: Sequence[str]) -> Tokens:
        """Return captions as what the text tower reads.

        Raises
        ------
        ParameterError
            If the encoder was loaded for images alone.
        """
        self.needs("caption")
        assert self.tokenizer is not None  # noqa: S101  (narrows: towers bring it)
        return self.tokenizer(texts)

    def encode_tokens(self, tokens: Tokens) -> Float32:
        """Encode captions that the tokenizer has read already; otherwise as `encode_texts`."""
        return self._encoded(tokens, len(tokens.ids), "caption")

    def encode_audio(self, clips: Sequence[Clip]) -> Float32:
        """Encode sounds as one batch: (n, d) float32 unit rows.

        Parameters
        ----------
        clips : sequence of n Clip or (samples, rate)
            Samples of shape (m,), or (m, channels), whose mean is heard; rate in Hz.

        Raises
        ------
        ParameterError, ShapeError, AnisoAlignError
            As :meth:`encode_images`.
        """
        self.needs("sound")
        assert self.listen is not None  # noqa: S101  (narrows: towers bring it)
        heard = [self.listen(Clip(*clip)) for clip in clips]
        return self._encoded(heard, len(heard), "sound")

    def _encoded(self, batch: Any, n: int, what: str) -> Float32:
        """Return what a tower makes of n things as unit rows: the gate of every backend."""
        tower = self.needs(what)
        if not n:
            return np.empty((0, self.dim), dtype=np.float32)
        try:
            with nullcontext() if self.side_by_side else _ONE_AT_A_TIME:
                given = tower(batch)
        except RuntimeError as error:
            if type(error).__name__ != "OutOfMemoryError":
                raise
            raise AnisoAlignError(
                f"{self.device} has too little memory for a batch of {n} with "
                f"{self.name}. Choose a smaller batch_size (--batch-size)."
            ) from error
        found = as_real_matrix(given, f"What {self.name} made of {n} {what}s")
        if found.shape != (n, self.dim):
            raise ShapeError(
                f"{self.name} made {len(found)} rows of {found.shape[1]} dimensions of {n} {what}s;"
                f" it should make one of {self.dim} of each. Choose another model, or pool its "
                "output."
            )
        norms = row_norms(found)
        bad = int((~valid_norms(norms)).sum())
        if bad:
            hint = (
                "Choose the precision bf16 or fp32."
                if self.precision == "fp16"
                else "Check that the weights are whole and belong to this architecture."
            )
            raise AnisoAlignError(
                f"{self.name} gave no direction for {bad} of {n} {what}s of a batch: "
                f"zeros, NaN or Inf. {hint}"
            )
        return unit_rows(found, norms)
