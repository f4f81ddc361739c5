"""Rows that share an id are one thing: five captions of a picture, four photos of a product."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.compare.splits import Run
from anisoalign_core.compare.study import Study
from anisoalign_core.compare.use.labels import classes_of
from anisoalign_core.errors import JoinError, NeedsPairsError, ParameterError, ShapeError
from anisoalign_core.geometry.residual import Residual, residual_anisotropy
from anisoalign_core.io.reading import pair_words
from anisoalign_core.metrics.cosines import Cosines
from anisoalign_core.metrics.retrieval import chance_of_hit, match_ranks, recall
from anisoalign_core.metrics.structure import alignment, rmg
from anisoalign_core.moments import Moments
from anisoalign_core.things import Things


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def scene(n=120, d=24, captions=5, photos=1, seed=1, noise=0.9):
    """Shuffled source and target rows of n things, and the thing of each row."""
    r = np.random.default_rng(seed)
    z, gap = r.normal(size=(n, d)), np.eye(d)[0] * 3
    of_y = np.repeat(np.arange(n), captions)
    of_x = np.repeat(np.arange(n), photos)
    y = unit(z[of_y] + noise * r.normal(size=(len(of_y), d)) - gap)
    x = unit(z[of_x] + 0.35 * r.normal(size=(len(of_x), d)) + gap)
    a, b = r.permutation(len(of_y)), r.permutation(len(of_x))
    return y[a], of_y[a], x[b], of_x[b]


def joined(y, of_y, x, of_x, **more):
    return aa.EmbeddingPair.join(
        aa.EmbeddingSet.from_array(y, modality="text", ids=[f"i{j}" for j in of_y], **more),
        aa.EmbeddingSet.from_array(x, modality="image", ids=[f"i{j}" for j in of_x]),
    )


UNEVEN = np.random.default_rng(3).integers(1, 6, size=(2, 90))


def test_join_keeps_order_and_says_what_belongs_together():
    y, of_y, x, of_x = scene()
    pair = joined(y, of_y, x[:-7], of_x[:-7])
    keep = np.isin(of_y, of_x[:-7])
    np.testing.assert_array_equal(pair.source.vectors, y[keep])
    np.testing.assert_array_equal(pair.target.vectors, x[:-7])
    assert pair.in_words() == "113 things: 113 image rows (1 each) and 565 text rows (5 each)"
    assert len(pair.unmatched_source) == 7
    for row in (0, 17, 300):
        shown = pair.matched.source[row]
        assert {pair.source.ids[row]} == set(pair.target.ids[pair.matched.target == shown])


@pytest.mark.parametrize("captions, photos", [(5, 1), (1, 4), (3, 2), (UNEVEN[0], UNEVEN[1])])
def test_recall_is_the_convention_counted_plainly(captions, photos):
    """A query hits at k when any row of its thing is among the first k."""
    n = 120 if np.isscalar(captions) else len(captions)
    y, of_y, x, of_x = scene(n=n, captions=captions, photos=photos, noise=2.5)
    pair = joined(y, of_y, x, of_x)
    found = recall(pair.source.vectors, pair.target.vectors, (1, 5, 10), pair.things)
    cosines = y.astype(np.float64) @ x.T.astype(np.float64)
    for at in (1, 5, 10):
        first = of_x[np.argsort(-cosines, axis=1)[:, :at]]
        assert found["source_to_target"][at] == (first == of_y[:, None]).any(axis=1).mean()
        back = of_y[np.argsort(-cosines.T, axis=1)[:, :at]]
        assert found["target_to_source"][at] == (back == of_x[:, None]).any(axis=1).mean()
    scores = aa.evaluate(aa.Identity().fit_pair(pair), pair, k=5, intervals=False)
    for at in (1, 5, 10):
        for way, values in found.items():
            assert scores[f"recall_at_{at}_{way}"].value == pytest.approx(values[at], abs=1e-12)


def test_ties_within_and_beside_a_thing_are_counted_as_drawn_at_random():
    """Two equal matches beside two equal strangers: 1 − C(2, s)/C(4, s)."""
    y = np.eye(4, dtype=np.float32)[[0, 1]]
    x = np.eye(4, dtype=np.float32)[[0, 0, 0, 0, 1]]
    things = Things(np.array([0, 1]), np.array([0, 0, 1, 1, 1]), 2)
    ranks = match_ranks(Cosines(y, x), things)
    assert ranks.hits(1, forward=True)[0] == pytest.approx(1 / 2)
    assert ranks.hits(2, forward=True)[0] == pytest.approx(1 - 1 / 6)
    assert ranks.hits(3, forward=True)[0] == pytest.approx(1.0)
    # and the other way each pair of equal rows finds its only match or the stranger
    assert ranks.hits(1, forward=False).tolist() == [1.0, 1.0, 0.0, 0.0, 1.0]


def test_chance_of_a_hit_is_that_of_random_rankings():
    _, of_y, _, of_x = scene(n=90, captions=UNEVEN[0], photos=UNEVEN[1])
    things = Things.of(of_y.tolist(), of_x.tolist())
    r, m = np.random.default_rng(0), len(of_x)
    hits = [
        (of_x[r.permutation(m)[:5]] == of_y[q]).any() for q in range(len(of_y)) for _ in range(40)
    ]
    assert chance_of_hit(things, 5, forward=True) == pytest.approx(np.mean(hits), abs=0.01)
    assert chance_of_hit(Things.rows(40), 5, forward=True) == 5 / 40


def test_groups_of_size_one_change_nothing():
    y, of_y, x, of_x = scene(captions=1, seed=4)
    x = x[np.argsort(of_x)][of_y]
    by_row = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text"),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )
    by_id = joined(y, of_y, x, of_y)
    plain, grouped = aa.diagnose(by_row).to_dict(), aa.diagnose(by_id).to_dict()
    for told in (plain, grouped):  # these hold the ids
        for key in ("source_digest", "target_digest", "items"):
            del told["details"][key]
    assert plain == grouped
    split = by_row.split(3)
    for name in vars(split):
        np.testing.assert_array_equal(getattr(split, name), getattr(by_id.split(3), name))
    for method in (aa.BoundedTransport(), aa.Procrustes(), aa.Oracle(0.5)):
        a = aa.evaluate(method.fit_pair(by_row, split), by_row, k=8).to_dict()
        b = aa.evaluate(method.fit_pair(by_id, by_id.split(3)), by_id, k=8).to_dict()
        assert a == b


@pytest.mark.parametrize("captions, photos", [(5, 1), (UNEVEN[0], UNEVEN[1])])
def test_the_squared_distance_splits_exactly(captions, photos):
    """E‖x − y‖² = ‖Δ‖² + tr Σ_r over all pairs of a thing, each thing with weight one."""
    n = 120 if np.isscalar(captions) else len(captions)
    y, of_y, x, of_x = scene(n=n, captions=captions, photos=photos)
    pair = joined(y, of_y, x, of_x)
    differences, weights = [], []
    for thing in range(n):
        mine, other = y[of_y == thing].astype(float), x[of_x == thing].astype(float)
        rows = (other[:, None] - mine[None]).reshape(-1, y.shape[1])
        differences.append(rows)
        weights.append(np.full(len(rows), 1 / len(rows)))
    r, w = np.concatenate(differences), np.concatenate(weights) / n
    mean = w @ r
    covariance = (r - mean).T @ ((r - mean) * w[:, None])
    found = Residual.of(pair.source.vectors, pair.target.vectors, pair.things)
    np.testing.assert_allclose(found.delta, mean, atol=1e-7)
    np.testing.assert_allclose(found.moments.covariance, covariance, atol=1e-7)
    squared = w @ (r**2).sum(axis=1)
    assert found.delta @ found.delta + found.trace == pytest.approx(squared, rel=1e-6)
    values = np.linalg.eigvalsh(covariance)
    wanted = values[-1] * len(values) / values.sum()
    assert residual_anisotropy(y, x, Things.of(of_y, of_x)) == pytest.approx(wanted, rel=1e-5)
    report = aa.diagnose(pair)
    assert report.residual.matched_cosine.value == pytest.approx(1 - squared / 2, abs=1e-6)
    assert report.residual.mean_distance == pytest.approx(w @ np.linalg.norm(r, axis=1), rel=1e-5)
    assert report.residual.share.value == pytest.approx(found.trace / squared, rel=1e-6)
    low, high = report.residual.anisotropy.low, report.residual.anisotropy.high
    assert low < report.residual.anisotropy.value < high
    assert any("Each thing has weight one" in note for note in report.notes)


def test_means_over_pairs_of_a_thing():
    y, of_y, x, of_x = scene(n=90, captions=UNEVEN[0], photos=UNEVEN[1])
    things = Things.of(of_y, of_x)
    per_thing = [np.mean(x[of_x == g] @ y[of_y == g].T) for g in dict.fromkeys(of_x)]
    squared = [np.mean(2 - 2 * x[of_x == g] @ y[of_y == g].T) for g in dict.fromkeys(of_x)]
    assert alignment(x, y, 2.0, things) == pytest.approx(np.mean(squared), rel=1e-5)
    inside = []
    for rows, of in ((x, of_x), (y, of_y)):
        means = np.array([rows[of == g].mean(axis=0) for g in range(90)])
        cosines = means @ means.T
        inside.append((1 - cosines[~np.eye(90, dtype=bool)].mean()) / 2)
    across = (1 - np.mean(per_thing)) / 2
    assert rmg(x, y, things) == pytest.approx(across / (across + np.mean(inside)), rel=1e-5)


def test_splits_and_halves_never_part_a_thing():
    y, of_y, x, of_x = scene(n=100, captions=4, photos=2)
    pair = joined(y, of_y, x, of_x)
    split, things = pair.split(5), pair.matched
    parts = [
        set(things.source[split.fit_source]),
        set(things.target[split.fit_target]),
        set(things.source[split.holdout_source]),
    ]
    assert set(things.target[split.holdout_target]) == parts[2] == set(split.holdout_pairs)
    assert not parts[0] & parts[1] and not (parts[0] | parts[1]) & parts[2]
    assert [len(part) for part in parts] == [40, 40, 20]
    assert len(split.holdout_source) == 80 and len(split.holdout_target) == 40
    one = Run(pair, 0.25, 5, 0).round(0)
    assert set(pair.matched.source[one.source_rows]) == set(one.split.holdout_pairs)
    study = Study(pair, split)
    assert study.live == (80, 40)
    shown = [set(s.ids[r]) for s, r in zip((pair.source, pair.target), study.shown, strict=True)]
    assert shown[0] == shown[1] and len(shown[0]) == 20


def test_equal_rows_without_ids_stay_on_one_side_of_a_split_and_it_is_said():
    y, of_y, x, of_x = scene(captions=5)
    order = np.argsort(of_y, kind="stable")
    repeated = x[np.argsort(of_x)][of_y[order]]
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y[order], modality="text"),
        aa.EmbeddingSet.from_array(repeated, modality="image"),
        paired=True,
    )
    split, of = pair.split(0), np.sort(of_y)
    fitted = set(of[split.fit_source]), set(of[split.fit_target])
    assert not (fitted[0] | fitted[1]) & set(of[split.holdout_source])
    assert not fitted[0] & fitted[1]
    assert any("keep them together" in note for note in aa.diagnose(pair).notes)
    alone = aa.EmbeddingPair(pair.source, pair.target)
    parts = alone.split(0)
    assert not set(of[parts.fit_target]) & set(of[parts.holdout_target])


def test_unpaired_rows_of_one_id_stay_together():
    y, of_y, x, of_x = scene(captions=3)
    sides = joined(y, of_y, x, of_x)
    pair = aa.EmbeddingPair(sides.source, sides.target)
    split = pair.split(1)
    assert not set(of_y[split.fit_source]) & set(of_y[split.holdout_source])


def test_rows_matched_one_by_one_show_one_thing_where_ids_say_so():
    y, of_y, x, of_x = scene(captions=5)
    order = np.argsort(of_y, kind="stable")
    repeated = x[np.argsort(of_x)][of_y[order]]
    ids = [f"i{j}" for j in of_y[order]]
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y[order], modality="text", ids=ids),
        aa.EmbeddingSet.from_array(repeated, modality="image", ids=ids),
        paired=True,
    )
    assert pair.matched.count == 120
    plain = recall(*(s.vectors for s in (pair.source, pair.target)), (1,), pair.things)
    once = joined(y, of_y, x, of_x)
    wanted = recall(once.source.vectors, once.target.vectors, (1,), once.things)
    assert plain == wanted


def test_fits_on_pairs_give_each_thing_weight_one():
    y, of_y, x, of_x = scene(n=90, captions=UNEVEN[0], photos=UNEVEN[1])
    pair = joined(y, of_y, x, of_x)
    links = pair.matched.links
    a, b, w = y[links.source], x[links.target], links.weights
    assert w.sum() == pytest.approx(90)
    mean_a, mean_b = w @ a / 90, w @ b / 90
    u, _, vt = np.linalg.svd(((a - mean_a) * w[:, None]).T @ (b - mean_b))
    method = aa.Procrustes().fit_pair(pair)
    np.testing.assert_allclose(method.map_.linear, vt.T @ u.T, atol=1e-6)
    np.testing.assert_allclose(method.map_.source_mean, mean_a, atol=1e-7)
    ridge = aa.Ridge(alphas=(1.0,)).fit_pair(pair)
    gram = ((a - mean_a) * w[:, None]).T @ (a - mean_a) + np.eye(y.shape[1])
    coefficients = np.linalg.solve(gram, ((a - mean_a) * w[:, None]).T @ (b - mean_b)).T
    np.testing.assert_allclose(ridge.map_.linear, coefficients, atol=1e-5)
    oracle = aa.Oracle().fit_pair(pair)
    corrected = oracle.transform(pair.source, pair.partners())
    centre = unit(np.array([x[of_x == g].mean(axis=0) for g in of_y]))
    np.testing.assert_allclose(corrected, centre, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["mean-shift", "standardize", "realign", "coral", "bounded", "orthogonal"]
)
def test_weights_count_rows_as_often_as_they_say(name):
    y, _, x, _ = scene(n=80, captions=2)
    r = np.random.default_rng(0)
    times = r.integers(1, 4, len(y)), r.integers(1, 4, len(x))
    method = aa.ALIGNERS[name]
    given = {"bound": 0.3} if name == "bounded" else {}
    weighted = method(**given).fit(y, x, sample_weight=tuple(t.astype(float) for t in times))
    repeated = method(**given).fit(np.repeat(y, times[0], 0), np.repeat(x, times[1], 0))
    np.testing.assert_allclose(weighted.transform(y), repeated.transform(y), atol=2e-4)


def test_weights_that_make_no_sense_are_refused():
    y, _, x, _ = scene(captions=1)
    with pytest.raises(ParameterError, match="tuple of two arrays"):
        aa.MeanShift().fit(y, x, sample_weight=np.ones(len(y)))
    with pytest.raises(ParameterError, match="a weight per pair"):
        aa.Procrustes().fit(y, x, sample_weight=(np.ones(len(y)), None))
    with pytest.raises(ShapeError, match="120 source rows"):
        aa.MeanShift().fit(y, x, sample_weight=(np.ones(3), None))
    with pytest.raises(ParameterError, match="positive"):
        aa.MeanShift().fit(y, x, sample_weight=(np.zeros(len(y)), None))
    with pytest.raises(ParameterError, match="takes no sample_weight"):
        aa.PermutedTarget().fit(y, x, sample_weight=(np.ones(len(y)), None))


def test_weighted_moments_are_those_of_repeated_rows():
    y, _, _, _ = scene(n=60)
    times = np.random.default_rng(0).integers(1, 5, len(y))
    plain = Moments.of(np.repeat(y, times, axis=0))
    found = Moments.weighted([(y[:100], times[:100] * 1.0), (y[100:], times[100:] * 1.0)])
    assert found.n == plain.n
    np.testing.assert_allclose(found.mean, plain.mean, atol=1e-12)
    np.testing.assert_allclose(found.covariance, plain.covariance, atol=1e-9)
    diagonal = Moments.weighted([(y, times * 1.0)], diagonal=True)
    np.testing.assert_allclose(diagonal.variances, plain.variances, atol=1e-9)


def test_shuffling_moves_whole_things():
    _, of_y, _, of_x = scene(captions=4, photos=2)
    things = Things.of(of_y, of_x)
    other = things.shuffled(np.random.default_rng(0))
    for thing in range(things.count):
        assert len(set(of_y[other.source == thing])) == 1
        assert len(set(of_x[other.target == thing])) == 1
    assert np.mean(other.source == things.source) < 0.1


def test_transfer_and_controls_go_by_thing():
    y, of_y, x, of_x = scene(n=160, captions=3, photos=2)
    labels = pd.DataFrame({"kind": np.where(of_x % 2, "odd", "even")})
    source = aa.EmbeddingSet.from_array(y, modality="text", ids=[str(j) for j in of_y])
    target = aa.EmbeddingSet.from_array(
        x, modality="image", ids=[str(j) for j in of_x], labels=labels
    )
    pair = aa.EmbeddingPair.join(source, target)
    classes = classes_of(pair)
    wanted = np.where(of_y % 2, "odd", "even")
    assert classes.source["kind"].tolist() == wanted.tolist()
    board = aa.leaderboard(pair, ["bounded:bound=0.2"], splits=2, curves=False)
    assert not board.failures
    assert board.setting.rows["things"] == 40
    assert any("Splits hold out things" in line for line in board.notes)
    oracle = aa.evaluate(aa.Oracle().fit_pair(pair), pair, k=8, intervals=False)
    identity = aa.evaluate(aa.Identity().fit_pair(pair), pair, k=8, intervals=False)
    assert oracle["matched_cosine"].value > identity["matched_cosine"].value + 0.2


def test_a_split_scores_what_a_plain_study_shows():
    y, of_y, x, of_x = scene(n=150, captions=3, photos=2)
    pair = joined(y, of_y, x, of_x)
    study = Study(pair, pair.split(0), neighbours=5)
    view = study.fit(aa.BoundedTransport(bound=0.2)).view()
    held = pair.take(pair.split(0).holdout_pairs)
    method = aa.BoundedTransport(bound=0.2).fit_pair(pair, pair.split(0))
    exact = aa.evaluate(method, held, k=study.k, intervals=False)
    for name in ("matched_cosine", "recall_at_1_source_to_target"):
        assert view.scores[name] == pytest.approx(exact[name].value, abs=1e-6)
    assert view.evaluate()["matched_cosine"].value == pytest.approx(
        exact["matched_cosine"].value, abs=1e-6
    )


def test_pairs_refuse_groups_that_do_not_fit():
    y, of_y, x, of_x = scene()
    pair = joined(y, of_y, x, of_x)
    with pytest.raises(ShapeError, match="one entry for each row"):
        aa.EmbeddingPair(pair.source, pair.target, paired=True, groups=Things.rows(3))
    with pytest.raises(ShapeError, match="needs a row in both sets"):
        Things(np.array([0, 1]), np.array([0, 0]), 2)
    alone = aa.EmbeddingPair(pair.source, pair.target)
    with pytest.raises(JoinError, match="do not correspond"):
        alone.take([0])
    with pytest.raises(NeedsPairsError, match="unpaired"):
        aa.Procrustes().fit_pair(alone)


def test_unpaired_fits_may_weigh_by_thing(tmp_path):
    y, of_y, x, of_x = scene(n=90, captions=UNEVEN[0], photos=UNEVEN[1])
    pair = joined(y, of_y, x, of_x)
    by_row, by_thing = (aa.MeanShift().fit_pair(pair, weigh=w) for w in ("row", "thing"))
    means = np.array([y[of_y == g].mean(axis=0) for g in range(90)])
    np.testing.assert_allclose(by_row.map_.source_mean, y.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(by_thing.map_.source_mean, means.mean(axis=0), atol=1e-6)
    for name, side in (("text", pair.source), ("image", pair.target)):
        aa.save(side, tmp_path / f"{name}.parquet")
    sides = [
        "--target",
        str(tmp_path / "image.parquet"),
        "--source",
        str(tmp_path / "text.parquet"),
    ]
    out = tmp_path / "model.npz"
    asked = ["--method", "mean-shift", "--join-ids", "--weigh", "thing", "--out", str(out)]
    assert main(["fit", *asked, *sides]) == 0
    loaded = aa.load_aligner(out)
    np.testing.assert_allclose(loaded.map_.source_mean, by_thing.map_.source_mean, atol=1e-12)


def test_the_command_line_says_how_many_things_and_what_did_not_join(tmp_path, capsys):
    y, of_y, x, of_x = scene(captions=3)
    pair = joined(y, of_y, x, of_x)
    aa.save(pair.source, tmp_path / "text.parquet")
    aa.save(pair.target.take(np.arange(100)), tmp_path / "image.parquet")
    sides = [
        "--target",
        str(tmp_path / "image.parquet"),
        "--source",
        str(tmp_path / "text.parquet"),
    ]
    assert main(["diagnose", *sides, "--join-ids"]) == 0
    said = capsys.readouterr().err
    assert "100 things: 100 image rows (1 each) and 300 text rows (3 each)" in said
    assert "20 source" in said


def test_captions_around_their_picture_are_not_read_as_a_lack_of_mixing():
    """Mixing is read at one row a side, as it would be with one caption a picture."""
    r, of_x = np.random.default_rng(0), np.arange(120)
    z, of_y = r.normal(size=(120, 24)), np.repeat(of_x, 5)
    y = unit(z[of_y] + 0.3 * r.normal(size=(600, 24)))
    x = unit(z + 0.3 * r.normal(size=(120, 24)))
    pair = joined(y, of_y, x, of_x)
    names = ("mixing_penetration", "mixing_coverage", "mixed_gallery_bias")
    found = aa.evaluate(aa.Identity().fit_pair(pair), pair, k=4, metrics=names)
    rows = np.random.default_rng(0).permutation(len(y))
    once = pair.source.take(rows).take(np.unique(of_y[rows], return_index=True)[1])
    single = aa.EmbeddingPair.join(once, pair.target)
    wanted = aa.evaluate(aa.Identity().fit_pair(single), single, k=4, metrics=names)
    for name in names:
        assert found[name].value == pytest.approx(wanted[name].value, abs=0.15)
    assert found["mixing_coverage"].value > 0.6


def test_a_folder_that_writes_an_image_again_for_each_caption_gives_groups(tmp_path):
    """As clip-retrieval has it, row by row; recall is that of the images once, as published."""
    y, of_y, x, _ = scene(n=60, captions=5, noise=2.5)
    x = x[np.argsort(scene(n=60, captions=5, noise=2.5)[3])]
    paths = [f"{thing}.jpg" for thing in of_y]
    for part, rows in (("img_emb", x[of_y]), ("text_emb", y)):
        (tmp_path / part).mkdir()
        np.save(tmp_path / part / f"{part}_0.npy", rows)
    (tmp_path / "metadata").mkdir()
    table = pd.DataFrame({"image_path": paths, "caption": [f"c{k}" for k in range(300)]})
    table.to_parquet(tmp_path / "metadata" / "metadata_0.parquet")
    pair = aa.load_pair(tmp_path)
    assert pair.in_words() == "60 things: 60 image rows (1 each) and 300 text rows (5 each)"
    assert pair.source.ids.tolist() == paths
    assert pair.source.captions.tolist() == table["caption"].tolist()
    once = joined(y, of_y, x, np.arange(60))
    plain = recall(once.source.vectors, once.target.vectors, (1, 5, 10), once.things)
    assert recall(pair.source.vectors, pair.target.vectors, (1, 5, 10), pair.things) == plain


def test_images_written_again_for_each_caption_are_said_to_count_once():
    rng = np.random.default_rng(0)
    ids = [f"i{number // 5}" for number in range(100)]
    images = np.repeat(rng.standard_normal((20, 8)), 5, axis=0)
    target = aa.EmbeddingSet.from_array(images, modality="image", ids=ids, name="image.npy")
    texts = rng.standard_normal((100, 8))
    source = aa.EmbeddingSet.from_array(texts, modality="text", ids=ids)
    pair = aa.EmbeddingPair.join(source, target)
    assert len(pair.target) == 20
    words = "80 rows of image.npy repeat another row of their id bit by bit and count once."
    assert words in pair_words(pair)
    assert words in aa.diagnose(pair, parts=()).notes
