"""Good files of every kind, made by the library's own writers and by hand."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import anisoalign_core as aa
from anisoalign_core.files.source import Source
from anisoalign_core.gap.saved import report_text
from anisoalign_core.io import revision
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.pair_file import write_pair
from anisoalign_core.io.registry import FORMATS
from anisoalign_core.plain import from_plain
from anisoalign_core.recipe import ApplyJob, FileRecipe, FitJob, cook
from anisoalign_core.recipe.written import Corrected, Fitted


def rows(n: int, d: int = 4) -> np.ndarray:
    found = np.random.default_rng(n * d).standard_normal((n, d))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def metadata(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_path": [f"{i}.jpg" for i in range(n)],
            "caption": ["a ring", "é", "", "x"][:n],
            "width": range(n),
        }
    )


def plain_set(n: int = 6, *, full: bool = True, modality: str = "image") -> aa.EmbeddingSet:
    return aa.EmbeddingSet.from_array(
        rows(n),
        modality=modality,
        ids=[f"id {i}" for i in range(n)] if full else None,
        captions=[f"é {i}, ring" for i in range(n)] if full else None,
        labels=pd.DataFrame({"class": list("ab") * (n // 2), "count": range(n)}) if full else None,
        model="ViT-B/16" if full else None,
    )


def written(form: str, data: aa.EmbeddingSet) -> bytes:
    ids = None if data.provenance.ids_are_rows else data.ids
    chunk = Chunk(data.vectors, About(ids, data.captions, data.labels))
    stream = io.BytesIO()
    write = FORMATS[form].write
    assert write is not None
    described = {"model": "ViT-B/16"} if data.captions is not None else {}
    write(stream, [chunk], data.modality, described, len(data))
    return stream.getvalue()


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def npy_seeds(folder: Path) -> list[bytes]:
    kinds = (np.float32, np.float16, np.float64, ">f4", np.int64, np.uint8, bool, np.complex64)
    found = [saved((rows(5) * 9).astype(kind)) for kind in kinds]
    odd = rows(5).copy()
    odd[1], odd[2, 0], odd[3] = 0, np.nan, np.inf
    extra = (np.asfortranarray(rows(5)), odd, rows(4)[0], rows(4)[None], np.empty((0, 4)))
    return found + [saved(array) for array in extra] + [saved(np.array(["a", "b"]))]


def npz_seeds(folder: Path) -> list[bytes]:
    found = [written("npz", plain_set()), written("npz", plain_set(full=False))]
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(
            stream,
            image=rows(5),
            text=rows(5).astype(">f8"),
            ids=np.array(list("abcde")),
            text_captions=np.array([b"a", b"b", b"\xff", b"", b"e"]),
            label=np.arange(5) > 2,
            metadata=np.array('{"model": "x"}'),
        )
        found.append(stream.getvalue())
    return found


def safetensors_seeds(folder: Path) -> list[bytes]:
    from safetensors.numpy import save

    pair = {"image": rows(5), "text": rows(5).astype(np.float16)}
    ints = {"a": np.arange(12).reshape(4, 3), "b": np.ones(3, bool)}
    return [
        written("safetensors", plain_set()),
        save(pair, {"model": "x"}),
        save(ints),
        _bfloat(),
    ]


def _bfloat() -> bytes:
    head = b'{"image":{"dtype":"BF16","shape":[3,2],"data_offsets":[0,12]}}'
    return len(head).to_bytes(8, "little") + head + b"\x80\x3f" * 6


def parquet_seeds(folder: Path) -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = [row.tolist() for row in rows(6)]
    tables = [
        pa.table({"id": [f"i{n}" for n in range(6)], "embedding": pa.array(lists)}),
        pa.table(
            {
                "image_embedding": pa.array(lists, pa.list_(pa.float32(), 4)),
                "text_embedding": pa.array(lists, pa.large_list(pa.float16())),
                "caption": pa.array(["a", None, "b", "", "a", "é"]),
                "kind": pa.array([1, 2, 3, 4, 5, None]),
            }
        ),
        pa.table({"embedding": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int32()))}),
        pa.table({"embedding": pa.array([[1.0], [2.0, 3.0]]), "ids": [1, 2]}),
    ]
    found = [written("parquet", plain_set())]
    for table in tables:
        for options in (
            {"compression": "none"},
            {"compression": "snappy", "row_group_size": 2, "data_page_version": "2.0"},
            {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True},
        ):
            stream = io.BytesIO()
            pq.write_table(table, stream, **options)
            found.append(stream.getvalue())
    return found


def arrow_seeds(folder: Path) -> list[bytes]:
    """Streams, as the datasets library writes them, and files of Arrow's own."""
    import pyarrow as pa

    fixed = pa.FixedSizeListArray.from_arrays(pa.array(rows(6).ravel()), 4)
    names = pa.array([f"photo {i}.jpg" for i in range(6)])
    tables = [
        pa.table({"image_id": names, "embedding": fixed, "caption": names}),
        pa.table({"key": names, "text_embeds": pa.array(rows(6).astype(np.float64).tolist())}),
        pa.table({"id": names, **{f"dim_{i}": rows(6)[:, i] for i in range(4)}}),
    ]
    seeds = []
    for opened in (pa.ipc.new_stream, pa.ipc.new_file):
        for table in tables:
            sink = pa.BufferOutputStream()
            with opened(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=4)
            seeds.append(sink.getvalue().to_pybytes())
    return seeds


def index_seeds(folder: Path) -> list[bytes]:
    """Which row each digest of a cache of embeddings has."""
    return [b'{"a": 0, "b": 1, "c": 2}', b'{"3f2a": 2, "91c0": 0}', b"{}"]


def torch_seeds(folder: Path) -> list[bytes]:
    import torch

    tensor = torch.from_numpy(rows(5))
    bodies: list[Any] = [
        tensor,
        {"image": tensor, "text": tensor.half(), "ids": list("abcde")},
        {"state_dict": {"module.a": tensor.bfloat16(), "b": torch.arange(3)}},
        {"image": tensor.to_sparse(), "x": {"y": [1, "z", None]}},
        {"image": tensor.t(), "captions": ["a"] * 5, "z": torch.zeros(0, 4)},
        [tensor],
        {"a": tensor.to(torch.complex64), "b": torch.tensor(3)},
    ]
    found = []
    for body in bodies:
        stream = io.BytesIO()
        torch.save(body, stream)
        found.append(stream.getvalue())
    return [*found, pickle.dumps(rows(2), 2)]


TEXT = b"id,caption,label,x,y,z\n"


def csv_seeds(folder: Path) -> list[bytes]:
    body = b"".join(b'i%d,"a ""ring"", x",b,%d.5,2e-3,-1\n' % (n, n) for n in range(4))
    return [
        TEXT + body,
        b"0.5,1,2\r\n1,2,3\r\n",
        b"\xef\xbb\xbfa,1,2\nb,3,4\n\n",
        b"0,1,2,3\n1,2,3,4\n",
    ]


def tsv_seeds(folder: Path) -> list[bytes]:
    return [written("tsv", plain_set()), *(text.replace(b",", b"\t") for text in csv_seeds(folder))]


def chunk_seeds(folder: Path) -> list[bytes]:
    found = []
    data = plain_set(8)
    made = {
        "text": About(data.ids, data.captions),
        "image": About(data.ids, None, data.labels),
    }
    for modality, about in made.items():
        stream = io.BytesIO()
        revision.write(stream, [Chunk(data.vectors, about)], modality, {})
        found.append(stream.getvalue())
    plain = [
        {"id": f"row {n}", "caption": f"é {n}" * n, "n": n, "embed": row.copy()}
        for n, row in enumerate(rows(8))
    ]
    found += [pickle.dumps(plain, protocol) for protocol in (2, 3, 4, 5)]
    mixed = [
        {"id": n, "embed": row.astype("<f8"), "more": [n, (n, {"a": row})]}
        for n, row in enumerate(rows(4))
    ]
    numbers = [
        {"id": n, "w": n / 3, "b": n > 2, "none": None, "embed": row}
        for n, row in enumerate(rows(6).astype("<f2"))
    ]
    found += [pickle.dumps(each, 4) for each in (mixed, numbers)]
    scalar = [{"id": np.int64(n), "s": np.str_("x"), "embed": np.arange(3)} for n in range(4)]
    return [*found, pickle.dumps(scalar, 4), pickle.dumps([os.getpid], 4)]


def line_seeds(folder: Path) -> list[bytes]:
    return [
        b"a\nb\nc\nd\ne\nf\n",
        b"\xef\xbb\xbfa\r\nb\r\n\r\n\r\n\r\nf",
        "é\n漢\n\n\n\n\n".encode(),
    ]


def projector_seeds(folder: Path) -> list[bytes]:
    body = b"".join(b"%d\tring\ta\n" % n for n in range(6))
    return [b"id\tcaption\tlabel\n" + body, b"a\nb\nc\nd\ne\nf\n"]


def training_seeds(folder: Path) -> list[bytes]:
    items = [{"id": f"{n}", "conversations": [{"from": "human", "value": "é"}]} for n in range(4)]
    numbers = [{"id": n, "image": "a.jpg"} for n in (1, 2.5, True)]
    lines = "\n".join(json.dumps(item) for item in items)
    return [
        json.dumps(items, indent=1).encode(),
        json.dumps(numbers).encode(),
        lines.encode(),
        b"[]",
    ]


def recipe_seeds(folder: Path) -> list[bytes]:
    pair = aa.EmbeddingPair(plain_set(40, modality="text"), plain_set(40), paired=True)
    found = []
    for name, parameters, fit_on in (("realign", {}, "all"), ("bounded", {"bound": 0.2}, "split")):
        found.append(cook(pair, name, parameters, fit_on=fit_on)[2].to_json().encode())
    fit = FitJob(("text.npy",), ("image.npy",), "bounded", {"bound": 0.2}, split_seed=1)
    apply = ApplyJob(("text.npy",), "out.npy", form="npy")
    read = {
        "name": "text.npy",
        "modality": "text",
        "rows": 4,
        "dropped_rows": 0,
        "dim": 4,
        "was_normalised": True,
        "norm_range": [1.0, 1.0],
        "files": [{"name": "text.npy", "rows": 4, "bytes": 192, "digest": "0" * 32}],
    }
    body = {"job": asdict(apply), "input": read, "files": read["files"], "preflight": None}
    fitted = from_plain(Fitted, {"job": asdict(fit), "source": read, "target": read})
    done = from_plain(Corrected, body)
    for made in (fitted, None):
        one = FileRecipe(made, done, "bounded", {"bound": 0.2}, "0", {"numpy": "2"})
        found.append(one.to_json().encode())
    return found


def _pair(n: int) -> aa.EmbeddingPair:
    return aa.EmbeddingPair(plain_set(n, modality="text"), plain_set(n), paired=True)


def pair_seeds(folder: Path) -> list[bytes]:
    ids = [f"k{row // 2}" for row in range(6)]
    grouped = aa.EmbeddingPair.join(
        aa.EmbeddingSet.from_array(rows(6), modality="text", ids=ids, captions=list("abcdeé")),
        replace(plain_set(), ids=np.array(ids, dtype=object)),
    )
    bare = aa.EmbeddingPair(plain_set(full=False, modality="text"), plain_set(full=False))
    return [write_pair(one, folder / "p.npz").read_bytes() for one in (_pair(6), grouped, bare)]


def session_seeds(folder: Path) -> list[bytes]:
    """Return files of sessions: one with rows, choice, training and bench, and a bare one."""
    from app.keeping import Piece
    from app.packed import ChoiceSaid, Contents, PairSaid, SelectionSaid, TrainingSaid, pack

    pair = _pair(20)
    short = {"rank": 2, "prior_steps": 2, "refine_steps": 2, "hidden": 4}
    method = aa.ALIGNERS["anisoalign"].of(short).fit(pair.source, pair.target)
    names = {kind: f"{kind}-{0:016x}" for kind in ("pair", "training", "bench")}
    pieces = {
        f"{names['pair']}.npz": Piece(lambda path: write_pair(pair, path), 0),
        f"{names['training']}.npz": Piece(method.save, 0),
        f"{names['bench']}.zip": Piece(aa.bench.Bench().save, 0),
    }
    choice = ChoiceSaid("anisoalign", short)
    whole = Contents(
        PairSaid("mine", pair.digest, ("a", "b"), part=f"{names['pair']}.npz"),
        3,
        0.3,
        choice,
        (TrainingSaid(choice, 3, 0.3, 1.0, f"{names['training']}.npz", {"bound_theta": 0.1}),),
        f"{names['bench']}.zip",
        {"some": SelectionSaid((1, 2), (), "drawn")},
        {"correct": {"method": ("anisoalign",)}},
    )
    return [
        pack(one, pieces, folder / "s.zip").read_bytes()
        for one in (whole, whole.without_vectors(), Contents())
    ]


def report_seeds(folder: Path) -> list[bytes]:
    whole = aa.diagnose(_pair(20))
    bare = aa.diagnose(_pair(6), parts=())
    old = json.loads(whole.to_json())
    for key in ("distribution", "shares", "galleries", "items", "encoder"):
        del old["details"][key]
    return [report_text(whole).encode(), bare.to_json().encode(), json.dumps(old).encode()]


def run_seeds(folder: Path) -> list[bytes]:
    found = []
    for name in ("one", "two"):
        place = folder / f"{name}.jsonl"
        monitor = aa.gap.Monitor(every=1, sinks=[aa.gap.JsonLines(place, name=name)])
        for step in range(3):
            monitor.update(rows(12 + step), rows(12 + step)[::-1].copy(), step=step)
        found.append(place.read_bytes())
    return [*found, b"".join(found)]


def bench_seeds(folder: Path) -> list[bytes]:
    kept = aa.bench.BenchEntry.measure("one", _pair(60), rows=12)
    bench = aa.bench.Bench((kept,)).with_entry(kept)
    run = aa.gap.Run.load(Source("run.jsonl", data=run_seeds(folder)[0]))
    numbers = aa.bench.BenchEntry("numbers", aa.diagnose(_pair(6), parts=()))
    every = bench.with_entry(numbers).with_run(run).to_bytes()
    return [every, bench.without(["one"]).to_bytes(), aa.bench.Bench().to_bytes()]


def model_seeds(folder: Path) -> list[bytes]:
    short = {"rank": 2, "prior_steps": 2, "refine_steps": 2, "hidden": 4}
    y, x = rows(40, 5), rows(40, 5)[::-1] * np.array([1, 1, 2, 1, 1])
    found = []
    for name, method in aa.ALIGNERS.items():
        fitted = method.of(short if name == "anisoalign" else {}).fit(y, x)
        found.append(fitted.save(folder / "seed.npz").read_bytes())
    return found


def scorer_seeds(folder: Path) -> list[bytes]:
    queries, gallery = rows(40, 5), rows(30, 5)
    found = []
    for kind in aa.SCORERS.values():
        labels = np.arange(30) % 2 if kind.takes_modality else None
        fitted = kind().fit(queries, gallery, modality=labels)
        found.append(fitted.save(folder / "seed.npz").read_bytes())
    return found


def picture_seeds(folder: Path) -> list[bytes]:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    found = []
    for kind, mode in (
        ("PNG", "RGB"), ("PNG", "P"), ("PNG", "I;16"), ("PNG", "LA"), ("JPEG", "RGB"),
        ("JPEG", "CMYK"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("GIF", "P"), ("BMP", "RGB"),
        ("BMP", "1"), ("TIFF", "RGB"), ("TIFF", "F"), ("PPM", "RGB"), ("PPM", "L"),
    ):  # fmt: skip
        stream = io.BytesIO()
        changed = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
        changed.save(stream, kind)
        found.append(stream.getvalue())
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in ({"exif": exif}, {"progressive": True}):
        stream = io.BytesIO()
        image.save(stream, "JPEG", **options)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    image.save(stream, "TIFF", compression="tiff_lzw")
    return [*found, stream.getvalue(), b"P3\n2 1\n255\n1 2 3 4 5 6\n"]


def archive_seeds(folder: Path) -> list[bytes]:
    images = picture_seeds(folder)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/1.png", images[0])
        made.writestr("a/1.txt", "a ring\nmore")
        made.writestr("a/2.jpg", images[4])
        made.writestr("a/2.json", '{"caption": "a star"}')
        made.writestr("__MACOSX/x.png", b"")
        made.writestr("b/", b"")
        made.writestr("..\\b/2.bmp", images[9])
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as made:
        made.writestr("x.ppm", images[-1])
    return [stream.getvalue(), plain.getvalue()]


def caption_seeds(folder: Path) -> list[bytes]:
    return [
        b'file,caption\na.png,"a ring, x"\nb.png,a star\nc.png,\n',
        b"image;text\na;x\nb;y\n",
        b"a ring\na star\na disc\n",
        b"a.png,a ring\nb.png,a star\n",
        b"file\tcaption\na\tx\nb\ty\nd\tz\n",
    ]


def sidecar_seeds(folder: Path) -> list[bytes]:
    return [b'{"caption": "a ring", "width": 3}', b"a ring\nmore\n", b'{"caption": null}', b"[1]"]


def config_seeds(folder: Path) -> list[bytes]:
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1}
    text = {"context_length": 6, "vocab_size": 7, "width": 32, "heads": 2, "layers": 1}
    tiny = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    own = {"size": 32, "mean": [0.5] * 3, "std": [0.25] * 3}
    bodies = (
        {"model_cfg": tiny, "preprocess": own, "vocabulary": ["a", "ring"]},
        {
            "model_cfg": tiny,
            "preprocess_cfg": {"size": [32, 32], "mean": 0.5, "interpolation": "bicubic"},
        },
        tiny,
        {**tiny, "text_cfg": {"hf_model_name": "x", "layers": [1, 2]}, "custom_text": True},
    )
    return [json.dumps(body).encode() for body in bodies]


def table_seed(n: int) -> bytes:
    stream = io.BytesIO()
    metadata(n).to_parquet(stream)
    return stream.getvalue()
