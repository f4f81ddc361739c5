"""What every aligner keeps to, and what tells each from the others."""

import json

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.base import clone

from anisoalign_core.align import (
    ALIGNERS,
    C3,
    BoundedTransport,
    BoundSweep,
    Bures,
    CenterBoth,
    Coral,
    GapShift,
    MeanShift,
    Oracle,
    PermutedTarget,
    Procrustes,
    ReAlign,
    Ridge,
    Standardize,
    load_aligner,
)
from anisoalign_core.align.bounded import mean_rotation
from anisoalign_core.align.gaussian import bures_map
from anisoalign_core.errors import (
    AnisoAlignError,
    FormatError,
    InvalidRowsError,
    NeedsPairsError,
    NotFittedError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.moments import Moments
from tests.conftest import paired_world

Y, X = paired_world(400, 24)
NEW_Y, NEW_X = paired_world(700, 24)[0][400:], paired_world(700, 24)[1][400:]
EVERY = sorted(ALIGNERS)
SHORT = {"anisoalign": {"rank": 6, "prior_steps": 15, "refine_steps": 15, "hidden": 16}}
"""Training that a test can wait for."""


def new(name, **keywords):
    return ALIGNERS[name].of(SHORT.get(name, {}) | keywords)


def run(name, rows=Y, partners=X, **keywords):
    return new(name, **keywords).fit(Y, X).transform(rows, partners)


@pytest.mark.parametrize("name", EVERY)
def test_every_knob_names_a_parameter_and_begins_within_its_range(name):
    method = ALIGNERS[name]
    known = method().plain_params()
    for knob in method.knobs:
        begins = knob.start(known, known[knob.parameter], 24)
        if knob.choices:
            assert begins in knob.choices
        elif begins is not None:
            assert knob.low <= begins <= knob.most(24)
        assert knob.help.endswith(".")
        assert str(knob.say(begins))
        if knob.curve is not None:
            assert set(knob.curve.shares) <= set(known)
    assert {knob.parameter for knob in method.knobs} <= set(known)


@pytest.mark.parametrize("name", EVERY)
def test_every_method_returns_unit_float32_rows(name):
    z = run(name)
    assert z.shape == Y.shape
    assert z.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(z.astype(np.float64), axis=1), 1, atol=3e-7)


@pytest.mark.parametrize("name", EVERY)
def test_every_method_clones_repeats_and_keeps_its_input(name):
    before = Y.copy()
    method = new(name).fit(Y, X)
    again = clone(method)
    assert not hasattr(again, "n_features_in_")
    np.testing.assert_array_equal(method.transform(Y, X), again.fit(Y, X).transform(Y, X))
    np.testing.assert_array_equal(Y, before)


@pytest.mark.parametrize("name", sorted(n for n, m in ALIGNERS.items() if m.row_independent))
def test_a_row_s_result_never_depends_on_its_batch(name):
    method = new(name).fit(Y, X)
    together = method.transform(Y[:50], X[:50])
    alone = np.concatenate([method.transform(Y[i : i + 1], X[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    backwards = method.transform(Y[:50][::-1], X[:50][::-1])[::-1]
    np.testing.assert_allclose(together, backwards, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_every_method_saves_and_loads_without_pickle(name, tmp_path):
    method = new(name).fit(Y, X)
    path = method.save(tmp_path / "model.npz")
    again = load_aligner(path)
    assert type(again) is type(method)
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in method.get_params().items()} == {
        k: list(v) if isinstance(v, tuple) else v for k, v in again.get_params().items()
    }
    np.testing.assert_array_equal(method.transform(Y, X), again.transform(Y, X))
    np.testing.assert_array_equal(method.transform_target(X), again.transform_target(X))
    with np.load(path, allow_pickle=False) as stored:  # raises if anything needs pickle
        assert json.loads(bytes(stored["header"]))["method"] == name
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.npz"]


@pytest.mark.parametrize("name", sorted(n for n, m in ALIGNERS.items() if not m.needs_pairs))
def test_methods_without_pairs_ignore_the_pairing(name):
    order = np.random.default_rng(0).permutation(len(X))
    if name == "permuted":
        return
    straight = new(name).fit(Y, X).transform(NEW_Y)
    shuffled = new(name).fit(Y, X[order]).transform(NEW_Y)
    np.testing.assert_allclose(straight, shuffled, atol=2e-6)


@pytest.mark.parametrize(
    "name",
    [
        "identity",
        "mean-shift",
        "gap-shift",
        "center-both",
        "realign",
        "coral",
        "bures",
        "bounded",
        "orthogonal",
        "memory",
        "neighbour-mean",
        "sinkhorn",
        "procrustes",
        "ridge",
    ],
)
def test_methods_follow_an_orthogonal_change_of_basis(name):
    q = ortho_group.rvs(24, random_state=1).astype(np.float32)
    turned = new(name).fit(Y @ q, X @ q).transform(NEW_Y @ q)
    straight = new(name).fit(Y, X).transform(NEW_Y)
    np.testing.assert_allclose(turned, straight @ q, atol=2e-5)


def test_standardise_does_not_follow_a_change_of_basis():
    q = ortho_group.rvs(24, random_state=1).astype(np.float32)
    turned = Standardize().fit(Y @ q, X @ q).transform(NEW_Y @ q)
    straight = Standardize().fit(Y, X).transform(NEW_Y)
    assert np.abs(turned - straight @ q).max() > 1e-2


# -- what each method is -------------------------------------------------------------------------


def test_mean_shift_moves_the_mean_before_projection():
    method = MeanShift().fit(Y, X)
    moved = method.map_.before_projection(Y)
    np.testing.assert_allclose(moved.mean(0), X.mean(0), atol=1e-5)


def test_gap_shift_meets_half_way():
    method = GapShift(shift=1.0).fit(Y, X)
    y, x = method.map_.before_projection(Y), method.target_map_.before_projection(X)
    np.testing.assert_allclose(y.mean(0), x.mean(0), atol=1e-5)
    np.testing.assert_allclose(GapShift(shift=0.0).fit(Y, X).transform(Y), Y, atol=1e-6)


def test_center_both_moves_both_means_to_the_origin():
    method = CenterBoth().fit(Y, X)
    np.testing.assert_allclose(method.map_.before_projection(Y).mean(0), 0, atol=1e-5)
    assert not np.allclose(method.transform_target(X), X)


def test_c3_noise_belongs_to_the_row_and_the_seed():
    method = C3(sigma=0.3).fit(Y, X)
    z = method.transform(Y)
    assert not np.allclose(z, C3(sigma=0.3, random_state=1).fit(Y, X).transform(Y))
    np.testing.assert_allclose(
        C3(sigma=0).fit(Y, X).transform(Y), MeanShift().fit(Y, X).transform(Y), atol=1e-6
    )
    from anisoalign_core.align.baselines import row_noise

    noise = row_noise(paired_world(4000, 24)[0], 0)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(1, abs=0.01)
    correlation = np.corrcoef(noise.T) - np.eye(24)
    assert np.abs(correlation).max() < 0.08
    with pytest.raises(AnisoAlignError, match="adds noise"):
        method.to_torch()


def test_realign_follows_its_formula_and_lands_near_the_target_mean():
    y, x = Y.astype(np.float64), X.astype(np.float64)
    s = np.sqrt(x.var(0).sum() / y.var(0).sum())
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    e = unit(x.mean(0) + s * (y - y.mean(0)))
    expected = unit(e - e.mean(0) + x.mean(0))
    method = ReAlign().fit(Y, X)
    assert method.scale_ == pytest.approx(s, rel=1e-6)
    np.testing.assert_allclose(method.transform(Y), expected, atol=1e-6)


def test_coral_and_bures_match_both_moments():
    for name in (Coral, Bures):
        method = name().fit(Y, X)
        source, target = Moments.of(Y).shrunk()[0], Moments.of(X).shrunk()[0]
        a = method.map_.linear
        np.testing.assert_allclose(a @ source @ a.T, target, atol=1e-9)
    a = Bures().fit(Y, X).map_.linear
    np.testing.assert_allclose(a, a.T, atol=1e-12)
    assert np.linalg.eigvalsh(a).min() > 0


def test_bures_moves_less_than_coral():
    mean = lambda m: np.mean(np.sum((m.map_.before_projection(Y) - Y) ** 2, axis=1))  # noqa: E731
    assert mean(Bures().fit(Y, X)) <= mean(Coral().fit(Y, X))


def test_relaxed_transport_starts_at_the_mean_shift():
    np.testing.assert_allclose(
        Bures(relaxation=0.0).fit(Y, X).transform(Y), MeanShift().fit(Y, X).transform(Y), atol=1e-6
    )


def test_procrustes_is_the_best_rotation_and_ridge_beats_it_in_squares():
    rotation = Procrustes().fit(Y, X).map_.linear
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(24), atol=1e-8)
    q = ortho_group.rvs(24, random_state=2)
    turned = (Y - Y.mean(0)) @ q
    recovered = Procrustes().fit(Y, (Y @ q).astype(np.float32)).map_.linear
    np.testing.assert_allclose((Y - Y.mean(0)) @ recovered.T, turned, atol=1e-4)
    error = lambda m: np.sum((m.map_.before_projection(Y) - X) ** 2)  # noqa: E731
    assert error(Ridge().fit(Y, X)) < error(Procrustes().fit(Y, X))


def test_the_oracle_recovers_partners_and_needs_them():
    method = Oracle().fit(Y, X)
    np.testing.assert_allclose(method.transform(Y, X), X, atol=1e-5)
    half = Oracle(strength=0.5).fit(Y, X).transform(Y, X)
    assert np.mean(np.sum(half * X, 1)) < 1
    with pytest.raises(NeedsPairsError, match="partner"):
        method.transform(Y)


def test_the_permuted_control_is_the_target_in_another_order():
    z = PermutedTarget().fit(Y, X).transform(Y)
    assert sorted(map(bytes, z)) == sorted(map(bytes, X))
    assert np.mean(np.all(z == X, axis=1)) < 0.05
    with pytest.raises(ShapeError, match="without repeats"):
        PermutedTarget().fit(Y[:20], X[:20]).transform(Y)


# -- BoundedTransport ----------------------------------------------------------------------------


def test_bound_zero_is_realign():
    np.testing.assert_allclose(
        BoundedTransport(bound=0.0).fit(Y, X).transform(NEW_Y),
        ReAlign().fit(Y, X).transform(NEW_Y),
        atol=1e-6,
    )


def test_an_infinite_bound_is_gaussian_optimal_transport():
    source, target = Moments.of(Y).shrunk()[0], Moments.of(X).shrunk()[0]
    method = BoundedTransport(bound=float("inf")).fit(Y, X)
    np.testing.assert_allclose(method.map_.linear, bures_map(source, target), atol=1e-10)


@pytest.mark.parametrize("frame", ["full", "joint", "target"])
@pytest.mark.parametrize("bound", [0.05, 0.3, 1.0])
def test_stretches_and_distances_stay_within_the_bound(frame, bound):
    method = BoundedTransport(bound=bound, frame=frame, rank=None if frame == "full" else 6)
    method.fit(Y, X)
    low, high = method.scale_ * np.exp(-bound), method.scale_ * np.exp(bound)
    eigenvalues = np.linalg.eigvalsh(method.map_.linear)
    assert eigenvalues.min() >= low - 1e-9
    assert eigenvalues.max() <= high + 1e-9
    mapped = method.map_.before_projection(NEW_Y)
    distance = lambda rows: np.linalg.norm(rows[:100, None] - rows[None, 100:200], axis=2)  # noqa: E731
    ratio = distance(mapped) / distance(NEW_Y)
    assert ratio.min() >= low - 1e-4
    assert ratio.max() <= high + 1e-4


def test_frames_act_only_where_they_say():
    method = BoundedTransport(bound=0.4, frame="target", rank=6).fit(Y, X)
    assert method.rank_ == 6
    assert np.ptp(method.stretch_[6:]) == pytest.approx(0, abs=1e-12)
    outside = method.basis_[:, 6:]
    mapped = method.map_.linear @ outside
    np.testing.assert_allclose(mapped, outside * method.stretch_[6], atol=1e-9)


def test_a_full_rank_frame_is_no_restriction():
    full = BoundedTransport(bound=0.2).fit(Y, X).transform(NEW_Y)
    joint = BoundedTransport(bound=0.2, frame="joint", rank=24).fit(Y, X).transform(NEW_Y)
    np.testing.assert_allclose(full, joint, atol=1e-5)


@pytest.mark.parametrize("bound", [0.0, 0.15, 0.8])
def test_the_sweep_gives_what_a_new_fit_gives(bound):
    fitted = BoundedTransport(bound=bound).fit(Y, X)
    view = BoundSweep(BoundedTransport(bound=0.5).fit(Y, X), NEW_Y, Y).at(bound)
    z = fitted.transform(NEW_Y)
    np.testing.assert_allclose(view.rows(), z, atol=2e-6)
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((24, 3)))[0]
    np.testing.assert_allclose(view.project(directions), z @ directions, atol=2e-6)
    np.testing.assert_allclose(
        BoundedTransport(bound=0.5).fit(Y, X).with_bound(bound, Y).transform(NEW_Y), z, atol=1e-6
    )


def test_auto_takes_the_largest_bound_that_keeps_psi():
    from anisoalign_core.align.bounded import auto_rows
    from anisoalign_core.metrics.comparison import Comparison
    from anisoalign_core.metrics.semantics import psi

    method = BoundedTransport(bound="auto").fit(Y, X)
    held, kept = auto_rows(len(Y), 0)

    def psi_at(bound):
        fitted = BoundedTransport(bound=bound).fit(Y[kept], X)
        return psi(Comparison(Y[held], fitted.transform(Y[held]), X))

    assert 0 < method.bound_ < 1.5
    assert psi_at(method.bound_) >= psi_at(0.0) - 0.0101
    assert psi_at(method.bound_ + 0.02) < psi_at(0.0) - 0.0099
    order = np.random.default_rng(5).permutation(len(X))
    assert BoundedTransport(bound="auto").fit(Y, X[order]).bound_ == method.bound_


def test_wrong_parameters_are_refused_in_words():
    for keywords, words in (
        ({"bound": -1.0}, "bound is -1"),
        ({"bound": "large"}, "bound is 'large'"),
        ({"frame": "both"}, "frame is 'both'"),
        ({"frame": "joint", "rank": 99}, "rank is 99"),
    ):
        with pytest.raises(ParameterError, match=words):
            BoundedTransport(**keywords).fit(Y, X)
    with pytest.raises(ParameterError, match="at least 10"):
        BoundedTransport(bound="auto").fit(Y[:5], X)
    with pytest.raises(ParameterError, match="relaxation is 2"):
        Bures(relaxation=2.0).fit(Y, X)


# -- edges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(n for n, m in ALIGNERS.items() if not m.is_control))
def test_fewer_rows_than_dimensions_and_two_rows_still_give_unit_rows(name):
    keywords = {"bound": 0.2} if name == "bounded" else {}
    for n in (10, 2):
        method = new(name, **keywords).fit(Y[:n], X[:n])
        z = method.transform(NEW_Y)
        assert np.isfinite(z).all()
        np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)


def test_use_before_fit_and_wrong_shapes_are_refused_in_words():
    with pytest.raises(NotFittedError, match="Call fit"):
        MeanShift().transform(Y)
    with pytest.raises(ShapeError, match="24 dimensions, target rows 5"):
        MeanShift().fit(Y, X[:, :5])
    with pytest.raises(ShapeError, match="fitted on 24"):
        MeanShift().fit(Y, X).transform(Y[:, :5])
    with pytest.raises(ShapeError, match="at least two rows"):
        MeanShift().fit(Y[:1], X)
    with pytest.raises(ShapeError, match="learns from pairs"):
        Procrustes().fit(Y, X[:10])
    with pytest.raises(ParameterError, match="point the same way"):
        ReAlign().fit(np.repeat(Y[:1], 5, axis=0), X)


def test_a_row_without_direction_is_named():
    method = CenterBoth().fit(Y, X)
    centre = method.map_.source_mean
    rows = Y[:3].copy()
    method.map_ = type(method.map_)(rows[1].astype(float), method.map_.linear, np.zeros(24))
    with pytest.raises(InvalidRowsError, match="Row 1 falls on the origin"):
        method.transform(rows)
    assert centre.shape == (24,)


def test_a_model_whose_parts_do_not_fit_is_refused(tmp_path):
    path = ReAlign().fit(Y, X).save(tmp_path / "model.npz")
    with np.load(path) as stored:
        parts = dict(stored)
    for changed in ({"map_.target_mean": np.zeros(5)}, {"map_.linear": np.zeros((3, 24))}):
        np.savez(tmp_path / "broken.npz", **(parts | changed))
        with pytest.raises(AnisoAlignError, match="do not fit together"):
            load_aligner(tmp_path / "broken.npz")
    smaller = {key: value[:5] if value.shape == (24,) else value for key, value in parts.items()}
    np.savez(tmp_path / "broken.npz", **smaller)
    with pytest.raises(FormatError, match="another dimension"):
        load_aligner(tmp_path / "broken.npz")


def stored(method, tmp_path):
    """Save a method; return what its file holds, and its header as a dictionary."""
    with np.load(method.save(tmp_path / "model.npz")) as file:
        parts = dict(file)
    return parts, json.loads(parts["header"].tobytes())


def header(body):
    return np.frombuffer(json.dumps(body).encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    "fitted",
    [
        {"bound": 3.0},  # no fitted attribute
        {"__class__": 1},
        {"transform_": 1, "_fit_": 1},
        {"n_source_": True},
        {"n_source_": 1},
        {"n_target_": 20.0},
        {"target_map_": 4},
        {"fitted_on_": {"source": {"name": "texts"}}},
    ],
    ids=str,
)
def test_only_fitted_attributes_of_the_right_kind_are_read(tmp_path, fitted):
    parts, body = stored(ReAlign().fit(Y, X), tmp_path)
    assert load_aligner(tmp_path / "model.npz").n_source_ == 400
    body["fitted"] |= fitted
    np.savez(tmp_path / "model.npz", **(parts | {"header": header(body)}))
    with pytest.raises(FormatError, match=r"model\.npz is not a model saved by this library"):
        load_aligner(tmp_path / "model.npz")


def test_members_must_be_whole_finite_numbers(tmp_path):
    parts, body = stored(ReAlign().fit(Y, X), tmp_path)
    broken = parts["map_.target_mean"].copy()
    broken[0] = np.nan
    for changed in (
        {"map_.target_mean": broken},
        {"map_.target_mean": np.array(["a"] * 24)},
        {"map_.colour": np.zeros(24)},
        {"nothing_.here": np.zeros(24)},
        {"fit_": np.array("texts")},
    ):
        np.savez(tmp_path / "model.npz", **(parts | changed))
        with pytest.raises(FormatError, match="not a model saved by this library"):
            load_aligner(tmp_path / "model.npz")
    del parts["map_.linear"]
    np.savez(tmp_path / "model.npz", **parts)
    with pytest.raises(FormatError, match="not a model saved by this library"):
        load_aligner(tmp_path / "model.npz")
    np.savez(tmp_path / "model.npz", header=header(body | {"format_version": 99}))
    with pytest.raises(FormatError, match="another version of this library"):
        load_aligner(tmp_path / "model.npz")
    deep = np.frombuffer(b"[" * 100_000, dtype=np.uint8)
    np.savez(tmp_path / "model.npz", header=deep)
    with pytest.raises(FormatError, match="nested too deeply"):
        load_aligner(tmp_path / "model.npz")


def test_rows_of_a_saved_control_must_be_unit_rows(tmp_path):
    parts, _ = stored(PermutedTarget().fit(Y, X), tmp_path)
    for rows in (2 * parts["rows_"], parts["rows_"][:-1]):
        np.savez(tmp_path / "model.npz", **(parts | {"rows_": rows}))
        with pytest.raises(AnisoAlignError, match="are not unit rows"):
            load_aligner(tmp_path / "model.npz")


def test_a_model_that_this_row_has_no_place_under_is_still_read(tmp_path):
    """On loading one row is tried; the map may send just that one to the origin."""
    row = np.full(24, 24**-0.5)
    parts, _ = stored(CenterBoth().fit(Y, X), tmp_path)
    np.savez(tmp_path / "model.npz", **(parts | {"map_.source_mean": row.astype(np.float32)}))
    loaded = load_aligner(tmp_path / "model.npz")
    np.testing.assert_allclose(np.linalg.norm(loaded.transform(Y), axis=1), 1, atol=1e-5)
    with pytest.raises(InvalidRowsError, match="Row 0 falls on the origin"):
        loaded.transform(row[None])


def test_many_rows_are_mapped_in_blocks_that_change_nothing():
    method = ReAlign().fit(Y, X)
    rows = np.tile(Y, (24, 1))
    told = []
    mapped = method.map_.apply(rows, lambda fraction, words: told.append((fraction, words)))
    np.testing.assert_array_equal(mapped, np.tile(method.transform(Y), (24, 1)))
    assert [fraction for fraction, _ in told] == sorted({fraction for fraction, _ in told})
    assert told[-1] == (1.0, "9,600 of 9,600 rows corrected")
    rows[9000] = method.map_.source_mean
    method.map_ = type(method.map_)(rows[9000].astype(float), method.map_.linear, np.zeros(24))
    with pytest.raises(InvalidRowsError, match="Row 9000 falls on the origin"):
        method.map_.apply(rows)


def test_a_map_that_leaves_the_range_of_float32_names_the_row():
    method = CenterBoth().fit(Y, X)
    zero, huge = np.zeros(24), np.full(24, 1e38)
    method.map_ = type(method.map_)(zero, huge, zero)
    rows = np.vstack([np.eye(24)[:2], Y[:1]]).astype(np.float32)
    rows[2] = 24**-0.5
    with np.errstate(all="ignore"):
        found = method.map_.apply(rows)
        np.testing.assert_allclose(found, rows, atol=1e-6)
        method.map_ = type(method.map_)(zero, np.full(24, 1e39), zero)
        with pytest.raises(InvalidRowsError, match=r"Row 0 leaves the range of float32 .*3 such"):
            method.map_.apply(rows)


def test_what_has_no_module_or_file_says_why(tmp_path):
    with pytest.raises(AnisoAlignError, match="is not an affine map of the row alone"):
        PermutedTarget().fit(Y, X).to_torch()
    with pytest.raises(AnisoAlignError, match="or is not fitted"):
        ReAlign().to_torch()
    with pytest.raises(NotFittedError, match="nothing to save"):
        ReAlign().save(tmp_path / "model.npz")
    with pytest.raises(NotFittedError, match="Call fit first"):
        BoundedTransport().with_bound(0.2, Y)
    with pytest.raises(ParameterError, match="rank is 25; choose it between 1 and 24"):
        Oracle(rank=25).fit(Y, X)
    with pytest.raises(ParameterError, match="sigma is -1"):
        C3(sigma=-1).fit(Y, X)
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_not_models(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("other.npz", "text.npz", "absent.npz"):
        with pytest.raises(FormatError):
            load_aligner(tmp_path / name)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*is deprecated")
@pytest.mark.parametrize(
    "name",
    [
        "identity",
        "mean-shift",
        "gap-shift",
        "center-both",
        "standardize",
        "realign",
        "coral",
        "bures",
        "bounded",
        "orthogonal",
        "procrustes",
        "ridge",
    ],
)
def test_the_torch_module_gives_the_same_rows(name):
    torch = pytest.importorskip("torch")
    method = new(name).fit(Y, X)
    module = method.to_torch()
    rows = torch.tensor(np.array(NEW_Y))
    expected = method.transform(NEW_Y)
    np.testing.assert_allclose(module(rows).numpy(), expected, atol=1e-6)
    scripted = torch.jit.script(module)
    np.testing.assert_allclose(scripted(rows).numpy(), expected, atol=1e-6)
    double = module.to(torch.float64)(rows.double() * 3.0)
    assert double.dtype == torch.float64
    np.testing.assert_allclose(double.numpy(), expected, atol=1e-6)


# -- a rotation instead of a shift, a relaxation instead of a clip --------------------------------


def test_the_mean_rotation_turns_one_mean_onto_the_other_and_keeps_every_cosine():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 9))
    turn = mean_rotation(a, b)
    np.testing.assert_allclose(turn @ turn.T, np.eye(9), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(turn @ a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-12)
    across = np.linalg.svd(np.stack([a, b]))[2][2:]
    np.testing.assert_allclose(across @ turn.T, across, atol=1e-12)
    np.testing.assert_allclose(mean_rotation(a, -a) @ a, -a, atol=1e-9)
    np.testing.assert_array_equal(mean_rotation(a, 2 * a), np.eye(9))
    np.testing.assert_array_equal(mean_rotation(a, 0 * a), np.eye(9))


@pytest.mark.parametrize("rule", ["clip", "relax"])
@pytest.mark.parametrize("bound", [0.0, 0.3, 1.5, np.inf])
def test_every_rule_keeps_stretches_within_the_bound(rule, bound):
    method = BoundedTransport(bound=bound, recentre="rotate", rule=rule).fit(Y, X)
    ratio = method.stretch_ / method.scale_
    if np.isinf(bound):
        np.testing.assert_allclose(method.stretch_, method.raw_stretch_)
    else:
        assert ratio.min() >= np.exp(-bound) - 1e-12
        raw = method.raw_stretch_ / method.scale_
        assert ratio.max() <= (np.exp(bound) if rule == "clip" else max(raw.max(), 1)) + 1e-12
    if bound == 0:
        np.testing.assert_allclose(ratio, 1)


def test_a_rotation_keeps_more_neighbours_than_a_shift_at_bound_zero():
    from anisoalign_core.metrics.comparison import Comparison
    from anisoalign_core.metrics.semantics import psi

    shift, rotate = (
        BoundedTransport(bound=0.0, recentre=how).fit(Y, X).transform(NEW_Y)
        for how in ("shift", "rotate")
    )
    assert psi(Comparison(NEW_Y, rotate, X)) > psi(Comparison(NEW_Y, shift, X))


@pytest.mark.parametrize("rule", ["clip", "relax"])
def test_a_rotated_transport_is_affine_saved_swept_and_equivariant(rule, tmp_path):
    keywords = {"bound": 0.4, "recentre": "rotate", "rule": rule}
    method = BoundedTransport(**keywords).fit(Y, X)
    straight = method.transform(NEW_Y)
    again = load_aligner(method.save(tmp_path / "m.npz"))
    np.testing.assert_array_equal(again.transform(NEW_Y), straight)
    view = BoundSweep(BoundedTransport(**(keywords | {"bound": 0.0})).fit(Y, X), NEW_Y, Y).at(0.4)
    np.testing.assert_allclose(view.rows(), straight, atol=2e-6)
    np.testing.assert_allclose(view.project(np.eye(24)[:, :2]), straight[:, :2], atol=2e-6)
    moved = method.with_bound(0.1, Y).transform(NEW_Y)
    other = BoundedTransport(**(keywords | {"bound": 0.1})).fit(Y, X).transform(NEW_Y)
    np.testing.assert_allclose(moved, other, atol=2e-6)
    q = ortho_group.rvs(24, random_state=1).astype(np.float32)
    turned = BoundedTransport(**keywords).fit(Y @ q, X @ q).transform(NEW_Y @ q)
    np.testing.assert_allclose(turned, straight @ q, atol=2e-5)


@pytest.mark.parametrize("wrong", [{"recentre": "turn"}, {"rule": "squeeze"}])
def test_unknown_recentring_and_rules_are_refused(wrong):
    with pytest.raises(ParameterError, match="choose"):
        BoundedTransport(bound=0.1, **wrong).fit(Y, X)
