from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError, ParameterError, ShapeError
from anisoalign_core.io import float16_error, load, load_bytes, save, to_bytes

WRITABLE = [".npy", ".npz", ".safetensors", ".parquet", ".tsv"]


@pytest.mark.parametrize("suffix", WRITABLE)
def test_float32_comes_back_bit_for_bit(
    tmp_path: Path, full_set: EmbeddingSet, suffix: str
) -> None:
    path = save(full_set, tmp_path / f"a{suffix}")
    loaded = load(path, modality="text")
    np.testing.assert_array_equal(loaded.vectors, full_set.vectors)
    assert loaded.ids.tolist() == full_set.ids.tolist()
    assert loaded.captions is not None and full_set.captions is not None
    assert loaded.captions.tolist() == full_set.captions.tolist()
    assert loaded.digest == full_set.digest
    if suffix != ".tsv":
        assert loaded.provenance.original_dtype == "float32"


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".tsv"])
def test_labels_come_back(tmp_path: Path, full_set: EmbeddingSet, suffix: str) -> None:
    loaded = load(save(full_set, tmp_path / f"a{suffix}"), modality="text")
    assert loaded.labels is not None
    assert loaded.labels["shape"].tolist() == ["ring", "star", "disc"] * 4
    assert loaded.labels["count"].astype(int).tolist() == list(range(12))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
def test_model_comes_back(full_set: EmbeddingSet, suffix: str) -> None:
    loaded = load_bytes(to_bytes(full_set, suffix), f"a{suffix}", modality="text")
    assert loaded.provenance.model == "ViT-B/16"


@pytest.mark.parametrize("suffix", WRITABLE)
def test_float16_is_as_far_off_as_announced(full_set: EmbeddingSet, suffix: str) -> None:
    data = to_bytes(full_set, suffix, dtype="float16")
    loaded = load_bytes(data, f"a{suffix}", modality="text")
    if suffix != ".tsv":
        assert loaded.provenance.original_dtype == "float16"
    largest, angular = float16_error(full_set.vectors)
    assert 0 < largest < 2.5e-4
    cosine = np.einsum("ij,ij->i", loaded.vectors.astype(float), full_set.vectors.astype(float))
    assert np.max(1 - cosine) < angular + 3e-7
    assert 0 < angular < 1e-6


def test_float16_error_is_zero_for_what_float16_holds() -> None:
    assert float16_error(np.eye(4, dtype=np.float32)) == (0.0, 0.0)


@pytest.mark.parametrize("suffix", WRITABLE)
def test_same_set_same_bytes(full_set: EmbeddingSet, suffix: str, tmp_path: Path) -> None:
    data = to_bytes(full_set, suffix, metadata={"b": 1, "a": 2, "recipe": "x"})
    again = to_bytes(full_set, suffix, metadata={"recipe": "x", "a": 2, "b": 1})
    assert data == again
    path = save(full_set, tmp_path / f"a{suffix}", metadata={"a": 2, "b": 1, "recipe": "x"})
    assert path.read_bytes() == data


@pytest.mark.parametrize("suffix", WRITABLE)
def test_sets_without_ids_bring_none(
    tmp_path: Path, array: NDArray[np.float32], suffix: str
) -> None:
    bare = EmbeddingSet.from_array(array, modality="image")
    loaded = load(save(bare, tmp_path / f"a{suffix}"), modality="image")
    assert loaded.ids.tolist() == bare.ids.tolist()
    assert [each.name for each in tmp_path.iterdir()] == [f"a{suffix}"]


def test_row_numbers_are_kept_once_rows_are_missing(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    array[0] = 0
    bare = EmbeddingSet.from_array(array, modality="image", drop_invalid=True)
    loaded = load(save(bare, tmp_path / "a.npy"), modality="image")
    assert loaded.ids[0] == "1"


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_ids_with_line_breaks_need_parquet(
    tmp_path: Path, array: NDArray[np.float32], suffix: str
) -> None:
    ids = [f"a\n{row}" for row in range(12)]
    odd = EmbeddingSet.from_array(array, modality="image", ids=ids)
    with pytest.raises(FormatError, match=r"id of row 0 holds a line break.*\.parquet"):
        save(odd, tmp_path / f"a{suffix}")
    assert [each.name for each in tmp_path.iterdir()] == []
    assert load(save(odd, tmp_path / "a.parquet"), modality="image").ids.tolist() == ids


def test_line_breaks_in_captions_become_spaces(tmp_path: Path, array: NDArray[np.float32]) -> None:
    odd = EmbeddingSet.from_array(array, modality="text", captions=["a\r\nb\tc"] * 12)
    for name, caption in (("a.npy", "a b\tc"), ("a.tsv", "a b c"), ("a.parquet", "a\r\nb\tc")):
        loaded = load(save(odd, tmp_path / name), modality="text")
        assert loaded.captions is not None
        assert set(loaded.captions) == {caption}


def test_files_beside_that_belong_to_another_set_are_not_adopted(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    (tmp_path / "a.ids.txt").write_text("mine\n" * 12)
    with pytest.raises(FormatError, match=r"a\.ids\.txt lies beside a\.npy"):
        save(EmbeddingSet.from_array(array, modality="image"), tmp_path / "a.npy")
    assert [each.name for each in tmp_path.iterdir()] == ["a.ids.txt"]


@pytest.mark.parametrize("suffix", WRITABLE)
def test_failure_keeps_the_old_files_and_leaves_no_others(
    tmp_path: Path, full_set: EmbeddingSet, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(full_set, tmp_path / f"a{suffix}")
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anisoalign_core.files.atomic.os.fsync", fail)
    with pytest.raises(KeyboardInterrupt):
        save(full_set.take([3, 1, 2]), path)
    assert {each: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_npz_is_stored_not_compressed(full_set: EmbeddingSet) -> None:
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(to_bytes(full_set, ".npz"))) as archive:
        infos = archive.infolist()
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert [info.filename for info in infos][:2] == ["text.npy", "text_ids.npy"]
    with np.load(io.BytesIO(to_bytes(full_set, ".npz")), allow_pickle=False) as stored:
        assert stored["text_ids"][3] == full_set.ids[3]


def test_projector_metadata_of_one_column_has_no_header(
    tmp_path: Path, array: NDArray[np.float32]
) -> None:
    ids = [f"x{row}" for row in range(12)]
    save(EmbeddingSet.from_array(array, modality="image", ids=ids), tmp_path / "a.tsv")
    assert (tmp_path / "a.metadata.tsv").read_text().splitlines() == ids


def test_projector_metadata_of_several_columns_has_one(
    tmp_path: Path, full_set: EmbeddingSet
) -> None:
    save(full_set, tmp_path / "a.tsv")
    lines = (tmp_path / "a.metadata.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id\tcaption\tshape\tcount"
    assert len(lines) == 13
    assert len((tmp_path / "a.tsv").read_text().splitlines()) == 12


def test_labels_named_like_columns_do_not_collide(full_set: EmbeddingSet) -> None:
    frame = pd.DataFrame({"id": range(12), "embedding": ["a"] * 12, "text": ["b"] * 12})
    clash = replace(full_set, labels=frame, captions=None)
    loaded = load_bytes(to_bytes(clash, ".parquet"), "a.parquet", modality="text")
    assert loaded.ids.tolist() == full_set.ids.tolist()
    assert loaded.captions is None
    assert loaded.labels is not None
    assert list(loaded.labels.columns) == ["label_id", "label_embedding", "label_text"]


@pytest.mark.parametrize("suffix", [".h5", ".pt", ".csv", ".pkl"])
def test_suffixes_that_cannot_be_written(
    tmp_path: Path, full_set: EmbeddingSet, suffix: str
) -> None:
    with pytest.raises(FormatError, match=r"not among \.npy, \.npz, \.safetensors, \.parquet"):
        save(full_set, tmp_path / f"a{suffix}")
    with pytest.raises(FormatError, match="not among"):
        to_bytes(full_set, suffix)


def test_wrong_arguments(tmp_path: Path, full_set: EmbeddingSet) -> None:
    with pytest.raises(ParameterError, match='"float64"'):
        save(full_set, tmp_path / "a.npy", dtype="float64")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"not \(12, 2\)"):
        to_bytes(full_set, ".parquet", projection=np.ones((12, 3)))
    with pytest.raises(ParameterError, match="Rename the modality"):
        to_bytes(replace(full_set, modality="ids"), ".npz")
    assert [each.name for each in tmp_path.iterdir()] == []


FULL = """
import resource, signal, sys
import numpy as np
import anisoalign_core as aa
from anisoalign_core.errors import PlaceError
rows = np.random.default_rng(0).standard_normal((6, 128))
data = aa.EmbeddingSet.from_array(rows, modality="text")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, -1))
try:
    aa.save(data, sys.argv[1])
except PlaceError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.safetensors", "a.parquet", "a.tsv", "a"])
def test_a_disk_that_is_full_at_the_very_end_is_noticed(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be written: File too large. Make room there" in done.stdout
    assert list(tmp_path.iterdir()) == []
