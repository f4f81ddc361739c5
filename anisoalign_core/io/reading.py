"""From a file, a folder or an upload to an :class:`EmbeddingSet` or :class:`EmbeddingPair`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet, as_stored
from anisoalign_core.errors import FormatError, LimitError, ShapeError
from anisoalign_core.files.limits import MIB, Limits
from anisoalign_core.files.places import as_path, changed, source_at, stamp_of
from anisoalign_core.files.source import Choice, Source, printable, readable
from anisoalign_core.io import beside
from anisoalign_core.io.captions import Captions, read_captions
from anisoalign_core.io.chunks import explained, gathered
from anisoalign_core.io.columns import Meaning
from anisoalign_core.io.keys import Role, find_key, listed, role_of, select_key
from anisoalign_core.io.registry import files_in, format_of
from anisoalign_core.pairs import EmbeddingPair, without_copies
from anisoalign_core.rows import as_strings

Texts = Sequence[str] | npt.NDArray[Any]
BATCH_BYTES = 4 * MIB
"""Read at a time into the place of the whole."""


def load(
    path: str | Path,
    *,
    modality: str,
    key: str | None = None,
    drop_invalid: bool = False,
    name: str | None = None,
    limits: Limits | None = None,
    ids: Texts | None = None,
    captions: Texts | Captions | str | Path | None = None,
    id_column: str | None = None,
    drop_columns: Sequence[str] = (),
) -> EmbeddingSet:
    """Read one set of embeddings from a file, or from a folder that clip-retrieval wrote.

    The format is told by the suffix. Nothing in the file is ever executed, and headers are
    compared with the limits before anything is allocated.

    Parameters
    ----------
    path : str or Path
    modality : str
        "image", "text", or any other name. Also chooses among the arrays of one file:
        "image"/"target" the image side, "text"/"source" the text side.
    key : str, optional
        Name of the array or column, where a file holds several; see :func:`array_keys`.
    drop_invalid : bool, default False
        Leave out non-finite and all-zero rows instead of refusing the file.
    name : str, optional
        What messages call the set; the file name by default.
    limits : Limits, optional
        By default :meth:`Limits.from_env`.
    ids : sequence of n str, optional
        Instead of those in the file.
    captions : sequence of n str, Captions, or path, optional
        Instead of those in the file. Those that name their rows are found by the ids.
    id_column : str, optional
        Name of the column, or array, that holds the ids, where it is not told by its own name.
    drop_columns : sequence of str
        Columns to leave out.

    Returns
    -------
    EmbeddingSet
        With (n, d) float32 unit rows.

    Raises
    ------
    FormatError
        If the file is missing, malformed, of an unknown kind, or does not say which array is
        meant; or if it changes while it is read.
    LimitError
        If it declares more than the limits allow.
    ShapeError, InvalidRowsError
        As :meth:`EmbeddingSet.from_array`.
    """
    source = _on_disk(path, name, Choice(id_column, tuple(drop_columns)))
    return _load(source, modality, key, drop_invalid, limits, ids=ids, captions=captions)


def load_bytes(
    data: bytes,
    name: str,
    *,
    modality: str,
    key: str | None = None,
    drop_invalid: bool = False,
    limits: Limits | None = None,
    ids: Texts | None = None,
    captions: Texts | Captions | str | Path | None = None,
    id_column: str | None = None,
    drop_columns: Sequence[str] = (),
) -> EmbeddingSet:
    """Read one set from the bytes of an upload; like :func:`load`.

    Parameters
    ----------
    data : bytes
    name : str
        The uploaded file's name. Its suffix tells the format; it is never used as a path.
    modality, key, drop_invalid, limits, ids, captions, id_column, drop_columns
        As in :func:`load`.

    Raises
    ------
    FormatError, LimitError, ShapeError, InvalidRowsError
    """
    source = _uploaded(data, name, Choice(id_column, tuple(drop_columns)))
    return _load(source, modality, key, drop_invalid, limits, ids=ids, captions=captions)


def load_pair(
    path: str | Path,
    *,
    target_modality: str = "image",
    source_modality: str = "text",
    drop_invalid: bool = False,
    limits: Limits | None = None,
    id_column: str | None = None,
    drop_columns: Sequence[str] = (),
) -> EmbeddingPair:
    """Read both sides from one file or folder and pair them.

    Row i belongs to row i, also when invalid rows were dropped on either side. Where both sides
    bring ids that name rows differently, rows are joined by id instead; so they are where target
    rows are written again under their id: a folder of clip-retrieval that has each image once for
    each of its captions gives images with groups of captions.

    Parameters
    ----------
    path : str or Path
    target_modality, source_modality : str
        They also choose the arrays; ``image`` or ``target`` and ``text`` or ``source`` are found
        under any modality.
    drop_invalid, limits, id_column, drop_columns
        As in :func:`load`.

    Raises
    ------
    FormatError
        Also if the file does not hold both sides, listing what it holds.
    LimitError, ShapeError, InvalidRowsError, JoinError
    """
    source = _on_disk(path, None, Choice(id_column, tuple(drop_columns)))
    return _load_pair(source, target_modality, source_modality, drop_invalid, limits)


def load_pair_bytes(
    data: bytes,
    name: str,
    *,
    target_modality: str = "image",
    source_modality: str = "text",
    drop_invalid: bool = False,
    limits: Limits | None = None,
    id_column: str | None = None,
    drop_columns: Sequence[str] = (),
) -> EmbeddingPair:
    """Read both sides from the bytes of one upload; like :func:`load_pair`."""
    source = _uploaded(data, name, Choice(id_column, tuple(drop_columns)))
    return _load_pair(source, target_modality, source_modality, drop_invalid, limits)


def array_keys(path: str | Path, *, limits: Limits | None = None) -> tuple[str, ...]:
    """Return the names of a file's arrays that can be embeddings, for :func:`load`'s ``key``."""
    return _keys(_on_disk(path, None), limits)


def array_keys_bytes(data: bytes, name: str, *, limits: Limits | None = None) -> tuple[str, ...]:
    """Return the names of an upload's arrays that can be embeddings."""
    return _keys(_uploaded(data, name), limits)


def columns(path: str | Path, *, limits: Limits | None = None) -> dict[str, Meaning]:
    """Return what each column, or named array, of a file is taken for; nothing where it has none.

    Raises
    ------
    FormatError, LimitError
    """
    return _columns(_on_disk(path, None), limits)


def columns_bytes(data: bytes, name: str, *, limits: Limits | None = None) -> dict[str, Meaning]:
    """Return what each column, or named array, of an upload is taken for."""
    return _columns(_uploaded(data, name), limits)


def _columns(source: Source, limits: Limits | None) -> dict[str, Meaning]:
    opened = format_of(source).open(source, limits or Limits.from_env())
    return dict(getattr(opened, "meanings", dict)())


def has_pair(
    path: str | Path,
    *,
    target_modality: str = "image",
    source_modality: str = "text",
    limits: Limits | None = None,
) -> bool:
    """Say whether a file or folder holds both sides, so that :func:`load_pair` can read it."""
    return None not in _pair_keys(array_keys(path, limits=limits), target_modality, source_modality)


def has_pair_bytes(
    data: bytes,
    name: str,
    *,
    target_modality: str = "image",
    source_modality: str = "text",
    limits: Limits | None = None,
) -> bool:
    """Say whether an upload holds both sides."""
    found = array_keys_bytes(data, name, limits=limits)
    return None not in _pair_keys(found, target_modality, source_modality)


def _load(
    source: Source,
    modality: str,
    key: str | None,
    drop_invalid: bool,
    limits: Limits | None,
    *,
    role: Role | None = None,
    ids: Texts | None = None,
    captions: Texts | Captions | str | Path | None = None,
) -> EmbeddingSet:
    limits = limits or Limits.from_env()
    chosen = format_of(source)
    stamp = None if source.path is None else stamp_of(source.path)
    opened = chosen.open(source, limits)
    found = opened.keys
    picked = select_key(found, modality=modality, key=key, name=source.name, role=role)
    facts = opened.facts(picked)
    count = facts.rows
    step = max(BATCH_BYTES // (max(facts.dim, 1) * facts.dtype.itemsize), 1)
    chunks = opened.chunks(picked, rows=step if chosen.streams else max(count, 1), about=True)
    raw = gathered(chunks, count, facts.dim, facts.dtype)
    about = raw.about
    if chosen.lines:
        about = beside.read_beside(source, count, limits, opened.said(picked))
    label = f"{source.name}:{printable(picked, 60)}" if len(found) > 1 else source.name
    if ids is not None:
        given, note = beside.one_a_row(as_strings(ids), count, "the list of ids", label)
        about = replace(about, ids=given, notes=(*about.notes, *note))
    if isinstance(captions, str | Path):
        captions = read_captions(source_at(as_path(captions)), limits)
    if captions is not None and not isinstance(captions, Captions):
        captions = Captions("the list of captions", None, tuple(as_strings(captions)))
    if captions is not None:
        about = beside.with_captions(about, captions, count, label)
    ids, captions = about.ids, about.captions
    _check_texts(ids, "id", label, limits.max_id_length)
    _check_texts(captions, "caption", label, None)
    with (
        explained(facts.notes),
        np.errstate(invalid="ignore"),
    ):  # signalling NaNs are reported as rows, not as a warning
        found_set = EmbeddingSet.from_array(
            raw.array,
            modality=modality,
            ids=ids,
            captions=captions,
            labels=about.labels,
            name=label,
            files=(source.path.name if source.path is not None else source.name,),
            model=facts.metadata.get("model"),
            drop_invalid=drop_invalid,
            notes=(*facts.notes, *about.notes),
        )
    if source.path is not None and stamp_of(source.path) != stamp:
        raise changed(source.name)
    return as_stored(found_set, facts.stored)


def _load_pair(
    source: Source,
    target_modality: str,
    source_modality: str,
    drop_invalid: bool,
    limits: Limits | None,
) -> EmbeddingPair:
    found = _keys(source, limits)
    target_key, source_key = _pair_keys(found, target_modality, source_modality)
    if target_key is None or source_key is None:
        raise FormatError(
            f"{source.name} does not hold both sides: it has {listed(found)}. Name the arrays "
            f'"{printable(target_modality, 60)}" and "{printable(source_modality, 60)}", or load '
            "the two sides by themselves."
        )
    target = _load(source, target_modality, target_key, drop_invalid, limits)
    other = _load(source, source_modality, source_key, drop_invalid, limits)
    return paired(other, target)


def paired(source: EmbeddingSet, target: EmbeddingSet) -> EmbeddingPair:
    """Pair two sides of one file, freshly read, as :func:`load_pair` does.

    By input row, or by id where both sides have ids that place rows differently.
    """
    kept_source, kept_target = _kept(source), _kept(target)
    both = np.intersect1d(kept_source, kept_target)
    in_source = np.searchsorted(kept_source, both)
    in_target = np.searchsorted(kept_target, both)
    by_row = source.provenance.rows_read == target.provenance.rows_read
    if not (source.provenance.ids_are_rows or target.provenance.ids_are_rows):
        same = by_row and np.array_equal(source.ids[in_source], target.ids[in_target])
        same = same and len(without_copies(target)) == len(target)
        if not same and (not by_row or set(source.ids) & set(target.ids)):
            return EmbeddingPair.join(source, target)
    if not by_row or len(both) == len(source) == len(target):
        return EmbeddingPair(source, target, paired=True)
    if not len(both):
        raise ShapeError(
            f"No row of {source.name} and {target.name} is valid on both sides. Mend the file."
        )
    return EmbeddingPair(
        source.take(in_source),
        target.take(in_target),
        paired=True,
        unmatched_source=tuple(np.delete(source.ids, in_source)),
        unmatched_target=tuple(np.delete(target.ids, in_target)),
    )


def pair_words(pair: EmbeddingPair) -> str:
    """Say how the rows of a pair belong together, and which ids have no partner."""
    words = f"Paired: {len(pair.source):,} rows correspond."
    if not pair.matched.are_rows:
        words = f"Paired by id: {pair.in_words()}. Rows of one thing count as one."
    lost = [
        f"{len(ids):,} {side} id{'s' if len(ids) > 1 else ''} "
        f"({', '.join(printable(str(key), 40) for key in ids[:3])}{', …' if len(ids) > 3 else ''})"
        for side, ids in (("source", pair.unmatched_source), ("target", pair.unmatched_target))
        if ids
    ]
    copies = [note for note in pair.target.provenance.notes if "count once" in note]
    lost = [f"Left out, having no partner: {' and '.join(lost)}."] if lost else []
    return " ".join([words, *copies, *lost])


def _kept(embedding_set: EmbeddingSet) -> npt.NDArray[np.intp]:
    provenance = embedding_set.provenance
    return np.setdiff1d(np.arange(provenance.rows_read), provenance.dropped_rows).astype(np.intp)


def _keys(source: Source, limits: Limits | None) -> tuple[str, ...]:
    return format_of(source).open(source, limits or Limits.from_env()).keys


def _pair_keys(
    found: Sequence[str], target_modality: str, source_modality: str
) -> tuple[str | None, str | None]:
    target = find_key(found, target_modality, role_of(target_modality) or "target")
    source = find_key(found, source_modality, role_of(source_modality) or "source")
    return (target, source) if target != source else (target, None)


def _on_disk(path: str | Path, name: str | None, choice: Choice | None = None) -> Source:
    path = as_path(path)
    shown = printable(path.name or str(path)) if name is None else printable(name)
    with readable(shown):
        there = "\0" not in str(path) and path.exists()
    if not there:
        raise FormatError(f'There is no file or folder "{printable(str(path))}". Check the path.')
    files = files_in(path) if path.is_dir() else []
    return Source(shown, files[0] if len(files) == 1 else path, choice=choice or Choice())


def _uploaded(data: bytes, name: str, choice: Choice | None = None) -> Source:
    shown = printable(PurePosixPath(name).name) or "upload"
    return Source(shown, data=data, choice=choice or Choice())


def _check_texts(values: Texts | None, what: str, name: str, longest: int | None) -> None:
    """Refuse ids beyond the limit, and text that no file could hold."""
    for row, value in enumerate(values if values is not None else ()):
        text = str(value)
        if longest is not None and len(text) > longest:
            raise LimitError(
                f"The {what} of row {row} of {name} has {len(text):,} characters "
                f'("{printable(text, 40)}"); the limit is {longest:,}. Check where the ids are.'
            )
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise FormatError(
                f"The {what} of row {row} of {name} is not valid text (half a surrogate pair). "
                "Save it as UTF-8."
            )
