"""What is finished of a job of encoding, and the two sets of embeddings that come of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.encode.encoder import Encoder
from anisoalign_core.encode.inputs import Item
from anisoalign_core.errors import ParameterError
from anisoalign_core.files.source import printable
from anisoalign_core.numerics import Float32
from anisoalign_core.pairs import EmbeddingPair

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


@dataclass(frozen=True, eq=False)
class Encoded:
    """Embeddings of images and captions, and what is not among them.

    Attributes
    ----------
    images, texts : EmbeddingSet or None
        None where nothing was to be encoded. Rows that share an id belong together; where each
        image has one caption, they are in the same order, unless ``paired=False`` was asked for.
    broken : tuple of Broken
        Images that could not be read.
    left_out : tuple of str
        Ids whose partner is missing or broken.
    notes : tuple of str
        Sentences about captions that were cut or have unknown words.
    encoder : dict
        :meth:`Encoder.describe`.
    """

    images: EmbeddingSet | None
    texts: EmbeddingSet | None
    broken: tuple[Broken, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    encoder: dict[str, Any] = field(default_factory=dict)

    def pair(self) -> EmbeddingPair:
        """Return captions (source) and images (target) as a pair, joined by id if need be.

        Raises
        ------
        ParameterError
            If one side was not encoded.
        JoinError
            If no id occurs on both sides.
        """
        if self.images is None or self.texts is None:
            raise ParameterError("Only one side was encoded, so there is no pair of them.")
        if np.array_equal(self.images.ids, self.texts.ids):
            return EmbeddingPair(source=self.texts, target=self.images, paired=True)
        return EmbeddingPair.join(self.texts, self.images)


def assemble(
    items: Sequence[Item],
    encoder: Encoder,
    state: EncodingState,
    read: Sequence[int],
    told: Sequence[int],
    files: tuple[str, ...],
    both: bool,
) -> Encoded:
    """Put finished batches together: images of the rows ``read``, captions of the rows ``told``.

    ``both`` says whether what is read and what is told show the same things.
    """
    broken = tuple(one for batch in state.images for one in batch.broken)
    batches = [batch for batch in state.images if batch.rows]
    tiles = [batch.thumbnails for batch in batches if batch.thumbnails is not None]

    small = np.concatenate(tiles) if tiles else None
    place = {items[row].id: at for at, row in enumerate(read)}

    def made(modality: str, rows: Sequence[int], parts: list[Float32]) -> EmbeddingSet | None:
        if not rows:
            return None
        shown = small
        if small is not None and modality == "text" and list(told) != list(read):
            shown = small[[place[items[row].id] for row in told]] if both else None
        captions = [items[row].caption or "" for row in rows]
        return EmbeddingSet.from_array(
            np.concatenate(parts),
            modality=modality,
            ids=[items[row].id for row in rows],
            captions=captions if any(captions) else None,
            thumbnails=shown,
            name=f"{modality}s through {encoder.name}",
            files=files,
            model=encoder.summary,
        )

    kept = {*read, *told} if both else range(len(items))
    gone = {one.id for one in broken}
    return Encoded(
        images=made("image", read, [batch.vectors for batch in batches]),
        texts=made("text", told, [batch.vectors for batch in state.texts]),
        broken=broken,
        left_out=tuple(
            one.id for row, one in enumerate(items) if row not in kept and one.id not in gone
        ),
        notes=_notes(state.texts, len(told)),
        encoder=encoder.describe(),
    )


def _notes(batches: Sequence[TextBatch], total: int) -> tuple[str, ...]:
    unknown = sum((batch.unknown for batch in batches), Counter[str]())
    cut = sum(batch.cut for batch in batches)
    notes = []
    if unknown:
        shown = ", ".join(f'"{printable(word, 30)}"' for word, _ in unknown.most_common(5))
        notes.append(
            f"The encoder does not know {len(unknown):,} words of the captions, which were left "
            f"out {unknown.total():,} times: {shown}{', …' if len(unknown) > 5 else ''}."
        )
    if cut:
        notes.append(
            f"{cut:,} of {total:,} captions are longer than the encoder reads; they were cut."
        )
    return tuple(notes)
