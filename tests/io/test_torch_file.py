from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from anisoalign_core.errors import FormatError, LimitError, ShapeError
from anisoalign_core.io import array_keys_bytes, load, load_bytes, load_pair_bytes

torch = pytest.importorskip("torch")


def as_bytes(value: Any, **options: Any) -> bytes:
    torch.save(value, stream := io.BytesIO(), **options)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_bare_tensor(array: NDArray[np.float32], dtype: str) -> None:
    data = as_bytes(torch.tensor(array).to(getattr(torch, dtype)))
    loaded = load_bytes(data, "a.pt", modality="image")
    np.testing.assert_allclose(loaded.vectors, array, atol=8e-3)


def test_dictionary_with_ids(array: NDArray[np.float32]) -> None:
    tensor = torch.tensor(array)
    data = as_bytes(
        {
            "image": torch.nn.Parameter(tensor),
            "text": -tensor,
            "ids": [f"x{row}" for row in range(12)],
            "temperature": torch.tensor(0.07),
        }
    )
    assert array_keys_bytes(data, "a.pth") == ("image", "text")
    pair = load_pair_bytes(data, "a.pth")
    assert pair.source.ids[4] == "x4"
    np.testing.assert_array_equal(pair.source.vectors, -pair.target.vectors)


def test_files_beside_bring_ids(tmp_path: Path, array: NDArray[np.float32]) -> None:
    (tmp_path / "a.pt").write_bytes(as_bytes(torch.tensor(array)))
    (tmp_path / "a.ids.txt").write_text("".join(f"x{row}\n" for row in range(12)))
    assert load(tmp_path / "a.pt", modality="image").ids[11] == "x11"


def test_code_is_never_run() -> None:
    data = as_bytes({"image": Trap()})
    with pytest.raises(FormatError, match="Only plain tensors and dictionaries of tensors"):
        load_bytes(data, "a.pt", modality="image")


def test_old_format_and_plain_pickles_are_refused(array: NDArray[np.float32]) -> None:
    data = as_bytes(torch.tensor(array), _use_new_zipfile_serialization=False)
    with pytest.raises(FormatError, match=r"before version 1\.6"):
        load_bytes(data, "a.pt", modality="image")


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, {3: 4}, 5])
def test_without_tensors(value: Any) -> None:
    with pytest.raises(FormatError, match="without tensors"):
        load_bytes(as_bytes(value), "a.pt", modality="image")


def test_a_module_is_refused() -> None:
    with pytest.raises(FormatError, match=r"a\.pt"):
        load_bytes(as_bytes(torch.nn.Linear(2, 2)), "a.pt", modality="image")


def test_sparse_is_refused() -> None:
    with pytest.raises(FormatError, match="sparse"):
        load_bytes(as_bytes(torch.eye(4).to_sparse()), "a.pt", modality="image")


def test_expanded_views_count_at_full_size() -> None:
    """A view that repeats one number takes 4 bytes in the file and 32 GB in memory."""
    data = as_bytes(torch.ones(1).expand(4_000_000, 2000))
    with pytest.raises(LimitError, match="4,000,000 rows"):
        load_bytes(data, "a.pt", modality="image")


def test_one_axis_is_refused() -> None:
    with pytest.raises(ShapeError):
        load_bytes(as_bytes(torch.ones(5)), "a.pt", modality="image")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_truncation(array: NDArray[np.float32], share: float) -> None:
    data = as_bytes(torch.tensor(array))
    with pytest.raises(FormatError, match=r"a\.pt"):
        load_bytes(data[: int(len(data) * share)], "a.pt", modality="image")


def test_numpy_archive_under_the_wrong_name(array: NDArray[np.float32]) -> None:
    np.savez(stream := io.BytesIO(), image=array)
    with pytest.raises(FormatError, match=r"needs the suffix \.npz"):
        load_bytes(stream.getvalue(), "a.pt", modality="image")


class Trap:
    """Unpickling this fails the test."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a pickle was executed",))
