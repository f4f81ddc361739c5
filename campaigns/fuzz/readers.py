"""Every reader of the library as a function of bytes, with files to begin from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import anisoalign_core as aa
from anisoalign_core.bench import Bench
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.gap.saved import report_of, report_text
from anisoalign_core.io import reading, revision
from anisoalign_core.io.chunks import Chunk
from anisoalign_core.io.pair_file import read_pair
from anisoalign_core.io.preflight import training_ids
from anisoalign_core.io.shards import open_shards
from anisoalign_core.recipe import Recipe, read_recipe
from anisoalign_core.scoring import load_scorer
from campaigns.fuzz import mutations
from campaigns.fuzz.seeds import (
    archive_seeds,
    arrow_seeds,
    bench_seeds,
    caption_seeds,
    chunk_seeds,
    config_seeds,
    csv_seeds,
    index_seeds,
    line_seeds,
    metadata,
    model_seeds,
    npy_seeds,
    npz_seeds,
    pair_seeds,
    parquet_seeds,
    picture_seeds,
    plain_set,
    projector_seeds,
    recipe_seeds,
    report_seeds,
    rows,
    run_seeds,
    safetensors_seeds,
    saved,
    scorer_seeds,
    session_seeds,
    sidecar_seeds,
    table_seed,
    torch_seeds,
    training_seeds,
    tsv_seeds,
    written,
)

LIMITS = Limits(
    max_rows=20_000, max_dim=4096, max_bytes=32 << 20, max_text_bytes=1 << 20, max_id_length=1024
)
ENVIRONMENT = {
    "ANISOALIGN_MAX_ROWS": str(LIMITS.max_rows),
    "ANISOALIGN_MAX_DIM": str(LIMITS.max_dim),
    "ANISOALIGN_MAX_BYTES": str(LIMITS.max_bytes),
}
"""The same for readers that take their limits from there."""

Read = Callable[[bytes, Path], Any]


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes
    ----------
    name : str
    what : str
        What is read, for the table.
    read : callable (data, folder) -> anything
        Raises whatever the reader raises; the folder is for files that must lie on disk.
    seeds : callable (folder) -> list of bytes
        Good inputs.
    tokens : tuple of bytes
    edits : tuple of Edit
    """

    name: str
    what: str
    read: Read
    seeds: Callable[[Path], list[bytes]]
    tokens: tuple[bytes, ...] = ()
    edits: tuple[mutations.Edit, ...] = ()


class Broken(Exception):
    """A reader gave something that is no good result."""


# ---------------------------------------------------------------- what is a good result


def checked(data: aa.EmbeddingSet) -> str:
    """Hold a set to its promise: finite float32 unit rows, one id each; return its kind."""
    vectors = data.vectors
    if vectors.dtype != np.float32 or vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise Broken("rows are not finite float32 numbers")
    if abs(np.linalg.norm(vectors.astype(float), axis=1) - 1.0).max() > 1e-5:
        raise Broken("rows are not unit rows")
    texts = [data.ids] + ([] if data.captions is None else [data.captions])
    for values in texts:
        if len(values) != len(data) or not all(type(value) is str for value in values):
            raise Broken("ids or captions are not one text for each row")
        "".join(values).encode("utf-8")
    if data.labels is not None and len(data.labels) != len(data):
        raise Broken("labels are not one for each row")
    labels = 0 if data.labels is None else data.labels.shape[1]
    dropped = bool(data.provenance.dropped_rows)
    return f"{data.provenance.original_dtype} {len(texts)} {labels} {dropped}"


def checked_chunks(chunks: Iterator[Chunk], dim: int | None = None) -> str:
    """Hold chunks to their promise: rows of one length, something said of each."""
    kinds: set[str] = set()
    for chunk in chunks:
        dim = chunk.array.shape[1] if dim is None else dim
        if chunk.array.ndim != 2 or chunk.array.shape[1] != dim:
            raise Broken("chunks differ in their columns")
        said = chunk.about.plain(LIMITS)
        for values in (said.ids, said.captions, said.labels):
            if values is not None and len(values) != len(chunk.array):
                raise Broken("what is said of the rows is not one for each")
        native = type(chunk.about.native).__name__
        kinds.add(f"{chunk.array.dtype} {native} {said.captions is None}")
    return " ".join(sorted(kinds))


# ---------------------------------------------------------------- embeddings


def upload(suffix: str, data: bytes, folder: Path) -> str:
    """Read an upload: both sides if it has them."""
    name = f"a{suffix}"
    keys = reading.array_keys_bytes(data, name, limits=LIMITS)
    drop = bool(len(data) % 2)
    if len(keys) > 1 and reading.has_pair_bytes(data, name, limits=LIMITS):
        pair = reading.load_pair_bytes(data, name, limits=LIMITS, drop_invalid=drop)
        return checked(pair.source) + checked(pair.target)
    key = keys[0] if keys else None
    return checked(
        reading.load_bytes(data, name, modality="image", key=key, limits=LIMITS, drop_invalid=drop)
    )


def in_pieces(suffix: str, data: bytes, folder: Path) -> str:
    """Read a file as a set that may be larger than memory."""
    path = folder / f"a{suffix}"
    path.write_bytes(data)
    found = open_shards(path, modality="image")
    parts = [checked_chunks(shard.chunks(3, about=True), found.dim) for shard in found.shards]
    later = sum(len(c.array) for shard in found.shards for c in shard.chunks(2, 1, 4))
    return f"{parts} {later}"


def from_disk(suffix: str, data: bytes, folder: Path) -> str:
    """Read a file that is read from disk only."""
    path = folder / f"c{suffix}"
    path.write_bytes(data)
    return checked(
        reading.load(path, modality="image", limits=LIMITS, drop_invalid=bool(len(data) % 2))
    )


def cache(data: bytes, folder: Path) -> str:
    """Read a cache of embeddings whose index is damaged."""
    place = folder / "cache"
    if not place.exists():
        place.mkdir()
        (place / "vectors.npy").write_bytes(rows(3).tobytes())
        (place / "dimension").write_text("4")
    (place / "index.json").write_bytes(data)
    return checked(reading.load(place, modality="image", limits=LIMITS))


def beside(ending: str, vectors: str, data: bytes, folder: Path) -> str:
    """Read a good file with a damaged one beside it."""
    path = folder / f"b{vectors}"
    if not path.exists():
        path.write_bytes(written(vectors.lstrip("."), plain_set(full=False)))
    path.with_suffix(ending).write_bytes(data)
    return checked(reading.load(path, modality="image", limits=LIMITS))


def records(data: bytes, folder: Path) -> str:
    """Read ReVision chunks."""
    source = Source("a.pkl", data=data)
    opened = revision.FORMAT.open(source, LIMITS)
    facts = opened.facts(revision.KEY)
    read = partial(opened.chunks, revision.KEY, rows=3, native=True)
    said = checked_chunks(read(about=True), facts.dim)
    return f"{said} {sum(len(chunk.array) for chunk in read(start=1, stop=4))}"


def clip_retrieval(file: str, data: bytes, folder: Path) -> str:
    """Read a clip-retrieval folder of which one file is damaged."""
    place = folder / "clip"
    if not place.exists():
        for number in range(2):
            for part in ("img_emb", "text_emb"):
                (place / part).mkdir(parents=True, exist_ok=True)
                np.save(place / part / f"{part}_{number}.npy", rows(4, 3).astype(np.float16))
            (place / "metadata").mkdir(exist_ok=True)
            metadata(4).to_parquet(place / "metadata" / f"metadata_{number}.parquet")
    path = place / file
    good = folder / "good"
    if not good.exists():
        good.write_bytes(path.read_bytes())
    path.write_bytes(data)
    try:
        pair = reading.load_pair(place, limits=LIMITS, drop_invalid=bool(len(data) % 2))
        said = checked(pair.source) + checked(pair.target)
        for modality in ("image", "text"):
            found = open_shards(place, modality=modality)
            for shard in found.shards:
                said += checked_chunks(shard.chunks(3, about=True), found.dim)
        return said
    finally:
        path.write_bytes(good.read_bytes())


# ---------------------------------------------------------------- everything else


def recipe(data: bytes, folder: Path) -> str:
    """Read a recipe of either kind and what a replay takes from it."""
    path = folder / "a.recipe.json"
    path.write_bytes(data)
    found = read_recipe(path)
    found.summary()
    if isinstance(found, Recipe):
        found.python_lines("image.npy", "text.npy", "out.npy")
        found.cli_lines("image.npy", "text.npy", "out.npy")
        return f"{found.method} {found.fit_on} {found.pairing}"
    fitted = None if found.fit is None else found.fit.job.pairing
    return f"{found.method} {len(found.apply.files)} {found.apply.job.form} {fitted}"


def model(data: bytes, folder: Path) -> str:
    """Load a fitted method and correct rows with it."""
    path = folder / "model.npz"
    path.write_bytes(data)
    method = aa.load_aligner(path)
    if method.n_features_in_ > 64:
        return f"{method.name} of many dimensions"
    source = rows(5, method.n_features_in_)
    out = method.transform(source, source if method.needs_partners else None)
    if out.shape != source.shape or not np.isfinite(out).all():
        raise Broken("corrected rows are not finite")
    if abs(np.linalg.norm(out.astype(float), axis=1) - 1.0).max() > 1e-4:
        raise Broken("corrected rows are not unit rows")
    return method.name


def scorer(data: bytes, folder: Path) -> str:
    """Load a fitted scorer and score rows with it."""
    path = folder / "scorer.npz"
    path.write_bytes(data)
    found = load_scorer(path)
    if found.n_features_in_ > 64:
        return f"{found.name} of many dimensions"
    queries, gallery = rows(5, found.n_features_in_), rows(7, found.n_features_in_)
    known = getattr(found, "modalities_", [""])
    labels = None if known == [""] else np.resize(known, 7)
    if not np.isfinite(found.scores(queries, gallery, modality=labels)).all():
        raise Broken("scores are not finite")
    return f"{found.name} {found.export(gallery, modality=labels).shape[1]}"


def report(data: bytes, folder: Path) -> str:
    """Read a report, compare it and write it again."""
    found = report_of(data, "report.json")
    comparison = aa.gap.compare({"one": found})
    comparison.to_json()
    found.to_frame()
    if report_of(report_text(found)).to_dict() != found.to_dict():
        raise Broken("a report is another one when it is read again")
    return f"{found.paired} {min(len(found.galleries), 3)} {found.curves is None}"


def run(data: bytes, folder: Path) -> str:
    """Read a training run and write it again."""
    found = aa.gap.Run.load(Source("run.jsonl", data=data))
    again = aa.gap.Run.load(Source("run.jsonl", data=found.to_bytes()))
    if not again.frame.equals(found.frame):
        raise Broken("a run is another one when it is read again")
    return f"{min(len(found.frame), 4)} {len(found.notes) > 0}"


def pair(data: bytes, folder: Path) -> str:
    """Read a pair that was saved, and hold it to its promise."""
    found = read_pair(Source("pair.npz", data=data), LIMITS)
    things = found.groups
    if things is not None and len(things.source) != len(found.source):
        raise Broken("things are not one for each row")
    return f"{checked(found.source)}{checked(found.target)} {things is None}"


def session(data: bytes, folder: Path) -> str:
    """Open a session's file."""
    from app.packed import unpack

    found = unpack(Source("a.studio.zip", data=data), LIMITS.max_bytes)
    held = found.contents
    return f"{found.pair is None} {len(held.trainings)} {held.choice is None} {len(held.pages)}"


def bench(data: bytes, folder: Path) -> str:
    """Open a bench, compare what is on it and write it again."""
    found = Bench.load(Source("a.bench.zip", data=data))
    if found.entries:
        found.compare().to_json()
    for one in found.entries:
        if one.kept.rows is not None:
            checked(one.kept.rows.target)
    again = Bench.load(Source("a.bench.zip", data=found.to_bytes()))
    if [one.name for one in again.entries] != [one.name for one in found.entries]:
        raise Broken("a bench is another one when it is opened again")
    return f"{len(found.entries)} {len(found.runs)} {bool(found.baseline)}"


def training(data: bytes, folder: Path) -> str:
    path = folder / "training.json"
    path.write_bytes(data)
    found = training_ids(path, limits=LIMITS)
    if not all(type(one) is str for one in found):
        raise Broken("ids are not texts")
    return str(min(len(found), 3))


def picture(data: bytes, folder: Path) -> str:
    from anisoalign_core.encode.images import decode_image, thumbnail

    image = decode_image(data, image_limits())
    if image.mode != "RGB" or thumbnail(image, 32).shape != (32, 32, 3):
        raise Broken("the image is not red, green and blue")
    return f"{min(image.size[0], 4)}"


def archive(data: bytes, folder: Path) -> str:
    from anisoalign_core.encode.inputs import find_items

    found = find_items(Source("a.zip", data=data), limits=image_limits())
    opened = 0
    for item in found.items[:8]:
        try:
            opened += item.open is not None and item.open().mode == "RGB"
        except aa.AnisoAlignError:
            pass
    list(found.problems)
    return f"{len(found.items)} {opened} {len(found.notes)}"


def captions(name: str, data: bytes, folder: Path) -> str:
    from anisoalign_core.encode.inputs import find_items

    images = [Source(f"{n}.png", data=b"") for n in "abc"]
    alone = find_items(captions=Source(name, data=data))
    found = find_items(images, Source(name, data=data))
    list(found.problems)
    return f"{min(len(alone.items), 4)} {len(found.captions_without_image) > 0}"


def caption(name: str, data: bytes, folder: Path) -> str:
    from anisoalign_core.encode.captions import captions_in

    texts = captions_in(data, name)
    return f"{bool(texts)} {len(texts) > 1}"


def config(data: bytes, folder: Path) -> str:
    from anisoalign_core.encode.configs import read_config

    path = folder / "open_clip_config.json"
    path.write_bytes(data)
    spec = read_config(path)
    return f"{spec.vocabulary is None} {len(spec.preprocess['mean'])} {min(spec.dim, 64)}"


def weights(suffix: str, data: bytes, folder: Path) -> str:
    from anisoalign_core.encode.weights import read_weights

    path = folder / f"weights{suffix}"
    path.write_bytes(data)
    return str(len(read_weights(path)))


def image_limits() -> Any:
    from anisoalign_core.encode.images import ImageLimits

    return ImageLimits(
        max_pixels=1_000_000, max_file_bytes=1 << 20, max_members=64, max_archive_bytes=8 << 20
    )


SAFE = (
    b'"F32"',
    b'"shape"',
    b'"data_offsets"',
    b'"__metadata__"',
    b'"BF16"',
    b'"F8_E4M3"',
    b"[0,0]",
)
ZIP = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"\xff\xff\xff\xff",
)
PICKLE = (
    *(bytes([code]) for code in b"].})(]aebshtRc\x81\x93\x94\x95\x8c\x8a\x85\x86\x87\x88NK.0120"),
    b"cos\nsystem\n", b"\x8c\x02os\x94\x8c\x06system\x94\x93", b"cbuiltins\neval\n", b"(S'id'\ntR.",
    b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"\x95" + b"\0" * 8, b"r\xff\xff\xff\x0f", b"p99\n",
    b"\x8c\x02id", b"\x8c\x05embed", b"\x96" + b"\xff" * 8, b"e.", b"P1\n", b"Q",
)  # fmt: skip
PARQUET = (
    b"PAR1",
    b"\x15\x00",
    b"\x15\x80\x80\x04",
    b"\x26\x00",
    b"\x19\x1c",
    b"\xf9",
    b"\x18\x04",
    b"\0",
)
TEXTS = (
    b",",
    b"\t",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"nan",
    b"inf",
    b"1e400",
    b"\xff",
    b"\xef\xbb\xbf",
    b"id",
    b"caption",
    b";",
    b"_",
)
JSON = (
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"null",
    b"NaN",
    b"1e999",
    b"\\ud800",
    b'"id"',
    b"-",
    b"[" * 2000,
    b"9" * 5000,
)
PIXELS = (
    b"\x89PNG",
    b"IHDR",
    b"IDAT",
    b"IEND",
    b"\xff\xd8",
    b"\xff\xc0",
    b"\xff\xda",
    b"\xff\xe1",
    b"RIFF",
    b"WEBPVP8 ",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"P6\n",
    b"P5 ",
    b"Exif\0\0",
    b"\xff" * 4,
)
WEIGHTS = (*ZIP, *PICKLE)
NPY = (
    b"\x93NUMPY",
    b"'descr'",
    b"'shape'",
    b"'<f4'",
    b"'|O'",
    b"True",
    b"(",
    b"\x02\x00",
    b"\x03\x00",
)

E = mutations
NPZ_EDIT = E.edit_zip(E.edit_member)

READERS: dict[str, Reader] = {
    each.name: each
    for each in (
        Reader("npy", ".npy, uploaded", partial(upload, ".npy"), npy_seeds, NPY, (E.edit_npy,)),
        Reader(
            "npy-pieces",
            ".npy, piece by piece from disk",
            partial(in_pieces, ".npy"),
            npy_seeds,
            NPY,
            (E.edit_npy,),
        ),
        Reader("npz", ".npz", partial(upload, ".npz"), npz_seeds, (*ZIP, *NPY), (NPZ_EDIT,)),
        Reader(
            "safetensors",
            ".safetensors, uploaded",
            partial(upload, ".safetensors"),
            safetensors_seeds,
            SAFE,
            (E.edit_safetensors,),
        ),
        Reader(
            "safetensors-pieces",
            ".safetensors, piece by piece from disk",
            partial(in_pieces, ".safetensors"),
            safetensors_seeds,
            SAFE,
            (E.edit_safetensors,),
        ),
        Reader("csv", ".csv", partial(upload, ".csv"), csv_seeds, TEXTS),
        Reader("tsv", ".tsv", partial(upload, ".tsv"), tsv_seeds, TEXTS),
        Reader(
            "projector",
            ".metadata.tsv beside a .tsv",
            partial(beside, ".metadata.tsv", ".tsv"),
            projector_seeds,
            TEXTS,
        ),
        Reader(
            "ids", ".ids.txt beside a .npy", partial(beside, ".ids.txt", ".npy"), line_seeds, TEXTS
        ),
        Reader(
            "captions-beside",
            ".captions.txt beside a .npy",
            partial(beside, ".captions.txt", ".npy"),
            line_seeds,
            TEXTS,
        ),
        Reader(
            "arrow",
            ".arrow, from disk",
            partial(from_disk, ".arrow"),
            arrow_seeds,
            (*PARQUET, b"ARROW1"),
        ),
        Reader("cache", "index.json of a cache of embeddings", cache, index_seeds, JSON),
        Reader("revision", "ReVision chunks", records, chunk_seeds, PICKLE),
        Reader(
            "training",
            "training JSON",
            training,
            training_seeds,
            JSON,
            (E.edit_json, E.edit_json_lines),
        ),
        Reader("report", "reports of a gap", report, report_seeds, JSON, (E.edit_json,)),
        Reader("run", "training runs", run, run_seeds, JSON, (E.edit_json_lines,)),
        Reader(
            "pair",
            "a pair that was saved",
            pair,
            pair_seeds,
            (*ZIP, *NPY),
            (E.edit_zip(E.edit_model),),
        ),
        Reader("session", "files of sessions", session, session_seeds, (*ZIP, *JSON), (NPZ_EDIT,)),
        Reader("bench", "benches of encoders", bench, bench_seeds, (*ZIP, *JSON), (NPZ_EDIT,)),
        Reader("recipe", "recipes of both kinds", recipe, recipe_seeds, JSON, (E.edit_json,)),
        Reader(
            "model", "fitted models", model, model_seeds, (*ZIP, *NPY), (E.edit_zip(E.edit_model),)
        ),
        Reader(
            "scorer",
            "fitted scorers",
            scorer,
            scorer_seeds,
            (*ZIP, *NPY),
            (E.edit_zip(E.edit_model),),
        ),
        Reader(
            "clip-vectors",
            "clip-retrieval folder, vectors",
            partial(clip_retrieval, "text_emb/text_emb_1.npy"),
            lambda _: [*npy_seeds(_), saved(rows(4, 3))],
            NPY,
            (E.edit_npy,),
        ),
        Reader(
            "clip-metadata",
            "clip-retrieval folder, metadata",
            partial(clip_retrieval, "metadata/metadata_0.parquet"),
            lambda _: [*map(table_seed, (4, 3)), *parquet_seeds(_)[:3]],
            PARQUET,
            (E.edit_footer,),
        ),
        Reader(
            "parquet",
            ".parquet, uploaded",
            partial(upload, ".parquet"),
            parquet_seeds,
            PARQUET,
            (E.edit_footer,),
        ),
        Reader(
            "parquet-pieces",
            ".parquet, piece by piece from disk",
            partial(in_pieces, ".parquet"),
            parquet_seeds,
            PARQUET,
            (E.edit_footer,),
        ),
        Reader(
            "torch",
            ".pt",
            partial(upload, ".pt"),
            torch_seeds,
            WEIGHTS,
            (E.edit_zip(E.edit_member),),
        ),
        Reader("image", "one picture", picture, picture_seeds, PIXELS),
        Reader(
            "image-zip",
            "zip of pictures and captions",
            archive,
            archive_seeds,
            (*ZIP, *PIXELS),
            (E.edit_zip(E.edit_member),),
        ),
        Reader(
            "captions-csv", "captions as .csv", partial(captions, "a.csv"), caption_seeds, TEXTS
        ),
        Reader(
            "captions-tsv", "captions as .tsv", partial(captions, "a.tsv"), caption_seeds, TEXTS
        ),
        Reader(
            "captions-lines", "captions as lines", partial(captions, "a.txt"), caption_seeds, TEXTS
        ),
        Reader(
            "caption-json",
            "caption in .json beside a picture",
            partial(caption, "a.json"),
            sidecar_seeds,
            JSON,
            (E.edit_json,),
        ),
        Reader(
            "caption-txt",
            "caption in .txt beside a picture",
            partial(caption, "a.txt"),
            sidecar_seeds,
            TEXTS,
        ),
        Reader("config", "open_clip configuration", config, config_seeds, JSON, (E.edit_json,)),
        Reader(
            "weights-safetensors",
            "checkpoint, .safetensors",
            partial(weights, ".safetensors"),
            safetensors_seeds,
            SAFE,
            (E.edit_safetensors,),
        ),
        Reader(
            "weights-torch",
            "checkpoint, .pt",
            partial(weights, ".pt"),
            torch_seeds,
            WEIGHTS,
            (E.edit_zip(E.edit_member),),
        ),
    )
}
