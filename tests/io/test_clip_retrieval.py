from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.io import Limits, array_keys, has_pair, load, load_pair, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eleven shards of 2 rows, so that sorting by text would put 10 before 2."""
    rng = np.random.default_rng(1)
    for part in ("img_emb", "text_emb", "metadata"):
        (tmp_path / "out" / part).mkdir(parents=True)
    for shard in range(11):
        for part in ("img_emb", "text_emb"):
            rows = rng.normal(size=(2, 4)).astype(np.float16)
            np.save(tmp_path / "out" / part / f"{part}_{shard}.npy", rows)
        names = [f"{shard}-{row}.png" for row in range(2)]
        pd.DataFrame({"image_path": names, "caption": [f"of {name}" for name in names]}).to_parquet(
            tmp_path / "out" / "metadata" / f"metadata_{shard}.parquet"
        )
    (tmp_path / "out" / "img_emb" / "notes.txt").write_text("not a shard")
    return tmp_path / "out"


def test_shards_are_read_in_numeric_order(folder: Path) -> None:
    loaded = load(folder, modality="image")
    assert loaded.ids.tolist() == [f"{shard}-{row}.png" for shard in range(11) for row in range(2)]
    last = np.load(folder / "img_emb" / "img_emb_10.npy").astype(np.float64)
    last /= np.linalg.norm(last, axis=1, keepdims=True)
    np.testing.assert_allclose(loaded.vectors[-2:], last, atol=1e-6)
    assert loaded.provenance.original_dtype == "float16"


def test_pair(folder: Path) -> None:
    assert array_keys(folder) == ("image", "text")
    assert has_pair(folder)
    pair = load_pair(folder)
    assert pair.paired
    assert pair.source.captions is not None and pair.source.captions[5] == "of 2-1.png"


def test_one_side_without_metadata(folder: Path) -> None:
    for part in ("img_emb", "metadata"):
        for path in (folder / part).iterdir():
            path.unlink()
    assert not has_pair(folder)
    assert load(folder, modality="source").provenance.ids_are_rows
    with pytest.raises(FormatError, match='holds only "text"'):
        load(folder, modality="image")


def test_missing_shard_is_named(folder: Path) -> None:
    (folder / "text_emb" / "text_emb_3.npy").unlink()
    with pytest.raises(FormatError, match=r"text_emb has no text_emb_3\.npy"):
        load(folder, modality="image")


def test_rows_must_correspond_within_each_shard(folder: Path) -> None:
    np.save(folder / "text_emb" / "text_emb_4.npy", np.ones((3, 4), dtype=np.float16))
    with pytest.raises(FormatError, match="Shard 4 of out has 2 image rows and 3 text rows"):
        load_pair(folder)


def test_metadata_must_have_as_many_rows(folder: Path) -> None:
    pd.DataFrame({"image_path": ["a"], "caption": ["b"]}).to_parquet(
        folder / "metadata" / "metadata_6.parquet"
    )
    with pytest.raises(FormatError, match=r"metadata_6\.parquet has 1 rows, its embeddings 2"):
        load(folder, modality="image")


def test_columns_must_agree(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_7.npy", np.ones((2, 5), dtype=np.float16))
    with pytest.raises(FormatError, match="Shard 7 of out/img_emb has shape"):
        load(folder, modality="image")


def test_two_shards_of_one_number(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_01.npy", np.ones((2, 4), dtype=np.float16))
    with pytest.raises(FormatError, match="two shards of one number"):
        load(folder, modality="image")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"without img_emb/img_emb_0\.npy"):
        load(tmp_path, modality="image")


def test_all_shards_count_towards_the_limit(folder: Path) -> None:
    with pytest.raises(LimitError, match="22 rows"):
        load(folder, modality="image", limits=Limits(max_rows=21))


def test_both_sides_can_be_written_one_after_the_other(
    tmp_path: Path, full_set: EmbeddingSet
) -> None:
    images = EmbeddingSet.from_array(
        full_set.vectors[::-1], modality="image", ids=[f"{row}.png" for row in range(12)]
    )
    save(full_set, tmp_path / "out")
    save(images, tmp_path / "out")
    pair = load_pair(tmp_path / "out")
    np.testing.assert_allclose(pair.source.vectors, full_set.vectors, atol=1e-3)
    np.testing.assert_allclose(pair.target.vectors, images.vectors, atol=1e-3)
    assert pair.target.ids.tolist() == images.ids.tolist()
    assert pair.source.captions is not None and full_set.captions is not None
    assert pair.source.captions.tolist() == full_set.captions.tolist()
    assert pair.source.labels is not None
    assert pair.source.labels["shape"].tolist() == ["ring", "star", "disc"] * 4


def test_the_second_side_needs_as_many_rows(tmp_path: Path, full_set: EmbeddingSet) -> None:
    save(full_set, tmp_path / "out")
    images = EmbeddingSet.from_array(np.eye(3), modality="image")
    with pytest.raises(FormatError, match="holds 12 rows and this set 3"):
        save(images, tmp_path / "out")


def test_several_shards_are_not_overwritten(folder: Path, full_set: EmbeddingSet) -> None:
    with pytest.raises(FormatError, match="already holds several shards"):
        save(full_set, folder)


def test_other_modalities_are_refused(tmp_path: Path) -> None:
    audio = EmbeddingSet.from_array(np.eye(3), modality="audio")
    with pytest.raises(FormatError, match='not "audio"'):
        save(audio, tmp_path / "out")


def test_failure_leaves_no_folder(
    tmp_path: Path, full_set: EmbeddingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("anisoalign_core.io.parquet.write_tables", fail)
    with pytest.raises(OSError, match="no space"):
        save(full_set, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == []


@pytest.mark.real_data
def test_folder_written_by_the_tool_itself() -> None:
    root = os.environ.get("ANISOALIGN_REAL_DATA")
    if not root:
        pytest.skip("ANISOALIGN_REAL_DATA does not say where the reference embeddings are")
    pair = load_pair(Path(root) / "clip-retrieval-fashion9")
    assert (len(pair.source), pair.dim, pair.paired) == (9, 512, True)
    assert pair.source.captions is not None
    assert pair.source.captions[1] == "a black crop top with a round neckline"
    assert pair.target.ids[2] == "/content/catalog/img3.jpg"
