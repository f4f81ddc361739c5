"""Encode images, captions and sounds in batches: images and captions can be gone on with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.encode.audio import find_clips, read_clip
from anisoalign_core.encode.callables import as_encoder
from anisoalign_core.encode.encoder import Encoder, Encodes
from anisoalign_core.encode.images import thumbnail, thumbnail_side
from anisoalign_core.encode.inputs import Item
from anisoalign_core.encode.results import (
    Broken,
    Encoded,
    EncodingState,
    ImageBatch,
    TextBatch,
    Thumbnails,
    assemble,
)
from anisoalign_core.encode.tokenizers import Tokens
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.files.limits import usable_cores
from anisoalign_core.files.source import first_line, printable
from anisoalign_core.numerics import Progress, blocks, one_torch_thread

Sides = Literal["both", "images", "texts"]
SIDES = get_args(Sides)
Rows = Sequence[int]
Batch = TypeVar("Batch", ImageBatch, TextBatch)
MAX_WORKERS = 8
CPU_BATCH = 16
"""Rows of one of several batches side by side on the CPU, where larger ones are no faster."""


def encode(
    items: Sequence[Item],
    encoder: Encodes,
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

    Images go first, batch by batch in the order of the items, then all captions of those that could
    be read; items that share an id show one thing. The same items, encoder and ``batch_size`` give
    the same numbers on the same machine.

    Parameters
    ----------
    items : sequence of Item
        As :func:`find_items` finds them.
    encoder : Encoder or Encodes
        What :func:`load_encoder` or :func:`from_callables` gives, or an object like it.
    batch_size : int, default 64
        Rows that the model takes at once, at most: of open_clip on the CPU 16 are enough.
    progress : callable (fraction, words), optional
        Called after each batch. An exception that it raises ends the work; finished batches are
        kept in ``state``.
    state : EncodingState, optional
        Filled in place; a second call with it goes on, and ends with the same bits.
    sides : {"both", "images", "texts"}
        What to encode; the other side is left out even where items have it.
    paired : bool, default True
        Where items have images and captions, keep the ids that have both, so that rows, or groups
        of rows, correspond. If false, each side keeps all that it has.
    thumbnails : int, optional
        Pixels a side, 32 to 64, or 0 for none. By default 64 for up to 20,000 rows a side,
        32 for up to 100,000, and none for more.
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
    model = as_encoder(encoder)
    state = EncodingState() if state is None else state
    with_image = [row for row, one in enumerate(items) if one.open is not None]
    with_text = [row for row, one in enumerate(items) if one.caption]
    if sides != "both":
        with_image = with_image if sides == "images" else []
        with_text = with_text if sides == "texts" else []
    both = paired and bool(with_image) and bool(with_text)
    if both:
        with_image, with_text = _of(items, with_image, with_text), _of(items, with_text, with_image)
    if not with_image and not with_text:
        raise ParameterError(
            "There is nothing to encode: no item has what is asked for. Check which images have "
            "captions, or keep those without partner (paired=False)."
        )
    for what, rows in (("image", with_image), ("caption", with_text)):
        if rows:
            model.needs(what)
    most = max(len(with_image), len(with_text) if both else 0)
    side = thumbnail_side(most) if thumbnails is None else thumbnails
    state.begin(items, model, batch_size, sides, paired, side, usable_cores())
    together = model.side_by_side
    workers = max(min(usable_cores(), MAX_WORKERS), 1 if together else 2)

    def cut(rows: Rows, finished: Sequence[object]) -> list[Rows]:
        most = min(batch_size, CPU_BATCH, -(-len(rows) // workers)) if together else batch_size
        return [rows[part] for part in blocks(len(rows), max(most, 1))][len(finished) :]

    def tell(before: int, of: int, after: int, what: str, done: int) -> None:
        if progress is not None:
            progress((before + done) / (before + of + after), f"{done:,} of {of:,} {what}")

    with one_torch_thread() if together else nullcontext():
        parts = cut(with_image, state.images)
        pictures = (partial(_image_batch, items, part, model, side) for part in parts)
        told_of = partial(tell, 0, len(with_image), len(with_text), "images")
        _work(pictures, workers, state.images, told_of)
        read = [row for one in state.images for row in one.rows]
        if with_image and not read:
            first = state.images[0].broken[0]
            raise FormatError(
                f"Not one of {len(with_image):,} images can be read. The first, "
                f"{printable(first.id, 80)}: {first.reason}."
            )
        told = _of(items, with_text, read) if both else with_text
        captions = _text_tasks(items, cut(told, state.texts), model)
        told_of = partial(tell, len(with_image), len(told), 0, "captions")
        _work(captions, workers, state.texts, told_of)
    return assemble(items, model, state, read, told, tuple(files), both)


def encode_clips(
    places: Sequence[str | Path],
    encoder: Encodes,
    *,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> EmbeddingSet:
    """Encode ``.wav`` files: a set of modality ``"audio"``.

    Parameters
    ----------
    places : sequence of str or Path
        Files, and folders of them. Ids are names without suffix, in folders with those below.
    encoder : Encoder or Encodes
        One with a tower of sounds.
    batch_size : int, default 16
    progress : callable (fraction, words), optional
        Called after each batch.

    Raises
    ------
    FormatError
        If a file cannot be read: which, and why.
    ParameterError
        If the model hears nothing.
    """
    if batch_size < 1:
        raise ParameterError(f"batch_size is {batch_size}; give at least 1.")
    model = as_encoder(encoder)
    model.needs("sound")
    files, rows = find_clips(places), []
    for part in blocks(len(files), batch_size):
        rows.append(model.encode_audio([read_clip(path) for _, path in files[part]]))
        if progress is not None:
            progress(part.stop / len(files), f"{part.stop:,} of {len(files):,} sounds")
    return EmbeddingSet.from_array(
        np.concatenate(rows),
        modality="audio",
        ids=[one for one, _ in files],
        name=f"sounds through {model.name}",
        files=[Path(place).name for place in places],
        model=model.summary,
    )


def _of(items: Sequence[Item], rows: Rows, others: Rows) -> list[int]:
    """Return the rows whose id some of the others have."""
    shared = {items[row].id for row in others}
    return [row for row in rows if items[row].id in shared]


def _work(
    tasks: Iterable[Callable[[], Batch]],
    workers: int,
    finished: list[Batch],
    tell: Callable[[int], None],
) -> None:
    """Do tasks in threads; results are kept in the order of the tasks, and each is told of.

    Where a model can do several batches side by side, on the CPU, each has one thread of torch:
    many small batches keep all cores busy also where other programs take some of them, whereas
    threads that share one batch wait for the slowest of them many times in each. The batches are
    small, so that stopping is quick. Other models take one at a time, while threads read the next.
    """
    done = sum(map(len, finished))
    waiting: deque[Future[Batch]] = deque()
    pool = ThreadPoolExecutor(workers, "encode")

    def take(most: int) -> None:
        nonlocal done
        while len(waiting) > most:
            finished.append(waiting.popleft().result())
            done += len(finished[-1])
            tell(done)

    try:
        for task in tasks:
            waiting.append(pool.submit(task))
            take(workers)
        take(0)
    finally:
        pool.shutdown(cancel_futures=True)


def _image_batch(items: Sequence[Item], part: Rows, encoder: Encoder, side: int) -> ImageBatch:
    rows: list[int] = []
    pixels: list[Any] = []
    encoder.needs("image")
    assert encoder.transform is not None  # noqa: S101  (narrows: towers bring it)
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
        tokens = encoder.tokens_of([items[row].caption or "" for row in part])
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
