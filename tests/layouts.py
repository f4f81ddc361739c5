"""Layouts of embeddings that were seen in the wild: small files of each, and the page's table.

``python -m tests.layouts`` writes the table at the end of docs/DATA_FORMAT.md from what happens.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

import anisoalign_core as aa
from anisoalign_core.files.source import Source
from anisoalign_core.io.captions import captions_for, read_captions
from anisoalign_core.io.columns import NAMES as NAMES_OF

PAGE = Path(__file__).resolve().parent.parent / "docs" / "DATA_FORMAT.md"
HEADING = "## Layouts seen in the wild\n"
N, D = 60, 16
ROWS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
ROWS /= np.linalg.norm(ROWS, axis=1, keepdims=True)
NAMES = [f"a/{row}.jpg" for row in range(N)]
WORDS = [f"a picture of thing {row}" for row in range(N)]
SHUFFLED = np.random.default_rng(7).permutation(D)


@dataclass(frozen=True)
class Layout:
    """One layout.

    Attributes
    ----------
    words : str
        For the table.
    write : callable (folder) -> path
    refused : str
        A part of the message, where it is refused.
    options : dict
        Of :func:`anisoalign_core.load`.
    ids, captions, labels
        What must be read beside the vectors.
    rows : list of int
        Which rows of the truth are read.
    """

    words: str
    write: Callable[[Path], Path]
    refused: str = ""
    ids: list[str] | None = None
    captions: list[str] | None = None
    labels: tuple[str, ...] = ()
    rows: list[int] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def csv(name: str = "a.csv", before: dict[str, Any] | None = None, **options: Any) -> Any:
    """Return a writer of the rows with columns before them; ``header`` names the dimensions."""
    titles, order = options.pop("titles", range(D)), options.pop("order", range(D))

    def write(folder: Path) -> Path:
        frame = pd.DataFrame(ROWS.astype(float)).set_axis(list(titles), axis=1)
        frame = frame[[list(titles)[column] for column in order]]
        frame = pd.concat([pd.DataFrame(before or {}), frame], axis=1)
        frame.to_csv(folder / name, **({"index": False} | options))
        return folder / name

    return write


def spelled(how: Callable[[Any], str], name: str = "a.csv") -> Any:
    """Return a writer of vectors as text in one column."""

    def write(folder: Path) -> Path:
        frame = pd.DataFrame({"id": NAMES, "embedding": [how(row) for row in ROWS]})
        frame.to_csv(folder / name, index=False)
        return folder / name

    return write


def parquet(**columns: Any) -> Any:
    """Return a writer of a table; None stands for the vectors."""

    def write(folder: Path) -> Path:
        made = {
            name: pa.array(ROWS.tolist(), pa.list_(pa.float32())) if values is None else values
            for name, values in columns.items()
        }
        pq.write_table(pa.table(made), folder / "a.parquet")
        return folder / "a.parquet"

    return write


def saved(name: str, save: Callable[[Path], Any]) -> Any:
    """Return a writer of one file."""

    def write(folder: Path) -> Path:
        save(folder / name)
        return folder / name

    return write


def beside(ending: str, text: str, ids: bool = False) -> Any:
    """Return a writer of a .npy with a file of text beside it."""

    def write(folder: Path) -> Path:
        np.save(folder / "a.npy", ROWS)
        (folder / f"a{ending}").write_text(text)
        if ids:
            (folder / "a.ids.txt").write_text("".join(f"{name}\n" for name in NAMES))
        return folder / "a.npy"

    return write


def projector(folder: Path) -> Path:
    pd.DataFrame(ROWS).to_csv(folder / "vectors.tsv", sep="\t", header=False, index=False)
    frame = pd.DataFrame({"name": NAMES, "kind": ["u", "v"] * (N // 2)})
    frame.to_csv(folder / "metadata.tsv", sep="\t", index=False)
    return folder


def dataset(folder: Path) -> Path:
    table = pa.table({"image_path": NAMES, "text": WORDS, "embedding": ROWS.tolist()})
    names = [f"data-{part:05d}-of-00002.arrow" for part in range(2)]
    for name, part in zip(names, (table.slice(0, N // 2), table.slice(N // 2)), strict=True):
        with (
            pa.OSFile(str(folder / name), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema) as w,
        ):
            w.write_table(part)
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": n} for n in names]})
    )
    (folder / "dataset_info.json").write_text("{}")
    return folder


def splits(folder: Path) -> Path:
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    return folder


def cache(folder: Path) -> Path:
    np.concatenate([ROWS, np.zeros((40, D), np.float32)]).tofile(folder / "vectors.npy")
    (folder / "dimension").write_text(str(D))
    (folder / "index.json").write_text(json.dumps({name: row for row, name in enumerate(NAMES)}))
    return folder


def headless(folder: Path) -> Path:
    table = np.insert(ROWS.astype(float), 5, 2019.0, axis=1)
    np.savetxt(folder / "a.csv", table, delimiter=",", fmt="%.9g")
    return folder / "a.csv"


def gapped(folder: Path) -> Path:
    frame = pd.DataFrame(ROWS.astype(float))
    frame.iloc[3] = np.nan
    frame.assign(id=NAMES).to_csv(folder / "a.csv", index=False)
    return folder / "a.csv"


def packed(folder: Path) -> Path:
    text = pd.DataFrame(ROWS.astype(float)).to_csv(index=False)
    (folder / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder / "a.csv.gz"


T = torch.tensor(ROWS)
HOLES = [
    None if row == 3 else [] if row == 20 else list(map(float, v)) for row, v in enumerate(ROWS)
]
KEPT = [row for row in range(N) if row not in (3, 20)]
NUMBERED = {f"dim_{column}": ROWS[:, column] for column in SHUFFLED}
JSONL = "".join(
    json.dumps({"file_name": NAMES[row], "caption": WORDS[row]}) + "\n"
    for row in reversed(range(N))
)
BRAIN = torch.tensor(ROWS).to(torch.bfloat16)
LAYOUTS = [
    Layout("`.csv` with `image_id`", csv(before={"image_id": range(N)}), ids=[*map(str, range(N))]),
    Layout("`.csv` with `photo`, a path", csv(before={"photo": NAMES}), ids=NAMES),
    Layout("`.csv` with `product_id`", csv(before={"product_id": range(900, 900 + N)}),
           ids=[str(900 + row) for row in range(N)]),
    Layout("`.csv` with an index that pandas saved", csv(index=True), ids=[*map(str, range(N))]),
    Layout("`.csv` with `year`, `width`, `topic`",
           csv(before={"year": 2019, "width": 640, "topic": np.arange(N) % 4} | {"n": range(N)}),
           labels=("year", "width", "topic", "n")),
    Layout("`.csv`, dimensions in any order", csv(order=SHUFFLED, before={"kind": ["x"] * N}),
           labels=("kind",)),
    Layout("`.csv` without header, a column the same in every row", headless,
           refused='Column "6" of a.csv is 2019 in every row'),
    Layout("the same, with `drop_columns=[\"6\"]`", headless, options={"drop_columns": ["6"]}),
    Layout("`.csv` with the header 1000, 1001, …", csv(titles=range(1000, 1000 + D))),
    Layout("`.csv` with the header 0.00, 1.00, …", csv(titles=[f"{c}.00" for c in range(D)])),
    Layout("`.csv` by semicolons, decimal commas", csv(sep=";", decimal=",")),
    Layout("`.csv` by tabs", csv(sep="\t", before={"filepath": NAMES, "title": WORDS}),
           ids=NAMES, captions=WORDS),
    Layout("`.csv.gz`", packed),
    Layout("`.csv`, vectors as Python prints a list", spelled(lambda row: str(row.tolist())),
           ids=NAMES),
    Layout("`.csv`, vectors as NumPy prints them",
           spelled(lambda row: np.array2string(row, floatmode="unique")), ids=NAMES),
    Layout("`.csv`, printed vectors that were cut",
           spelled(lambda row: np.array2string(row, threshold=4, edgeitems=2)), refused="ellipsis"),
    Layout("`.csv` with an empty row", gapped, refused="Row 3 of a.csv is not finite"),
    Layout("the same, dropped", gapped, options={"drop_invalid": True},
           rows=[r for r in range(N) if r != 3],
           ids=[n for r, n in enumerate(NAMES) if r != 3]),
    Layout("folder with `vectors.tsv` and `metadata.tsv`", projector, ids=NAMES, labels=("kind",)),
    Layout("`.parquet` with `image_path` and `vector`", parquet(image_path=NAMES, vector=None),
           ids=NAMES),
    Layout("`.parquet` with `key`, whole numbers", parquet(key=range(N), clip_embedding=None),
           ids=[*map(str, range(N))]),
    Layout("`.parquet`, lists of captions", parquet(id=NAMES, caption=[[w, "b"] for w in WORDS],
           e=None),
           ids=NAMES, captions=WORDS),
    Layout("`.parquet`, rows missing or empty", parquet(e=pa.array(HOLES, pa.list_(pa.float32()))),
           refused="Rows 3, 20 of a.parquet are not finite"),
    Layout("the same, dropped", parquet(e=pa.array(HOLES, pa.list_(pa.float32()))),
           options={"drop_invalid": True}, rows=KEPT),
    Layout("`.parquet`, one column a dimension", parquet(file_name=NAMES, **NUMBERED), ids=NAMES),
    Layout("`.parquet`, vectors as text", parquet(uuid=NAMES,
           embedding=[str(r.tolist()) for r in ROWS]),
           ids=NAMES),
    Layout("`.npz` with `image_features` and `filenames`",
           saved("a.npz", lambda p: np.savez(p, image_features=ROWS, filenames=NAMES)), ids=NAMES),
    Layout("`.npz` with an array of Python objects beside",
           saved("a.npz", lambda p: np.savez(p, image_embeds=ROWS, names=np.array(NAMES, object)))),
    Layout("`.npz`, one array for each id",
           saved("a.npz", lambda p: np.savez(p, **dict(zip(NAMES, ROWS, strict=True)))), ids=NAMES),
    Layout("`.pt` with `features` and `keys`",
           saved("a.pt", lambda p: torch.save({"features": T, "keys": torch.arange(N)}, p)),
           ids=[*map(str, range(N))]),
    Layout("`.pt`, a tensor for each id",
           saved("a.pt", lambda p: torch.save(dict(zip(NAMES, T, strict=True)), p)), ids=NAMES),
    Layout("`.pt`, a list of tensors", saved("a.pt", lambda p: torch.save(list(T), p))),
    Layout("`.pt`, a list of batches", saved("a.pt", lambda p: torch.save(list(T.split(7)), p))),
    Layout("`.pt`, records with `path` and `embedding`",
           saved("a.pt", lambda p: torch.save(
               [{"path": n, "embedding": t} for n, t in zip(NAMES, T, strict=True)], p)),
               ids=NAMES),
    Layout("`.pt`, captions as records",
           saved("a.pt", lambda p: torch.save({"clip_embedding": T, "captions": [
               {"image_id": n, "caption": w} for n, w in zip(NAMES, WORDS, strict=True)]}, p)),
           ids=NAMES, captions=WORDS),
    Layout("`.pt` in bfloat16", saved("a.pt", lambda p: torch.save(BRAIN, p))),
    Layout("`.safetensors` in bfloat16, with `ids`",
           saved("a.safetensors", lambda p: save_tensors({"image_embeds": BRAIN,
           "ids": torch.arange(N)}, p)),
           ids=[*map(str, range(N))]),
    Layout("`.safetensors`, a tensor for each id",
           saved("a.safetensors", lambda p: save_file(dict(zip(NAMES, ROWS, strict=True)), p)),
           ids=sorted(NAMES), rows=[NAMES.index(n) for n in sorted(NAMES)]),
    Layout("`.npy` of the shape (n, 1, d)", saved("a.npy", lambda p: np.save(p, ROWS[:, None]))),
    Layout("`.npy` of the shape (1, n, d)", saved("a.npy", lambda p: np.save(p, ROWS[None]))),
    Layout("`.npy` of Python objects", saved("a.npy", lambda p: np.save(p,
           np.array([{"a": 1}] * 3))),
           refused="never loaded because they can run code"),
    Layout("`.npy`, ids with a header beside", beside(".ids.txt", "id\n" + "\n".join(NAMES)),
           ids=NAMES),
    Layout("`.npy`, JSON lines of captions beside", beside(".captions.jsonl", JSONL, ids=True),
           ids=NAMES, captions=WORDS),
    Layout("`.npy`, JSON lines instead of captions in order", beside(".captions.txt", JSONL),
           refused="has no ids"),
    Layout("folder that `datasets` saved", dataset, ids=NAMES, captions=WORDS),
    Layout("folder of several splits that `datasets` saved", splits,
           refused="several splits (train, test)"),
    Layout("cache folder of the massive text embedding benchmark", cache, ids=NAMES),
    Layout("FAISS index, without faiss", saved("a.faiss", lambda p: p.write_bytes(b"IxFI")),
           refused="faiss is not installed"),
]  # fmt: skip

FOUR = ["000.png", "001.png", "002.png", "003.png"]
SAID = ["a green kite", "two grey boats", "a lamp, lit", "an owl at night"]
ORDER = [2, 0, 3, 1]
COCO = {
    "images": [{"id": 40 + row, "file_name": name} for row, name in enumerate(FOUR)],
    "annotations": [{"image_id": 40 + row, "id": 7, "caption": SAID[row]} for row in ORDER],
}
KARPATHY = {"images": [{"filename": FOUR[r], "sentences": [{"raw": SAID[r]}]} for r in ORDER]}


def lines(form: str, before: str = "") -> str:
    return before + "".join(form.format(name=FOUR[row], text=SAID[row]) + "\n" for row in ORDER)


CAPTIONS: list[tuple[str, str, str, str]] = [
    ("JSON lines with `file_name`", "a.jsonl",
     "".join(json.dumps({"file_name": FOUR[r], "text": SAID[r]}) + "\n" for r in ORDER), ""),
    ("JSON lines in a `.txt`", "a.txt",
     "".join(json.dumps({"image": FOUR[r], "caption": SAID[r]}) + "\n" for r in ORDER), ""),
    ("Flickr's `name.jpg#0<tab>caption`", "results.token", lines("{name}#0\t{text}"), ""),
    ("COCO's annotations", "captions_val.json", json.dumps(COCO), ""),
    ("Karpathy's `sentences`", "dataset.json", json.dumps(KARPATHY), ""),
    ("JSON object of names and lists of captions", "a.json",
     json.dumps({FOUR[r]: [SAID[r]] for r in ORDER}), ""),
    ("open_clip's `.csv` by tabs", "a.csv", lines("{name}\t{text}", "filepath\ttitle\n"), ""),
    ("`.csv` by semicolons", "a.csv", lines("{name};{text}", "image;caption\n"), ""),
    ("`.csv` by bars", "a.csv", lines("{name}| {text}", "image| caption\n"), ""),
    ("`name,\"caption\"` in a `.txt`", "a.txt", lines('{name},"{text}"'), ""),
    ("a name and a caption by spaces", "a.txt", lines("{name} {text}"),
    "no captions that are understood"),
    ("XML", "a.xml", "<captions/>", "no captions that are understood"),
    ("records whose caption is a record", "a.json",
    '[{"image": "000.png", "caption": {"en": "x"}}]',
     "in the place of a caption"),
]  # fmt: skip


@contextmanager
def without_faiss() -> Iterator[None]:
    """Let faiss be missing, as it mostly is."""
    missing = object()
    before = sys.modules.get("faiss", missing)
    sys.modules["faiss"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["faiss"]
        if before is not missing:
            sys.modules["faiss"] = before  # type: ignore[assignment]


def happens(layout: Layout, folder: Path) -> str:
    """Say what happens with a layout, by loading it."""
    with without_faiss():
        try:
            found = aa.load(
                layout.write(folder), modality="image", name="the file", **layout.options
            )
        except aa.AnisoAlignError as error:
            return f"refused: {str(error).split('. ')[0].rstrip('.')}"
    known = found.provenance
    parts = [f"{len(known.dropped_rows)} rows dropped"] if known.dropped_rows else []
    parts += [] if known.ids_are_rows else ["ids"]
    parts += [] if found.captions is None else ["captions"]
    if found.labels is not None:
        parts.append("labels " + ", ".join(f"`{name}`" for name in found.labels.columns))
    parts += ["said: bfloat16"] if known.original_dtype == "bfloat16" else []
    parts += [f"said: {note.rstrip('.')}" for note in known.notes[:1]]
    return "read" + (f" ({'; '.join(parts)})" if parts else "")


def caption_happens(name: str, text: str, folder: Path) -> str:
    """Say what happens with a file of captions."""
    (folder / name).write_text(text)
    try:
        texts, _ = captions_for(read_captions(Source(name, folder / name)), FOUR, "the set")
    except aa.AnisoAlignError as error:
        return f"refused: {str(error).split('. ')[0].rstrip('.')}"
    assert texts == SAID
    return "read, by name"


def names() -> str:
    """Return the page's table of names that mean something."""
    rows = ["| meaning | names |", "|---|---|"]
    for what, known in NAMES_OF.items():
        rows.append(f"| {what} | {', '.join(f'`{name}`' for name in known)} |")
    return "\n".join(rows) + "\n"


def table() -> str:
    """Return the page's last section."""
    rows = ["| vectors | what happens |", "|---|---|"]
    for layout in LAYOUTS:
        with tempfile.TemporaryDirectory() as folder:
            (place := Path(folder) / "set").mkdir()
            rows.append(f"| {layout.words} | {_cell(happens(layout, place))} |")
    rows += ["", "| captions | what happens |", "|---|---|"]
    for words, name, text, _ in CAPTIONS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(f"| {words} | {_cell(caption_happens(name, text, Path(folder)))} |")
    return f"{HEADING}\n" + "\n".join(rows) + "\n"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8").partition(HEADING)[0]
    start, _, rest = before.partition("| meaning | names |")
    before = start + names() + "\n" + rest.partition("|\n\n")[2]
    PAGE.write_text(before.rstrip("\n") + "\n\n" + table(), encoding="utf-8")
