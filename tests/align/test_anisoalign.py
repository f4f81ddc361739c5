"""AnisoAlign: the facts its equations state, its bounds, its state, its falsifiers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

import anisoalign_core as aa
from anisoalign_core.align.anisoalign import (
    Bounds,
    Initial,
    Phases,
    PhaseStatistics,
    Training,
    build_frame,
)
from anisoalign_core.align.anisoalign.initial import Initialisation
from anisoalign_core.align.anisoalign.network import Network
from anisoalign_core.align.anisoalign.prior import (
    PhaseField,
    control_phases,
    wrapped_log_density,
    wrapped_score,
)
from anisoalign_core.align.anisoalign.refine import limited, phase_loss
from anisoalign_core.errors import FormatError, NotFittedError, ParameterError, ShapeError
from anisoalign_core.geometry.polar import wrap
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import unit_rows

QUICK = {"rank": 6, "prior_steps": 12, "refine_steps": 12, "batch": 32, "hidden": 16}


def made(variant="paper", **parameters):
    """Return the method with parameters under their names in text."""
    return aa.AnisoAlign.of({"variant": variant, **parameters})


@pytest.fixture(scope="module")
def sides():
    """Two cones with different spreads in 16 dimensions: 200 source rows, 180 target rows."""
    rng = np.random.default_rng(5)
    scale = np.linspace(1.2, 0.2, 16)
    y = unit_rows(rng.standard_normal((200, 16)) * scale + 2 * np.eye(16)[0])
    x = unit_rows(rng.standard_normal((180, 16)) * scale[::-1] * 0.7 + 2 * np.eye(16)[1])
    return y, x


@pytest.fixture(scope="module")
def fitted(sides):
    return made(**QUICK, bound_v=0.05).fit(*sides)


@pytest.fixture
def pushed(sides, fitted):
    """A fitted model whose refinement pushes hard in every coordinate."""
    rng = np.random.default_rng(0)
    other = fitted.with_bounds()
    network = fitted.refiner_
    values = rng.standard_normal(network.values.shape).astype(np.float32) * 3
    other.refiner_ = Network(network.sizes, values, network.shift, network.scale)
    other._calibrate(sides[0])
    return other


# parameters in groups


def test_flat_parameters_are_deprecated_and_still_mean_the_same():
    flat = {"rank": 6, "bound_theta": 0.1, "prior_steps": 12, "refine": False, "gram_weight": 2}
    with pytest.warns(DeprecationWarning, match=r"bounds=Bounds\(theta=…\) now"):
        old = aa.AnisoAlign("corrected", **flat)
    new = made("corrected", **flat)
    assert old.get_params() == new.get_params()
    with pytest.warns(DeprecationWarning, match="bounds=Bounds"):
        assert old.bound_theta == 0.1
    with pytest.warns(DeprecationWarning, match="losses=Weights"):
        old.set_params(gram_weight=3.0, rank=4)
    assert (old.losses.gram, old.rank, old.bounds) == (3.0, 4, Bounds(theta=0.1))
    for wrong in (lambda: aa.AnisoAlign(sharpness=1), lambda: made(sharpness=1)):
        with pytest.raises((TypeError, ValueError), match="sharpness"):
            wrong()
    with pytest.raises(AttributeError, match="no attribute 'sharpness'"):
        _ = old.sharpness


def test_groups_are_shown_by_what_differs_cloned_and_taken_whole_from_json():
    model = aa.AnisoAlign(phases=Phases(prior_steps=9), training=Training(hidden=8, limit=0.1))
    assert "Phases(prior_steps=9)" in repr(model)
    assert repr(Bounds()) == "Bounds()"
    assert clone(model).get_params() == model.get_params()
    nested = {"phases": {"prior_steps": 9}, "training": {"hidden": 8, "limit": 0.1}}
    assert aa.AnisoAlign.of(nested).get_params() == model.get_params()
    assert aa.AnisoAlign.of(model.plain_params()).get_params() == model.get_params()
    assert model.set_params(bounds=Bounds(0.1)).bounds.theta == 0.1
    assert len(model.get_params()) == 8


# parts of a damaged file


def test_phase_statistics_that_do_not_fit_together_are_refused(fitted):
    phases = fitted.phases_
    assert phases.blocks == len(phases.mean)
    with pytest.raises(ShapeError, match="do not fit together"):
        replace(phases, coupling=phases.coupling[:-1])
    with pytest.raises(ShapeError, match="do not fit together"):
        replace(phases, weight=phases.weight[:-1])
    with pytest.raises(ShapeError, match="do not fit together"):
        replace(phases, edges=phases.edges.ravel())
    for block in (-1, phases.blocks):
        with pytest.raises(ShapeError, match="names a block that is not there"):
            replace(phases, edges=np.array([[0, block]]))


def test_two_blocks_restate_nothing_that_could_be_correlated():
    rng = np.random.default_rng(0)
    radii = np.ones((50, 2), dtype=np.float32)
    phases = rng.uniform(-np.pi, np.pi, (50, 2)).astype(np.float32)
    assert np.isnan(PhaseStatistics.of(radii, phases).restated)
    radii, phases = np.ones((50, 4), np.float32), np.tile(phases, (1, 2))
    assert -1 <= PhaseStatistics.of(radii, phases).restated <= 1


# the frame


def test_the_frame_is_orthonormal_and_spans_the_leading_directions(sides):
    y, x = Moments.of(sides[0]), Moments.of(sides[1])
    mixed, plain = (build_frame(y, x, rank=6, mixing=how).basis for how in ("haar", "none"))
    assert mixed.T @ mixed == pytest.approx(np.eye(6), abs=1e-12)
    assert mixed @ mixed.T == pytest.approx(plain @ plain.T, abs=1e-12)
    assert np.abs(mixed - plain).max() > 0.1
    values = np.linalg.eigvalsh(y.covariance + x.covariance)[::-1]
    assert np.trace(plain.T @ (y.covariance + x.covariance) @ plain) == pytest.approx(
        values[:6].sum()
    )


def test_the_default_rank_is_even_and_at_most_a_tenth_of_the_smaller_side(sides):
    y, x = Moments.of(sides[0]), Moments.of(sides[1][:100])
    assert build_frame(y, x).rank <= 10
    assert build_frame(y, x).rank % 2 == 0


def test_an_odd_rank_is_refused(sides):
    with pytest.raises(ParameterError, match="even"):
        made(rank=5, refine=False).fit(*sides)


# phase statistics


def test_independent_phases_couple_uncentred_but_not_centred():
    rng = np.random.default_rng(2)
    phases = wrap(rng.normal(1.0, 0.8, (4000, 8)))
    radii = np.ones_like(phases)
    uncentred = PhaseStatistics.of(radii, phases)
    assert np.abs(uncentred.graph).max() > 0.4
    assert (
        np.abs(uncentred.coupling - np.outer(uncentred.mean, uncentred.mean.conj()))[
            np.triu_indices(8, 1)
        ].max()
        < 0.06
    )
    centred = PhaseStatistics.of(radii, phases, centred=True)
    assert len(centred.edges) <= 2  # 28 pairs at three standard deviations


def test_tied_phases_are_found_by_both():
    rng = np.random.default_rng(3)
    phases = rng.uniform(-np.pi, np.pi, (2000, 5))
    phases[:, 3] = wrap(phases[:, 0] - 0.7)
    for centred in (False, True):
        found = PhaseStatistics.of(np.ones_like(phases), phases, partners=1, centred=centred)
        assert [0, 3] in found.edges.tolist()
        assert np.angle(found.coupling[0, 3]) == pytest.approx(0.7, abs=0.05)


def test_every_block_keeps_its_strongest_partners():
    rng = np.random.default_rng(4)
    found = PhaseStatistics.of(np.ones((300, 9)), rng.uniform(-np.pi, np.pi, (300, 9)), partners=2)
    degree = np.bincount(found.edges.ravel(), minlength=9)
    assert degree.min() >= 2
    size = np.abs(found.coupling - np.eye(9) * 2)
    for k in range(9):
        strongest = sorted(set(range(9)) - {k}, key=lambda other: -size[k, other])[:2]
        edges = {tuple(edge) for edge in found.edges.tolist()}
        assert all((min(k, s), max(k, s)) in edges for s in strongest)


def test_weights_are_shares_of_energy():
    radii = np.tile([1.0, 2.0, 3.0], (10, 1))
    found = PhaseStatistics.of(radii, np.zeros((10, 3)))
    assert found.weight == pytest.approx(np.array([1, 4, 9]) / 14)


# Stage I


@pytest.mark.parametrize("centred", [False, True])
def test_the_drift_is_the_gradient_of_its_potential(centred):
    rng = np.random.default_rng(6)
    phases = wrap(rng.normal(0.5, 1.0, (400, 7)) + rng.normal(0, 1.0, (400, 1)))
    statistics = PhaseStatistics.of(rng.uniform(0.5, 2, phases.shape), phases, centred=centred)
    assert len(statistics.edges) > 3
    field = PhaseField.of(statistics, "cpu")
    at = torch.tensor(phases[:20], dtype=torch.float32, requires_grad=True)
    (gradient,) = torch.autograd.grad(field.potential(at).sum(), at)
    assert field.drift(at).detach().numpy() == pytest.approx(gradient.numpy(), abs=1e-5)


def test_the_potential_is_the_published_sum():
    rng = np.random.default_rng(7)
    phases = wrap(rng.normal(0.5, 1.0, (300, 4)))
    statistics = PhaseStatistics.of(np.ones_like(phases), phases, partners=1)
    point = phases[0]
    expected = np.sum(statistics.weight * (1 - np.cos(point - statistics.anchor)))
    for k, other in statistics.edges:
        m = statistics.coupling[k, other]
        expected += abs(m) * (1 - np.cos(point[k] - point[other] - np.angle(m)))
    field = PhaseField.of(statistics, "cpu")
    found = field.potential(torch.tensor(point[None], dtype=torch.float32))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("variance", [0.005, 0.1, 0.5])
def test_the_wrapped_score_is_the_gradient_of_the_log_density(variance):
    at = torch.linspace(-3.1, 3.1, 63, dtype=torch.float64)[:, None].requires_grad_()
    centre = torch.full((63, 1), 2.5, dtype=torch.float64)
    spread = torch.tensor(variance, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(wrapped_log_density(at, centre, spread).sum(), at)
    score = wrapped_score(at, centre, spread).detach()
    assert score.numpy() == pytest.approx(gradient.numpy(), abs=1e-8)


def test_three_images_are_enough_for_the_noise_in_use():
    at = torch.linspace(-np.pi, np.pi, 101, dtype=torch.float64)[:, None]
    few, many = (
        wrapped_score(at, torch.zeros_like(at), torch.tensor(0.5), images=k) for k in (3, 11)
    )
    assert torch.allclose(few, many, atol=1e-6)


def test_a_prior_learns_tied_phases_and_nothing_from_uniform_ones():
    rng = np.random.default_rng(8)
    angle = rng.uniform(-np.pi, np.pi, (600, 1))
    rows = np.hstack([np.cos(angle + k) for k in range(4)] + [np.sin(angle + k) for k in range(4)])
    rows = unit_rows(rows + 0.05 * rng.standard_normal(rows.shape))
    keywords = {**QUICK, "rank": 4, "prior_steps": 300, "batch": 256, "hidden": 64}
    ends = {}
    for prior in ("target", "uniform"):
        model = made(**keywords, prior=prior).fit(rows[:300], rows[300:])
        ends[prior] = model.losses_["stage_1_unseen"][-1]
    assert ends["target"] < 0.85
    assert ends["uniform"] > 0.95


def test_falsifiers_change_what_they_say_and_nothing_else():
    rng = np.random.default_rng(9)
    phases = wrap(rng.normal(0.5, 0.5, (500, 3))).astype(np.float32)
    shuffled = control_phases(phases, "shuffled", 0)
    assert np.array_equal(np.sort(shuffled, axis=0), np.sort(phases, axis=0))
    assert not np.array_equal(shuffled, phases)
    uniform = control_phases(phases, "uniform", 0)
    assert np.abs(np.exp(1j * uniform).mean(axis=0)).max() < 0.15
    assert control_phases(phases, "target", 0) is phases


# the start


def test_the_start_keeps_phases_and_matches_radii_and_complement(sides):
    y, x = sides
    model = made(refine=False, rank=6).fit(y, x)
    shift = (model.initial_.target_mean - model.initial_.source_mean).astype(np.float32)
    radii, phases = model.frame_.polar(y + shift, 1e-8)
    start = model.prepare(y).start
    assert start.phases == pytest.approx(phases, abs=1e-6)
    target_radii, _ = model.frame_.polar(x, 1e-8)
    levels = np.linspace(0.05, 0.95, 19)
    for k in range(3):
        assert np.quantile(start.radii[:, k], levels) == pytest.approx(
            np.quantile(target_radii[:, k], levels), abs=0.02
        )
        order = np.argsort(radii[:, k])
        assert (np.diff(start.radii[order, k]) >= 0).all()
    assert np.abs(start.outside @ model.frame_.basis).max() < 1e-5


def test_the_spread_of_the_complement_is_limited(sides):
    y, x = sides
    wild = made(refine=False, rank=6, stretch_limit=1.5).fit(y, x).initial_.stretch
    assert wild.min() >= 1 / 1.5 - 1e-12 and wild.max() <= 1.5 + 1e-12


def test_quantile_levels_are_thinned_without_moving_the_map(sides):
    y, x = sides
    source, target = Moments.of(y), Moments.of(x)
    frame = build_frame(source, target, rank=6)
    means = source.mean, target.mean
    few, all_ = (
        Initialisation.of(frame, y, x, *means, Initial(quantiles=q)).state(frame, y)
        for q in (60, 1024)
    )
    assert np.abs(few.radii - all_.radii).max() < 0.15
    assert np.abs(few.radii - all_.radii).mean() < 0.005


def test_without_refinement_nothing_needs_torch(sides, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)  # importing it now fails
    z = made(refine=False, rank=6).fit(*sides).transform(sides[0])
    assert np.linalg.norm(z, axis=1) == pytest.approx(1, abs=1e-6)


def test_training_without_torch_says_what_to_install(sides, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(aa.AnisoAlignError, match=r'pip install "anisoalign-studio\[train\]"'):
        made(**QUICK).fit(*sides)


# Stage II


def test_corrections_keep_their_bounds(sides, pushed):
    prepared = pushed.prepare(sides[0])
    bounds = Bounds(0.4, 0.25, 0.05)
    moved, start = prepared.at(bounds), prepared.start
    turned = wrap(moved.phases - start.phases)
    assert np.abs(turned).max() <= 0.4 + 1e-5
    assert np.abs(turned).max() > 0.39
    ratio = np.log(moved.radii / start.radii)
    assert np.abs(ratio).max() <= 0.25 + 1e-5
    step = moved.outside - start.outside
    assert np.abs(step @ pushed.frame_.basis).max() < 1e-5, "Δv lies in V"
    assert np.linalg.norm(step, axis=1).max() <= 0.05 * np.sqrt(16) + 1e-6
    assert np.linalg.norm(step, axis=1).max() > 0.02


def test_the_guarantee_holds_and_is_reached_for(sides, pushed):
    for bounds in (Bounds(0.05, 0.05, 0.0), Bounds(0.3, 0.3, 0.05), Bounds(1.0, 0.0, 0.0)):
        found = pushed.prepare(sides[0]).guarantee(bounds)
        assert found.holds
        assert found.largest_step <= found.epsilon + 1e-5
        assert found.largest_step > 0.2 * found.kappa
        assert found.largest_cosine_change <= found.cosine_limit + 1e-5
    assert pushed.prepare(sides[0]).guarantee(Bounds(1.0, 0.0, 0.0)).is_vacuous
    assert not pushed.prepare(sides[0]).guarantee(Bounds(0.05, 0.05, 0.0)).is_vacuous


def test_short_starts_weaken_the_promise_for_cosines(sides, pushed):
    from dataclasses import replace

    prepared, bounds = pushed.prepare(sides[0]), Bounds(0.05, 0.05, 0.0)
    start = prepared.start
    short = replace(
        prepared, start=replace(start, radii=0.3 * start.radii, outside=0.3 * start.outside)
    )
    whole, weak = prepared.guarantee(bounds), short.guarantee(bounds)
    assert weak.shortest_start == pytest.approx(0.3 * whole.shortest_start, rel=1e-4)
    assert weak.cosine_limit == pytest.approx(4 * weak.epsilon / weak.shortest_start)
    assert weak.largest_cosine_change <= weak.cosine_limit


def test_a_broken_promise_is_noticed(sides, pushed, monkeypatch):
    from anisoalign_core.align.anisoalign import prepared

    monkeypatch.setattr(prepared, "kappa", lambda theta, rho: 0.01)
    assert not pushed.prepare(sides[0]).guarantee(Bounds(0.3, 0.3, 0.0)).holds


def test_the_hard_limit_holds_for_every_row(sides, pushed):
    pushed.training = replace(pushed.training, limit=0.07)
    prepared = pushed.prepare(sides[0])
    steps = prepared.moved(Bounds(0.8, 0.8, 0.1)) - prepared.moved(Bounds(0.0, 0.0, 0.0))
    assert np.linalg.norm(steps, axis=1).max() <= 0.07 + 1e-5
    assert prepared.guarantee(Bounds(0.8, 0.8, 0.1)).epsilon == pytest.approx(0.07)
    long = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    assert limited(long, 1.0) == pytest.approx(np.array([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_zero_bounds_are_the_start(sides, pushed):
    start = made(**(QUICK | {"refine": False})).fit(*sides)
    none = pushed.with_bounds(theta=0.0, rho=0.0, v=0.0)
    assert none.transform(sides[0]) == pytest.approx(start.transform(sides[0]), abs=1e-6)


def test_published_losses_never_reach_the_complement(sides, fitted):
    raw = fitted.prepare(sides[0]).raw
    assert np.abs(raw[:, :3]).max() > 0
    assert np.abs(raw[:, 6:]).max() == 0.0


def test_losses_of_the_corrected_variant_reach_the_complement(sides):
    model = made("corrected", **QUICK).fit(*sides)
    raw = model.prepare(sides[0]).raw
    assert min(np.abs(raw[:, :3]).max(), np.abs(raw[:, 3:6]).max(), np.abs(raw[:, 6:]).max()) > 0


def test_refinement_without_a_loss_is_the_start(sides):
    start = made(**(QUICK | {"refine": False})).fit(*sides).transform(sides[0])
    model = made(**QUICK, prior_weight=0.0, phase_weight=0.0).fit(*sides)
    assert model.transform(sides[0]) == pytest.approx(start, abs=1e-6)


def test_phase_loss_is_the_published_sum_and_ignores_common_turns():
    edges = torch.tensor([[0, 1], [1, 2]])
    radii = torch.tensor([[1.0, 2.0, 3.0]])
    turned = torch.tensor([[0.1, 0.4, -0.2]])
    weights = np.array([2.0, 6.0]) / 8
    expected = (weights * (1 - np.cos([-0.3, 0.6]))).sum() / 2
    assert float(phase_loss(turned, radii, edges)) == pytest.approx(expected, rel=1e-5)
    assert float(phase_loss(torch.full((1, 3), 0.7), radii, edges)) == pytest.approx(0.0, abs=1e-7)


# the estimator


def test_one_seed_gives_one_result(sides, fitted):
    again = made(**QUICK, bound_v=0.05).fit(*sides)
    assert np.array_equal(again.transform(sides[0]), fitted.transform(sides[0]))
    other = made(**QUICK, random_state=1).fit(*sides)
    assert not np.array_equal(other.transform(sides[0]), fitted.transform(sides[0]))


def test_a_row_does_not_depend_on_its_batch(sides, fitted):
    whole = fitted.transform(sides[0])
    assert fitted.transform(sides[0][7:9]) == pytest.approx(whole[7:9], abs=1e-6)


def test_calibration_puts_the_mean_near_the_target(sides, fitted):
    z = fitted.transform(sides[0]).mean(axis=0)
    start = fitted.initial_
    before = np.linalg.norm(start.source_mean - start.target_mean)
    assert np.linalg.norm(z - start.target_mean) < 0.1 * before


def test_saved_and_loaded_it_gives_the_same_rows(sides, fitted, tmp_path):
    path = fitted.save(tmp_path / "model.npz")
    with np.load(path, allow_pickle=False) as stored:
        assert json.loads(bytes(stored["header"]))["method"] == "anisoalign"
    loaded = aa.load_aligner(path)
    assert np.array_equal(loaded.transform(sides[0]), fitted.transform(sides[0]))
    assert loaded.losses_ == fitted.losses_
    with pytest.raises(NotFittedError, match="source="):
        loaded.with_bounds(theta=0.1)
    moved = loaded.with_bounds(theta=0.1, source=sides[0])
    assert np.array_equal(
        moved.transform(sides[0]), fitted.with_bounds(theta=0.1).transform(sides[0])
    )


def test_the_start_alone_is_saved_too(sides, tmp_path):
    model = made(refine=False, rank=6).fit(*sides)
    loaded = aa.load_aligner(model.save(tmp_path / "start.npz"))
    assert np.array_equal(loaded.transform(sides[0]), model.transform(sides[0]))


@pytest.mark.parametrize("key", ["refiner_.values", "frame_.basis", "initial_.stretch"])
def test_damaged_models_are_refused_in_one_sentence(fitted, tmp_path, key):
    path = fitted.save(tmp_path / "model.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays[key] = arrays[key][:-1]
    np.savez(path, **arrays)
    with pytest.raises(aa.AnisoAlignError) as caught:
        aa.load_aligner(path)
    assert isinstance(caught.value, FormatError) or "fit together" in str(caught.value)


def test_moved_bounds_still_say_how_it_was_trained(sides, fitted):
    moved = fitted.with_bounds(theta=0.1, rho=0.2)
    assert moved.bounds == Bounds(0.1, 0.2, 0.05)
    assert fitted.bounds.theta == 0.3
    again = made(**moved.get_params()).fit(*sides)
    assert np.array_equal(again.transform(sides[0]), moved.transform(sides[0]))


def test_progress_comes_between_steps_and_can_stop_it(sides):
    heard = []
    model = made(**QUICK)
    model.fit(*sides, progress=lambda fraction, words: heard.append((fraction, words)))
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert any("Stage I," in words for _, words in heard)
    assert any("Stage II" in words for _, words in heard)
    before = model.transform(sides[0])

    def stop(fraction, words):
        if "Stage II" in words:
            raise KeyboardInterrupt

    model.random_state = 3
    with pytest.raises(KeyboardInterrupt):
        model.fit(*sides, progress=stop)
    model.random_state = 0
    assert np.array_equal(model.transform(sides[0]), before), "a cancelled fit changes nothing"


def test_a_cancelled_first_fit_leaves_it_unfitted(sides):
    def stop(fraction, words):
        raise KeyboardInterrupt

    model = made(**QUICK)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*sides, progress=stop)
    with pytest.raises(NotFittedError):
        model.transform(sides[0])


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("variant", "best"),
        ("bound_theta", -0.1),
        ("bound_v", float("nan")),
        ("limit", -1.0),
        ("prior", "text"),
        ("partners", 0),
        ("images", 2),
        ("start", "text"),
        ("noise_low", 0.0),
        ("refine_steps", 0),
        ("check", 1.0),
        ("stretch_limit", 0.5),
        ("train_bounds", (0.1, 0.2)),
        ("frame", "full"),
        ("mixing", "learned"),
    ],
)
def test_wrong_parameters_are_refused_in_one_sentence(sides, keyword, value):
    with pytest.raises(ParameterError, match=r"\.$"):
        made(**{**QUICK, keyword: value}).fit(*sides)


def test_turning_the_space_turns_the_published_start_only_up_to_its_coordinatewise_spread(sides):
    """D_V is coordinatewise, so AnisoAlign is not equivariant; without D_V's action it would be."""
    y, x = sides
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))[0].astype(np.float32)

    def change(limit):
        keywords = {"refine": False, "rank": 6, "mixing": "none", "stretch_limit": limit}
        here = made(**keywords).fit(y, x).transform(y) @ turn
        there = made(**keywords).fit(y @ turn, x @ turn).transform(y @ turn)
        return np.abs(here - there).max()

    assert change(3.0) > 0.01
    # limit 1 makes D_V the identity; blocks of unmixed eigenvectors turn with the space
    assert change(1.0) < 1e-4


def test_neither_pairs_nor_the_order_of_rows_matter(sides, fitted):
    y, x = sides
    rng = np.random.default_rng(0)
    again = made(**QUICK, bound_v=0.05).fit(rng.permutation(y), rng.permutation(x))
    assert np.array_equal(again.transform(y), fitted.transform(y))


# the corrected variant


def test_the_corrected_start_is_the_rotated_transport(sides):
    y, x = sides
    start = made("corrected", refine=False, rank=6, start_bound=0.5).fit(y, x)
    closed = aa.BoundedTransport(0.5, recentre="rotate", rule="relax").fit(y, x)
    assert start.transform(y) == pytest.approx(closed.transform(y), abs=2e-5)


def test_the_corrected_variant_looks_more_like_the_target_and_keeps_its_limit(sides):
    from anisoalign_core.metrics import Comparison

    def mmd(target, after):
        return aa.METRICS["mmd"].function(Comparison.between(target, after))

    y, x = sides
    keywords = {"rank": 6, "hidden": 64, "limit": 0.2}
    start = made("corrected", refine=False, **keywords).fit(y, x)
    model = made("corrected", **keywords, neighbours_weight=0.5).fit(y, x)
    assert mmd(x, model.transform(y)) < mmd(x, start.transform(y))
    found = model.guarantee(y)
    assert found.holds and found.epsilon <= 0.2 + 1e-9
    losses = model.losses_["energy"]
    assert np.mean(losses[-20:]) < np.mean(losses[:20])


def test_keeping_neighbours_costs_less_of_them(sides):
    from anisoalign_core.metrics.comparison import Comparison
    from anisoalign_core.metrics.semantics import psi

    y, x = sides
    kept, free = (
        made("corrected", rank=6, hidden=64, neighbours_weight=w, magnitude_weight=0.0)
        .fit(y, x)
        .transform(y)
        for w in (30.0, 0.0)
    )
    assert psi(Comparison(y, kept, x)) > psi(Comparison(y, free, x))


@pytest.mark.parametrize(
    "loss", ["gram", "distribution", "energy", "neighbours", "moments", "magnitude", "prior"]
)
def test_every_loss_can_stand_alone(sides, loss):
    others = {f"{n}_weight": 0.0 for n in ("energy", "neighbours", "magnitude")}
    weights = others | {f"{loss}_weight": 1.0}
    model = made("corrected", **QUICK, **weights).fit(*sides)
    assert set(model.losses_) - {"stage_1", "stage_1_unseen"} == {"total", loss}
    assert np.isfinite(model.losses_[loss]).all()


def test_energy_distance_is_zero_for_one_distribution_and_grows_with_distance():
    from anisoalign_core.align.anisoalign.refine import energy_distance, on_sphere

    generator = torch.Generator().manual_seed(0)
    a, b, c = (on_sphere(torch.randn(600, 5, generator=generator) + m) for m in (2.0, 2.0, -1.0))
    assert abs(float(energy_distance(a, b))) < 0.005
    assert float(energy_distance(a, c)) > 0.5


def test_neighbour_loss_sees_neighbours_change_and_not_the_space_turn():
    from anisoalign_core.align.anisoalign.refine import neighbour_loss, on_sphere, temperature

    generator = torch.Generator().manual_seed(1)
    rows = on_sphere(torch.randn(200, 6, generator=generator))
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    tau = temperature(rows)
    assert float(neighbour_loss(rows, rows @ turn, (tau, tau))) == pytest.approx(0.0, abs=1e-4)
    assert float(neighbour_loss(rows, rows[torch.randperm(200)], (tau, tau))) > 1.0
