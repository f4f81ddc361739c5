from __future__ import annotations

import numpy as np
import pytest

from anisoalign_core.errors import FormatError, InvalidRowsError, LimitError, ShapeError
from anisoalign_core.io import Limits, load_bytes

EXPECTED = [[0.6, 0.8, 0, 0], [0, 0, 1, 0]]
PLAIN = "0.6,0.8,0,0\n0,0,1,0\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        PLAIN.rstrip() + "\n\n\n",
        "a,b,c,d\n" + PLAIN,
        "0,1,2,3\n" + PLAIN,
        "1,2,3,4\n" + PLAIN,
        '"0.6","0.8",0,0\n0,0,1,0',
        PLAIN.replace(",", ";").replace(".", ","),
        PLAIN.replace(",", "|"),
    ],
    ids=[
        "plain",
        "crlf",
        "bom",
        "blank",
        "names",
        "counted",
        "from one",
        "quoted",
        "decimal comma",
        "bars",
    ],
)
def test_ways_to_write_numbers(text: str) -> None:
    loaded = load_bytes(text.encode(), "a.csv", modality="image")
    np.testing.assert_allclose(loaded.vectors, EXPECTED, atol=1e-7)
    assert loaded.provenance.ids_are_rows


@pytest.mark.parametrize(
    "text",
    [
        "id,a,b,c,d\nx,0.6,0.8,0,0\ny,0,0,1,0\n",
        ",0,1,2,3\nx,0.6,0.8,0,0\ny,0,0,1,0\n",
        "x,0.6,0.8,0,0\ny,0,0,1,0\n",
        "a,b,c,d,ID\n0.6,0.8,0,0,x\n0,0,1,0,y\n",
    ],
    ids=["named", "frame index", "no header", "last"],
)
def test_ways_to_write_ids(text: str) -> None:
    loaded = load_bytes(text.encode(), "a.csv", modality="image")
    assert loaded.ids.tolist() == ["x", "y"]
    np.testing.assert_allclose(loaded.vectors, EXPECTED, atol=1e-7)


def test_captions_and_labels_are_not_coordinates() -> None:
    text = 'id,caption,label,a,b\n1,"red, round",0,3,4\n2,blue,1,0,1\n'
    loaded = load_bytes(text.encode(), "a.csv", modality="text")
    assert loaded.captions is not None and loaded.captions.tolist() == ["red, round", "blue"]
    assert loaded.labels is not None and loaded.labels["label"].tolist() == ["0", "1"]
    assert loaded.dim == 2


def test_tabs() -> None:
    loaded = load_bytes(PLAIN.replace(",", "\t").encode(), "a.tsv", modality="image")
    np.testing.assert_allclose(loaded.vectors, EXPECTED, atol=1e-7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3\n4,5\n", "Line 2 of a.csv has 2 cells, the first line has 3"),
        ("a,b\n1,2\n\n1,2,3\n", "Line 4 of a.csv has 3 cells"),
        ("a,b\n1,2\n1,x\n", 'Line 3, column 2 of a.csv holds "x", not a number'),
        ("1,2\n1,\n", "Line 2, column 2 of a.csv is empty"),
        ("1,2\n1_0,2\n", 'Line 2, column 1 of a.csv holds "1_0"'),
        ('1,2\n"1,2\n', "cannot be read as delimited text"),
        ("", "empty"),
        ("\n \n", "empty"),
    ],
)
def test_what_is_refused_says_where(text: str, words: str) -> None:
    with pytest.raises((FormatError, InvalidRowsError), match=words):
        load_bytes(text.encode(), "a.csv", modality="image")


def test_bytes_that_are_not_utf8_name_the_line() -> None:
    with pytest.raises(FormatError, match=r"Line 2 of a\.csv is not UTF-8"):
        load_bytes(b"1,2\n\xff,2\n", "a.csv", modality="image")


def test_header_alone_has_no_rows() -> None:
    with pytest.raises(ShapeError, match="no rows"):
        load_bytes(b"id,a,b\n", "a.csv", modality="image")


def test_limits() -> None:
    for limits in (Limits(max_text_bytes=10), Limits(max_rows=1), Limits(max_dim=3)):
        with pytest.raises(LimitError):
            load_bytes(PLAIN.encode(), "a.csv", modality="image", limits=limits)
