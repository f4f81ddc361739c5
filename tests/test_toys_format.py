"""A format that a test makes up is found everywhere, with one entry in FORMATS and nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io import FORMATS, Format, load_bytes, open_shards, to_bytes
from anisoalign_core.io.chunks import About, Chunk
from anisoalign_core.io.format import WholeFile
from tests.app.test_pages import give, open_page, pair_of, words


def read_toy(source: Source, limits: Limits) -> WholeFile:
    """One row a line: its id, and its numbers."""
    with source.open() as stream:
        rows = [line.split() for line in stream.read().decode().splitlines()]
    array = np.array([row[1:] for row in rows], dtype=np.float32)
    ids = np.array([row[0] for row in rows], dtype=object)
    return WholeFile(source.name, ("rows",), lambda key: (Chunk(array, About(ids)), {}))


def write_toy(
    stream: BinaryIO,
    chunks: Iterable[Chunk],
    modality: str,
    metadata: Mapping[str, str],
    rows: int | None = None,
) -> int:
    count = 0
    for chunk in chunks:
        ids = range(count, count + len(chunk.array)) if chunk.about.ids is None else chunk.about.ids
        for key, row in zip(ids, chunk.array.tolist(), strict=True):
            stream.write(f"{key} {' '.join(map(repr, row))}\n".encode())
        count += len(chunk.array)
    return count


TOY = Format(
    "toy", (".toy",), "a plaything", read_toy, write_toy, streams=True, every_id=True, several=True
)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(FORMATS, TOY.name, TOY)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def rows() -> NDArray[np.float32]:
    found = np.random.default_rng(0).standard_normal((30, 6))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def texts(rows: NDArray[np.float32]) -> aa.EmbeddingSet:
    return aa.EmbeddingSet.from_array(rows, modality="text", ids=[f"t{n}" for n in range(30)])


def test_files_are_saved_and_loaded(rows: NDArray[np.float32]) -> None:
    aa.save(texts(rows), "a.toy")
    found = aa.load("a.toy", modality="text")
    np.testing.assert_array_equal(found.vectors, rows)
    assert found.ids[3] == "t3"
    again = load_bytes(to_bytes(texts(rows), ".toy"), "b.toy", modality="text")
    np.testing.assert_array_equal(again.vectors, rows)


def test_folders_are_read_piece_by_piece(rows: NDArray[np.float32]) -> None:
    Path("set").mkdir()
    for number, part in enumerate((rows[:20], rows[20:])):
        with Path(f"set/part_{number}.toy").open("wb") as stream:
            write_toy(stream, [Chunk(part)], "text", {})
    found = open_shards("set", modality="text")
    assert (found.rows, found.dim) == (30, 6)
    chunks = [chunk for shard in found.shards for chunk in shard.chunks(7, about=True)]
    np.testing.assert_array_equal(np.concatenate([chunk.array for chunk in chunks]), rows)
    assert all(chunk.about.ids is not None for chunk in chunks)


def test_the_command_line_offers_reads_and_writes_it(
    rows: NDArray[np.float32], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    assert "toy" in capsys.readouterr().out
    np.save("image.npy", rows[::-1])
    np.save("text.npy", rows)
    assert main(["convert", "--source", "text.npy", "--out", "text.toy", "--quiet"]) == 0
    assert main(["convert", "--source", "text.toy", "--out", "folder", "--format", "toy"]) == 0
    fit = ["fit", "--target", "image.npy", "--source", "text.toy", "--method", "mean-shift"]
    assert main([*fit, "--out", "m.npz", "--quiet"]) == 0
    for out in ("out.toy", "out.npy"):
        apply = ["apply", "--model", "m.npz", "--source", "text.toy", "--out", out, "--quiet"]
        assert main(apply) == 0
    streamed = aa.load("out.toy", modality="text")
    expected = aa.load_aligner("m.npz").transform(aa.load("text.toy", modality="text"))
    np.testing.assert_array_equal(streamed.vectors, expected)
    np.testing.assert_array_equal(np.load("out.npy"), expected)
    assert Path("out.recipe.json").exists()
    (written,) = Path("folder").rglob("*.toy")
    np.testing.assert_array_equal(aa.load(written, modality="text").vectors, rows)


def test_the_pages_offer_it(rows: NDArray[np.float32]) -> None:
    at = open_page("export", pair_of())
    box = at.selectbox(key="export_format")
    assert any("a plaything" in option for option in box.options)
    box.set_value(".toy").run()
    assert not at.exception
    assert ".toy" in words(at) + "".join(b.label for b in at.get("download_button"))
    aa.save(texts(rows), "text.toy")
    data = give(open_page("data"), {"text.toy": Path("text.toy").read_bytes()})
    assert not data.exception and not data.error
    assert "text.toy (30 × " in words(data).replace("\\", "")


def test_the_server_s_folder_lists_it(tmp_path: Path, rows: NDArray[np.float32]) -> None:
    from app.loading import listing

    aa.save(texts(rows), "a.toy")
    assert listing(tmp_path) == ["a.toy"]
    stream = io.BytesIO(Path("a.toy").read_bytes())
    assert len(stream.getvalue().splitlines()) == 30
