"""A set in one file or many, of any format, read piece by piece."""

from __future__ import annotations

import gzip
import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from anisoalign_core import load
from anisoalign_core.errors import FormatError, LimitError, ShapeError
from anisoalign_core.files.digests import PassingDigest, file_digest
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io import safetensors as safetensors_file
from anisoalign_core.io.chunks import Chunk
from anisoalign_core.io.registry import by_suffix, suffixes
from anisoalign_core.io.shards import ShardedSet, open_shards

N, D = 37, 6
IDS = [f"é{row}" for row in range(N)]
CAPTIONS = [f"caption {row}" for row in range(N)]


def vectors(rows: int = N, dim: int = D) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((rows, dim)).astype(np.float32)


def beside(path: Path) -> None:
    for ending, texts in ((".ids.txt", IDS), (".captions.txt", CAPTIONS)):
        path.with_suffix(ending).write_text("".join(f"{one}\n" for one in texts))


def write_npy(path: Path, rows: Any) -> None:
    np.save(path, rows)
    beside(path)


def write_safetensors(path: Path, rows: Any) -> None:
    save_file({"image": np.zeros((3, 2)), "text": np.ascontiguousarray(rows)}, path)
    beside(path)


def write_parquet(path: Path, rows: Any) -> None:
    lists = pa.array([list(row) for row in rows], pa.list_(pa.from_numpy_dtype(rows.dtype)))
    table = pa.table({"id": IDS, "caption": CAPTIONS, "embedding": lists})
    pq.write_table(table, path, row_group_size=10)


def write_pkl(path: Path, rows: Any) -> None:
    records = [
        {"id": key, "caption": caption, "embed": row.copy()}
        for key, caption, row in zip(IDS, CAPTIONS, rows, strict=True)
    ]
    path.write_bytes(pickle.dumps(records))


def write_npz(path: Path, rows: Any) -> None:
    np.savez(path, text=rows, text_ids=IDS, text_captions=CAPTIONS)


def write_csv(path: Path, rows: Any) -> None:
    tab = "\t" if ".tsv" in path.suffixes else ","
    head = ["id", "caption", *(f"x{column}" for column in range(rows.shape[1]))]
    lines = [head] + [
        [key, caption, *map(repr, map(float, row))]
        for key, caption, row in zip(IDS, CAPTIONS, rows, strict=True)
    ]
    text = "".join(tab.join(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


WRITE: dict[str, Callable[[Path, Any], None]] = {
    ".npy": write_npy,
    ".safetensors": write_safetensors,
    ".parquet": write_parquet,
    ".pkl": write_pkl,
    ".npz": write_npz,
    ".csv": write_csv,
    ".tsv": write_csv,
    ".csv.gz": write_csv,
    ".tsv.gz": write_csv,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def names(data: ShardedSet) -> list[str]:
    return [shard.name for shard in data.shards]


def joined(chunks: Iterator[Chunk]) -> NDArray[Any]:
    return np.concatenate([chunk.array for chunk in chunks])


# ------------------------------------------------------------------------------- any one format


def test_every_format_is_tried_here() -> None:
    assert set(suffixes()) - set(WRITE) == {".pt", ".pth", ".arrow", ".faiss", ".index"}


@pytest.mark.parametrize("suffix", WRITE)
@pytest.mark.parametrize(("start", "stop"), [(0, None), (9, 11), (10, 20), (36, 37), (5, 99)])
def test_a_range_of_rows_with_what_is_known_of_them(
    folder: Path, suffix: str, start: int, stop: int | None
) -> None:
    WRITE[suffix](folder / f"a{suffix}", vectors())
    data = open_shards(f"a{suffix}", modality="text")
    assert (data.layout, data.dim, data.rows) == ("file", D, N)
    chunks = list(data.shards[0].chunks(8, start, stop, about=True))
    assert all(0 < len(chunk.array) <= 8 for chunk in chunks)
    np.testing.assert_allclose(joined(iter(chunks)), vectors()[start:stop], rtol=1e-7)
    abouts = [chunk.about.plain(Limits()) for chunk in chunks]
    assert [one for about in abouts for one in about.ids] == IDS[start:stop]
    assert [one for about in abouts for one in about.captions] == CAPTIONS[start:stop]
    for chunk in data.shards[0].chunks(8, start, stop):
        assert chunk.about.ids is None


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".parquet", ".pkl", ".npz"])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "<i4", "|u1"])
def test_numbers_stay_as_they_are_in_the_file(folder: Path, suffix: str, dtype: str) -> None:
    numbers = np.random.default_rng(0).integers(0, 100, (N, D)).astype(dtype)
    WRITE[suffix](folder / f"a{suffix}", numbers)
    data = open_shards(f"a{suffix}", modality="text")
    found = joined(data.shards[0].chunks(10))
    np.testing.assert_array_equal(found, numbers)
    assert data.shards[0].facts.dtype == numbers.dtype
    assert found.dtype == numbers.dtype


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", ">i8"])
def test_arrays_of_any_order(folder: Path, order: Any, dtype: str) -> None:
    numbers = np.arange(N * D).reshape(N, D).astype(dtype)
    np.save("a.npy", np.asarray(numbers, order=order))
    shard = open_shards("a.npy", modality="text").shards[0]
    np.testing.assert_array_equal(joined(shard.chunks(10, 3, 30)), numbers[3:30])


@pytest.mark.parametrize("suffix", WRITE)
def test_one_row_is_a_set(folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.IDS", IDS[:1])
    monkeypatch.setattr(f"{__name__}.CAPTIONS", CAPTIONS[:1])
    WRITE[suffix](folder / f"a{suffix}", vectors(1))
    data = open_shards(f"a{suffix}", modality="text")
    assert (data.rows, data.starts) == (1, [0])
    np.testing.assert_allclose(joined(data.shards[0].chunks(10)), vectors(1), rtol=1e-7)


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".pkl"])
def test_bytes_that_are_read_are_digested_on_the_way(folder: Path, suffix: str) -> None:
    path = folder / f"a{suffix}"
    WRITE[suffix](path, vectors())
    shard = open_shards(path, modality="text").shards[0]
    digest = PassingDigest()
    for start, stop in ((0, 20), (20, 37)):
        joined(shard.chunks(7, start, stop, digest=digest))
    assert digest.of(path) == file_digest(path)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_other_digests_are_those_of_the_file_too(folder: Path, suffix: str) -> None:
    path = folder / f"a{suffix}"
    WRITE[suffix](path, vectors())
    digest = PassingDigest()
    joined(open_shards(path, modality="text").shards[0].chunks(7, digest=digest))
    assert digest.of(path) == file_digest(path)


def test_rows_of_another_length_than_before_are_noticed(folder: Path) -> None:
    np.save("a.npy", vectors())
    shard = replace(open_shards("a.npy", modality="text").shards[0], stamps=())  # as behind a URL
    np.save("a.npy", vectors(dim=D + 1))
    with pytest.raises(ShapeError, match=r"a\.npy has rows of 7 numbers where it had 6"):
        joined(shard.chunks(10))


@pytest.mark.parametrize("ending", ["ids", "captions"])
def test_text_beside_has_a_line_for_each_row(folder: Path, ending: str) -> None:
    write_npy(folder / "a.npy", vectors())
    Path(f"a.{ending}.txt").write_text("one\ntwo\n")
    shard = open_shards("a.npy", modality="text").shards[0]
    with pytest.raises(ShapeError, match=rf"37 rows, but its {ending}\.txt has 2 lines"):
        next(shard.chunks(10, about=True))
    assert len(next(shard.chunks(10)).array) == 10


# ----------------------------------------------------------------------------------- many files


def test_shards_are_in_natural_order_and_rows_count_on(folder: Path) -> None:
    for number, rows in ((0, 3), (2, 1), (10, 4)):
        np.save(f"part_{number}.npy", np.full((rows, 2), number + 1.0))
    for where in (".", "part_*.npy", [f"part_{number}.npy" for number in (10, 0, 2)]):
        data = open_shards(where, modality="text")
        assert names(data) == ["part_0.npy", "part_2.npy", "part_10.npy"]
        assert (data.rows, data.starts, data.layout) == (8, [0, 3, 4], "folder")
    assert data.name == "3 files"
    assert open_shards(["part_2.npy"], modality="text").layout == "file"


def test_only_shards_of_a_folder_belong_to_it(folder: Path) -> None:
    (folder / "s" / "deeper").mkdir(parents=True)
    for name in ("a.npy", "b.NPY", ".hidden.npy", "deeper/c.npy"):
        with (folder / "s" / name).open("wb") as stream:
            np.save(stream, vectors())
    (folder / "s" / "notes.txt").write_text("a")
    (folder / "s" / ".anisoalign-job.json").write_text("{}")
    assert names(open_shards("s", modality="text")) == ["a.npy", "b.NPY"]
    np.savez("s/d.npz", text=vectors())
    with pytest.raises(FormatError, match=r"several formats \(\.npy, \.npz\)"):
        open_shards("s", modality="text")
    assert names(open_shards("s/*.npz", modality="text")) == ["d.npz"]


def test_metadata_of_the_projector_is_no_shard(folder: Path) -> None:
    (folder / "s").mkdir()
    np.savetxt("s/a.tsv", vectors(), delimiter="\t")
    Path("s/a.metadata.tsv").write_text(
        "id\tcaption\n" + "".join(f"{a}\t{b}\n" for a, b in zip(IDS, CAPTIONS, strict=True))
    )
    data = open_shards("s", modality="text")
    assert names(data) == ["a.tsv"]
    assert next(data.shards[0].chunks(50, about=True)).about.ids.tolist() == IDS


def test_files_of_several_formats_are_one_set(folder: Path) -> None:
    for suffix in (".npy", ".parquet", ".pkl"):
        WRITE[suffix](folder / f"x{suffix}", vectors())
    data = open_shards(["x.pkl", "x.npy", "x.parquet"], modality="text")
    assert names(data) == ["x.npy", "x.parquet", "x.pkl"]
    assert data.rows == 3 * N
    assert data.starts == [0, N, 2 * N]


def test_files_without_rows_are_left_out(folder: Path) -> None:
    np.save("a.npy", np.empty((0, 3)))
    np.save("b.npy", vectors())
    kind = pa.list_(pa.float32())
    pq.write_table(pa.table({"embedding": pa.array([], kind)}), "c.parquet")
    assert names(open_shards(["a.npy", "b.npy", "c.parquet"], modality="text")) == ["b.npy"]
    for where in ("a.npy", "c.parquet", ["a.npy", "c.parquet"]):
        with pytest.raises(ShapeError, match="has no rows"):
            open_shards(where, modality="text")


def test_shards_of_one_set_have_one_dimension(folder: Path) -> None:
    np.save("a.npy", vectors())
    np.save("b.npy", vectors(dim=9))
    with pytest.raises(ShapeError, match=r"b\.npy has rows of 9 numbers, a\.npy of 6"):
        open_shards(["a.npy", "b.npy"], modality="text")


def test_keys_choose_the_array(folder: Path) -> None:
    save_file({"image": vectors(3, 2), "text": vectors(5, 4)}, "a.safetensors")
    assert open_shards("a.safetensors", modality="text").dim == 4
    assert open_shards("a.safetensors", modality="image").dim == 2
    assert open_shards("a.safetensors", modality="text", key="image").dim == 2
    with pytest.raises(FormatError, match='no array "audio"'):
        open_shards("a.safetensors", modality="text", key="audio")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ([], "No file or folder was given"),
        ("absent", 'no file or folder "absent"'),
        (["a.npy", "absent.npy"], 'no file "absent.npy"'),
        (["a.npy", "."], "no known suffix"),
        ("notes.md", "no known suffix"),
        ("empty", "a folder without shards"),
        ("nothing_*.npy", "No file matches"),
        (["a.npy", "deep/a.npy"], "Two shards have one name"),
        ("table.npy", "has 3 axes"),
        ("objects.npy", "never loaded because they can run code"),
        ("wrong.npy", "begins like a zip archive"),
        ("cut.npy", "cut off"),
    ],
)
def test_what_is_no_set_is_said(folder: Path, where: Any, message: str) -> None:
    for name in ("empty", "deep"):
        (folder / name).mkdir()
    np.save("a.npy", vectors())
    np.save("deep/a.npy", vectors())
    np.save("table.npy", np.ones((2, 3, 4)))
    np.save("objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez("wrong.npz", text=vectors())
    Path("wrong.npz").rename("wrong.npy")
    Path("cut.npy").write_bytes(Path("a.npy").read_bytes()[:-5])
    Path("notes.md").write_text("# notes")
    with pytest.raises((FormatError, ShapeError), match=message):
        open_shards(where, modality="text")


@pytest.mark.parametrize("dtype", ["U3", "S3", bool, complex, "M8[s]"])
def test_what_holds_no_real_numbers_is_refused_by_its_header(folder: Path, dtype: Any) -> None:
    np.save("a.npy", np.zeros((3, 4)).astype(dtype))
    with pytest.raises(FormatError, match=r"a\.npy holds .*, not real numbers"):
        open_shards("a.npy", modality="text")


def test_limits_bound_what_lies_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("a.npy", vectors())
    np.savez("a.npz", text=vectors())
    monkeypatch.setenv("ANISOALIGN_MAX_ROWS", "10")
    with pytest.raises(LimitError):
        load("a.npy", modality="text")
    assert open_shards("a.npy", modality="text").rows == N
    with pytest.raises(LimitError):
        open_shards("a.npz", modality="text")
    monkeypatch.setenv("ANISOALIGN_MAX_DIM", "5")
    with pytest.raises(LimitError, match="5 columns"):
        open_shards("a.npy", modality="text")


def test_what_is_refused_as_a_pickle_says_who_reads_it(folder: Path) -> None:
    write_pkl(folder / "a.pkl", vectors())
    with pytest.raises(FormatError, match=r"never loaded.* ReVision chunks are read by .*open_sh"):
        load("a.pkl", modality="text")
    assert open_shards("a.pkl", modality="text").rows == N


# --------------------------------------------------------------------------------- clip-retrieval


def clip_folder(folder: Path, metadata: bool = True) -> Path:
    edges = {0: (0, 20), 2: (20, 21), 10: (21, 37)}
    for part in ("img_emb", "text_emb", "metadata"):
        (folder / "clip" / part).mkdir(parents=True)
    for number, (start, stop) in edges.items():
        for part, rows in (("text_emb", vectors()), ("img_emb", -vectors())):
            part_rows = rows[start:stop].astype(np.float16)
            np.save(folder / "clip" / part / f"{part}_{number}.npy", part_rows)
        if metadata:
            columns = {"image_path": IDS, "caption": CAPTIONS, "score": list(range(N))}
            table = pa.table({name: values[start:stop] for name, values in columns.items()})
            pq.write_table(table, folder / f"clip/metadata/metadata_{number}.parquet")
    return folder / "clip"


@pytest.mark.parametrize(("modality", "sign"), [("text", 1), ("image", -1)])
def test_a_folder_of_clip_retrieval(folder: Path, modality: str, sign: int) -> None:
    data = open_shards(clip_folder(folder), modality=modality)
    part = "text_emb" if modality == "text" else "img_emb"
    assert (data.layout, data.rows, data.starts) == ("clip-retrieval", N, [0, 20, 21])
    assert names(data) == [f"{part}/{part}_{number}.npy" for number in (0, 2, 10)]
    chunks = [chunk for shard in data.shards for chunk in shard.chunks(7, about=True)]
    np.testing.assert_array_equal(joined(iter(chunks)), sign * vectors().astype(np.float16))
    assert [one for chunk in chunks for one in chunk.about.ids] == IDS
    assert [one for chunk in chunks for one in chunk.about.captions] == CAPTIONS
    assert [one for chunk in chunks for one in chunk.about.labels["score"]] == list(range(N))


def test_clip_retrieval_without_metadata_has_rows_only(folder: Path) -> None:
    data = open_shards(clip_folder(folder, metadata=False), modality="text")
    about = next(data.shards[0].chunks(7, about=True)).about
    assert about.ids is None and about.captions is None


def test_metadata_of_other_rows_is_refused(folder: Path) -> None:
    path = clip_folder(folder) / "metadata/metadata_2.parquet"
    pq.write_table(pa.table({"image_path": ["a", "b"]}), path)
    data = open_shards("clip", modality="text")
    with pytest.raises(FormatError, match=r"metadata_2\.parquet has 2 rows, its embeddings 1"):
        next(data.shards[1].chunks(7, about=True))


def test_a_missing_shard_of_clip_retrieval_is_named(folder: Path) -> None:
    (clip_folder(folder) / "img_emb/img_emb_2.npy").unlink()
    with pytest.raises(FormatError, match=r"img_emb has no img_emb_2\.npy"):
        open_shards("clip", modality="text")


# --------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("expected", [None, 0, 5, N, 10**9, 10**15])
@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_files_are_whole_however_many_rows_were_expected(
    folder: Path, suffix: str, expected: int | None, dtype: Any
) -> None:
    """The head is written before the rows, and again behind them."""
    how = by_suffix(suffix)
    assert how is not None
    writer = how.write
    assert writer is not None
    for dim in range(2, 40):
        rows = vectors(dim=dim).astype(dtype)
        chunks = [Chunk(rows[:20]), Chunk(rows[20:])]
        count = writer(stream := io.BytesIO(), chunks, "text", {"model": "ViT"}, expected)
        source = Source(f"a{suffix}", data=stream.getvalue())
        opened = how.open(source, Limits())
        key = opened.keys[0]
        facts = opened.facts(key)
        assert (count, facts.rows, facts.dim, facts.dtype) == (N, N, dim, rows.dtype)
        found = joined(opened.chunks(key, rows=9))
        np.testing.assert_array_equal(found, rows)


def test_heads_of_safetensors_are_read_by_others(folder: Path) -> None:
    from safetensors import safe_open

    rows = vectors().astype(np.float16)
    with Path("a.safetensors").open("wb") as stream:
        safetensors_file.write(stream, [Chunk(rows)], "text", {"model": "ViT"}, None)
    with safe_open("a.safetensors", "numpy") as found:
        assert found.metadata() == {"model": "ViT"}
        np.testing.assert_array_equal(found.get_tensor("text"), rows)
