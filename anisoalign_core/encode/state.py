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
from anisoalign_core.numerics import Float32

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

    def __len__(self) -> int:
        """Images that were looked at."""
        return len(self.rows) + len(self.broken)


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Captions of one batch, and what of them did not fit."""

    vectors: Float32
    unknown: Counter[str]
    cut: int

    def __len__(self) -> int:
        """Captions in it."""
        return len(self.vectors)


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
        return sum(map(len, self.images)), sum(map(len, self.texts))

    def begin(self, items: Sequence[Item], encoder: Encoder, *options: object) -> None:
        """Take up a job, or refuse another one than before."""
        sha = hashlib.sha256(json.dumps(encoder.describe(), sort_keys=True).encode())
        sha.update(repr(options).encode())
        for one in items:
            sha.update(repr((one.id, one.caption, one.open is not None)).encode("utf-8", "replace"))
        if self.job and self.job != sha.hexdigest():
            raise ParameterError(
                "The finished batches are of another job: items, encoder, batch_size or sides "
                "differ. Give the same again, or a new EncodingState."
            )
        self.job = sha.hexdigest()
