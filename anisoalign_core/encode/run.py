"""Encode images and captions in batches, so that the work can be stopped and gone on with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import numpy as np

from anisoalign_core.encode.encoder import Encoder
from anisoalign_core.encode.images import thumbnail, thumbnail_side
from anisoalign_core.encode.inputs import Item
from anisoalign_core.encode.results import Encoded, assemble
from anisoalign_core.encode.state import (
    Broken,
    EncodingState,
    ImageBatch,
    Report,
    TextBatch,
    Thumbnails,
    fingerprint,
)
from anisoalign_core.encode.tokenizers import Tokens
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.files.limits import usable_cores
from anisoalign_core.files.source import first_line, printable
from anisoalign_core.numerics import Progress, blocks, one_torch_thread

if TYPE_CHECKING:
    import torch

Sides = Literal["both", "images", "texts"]
SIDES = ("both", "images", "texts")
MAX_WORKERS = 8
CPU_BATCH = 16
"""Rows of a batch on the CPU, where larger ones are no faster."""


def encode(
    items: Sequence[Item],
    encoder: Encoder,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
    state: EncodingState | None = None,
    sides: Sides = "both",
    paired: bool = True,
    thumbnails: int | None = None,
    files: Sequence[str] = (),
) -> Encoded:
    """Turn images and captions into two sets of embeddings.

    Images go first, batch by batch in the order of the items, then the captions of those that could
    be read. The same items, encoder and ``batch_size`` give the same numbers on the same machine.

    Parameters
    ----------
    items : sequence of Item
        As :func:`find_items` finds them.
    encoder : Encoder
    batch_size : int, default 64
        Rows that the model takes at once, at most: on the CPU 16 are enough.
    progress : callable (fraction, words), optional
        Called after each batch. An exception that it raises ends the work; finished batches are
        kept in ``state``.
    state : EncodingState, optional
        Filled in place; a second call with it goes on, and ends with the same bits.
    sides : {"both", "images", "texts"}
        What to encode; the other side is left out even where items have it.
    paired : bool, default True
        Where items have images and captions, keep those that have both, so that rows correspond. If
        false, each side keeps all that it has.
    thumbnails : int, optional
        Pixels a side, 32 to 64, or 0 for none. By default 64 for up to 20,000 images, 32 for up to
        100,000, and none for more.
    files : sequence of str
        Names of the places, for the provenance.

    Returns
    -------
    Encoded

    Raises
    ------
    ParameterError
        If an option is out of its range, nothing is to be encoded, or ``state`` is another job's.
    FormatError
        If not one image can be read.
    AnisoAlignError
        As :meth:`Encoder.encode_images`.
    """
    _check_options(batch_size, sides, thumbnails)
    state = EncodingState() if state is None else state
    with_image = [row for row, one in enumerate(items) if one.open is not None]
    with_text = [row for row, one in enumerate(items) if one.caption]
    if sides != "both":
        with_image = with_image if sides == "images" else []
        with_text = with_text if sides == "texts" else []
    both = paired and bool(with_image) and bool(with_text)
    if both:
        with_image = with_text = sorted(set(with_image) & set(with_text))
    if not with_image and not with_text:
        raise ParameterError(
            "There is nothing to encode: no item has what is asked for. Check which images have "
            "captions, or keep those without partner (paired=False)."
        )
    side = thumbnail_side(len(with_image)) if thumbnails is None else thumbnails
    state.begin(fingerprint(items, encoder, batch_size, sides, paired, side, usable_cores()))
    report = Report(progress, len(with_image), len(with_text), *state.done)
    with _workers(encoder, batch_size) as (in_order, cut):
        parts = cut(with_image)[len(state.images) :]
        tasks = (partial(_image_batch, items, part, encoder, side) for part in parts)
        with closing(in_order(tasks)) as images:
            for batch in images:
                state.images.append(batch)
                report.add(images=len(batch.rows) + len(batch.broken))
        read = [row for one in state.images for row in one.rows]
        if with_image and not read:
            first = state.images[0].broken[0]
            raise FormatError(
                f"Not one of {len(with_image):,} images can be read. The first, "
                f"{printable(first.id, 80)}: {first.reason}."
            )
        told = read if both else with_text
        report.texts = len(told)
        parts = cut(told)[len(state.texts) :]
        with closing(in_order(_text_tasks(items, parts, encoder))) as texts:
            for found in texts:
                state.texts.append(found)
                report.add(texts=len(found.vectors))
    return assemble(items, encoder, state, read, told, tuple(files), both)


T = TypeVar("T")
Rows = Sequence[int]


class InOrder(Protocol):
    """Does tasks side by side and gives their results in the order of the tasks."""

    def __call__(self, tasks: Iterable[Callable[[], T]]) -> Generator[T]:
        """Yield the results."""
        ...


@contextmanager
def _workers(
    encoder: Encoder, batch_size: int
) -> Iterator[tuple[InOrder, Callable[[Rows], list[Rows]]]]:
    """Yield what does tasks in threads, and what cuts rows into batches.

    On the CPU each batch has one thread of torch: many small batches side by side keep all cores
    busy also where other programs take some of them, whereas threads that share one batch wait for
    the slowest of them many times in each. The batches are small, so that stopping is quick.
    Elsewhere the device takes one batch at a time, while threads read the next.
    """
    on_cpu = encoder.device == "cpu"
    count = min(usable_cores(), MAX_WORKERS) if on_cpu else max(2, min(usable_cores(), MAX_WORKERS))

    def in_order(tasks: Iterable[Callable[[], T]]) -> Generator[T]:
        waiting: deque[Future[T]] = deque()
        pool = ThreadPoolExecutor(count, "encode")
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def cut(rows: Rows) -> list[Rows]:
        most = min(batch_size, CPU_BATCH, -(-len(rows) // count)) if on_cpu else batch_size
        return [rows[part] for part in blocks(len(rows), max(most, 1))]

    with one_torch_thread() if on_cpu else nullcontext():
        yield in_order, cut


def _image_batch(items: Sequence[Item], part: Rows, encoder: Encoder, side: int) -> ImageBatch:
    rows: list[int] = []
    pixels: list[torch.Tensor] = []
    small: list[Thumbnails] = []
    broken: list[Broken] = []
    for row in part:
        try:
            image = items[row].open()  # type: ignore[misc]  # rows without are not asked for
            if side:
                small.append(thumbnail(image, side))
            pixels.append(encoder.transform(image))
            rows.append(row)
        except AnisoAlignError as error:
            broken.append(Broken(items[row].id, str(error).rstrip(".")))
        except Exception as error:  # whatever it is, one broken image does not end the work
            broken.append(Broken(items[row].id, first_line(error)))
        del small[len(rows) :]
    return ImageBatch(
        rows=tuple(rows),
        vectors=encoder.encode_pixels(pixels),
        thumbnails=np.stack(small) if small else None,
        broken=tuple(broken),
    )


def _text_tasks(
    items: Sequence[Item], parts: Sequence[Rows], encoder: Encoder
) -> Iterator[Callable[[], TextBatch]]:
    for part in parts:
        # here, in one thread: tokenizers of the hub cannot be shared by several
        tokens = encoder.tokenizer([items[row].caption or "" for row in part])
        yield partial(_text_batch, tokens, encoder)


def _text_batch(tokens: Tokens, encoder: Encoder) -> TextBatch:
    return TextBatch(encoder.encode_tokens(tokens), tokens.unknown, tokens.cut)


def _check_options(batch_size: int, sides: str, thumbnails: int | None) -> None:
    if batch_size < 1:
        raise ParameterError(f"batch_size is {batch_size}; give at least 1.")
    if sides not in SIDES:
        raise ParameterError(f'sides is "{sides}"; choose {", ".join(SIDES)}.')
    if thumbnails is not None and thumbnails != 0 and not 32 <= thumbnails <= 64:
        raise ParameterError(f"thumbnails is {thumbnails}; give 32 to 64 pixels, or 0 for none.")
