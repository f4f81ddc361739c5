"""Parquet, some rows at a time: any range of them, wherever the row groups lie."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from anisoalign_core.errors import FormatError, LimitError, ShapeError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io import parquet, parquet_footer
from anisoalign_core.io.arrow import Columns
from anisoalign_core.io.chunks import About, Chunk, ShardFacts
from anisoalign_core.io.parquet import FORMAT

LIMITS = Limits()
N, D = 250, 5
KINDS = {
    "list": pa.list_(pa.float32()),
    "large list": pa.large_list(pa.float32()),
    "fixed": pa.list_(pa.float32(), D),
}


def read_chunks(source: Source, limits: Limits, key: str, **options: Any) -> Iterator[Chunk]:
    return FORMAT.open(source, limits).chunks(key, native=True, **options)


def shard_facts(source: Source, limits: Limits, key: str) -> ShardFacts:
    return FORMAT.open(source, limits).facts(key)


def vectors() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)


def source_of(table: Any, row_group_size: int = 60) -> Source:
    pq.write_table(table, stream := io.BytesIO(), row_group_size=row_group_size)
    return Source("a.parquet", data=stream.getvalue())


def table_of(kind: Any = KINDS["list"], **more: Any) -> Any:
    return pa.table({"id": [f"i{row}" for row in range(N)], "e": list_of(vectors(), kind), **more})


def list_of(rows: Any, kind: Any) -> Any:
    return pa.array([list(row) for row in rows], kind)


def joined(source: Source, **options: Any) -> NDArray[Any]:
    chunks = list(read_chunks(source, LIMITS, "e", **{"rows": 70, **options}))
    assert all(0 < len(chunk.array) <= options.get("rows", 70) for chunk in chunks)
    return np.concatenate([chunk.array for chunk in chunks])


def written(chunks: list[Chunk], **metadata: str) -> Any:
    rows = FORMAT.write(stream := io.BytesIO(), chunks, "text", metadata)
    file = pq.ParquetFile(io.BytesIO(stream.getvalue()))
    assert file.metadata.num_rows == rows
    return file


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", [1, 60, 1000])
@pytest.mark.parametrize(
    ("start", "stop"), [(0, None), (0, 60), (59, 61), (60, 120), (100, 999), (249, 250), (3, 4)]
)
def test_a_range_of_rows(kind: str, group: int, start: int, stop: int | None) -> None:
    source = source_of(table_of(KINDS[kind]), group)
    found = joined(source, start=start, stop=stop)
    np.testing.assert_array_equal(found, vectors()[start:stop])


def test_an_empty_range_gives_no_chunks() -> None:
    source = source_of(table_of())
    for start, stop in ((250, None), (400, 500), (7, 7)):
        assert list(read_chunks(source, LIMITS, "e", rows=10, start=start, stop=stop)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_facts_come_from_the_footer(kind: str) -> None:
    table = table_of(KINDS[kind]).replace_schema_metadata({"model": "ViT", "other": "x"})
    facts = shard_facts(source_of(table), LIMITS, "e")
    assert (facts.rows, facts.dim, facts.dtype) == (N, D, np.float32)
    assert facts.metadata == {"model": "ViT"}
    with pytest.raises(LimitError, match="249 rows"):
        shard_facts(source_of(table), Limits(max_rows=N - 1), "e")


@pytest.mark.parametrize("dtype", [pa.float16(), pa.float64(), pa.int8(), pa.uint16(), pa.int64()])
@pytest.mark.parametrize("fixed", [False, True])
def test_numbers_of_any_real_type(dtype: Any, fixed: bool) -> None:
    rows = np.arange(40).reshape(8, 5).astype(dtype.to_pandas_dtype())
    kind = pa.list_(dtype, 5) if fixed else pa.list_(dtype)
    source = source_of(pa.table({"e": list_of(rows, kind)}), 3)
    assert shard_facts(source, LIMITS, "e").dtype == rows.dtype
    found = joined(source)
    np.testing.assert_array_equal(found, rows)
    assert found.dtype == rows.dtype


def test_rows_of_another_length_are_named() -> None:
    rows = [list(vector) for vector in vectors()]
    rows[130] = [1.0, 2.0]
    table = pa.table({"e": pa.array(rows, KINDS["list"])})
    message = r'Row 130 of a\.parquet has 2 numbers in "e", those before it have 5'
    for start in (0, 120):
        with pytest.raises(FormatError, match=message):
            list(read_chunks(source_of(table), LIMITS, "e", rows=120 - start or 60, start=start))


@pytest.mark.parametrize("missing", [(130,), (0, 1, 2), range(120, 180)], ids=str)
def test_missing_rows_are_not_numbers(missing: Any) -> None:
    rows: list[Any] = [list(vector) for vector in vectors()]
    for number, row in enumerate(missing):
        rows[row] = None if number % 2 else []
    source = source_of(pa.table({"e": pa.array(rows, KINDS["list"])}))
    assert shard_facts(source, LIMITS, "e").dim == 5
    for start in (0, 120):
        found = np.concatenate(
            [c.array for c in read_chunks(source, LIMITS, "e", rows=60, start=start)]
        )
        wanted = [row in missing for row in range(start, len(rows))]
        assert np.isnan(found).all(axis=1).tolist() == wanted


def test_a_hole_within_a_vector_is_no_number() -> None:
    table = pa.table({"e": pa.array([[1.0, 2.0], [None, 3.0]], KINDS["list"])})
    assert np.isnan(joined(source_of(table))).tolist() == [[False, False], [True, False]]


def test_what_is_said_of_rows_comes_along_when_it_is_asked_for() -> None:
    table = table_of(
        caption=[None if row % 9 == 0 else f"c{row}" for row in range(N)],
        kind_of=pa.array([f"k{row % 3}" for row in range(N)]).dictionary_encode(),
        count=pa.array(range(N), pa.int16()),
        tags=[["a"] * (row % 2) for row in range(N)],
    )
    source = source_of(table)
    bare = next(read_chunks(source, LIMITS, "e", rows=10)).about
    assert (bare.native, bare.ids) == (None, None)
    chunks = list(read_chunks(source, LIMITS, "e", rows=70, start=55, stop=200, about=True))
    numbers = np.arange(55, 200)
    abouts = [chunk.about.plain(LIMITS) for chunk in chunks]
    assert [key for about in abouts for key in about.ids] == [f"i{row}" for row in numbers]
    captions = [one for about in abouts for one in about.captions]
    assert captions == ["" if row % 9 == 0 else f"c{row}" for row in numbers]
    labels = [about.labels for about in abouts]
    assert all(list(frame.columns) == ["kind_of", "count"] for frame in labels)
    assert [one for frame in labels for one in frame["count"]] == numbers.tolist()
    taken = chunks[0].about.take(np.array([0, 3, 4]))
    assert isinstance(taken.native, Columns)
    assert taken.plain(LIMITS).ids.tolist() == ["i55", "i58", "i59"]
    assert taken.native.table["tags"].to_pylist() == [["a"], [], ["a"]]


def test_a_missing_id_is_named_by_its_row_in_the_file() -> None:
    ids = [f"i{row}" for row in range(N)]
    ids[133] = None
    source = source_of(pa.table({"id": ids, "e": list_of(vectors(), KINDS["list"])}))
    chunks = read_chunks(source, LIMITS, "e", rows=60, start=120, about=True)
    with pytest.raises(FormatError, match=r"Row 133 of a\.parquet has no \"id\""):
        next(chunks).about.plain(LIMITS)


def test_text_that_is_not_utf_8_is_refused() -> None:
    odd = pa.array([b"\xff\xfe"] * N).cast(pa.string(), safe=False)
    table = pa.table({"id": odd, "e": list_of(vectors(), KINDS["list"])})
    (chunk,) = read_chunks(source_of(table), LIMITS, "e", rows=N, about=True)
    with pytest.raises(FormatError, match=r"a\.parquet cannot be read"):
        chunk.about.plain(LIMITS)


# ------------------------------------------------------------------------------------- writing


def test_rows_without_columns_get_ours() -> None:
    rows = vectors()[:4]
    ids = np.array(["a", "b", "c", "d"], dtype=object)
    file = written([Chunk(rows[:3], About(ids[:3])), Chunk(rows[3:], About(ids[3:]))], model="ViT")
    table = file.read()
    assert table.column_names == ["id", "embedding"]
    assert table["id"].to_pylist() == ["a", "b", "c", "d"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), D)
    assert table.schema.metadata == {b"model": b"ViT"}
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist()), rows)


def test_bytes_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 100)
    source = source_of(table_of())

    def as_bytes(rows: int) -> bytes:
        FORMAT.write(stream := io.BytesIO(), read_chunks(source, LIMITS, "e", rows=rows), "", {})
        return stream.getvalue()

    assert as_bytes(50) == as_bytes(100)
    groups = pq.ParquetFile(io.BytesIO(as_bytes(50))).metadata
    assert [groups.row_group(k).num_rows for k in range(groups.num_row_groups)] == [100, 100, 50]


def test_categories_of_many_row_groups_are_joined() -> None:
    """Each row group brings a dictionary of its own."""
    kind = pa.dictionary(pa.int8(), pa.string())
    parts = [
        pa.table({"e": list_of(vectors()[:4], KINDS["list"]), "c": pa.array(words, kind)})
        for words in (["a", "b", "a", "c"], ["z", "y", "z", None])
    ]
    writer = pq.ParquetWriter(stream := io.BytesIO(), parts[0].schema)
    for part in parts:
        writer.write_table(part)
    writer.close()
    source = Source("a.parquet", data=stream.getvalue())
    for rows in (3, 8):
        file = written(list(read_chunks(source, LIMITS, "e", rows=rows, about=True)))
        found = file.read()["c"]
        assert found.to_pylist() == ["a", "b", "a", "c", "z", "y", "z", None]
        assert pa.types.is_dictionary(found.type) and found.type.value_type == kind.value_type


def test_chunks_of_different_columns_cannot_share_a_file() -> None:
    native = list(read_chunks(source_of(table_of()), LIMITS, "e", rows=100, about=True))
    with pytest.raises(ShapeError, match="different columns"):
        written([native[0], Chunk(vectors())])
    with pytest.raises(ShapeError, match="no rows"):
        written([])


def test_a_part_of_a_file_is_not_read_whole(tmp_path: Path) -> None:
    """Damage in row groups that hold none of the wanted rows does not matter."""
    path = tmp_path / "a.parquet"
    pq.write_table(table_of(), path, row_group_size=50, write_page_checksum=True)
    where = pq.ParquetFile(path).metadata.row_group(3).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[where + 40 : where + 60] = bytes(20)
    path.write_bytes(bytes(data))
    source = Source("a.parquet", path)
    np.testing.assert_array_equal(joined(source, start=20, stop=150), vectors()[20:150])
    with pytest.raises(FormatError, match=r"a\.parquet cannot be read"):
        joined(source)


def test_footers_have_a_most(monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(table_of(), row_group_size=20)
    assert shard_facts(source, LIMITS, "e").rows == N
    with monkeypatch.context() as patch:
        patch.setattr(parquet_footer, "MAX_ENTRIES", 20)
        with pytest.raises(LimitError, match="declares more than 20 entries in its footer"):
            shard_facts(source, LIMITS, "e")
    monkeypatch.setattr(parquet_footer, "MAX_FOOTER", 100)
    with pytest.raises(LimitError, match=r"declares a footer of .* the limit is 100 bytes"):
        shard_facts(source, LIMITS, "e")
