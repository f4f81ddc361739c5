from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import AnisoAlignError, FormatError, LimitError
from anisoalign_core.io import array_keys_bytes, load_bytes, load_pair_bytes, save, to_bytes
from anisoalign_core.io import safetensors as reader


def crafted(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(shape: object, stop: object, dtype: str = "F32") -> dict[str, object]:
    return {"image": {"dtype": dtype, "shape": shape, "data_offsets": [0, stop]}}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_reads_what_the_library_writes(array: NDArray[np.float32], dtype: str) -> None:
    typed = array.astype(dtype)
    data = safetensors.numpy.save({"image": typed, "text": -typed}, metadata={"model": "B/32"})
    assert set(array_keys_bytes(data, "a.safetensors")) == {"image", "text"}
    loaded = load_bytes(data, "a.safetensors", modality="text")
    np.testing.assert_allclose(loaded.vectors, -array, atol=2e-3)
    assert loaded.provenance.model == "B/32"
    assert loaded.provenance.original_dtype == dtype
    assert load_pair_bytes(data, "a.safetensors").paired


def test_the_library_reads_what_is_written(full_set: EmbeddingSet, tmp_path: Path) -> None:
    path = save(full_set, tmp_path / "a.safetensors", metadata={"recipe": 7})
    np.testing.assert_array_equal(safetensors.numpy.load_file(path)["text"], full_set.vectors)
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert metadata == {
        "digest": full_set.digest,
        "modality": "text",
        "model": "ViT-B/16",
        "normalised": "true",
        "recipe": "7",
    }


def test_bfloat16_is_widened(array: NDArray[np.float32]) -> None:
    upper = (array.view(np.uint32) >> 16).astype("<u2")
    loaded = load_bytes(
        crafted(entry([12, 8], upper.nbytes, "BF16"), upper.tobytes()),
        "a.safetensors",
        modality="image",
    )
    np.testing.assert_allclose(loaded.vectors, array, atol=8e-3)


def test_types_numpy_lacks_are_named() -> None:
    data = crafted(entry([2, 2], 4, "F8_E4M3"), bytes(4))
    with pytest.raises(FormatError, match="F8_E4M3"):
        load_bytes(data, "a.safetensors", modality="image")


@pytest.mark.parametrize("cut", [0, 5, 12, 60, -1])
def test_truncation(full_set: EmbeddingSet, cut: int) -> None:
    data = to_bytes(full_set, ".safetensors")
    with pytest.raises(FormatError, match=r"a\.safetensors"):
        load_bytes(data[:cut], "a.safetensors", modality="text")


@pytest.mark.parametrize(
    "data",
    [
        crafted(b"{not json}"),
        crafted([1, 2]),
        crafted({"image": 3}),
        crafted({"image": {"dtype": "F32", "shape": [2, 2]}}),
        crafted(entry([-2, -2], 16), bytes(16)),
        crafted(entry([2, 2], -16)),
        crafted(entry([2, 3], 16), bytes(16)),
        crafted(entry([2, 2], 16), bytes(17)),
        crafted(entry([2.0, 2], 16), bytes(16)),
        crafted(entry("22", 16), bytes(16)),
        crafted({"__metadata__": [1]}),
        crafted({"__metadata__": {}}),
        crafted(b"{" + b'"a":{' * 20_000),
        struct.pack("<Q", 2**63) + b"{" + bytes(20),
        struct.pack("<Q", 10**7) + b"{" + bytes(20),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(AnisoAlignError, match=r"a\.safetensors"):
        load_bytes(data, "a.safetensors", modality="image")


def test_declared_size_is_checked_first(tmp_path: Path) -> None:
    from anisoalign_core.io import load

    path = tmp_path / "a.safetensors"
    size = 6_000_000 * 2 * 4
    with path.open("wb") as stream:  # a sparse file: nothing of it lies on disk or in memory
        stream.write(crafted(entry([6_000_000, 2], size)))
        stream.truncate(stream.tell() + size)
    with pytest.raises(LimitError, match="6,000,000 rows"):
        load(path, modality="image")


def test_headers_have_a_most(monkeypatch: pytest.MonkeyPatch, array: NDArray[np.float32]) -> None:
    data = safetensors.numpy.save({"image": array, "text": array})
    monkeypatch.setattr(reader, "MAX_TENSORS", 1)
    with pytest.raises(LimitError, match=r"declares 2 tensors; the limit is 1\."):
        load_bytes(data, "a.safetensors", modality="text")
    monkeypatch.setattr(reader, "MAX_HEADER", 16)
    with pytest.raises(LimitError, match=r"declares a header of .*; the limit is 16 bytes"):
        load_bytes(data, "a.safetensors", modality="text")


def test_offsets_that_run_backwards_are_refused() -> None:
    wrong = {"image": {"dtype": "F32", "shape": [0, 2], "data_offsets": [8, 0]}}
    with pytest.raises(FormatError, match="is described wrongly"):
        load_bytes(crafted(wrong, b"\0" * 8), "a.safetensors", modality="image")
