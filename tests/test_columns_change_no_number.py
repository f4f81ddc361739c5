"""Permuted columns, added ids, labels and constants, and any synonym change no reported number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file

import anisoalign_core as aa
from anisoalign_core.io.columns import NAMES

D = 8
WORDS = "alpha beta gamma delta epsilon zeta eta theta".split()
BEFORE = ("", "dim_", "e", "feature ", "x.")
IDS = sorted(name for name in NAMES["id"] if name not in ("image", "images", "img"))
TABLES = [".csv", ";.csv", ".csv.gz", ".tsv", ".parquet"]


def sides(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two sides of a small pair that share what they mean."""
    draw = np.random.default_rng(3)
    meant = draw.normal(size=(rows, D))
    return tuple(  # type: ignore[return-value]
        meant + 0.4 * draw.normal(size=(rows, D)) + gap for gap in (1.0, -1.0)
    )


def numbers(source: aa.EmbeddingSet, target: aa.EmbeddingSet) -> str:
    """Return all numbers of the diagnosis as text, bit for bit."""
    pair = aa.EmbeddingPair(source, target, paired=True)
    found = aa.diagnose(pair).to_dict()
    found["details"] = {
        name: value
        for name, value in found["details"].items()
        if name not in ("notes", "source_digest", "target_digest", "items")  # they tell of ids
    }
    return json.dumps(found, sort_keys=True)


def truth(rows: int) -> str:
    source, target = (
        aa.EmbeddingSet.from_array(side, modality=modality)
        for side, modality in zip(sides(rows), ("text", "image"), strict=True)
    )
    return numbers(source, target)


def write(columns: dict[str, Any], suffix: str, path: Path) -> Path:
    path = path.with_name(path.name + suffix.lstrip(";"))
    if suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        separator = ";" if suffix[0] == ";" else "\t" if suffix == ".tsv" else ","
        pd.DataFrame(columns).to_csv(path, index=False, sep=separator)
    return path


def others(draw: np.random.Generator, rows: int) -> dict[str, Any]:
    """Return some columns that are no dimensions."""
    made: dict[str, Any] = {
        str(draw.choice(IDS)): [f"p/{row}.jpg" for row in range(rows)],
        str(draw.choice(NAMES["caption"])): [f"some words {row}" for row in range(rows)],
        str(draw.choice(NAMES["label"])): [row % 2 for row in range(rows)],
        "year": [2019] * rows,
        "weight": [0.5] * rows,
        "cluster": draw.integers(0, 4, rows),
        "number": range(100, 100 + rows),
        "price": draw.uniform(3e3, 9e4, rows),
    }
    kept = [name for name in made if draw.random() < 0.4]
    return {name: made[name] for name in kept}


@pytest.mark.parametrize("suffix", TABLES)
@pytest.mark.parametrize("rows", [40, 6])
def test_numbered_dimensions_in_any_order_among_any_columns(
    suffix: str, rows: int, tmp_path: Path
) -> None:
    expected = truth(rows)
    for seed in range(6):
        draw, found = np.random.default_rng(seed), []
        for modality, vectors in zip(("text", "image"), sides(rows), strict=True):
            before = draw.choice(BEFORE)
            columns = {f"{before}{c}": vectors[:, c] for c in range(D)} | others(draw, rows)
            columns |= {"score": draw.random(rows)} if draw.random() < 0.5 else {}
            order = draw.permutation(list(columns)).tolist()
            path = write({name: columns[name] for name in order}, suffix, tmp_path / modality)
            found.append(aa.load(path, modality=modality))
        assert numbers(*found) == expected, f"seed {seed}"


@pytest.mark.parametrize("suffix", TABLES)
@pytest.mark.parametrize("rows", [40, 6])
def test_dimensions_named_in_words_among_any_columns(
    suffix: str, rows: int, tmp_path: Path
) -> None:
    """The numbers are the same, or a refusal or a note names the column."""
    expected = truth(rows)
    outcomes = set()
    for seed in range(12):
        draw, found, doubted = np.random.default_rng(seed), [], False
        for modality, vectors in zip(("text", "image"), sides(rows), strict=True):
            added = others(draw, rows)
            added |= {"score": draw.random(rows)} if draw.random() < 0.3 else {}
            order = draw.permutation([*added, *[""] * D]).tolist()  # the dimensions keep theirs
            left = iter(zip(WORDS, vectors.T, strict=True))
            columns = dict((name, added[name]) if name else next(left) for name in order)
            path = write(columns, suffix, tmp_path / modality)
            try:
                one = aa.load(path, modality=modality)
            except aa.AnisoAlignError as refused:
                named = [name for name in columns if f'"{name}"' in str(refused)]
                assert named and (suffix == ".parquet" or named[0] in added)
                outcomes.add("refused")
                break
            assert suffix != ".parquet"
            if "score" in added:
                said = " ".join(one.provenance.notes)
                assert "columns of numbers" in said and "score" in said
                doubted = True
                outcomes.add("said")
                assert one.dim == D + 1
                one = aa.load(path, modality=modality, drop_columns=["score"])
            found.append(one)
        else:
            assert numbers(*found) == expected, f"seed {seed}"
            outcomes.add("said" if doubted else "equal")
    wanted = {"refused"} if suffix == ".parquet" or rows == 6 else {"equal", "said"}
    assert outcomes - {"said"} == wanted - {"said"} and outcomes >= wanted


def save(arrays: dict[str, Any], suffix: str, path: Path) -> Path:
    path = path.with_name(path.name + suffix)
    if suffix == ".npz":
        np.savez(path, **arrays)
    elif suffix == ".pt":
        texts = {name: value.tolist() for name, value in arrays.items() if value.dtype.kind == "U"}
        torch.save(
            {name: torch.tensor(arrays[name]) for name in {*arrays} - {*texts}} | texts, path
        )
    else:
        save_file({name: value for name, value in arrays.items() if value.dtype.kind != "U"}, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".pt", ".safetensors"])
def test_any_name_of_an_array(suffix: str, tmp_path: Path) -> None:
    rows, draw = 40, np.random.default_rng(0)
    ids = [name for name in IDS if name != "file"]  # which NumPy itself cannot save
    expected = truth(rows)
    names = {
        "text": [*NAMES["vectors, source"], *NAMES["vectors"]],
        "image": [*NAMES["vectors, target"], *NAMES["vectors"]],
    }
    for turn in range(max(map(len, names.values()))):
        found = []
        for (modality, known), vectors in zip(names.items(), sides(rows), strict=True):
            key = known[turn % len(known)]
            key = draw.choice([key, key.upper(), key.replace("_", "-"), key.replace("_", " ")])
            arrays: dict[str, Any] = {str(key): np.ascontiguousarray(vectors)}
            said: dict[str, Any] = {
                str(draw.choice(ids)): np.arange(500, 500 + rows),
                str(draw.choice(NAMES["caption"])): np.array(
                    [f"some words {r}" for r in range(rows)]
                ),
                "cluster": np.arange(rows) % 3,
                "year": np.full(rows, 2019),
            }
            arrays |= {name: value for name, value in said.items() if draw.random() < 0.5}
            order = draw.permutation(list(arrays)).tolist()
            path = save({name: arrays[name] for name in order}, suffix, tmp_path / modality)
            found.append(aa.load(path, modality=modality))
        assert numbers(*found) == expected, f"turn {turn}: {key}"
