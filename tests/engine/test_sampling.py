"""A sample of a set holds the rows of the set, with what is known of each."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import anisoalign_core as aa
from anisoalign_core.engine import sample_rows, sample_set
from anisoalign_core.engine.sampling import read_sides
from anisoalign_core.errors import InvalidRowsError, LimitError, ParameterError, ShapeError
from anisoalign_core.io.shards import open_shards

TOTAL = 2501
PICKED = [0, 1, 63, 64, 130, 699, 700, 701, 702, 1999, 2000, 2001, 2500]
"""First and last, neighbours, rows more and less than a gap apart, and both sides of a border."""


@pytest.fixture
def texts(disk):
    return open_shards("texts", modality="text")


def with_text(disk, form):
    """The set with ids, captions and labels, as shards of a format."""
    rows = np.load("text.npy")
    edges = (0, 700, 701, 2001, TOTAL)
    table = pd.DataFrame(
        {
            "id": [f"é{row}" for row in range(TOTAL)],
            "caption": [f"caption {row}" for row in range(TOTAL)],
            "count": range(TOTAL),
        }
    )
    for number, (start, stop) in enumerate(pairwise(edges)):
        part, named = rows[start:stop], table.iloc[start:stop]
        path = disk / form / f"part_{number}"
        path.parent.mkdir(exist_ok=True)
        if form == "npy":
            np.save(f"{path}.npy", part)
            for column, ending in (("id", "ids"), ("caption", "captions")):
                lines = "".join(f"{one}\n" for one in named[column])
                Path(f"{path}.{ending}.txt").write_text(lines)
        else:
            columns = pa.Table.from_pandas(named, preserve_index=False)
            vectors = pa.array(list(part), pa.list_(pa.float32()))
            whole = columns.append_column("embedding", vectors)
            pq.write_table(whole, f"{path}.parquet", row_group_size=300)
    return open_shards(disk / form, modality="text")


@pytest.mark.parametrize("form", ["npy", "parquet"])
def test_a_sample_is_those_rows_of_the_whole(disk, form):
    data = with_text(disk, form)
    whole, sample = sample_set(data), sample_set(data, PICKED)
    np.testing.assert_array_equal(whole.vectors, np.load("text.npy"))
    np.testing.assert_array_equal(sample.vectors, whole.vectors[PICKED])
    assert sample.ids.tolist() == [f"é{row}" for row in PICKED]
    assert sample.captions.tolist() == [f"caption {row}" for row in PICKED]
    assert whole.ids[-1] == "é2500"
    if form == "parquet":
        assert sample.labels["count"].tolist() == PICKED


@pytest.mark.parametrize("seed", range(3))
def test_any_sample_is_those_rows(texts, seed):
    rows = sample_rows(TOTAL, 200, seed)
    found = sample_set(texts, rows)
    np.testing.assert_array_equal(found.vectors, np.load("text.npy")[rows])
    assert found.ids.tolist() == [str(row) for row in rows]
    assert len(np.unique(rows)) == 200


def test_a_sample_of_all_rows_is_the_set_as_it_is_loaded(texts):
    loaded = aa.load("text.npy", modality="text")
    found = sample_set(texts, sample_rows(TOTAL, TOTAL + 1))
    assert found.digest == loaded.digest
    assert found.provenance.ids_are_rows
    assert found.provenance.files == ("part_0.npy", "part_7.npy", "part_14.npy", "part_21.npy")


def test_samples_of_one_seed_are_the_same_and_of_another_are_not():
    assert sample_rows(10_000, 100, 1).tolist() == sample_rows(10_000, 100, 1).tolist()
    assert sample_rows(10_000, 100, 1).tolist() != sample_rows(10_000, 100, 2).tolist()
    assert sample_rows(5, 100).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ParameterError, match="sample of 0 rows"):
        sample_rows(5, 0)


def test_both_sides_of_a_pair_are_sampled_at_the_same_rows(texts):
    images = open_shards("images", modality="image")
    source, target = read_sides(texts, images, "row", rows=150, random_state=4)
    rows = [int(key) for key in source.ids]
    assert target.ids.tolist() == source.ids.tolist()
    np.testing.assert_array_equal(source.vectors, np.load("text.npy")[rows])
    np.testing.assert_array_equal(target.vectors, np.load("image.npy")[rows])


def test_sides_that_are_joined_by_id_are_read_whole(disk):
    source = with_text(disk, "npy")
    target = with_text(disk, "parquet")
    found = read_sides(source, target, "id", rows=10)
    assert [len(side) for side in found] == [TOTAL, TOTAL]
    assert [len(side) for side in read_sides(source, target, "none", rows=10)] == [10, 10]


def test_sides_of_different_length_have_no_pairs(texts, disk):
    short = open_shards("images/part_0.npy", modality="image")
    with pytest.raises(ShapeError, match=r"2501 rows and part_0\.npy has 700"):
        read_sides(texts, short, "row", rows=10)
    assert len(read_sides(texts, short, "none", rows=10)[1]) == 10


def test_ids_of_some_shards_only_are_row_numbers_for_all(disk):
    data = with_text(disk, "npy")
    (disk / "npy" / "part_1.ids.txt").unlink()
    data = open_shards("npy", modality="text")
    assert sample_set(data, [699, 700, 701]).ids.tolist() == ["699", "700", "701"]
    assert sample_set(data, [701, 702]).ids.tolist() == ["é701", "é702"]


@pytest.mark.parametrize("dtype", ["<f2", ">f4", ">f8", "<i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_sample_is_of_unit_rows_whatever_the_file_holds(disk, dtype, order):
    numbers = np.random.default_rng(0).integers(-50, 50, (300, 6)).astype(dtype)
    np.save("n.npy", np.asarray(numbers, order=order))
    found = sample_set(open_shards("n.npy", modality="text"), [3, 4, 290])
    exact = numbers[[3, 4, 290]].astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, exact, atol=1e-7)
    assert found.vectors.dtype == np.float32


def test_invalid_rows_of_a_sample_are_refused_or_left_out(disk):
    rows = np.load("texts/part_14.npy")
    rows[3], rows[10] = 0, np.nan
    np.save("texts/part_14.npy", rows)
    texts = open_shards("texts", modality="text")
    with pytest.raises(InvalidRowsError, match="In the whole set these are 704, 711") as error:
        sample_set(texts, [700, 704, 711, 800])
    assert error.value.rows == (704, 711)
    found = sample_set(texts, [700, 704, 711, 800], drop_invalid=True)
    assert found.ids.tolist() == ["700", "800"]
    assert len(sample_set(texts, [700, 800])) == 2, "rows that were not asked for do not matter"


@pytest.mark.parametrize("rows", [[], [5, 4], [4, 4], [-1, 3], [2500, 2501]])
def test_row_numbers_must_be_sorted_different_and_there(texts, rows):
    with pytest.raises(ParameterError, match="different row numbers below 2,501"):
        sample_set(texts, rows)


def test_a_sample_may_be_small_where_the_set_is_too_large(texts, monkeypatch):
    monkeypatch.setenv("ANISOALIGN_MAX_ROWS", "1000")
    with pytest.raises(LimitError, match="limit is 1,000 rows"):
        sample_set(texts)
    assert len(sample_set(texts, PICKED)) == len(PICKED)
