"""An atlas: many encoders over the same images and captions, made once and kept."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from anisoalign_core.bench.bench import LONGEST, SUFFIX, Bench, BenchEntry
from anisoalign_core.bench.several import Several
from anisoalign_core.encode import Inputs, encode, find_items, load_encoder
from anisoalign_core.errors import (
    AnisoAlignError,
    CancelledError,
    FormatError,
    LimitError,
    ParameterError,
    PlaceError,
)
from anisoalign_core.files.atomic import atomic_write_text, make_folder
from anisoalign_core.files.digests import file_digest
from anisoalign_core.files.limits import Limits, check_text_size
from anisoalign_core.files.source import Source, first_line, malformed, printable, readable
from anisoalign_core.gap.report import GapReport
from anisoalign_core.gap.run import Run
from anisoalign_core.io import save
from anisoalign_core.io.beside import ENDINGS
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair

BENCH = f"atlas{SUFFIX}"
FILES = ("checkpoint", "config", "images", "texts", "report", "run")
"""Entries of the list that name files, relative to it."""
UNSEEN = (*FILES, "device", "note")
"""Entries whose text changes nothing that is measured; of files the content does."""


@dataclass(frozen=True)
class Recorded:
    """One encoder of a list.

    Attributes
    ----------
    name : str
    backend, model, pretrained, checkpoint, config, device, precision : str
        As :func:`~anisoalign_core.encode.load_encoder` takes them; ``model`` is its architecture.
    images, texts : str
        Embeddings that are there already, instead of an encoder.
    report : str
        A report alone, instead of either.
    run : str
        The training run of the encoder, as a monitor wrote it.
    note : str
    """

    name: str
    backend: str = "open_clip"
    model: str = ""
    pretrained: str = ""
    checkpoint: str = ""
    config: str = ""
    device: str = "cpu"
    precision: str = "fp32"
    images: str = ""
    texts: str = ""
    report: str = ""
    run: str = ""
    note: str = ""

    @property
    def slug(self) -> str:
        """The name as part of a file's name, told apart from others by a digest."""
        plain = re.sub(r"[^A-Za-z0-9.-]+", "-", self.name).strip("-.")[:60]
        return f"{plain or 'encoder'}-{hashlib.sha256(self.name.encode()).hexdigest()[:6]}"


def read_list(path: str | Path) -> tuple[Recorded, ...]:
    """Read a list of encoders: TOML with a table ``[[encoder]]`` for each.

    Files are looked for beside the list.

    Raises
    ------
    FormatError
        If it is no such list: what is wrong in it.
    """
    place = Path(path)
    with readable(place.name):
        check_text_size(place.stat().st_size, place.name, Limits.from_env())
        text = place.read_bytes()
    with malformed(place.name, "a list of encoders", ValueError, RecursionError):
        body = tomllib.loads(text.decode("utf-8"))
    listed = body.get("encoder")
    if not isinstance(listed, list) or not listed:
        raise FormatError(
            f"{place.name} lists no encoder. Write a table [[encoder]] with a name for each."
        )
    known = [each.name for each in fields(Recorded)]
    found: list[Recorded] = []
    for number, one in enumerate(listed, 1):
        where = f"Encoder {number} of {place.name}"
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= LONGEST:
            raise FormatError(
                f'{where} has no name of 1 to {LONGEST} characters. Give it one: name = "…".'
            )
        for key, value in one.items():
            if key not in known or not isinstance(value, str):
                raise FormatError(
                    f'{where}: "{printable(str(key), 40)}" is not understood; texts can be given '
                    f"for {', '.join(known)}."
                )
        beside = {
            key: str(place.parent / one[key]) if one.get(key) else "" for key in FILES if key in one
        }
        found.append(Recorded(**{**one, **beside}))
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise FormatError(f'{place.name} has two encoders called "{printable(name)}".')
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Atlas:
    """What :func:`make_atlas` made.

    Attributes
    ----------
    bench : Bench
    kept, made : tuple of str
        Encoders that were there already, and those that were encoded or measured now.
    failed : dict of str to str
        Encoders that are not on it, and why.
    """

    bench: Bench
    kept: tuple[str, ...]
    made: tuple[str, ...]
    failed: dict[str, str]


def make_atlas(
    encoders: Sequence[Recorded],
    images: Sequence[str | Path],
    captions: str | Path | None,
    out: str | Path,
    *,
    batch_size: int = 64,
    random_state: int = 0,
    progress: Progress | None = None,
    failed: Callable[[str, str], None] | None = None,
) -> Atlas:
    """Encode and measure what is missing, keep what is there, and put all on one bench.

    Below ``out`` each encoder has ``<name>/image.npz``, ``text.npz``, ``report.json`` and its
    entry; what an entry was made from is kept as a digest, and a second call does again only what
    changed. An encoder that cannot be loaded or encoded is listed and harms no other; one that was
    cancelled starts again at its beginning.

    Parameters
    ----------
    encoders : sequence of Recorded
    images : sequence of paths
        As :func:`~anisoalign_core.encode.find_items` takes them; may be empty where all encoders
        bring embeddings or reports.
    captions : path, optional
    out : path
        A folder; made if it is missing.
    batch_size : int, default 64
    random_state : int, default 0
    progress : callable(fraction, words), optional
    failed : callable(name, why), optional
        Told at once when an encoder fails.

    Returns
    -------
    Atlas

    Raises
    ------
    ParameterError
        If there are no images for an encoder that needs some, or none of the encoders works.
    FormatError, PlaceError
        If images cannot be found, or the folder cannot be written to.
    """
    folder = Path(out)
    make_folder(folder)
    needs = [one.name for one in encoders if not (one.images or one.report)]
    if needs and not images:
        raise ParameterError(f"{needs[0]} is to encode images, and there are none. Give --images.")
    inputs = find_items(list(images), captions) if needs else None
    seen = "" if inputs is None else _digest_of_files([*images, *([captions] if captions else [])])
    bench, kept, made, broken = Bench(), [], [], {}
    for number, one in enumerate(encoders):

        def tell(fraction: float, words: str, number: int = number, name: str = one.name) -> None:
            if progress is not None:
                progress((number + fraction) / len(encoders), f"{name}: {words}")

        tell(0.0, "looking")
        place = folder / one.slug
        try:
            run = Run.load(one.run) if one.run else None
            key = _key(one, seen, random_state)
            entry = _there(place, key)
            if entry is None:
                entry = _made(one, inputs, place, batch_size, random_state, tell)
                _write(place, entry, key)
                made.append(one.name)
            else:
                entry = replace(entry, note=one.note)
                kept.append(one.name)
            bench = bench.with_entry(entry)
            if run is not None:
                bench = bench.with_run(run)
        except (CancelledError, PlaceError):  # neither is the encoder's fault
            raise
        except (AnisoAlignError, ImportError, RuntimeError, ValueError, OSError) as error:
            broken[one.name] = (
                str(error) if isinstance(error, AnisoAlignError) else first_line(error)
            )
            if failed is not None:
                failed(one.name, broken[one.name])
    if not bench.entries:
        name, why = next(iter(broken.items()))
        raise ParameterError(f"None of the encoders works. {printable(name)}: {why}")
    bench.save(folder / BENCH)
    return Atlas(bench, tuple(kept), tuple(made), broken)


def _digest_of_files(places: Sequence[str | Path]) -> str:
    """Return a digest of all files of images and captions, by name and content."""
    seen = hashlib.sha256()
    for place in map(Path, places):
        with readable(place.name):
            files = sorted(place.rglob("*")) if place.is_dir() else [place]
            for file in files:
                if file.is_file():
                    name = file.relative_to(place) if place.is_dir() else Path(file.name)
                    seen.update(f"{name.as_posix()}\0{file_digest(file)}\0".encode())
    return seen.hexdigest()


def _key(one: Recorded, inputs: str, random_state: int) -> str:
    """Return a digest of everything that an entry depends on."""
    said = {key: value for key, value in vars(one).items() if key not in UNSEEN}
    files = {}
    for key in FILES[:-1]:
        if getattr(one, key):
            place = Path(getattr(one, key))
            beside = [place.with_suffix(ending) for ending in ENDINGS]  # ids and captions
            files[key] = _digest_of_files([place, *(file for file in beside if file.is_file())])
    whole = {"said": said, "files": files, "seed": random_state, "version": 1}
    if not (one.images or one.report):
        whole["inputs"] = inputs
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _there(place: Path, key: str) -> BenchEntry | None:
    """Return the entry that was made from the same, if it is whole."""
    mark = place / "made-from.txt"
    if not mark.is_file() or mark.read_bytes().strip() != key.encode():
        return None
    try:
        return Bench.load(place / f"entry{SUFFIX}").entries[0]
    except (FormatError, LimitError, IndexError):
        return None


def _made(
    one: Recorded,
    inputs: Inputs | None,
    place: Path,
    batch_size: int,
    random_state: int,
    tell: Progress,
) -> BenchEntry:
    if one.report:
        return BenchEntry(one.name, GapReport.load(one.report), one.note)
    if one.images:
        if not one.texts:
            raise ParameterError(f"{one.name} has images and no texts. Give both files.")
        target, source = (Source(Path(p).name, Path(p)) for p in (one.images, one.texts))
        pair = Several(one.name, target, source).read()
        told: dict[str, Any] = {}
    else:
        pair, told = _encoded(one, inputs, batch_size, tell)
    make_folder(place)
    if told:
        for side in (pair.source, pair.target):
            save(side, place / f"{side.modality}.npz")
        about = json.dumps(told, indent=2, ensure_ascii=False, default=str)
        atomic_write_text(place / "encoder.json", about + "\n")
    return BenchEntry.measure(
        one.name,
        pair,
        note=one.note,
        random_state=random_state,
        progress=lambda fraction, words: tell(0.6 + 0.4 * fraction, words),
    )


def _encoded(
    one: Recorded, inputs: Inputs | None, batch_size: int, tell: Progress
) -> tuple[EmbeddingPair, dict[str, Any]]:
    given = {
        key: getattr(one, key)
        for key in ("pretrained", "checkpoint", "config")
        if getattr(one, key)
    }
    encoder = load_encoder(
        one.model or None,
        backend=one.backend,
        device=one.device,
        precision=one.precision,
        **given,
    )
    assert inputs is not None  # noqa: S101  (make_atlas found them)
    found = encode(
        inputs.items,
        encoder,
        batch_size=batch_size,
        progress=lambda fraction, words: tell(0.6 * fraction, words),
        thumbnails=0,
        files=inputs.files,
    )
    return found.pair(), found.encoder


def _write(place: Path, entry: BenchEntry, key: str) -> None:
    """Write what was made; the mark that it is whole comes last."""
    make_folder(place)
    entry.report.save(place / "report.json")
    Bench((entry,)).save(place / f"entry{SUFFIX}")
    atomic_write_text(place / "made-from.txt", key + "\n")
