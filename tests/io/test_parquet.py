from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, FormatError, InvalidRowsError, LimitError
from anisoalign_core.files.source import Source
from anisoalign_core.io import Limits, array_keys_bytes, load_bytes, load_pair_bytes, to_bytes
from anisoalign_core.io.parquet_footer import read_footer


def as_bytes(columns: dict[str, Any], **options: Any) -> bytes:
    pq.write_table(pa.table(columns), stream := io.BytesIO(), **options)
    return stream.getvalue()


@pytest.mark.parametrize("element", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("kind", ["fixed", "list", "large"])
def test_every_list_type(array: NDArray[np.float32], element: Any, kind: str) -> None:
    types = {"fixed": pa.list_(element, 8), "list": pa.list_(element)}
    rows = list(map(list, array.astype(element.to_pandas_dtype())))
    column = pa.array(rows, types.get(kind, pa.large_list(element)))
    loaded = load_bytes(as_bytes({"embedding": column}), "a.parquet", modality="image")
    np.testing.assert_allclose(loaded.vectors, array, atol=2e-3)
    assert loaded.provenance.original_dtype == np.dtype(element.to_pandas_dtype()).name


@pytest.mark.parametrize("name", ["embedding", "vector", "image_embedding", "anything"])
def test_column_names(array: NDArray[np.float32], name: str) -> None:
    loaded = load_bytes(as_bytes({name: array.tolist()}), "a.parquet", modality="image")
    assert loaded.vectors.shape == (12, 8)


def test_two_columns_make_a_pair(array: NDArray[np.float32]) -> None:
    data = as_bytes(
        {
            "image_embedding": array.tolist(),
            "text_embedding": (-array).tolist(),
            "text": [f"caption {row}" for row in range(12)],
        }
    )
    assert array_keys_bytes(data, "a.parquet") == ("image_embedding", "text_embedding")
    pair = load_pair_bytes(data, "a.parquet")
    np.testing.assert_allclose(pair.source.vectors, -pair.target.vectors, atol=1e-6)
    assert pair.source.captions is not None and pair.source.captions[3] == "caption 3"


def test_other_plain_columns_become_labels(array: NDArray[np.float32]) -> None:
    data = as_bytes(
        {
            "id": list(range(100, 112)),
            "embedding": array.tolist(),
            "bbox": [[1.0, 2.0]] * 12,
            "kind": pa.array(["a", "b"] * 6).dictionary_encode(),
            "word": ["x", None] * 6,
            "count": list(range(12)),
            "projection_x": [0.5] * 12,
            "nested": [{"a": 1}] * 12,
        }
    )
    loaded = load_bytes(data, "a.parquet", modality="image")
    assert loaded.ids[0] == "100"
    assert loaded.labels is not None
    assert list(loaded.labels.columns) == ["kind", "word", "count"]
    assert loaded.labels["kind"].tolist() == ["a", "b"] * 6
    assert loaded.labels["word"].isna().sum() == 6


def test_label_columns_are_capped(array: NDArray[np.float32]) -> None:
    columns: dict[str, Any] = {"embedding": array.tolist()}
    columns.update({f"c{number}": list(range(12)) for number in range(100)})
    loaded = load_bytes(as_bytes(columns), "a.parquet", modality="image")
    assert loaded.labels is not None and loaded.labels.shape == (12, 64)


def test_several_row_groups_keep_their_order(array: NDArray[np.float32]) -> None:
    columns = {"embedding": array.tolist(), "id": [f"x{row}" for row in range(12)]}
    loaded = load_bytes(as_bytes(columns, row_group_size=5), "a.parquet", modality="image")
    np.testing.assert_allclose(loaded.vectors, array, atol=1e-6)
    assert loaded.ids.tolist() == columns["id"]


def test_missing_captions_are_empty_and_missing_ids_refused(array: NDArray[np.float32]) -> None:
    columns: dict[str, Any] = {"embedding": array.tolist(), "caption": ["a", None, *"bcdefghijk"]}
    loaded = load_bytes(as_bytes(columns), "a.parquet", modality="text")
    assert loaded.captions is not None and loaded.captions[1] == ""
    columns["id"] = ["a", "b", None, *"cdefghijk"]
    with pytest.raises(FormatError, match=r'Row 2 of a\.parquet has no "id"'):
        load_bytes(as_bytes(columns), "a.parquet", modality="text")


def test_ragged_lists_name_the_row(array: NDArray[np.float32]) -> None:
    rows = array.tolist()
    rows[7] = rows[7][:5]
    with pytest.raises(FormatError, match=r'Row 7 of a\.parquet has 5 numbers in "embedding"'):
        load_bytes(as_bytes({"embedding": rows}), "a.parquet", modality="image")


def test_rows_without_embedding_are_dropped_like_nan(array: NDArray[np.float32]) -> None:
    data = as_bytes({"embedding": [*array.tolist()[:4], None, []]})
    with pytest.raises(
        InvalidRowsError, match=r"Rows 4, 5 of a\.parquet are not finite"
    ) as refused:
        load_bytes(data, "a.parquet", modality="image")
    assert refused.value.rows == (4, 5)
    found = load_bytes(data, "a.parquet", modality="image", drop_invalid=True)
    assert found.provenance.dropped_rows == (4, 5)
    np.testing.assert_array_equal(found.vectors, array[:4])


def test_text_instead_of_vectors_is_named() -> None:
    with pytest.raises(FormatError, match=r'Column "embedding" of a\.parquet holds string'):
        load_bytes(as_bytes({"embedding": ["one, two"]}), "a.parquet", modality="image")
    with pytest.raises(FormatError, match='no column of number lists; it has "a", "b"'):
        load_bytes(as_bytes({"a": [1], "b": [2]}), "a.parquet", modality="image")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_truncation(full_set: EmbeddingSet, share: float) -> None:
    data = to_bytes(full_set, ".parquet")
    with pytest.raises(FormatError, match=r"a\.parquet"):
        load_bytes(data[: int(len(data) * share)], "a.parquet", modality="text")


def test_declared_rows_columns_and_bytes_are_limited() -> None:
    zeros = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(2_000_000, np.float32)), 1000)
    data = as_bytes({"embedding": zeros})
    assert len(data) < 50_000
    for limits in (Limits(max_rows=1999), Limits(max_dim=999), Limits(max_bytes=7_000_000)):
        with pytest.raises(LimitError):
            load_bytes(data, "a.parquet", modality="image", limits=limits)


def test_long_ids_are_refused_once_read(array: NDArray[np.float32]) -> None:
    data = as_bytes({"embedding": array.tolist(), "id": ["x" * 5000] * 12})
    with pytest.raises(LimitError, match="5,000 characters"):
        load_bytes(data, "a.parquet", modality="image")


def test_written_columns_are_what_viewers_expect(full_set: EmbeddingSet) -> None:
    plane = np.arange(24, dtype=np.float64).reshape(12, 2)
    data = to_bytes(full_set, ".parquet", projection=plane, metadata={"recipe": "abc"})
    table = pq.read_table(io.BytesIO(data))
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 8)
    assert table.column_names == [
        "id",
        "caption",
        "embedding",
        "projection_x",
        "projection_y",
        "shape",
        "count",
    ]
    assert table.column("projection_y").to_pylist() == plane[:, 1].tolist()
    assert table.schema.metadata[b"recipe"] == b"abc"


def test_footer_says_what_the_library_reads(full_set: EmbeddingSet) -> None:
    columns = {"embedding": full_set.vectors.tolist(), "id": full_set.ids.tolist()}
    data = as_bytes(columns, row_group_size=5)
    footer = read_footer(Source("a.parquet", data=data))
    metadata = pq.read_metadata(io.BytesIO(data))
    assert footer.rows == metadata.num_rows == 12
    assert footer.values == {"embedding": 96, "id": 12}
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert footer.sizes == {
        "embedding": sum(group.column(0).total_uncompressed_size for group in groups),
        "id": sum(group.column(1).total_uncompressed_size for group in groups),
    }


def test_damaged_footers_never_end_the_process(full_set: EmbeddingSet) -> None:
    """Some accessors of the library abort the interpreter on such files; they are not used."""
    data = to_bytes(full_set, ".parquet")
    length = int.from_bytes(data[-8:-4], "little")
    for place in range(len(data) - 8 - length, len(data) - 4, 3):
        damaged = bytearray(data)
        damaged[place] ^= 0x0F
        try:
            load_bytes(bytes(damaged), "a.parquet", modality="text")
        except AnisoAlignError as error:
            assert str(error).isprintable()


def test_damaged_pages_fail_their_checksum(full_set: EmbeddingSet) -> None:
    data = bytearray(to_bytes(full_set, ".parquet"))
    place = bytes(data).find(full_set.vectors.tobytes()[40:60])
    assert place > 0
    data[place] ^= 1
    with pytest.raises(FormatError, match=r"(?i)crc|checksum"):
        load_bytes(bytes(data), "a.parquet", modality="text")


def test_enormous_footers_are_refused() -> None:
    def ending_with(footer: bytes) -> bytes:
        return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"

    many = bytes([0x49, 0xFC]) + b"\xff\xff\xff\x06" + bytes(15_000_000)
    for footer in (many, b"\x4c" * 1000, b"\x19\xfc\xff\xff\xff\xff\xff\xff\xff\x7f"):
        with pytest.raises(AnisoAlignError, match=r"a\.parquet"):
            load_bytes(ending_with(footer), "a.parquet", modality="image")
