"""Rows in the arrays that people have them in: the same values, nothing of theirs changed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import anisoalign_core as aa
from anisoalign_core import arrays
from anisoalign_core.arrays import as_array
from anisoalign_core.errors import FormatError, InvalidRowsError, ShapeError
from anisoalign_core.moments import Moments
from anisoalign_core.rows import admit

ROWS = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
HALF = ROWS.astype(np.float16).astype(np.float32)
"""Values that float16 has too; bfloat16 has those below."""
BRAIN = torch.tensor(ROWS).to(torch.bfloat16).float().numpy()


def fixed(rows: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def arrow_type(rows: np.ndarray) -> pd.ArrowDtype:
    return pd.ArrowDtype(fixed(rows).type)


def of_datasets(rows: np.ndarray) -> Any:
    datasets = pytest.importorskip("datasets", reason="the package datasets is missing")
    table = pa.table({"e": fixed(rows), "n": range(len(rows))})
    return datasets.Dataset(table)


class OnlyDLPack:
    """An array of a library of its own, which speaks DLPack and not NumPy's protocol."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __dlpack__(self, **given: Any) -> Any:
        return self._rows.__dlpack__(**given)

    def __dlpack_device__(self) -> Any:
        return self._rows.__dlpack_device__()


class OnlyArray:
    """An array that speaks NumPy's protocol."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._rows


GIVEN: dict[str, tuple[np.ndarray, Callable[[np.ndarray], Any], bool]] = {
    "NumPy": (ROWS, lambda rows: rows, True),
    "NumPy, float64": (ROWS, lambda rows: rows.astype(float), False),
    "NumPy, by columns": (ROWS, np.asfortranarray, False),
    "NumPy, read-only": (ROWS, lambda rows: np.broadcast_to(rows, rows.shape), True),
    "torch": (ROWS, torch.from_numpy, True),
    "torch, float64": (ROWS, lambda rows: torch.from_numpy(rows).double(), False),
    "torch, float16": (HALF, lambda rows: torch.from_numpy(rows).half(), False),
    "torch, bfloat16": (BRAIN, lambda rows: torch.from_numpy(rows).bfloat16(), False),
    "torch, with gradient": (ROWS, lambda rows: torch.from_numpy(rows).requires_grad_(), True),
    "torch, of a graph": (ROWS, lambda rows: torch.from_numpy(rows).requires_grad_() * 1, False),
    "torch, a parameter": (ROWS, lambda r: torch.nn.Parameter(torch.from_numpy(r)), True),
    "torch, transposed": (ROWS, lambda rows: torch.tensor(rows.T.copy()).T, False),
    "tensors": (ROWS, lambda rows: [torch.tensor(r, requires_grad=True) for r in rows], False),
    "lists": (ROWS, lambda rows: rows.tolist(), False),
    "tuples": (ROWS, lambda rows: tuple(map(tuple, rows.tolist())), False),
    "list of arrays": (ROWS, list, False),
    "DataFrame": (ROWS, lambda rows: pd.DataFrame(rows, copy=False), True),
    "DataFrame, nullable": (ROWS, lambda rows: pd.DataFrame(rows).astype("Float32"), False),
    "DataFrame, several types": (ROWS, lambda r: pd.DataFrame(r).astype({0: float}), False),
    "DataFrame, one column": (ROWS, lambda rows: pd.DataFrame({"e": rows.tolist()}), False),
    "Series of lists": (ROWS, lambda rows: pd.Series(rows.tolist()), False),
    "Series of arrays": (ROWS, lambda rows: pd.Series(list(rows)), False),
    "Series of Arrow": (ROWS, lambda r: pd.Series(fixed(r), dtype=arrow_type(r)), False),
    "Arrow, fixed size": (ROWS, fixed, True),
    "Arrow, lists": (ROWS, lambda rows: pa.array(rows.tolist(), pa.list_(pa.float32())), False),
    "Arrow, large": (ROWS, lambda r: pa.array(r.tolist(), pa.large_list(pa.float32())), False),
    "Arrow, a slice": (ROWS, lambda r: fixed(np.concatenate([r, r]))[40:], False),
    "Arrow, one piece": (ROWS, lambda rows: pa.chunked_array([fixed(rows)]), True),
    "Arrow, pieces": (ROWS, lambda r: pa.chunked_array([fixed(r[:7]), fixed(r[7:])]), False),
    "Arrow, tensors": (ROWS, pa.FixedShapeTensorArray.from_numpy_ndarray, True),
    "datasets, a column": (ROWS, lambda rows: of_datasets(rows)["e"], False),
    "datasets, all of it": (ROWS, lambda rows: of_datasets(rows)["e"][:], False),
    "datasets, rows of it": (
        ROWS,
        lambda r: of_datasets(r[::-1].copy()).select(range(39, -1, -1))["e"],
        False,
    ),
    "datasets, formatted": (ROWS, lambda r: of_datasets(r).with_format("torch")["e"], False),
    "DLPack": (ROWS, OnlyDLPack, True),
    "__array__": (ROWS, OnlyArray, True),
}  # fmt: skip


@pytest.mark.parametrize("kind", GIVEN)
def test_values_are_the_same_and_memory_is_where_it_can_be(kind: str) -> None:
    rows, make, shared = GIVEN[kind]
    rows = np.ascontiguousarray(rows)
    given = make(rows)
    found = admit(given).rows
    np.testing.assert_array_equal(found, rows)
    if shared:
        assert np.shares_memory(found, rows)
    expected = aa.EmbeddingSet.from_array(rows, modality="image")
    np.testing.assert_allclose(
        aa.EmbeddingSet.from_array(given, modality="image").vectors, expected.vectors, atol=1e-7
    )


@pytest.mark.parametrize("kind", GIVEN)
def test_every_door_takes_them(kind: str) -> None:
    rows, make, _ = GIVEN[kind]
    target = rows[::-1] + 0.5
    fitted = aa.ReAlign().fit(make(rows), make(target))
    plain = aa.ReAlign().fit(rows, target)
    np.testing.assert_allclose(fitted.transform(make(rows)), plain.transform(rows), atol=3e-3)
    np.testing.assert_allclose(Moments.of(make(rows)).mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(
        Moments.from_chunks([make(rows)]).covariance, np.cov(rows.T, bias=True), atol=1e-5
    )
    scores = aa.metrics.score_rows(make(rows), make(target), make(target), paired=True, k=5)
    expected = aa.metrics.score_rows(rows, target, target, paired=True, k=5)
    assert scores["phi"].value == pytest.approx(expected["phi"].value, abs=1e-3)
    unit = [
        aa.EmbeddingSet.from_array(one, modality="any").vectors.copy() for one in (rows, target)
    ]
    quick = aa.metrics.quick_scores(*(make(one) for one in (*unit, unit[1])), paired=True, k=5)
    plain_quick = aa.metrics.quick_scores(*unit, unit[1], paired=True, k=5)
    assert quick["matched_cosine"] == pytest.approx(plain_quick["matched_cosine"], abs=5e-3)


def test_nothing_happens_to_a_tensor() -> None:
    tensor = torch.tensor(ROWS, requires_grad=True)
    used = tensor * 2
    fitted = aa.MeanShift().fit(used, tensor + 1)
    fitted.transform(used)
    assert used.requires_grad and tensor.grad is None and used.grad_fn is not None
    used.sum().backward()
    assert torch.equal(tensor.grad, torch.full_like(tensor, 2.0))


def test_a_view_of_a_tensor_is_never_written_to() -> None:
    tensor = torch.from_numpy(ROWS.copy())
    before = tensor.clone()
    made = aa.EmbeddingSet.from_array(tensor, modality="image")
    assert torch.equal(tensor, before)
    assert not np.shares_memory(made.vectors, tensor.numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_tensors_on_a_card_are_copied() -> None:
    np.testing.assert_array_equal(as_array(torch.tensor(ROWS, device="cuda")), ROWS)


def test_tensors_on_a_device_without_values_are_said() -> None:
    with pytest.raises(FormatError, match=r"x .*cannot be read"):
        as_array(torch.empty((4, 3), device="meta"), "x")


def test_small_floats_of_other_libraries_are_floats() -> None:
    types = pytest.importorskip("ml_dtypes", reason="the package ml_dtypes is missing")
    found = as_array(BRAIN.astype(types.bfloat16))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, BRAIN)


def test_jax_arrays() -> None:
    jax = pytest.importorskip("jax", reason="the package jax is missing")
    np.testing.assert_array_equal(as_array(jax.numpy.asarray(ROWS)), ROWS)
    brain = jax.numpy.asarray(ROWS).astype(jax.numpy.bfloat16)
    np.testing.assert_array_equal(as_array(brain), BRAIN)


MISSING = ROWS.tolist()
MISSING[3] = None


@pytest.mark.parametrize(
    "given",
    [
        MISSING,
        pd.Series(MISSING),
        pa.array(MISSING, pa.list_(pa.float32())),
        pa.array(MISSING, pa.list_(pa.float32(), 6)),
        pd.DataFrame(ROWS).mask(pd.DataFrame(np.eye(40, 6, -3, dtype=bool))),
        np.ma.masked_array(ROWS, np.arange(40)[:, None] + np.zeros((1, 6)) == 3),
    ],
    ids=["list", "Series", "Arrow", "Arrow, fixed size", "DataFrame", "masked"],
)
def test_missing_rows_are_refused_by_number_or_dropped(given: Any) -> None:
    with pytest.raises(InvalidRowsError, match=r"[Rr]ows? 3") as refused:
        admit(given, "x")
    assert refused.value.rows[0] == 3
    kept = admit(given, drop_invalid=True)
    assert 3 in kept.dropped and len(kept.rows) + len(kept.dropped) == 40


RAGGED = [[1.0, 2.0], [3.0, 4.0], [5.0]]


def sparse() -> Any:
    from scipy.sparse import csr_array

    return csr_array(ROWS)


REFUSED: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("sparse", sparse, FormatError, r"x is a sparse matrix; give it whole, with \.toarray"),
    ("sparse tensor", lambda: torch.tensor(ROWS).to_sparse(), FormatError, r"\.to_dense"),
    ("objects", lambda: ROWS.astype(object), FormatError, "holds Python objects"),
    ("texts", lambda: np.array([["a", "b"]]), FormatError, "holds text"),
    ("list of texts", lambda: [["a", "b"]], FormatError, "holds text"),
    ("masked texts", lambda: np.ma.masked_array([["a", "b"]]), FormatError, "holds text"),
    ("one text", lambda: "rows", FormatError, "holds text"),
    ("complex", lambda: torch.ones(3, 3, dtype=torch.complex64), FormatError, "complex numbers"),
    ("booleans", lambda: torch.ones(3, 3) > 0, FormatError, "booleans"),
    ("ragged", lambda: RAGGED, ShapeError, r"Row 2 of x has 1 numbers, and row 0 has 2"),
    ("ragged arrays", lambda: [*map(np.array, RAGGED)], ShapeError, "Row 2 of x has 1 numbers"),
    ("ragged tensors", lambda: [*map(torch.tensor, RAGGED)], ShapeError, "Row 2 of x"),
    ("ragged Series", lambda: pd.Series(RAGGED), ShapeError, "Row 2 of x has 1 numbers"),
    ("ragged Arrow", lambda: pa.array(RAGGED), FormatError, r"Row 2 of x has 1 numbers.* have 2"),
    ("mixed", lambda: [[1.0, 2.0], 3.0], ShapeError, "Row 1 of x has one entry, and row 0 has 2"),
    ("deeper", lambda: [[[1.0], [2.0, 3.0]]] * 2, ShapeError, "x holds no rows"),
    ("dictionary", lambda: {"a": 1}, FormatError, "Python objects"),
    ("table", lambda: pa.table({"e": fixed(ROWS)}), FormatError, r'one of them: table\["NAME"\]'),
    ("column of text", lambda: pa.array(["a"]), FormatError, "string values, not lists"),
    (
        "DataFrame with text",
        lambda: pd.DataFrame({"a": [1.0], "b": ["x"]}),
        FormatError,
        r'Column "b" of x holds .* not numbers',
    ),
    ("numbers in a row", lambda: pd.Series([1.0, 2.0]), ShapeError, "x has 1 axes"),
]


@pytest.mark.parametrize(("kind", "make", "error", "words"), REFUSED, ids=lambda one: str(one)[:20])
def test_what_is_no_rows_is_refused_in_words(
    kind: str, make: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        admit(make(), "x")


def test_a_streaming_column_is_refused() -> None:
    stream = of_datasets(ROWS).to_iterable_dataset()
    if not hasattr(type(stream), "__getitem__"):
        pytest.skip("this version of datasets has no columns of streams")
    with pytest.raises(FormatError, match=r"streams; give it whole"):
        as_array(stream["e"], "x")


def test_the_page_has_the_table_of_the_code() -> None:
    assert arrays.__doc__ is not None
    lines = arrays.__doc__.splitlines()
    rules = [at for at, line in enumerate(lines) if line.startswith("===")]
    middle = lines[rules[0]].index(" ")
    told = [(line[:middle].strip(), line[middle:].strip()) for line in lines]
    page = (Path(__file__).parents[1] / "docs" / "DATA_FORMAT.md").read_text(encoding="utf-8")
    rows = told[rules[1] + 1 : rules[2]]
    assert len(rows) > 8
    assert "".join(f"| {one} | {what} |\n" for one, what in rows) in page


def test_no_library_is_imported_for_anothers_array() -> None:
    code = (
        "import sys, numpy as np, anisoalign_core as aa\n"
        "from anisoalign_core.rows import admit\n"
        "admit(np.ones((3, 2))); admit([[1.0, 2.0]] * 3); admit(np.ones((3, 2)).tolist())\n"
        "print({'torch', 'pandas', 'pyarrow', 'datasets', 'jax'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
