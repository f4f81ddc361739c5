"""Chunks that text-only training code loads."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from anisoalign_core.errors import (
    FormatError,
    InvalidRowsError,
    LimitError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io import revision
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.preflight import PreflightCounter, training_ids
from anisoalign_core.io.revision import FORMAT, chunk_name

LIMITS = Limits()


def records_of(array: NDArray[Any]) -> list[dict[str, Any]]:
    return [
        {"source": "web", "id": row, "embed": vector.copy(), "caption": f"caption {row}", "n": row}
        for row, vector in enumerate(array)
    ]


def source_of(records: Any, protocol: int = 4) -> Source:
    return Source("a.pkl", data=pickle.dumps(records, protocol))


def read(records: Any, **options: Any) -> list[Chunk]:
    return list(read_chunks(source_of(records), LIMITS, **{"rows": 5, **options}))


def write(chunks: Sequence[Chunk], modality: str = "text") -> list[dict[str, Any]]:
    """Write with ours, load with Python's: what the training code gets."""
    rows = FORMAT.write(stream := io.BytesIO(), chunks, modality, {})
    loaded = pickle.loads(stream.getvalue())
    assert type(loaded) is list and len(loaded) == rows
    return loaded


def read_chunks(source: Source, limits: Limits, key: str = "embed", **options: Any) -> Any:
    return FORMAT.open(source, limits).chunks(key, native=True, **options)


def shard_facts(source: Source, limits: Limits, key: str = "embed") -> ShardFacts:
    return FORMAT.open(source, limits).facts(key)


def texts(*values: str) -> NDArray[np.object_]:
    return np.array(values, dtype=object)


# ------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f2", "f8"])
def test_facts(array: NDArray[np.float32], dtype: str) -> None:
    source = source_of(records_of(array.astype(dtype)))
    facts = shard_facts(source, LIMITS, "embed")
    assert (facts.rows, facts.dim) == (12, 8)
    assert facts.dtype == np.dtype(dtype).newbyteorder("=") and facts.dtype.isnative
    assert FORMAT.open(source, LIMITS).keys == ("embed",)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f2", "f8"])
def test_rows_in_order(array: NDArray[np.float32], dtype: str, protocol: int) -> None:
    source = source_of(records_of(array.astype(dtype)), protocol)
    chunks = list(read_chunks(source, LIMITS, rows=5))
    assert [len(chunk.array) for chunk in chunks] == [5, 5, 2]
    native = np.dtype(dtype).newbyteorder("=")
    assert all(chunk.array.dtype == native and chunk.array.dtype.isnative for chunk in chunks)
    assert all(chunk.about.ids is None and chunk.about.native is None for chunk in chunks)
    joined = np.concatenate([chunk.array for chunk in chunks])
    np.testing.assert_array_equal(joined, array.astype(dtype))


def test_a_range_of_rows(array: NDArray[np.float32]) -> None:
    chunks = read(records_of(array), start=3, stop=11, rows=4, about=True)
    np.testing.assert_array_equal(np.concatenate([c.array for c in chunks]), array[3:11])
    assert [key for chunk in chunks for key in chunk.about.ids] == [str(i) for i in range(3, 11)]
    assert len(read(records_of(array), start=3, stop=99, rows=100)[0].array) == 9
    assert read(records_of(array), start=50) == []


def test_what_is_said_of_rows(array: NDArray[np.float32]) -> None:
    records = records_of(array)
    records[3]["only here"] = 1
    records[4]["box"] = np.arange(4)
    first, second, _ = read(records, about=True)
    assert first.about.ids.tolist() == ["0", "1", "2", "3", "4"]
    assert second.about.captions.tolist() == [f"caption {row}" for row in range(5, 10)]
    pd.testing.assert_frame_equal(
        second.about.labels, pd.DataFrame({"source": ["web"] * 5, "n": range(5, 10)})
    )
    assert first.about.native[2] == {"source": "web", "id": 2, "caption": "caption 2", "n": 2}
    box = first.about.native[4]["box"]
    assert type(box) is np.ndarray and box.flags.writeable and box.tolist() == [0, 1, 2, 3]


def test_images_have_paths_and_no_captions(array: NDArray[np.float32]) -> None:
    records = [{"id": f"i{r}", "image_path": f"{r}.jpg", "embed": v} for r, v in enumerate(array)]
    about = read(records, rows=20, about=True)[0].about
    assert about.captions is None
    assert about.labels["image_path"].tolist()[:2] == ["0.jpg", "1.jpg"]


def test_another_key(array: NDArray[np.float32]) -> None:
    records = [{"id": r, "embed": np.ones(3), "clip": v} for r, v in enumerate(array)]
    assert shard_facts(source_of(records), LIMITS, "clip").dim == 8
    chunk = read(records, key="clip", rows=20, about=True)[0]
    np.testing.assert_array_equal(chunk.array, array)
    assert list(chunk.about.native[0]) == ["id", "embed"]


def test_records_that_share_an_array_take_it_once() -> None:
    shared = np.zeros(1000)
    records = [{"id": r, "embed": np.ones(2), "mask": shared, "x": [shared]} for r in range(50)]
    native = read(records, rows=50, about=True)[0].about.native
    assert all(record["mask"] is native[0]["x"][0] for record in native)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed": None}, r'Record 7 of a\.pkl has no "embed"'),
        ({"embed": [1.0, 2.0]}, r'"embed" of record 7 of a\.pkl is a list'),
        ({"embed": np.ones((1, 8))}, r"shape \(1, 8\)"),
        ({"embed": np.ones(7, np.float32)}, r"Record 7 of a\.pkl has a vector of 7 float32"),
        ({"embed": np.ones(8, np.float64)}, r"Record 7 of a\.pkl has a vector of 8 float64"),
        ({"embed": np.ones(0, np.float32)}, r"record 7 of a\.pkl has shape \(0,\)"),
        ({"embed": np.ones(8, bool)}, "bool"),
        ({"id": None}, r'Record 7 of a\.pkl has no "id"'),
        ({"id": [7]}, r'Record 7 of a\.pkl has no "id"'),
    ],
)
def test_bad_records_are_named(
    array: NDArray[np.float32], change: dict[str, Any], message: str
) -> None:
    records = records_of(array)
    records[7] |= change
    for about in (False, True):
        with pytest.raises(FormatError, match=message):
            read(records, about=about)
    missing = records_of(array)
    for key in change:
        del missing[7][key]
        with pytest.raises(FormatError, match=f'Record 7 of a.pkl has no "{key}"'):
            read(missing)


@pytest.mark.skipif(
    pd.api.types.is_object_dtype(pd.Series(["a"])), reason="before 3, pandas keeps any text"
)
def test_half_a_surrogate_pair_in_a_label_is_said(array: NDArray[np.float32]) -> None:
    records = records_of(array)
    records[3]["source"] = "\ud800"
    with pytest.raises(FormatError, match=r"a\.pkl cannot be read as a pickled list of records"):
        read(records, about=True)


def test_facts_need_a_vector() -> None:
    with pytest.raises(FormatError, match=r'Record 0 of a\.pkl has no "embed"'):
        shard_facts(source_of([{"id": 1}]), LIMITS, "embed")


def test_limits(array: NDArray[np.float32]) -> None:
    source = source_of(records_of(array))
    for limits, what in (
        (Limits(max_rows=11), "12 rows"),
        (Limits(max_dim=7), "8 columns"),
        (Limits(max_bytes=500), "ANISOALIGN_MAX_BYTES"),
    ):
        with pytest.raises(LimitError, match=what):
            list(read_chunks(source, limits, rows=5))
    records = [{"id": "x" * 2000, "embed": np.ones(2)}]
    with pytest.raises(LimitError, match="2,000 characters"):
        read(records)


def test_one_vector_for_all_records_counts_at_full_size() -> None:
    vector = np.ones(10_000)
    source = source_of([{"id": row, "embed": vector} for row in range(1000)])
    with pytest.raises(LimitError, match="1,000 rows"):
        list(read_chunks(source, Limits(max_bytes=10_000_000), rows=10))


# ------------------------------------------------------------------------------------- writing


def changed(chunks: Sequence[Chunk]) -> list[Chunk]:
    return [Chunk(-chunk.array.astype(np.float32), chunk.about) for chunk in chunks]


def test_records_keep_keys_order_and_types(array: NDArray[np.float32]) -> None:
    records = records_of(array)
    for row, record in enumerate(records):
        record["box"] = np.arange(row)
        record["score"] = np.float16(0.5)
        record["tags"] = ("a", [row, None], {"deep": np.ones(2)})
    records[5]["id"] = "5"
    loaded = write(changed(read(records, about=True)))
    for old, new, vector in zip(records, loaded, array, strict=True):
        assert [key for key in new if key != "embed"] == [key for key in old if key != "embed"]
        assert type(new["id"]) is type(old["id"]) and new["id"] == old["id"]
        assert type(new["score"]) is np.float16 and new["n"] == old["n"]
        assert new["box"].tolist() == old["box"].tolist()
        assert new["tags"][:2] == old["tags"][:2] and new["tags"][2]["deep"].tolist() == [1, 1]
        np.testing.assert_array_equal(new["embed"], -vector)


@pytest.mark.parametrize("dim", [8, 250, 251, 1280])
def test_arrays_own_their_data_once_loaded(dim: int) -> None:
    """Arrays above 1000 bytes would point into the pickle's bytes if they were stored natively."""
    rows = np.random.default_rng(0).standard_normal((4, dim)).astype(np.float32)
    loaded = write([Chunk(np.asfortranarray(rows), About(ids=texts("a", "b", "c", "d")))])
    for record, row in zip(loaded, rows, strict=True):
        vector = record["embed"]
        assert type(vector) is np.ndarray and vector.shape == (dim,)
        assert vector.dtype == np.float32 and vector.dtype.isnative
        assert vector.base is None and vector.flags.owndata and vector.flags.writeable
        assert vector.flags.c_contiguous
        np.testing.assert_array_equal(vector, row)


def test_files_name_nothing_that_older_numpy_lacks(array: NDArray[np.float32]) -> None:
    records = [{"id": r, "embed": v, "box": np.arange(3)} for r, v in enumerate(array)]
    FORMAT.write(stream := io.BytesIO(), read(records, about=True), "text", {})
    strings = {a for _, a, _ in pickletools.genops(stream.getvalue()) if isinstance(a, str)}
    assert {"numpy", "ndarray", "dtype"} <= strings
    assert not any("core" in string for string in strings)


def test_written_files_are_read_again(array: NDArray[np.float32]) -> None:
    records = records_of(array)
    FORMAT.write(stream := io.BytesIO(), read(records, about=True), "text", {})
    again = Source("b.pkl", data=stream.getvalue())
    assert shard_facts(again, LIMITS, "embed").dim == 8
    (chunk,) = read_chunks(again, LIMITS, rows=100, about=True)
    np.testing.assert_array_equal(chunk.array, array)
    assert chunk.array.dtype == np.float32 and chunk.array.dtype.isnative
    assert [list(record) for record in chunk.about.native] == [
        ["source", "id", "caption", "n"] for _ in records
    ]


def test_bytes_do_not_depend_on_the_chunks(array: NDArray[np.float32]) -> None:
    def as_bytes(rows: int) -> bytes:
        FORMAT.write(stream := io.BytesIO(), read(records_of(array), rows=rows, about=True), "", {})
        return stream.getvalue()

    assert as_bytes(3) == as_bytes(12)


def test_rows_of_other_formats_become_records(array: NDArray[np.float32]) -> None:
    rows = array[:2]
    ids, captions = texts("a", "b"), texts("one", "two")
    labels = pd.DataFrame({"image_path": ["a.jpg", "b.jpg"], "score": [1.0, 2.0]})

    def written(modality: str, **about: Any) -> list[tuple[Any, ...]]:
        loaded = write([Chunk(rows, About(ids=ids, **about))], modality)
        for record, row in zip(loaded, rows, strict=True):
            np.testing.assert_array_equal(record["embed"], row)
        return [tuple(loaded[1]), tuple(list(loaded[1].values())[:-1])]

    for modality in ("text", "texts", "source"):
        keys = ("id", "caption", "embed")
        assert written(modality, captions=captions, labels=labels) == [keys, ("b", "two")]
        assert written(modality) == [keys, ("b", "")]
    keys = ("id", "image_path", "embed")
    assert written("image", captions=captions, labels=labels) == [keys, ("b", "b.jpg")]
    assert written("image", labels=labels[["score"]]) == [keys, ("b", "b")]
    assert written("audio", captions=captions) == [("id", "caption", "embed"), ("b", "two")]
    assert written("audio") == [("id", "embed"), ("b",)]


def test_rows_of_parquet_become_records(array: NDArray[np.float32]) -> None:
    """Their columns come in the file's own terms, which are not ours."""

    class Columns:
        def plain(self, limits: Limits) -> About:
            return About(texts("a", "b"), texts("one", "two"))

    loaded = write([Chunk(array[:2], About(native=Columns()))])
    assert [record["caption"] for record in loaded] == ["one", "two"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_that_are_not_finite_are_refused(value: float) -> None:
    rows = np.ones((6, 3))
    rows[4, 1] = value
    chunks = [
        Chunk(rows[:3], About(ids=texts("a", "b", "c"))),
        Chunk(rows[3:], About(ids=texts("d", "cat", "f"))),
    ]
    stream = io.BytesIO()
    with pytest.raises(InvalidRowsError, match='Row 4 with the id "cat"') as error:
        FORMAT.write(stream, chunks, "text", {})
    assert error.value.rows == (4,)
    assert stream.getvalue() == b""


def test_a_chunk_has_a_most(monkeypatch: pytest.MonkeyPatch, array: NDArray[np.float32]) -> None:
    assert revision.MAX_RECORDS == 200_000
    monkeypatch.setattr(revision, "MAX_RECORDS", 11)
    with pytest.raises(ParameterError, match="at most 11 records"):
        write(read(records_of(array), about=True))


def test_what_cannot_be_written(array: NDArray[np.float32]) -> None:
    with pytest.raises(ParameterError, match="have no ids"):
        write([Chunk(array)])
    with pytest.raises(ShapeError, match="no rows"):
        write([])
    ids = texts(*map(str, range(12)))
    with pytest.raises(ShapeError, match="one length"):
        write([Chunk(array, About(ids=ids)), Chunk(array[:, :4], About(ids=ids))])


@pytest.mark.parametrize(
    ("modality", "method", "name"),
    [
        ("text", "bounded", "text_embeds_3_bounded.pkl"),
        ("texts", "a b/c.d", "text_embeds_3_abcd.pkl"),
        ("image", "mean-shift_2", "image_embeds_3_mean-shift_2.pkl"),
        ("audio", "x", "audio_embeds_3_x.pkl"),
        ("../é", "…", "other_embeds_3_aligned.pkl"),
    ],
)
def test_names_of_chunks(modality: str, method: str, name: str) -> None:
    assert chunk_name(modality, 3, method) == name


# -------------------------------------------------------------- the training code's side of it


class TextOnlyDataset:
    """A loader to the contract: every ``.pkl`` of a folder, rows by ``str(id)``, no mercy late."""

    def __init__(self, folder: Path, training: Path) -> None:
        self.rows: dict[str, NDArray[np.float32]] = {}
        for path in sorted(folder.glob("*.pkl")):
            with path.open("rb") as stream:
                chunk = pickle.load(stream)
            assert isinstance(chunk, list) and len(chunk) <= 200_000
            for record in chunk:
                assert "caption" in record or "image_path" in record
                vector = record["embed"]
                assert isinstance(vector, np.ndarray) and vector.ndim == 1
                assert vector.flags.c_contiguous and vector.flags.owndata
                assert vector.dtype == np.float32
                assert abs(np.linalg.norm(vector) - 1) < 1e-5
                assert str(record["id"]) not in self.rows
                self.rows[str(record["id"])] = vector
        assert len({len(vector) for vector in self.rows.values()}) == 1
        self.items = json.loads(training.read_text())

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return self.rows[str(self.items[index]["id"])]


def test_an_export_is_loaded_by_the_training_code(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    folder, training = tmp_path / "chunks", tmp_path / "train.json"
    folder.mkdir()
    items = [{"id": row, "conversations": []} for row in (3, 11, 0)] + [{"id": "4", "x": "\n"}]
    training.write_text(json.dumps(items))
    counter = PreflightCounter()
    for number, part in enumerate((slice(0, 7), slice(7, 12))):
        chunks = changed(read(records_of(array)[part], about=True))
        with (folder / chunk_name("text", number, "bounded")).open("wb") as stream:
            FORMAT.write(stream, chunks, "text", {})
        for chunk in chunks:
            counter.add(chunk.array, chunk.about.ids)

    report = counter.finish(training_ids(training), 8)
    assert report.refusal is None and report.extra == 8
    dataset = TextOnlyDataset(folder, training)
    for index, row in enumerate((3, 11, 0, 4)):
        np.testing.assert_array_equal(dataset[index], -array[row])

    training.write_text(json.dumps([*items, {"id": 99}]))
    late = TextOnlyDataset(folder, training)
    with pytest.raises(KeyError):
        late[len(late) - 1]
    assert "99" in str(counter.finish(training_ids(training), 8).refusal)
