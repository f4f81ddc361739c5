"""Files as people have them are read as they are meant, or refused in words that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import anisoalign_core as aa
from anisoalign_core.engine.sampling import sample_set
from anisoalign_core.files.source import Choice, Source
from anisoalign_core.io.captions import captions_for, read_captions
from anisoalign_core.io.columns import NAMES
from anisoalign_core.io.shards import open_shards
from tests import layouts
from tests.layouts import CAPTIONS, FOUR, LAYOUTS, PAGE, ROWS, SAID, Layout


def in_pieces(path: Path, drop_invalid: bool = False, drop_columns: Any = ()) -> aa.EmbeddingSet:
    """Read as the command line does."""
    choice = Choice(None, tuple(drop_columns))
    return sample_set(open_shards(path, modality="image", choice=choice), drop_invalid=drop_invalid)


def in_one(path: Path, **options: Any) -> aa.EmbeddingSet:
    return aa.load(path, modality="image", **options)


@pytest.mark.parametrize("read", [in_one, in_pieces])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda each: each.words)
def test_a_layout_is_read_as_it_is_meant_or_refused(
    layout: Layout, read: Any, tmp_path: Path
) -> None:
    path = layout.write(tmp_path)
    with layouts.without_faiss():
        if layout.refused:
            with pytest.raises(aa.AnisoAlignError) as refused:
                read(path, **layout.options)
            assert layout.refused in str(refused.value)
            return
        found = read(path, **layout.options)
    rows = ROWS if layout.rows is None else ROWS[layout.rows]
    tolerance = 4e-3 if found.provenance.original_dtype == "bfloat16" else 2e-7
    np.testing.assert_allclose(found.vectors, rows, rtol=0, atol=tolerance)
    ids = [*map(str, range(len(rows)))] if layout.ids is None else layout.ids
    if layout.rows is None or layout.ids is not None:
        assert found.ids.tolist() == ids
    assert found.provenance.ids_are_rows is (layout.ids is None)
    assert (None if found.captions is None else found.captions.tolist()) == layout.captions
    assert (() if found.labels is None else tuple(found.labels.columns)) == layout.labels


def test_bfloat16_is_called_so(tmp_path: Path) -> None:
    brain = [each for each in LAYOUTS if "bfloat16" in each.words]
    assert len(brain) == 2
    for layout in brain:
        path = layout.write(tmp_path)
        for read in (in_one, in_pieces):
            assert read(path).provenance.original_dtype == "bfloat16"


@pytest.mark.parametrize(("words", "name", "text", "refused"), CAPTIONS, ids=lambda each: each[:40])
def test_captions_as_people_keep_them(
    words: str, name: str, text: str, refused: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    source = Source(name, tmp_path / name)
    if refused:
        with pytest.raises(aa.AnisoAlignError, match=refused):
            read_captions(source)
        return
    found = read_captions(source)
    assert captions_for(found, FOUR, "the set") == (SAID, ())
    assert captions_for(found, [name.removesuffix(".png") for name in FOUR], "the set")[0] == SAID


def test_several_captions_of_an_image_are_all_there() -> None:
    text = "".join(
        f"{name}#{k}\t{said} {k}\n" for k in range(3) for name, said in zip(FOUR, SAID, strict=True)
    )
    found = read_captions(Source("a.token", data=text.encode()))
    assert found.names is not None and len(found.names) == 12
    assert captions_for(found, FOUR, "a")[0] == [f"{said} 0" for said in SAID]
    assert captions_for(found, FOUR, "a")[1][0].startswith("8 further captions of a.token")
    twice = [name for name in FOUR for _ in range(2)]
    wanted = [f"{said} {k}" for said in SAID for k in range(2)]
    assert captions_for(found, twice, "a")[0] == wanted


def test_names_match_in_either_normal_form() -> None:
    found = read_captions(Source("a.csv", data="image,caption\ncafe\u0301.jpg,x\n".encode()))
    assert captions_for(found, ["caf\u00e9.jpg"], "a")[0] == ["x"]


def test_captions_of_nobody_are_refused() -> None:
    found = read_captions(Source("a.csv", data=b"image,caption\nz.jpg,x\n"))
    with pytest.raises(aa.AnisoAlignError, match=r'names like "z\.jpg", ids like "000\.png"'):
        captions_for(found, FOUR, "a")


def test_both_sides_in_one_table(tmp_path: Path) -> None:
    other = ROWS[:, ::-1]
    columns = {f"img_{c}": ROWS[:, c] for c in range(16)} | {
        f"txt_{c}": other[:, c] for c in range(16)
    }
    pd.DataFrame(columns).to_csv(tmp_path / "a.csv", index=False)
    pair = aa.load_pair(tmp_path / "a.csv")
    np.testing.assert_allclose(pair.target.vectors, ROWS, atol=2e-7)
    np.testing.assert_allclose(pair.source.vectors, other, atol=2e-7)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".pt"])
def test_a_person_chooses_among_columns(suffix: str, tmp_path: Path) -> None:
    path, codes = tmp_path / f"a{suffix}", [f"c {row}" for row in range(60)]
    if suffix == ".csv":
        pd.DataFrame(ROWS).assign(code=codes, id=range(60)).to_csv(path, index=False)
    elif suffix == ".parquet":
        pq.write_table(pa.table({"id": range(60), "code": codes, "e": ROWS.tolist()}), path)
    elif suffix == ".npz":
        np.savez(path, e=ROWS, code=codes, id=np.arange(60))
    else:
        import torch

        torch.save({"e": torch.tensor(ROWS), "code": codes, "id": list(range(60))}, path)
    assert aa.load(path, modality="image").ids[1] == "1"
    chosen = aa.load(path, modality="image", id_column="code")
    assert chosen.ids[1] == "c 1"
    read = sample_set(open_shards(path, modality="image", choice=Choice("code", ("id",))))
    assert read.ids[1] == "c 1" and read.labels is None
    dropped = aa.load(path, modality="image", drop_columns=["id", "code"])
    assert dropped.provenance.ids_are_rows and dropped.labels is None
    with pytest.raises(aa.AnisoAlignError, match='no column "price"; it has'):
        aa.load(path, modality="image", id_column="price")


IDS = sorted(name for name in NAMES["id"] if name not in ("image", "images", "img"))
CAPTION_NAMES = sorted(NAMES["caption"])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_columns_that_are_no_dimensions_change_no_number(
    data: st.DataObject, tmp_path: Path
) -> None:
    """Permuted columns, added ids, labels and constants, and any synonym change no vector."""
    suffix = data.draw(
        st.sampled_from([".csv", ";.csv", ".csv.gz", ".tsv", ".parquet", "lists.parquet"])
    )
    before = data.draw(st.sampled_from(["", "dim_", "e", "feature ", "x."]))
    lists = suffix == "lists.parquet"
    vectors = data.draw(st.sampled_from(sorted(NAMES["vectors"]))) if lists else ""
    columns: dict[str, Any] = {f"{before}{c}": ROWS[:, c].astype(float) for c in range(16)}
    columns = {vectors: ROWS.tolist()} if lists else columns
    ids = [f"p/{row}.jpg" for row in range(60)]
    added: dict[str, Any] = {}
    identifier = data.draw(st.none() | st.sampled_from(IDS))
    if identifier is not None:
        added[identifier] = ids
    caption = data.draw(st.none() | st.sampled_from(CAPTION_NAMES))
    if caption is not None:
        added[caption] = [f"some words {row}" for row in range(60)]
    if data.draw(st.booleans()):
        added["year"] = [2019] * 60
    if data.draw(st.booleans()):
        added["cluster"] = [row % 3 for row in range(60)]
    if data.draw(st.booleans()):
        added["label"] = ["u", "v"] * 30
    if data.draw(st.booleans()):
        added["price"] = np.linspace(3.0, 90.0, 60)
    columns |= added
    order = data.draw(st.permutations(sorted(columns)))
    frame = {name: columns[name] for name in order}
    path = tmp_path / f"a{suffix.lstrip(';').removeprefix('lists')}"
    if path.suffix == ".parquet":
        pq.write_table(pa.table(frame), path)
    else:
        separator = ";" if suffix[0] == ";" else "\t" if ".tsv" in suffix else ","
        pd.DataFrame(frame).to_csv(path, index=False, sep=separator)
    for read in (in_one, in_pieces):
        found = read(path)
        np.testing.assert_array_equal(
            found.vectors,
            aa.EmbeddingSet.from_array(ROWS.astype(float), modality="image").vectors,
        )
        assert found.provenance.ids_are_rows is (identifier is None)
        assert identifier is None or found.ids.tolist() == ids
        assert (found.captions is not None) is (caption is not None)


def test_the_page_says_what_names_mean_and_what_happens() -> None:
    assert layouts.names() in PAGE.read_text(encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8").endswith(layouts.table()), (
        "docs/DATA_FORMAT.md: python -m tests.layouts writes the table again."
    )
