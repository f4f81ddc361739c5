"""What a set accepts, refuses in words, and keeps."""

import numpy as np
import pandas as pd
import pytest

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import (
    AnisoAlignError,
    FormatError,
    InvalidRowsError,
    JoinError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.pairs import EmbeddingPair


def make(array, **keywords):
    return EmbeddingSet.from_array(array, modality="text", name="texts.npy", **keywords)


RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((20, 6))


@pytest.mark.parametrize(
    "array",
    [
        ROWS,
        ROWS.astype(">f8"),
        ROWS.astype(">f4"),
        ROWS.astype("<f2"),
        np.asfortranarray(ROWS),
        (ROWS * 50).round().astype(np.int8),
        (ROWS * 50).round().astype(np.int64),
        ROWS[:, ::-1],
        ROWS.tolist(),
    ],
    ids=["f8", "big f8", "big f4", "f2", "fortran", "int8", "int64", "strided", "list"],
)
def test_every_real_array_becomes_unit_float32_rows(array):
    found = make(array)
    assert found.vectors.dtype == np.float32
    assert found.vectors.flags.c_contiguous
    assert not found.vectors.flags.writeable
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=2e-7)
    expected = np.array(array, dtype=np.float64)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)


def test_extreme_norms_survive():
    huge, denormal = ROWS * 1e200, ROWS.astype(np.float64) * 1e-310
    np.testing.assert_allclose(make(huge).vectors, make(ROWS).vectors, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(make(denormal).vectors, axis=1), 1, atol=1e-6)


def test_normalising_is_idempotent_and_measured():
    once = make(ROWS)
    twice = make(once.vectors)
    assert np.array_equal(once.vectors, twice.vectors)
    assert once.digest == twice.digest
    assert not once.provenance.was_normalised
    assert twice.provenance.was_normalised
    assert once.provenance.norm_max == pytest.approx(np.linalg.norm(ROWS, axis=1).max())


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (np.array([["a", "b"]]), FormatError, "text"),
        (np.array([[None, 1.0]], dtype=object), FormatError, "Python objects"),
        (ROWS > 0, FormatError, "booleans"),
        (ROWS + 1j, FormatError, "complex"),
        (ROWS[0], ShapeError, "1 axes"),
        (ROWS[None], ShapeError, "3 axes"),
        (ROWS[:0], ShapeError, "no rows"),
        (ROWS[:, :1], ShapeError, "2 dimensions"),
    ],
)
def test_what_cannot_be_embeddings_is_refused_in_words(array, error, words):
    with pytest.raises(error, match=words) as caught:
        make(array)
    assert "texts.npy" in str(caught.value)
    assert isinstance(caught.value, AnisoAlignError)


def test_zero_and_non_finite_rows_are_named_and_can_be_dropped():
    rows = ROWS.copy()
    rows[3] = 0
    rows[7, 2] = np.nan
    rows[9, 0] = np.inf
    with pytest.raises(InvalidRowsError, match=r"Row 3 of texts.npy is all zeros") as caught:
        make(rows)
    assert caught.value.rows == (3, 7, 9)
    assert "rows 7, 9 of texts.npy are not finite" in str(caught.value)
    kept = make(rows, drop_invalid=True, captions=[f"c{i}" for i in range(20)])
    assert len(kept) == 17
    assert kept.provenance.dropped_rows == (3, 7, 9)
    assert kept.ids[3] == "4"
    assert kept.captions[3] == "c4"
    with pytest.raises(InvalidRowsError, match="nothing is left"):
        make(np.zeros((4, 3)), drop_invalid=True)


def test_metadata_must_match_and_follows_selection():
    labels = pd.DataFrame({"kind": list("abcd") * 5})
    found = make(ROWS, ids=range(100, 120), captions=["x"] * 20, labels=labels)
    part = found.take([5, 1])
    assert part.ids.tolist() == ["105", "101"]
    assert part.labels["kind"].tolist() == ["b", "b"]
    with pytest.raises(ShapeError, match="20 rows but 3 ids"):
        make(ROWS, ids=["a", "b", "c"])
    with pytest.raises(ShapeError, match="20 rows but 1 captions"):
        make(ROWS, captions=["only one"])


def test_digest_sees_vectors_order_and_ids():
    base = make(ROWS, ids=range(20))
    assert base.digest != make(ROWS[::-1], ids=range(20)).digest
    assert base.digest != make(ROWS, ids=range(1, 21)).digest
    changed = ROWS.copy()
    changed[4, 4] += 1e-3
    assert base.digest != make(changed, ids=range(20)).digest


def test_join_pairs_by_id_and_says_what_is_left():
    target = make(ROWS, ids=[f"k{i}" for i in range(20)])
    order = RNG.permutation(20)[:15]
    source = make(ROWS[order], ids=[f"k{i}" for i in order])
    pair = EmbeddingPair.join(source, target)
    assert pair.paired
    assert pair.source.ids.tolist() == pair.target.ids.tolist()
    np.testing.assert_array_equal(pair.source.vectors, pair.target.vectors)
    assert set(pair.unmatched_target) == {f"k{i}" for i in range(20)} - {f"k{i}" for i in order}


def test_a_pair_turned_round_corrects_what_was_the_target(pair):
    y, x = (
        EmbeddingSet.from_array(one, modality=m, ids=ids)
        for one, m, ids in (
            (pair.source.vectors[:6], "text", "aabbcd"),
            (pair.target.vectors[:4], "image", "abce"),
        )
    )
    once = EmbeddingPair.join(y, x)
    turned = once.turned()
    assert (turned.source, turned.target) == (once.target, once.source)
    assert (turned.unmatched_source, turned.unmatched_target) == (("e",), ("d",))
    assert turned.paired and turned.joined_by_id
    np.testing.assert_array_equal(turned.things.source, once.things.target)
    np.testing.assert_array_equal(turned.things.target, once.things.source)
    assert turned.digest != once.digest
    assert turned.turned().digest == once.digest
    apart = EmbeddingPair(y, x).turned()
    assert not apart.paired and apart.things is None and apart.source is x


def test_ids_that_repeat_or_do_not_join_are_refused():
    target = make(ROWS, ids=[f"k{i}" for i in range(20)])
    repeated = make(ROWS, ids=["k1", "k1", *[f"k{i}" for i in range(2, 20)]])
    with pytest.raises(JoinError, match='id "k1" occurs 2 times'):
        EmbeddingPair.join(repeated, target, duplicates="error")
    assert len(EmbeddingPair.join(repeated, target, duplicates="first").source) == 19
    with pytest.raises(JoinError, match="No id occurs in both"):
        EmbeddingPair.join(make(ROWS, ids=range(50, 70)), target)
    with pytest.raises(JoinError, match="no ids"):
        EmbeddingPair.join(make(ROWS), target)
    with pytest.raises(JoinError, match="Neither set has ids"):
        EmbeddingPair.join(make(ROWS), make(ROWS))


def test_pairs_by_row_survive_dropped_rows():
    broken = ROWS.copy()
    broken[4] = 0
    source = make(broken, drop_invalid=True)
    target = make(ROWS)
    pair = EmbeddingPair.match(source, target, "row")
    assert len(pair.source) == len(pair.target) == 19
    np.testing.assert_array_equal(pair.source.vectors, pair.target.vectors)
    other = make(np.r_[ROWS[:7], np.zeros((1, 6)), ROWS[8:]], drop_invalid=True)
    with pytest.raises(JoinError, match="dropped"):
        EmbeddingPair(source, other, paired=True)


def test_rows_that_were_dropped_keep_no_order_to_guess():
    broken = ROWS.copy()
    broken[::2] = 0
    even, odd = make(broken, drop_invalid=True), make(np.roll(broken, 1, 0), drop_invalid=True)
    with pytest.raises(JoinError, match="No row is valid in both sets"):
        EmbeddingPair.match(even, odd, "row")
    with pytest.raises(ShapeError, match=r"has 20 rows and texts\.npy has 19, so row i"):
        EmbeddingPair.match(even, make(ROWS[:19]), "row")
    with pytest.raises(JoinError, match="is a selection of its input; pair the whole sets first"):
        EmbeddingPair.match(even.take([0, 1]), make(ROWS), "row")


def test_rows_of_an_unpaired_pair_are_not_taken_together():
    loose = EmbeddingPair(make(ROWS), make(ROWS))
    with pytest.raises(JoinError, match="do not correspond"):
        loose.take([0, 1])
    assert len(EmbeddingPair(make(ROWS), make(ROWS), paired=True).take([0, 1]).target) == 2


def test_a_selection_may_be_a_mask_and_vectors_have_as_many_rows():
    found = make(ROWS, ids=range(20))
    wanted = np.arange(20) % 7 == 3
    assert found.take(wanted).ids.tolist() == ["3", "10", "17"]
    with pytest.raises(ShapeError, match="19 vectors cannot stand for the 20 rows"):
        found.with_vectors(found.vectors[:19])


def test_thumbnails_are_one_small_picture_per_row():
    pictures = np.zeros((20, 4, 5, 3), dtype=np.uint8)
    assert make(ROWS, thumbnails=pictures).take([3]).thumbnails.shape == (1, 4, 5, 3)
    for wrong in (pictures[..., 0], pictures[..., :2], pictures.astype(np.float32)):
        with pytest.raises(ShapeError, match=r"must be uint8 of shape \(rows, height, width, 3\)"):
            make(ROWS, thumbnails=wrong)
    with pytest.raises(ShapeError, match="20 rows but 19 thumbnails"):
        make(ROWS, thumbnails=pictures[:19])


def test_rows_of_more_than_double_precision_are_read():
    np.testing.assert_array_equal(make(ROWS.astype(np.longdouble)).vectors, make(ROWS).vectors)


def test_dimensions_and_row_counts_must_agree():
    with pytest.raises(ShapeError, match=r"6 dimensions and texts.npy has 5"):
        EmbeddingPair(make(ROWS), make(ROWS[:, :5]))
    with pytest.raises(ShapeError, match=r"20 rows and texts.npy has 19"):
        EmbeddingPair(make(ROWS), make(ROWS[:19]), paired=True)


def test_split_never_fits_a_row_and_its_partner(pair):
    split = pair.split(3, 0.2)
    assert not set(split.fit_source) & set(split.fit_target)
    assert not set(split.holdout_source) & (set(split.fit_source) | set(split.fit_target))
    np.testing.assert_array_equal(split.holdout_source, split.holdout_target)
    assert len(split.holdout_source) == 60
    again = pair.split(3, 0.2)
    np.testing.assert_array_equal(split.fit_source, again.fit_source)
    assert not np.array_equal(split.fit_source, pair.split(4, 0.2).fit_source)
    with pytest.raises(ParameterError, match="holdout is 0"):
        pair.split(0, 0.0)


def test_unpaired_split_holds_out_each_side():
    pair = EmbeddingPair(make(ROWS), make(ROWS[:10]))
    split = pair.split(0, 0.2)
    assert len(split.holdout_source) == 4
    assert len(split.holdout_target) == 2
    assert len(split.fit_pairs) == 0
    with pytest.raises(ShapeError, match="too few"):
        EmbeddingPair(make(ROWS[:3]), make(ROWS[:3]), paired=True).split(0)
