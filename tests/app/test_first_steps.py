"""What a newcomer stumbles over between the pages: verdicts, first mistakes, what numbers say."""

from __future__ import annotations

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.residual import repaired_cosine
from tests.app.live import live_facts
from tests.app.test_pages import open_page, pair_of


def strangers(n=160, d=12):
    """Images and texts that have nothing to do with each other."""
    y, x = (np.random.default_rng(seed).standard_normal((n, d)) for seed in (1, 2))
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y + 0.5, modality="text"),
        aa.EmbeddingSet.from_array(x - 0.5, modality="image"),
        paired=True,
    )


@pytest.mark.parametrize("name", ["correct", "compare", "export"])
def test_the_verdict_that_nothing_is_to_align_travels(name):
    at = open_page(name, strangers())
    assert not at.exception
    assert "There is nothing to align" in at.warning[0].value
    assert not open_page(name, pair_of(n=240)).warning


def test_partners_cosine_stands_beside_that_of_shuffled_pairs_along_the_whole_dial():
    pair = strangers()
    facts = live_facts(open_page("correct", pair))
    (card,) = [one for one in facts["cards"] if one["name"] == "matched_cosine"]
    called, series = card["floor"]
    assert called == "shuffled"
    split = pair.split(0, 0.2)
    for place in (0, -1):
        method = aa.BoundedTransport(bound=facts["grid"][place])
        method.fit_pair(pair, split)
        held = pair.take(split.holdout_pairs)
        z, x = method.transform(held.source), held.target.vectors
        cosines = z @ x.T
        apart = cosines[~np.eye(len(z), dtype=bool)].mean()
        assert facts["scores"][series][place] == pytest.approx(apart, abs=1e-5)
        assert repaired_cosine(Comparison.between(x, z, paired=True)) == pytest.approx(
            apart, abs=1e-5
        )
