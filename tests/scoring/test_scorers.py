"""Each scorer against its published formula, written plainly in float64."""

from __future__ import annotations

import json
import warnings

import numpy as np
import ot
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import anisoalign_core as aa
from anisoalign_core.errors import (
    AnisoAlignError,
    FormatError,
    InvalidRowsError,
    NotFittedError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.metrics import cosines
from anisoalign_core.scoring import load_scorer

SCORERS = aa.SCORERS
TAU, K, ALPHA = 0.1, 3, 0.6


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def drawn(seed, *sizes, d=12, mean=0.4):
    rng = np.random.default_rng(seed)
    return [unit(rng.normal(size=(n, d)) / np.sqrt(d) + mean / np.sqrt(d)) for n in sizes]


ASKED, BANK, GALLERY, ITEMS = drawn(0, 9, 30, 25, 14)
"""Queries, reference queries, reference gallery, and the gallery that is searched."""
REFERENCE = [rows.astype(np.float64) for rows in (ASKED, BANK, GALLERY, ITEMS)]
LABELS = np.arange(len(GALLERY)) % 2 == 0
ITEM_LABELS = np.arange(len(ITEMS)) % 3 == 0

MADE = {
    "none": {},
    "standardize": {},
    "nnn": {"k": K, "alpha": ALPHA},
    "csls": {"k": K},
    "inverted-softmax": {"temperature": TAU},
    "sinkhorn": {"temperature": TAU, "tolerance": 1e-9, "max_iterations": 2000},
    "conformity": {},
}


def fitted(name, queries=BANK, gallery=GALLERY, **parameters):
    return SCORERS[name](**(MADE[name] | parameters)).fit(queries, gallery)


def plain_nearest(row, bank):
    return sum(sorted((float(row @ other) for other in bank), reverse=True)[:K]) / K


def plain(name, q, x):
    """The score of one query with one gallery row."""
    _, bank, gallery, _ = REFERENCE
    s = float(q @ x)
    if name == "none":
        return s
    if name == "standardize":
        best = [max(float(other @ item) for item in gallery) for other in bank]
        mean = sum(best) / len(best)
        return (s - mean) / np.sqrt(sum((b - mean) ** 2 for b in best) / len(best))
    if name == "nnn":
        return s - ALPHA * plain_nearest(x, bank)
    if name == "csls":
        return 2 * s - plain_nearest(q, gallery) - plain_nearest(x, bank)
    if name == "inverted-softmax":
        return TAU * np.log(np.exp(s / TAU) / sum(np.exp(float(b @ x) / TAU) for b in bank))
    mean = sum(gallery) / len(gallery)
    h = mean / np.linalg.norm(mean)
    usual = sum(float(h @ item) for item in gallery) / len(gallery)
    return s - float(h @ q) * (float(h @ x) - usual)


@pytest.mark.parametrize("name", [name for name in SCORERS if name != "sinkhorn"])
def test_the_published_formula(name):
    q, _, _, x = REFERENCE
    expected = np.array([[plain(name, one, other) for other in x] for one in q])
    found = fitted(name).scores(ASKED, ITEMS)
    assert found.dtype == np.float32 and found.shape == (len(ASKED), len(ITEMS))
    size = 20 if name == "standardize" else 1  # one over the deviation
    np.testing.assert_allclose(found, expected, atol=1e-6 * size)


def test_every_scorer_is_tested_and_declared():
    assert list(MADE) == list(SCORERS)
    for name, kind in SCORERS.items():
        assert kind.name == name and kind.label and kind.reference
        assert kind.summary.endswith(".") and kind.summary.count(".") == 1
        assert kind.needs_queries or kind.needs_gallery or name == "none"


def test_sinkhorn_is_the_plan_of_entropic_transport():
    n, m = len(BANK), len(GALLERY)
    cost = -(REFERENCE[1] @ REFERENCE[2].T)
    plan = ot.sinkhorn(
        np.full(n, 1 / n), np.full(m, 1 / m), cost, TAU, method="sinkhorn_log", stopThr=1e-13
    )
    scorer = fitted("sinkhorn")
    found = scorer.scores(BANK, GALLERY)
    np.testing.assert_allclose(found, TAU * np.log(plan), atol=1e-6)
    mine = np.exp(found.astype(np.float64) / TAU)
    np.testing.assert_allclose(mine.sum(axis=1), 1 / n, rtol=1e-5)
    np.testing.assert_allclose(mine.sum(axis=0), 1 / m, rtol=1e-5)
    assert scorer.error_ <= 1e-9 and 1 < scorer.n_iter_ < 2000


def test_sinkhorn_carries_potentials_to_other_rows():
    scorer = fitted("sinkhorn")
    q, bank, gallery, x = REFERENCE
    u, v = scorer.query_potentials_, scorer.gallery_potentials_
    for i, one in enumerate(q):
        own = -np.log(len(bank)) - np.log(
            sum(np.exp(float(one @ item) / TAU + w) for item, w in zip(gallery, v, strict=True))
        )
        for j, other in enumerate(x):
            its = -np.log(len(gallery)) - np.log(
                sum(np.exp(float(b @ other) / TAU + w) for b, w in zip(bank, u, strict=True))
            )
            expected = float(one @ other) + TAU * (own + its)
            assert abs(scorer.scores(ASKED[i : i + 1], ITEMS[j : j + 1])[0, 0] - expected) < 1e-6


def test_sinkhorn_at_a_low_temperature_stays_finite_and_says_that_it_did_not_end():
    with pytest.warns(ConvergenceWarning, match="after 3 iterations row sums are off"):
        scorer = fitted("sinkhorn", temperature=1e-4, max_iterations=3)
    assert scorer.n_iter_ == 3 and scorer.error_ > 1e-9
    assert np.isfinite(scorer.scores(ASKED, ITEMS)).all()
    assert np.isfinite(fitted("inverted-softmax", temperature=1e-4).scores(ASKED, ITEMS)).all()


def test_sinkhorn_of_one_iteration_is_the_inverted_softmax_in_order():
    """The first half step divides queries, the second rows: without the first it is the other."""
    softmax = fitted("inverted-softmax").scores(BANK, GALLERY) / TAU
    one = np.exp(softmax.astype(np.float64)).sum(axis=0)
    np.testing.assert_allclose(one, 1.0, rtol=1e-5)


@pytest.mark.parametrize("over", ["best", "all"])
def test_standardising_a_mixed_gallery(over):
    q, bank, gallery, x = REFERENCE
    scorer = SCORERS["standardize"](over=over).fit(BANK, GALLERY, modality=LABELS)
    found = scorer.scores(ASKED, ITEMS, modality=ITEM_LABELS)
    for label in (True, False):
        s = bank @ gallery[label == LABELS].T
        known = s.max(axis=1) if over == "best" else s
        expected = (q @ x.T - known.mean()) / known.std()
        columns = label == ITEM_LABELS
        np.testing.assert_allclose(found[:, columns], expected[:, columns], atol=2e-5)
    assert scorer.modalities_ == ["False", "True"]
    names = np.where(ITEM_LABELS, "image", "text")
    with pytest.raises(ParameterError, match=r"modality 'image', but the fit had 'False', 'True'"):
        scorer.scores(ASKED, ITEMS, modality=names)
    with pytest.raises(ParameterError, match="has no modality, but the fit had"):
        scorer.scores(ASKED, ITEMS)
    with pytest.raises(ShapeError, match="14 rows but 3 labels"):
        scorer.scores(ASKED, ITEMS, modality=names[:3])


def test_standardising_brings_modalities_apart_into_one_ranking():
    """Own modality scores higher by an offset; the match is in the other."""
    rng = np.random.default_rng(3)
    meaning = rng.normal(size=(200, 30))
    text = unit(np.c_[meaning + 0.5 * rng.normal(size=(200, 30)), np.full(200, 8.0)])
    image = unit(np.c_[meaning, np.full(200, -8.0)])
    other = unit(np.c_[rng.normal(size=(200, 30)), np.full(200, 8.0)])
    gallery, modality = np.concatenate([image, other]), np.repeat(["image", "text"], 200)
    hits = {}
    for name in ("none", "standardize"):
        scorer = SCORERS[name]()
        labels = {"modality": modality} if scorer.takes_modality else {}
        scorer.fit(text[:100], gallery, **labels)
        found = scorer.scores(text[100:], gallery, **labels).argmax(axis=1)
        hits[name] = np.mean(found == np.arange(100, 200))
    assert hits["none"] == 0.0 and hits["standardize"] > 0.3


@pytest.mark.parametrize("name", list(SCORERS))
def test_exported_rows_give_the_published_scores_as_inner_products(name):
    scorer = fitted(name)
    rows, queries = scorer.export(ITEMS), scorer.export_queries(ASKED)
    assert rows.dtype == queries.dtype == np.float32
    extra = 2 if scorer.query_term else 1
    assert rows.shape == (len(ITEMS), 12 + extra) and queries.shape == (len(ASKED), 12 + extra)
    np.testing.assert_array_equal(queries[:, :12], ASKED)
    if name != "sinkhorn":
        q, _, _, x = REFERENCE
        expected = np.array([[plain(name, one, other) for other in x] for one in q])
        inner = queries.astype(np.float64) @ rows.astype(np.float64).T
        np.testing.assert_allclose(inner, expected, atol=1e-5 if name == "standardize" else 1e-6)
    if scorer.per_item:
        np.testing.assert_array_equal(queries[:, 12], 1.0)
    if scorer.query_term:  # without it ranks are the same
        short = queries[:, :-1] @ rows[:, :-1].T
        order = np.argsort(-scorer.scores(ASKED, ITEMS), axis=1)
        np.testing.assert_array_equal(np.argsort(-short, axis=1), order)


@pytest.mark.parametrize("name", list(SCORERS))
def test_an_index_of_inner_products_ranks_as_the_scorer(name):
    faiss = pytest.importorskip("faiss", reason="faiss is not installed (pip install faiss-cpu)")
    scorer = fitted(name)
    rows = scorer.export(ITEMS)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    values, found = index.search(scorer.export_queries(ASKED), 5)
    scores = scorer.scores(ASKED, ITEMS)
    np.testing.assert_array_equal(found, np.argsort(-scores, axis=1)[:, :5])
    np.testing.assert_allclose(values, -np.sort(-scores, axis=1)[:, :5], atol=1e-5)


@pytest.mark.parametrize("name", list(SCORERS))
def test_a_score_depends_on_its_two_rows_and_on_no_order(name):
    rng = np.random.default_rng(1)
    scorer = fitted(name)
    whole = scorer.scores(ASKED, ITEMS)
    p, r = rng.permutation(len(ASKED)), rng.permutation(len(ITEMS))
    np.testing.assert_allclose(scorer.scores(ASKED[p], ITEMS[r]), whole[p][:, r], atol=1e-5)
    np.testing.assert_allclose(scorer.scores(ASKED[:1], ITEMS[:1]), whole[:1, :1], atol=1e-5)
    other = fitted(name, rng.permutation(BANK), rng.permutation(GALLERY))
    np.testing.assert_allclose(other.scores(ASKED, ITEMS), whole, atol=2e-5)


@pytest.mark.parametrize("name", list(SCORERS))
def test_blocks_equal_the_whole(name, monkeypatch):
    queries, bank, gallery, items = drawn(5, 150, 300, 200, 120)
    whole = fitted(name, bank, gallery).scores(queries, items)
    monkeypatch.setattr(cosines, "HELD_CELLS", 1000)
    monkeypatch.setattr(cosines, "BLOCK_CELLS", 4000)
    scorer = fitted(name, bank, gallery)
    products = scorer.products(queries, items)
    parts = [block for _, block in products.blocks()]
    assert len(parts) > 2
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


@pytest.mark.parametrize("name", list(SCORERS))
def test_ties_and_single_rows_have_finite_scores(name):
    same = np.repeat(ITEMS[:1], 4, axis=0)
    found = fitted(name).scores(ASKED[:1], same)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, found[0, 0], atol=1e-6)
    if name == "standardize":
        with pytest.raises(ParameterError, match="the same best cosine"):
            fitted(name, np.repeat(BANK[:1], 5, axis=0), GALLERY)
        return
    k = {"k": 1} if "k" in MADE[name] else {}
    alone = fitted(name, BANK[:1], GALLERY[:1], **k)
    assert np.isfinite(alone.scores(ASKED[:1], ITEMS[:1])).all()
    tied = fitted(name, np.repeat(BANK[:1], 5, axis=0), np.repeat(GALLERY[:1], 5, axis=0))
    assert np.isfinite(tied.scores(ASKED, ITEMS)).all()


WRONG = [
    ("nnn", {"k": 31}, ParameterError, "k is 31, but .* has 30 reference queries"),
    ("nnn", {"k": 0}, ParameterError, "k is 0"),
    ("nnn", {"k": 2.5}, ParameterError, "k is 2.5"),
    ("nnn", {"alpha": -1}, ParameterError, "alpha is -1"),
    ("nnn", {"alpha": np.inf}, ParameterError, "alpha is inf"),
    ("csls", {"k": 26}, ParameterError, "k is 26, but .* has 25 reference gallery rows"),
    ("inverted-softmax", {"temperature": 0.0}, ParameterError, "temperature is 0.0"),
    ("sinkhorn", {"temperature": np.nan}, ParameterError, "temperature is nan"),
    ("sinkhorn", {"tolerance": -1}, ParameterError, "tolerance is -1"),
    ("sinkhorn", {"max_iterations": 0}, ParameterError, "max_iterations is 0"),
    ("standardize", {"over": "some"}, ParameterError, "over is 'some'"),
]


@pytest.mark.parametrize(("name", "parameters", "error", "words"), WRONG)
def test_parameters_out_of_range_are_refused_in_a_sentence(name, parameters, error, words):
    scorer = SCORERS[name](**parameters)
    with pytest.raises(error, match=words) as refused:
        scorer.fit(BANK, GALLERY)
    assert str(refused.value).endswith(".")
    assert not hasattr(scorer, "n_features_in_")


@pytest.mark.parametrize("name", list(SCORERS))
def test_what_cannot_be_fitted_or_scored_is_refused(name):
    scorer = SCORERS[name](**MADE[name])
    with pytest.raises(NotFittedError, match=r"is not fitted yet\. Call fit"):
        scorer.scores(ASKED, ITEMS)
    with pytest.raises(NotFittedError, match="nothing to save"):
        scorer.save("nowhere.npz")
    with pytest.raises(ParameterError):
        scorer.fit()
    sides = {"queries": BANK, "gallery": GALLERY}
    for side in sides:
        if getattr(scorer, f"needs_{side}"):
            with pytest.raises(ParameterError, match=f"reference {side}; give {side}=…"):
                scorer.fit(**{key: rows for key, rows in sides.items() if key != side})
    with pytest.raises(ShapeError, match="12 dimensions, gallery rows 7"):
        scorer.fit(BANK, unit(np.ones((4, 7))))
    with pytest.raises(InvalidRowsError, match="Rows 0, 1, 2 of reference queries are all zeros"):
        scorer.fit(np.zeros((3, 12)), GALLERY)
    if not scorer.takes_modality:
        with pytest.raises(ParameterError, match="leave out modality"):
            scorer.fit(BANK, GALLERY, modality=LABELS)
    before = scorer.fit(BANK, GALLERY).scores(ASKED, ITEMS)
    with pytest.raises(AnisoAlignError):
        scorer.fit(BANK, unit(np.ones((4, 7))))
    np.testing.assert_array_equal(scorer.scores(ASKED, ITEMS), before)
    with pytest.raises(ShapeError, match=r"gallery has 7 dimensions, but .* fitted on 12"):
        scorer.scores(ASKED, unit(np.ones((4, 7))))


def test_conformity_with_what_is_left_rescaled_is_the_cosine_of_moved_rows():
    q, _, gallery, x = REFERENCE
    mean = gallery.mean(axis=0)
    usual = np.linalg.norm(mean)
    h = mean / usual
    beside = x - np.outer(x @ h, h)
    moved = np.sqrt(1 - usual**2) * beside / np.linalg.norm(beside, axis=1, keepdims=True)
    moved += usual * h
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0, rtol=1e-12)
    scorer = fitted("conformity", rescale=True)
    np.testing.assert_allclose(scorer.scores(ASKED, ITEMS), q @ moved.T, atol=1e-6)
    assert np.isfinite(scorer.scores(ASKED, h[None])).all()


def test_a_gallery_with_its_mean_at_the_origin_has_no_conformity():
    with pytest.raises(ParameterError, match="mean at the origin"):
        SCORERS["conformity"]().fit(gallery=np.concatenate([GALLERY, -GALLERY]))


@pytest.mark.parametrize("name", list(SCORERS))
def test_a_clone_is_unfitted_and_a_saved_scorer_is_the_same(name, tmp_path):
    scorer = fitted(name)
    again = clone(scorer)
    assert again.get_params() == scorer.get_params() and not hasattr(again, "n_features_in_")
    read = load_scorer(scorer.save(tmp_path / "scorer.npz"))
    assert type(read) is type(scorer) and read.get_params() == scorer.get_params()
    np.testing.assert_array_equal(read.scores(ASKED, ITEMS), scorer.scores(ASKED, ITEMS))
    np.testing.assert_array_equal(read.export(ITEMS), scorer.export(ITEMS))
    assert scorer.label in repr(scorer) or scorer.label in scorer._repr_html_()
    with pytest.raises(FormatError, match="kind anisoalign"):
        aa.load_aligner(tmp_path / "scorer.npz")


def test_labels_survive_saving(tmp_path):
    scorer = SCORERS["standardize"]().fit(BANK, GALLERY, modality=LABELS)
    read = load_scorer(scorer.save(tmp_path / "scorer.npz"))
    np.testing.assert_array_equal(
        read.scores(ASKED, ITEMS, modality=ITEM_LABELS),
        scorer.scores(ASKED, ITEMS, modality=ITEM_LABELS),
    )


def _changed(path, change):
    with np.load(path) as held:
        arrays = dict(held)
    header = json.loads(arrays["header"].tobytes())
    change(header, arrays)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("nnn", lambda header, arrays: header.update(method="identity")),
        ("nnn", lambda header, arrays: header.update(format="anisoalign")),
        ("nnn", lambda header, arrays: header["parameters"].update(k="many")),
        ("nnn", lambda header, arrays: header["parameters"].update(k=900)),
        ("nnn", lambda header, arrays: header["fitted"].update(save_="x", n_features_in_=1)),
        ("nnn", lambda header, arrays: arrays.update(queries_=arrays["queries_"][:, :5])),
        ("nnn", lambda header, arrays: arrays.update(queries_=2 * arrays["queries_"])),
        ("nnn", lambda header, arrays: arrays.pop("queries_")),
        ("sinkhorn", lambda header, arrays: arrays.update(query_potentials_=np.zeros(3))),
        ("sinkhorn", lambda header, arrays: arrays["gallery_potentials_"].fill(np.nan)),
        ("conformity", lambda header, arrays: arrays.update(direction_=np.ones(3))),
        ("standardize", lambda header, arrays: arrays.update(means_=np.zeros(5))),
    ],
)
def test_a_damaged_file_is_refused(name, change, tmp_path):
    path = fitted(name).save(tmp_path / "scorer.npz")
    load_scorer(path)
    _changed(path, change)
    with pytest.raises(AnisoAlignError):
        load_scorer(path)


def _with_hubs(seed, n=600, d=40):
    """Pairs, of which few gallery rows lean far to the mean of all queries."""
    rng = np.random.default_rng(seed)
    meaning, common = rng.normal(size=(n, d)), rng.normal(size=d)
    lean = rng.exponential(size=(n, 1))
    query = unit(meaning + 1.5 * rng.normal(size=(n, d)) + 2 * common)
    return query, unit(meaning + lean * common + 0.3 * rng.normal(size=(n, d)))


def _recall(scorer, queries, gallery):
    found = scorer.scores(queries, gallery).argmax(axis=1)
    return float(np.mean(found == np.arange(len(queries))))


@pytest.mark.parametrize("name", ["nnn", "csls", "inverted-softmax", "sinkhorn", "conformity"])
def test_hubs_cost_recall_and_a_scorer_gives_it_back(name):
    query, item = _with_hubs(0)
    asked, bank, gallery = query[:300], query[300:], item[:300]
    floor = _recall(SCORERS["none"]().fit(bank), asked, gallery)
    assert _recall(SCORERS[name]().fit(bank, gallery), asked, gallery) > floor + 0.1


@pytest.mark.parametrize("name", list(SCORERS))
def test_rows_that_have_nothing_in_common_stay_at_chance(name):
    asked, bank, gallery = drawn(11, 500, 500, 500, d=32)
    hits = _recall(fitted(name, bank, gallery), asked, gallery)
    assert hits <= 6 / 500  # chance is one hit in 500; six or more have a probability of 6e-4


def test_unrelated_scorers_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in SCORERS:
            fitted(name)
