"""Flat FAISS indexes are read through faiss, where it is installed; others are refused by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.engine.sampling import sample_set
from anisoalign_core.io.shards import open_shards

faiss: Any = pytest.importorskip("faiss")
ROWS = np.random.default_rng(0).normal(size=(60, 16)).astype(np.float32)


def flat(kind: Any = None) -> Any:
    index = (kind or faiss.IndexFlatIP)(16)
    index.add(ROWS)
    return index


def written(index: Any, folder: Path, name: str = "a.faiss") -> Path:
    faiss.write_index(index, str(folder / name))
    return folder / name


@pytest.mark.parametrize("name", ["a.faiss", "a.index"])
@pytest.mark.parametrize("kind", ["IndexFlatIP", "IndexFlatL2"])
def test_a_flat_index(name: str, kind: str, tmp_path: Path, capsys: Any) -> None:
    path = written(flat(getattr(faiss, kind)), tmp_path, name)
    expected = aa.EmbeddingSet.from_array(ROWS, modality="image")
    for found in (
        aa.load(path, modality="image"),
        sample_set(open_shards(path, modality="image")),
    ):
        np.testing.assert_array_equal(found.vectors, expected.vectors)
        assert found.provenance.ids_are_rows
    assert main(["info", str(path)]) == 0
    assert "60" in capsys.readouterr().out


def test_an_index_with_ids(tmp_path: Path) -> None:
    index, ids = faiss.IndexIDMap(faiss.IndexFlatIP(16)), np.arange(900, 960)
    index.add_with_ids(ROWS, ids)
    found = aa.load(written(index, tmp_path), modality="image")
    assert found.ids.tolist() == [*map(str, ids)]
    np.testing.assert_array_equal(
        found.vectors, aa.EmbeddingSet.from_array(ROWS, modality="image").vectors
    )


@pytest.mark.parametrize("kind", ["IndexLSH", "IndexHNSWFlat"])
def test_another_kind_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    index = faiss.IndexLSH(16, 8) if kind == "IndexLSH" else faiss.IndexHNSWFlat(16, 4)
    index.add(ROWS)
    with pytest.raises(aa.AnisoAlignError, match=f"of the kind {kind}, which does not keep"):
        aa.load(written(index, tmp_path), modality="image")


@pytest.mark.parametrize("length", [0, 3, 20, 400])
def test_a_damaged_index_is_refused(length: int, tmp_path: Path) -> None:
    path = written(flat(), tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(aa.AnisoAlignError, match=r"a\.faiss"):
        aa.load(path, modality="image")


def test_the_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANISOALIGN_MAX_ROWS", "59")
    with pytest.raises(aa.AnisoAlignError, match="59"):
        aa.load(written(flat(), tmp_path), modality="image")
