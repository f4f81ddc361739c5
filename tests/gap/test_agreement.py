"""How far the gap of two encoders runs along the same things."""

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import NeedsPairsError, ShapeError
from anisoalign_core.gap.agreement import agreements
from anisoalign_core.gap.encoders import compare
from tests.conftest import paired_world
from tests.gap.encoder_worlds import grouped, ids_of, pair_of, shuffled


def test_directions_of_one_space_rotated_agree_and_of_shuffled_things_do_not():
    pairs = {
        "one": pair_of(200),
        "rotated": pair_of(200, rotate=3, order=shuffled(200)),
        "mixed": aa.EmbeddingPair(
            *(
                aa.EmbeddingSet.from_array(
                    side.vectors, modality=m, ids=np.array(ids_of(200))[order]
                )
                for order in [shuffled(200, 5)]
                for side, m in ((pair_of(200).source, "text"), (pair_of(200).target, "image"))
            ),
            paired=True,
        ),
    }
    found = compare({name: aa.diagnose(p) for name, p in pairs.items()}, pairs=pairs)
    by = {(one.first, one.second): one for one in found.agreements}
    same = by["one", "rotated"]
    assert same.value == pytest.approx(1.0, abs=1e-5)
    assert (same.rows, same.rank, same.null) == (200, 5, 5 / 199)
    for other in ("one", "rotated"):
        assert by[other, "mixed"].value < 5 * by[other, "mixed"].null
    assert any("scores of the same things" in sentence for sentence in found.sentences)


def test_shuffled_things_agree_as_the_null_says():
    pair = pair_of(60)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(60):
        ids = np.array(ids_of(60))[rng.permutation(60)]
        sides = (
            aa.EmbeddingSet.from_array(side.vectors, modality=side.modality, ids=ids)
            for side in (pair.source, pair.target)
        )
        other = aa.EmbeddingPair(*sides, paired=True)
        (one,) = agreements({"a": pair, "b": other})
        values.append(one.value)
    assert np.mean(values) == pytest.approx(one.null, rel=0.15)


def test_captions_link_things_whose_ids_are_row_numbers():
    pairs = {
        "one": pair_of(ids=False, captions=True),
        "two": pair_of(ids=False, captions=True, order=shuffled(120), rotate=2),
    }
    (one,) = agreements(pairs)
    assert one.value == pytest.approx(1.0, abs=1e-5) and one.rows == 120


def test_more_dimensions_than_things_and_groups_agree_with_themselves():
    for pair in (pair_of(40, 64), grouped(60)):
        (one,) = agreements({"a": pair, "b": pair})
        assert one.value == pytest.approx(1.0, abs=1e-6)


def test_agreement_needs_pairs_and_things_in_common():
    with pytest.raises(NeedsPairsError):
        agreements({"a": pair_of(paired=False), "b": pair_of()})
    other = aa.EmbeddingPair(
        *(
            aa.EmbeddingSet.from_array(side.vectors, modality=side.modality, ids=ids_of(120, "x"))
            for side in (pair_of().source, pair_of().target)
        ),
        paired=True,
    )
    with pytest.raises(ShapeError, match="a and b have 0 things in common"):
        agreements({"a": pair_of(), "b": other})


def test_partners_that_are_equal_have_no_directions():
    y, _ = paired_world(60, 8)
    pair = aa.EmbeddingPair(
        *(aa.EmbeddingSet.from_array(y, modality=m, ids=ids_of(60)) for m in ("text", "image")),
        paired=True,
    )
    assert agreements({"a": pair, "b": pair}) == ()
    found = compare({"a": aa.diagnose(pair), "b": aa.diagnose(pair)})
    json.loads(found.to_json())
    assert found.parts()["a"] == (0.0, pytest.approx(0.0, abs=1e-12))
    found.plot("parts")


def test_all_rows_of_one_thing_are_no_pair_to_diagnose():
    pair = pair_of(4)
    sides = (
        aa.EmbeddingSet.from_array(side.vectors, modality=side.modality, ids=["a"] * 4)
        for side in (pair.source, pair.target)
    )
    with pytest.raises(ShapeError, match="at least two things"):
        aa.diagnose(aa.EmbeddingPair.match(*sides, "id"))
