"""What the ends of a direction have in common, and how often chance would say so."""

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import ShapeError
from anisoalign_core.geometry.directions import given
from anisoalign_core.geometry.reading import Contents, holm, read_direction

N = 1200


def rows_of(seed=0, n=N, **about):
    rows = np.random.default_rng(seed).standard_normal((n, 6))
    return aa.EmbeddingSet.from_array(rows, modality="text", **about)


def labelled(seed=0):
    rng = np.random.default_rng(seed)
    shape = rng.choice(["ring", "star", "cross"], N)
    word = np.where(rng.random(N) < 0.3, "dusk", "noon")
    captions = [
        f"A {s} at {w}, picture {i}" for i, (s, w) in enumerate(zip(shape, word, strict=True))
    ]
    table = pd.DataFrame({"shape": shape, "name": [f"n{i}" for i in range(N)], "all": "same"})
    return rows_of(seed, labels=table, captions=captions), shape, word


def test_contents_are_labels_and_words_of_enough_rows():
    side, shape, word = labelled()
    contents = Contents.of(side)
    columns = dict(zip(contents.names, contents.present.T.toarray(), strict=True))
    assert {("shape", s) for s in ("ring", "star", "cross")} <= set(columns)
    assert not any(label in ("name", "all") for label, _ in columns)
    np.testing.assert_array_equal(columns["shape", "ring"], shape == "ring")
    np.testing.assert_array_equal(columns["word", "dusk"], word == "dusk")
    assert ("word", "picture") not in columns  # in every caption
    assert not any(any(c.isdigit() for c in value) for label, value in columns if label == "word")


def test_what_an_end_is_made_of_is_found_there_and_only_there():
    side, shape, _ = labelled()
    noise = np.random.default_rng(1).standard_normal(N)
    read = read_direction(Contents.of(side), np.where(shape == "ring", 3.0, 0.0) + noise)
    high = {(one.label, one.value): one for one in read.at("high")}
    assert set(high) == {("shape", "ring"), ("word", "ring")}
    found = high["shape", "ring"]
    assert read.rows == N // 20
    assert found.share == pytest.approx(found.count / read.rows) and found.share > 0.9
    assert found.overall == pytest.approx((shape == "ring").mean())
    assert {one.value for one in read.at("low")} <= {"star", "cross"}
    other = read_direction(Contents.of(side), -np.where(shape == "ring", 3.0, 0.0) - noise)
    assert [(one.value, one.p) for one in other.at("low")] == [
        (one.value, one.p) for one in read.at("high")
    ]


def test_chance_alone_finds_something_no_more_often_than_it_says():
    """The share of readings of noise that find anything stays below the level."""
    side, _, _ = labelled()
    contents = Contents.of(side)
    rng = np.random.default_rng(5)
    false = sum(bool(read_direction(contents, rng.standard_normal(N)).findings) for _ in range(300))
    assert false / 300 <= 0.08  # 5 % and three standard errors
    loose = sum(
        bool(read_direction(contents, rng.standard_normal(N), level=0.9).findings)
        for _ in range(50)
    )
    assert loose > 10  # the test can find something


def test_probabilities_are_those_of_drawing_without_replacement():
    from math import comb

    side, shape, _ = labelled()
    order = np.argsort(np.random.default_rng(2).random(N), kind="stable")
    values = np.empty(N)
    values[order] = np.arange(N)
    contents = Contents.of(side)
    read = read_direction(contents, values, level=1.0)
    one = next(f for f in read.findings if (f.label, f.value, f.end) == ("shape", "star", "low"))
    total, m = int((shape == "star").sum()), read.rows
    drawn = sum(
        comb(total, k) * comb(N - total, m - k) for k in range(one.count, min(total, m) + 1)
    ) / comb(N, m)
    assert one.p >= drawn - 1e-12
    assert one.p <= min(1.0, drawn * 2 * read.tested) + 1e-9


def test_holm():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_too_few_rows_and_wrong_numbers_are_refused():
    contents = Contents.of(rows_of(n=30, captions=["a word"] * 30))
    with pytest.raises(ShapeError, match="30 rows are too few"):
        read_direction(contents, np.zeros(30))
    with pytest.raises(ShapeError, match="5 projections"):
        read_direction(Contents.of(labelled()[0]), np.zeros(5))


def test_captions_without_words_leave_labels():
    table = pd.DataFrame({"half": ["a", "b"] * 50})
    contents = Contents.of(rows_of(n=100, labels=table, captions=["12 34"] * 100))
    assert contents.names == [("half", "a"), ("half", "b")]


def test_any_vector_makes_a_direction():
    made = given(np.array([0.0, 3.0, 4.0]), "a → b", "distance")
    np.testing.assert_allclose(made.vector, [0, 0.6, 0.8])
    assert (made.strength, made.label, made.kind) == (5.0, "a → b", "given")
    assert made.digest == given(np.array([0.0, 6.0, 8.0]), "c", "").digest
    assert made.digest != given(np.array([0.0, -3.0, 4.0]), "c", "").digest
    for nothing in (np.zeros(3), np.array([np.nan, 1, 1])):
        with pytest.raises(ShapeError, match="is no direction"):
            given(nothing, "a → a", "")
