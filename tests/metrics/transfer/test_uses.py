"""Measures of use against their formulas, by hand and by well-kept packages."""

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.compare.splits import Run
from anisoalign_core.compare.use import USES, described, prompt_rows
from anisoalign_core.compare.use.at_work import AtWork, Learnt
from anisoalign_core.compare.use.clusters import told_modality
from anisoalign_core.compare.use.gallery import chance_fused, fused_gallery_ndcg
from anisoalign_core.compare.use.labels import Classes, classes_of
from anisoalign_core.compare.use.robustness import HARMS, int8
from anisoalign_core.compare.use.search import first_is_match, scored
from anisoalign_core.compare.use.uses import measured
from anisoalign_core.compare.use.zero_shot import named_rows
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.retrieval import recall
from anisoalign_core.things import Things
from tests.conftest import paired_world


def work_on(y, x, things=None, **learnt):
    rows = np.arange(len(y)), np.arange(len(x))
    known = Learnt(y[:40], np.arange(40), x[40:80], **learnt)
    return AtWork(known, y, x, *rows, Things.rows(len(y)) if things is None else things)


def test_plain_search_is_recall_of_both_ways(world):
    found = recall(*world, at=(1,))
    both = np.mean([found["source_to_target"][1], found["target_to_source"][1]])
    assert USES["search_recall"].function(work_on(*world)) == pytest.approx(both)
    assert USES["search_recall"].floor(work_on(*world)) == pytest.approx(1 / 300)


@pytest.mark.parametrize(
    "formula",
    [
        ("csls", lambda s, near, bank, k: 2 * s - near(bank, k)[None]),
        ("nnn", lambda s, near, bank, k: s - 0.75 * near(bank, k)[None]),
    ],
    ids=["csls", "nnn"],
)
def test_search_by_mended_scores_is_the_published_formula(world, formula):
    y, x = world
    name, scores = formula
    scorer = aa.SCORERS[name]()
    k = scorer.k
    if name == "nnn":
        assert scorer.alpha == 0.75

    def one_way(queries, gallery, bank):
        def near(bank, k):
            return np.sort(gallery @ bank.T, axis=1)[:, -k:].mean(axis=1)

        made = scores((queries @ gallery.T).astype(float), near, bank, k)
        return np.mean(made.argmax(axis=1) == np.arange(len(queries)))

    wanted = (one_way(y, x, y[:40]) + one_way(x, y, x[40:80])) / 2
    assert scored(work_on(y, x), name) == pytest.approx(wanted, abs=1e-9)


def test_equal_scores_count_as_in_random_order():
    scores = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]])
    assert first_is_match(scores, np.array([0, 1]), np.array([0, 1, 0])) == 0.75
    with pytest.raises(ShapeError, match="do not fit"):
        first_is_match(scores, np.array([0]), np.array([0, 1, 0]))


def test_a_fused_gallery_by_hand(world):
    y, x = (rows[:90] for rows in world)
    kind = np.random.default_rng(0).permutation(90) * 3 // 90
    total = 0.0
    for query in range(90):
        both = y + x
        shown = np.select(
            [(kind == 0)[:, None], (kind == 1)[:, None]],
            [x, y],
            both / np.linalg.norm(both, axis=1, keepdims=True),
        )
        shown[query] = x[query]
        order = np.argsort(-(shown @ y[query]))
        rank = 1 + int(np.flatnonzero(order == query)[0])
        total += 1 / np.log2(1 + rank) if rank <= 10 else 0.0
    assert fused_gallery_ndcg(y, x) == pytest.approx(total / 90, abs=1e-6)
    assert chance_fused(90) == pytest.approx((1 / np.log2(np.arange(2, 12))).sum() / 30)
    with pytest.raises(ShapeError, match="not pairs"):
        fused_gallery_ndcg(y, x[1:])
    with pytest.raises(ShapeError, match="cancel"):
        fused_gallery_ndcg(y, -y)


def test_eight_bits_are_those_of_a_scalar_quantiser(world):
    y, x = world
    low, high = x.min(axis=0), x.max(axis=0)
    codes = np.floor((x - low) / (high - low) * 255 + 0.5)
    stored = int8(y, x)[1]
    np.testing.assert_allclose(stored, codes / 255 * (high - low) + low, atol=1e-6)
    assert np.abs(stored - x).max() <= (high - low).max() / 255 / 2 + 1e-6


def test_harm_costs_recall_and_control_rows_stay_at_chance():
    meaning = np.random.default_rng(1).standard_normal((300, 24))
    y, x = (meaning + 0.5 * np.random.default_rng(n).standard_normal((300, 24)) for n in (2, 3))
    y, x = ((one / np.linalg.norm(one, axis=1, keepdims=True)).astype(np.float32) for one in (y, x))
    unharmed = USES["search_recall"].function(work_on(y, x))
    shuffled = x[np.random.default_rng(0).permutation(300)]
    for harm in HARMS:
        use = USES[f"robust_recall_{harm}"]
        assert 0.1 < use.function(work_on(y, x)) < unharmed + 0.01
        assert use.function(work_on(shuffled, x)) < 0.02


def test_clusters_by_hand():
    """Two classes far apart are found; modalities far apart are told, mixed ones are not."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["ant", "bee"], 30)
    centre = np.where(labels[:, None] == "ant", np.eye(8)[0], np.eye(8)[1])
    unit = lambda rows: (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)  # noqa: E731
    y, x = (unit(centre + 0.05 * rng.standard_normal((60, 8))) for _ in range(2))
    table = pd.DataFrame({"insect": labels}, dtype=object)
    found, floors = measured(work_on(y, x, classes=Classes(table, table, "")))
    assert found["cluster_v_measure"] == found["cluster_adjusted_rand"] == 1.0
    assert floors["cluster_v_measure"] < 0.6
    assert found["cluster_modality"] < 0.1
    apart = unit(y + 4 * np.eye(8)[7])
    far, _ = measured(work_on(apart, x, classes=Classes(table, table, "")))
    assert far["cluster_modality"] == pytest.approx(1.0) and far["cluster_v_measure"] < 0.6
    assert told_modality(np.array([0, 0, 1, 1]), np.array([True, True, False, False])) == 1.0
    assert told_modality(np.array([0, 1, 0, 1]), np.array([True, True, False, False])) == 0.0


WORDS = {"red": 0, "blue": 1, "star": 2, "moon": 3}


class Speaker:
    """Encodes a text as the mean of what its words stand for."""

    def encode_texts(self, texts):
        found = np.zeros((len(texts), 6), np.float32)
        for row, text in enumerate(texts):
            for word in text.split():
                found[row, WORDS.get(word, 5)] += 1
        return found


def test_class_names_become_rows_and_name_targets():
    rows = prompt_rows(Speaker(), {"colour": ["red", "blue"], "shape": ["star", "moon"]})
    assert len(rows) == 16 and rows.captions[0] == "red"
    colours, shapes = np.repeat(["red", "blue"], 20), np.tile(["star", "moon"], 20)
    images = np.stack(
        [np.eye(6)[WORDS[a]] + np.eye(6)[WORDS[b]] for a, b in zip(colours, shapes, strict=True)]
    )
    images += 0.05 * np.random.default_rng(0).standard_normal(images.shape)
    table = pd.DataFrame({"colour": colours, "shape": shapes}, dtype=object)
    sets = [
        aa.EmbeddingSet.from_array(images, modality=side, labels=table)
        for side in ("text", "image")
    ]
    pair = aa.EmbeddingPair(*sets, paired=True)
    run = Run(pair, 0.5, 5, 0, classes_of(pair), prompts=rows)
    one = run.round(0)
    method = one.fit(aa.Identity())
    found, floors = measured(one.at_work(one.reference.before, one.learnt_by(method)))
    assert found["zero_shot_accuracy[colour]"] == found["zero_shot_accuracy[shape]"] == 1.0
    assert 0.5 <= floors["zero_shot_accuracy"] < 0.8


def test_class_vectors_that_name_nothing_are_refused():
    rows = aa.EmbeddingSet.from_array(np.eye(3, dtype=np.float32), modality="text", ids=list("abc"))
    table = pd.DataFrame({"letter": list("abca")}, dtype=object)
    assert set(named_rows(rows, Classes(table, table, ""))["letter"]) == {"a", "b", "c"}
    other = pd.DataFrame({"letter": list("xyzx")}, dtype=object)
    with pytest.raises(ParameterError, match="fewer than two classes of letter"):
        named_rows(rows, Classes(other, other, ""))
    with pytest.raises(ParameterError, match="needs one \\{\\}"):
        prompt_rows(Speaker(), {"colour": ["red"]}, ["a thing"])
    with pytest.raises(ParameterError, match="no class name"):
        prompt_rows(Speaker(), {})


def test_every_measure_is_described_also_for_one_column():
    for name, use in USES.items():
        assert described(name) is use
    one = described("cluster_v_measure[shape]")
    assert one.symbol == "shape (V)" and "for shape" in one.description


def test_what_is_not_matched_cannot_be_found():
    y, x = paired_world(60, 8)
    unmatched = AtWork(Learnt(y, np.arange(60), x), y, x, np.arange(60), np.arange(60), None)
    assert set(measured(unmatched)[0]) == {"cluster_modality"}
    with pytest.raises(ShapeError, match="not matched"):
        unmatched.matched  # noqa: B018
