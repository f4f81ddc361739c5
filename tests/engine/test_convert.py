"""A set keeps its rows, their order, and what is said of them, from any format to any other."""

import io
import json
import pickle
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

from anisoalign_core.cli import main
from tests.conftest import paired_world

FORMATS = ("npy", "safetensors", "parquet", "clip-retrieval", "revision")
NUMBERS = (0, 2, 10)
"""Of the shards: as text, 10 would come before 2."""
EDGES = (0, 120, 121, 200)
ROWS = EDGES[-1]


def texts():
    return paired_world(ROWS, 12)[0]


IDS = [f"id {row} é" for row in range(ROWS)]
CAPTIONS = [f'caption {row}, "quoted", 漢字' for row in range(ROWS)]


def write_set(form, folder):
    """Write the set as three shards, with nothing of ours."""
    rows = texts()
    for number, (start, stop) in zip(NUMBERS, pairwise(EDGES), strict=True):
        part, ids, captions = rows[start:stop], IDS[start:stop], CAPTIONS[start:stop]
        if form == "clip-retrieval":
            for name in ("text_emb", "metadata"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            np.save(folder / f"text_emb/text_emb_{number}.npy", part.astype(np.float16))
            table = pa.table({"image_path": ids, "caption": captions})
            pq.write_table(table, folder / f"metadata/metadata_{number}.parquet")
            continue
        folder.mkdir(exist_ok=True)
        path = folder / f"part_{number}"
        if form == "parquet":
            vectors = pa.array(list(part), pa.list_(pa.float32()))
            table = pa.table({"id": ids, "caption": captions, "embedding": vectors})
            pq.write_table(table, f"{path}.parquet", row_group_size=50)
        elif form == "revision":
            records = [
                {"id": key, "caption": caption, "embed": vector.copy()}
                for key, caption, vector in zip(ids, captions, part, strict=True)
            ]
            Path(f"{path}.pkl").write_bytes(pickle.dumps(records, 4))
        else:
            if form == "npy":
                np.save(f"{path}.npy", part)
            else:
                save_file({"text": part}, f"{path}.safetensors")
            Path(f"{path}.ids.txt").write_text("".join(f"{one}\n" for one in ids))
            Path(f"{path}.captions.txt").write_text("".join(f"{one}\n" for one in captions))


def in_order(paths):
    return sorted(paths, key=lambda path: int(re.findall(r"\d+", path.name)[-1]))


def read_set(form, folder):
    """Read a set that was written, with nothing of ours: rows, ids, captions."""
    parts, ids, captions = [], [], []
    if form == "parquet":
        for path in in_order(folder.glob("*.parquet")):
            table = pq.read_table(path)
            parts.append(np.array(table["embedding"].to_pylist(), np.float32).reshape(-1, 12))
            ids += table["id"].to_pylist()
            captions += table["caption"].to_pylist()
    elif form == "revision":
        for path in in_order(folder.glob("*.pkl")):
            records = pickle.loads(path.read_bytes())
            parts.append(np.stack([record["embed"] for record in records]))
            ids += [record["id"] for record in records]
            captions += [record["caption"] for record in records]
    elif form == "clip-retrieval":
        for path in in_order((folder / "text_emb").iterdir()):
            parts.append(np.load(path))
            number = re.findall(r"\d+", path.name)[-1]
            table = pq.read_table(folder / f"metadata/metadata_{number}.parquet")
            ids += table["image_path"].to_pylist()
            captions += table["caption"].to_pylist()
    else:
        for path in in_order(folder.glob(f"*.{form}")):
            parts.append(np.load(path) if form == "npy" else load_file(path)["text"])
            ids += path.with_suffix(".ids.txt").read_text().splitlines()
            captions += path.with_suffix(".captions.txt").read_text().splitlines()
    return np.concatenate(parts), ids, captions


def stored(rows, form):
    """What a format keeps of rows: float16 in clip-retrieval, unit rows in ReVision."""
    if form == "clip-retrieval":
        return rows.astype(np.float16)
    if form == "revision":
        rows = rows.astype(np.float64)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def convert(source, out, *more):
    return main(["convert", "--source", str(source), "--out", str(out), *more, "--quiet"])


def tree(folder):
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ----------------------------------------------------------------------------- between formats


@pytest.mark.parametrize("after", FORMATS)
@pytest.mark.parametrize("before", FORMATS)
def test_rows_ids_and_captions_are_kept(here, before, after):
    write_set(before, here / "in")
    assert convert("in", "out", "--format", after) == 0
    rows, ids, captions = read_set(after, here / "out")
    first = stored(texts(), before if before == "clip-retrieval" else "npy")
    np.testing.assert_allclose(rows, stored(first, after), rtol=0, atol=1e-7)
    assert rows.dtype == (np.float16 if after == "clip-retrieval" else np.float32)
    assert (ids, captions) == (IDS, CAPTIONS)
    assert not [path for path in (here / "out").rglob(".*")], "nothing is left of the work"


@pytest.mark.parametrize("form", ["npy", "safetensors", "parquet"])
def test_many_shards_become_one_file(here, form):
    write_set("clip-retrieval", here / "in")
    (here / "out").mkdir()
    assert convert("in", f"out/z_1.{form}", "--dtype", "float16") == 0
    rows, ids, captions = read_set(form, here / "out")
    np.testing.assert_array_equal(rows, texts().astype(np.float16))
    assert (ids, captions) == (IDS, CAPTIONS)


@pytest.mark.parametrize("before", FORMATS)
def test_npz_and_tsv_are_ends(here, before):
    write_set(before, here / "in")
    assert convert("in", "z.npz") == convert("in", "z.tsv") == 0
    with np.load("z.npz") as found:
        rows, ids, captions = found["text"], found["text_ids"], found["text_captions"]
    first = stored(texts(), before if before == "clip-retrieval" else "npy")
    np.testing.assert_allclose(rows, stored(first, "revision"), atol=1e-7)
    assert (ids.tolist(), captions.tolist()) == (IDS, CAPTIONS)
    np.testing.assert_array_equal(np.loadtxt("z.tsv", delimiter="\t", dtype=np.float32), rows)
    beside = [line.split("\t") for line in Path("z.metadata.tsv").read_text().splitlines()]
    assert beside == [["id", "caption"], *map(list, zip(IDS, CAPTIONS, strict=True))]


@pytest.mark.parametrize("end", ["npz", "tsv", "csv"])
def test_what_is_read_whole_is_a_beginning(here, end):
    write_set("npy", here / "in")
    assert convert("in", f"z.{'npz' if end == 'csv' else end}") == 0
    if end == "csv":
        lines = [
            ",".join([key, *map(repr, map(float, row))])
            for key, row in zip(IDS, texts(), strict=True)
        ]
        Path("z.csv").write_text("\n".join(lines))
    assert convert(f"z.{end}", "out", "--format", "parquet") == 0
    table = pq.read_table("out/z.parquet")
    assert table["id"].to_pylist() == IDS
    assert ("caption" in table.column_names) is (end != "csv")
    rows = np.array(table["embedding"].to_pylist())
    np.testing.assert_allclose(rows, texts(), rtol=0, atol=1e-7)


# ------------------------------------------------------------------------------ the same format


def test_parquet_keeps_every_other_column_and_its_type(here):
    rows = texts()
    columns = {
        "when": pa.array(range(ROWS), pa.timestamp("ms", "UTC")),
        "tags": pa.array([["a"] * (row % 3) for row in range(ROWS)], pa.list_(pa.string())),
        "vector": pa.array(list(rows), pa.large_list(pa.float64())),
        "class": pa.array([f"c{row % 3}" for row in range(ROWS)]).dictionary_encode(),
        "long": pa.array(CAPTIONS, pa.large_string()),
        "count": pa.array([None if row % 7 == 0 else row for row in range(ROWS)], pa.int16()),
        "place": pa.array([{"x": row, "y": None} for row in range(ROWS)]),
        "raw": pa.array([bytes([row]) for row in range(ROWS)], pa.binary()),
    }
    table = pa.table(columns).replace_schema_metadata({"model": "ViT", "digest": "of before"})
    pq.write_table(table, "a.parquet", row_group_size=33)
    assert convert("a.parquet", "b.parquet", "--dtype", "float16") == 0
    found = pq.read_table("b.parquet")
    assert found.column_names == table.column_names
    for name in columns:
        if name == "vector":
            assert found.schema.field(name).type == pa.list_(pa.float16(), 12)
            vectors = np.array(found[name].to_pylist())
            np.testing.assert_array_equal(vectors, rows.astype(np.float16))
        else:
            assert found.schema.field(name).type == table.schema.field(name).type
            assert found[name].to_pylist() == table[name].to_pylist()
    assert found.schema.metadata == {b"model": b"ViT", b"modality": b"text"}


@pytest.mark.parametrize("form", ["npy", "safetensors"])
def test_text_beside_vectors_is_copied_byte_for_byte(here, form):
    write_set("npy", here / "in")
    beside = {
        "part_2.ids.txt": b"\xef\xbb\xbfonly\r\n",
        "part_10.captions.txt": "\n".join(CAPTIONS[121:]).encode(),
    }
    for name, data in beside.items():
        (here / "in" / name).write_bytes(data)
    (here / "in" / "part_0.captions.txt").unlink()
    assert convert("in", "out", "--format", form) == 0
    names = {path.name for path in (here / "in").iterdir() if path.suffix == ".txt"}
    assert {path.name for path in (here / "out").iterdir() if path.suffix == ".txt"} == names
    for name in names:
        assert (here / "in" / name).read_bytes() == (here / "out" / name).read_bytes()


def test_metadata_of_clip_retrieval_is_copied_byte_for_byte(here):
    write_set("clip-retrieval", here / "in")
    odd = pa.table({"image_path": ["x"], "similarity": [0.5], "json": [{"deep": [1, 2]}]})
    pq.write_table(odd, "in/metadata/metadata_2.parquet", compression="gzip")
    assert convert("in", "out", "--normalise") == 0
    before, after = tree("in/metadata"), tree("out/metadata")
    assert list(before.values()) == list(after.values())
    assert sorted(path.name for path in (here / "out" / "text_emb").iterdir()) == [
        f"text_emb_{number}.npy" for number in sorted(NUMBERS, key=str)
    ]


def test_records_of_revision_keep_their_keys_and_ids(here):
    rows = texts()
    (here / "in").mkdir()
    records = [
        {"n": row, "id": row, "embed": 3 * vector, "caption": "c", "box": np.arange(row % 4)}
        for row, vector in enumerate(rows)
    ]
    records[7]["only here"] = ("deep", [None, {"x": 2.5}])
    for number in (0, 1):
        part = records[100 * number : 100 * (number + 1)]
        Path(f"in/chunk_{number}.pkl").write_bytes(pickle.dumps(part, 5))
    assert convert("in", "out") == 0
    found = [
        record
        for number in (0, 1)
        for record in pickle.loads(Path(f"out/text_embeds_{number}_converted.pkl").read_bytes())
    ]
    for before, after in zip(records, found, strict=True):
        kept = [key for key in before if key != "embed"]
        assert [key for key in after if key != "embed"] == kept
        assert type(after["id"]) is int
        for key in kept:
            np.testing.assert_equal(after[key], before[key])
    vectors = np.stack([record["embed"] for record in found])
    np.testing.assert_allclose(vectors, rows, atol=1e-7)


def test_rows_stay_as_they_are_unless_they_are_to_be_normalised(here):
    rows = 3 * texts()
    rows[5], rows[6, 2] = 0, np.nan
    np.save("a.npy", rows.astype(np.float64))
    assert convert("a.npy", "b.npy") == 0
    np.testing.assert_array_equal(np.load("b.npy"), rows)
    assert convert("a.npy", "c.npy", "--normalise", "--drop-invalid") == 0
    np.testing.assert_allclose(np.load("c.npy"), np.delete(texts(), (5, 6), axis=0), atol=1e-7)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", ">f8", "<i2", ">i8", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_real_numbers_in_any_order(here, dtype, order):
    numbers = np.random.default_rng(0).integers(0, 100, (ROWS, 12)).astype(dtype)
    np.save("a.npy", np.asarray(numbers, order=order))
    assert convert("a.npy", "b.npy") == 0
    found = np.load("b.npy")
    np.testing.assert_array_equal(found, numbers)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)


def test_bfloat16_is_widened(here):
    """Half of the bits of a float32, whose other half is zero."""
    rows = (texts().view(np.uint32) & 0xFFFF0000).view(np.float32)
    halves = (rows.view(np.uint32) >> 16).astype("<u2").tobytes()
    entry = {"dtype": "BF16", "shape": [ROWS, 12], "data_offsets": [0, len(halves)]}
    header = json.dumps({"text": entry}).encode()
    Path("a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + halves)
    assert convert("a.safetensors", "b.npy") == 0
    np.testing.assert_array_equal(np.load("b.npy"), rows)


# -------------------------------------------------------------------------------------- cut anew


@pytest.mark.parametrize("after", FORMATS)
@pytest.mark.parametrize("before", ["npy", "parquet", "revision"])
def test_rows_are_cut_anew(here, before, after):
    write_set(before, here / "in")
    assert convert("in", "out", "--format", after, "--shard-rows", "64") == 0
    rows, ids, captions = read_set(after, here / "out")
    np.testing.assert_allclose(rows, stored(texts(), after), rtol=0, atol=1e-7)
    assert (ids, captions) == (IDS, CAPTIONS)
    folder = here / "out" / ("text_emb" if after == "clip-retrieval" else ".")
    suffix = {"clip-retrieval": "npy", "revision": "pkl"}.get(after, after)
    paths = in_order(folder.glob(f"*.{suffix}"))
    assert len(paths) == 4
    assert [re.findall(r"\d+", path.name)[-1] for path in paths] == ["0", "1", "2", "3"]


def test_cut_shards_hold_as_many_rows_as_were_asked_for(here):
    write_set("npy", here / "in")
    assert convert("in", "out", "--shard-rows", "64") == 0
    assert [len(np.load(f"out/text_emb_{k}.npy")) for k in range(4)] == [64, 64, 64, 8]


# ----------------------------------------------------------------------------- rows without ids


@pytest.mark.parametrize("after", ["parquet", "revision", "clip-retrieval"])
def test_row_numbers_of_the_whole_set_serve_as_ids(here, after):
    write_set("npy", here / "in")
    for path in (here / "in").glob("*.txt"):
        path.unlink()
    rows = np.load("in/part_0.npy")
    rows[3] = np.inf
    np.save("in/part_0.npy", rows)
    assert convert("in", "out", "--format", after, "--drop-invalid") == 0
    if after == "parquet":
        tables = [pq.read_table(path) for path in in_order((here / "out").iterdir())]
        ids = [key for table in tables for key in table["id"].to_pylist()]
    elif after == "revision":
        chunks = [pickle.loads(path.read_bytes()) for path in in_order((here / "out").iterdir())]
        ids = [record["id"] for chunk in chunks for record in chunk]
    else:
        tables = [pq.read_table(path) for path in in_order((here / "out" / "metadata").iterdir())]
        ids = [key for table in tables for key in table["image_path"].to_pylist()]
    assert ids == [str(row) for row in range(ROWS) if row != 3]


def test_vectors_without_text_beside_get_none(here):
    write_set("npy", here / "in")
    for path in (here / "in").glob("*.txt"):
        path.unlink()
    assert convert("in", "out") == 0
    assert {path.suffix for path in (here / "out").iterdir()} == {".npy"}


# --------------------------------------------------------------------------------- invalid rows


@pytest.mark.parametrize("normalise", [(), ("--normalise",)])
@pytest.mark.parametrize("after", ["npy", "safetensors", "parquet", "clip-retrieval"])
def test_a_shard_that_loses_all_rows_stays_a_shard(here, after, normalise):
    """So that shards of one number still belong together."""
    write_set("npy", here / "in")
    np.save("in/part_2.npy", np.zeros((1, 12), np.float32))
    assert convert("in", "out", "--format", after, "--drop-invalid", *normalise) == 0
    rows, ids, captions = read_set(after, here / "out")
    np.testing.assert_allclose(rows, stored(np.delete(texts(), 120, 0), after), atol=1e-7)
    assert (len(ids), len(captions)) == (ROWS - 1, ROWS - 1)
    assert IDS[120] not in ids
    assert convert("out", "again.npy") == 0
    assert np.load("again.npy").shape == (ROWS - 1, 12)


def test_files_without_rows_are_left_out(here):
    write_set("npy", here / "in")
    np.save("in/part_1.npy", np.empty((0, 12), np.float32))
    assert convert("in", "out") == 0
    assert sorted(path.name for path in (here / "out").glob("*.npy")) == [
        f"part_{number}.npy" for number in sorted(NUMBERS, key=str)
    ]


# ------------------------------------------------------------------------------------------ URLs


def emptied_memory():
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("upath")
    store = fsspec.filesystem("memory")
    for name in store.ls("/", detail=False):
        store.rm(name, recursive=True)
    return store


@pytest.mark.parametrize("form", FORMATS)
def test_sets_behind_urls_are_read_and_written(here, form):
    store = emptied_memory()
    write_set("npy", here / "in")
    assert convert("in", "memory://there", "--format", form) == 0
    assert convert("memory://there", "memory://again", "--format", form) == 0
    assert convert("memory://again", "back", "--format", form) == 0
    rows, ids, captions = read_set(form, here / "back")
    np.testing.assert_allclose(rows, stored(texts(), form), rtol=0, atol=1e-7)
    assert (ids, captions) == (IDS, CAPTIONS)
    left = [name for name in store.find("/") if name.rpartition("/")[2].startswith(".")]
    assert left == [], "nothing is left of the work"


def test_one_file_and_a_pattern_behind_a_url(here):
    store = emptied_memory()
    rows = texts()
    for number, (start, stop) in zip(NUMBERS, pairwise(EDGES), strict=True):
        np.save(stream := io.BytesIO(), np.asfortranarray(rows[start:stop]))
        store.pipe(f"/a/part_{number}.npy", stream.getvalue())
    store.pipe("/a/other.txt", b"")
    assert convert("memory://a/part_*.npy", "memory://new/one.parquet") == 0
    assert store.find("/new") == ["/new/one.parquet"]
    assert convert("memory://new/one.parquet", "z.npy") == 0
    np.testing.assert_array_equal(np.load("z.npy"), rows)
    assert Path("z.ids.txt").read_text().split() == [str(row) for row in range(ROWS)]


def test_file_urls_are_files(here):
    emptied_memory()
    write_set("parquet", here / "in")
    assert convert(f"file://{here}/in", f"file://{here}/out", "--format", "npy") == 0
    rows, ids, _ = read_set("npy", here / "out")
    np.testing.assert_array_equal(rows, texts())
    assert ids == IDS


# ------------------------------------------------------------------------------------- wrong use


@pytest.fixture
def mixture(here):
    write_set("npy", here / "in")
    write_set("clip-retrieval", here / "clip")
    np.save("a.npy", texts())
    np.save("long.npy", np.ones((4, 9)))
    np.save("text.npy", np.array([["a", "b"]]))
    np.save("flags.npy", texts() > 0)
    np.save("waves.npy", texts().astype(complex))
    np.save("none.npy", np.empty((0, 12), np.float32))
    np.save("huge.npy", np.full((3, 4), 1e300))
    (here / "full").mkdir()
    (here / "full" / "mine.txt").write_text("mine")
    (here / "short").mkdir()
    np.save("short/b.npy", texts())
    (here / "short" / "b.ids.txt").write_text("one\ntwo\n")
    (here / "bad").mkdir()
    np.save("bad/b.npy", np.vstack([texts(), np.zeros((1, 12))]))
    (here / "bad" / "b.ids.txt").write_text("".join(f"{row}\n" for row in range(ROWS + 1)))
    pq.write_table(pa.table({"e": [[1.0, 2.0], [1.0]]}), "ragged.parquet")
    pq.write_table(pa.table({"e": [[1.0, 2.0], None]}), "holes.parquet")
    (here / "notes.md").write_text("# notes")
    return here


WRONG = [
    (["absent"], "out", [], 'no file or folder "absent"'),
    (["notes.md"], "out", [], "no known suffix"),
    (["in/part_*.pkl"], "out", [], "No file matches"),
    (["*/part_0.npy"], "out", [], "Only the last part"),
    (["."], "out", [], "several formats"),
    (["full"], "out", [], "a folder without shards"),
    (["a.npy", "long.npy"], "out", ["--format", "npy"], "Shards of one set need one dimension"),
    (["in/part_0.npy", "clip/../in/part_0.npy"], "out", [], "Two shards have one name"),
    (["text.npy"], "z.npy", [], "holds text, not real numbers"),
    (["flags.npy"], "z.npy", [], "holds booleans"),
    (["waves.npy"], "z.npy", [], "holds complex numbers"),
    (["none.npy"], "z.npy", [], "has no rows"),
    (["huge.npy"], "z.npy", [], "too large for float32"),
    (["ragged.parquet"], "z.npy", [], "Row 1 of ragged.parquet has 1 numbers"),
    (["holes.parquet"], "z.npy", ["--normalise"], "Row 1 of holes.parquet is not finite"),
    (["short/b.npy"], "z.npy", [], "has 200 rows, but its ids.txt has 2 lines"),
    (["short/b.npy"], "z.parquet", [], "has 200 rows, but its ids.txt has 2 lines"),
    (["bad/b.npy"], "z.npy", ["--normalise"], "all zeros"),
    (["bad/b.npy"], "bad/b.safetensors", ["--drop-invalid"], "b.ids.txt belongs to an input"),
    (["in"], "full", [], "full is not empty"),
    (["in"], "in", [], "is an input of this job"),
    (["clip"], "clip", [], "is an input of this job"),
    (["a.npy"], "a.npy", [], "a.npy is an input of this job"),
    (["a.npy"], "full/../a.npy", [], "a.npy is an input of this job"),
    (["a.npy"], "link.npy", [], "link.npy is an input of this job"),
    (["in"], "notes.md", [], "notes.md is a file"),
    (["in"], "absent/z.npy", [], "no folder"),
    (["in"], "z.csv", [], '".csv" is not written piece by piece'),
    (["in"], "z.npy", ["--format", "parquet"], "z.npy is the name of a .npy file"),
    (["in"], "z.npy", ["--shard-rows", "9"], "z.npy is one file"),
    (["in"], "out", ["--shard-rows", "0"], "Rows of a shard are 0"),
    (["in"], "out", ["--format", "revision", "--shard-rows", "200001"], "at most 200,000 records"),
    (["in"], "out", ["--format", "revision", "--dtype", "float16"], "ReVision chunks are float32"),
    (["in"], "out", ["--training-json", "t.json"], "compared with ReVision chunks only"),
    (["in"], "out", ["--format", "clip-retrieval", "--modality", "audio"], "holds images and text"),
    (["clip"], "out", ["--modality", "image"], "image was asked for"),
    (["in"], "out", ["--source-key", "other"], 'has no array "other"'),
    (["in"], "nowhere://out", [], "not a place that fsspec knows"),
    (["in"], "out", ["--format", "npz"], "End the name out with .npz"),
]


@pytest.mark.parametrize(("source", "out", "more", "words"), WRONG)
def test_wrong_use_exits_2_with_one_line_and_changes_nothing(
    mixture, capsys, source, out, more, words
):
    if "://" in out:
        pytest.importorskip("upath")
    (mixture / "link.npy").symlink_to("a.npy")
    before = tree(".")
    command = ["convert", "--source", *source, "--out", out, *more, "--quiet"]
    assert main(command) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert len(error.splitlines()) == 1
    assert tree(".") == before


def test_what_is_not_text_is_refused_in_every_other_format(here, capsys):
    records = [{"id": f"a{row}", "caption": "half \ud83d", "embed": texts()[row]} for row in (0, 1)]
    Path("a.pkl").write_bytes(pickle.dumps(records))
    for out in ("z.npy", "z.parquet"):
        assert convert("a.pkl", out) == 2
        assert "not valid text (half a surrogate pair)" in capsys.readouterr().err
    assert convert("a.pkl", "out") == 0
    again = pickle.loads(Path("out/text_embeds_0_converted.pkl").read_bytes())
    assert [record["caption"] for record in again] == ["half \ud83d"] * 2
    assert sorted(path.name for path in here.iterdir()) == ["a.pkl", "out"]


def test_chunks_are_refused_before_they_are_written_when_training_would_miss_rows(here, capsys):
    write_set("npy", here / "in")
    Path("train.json").write_text('[{"id": "id 3 é"}, {"id": "gone"}]')
    command = ["--format", "revision", "--training-json", "train.json"]
    assert convert("in", "out", *command) == 2
    assert '"gone"' in capsys.readouterr().err
    assert not (here / "out").exists()
    Path("train.json").write_text('[{"id": "id 3 é"}]')
    assert convert("in", "out", *command) == 0


def test_the_pre_flight_speaks_of_the_rows_that_are_written(here, capsys):
    np.save("a.npy", 5 * texts())
    assert main(["convert", "--source", "a.npy", "--out", "out", "--format", "revision"]) == 0
    said = capsys.readouterr().err
    assert "Norms are 1 to within" in said
    assert "Normalise the rows" not in said
