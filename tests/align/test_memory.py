"""Methods that answer with target rows they remember, and the shift that leaves them alone."""

import json
import warnings

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

import anisoalign_core as aa
from anisoalign_core.align.memory import drawn
from anisoalign_core.align.sinkhorn import balance
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError
from anisoalign_core.moments import Moments
from tests.conftest import paired_world

Y, X = paired_world(300, 24)
NEW = paired_world(500, 24)[0][300:]
MEMORIES = [aa.MemoryProjection, aa.NeighbourMean, aa.Sinkhorn]
EXACT = {"atol": 1e-6, "rtol": 0}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def wide(rows):
    return rows.astype(np.float64)


# -- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sharpness", [0.0, 3.0, 100.0, 2000.0])
def test_memory_projection_is_its_formula(sharpness):
    logits = sharpness * wide(NEW) @ wide(X).T
    weights = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    wanted = unit(weights @ wide(X))
    found = aa.MemoryProjection(sharpness).fit(Y, X).transform(NEW)
    np.testing.assert_allclose(found, wanted, **EXACT)


def test_a_sharp_memory_gives_the_nearest_row_and_a_flat_one_the_mean():
    nearest = X[np.argmax(NEW @ X.T, axis=1)]
    sharp = aa.MemoryProjection(1e9).fit(Y, X).transform(NEW)
    np.testing.assert_allclose(sharp, nearest, **EXACT)
    flat = aa.MemoryProjection(0.0).fit(Y, X).transform(NEW)
    np.testing.assert_allclose(flat, np.tile(unit(wide(X).mean(0)), (len(NEW), 1)), **EXACT)


@pytest.mark.parametrize("k", [1, 7, 300, 9999])
def test_the_mean_of_neighbours_is_its_formula(k):
    y, x = wide(Y), wide(X)
    near = np.argsort(-(wide(NEW) - y.mean(0) + x.mean(0)) @ x.T, axis=1)[:, :k]
    found = aa.NeighbourMean(k).fit(Y, X).transform(NEW)
    np.testing.assert_allclose(found, unit(x[near].mean(axis=1)), **EXACT)


def test_rows_that_are_equally_far_share_the_last_place():
    x = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    method = aa.NeighbourMean(2).fit(x, x)
    row = np.array([[3.0, 1.0, 1.0]])
    np.testing.assert_allclose(method.transform(row), unit(np.array([[2.0, 1.0, 1.0]])), **EXACT)


# -- entropic transport ---------------------------------------------------------------------------


def plain_sinkhorn(similar, regularisation, steps):
    """Potentials by the textbook's alternation in the logarithm, without any scaling."""
    n, m = similar.shape
    v = np.zeros(m)
    for _ in range(steps):
        u = -regularisation * (logsumexp((similar + v) / regularisation, axis=1) + np.log(n))
        v = -regularisation * (
            logsumexp((similar + u[:, None]) / regularisation, axis=0) + np.log(m)
        )
    return v


@pytest.mark.parametrize("regularisation", [0.005, 0.02, 0.3])
def test_entropic_transport_is_its_formula(regularisation):
    method = aa.Sinkhorn(regularisation, tolerance=1e-10, iterations=20_000).fit(Y, X)
    assert method.converged_
    similar = wide(Y) @ wide(X).T
    v = plain_sinkhorn(similar, regularisation, method.iterations_ + 20)
    np.testing.assert_allclose(method.potential_, v - v.mean(), atol=1e-7)
    logits = (wide(NEW) @ wide(X).T + v) / regularisation
    weights = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(method.transform(NEW), unit(weights @ wide(X)), **EXACT)


def test_the_plan_uses_every_row_of_both_sides_equally_often():
    found = balance(wide(Y) @ wide(X[:120]).T, 0.02, 1e-9, 5000)
    plan = np.exp((wide(Y) @ wide(X[:120]).T + found.potential) / 0.02)
    plan /= plan.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plan.mean(axis=0), 1 / 120, atol=1e-9)
    assert found.imbalance <= 1e-9


def test_potentials_that_grow_large_stay_numbers():
    apart = np.vstack([np.eye(6)[:1].repeat(30, 0), -np.eye(6)[:1]]).astype(np.float64)
    found = balance(apart @ np.eye(6)[:2].T, 0.005, 1e-9, 20_000)
    assert np.isfinite(found.potential).all() and found.imbalance < 1e-6


def test_a_shift_of_the_source_changes_nothing():
    rows, shift = wide(Y), 0.4 * np.ones(24)
    one, other = (balance(y @ wide(X).T, 0.05, 1e-12, 5000) for y in (rows, rows + shift))
    moved = other.potential + wide(X) @ shift
    np.testing.assert_allclose(moved - moved.mean(), one.potential, atol=1e-9)


def test_a_fit_that_does_not_settle_says_so_and_holds_what_it_has():
    with pytest.warns(
        ConvergenceWarning, match=r"stopped after 3 iterations with .* out of balance"
    ):
        method = aa.Sinkhorn(0.005, iterations=3, tolerance=1e-9).fit(Y, X)
    assert not method.converged_ and method.iterations_ == 3 and method.imbalance_ > 1e-9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert aa.Sinkhorn().fit(Y, X).converged_


def test_a_fit_can_be_stopped_and_changes_nothing():
    method = aa.Sinkhorn(0.005, tolerance=1e-6).fit(Y[:50], X[:50])
    before = method.potential_.copy()

    def stop(fraction, words):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        method.fit(Y, X, progress=stop)
    np.testing.assert_array_equal(method.potential_, before)


# -- what all that remember share ------------------------------------------------------------------


@pytest.mark.parametrize("kind", MEMORIES)
def test_a_memory_is_a_seeded_sample_of_target_rows(kind):
    method = kind(memory_rows=40).fit(Y, X)
    assert method.memory_.shape == (40, 24) and not method.memory_.flags.writeable
    chosen = drawn(300, 40, 0)
    np.testing.assert_array_equal(method.memory_, X[chosen])
    assert len(set(chosen)) == 40 and (np.diff(chosen) > 0).all()
    again = kind(memory_rows=40).fit(Y, X).transform(NEW)
    np.testing.assert_array_equal(method.transform(NEW), again)
    other = kind(memory_rows=40, random_state=1).fit(Y, X)
    assert not np.array_equal(other.memory_, method.memory_)
    np.testing.assert_array_equal(kind(memory_rows=300).fit(Y, X).memory_, X)


@pytest.mark.parametrize("kind", MEMORIES)
def test_blocks_change_nothing_and_rows_depend_on_no_other(kind, monkeypatch):
    method = kind().fit(Y, X)
    whole, told = method.transform(NEW), []
    monkeypatch.setattr("anisoalign_core.align.memory.BLOCK_CELLS", 7 * 300)
    parts = method.transform(NEW, progress=lambda fraction, words: told.append((fraction, words)))
    np.testing.assert_allclose(parts, whole, atol=1.2e-7, rtol=0)
    assert told[-1] == (1.0, "200 of 200 rows corrected") and len(told) == 29
    alone = np.concatenate([method.transform(row[None]) for row in NEW])
    np.testing.assert_allclose(alone, whole, atol=1.2e-7, rtol=0)


@pytest.mark.parametrize("kind", MEMORIES)
def test_models_are_read_back_to_the_bit_and_damaged_ones_refused(kind, tmp_path):
    method = kind(memory_rows=50).fit(Y, X)
    path = method.save(tmp_path / "model.npz")
    again = aa.load_aligner(path)
    np.testing.assert_array_equal(again.transform(NEW), method.transform(NEW))
    with np.load(path, allow_pickle=False) as stored:
        parts = dict(stored)
    np.testing.assert_array_equal(parts["memory_"], method.memory_)
    broken = [
        {"memory_": 2 * parts["memory_"]},
        {"memory_": parts["memory_"][:, :5]},
        {"memory_": parts["memory_"][:0]},
        {"memory_": np.full_like(parts["memory_"], np.nan)},
        {"memory_": parts["memory_"].astype(np.float64)},
    ]
    broken += [{name: parts[name][:-1]} for name in ("shift_", "potential_") if name in parts]
    broken += [{name: parts[name] * np.inf} for name in ("shift_", "potential_") if name in parts]
    for changed in broken:
        np.savez(tmp_path / "broken.npz", **(parts | changed))
        with pytest.raises(AnisoAlignError, match=r"memory|potential|shift"):
            aa.load_aligner(tmp_path / "broken.npz")
    del parts["memory_"]
    np.savez(tmp_path / "broken.npz", **parts)
    with pytest.raises(FormatError, match="not a model saved by this library"):
        aa.load_aligner(tmp_path / "broken.npz")
    header = json.loads(bytes(parts["header"]))
    header["parameters"]["memory_rows"] = 0
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    changed = parts | {"header": text, "memory_": method.memory_}
    np.savez(tmp_path / "broken.npz", **changed)
    with pytest.raises(ParameterError, match="memory_rows is 0"):
        aa.load_aligner(tmp_path / "broken.npz")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (aa.MemoryProjection(-1.0), "sharpness is -1"),
        (aa.MemoryProjection(np.inf), "sharpness is inf"),
        (aa.MemoryProjection(np.nan), "sharpness is nan"),
        (aa.MemoryProjection(memory_rows=0), "memory_rows is 0"),
        (aa.MemoryProjection(memory_rows=2.5), "memory_rows is 2.5"),
        (aa.NeighbourMean(0), "neighbours is 0"),
        (aa.NeighbourMean(True), "neighbours is True"),
        (aa.Sinkhorn(0.001), "regularisation is 0.001"),
        (aa.Sinkhorn(np.nan), "regularisation is nan"),
        (aa.Sinkhorn(tolerance=0.0), "tolerance is 0"),
        (aa.Sinkhorn(iterations=0), "iterations is 0"),
        (aa.OrthogonalClosing(1.5), "share is 1.5"),
        (aa.OrthogonalClosing(subspace="source"), "subspace is 'source'"),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused_in_a_sentence(method, words):
    with pytest.raises(ParameterError, match=words):
        method.fit(Y, X)
    assert not hasattr(method, "n_features_in_")


@pytest.mark.parametrize("kind", MEMORIES)
def test_what_a_memory_cannot_do_is_said(kind):
    method = kind().fit(Y, X)
    with pytest.raises(AnisoAlignError, match="is not an affine map"):
        method.to_torch()
    with pytest.raises(ParameterError, match="takes no sample_weight"):
        kind().fit(Y, X, sample_weight=(np.ones(300), None))
    sums = Moments.of(Y), Moments.of(X)
    with pytest.raises(ParameterError, match="looks at the rows themselves"):
        kind().fit(*sums)


@pytest.mark.parametrize("name", ["memory", "neighbour-mean", "sinkhorn", "orthogonal"])
def test_recipes_of_the_new_methods_are_replayed(name, pair):
    recipe = aa.cook(pair, name, {})[2]
    again = aa.replay(aa.Recipe.from_json(recipe.to_json()), pair.source, pair.target)
    assert again.identical


# -- orthogonal closing ----------------------------------------------------------------------------


@pytest.mark.parametrize("subspace", ["both", "target"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_orthogonal_closing_is_its_formula_and_leaves_the_subspace_as_it_is(subspace, share):
    y, x = wide(Y), wide(X)
    spread = np.cov(x.T, bias=True) + (np.cov(y.T, bias=True) if subspace == "both" else 0)
    values, vectors = np.linalg.eigh(spread)
    values, vectors = values[::-1], vectors[:, ::-1]
    r = next(r for r in range(1, 25) if values[:r].sum() >= share * values.sum())
    u, gap = vectors[:, :r], x.mean(0) - y.mean(0)
    method = aa.OrthogonalClosing(share, subspace).fit(Y, X)
    assert method.rank_ == r
    step = gap - u @ (u.T @ gap)
    assert method.closed_ == pytest.approx(step @ step / (gap @ gap), rel=1e-6)
    np.testing.assert_allclose(method.transform(NEW), unit(wide(NEW) + step), **EXACT)
    inside = method.map_.before_projection(NEW) @ u
    np.testing.assert_allclose(inside @ (X @ u).T, (NEW @ u) @ (X @ u).T, atol=1e-6)


def test_the_ends_of_orthogonal_closing():
    shift = aa.MeanShift().fit(Y, X).transform(NEW)
    np.testing.assert_allclose(aa.OrthogonalClosing(0.0).fit(Y, X).transform(NEW), shift, **EXACT)
    full = aa.OrthogonalClosing(1.0).fit(Y, X)
    assert full.rank_ == 24 and full.closed_ == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(full.transform(NEW), NEW, **EXACT)
    few = aa.OrthogonalClosing(1.0).fit(Y[:5], X[:5])  # the means differ outside of what varies
    assert few.rank_ == 8 and 0 < few.closed_ < 1
    same = aa.OrthogonalClosing().fit(Y, Y)
    assert same.closed_ == 0
    np.testing.assert_allclose(same.transform(NEW), NEW, **EXACT)


# -- centring with means of their own -------------------------------------------------------------


def test_documents_of_several_modalities_are_centred_by_fits_that_share_the_queries():
    """What a gallery of mixed modalities needs is center-both, once for each modality in it."""
    images, texts = aa.CenterBoth().fit(Y, X), aa.CenterBoth().fit(Y, NEW)
    np.testing.assert_array_equal(images.transform(Y), texts.transform(Y))
    centred = unit(wide(NEW) - wide(NEW).mean(0))
    np.testing.assert_allclose(texts.transform_target(NEW), centred, **EXACT)
