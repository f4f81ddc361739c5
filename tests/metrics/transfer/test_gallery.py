"""Retrieval over a gallery of texts and images."""

import numpy as np
import pytest

from anisoalign_core.compare.use.gallery import (
    chance_ndcg,
    mean_over_shares,
    mixed_gallery_ndcg,
)
from anisoalign_core.errors import ParameterError, ShapeError


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((300, 16))
    text = unit(meaning + 0.6 * rng.standard_normal((300, 16)))
    image = unit(meaning + 0.6 * rng.standard_normal((300, 16)))
    return text, image


def by_hand(text, image, share, at=10):
    n = len(text)
    shown = np.random.default_rng(0).permutation(n) < round(share * n)
    total = 0.0
    for query in range(n):
        gallery = np.where(shown[:, None], image, text)
        gallery[query] = image[query]
        order = np.argsort(-(gallery @ text[query]))
        rank = 1 + int(np.flatnonzero(order == query)[0])
        total += 1 / np.log2(1 + rank) if rank <= at else 0.0
    return total / n


def test_it_is_the_textbook_sum_over_ranks(pair):
    shares = (0.0, 0.3, 1.0)
    wanted = [by_hand(*pair, share) for share in shares]
    assert mixed_gallery_ndcg(*pair, shares) == pytest.approx(wanted, abs=1e-6)


def test_a_gap_hides_images_until_no_text_is_left(pair):
    text, image = pair
    cones = np.zeros((2, 16))
    cones[0, 0], cones[1, 1] = 5.0, 5.0
    apart = mixed_gallery_ndcg(unit(3 * text + cones[0]), unit(3 * image + cones[1]))
    together = mixed_gallery_ndcg(text, image)
    assert apart[:5].max() < 0.02 < 0.15 < apart[-1]
    assert together.min() > 0.4


def test_perfect_rankings_and_ties():
    rng = np.random.default_rng(1)
    rows = unit(rng.standard_normal((400, 8)))
    assert mixed_gallery_ndcg(rows, rows) == pytest.approx(1.0)
    same = np.tile(rows[:1], (400, 1))
    assert mixed_gallery_ndcg(same, same) == pytest.approx(chance_ndcg(400)[-1], rel=1e-6)


def test_telling_modalities_apart_gives_exactly_the_chance_curve_and_all_of_it_at_0():
    rng = np.random.default_rng(2)
    centre = np.sqrt(200) * np.eye(200)[0]  # texts lie as far from it as noise is long
    text = unit(rng.standard_normal((600, 200)) + centre)
    image = unit(0.05 * rng.standard_normal((600, 200)) + centre)
    text_cosines = (text @ text.T)[~np.eye(600, dtype=bool)]
    assert np.median(text @ image.T) > np.quantile(text_cosines, 0.99)  # images come first
    found = mixed_gallery_ndcg(text, image)
    known = chance_ndcg(600)
    assert known[0] == 1.0 and found[0] > 0.9
    assert found[1:] == pytest.approx(known[1:], abs=0.03)
    assert mean_over_shares(known) == pytest.approx(known[1:].mean())


def test_what_is_refused(pair):
    text, image = pair
    with pytest.raises(ShapeError, match="not pairs"):
        mixed_gallery_ndcg(text, image[1:])
    with pytest.raises(ParameterError, match="between 0 and 1"):
        mixed_gallery_ndcg(text, image, (0.5, 1.5))
