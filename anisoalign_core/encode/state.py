"""What is finished of a job of encoding, and how to tell it from another job."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anisoalign_core.encode.encoder import Encoder
from anisoalign_core.encode.inputs import Item
from anisoalign_core.errors import ParameterError
from anisoalign_core.numerics import Float32, Progress

Thumbnails = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Broken:
    """An image that could not be read, and why."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Rows of the items whose images could be read, and what became of them."""

    rows: tuple[int, ...]
    vectors: Float32
    thumbnails: Thumbnails | None
    broken: tuple[Broken, ...]


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Captions of one batch, and what of them did not fit."""

    vectors: Float32
    unknown: Counter[str]
    cut: int


@dataclass
class EncodingState:
    """Finished batches of a job: hand the same object to :func:`encode` again, and it goes on.

    It is filled in place. The next call has to be for the same items, encoder and options.
    """

    job: str = field(default="", repr=False)
    images: list[ImageBatch] = field(default_factory=list, repr=False)
    texts: list[TextBatch] = field(default_factory=list, repr=False)

    @property
    def batches(self) -> int:
        """How many batches are finished."""
        return len(self.images) + len(self.texts)

    @property
    def done(self) -> tuple[int, int]:
        """How many images and how many captions are in them."""
        images = sum(len(batch.rows) + len(batch.broken) for batch in self.images)
        return images, sum(len(batch.vectors) for batch in self.texts)

    def begin(self, job: str) -> None:
        """Take up a job, or refuse another one than before.

        Raises
        ------
        ParameterError
        """
        if self.job and self.job != job:
            raise ParameterError(
                "The finished batches are of another job: items, encoder, batch_size or sides "
                "differ. Give the same again, or a new EncodingState."
            )
        self.job = job


def fingerprint(items: Sequence[Item], encoder: Encoder, *options: object) -> str:
    """Return what tells one job from another: the encoder, the options, and all items."""
    sha = hashlib.sha256(json.dumps(encoder.describe(), sort_keys=True).encode())
    sha.update(repr(options).encode())
    for one in items:
        sha.update(repr((one.id, one.caption, one.open is not None)).encode("utf-8", "replace"))
    return sha.hexdigest()


@dataclass
class Report:
    """Tell how many rows of all are done, those of earlier calls included."""

    progress: Progress | None
    images: int
    texts: int
    images_done: int
    texts_done: int

    def add(self, images: int = 0, texts: int = 0) -> None:
        """Say that so many images or captions more are done."""
        self.images_done += images
        self.texts_done += texts
        if self.progress is None:
            return
        fraction = (self.images_done + self.texts_done) / (self.images + self.texts)
        done, of, what = (
            (self.images_done, self.images, "images")
            if images
            else (self.texts_done, self.texts, "captions")
        )
        self.progress(fraction, f"{done:,} of {of:,} {what}")
