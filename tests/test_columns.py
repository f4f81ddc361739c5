"""What a column of numbers is where no name tells: said or refused, never taken for granted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.engine.streaming import fit_streamed
from anisoalign_core.errors import InvalidRowsError
from anisoalign_core.io.shards import open_shards

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho".split()


def table(rows: int, whole: bool, **added: Any) -> pd.DataFrame:
    """Return rows of dimensions that are named in words, with further columns."""
    draw = np.random.default_rng(0)
    numbers = draw.integers(-128, 128, (rows, 16)) if whole else draw.normal(size=(rows, 16))
    return pd.DataFrame(numbers, columns=WORDS).assign(**added)


def read(frame: pd.DataFrame, folder: Path, **options: Any) -> aa.EmbeddingSet:
    frame.to_csv(folder / "a.csv", index=False)
    return aa.load(folder / "a.csv", modality="image", **options)


@pytest.mark.parametrize(
    ("name", "rows", "whole"), [("score", 60, False), ("cluster", 60, True), ("score", 5, False)]
)
def test_what_looks_like_a_dimension_is_said(
    name: str, rows: int, whole: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(1)
    values = draw.integers(0, 4, rows) if whole else draw.random(rows)
    found = read(table(rows, whole, **{name: values}), tmp_path)
    (note,) = found.provenance.notes
    assert note.startswith("All 17 columns of numbers of a.csv are read as dimensions (alpha, beta")
    assert f", {name}): nothing in their names marks them as such or" in note
    assert 'drop_columns=["NAME"]' in note and 'id_column="NAME"' in note
    pair = aa.EmbeddingPair(found, found, paired=False)
    assert note in aa.diagnose(pair, parts=()).notes
    dropped = read(table(rows, whole, **{name: values}), tmp_path, drop_columns=[name])
    assert dropped.dim == 16
    path, other = str(tmp_path / "a.csv"), str(tmp_path / "b.npy")
    np.save(other, draw.standard_normal((20, found.dim)))
    assert main(["info", path]) == 0
    assert "with --drop-columns NAME, or choose the ids" in capsys.readouterr().out
    assert main(["diagnose", "--source", path, "--target", other, "--parts", "residual"]) == 0
    told = capsys.readouterr()
    for words in (told.out, told.err):
        assert "among them with --id-column NAME" in words and "drop_columns" not in words


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("cluster", [0, 3, 1, 1, 2], "holds whole numbers where the others do not"),
        ("constant", [1.0] * 5, "is 1 in every row"),
        ("number", range(5), "counts the rows from 0"),
        ("price", [900.5, 3100.25, 12.5, 880.5, 99.5], "reaches 3100.25 where"),
    ],
)
def test_what_stands_out_in_few_rows_is_refused_by_name(
    name: str, values: Any, why: str, tmp_path: Path
) -> None:
    frame = table(5, False, **{name: values})
    with pytest.raises(aa.AnisoAlignError) as refused:
        read(frame, tmp_path)
    words = str(refused.value)
    assert words.startswith(f'Column "{name}" of a.csv {why}') and "with 5 rows" in words
    assert f'drop_columns=["{name}"]' in words and f'id_column="{name}"' in words
    assert read(frame, tmp_path, drop_columns=[name]).dim == 16
    if name == "number":
        assert read(frame, tmp_path, id_column=name).ids.tolist() == list("01234")
    numbered = frame.set_axis([f"dim_{column}" for column in range(17)], axis=1)
    found = read(numbered, tmp_path)
    assert found.dim == 17 and not found.provenance.notes


def test_what_stands_out_in_many_rows_is_a_label_and_the_rest_is_said(tmp_path: Path) -> None:
    found = read(table(60, False, cluster=np.arange(60) % 4), tmp_path)
    assert found.dim == 16 and found.labels is not None
    said = " ".join(found.provenance.notes)
    assert "All 16 columns" in said and '"cluster" of a.csv holds whole numbers' in said


def test_a_table_without_header_says_that_all_are_dimensions(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.csv", table(9, False).to_numpy(), delimiter=",")
    (note,) = aa.load(tmp_path / "a.csv", modality="image").provenance.notes
    assert note.startswith("All 16 columns of numbers of a.csv are read as dimensions: it has no")


def test_of_many_names_the_first_and_the_last_are_said(tmp_path: Path) -> None:
    names = [f"{first} {second}" for first in WORDS[:6] for second in WORDS[:6]]
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 36)), columns=names)
    (note,) = read(frame, tmp_path).provenance.notes
    assert "All 36 columns" in note and ", …, zeta zeta): nothing" in note


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("header", [True, False])
def test_one_empty_cell_is_a_row_that_is_missing(
    name: str, header: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = table(60, False).set_axis([f"dim_{column}" for column in range(16)], axis=1)
    frame.iloc[3, 2] = frame.iloc[7, 5] = frame.iloc[7, 2] = np.nan
    path = tmp_path / name
    separator = "\t" if name == "a.tsv" else ","
    frame.to_csv(path, index=False, header=header, sep=separator)
    title = ' ("dim_2")' if header else ""
    where = f"Line {5 if header else 4}, column 3{title} of {name} is empty"
    both = f"{where}, the first of 3 empty cells: rows without all their numbers count as missing."
    with pytest.raises(InvalidRowsError) as refused:
        aa.load(path, modality="image")
    assert refused.value.rows == (3, 7)
    assert "with drop_invalid=True" in str(refused.value) and both in str(refused.value)
    found = aa.load(path, modality="image", drop_invalid=True)
    frame.to_parquet(tmp_path / "a.parquet")
    again = aa.load(tmp_path / "a.parquet", modality="image", drop_invalid=True)
    if header:
        assert found.digest == again.digest and len(found) == 58
    assert found.provenance.dropped_rows == again.provenance.dropped_rows == (3, 7)
    assert any(note.startswith(where) for note in found.provenance.notes)
    np.save(tmp_path / "b.npy", np.random.default_rng(2).standard_normal((20, found.dim)))
    sides = ["--source", str(path), "--target", str(tmp_path / "b.npy")]
    assert main(["diagnose", *sides, "--parts", "residual"]) == 2
    told = capsys.readouterr().err
    assert "--drop-invalid" in told and where in told
    assert main(["diagnose", *sides, "--parts", "residual", "--drop-invalid"]) == 0
    assert where in capsys.readouterr().err


def test_an_empty_cell_is_named_where_rows_are_streamed_too(tmp_path: Path) -> None:
    frame = table(60, False).set_axis([f"dim_{column}" for column in range(16)], axis=1)
    frame.iloc[3, 2] = np.nan
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = open_shards(tmp_path / "a.csv", modality="image")
    with pytest.raises(InvalidRowsError, match=r'Line 5, column 3 \("dim_2"\) of a\.csv'):
        fit_streamed(aa.ReAlign(), data, data)


def test_a_column_that_is_empty_in_most_rows_is_offered_to_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("".join(f"{row}.5,0.25,-1.5,\n" for row in range(9)))
    with pytest.raises(InvalidRowsError, match=r'is empty.*drop_columns=\["4"\]'):
        aa.load(tmp_path / "a.csv", modality="image")
    assert aa.load(tmp_path / "a.csv", modality="image", drop_columns=["4"]).dim == 3


def test_a_label_with_an_empty_cell_is_no_reason_to_refuse(tmp_path: Path) -> None:
    frame = table(60, False).set_axis([f"dim_{column}" for column in range(16)], axis=1)
    price = pd.Series(np.linspace(1, 9, 60)).where(np.arange(60) != 4)
    found = read(frame.assign(price=price), tmp_path)
    assert len(found) == 60 and found.labels is not None
    assert found.labels["price"].isna().tolist() == [row == 4 for row in range(60)]


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".safetensors"])
@pytest.mark.parametrize("shape", [(1, 60, 16), (60, 1, 16)])
def test_axes_of_length_one_are_said_with_their_shape(
    suffix: str, shape: tuple[int, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.ascontiguousarray(table(60, False), dtype=np.float32)
    array, path = rows.reshape(shape), tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".npz":
        np.savez(path, image=array)
    elif suffix == ".pt":
        torch.save({"image": torch.tensor(array)}, path)
    else:
        save_file({"image": array}, path)
    said = f"has the shape {shape}: it is read as 60 rows of 16 dimensions."
    found = aa.load(path, modality="image")
    assert any(said in note for note in found.provenance.notes)
    assert found.digest == aa.EmbeddingSet.from_array(rows, modality="image").digest
    assert main(["info", str(path)]) == 0
    assert said in capsys.readouterr().out
