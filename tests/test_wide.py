"""Fewer rows than dimensions: the same numbers as with everything written out, and small."""

import json

import numpy as np
import pytest
from scipy import linalg

import anisoalign_core as aa
from anisoalign_core import matrices
from anisoalign_core.align.anisoalign import Training
from anisoalign_core.align.gaussian import bures_map
from anisoalign_core.align.paired import nearest_rotation
from anisoalign_core.align.stretching import mean_rotation, plane_rotation
from anisoalign_core.engine import fit_streamed
from anisoalign_core.engine.passes import MomentPass, cut, over_piece
from anisoalign_core.errors import FormatError, ShapeError
from anisoalign_core.geometry.directions import Directions
from anisoalign_core.geometry.residual import Residual
from anisoalign_core.io.shards import open_shards
from anisoalign_core.matrices import Span, SpanMatrix, eigenvalues, eigh, gram, leading, through
from anisoalign_core.moments import Moments
from benchmarks.wide import written_out
from tests.conftest import paired_world

SIZES = [(30, 96), (12, 200), (70, 96)]
METHODS = {
    "coral": {},
    "bures": {},
    "bures, in part": {"relaxation": 0.4},
    "bounded": {"bound": "auto"},
    "bounded, given": {"bound": 0.5},
    "bounded, turned": {"bound": 0.5, "recentre": "rotate", "rule": "relax"},
    "bounded, joint": {"bound": 0.5, "frame": "joint", "rank": 6},
    "bounded, target": {"bound": 0.5, "frame": "target", "recentre": "rotate"},
    "anisoalign": {"training": Training(refine=False)},
    "ridge": {},
    "oracle": {},
    "oracle, some": {"rank": 5},
    "standardize": {},
    "realign": {},
    "orthogonal": {},
    "orthogonal, target": {"share": 0.7, "subspace": "target"},
}


def made(name, n, d, source=None):
    y, x = paired_world(n, d)
    method = aa.ALIGNERS[name.partition(",")[0]](**METHODS[name])
    return method.fit(y if source is None else y[:source], x)


def sets(y, x, ids=(None, None), paired=True):
    return aa.EmbeddingPair(
        *(
            aa.EmbeddingSet.from_array(rows, modality=kind, name=kind, ids=one)
            for rows, kind, one in zip((y, x), ("text", "image"), ids, strict=True)
        ),
        paired=paired,
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", METHODS)
def test_a_fit_corrects_any_row_as_the_full_one_does(name, size):
    thin = made(name, *size)
    with written_out():
        full = made(name, *size)
    fitted, new = paired_world(*size), paired_world(50, size[1], seed=5)
    for y, x in (fitted, new):
        np.testing.assert_allclose(thin.transform(y, x), full.transform(y, x), atol=1e-6)
    if hasattr(full, "raw_stretch_"):
        assert thin.bound_ == full.bound_
        stretches = np.sort(thin.raw_stretch_), np.sort(full.raw_stretch_)
        np.testing.assert_allclose(*stretches, atol=1e-9)
        np.testing.assert_allclose(thin.auto_psi_, full.auto_psi_, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in METHODS if "b" in name])
def test_one_thin_side_beside_a_full_one(name):
    method, (y, x) = METHODS[name], paired_world(150, 96)
    fits = []
    for few_y, few_x in ((30, 150), (150, 30)):
        thin = aa.ALIGNERS[name.partition(",")[0]](**method).fit(y[:few_y], x[:few_x])
        with written_out():
            full = aa.ALIGNERS[name.partition(",")[0]](**method).fit(y[:few_y], x[:few_x])
        fits.append(thin)
        np.testing.assert_allclose(thin.transform(y), full.transform(y), atol=1e-6)
    assert all(fit.map_.linear.shape == (96, 96) for fit in fits)


@pytest.mark.parametrize("size", SIZES)
def test_procrustes_turns_pairs_as_the_full_one_and_the_rest_as_little_as_it_can(size):
    y, x = paired_world(*size)
    thin = aa.Procrustes().fit(y, x)
    with written_out():
        full = aa.Procrustes().fit(y, x)
    np.testing.assert_allclose(thin.map_.linear, full.map_.linear, atol=1e-6)
    rotation = np.asarray(thin.map_.linear)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(size[1]), atol=1e-12)
    a, b = y - y.mean(0, dtype=float), x - x.mean(0, dtype=float)
    u, sizes, vt = linalg.svd(a.T @ b)
    assert np.trace(rotation @ a.T @ b) == pytest.approx(sizes.sum())  # the best of all rotations
    assert np.trace(rotation) > np.trace(vt.T @ u.T)


def test_a_rotation_is_known_where_pairs_leave_none_open():
    rng = np.random.default_rng(0)
    cross = rng.standard_normal((7, 7))
    u, _, vt = linalg.svd(cross)
    np.testing.assert_array_equal(nearest_rotation(cross), vt.T @ u.T)
    np.testing.assert_allclose(nearest_rotation(np.zeros((4, 4))), np.eye(4), atol=1e-12)


def numbers(value, path=""):
    if isinstance(value, dict):
        return {k: v for key in value for k, v in numbers(value[key], f"{path}.{key}").items()}
    if isinstance(value, list):
        return numbers(dict(enumerate(value)), path)
    return {path: value}


def reported(pair):
    return numbers(json.loads(aa.diagnose(pair).to_json()))


def assert_same_report(pair):
    thin = reported(pair)
    with written_out():
        full = reported(pair)
    assert thin.keys() == full.keys()
    for name, value in full.items():
        is_number = isinstance(value, float)
        wanted = pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True) if is_number else value
        assert thin[name] == wanted, name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("paired", [True, False])
def test_every_number_of_a_diagnosis_is_that_of_the_full_one(size, paired):
    assert_same_report(sets(*paired_world(*size), paired=paired))


def test_things_with_several_rows_too():
    y, x = paired_world(24, 96)
    ids = [f"{i // 3}" for i in range(24)]
    pair = aa.EmbeddingPair.join(
        aa.EmbeddingSet.from_array(y, modality="text", ids=ids),
        aa.EmbeddingSet.from_array(x[::3], modality="image", ids=ids[::3]),
    )
    assert isinstance(Directions(pair).residual.moments.scatter, SpanMatrix)
    assert_same_report(pair)
    weights = np.linspace(0.5, 2.0, 24), None
    fits = [aa.Bures().fit(y, x, sample_weight=weights)]
    with written_out():
        fits.append(aa.Bures().fit(y, x, sample_weight=weights))
    np.testing.assert_allclose(fits[0].transform(y), fits[1].transform(y), atol=1e-6)


def test_directions_are_those_of_the_full_covariances():
    pair = sets(*paired_world(30, 96))
    thin = Directions(pair)
    with written_out():
        full = Directions(pair)
        _ = full.ratios, full._difference, full.residual.directions, full.joint
    for kind in thin.kinds:
        for number in range(1, min(5, thin.count(kind)) + 1):
            a, b = thin.get(kind, number), full.get(kind, number)
            assert abs(a.vector @ b.vector) == pytest.approx(1.0, abs=1e-6), (kind, number)
            assert a.strength == pytest.approx(b.strength, abs=1e-6)
    assert [thin.count(kind) for kind in ("target", "source", "joint")] == [29, 29, 50]


def test_a_sweep_of_the_bound_shows_what_a_fit_gives():
    (y, x), (new, _) = paired_world(30, 96), paired_world(20, 96, seed=5)
    for options in ({}, {"recentre": "rotate", "rule": "relax"}, {"frame": "joint", "rank": 4}):
        method = aa.BoundedTransport(bound=0.1, **options).fit(y, x)
        view = method.sweep(new, y).at(0.6)
        other = aa.BoundedTransport(bound=0.6, **options).fit(y, x)
        np.testing.assert_allclose(view.rows(), other.transform(new), atol=1e-6)
        directions = np.linalg.qr(np.random.default_rng(0).standard_normal((96, 3)))[0]
        np.testing.assert_allclose(view.project(directions), view.rows() @ directions, atol=1e-6)
        assert len(view.stretch) == len(view.stretches.raw) == 96
        again = method.with_bound(0.6, y)
        np.testing.assert_allclose(again.transform(new), other.transform(new), atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_models_are_small_and_come_back(name, tmp_path):
    n, d = 12, 1024
    method = made(name, n, d)
    path = method.save(tmp_path / "model.npz")
    assert path.stat().st_size < 8 * d * (2 * n + 12) + 8 * (2 * n + 4) ** 2 + 60_000
    again, (y, x) = aa.load_aligner(path), paired_world(20, d, seed=3)
    np.testing.assert_array_equal(again.transform(y, x), method.transform(y, x))
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def header(path):
    return json.loads(np.load(path)["header"].tobytes())


def test_a_model_on_a_span_has_another_version_and_others_have_not(tmp_path):
    thin = made("bounded, turned", 12, 64).save(tmp_path / "thin.npz")
    assert header(thin)["format_version"] == 2
    assert header(thin)["spans"] == ["map_.linear", "rotation_"]
    full = made("bounded, turned", 100, 64).save(tmp_path / "full.npz")
    assert header(full)["format_version"] == 1
    assert "spans" not in header(full)
    parts = dict(np.load(thin))
    for key, value in (("map_.linear.inner", np.eye(3)), ("basis_", np.zeros((64, 70)))):
        np.savez(tmp_path / "broken.npz", **(parts | {key: value}))
        with pytest.raises((FormatError, ShapeError)):
            aa.load_aligner(tmp_path / "broken.npz")
    lost = {key: value for key, value in parts.items() if key != "map_.linear.level"}
    np.savez(tmp_path / "broken.npz", **lost)
    with pytest.raises(FormatError, match="not a model saved by this library"):
        aa.load_aligner(tmp_path / "broken.npz")


@pytest.mark.parametrize("name", ["coral", "bounded", "bounded, turned", "procrustes", "ridge"])
def test_a_torch_module_gives_the_same_rows(name):
    torch = pytest.importorskip("torch")
    y, x = paired_world(12, 64)
    method = aa.ALIGNERS[name.partition(",")[0]](**METHODS.get(name, {})).fit(y, x)
    module = method.to_torch()
    assert sum(part.numel() for part in module.buffers()) < 64 * (4 * 12 + 12)
    new = paired_world(30, 64, seed=4)[0]
    for one in (module, torch.jit.script(module)):
        found = one(torch.from_numpy(new)).numpy()
        np.testing.assert_allclose(found, method.transform(new), atol=1e-6)
    full = aa.Bures().fit(*paired_world(100, 8)).to_torch()
    assert set(full.state_dict()) == {
        "source_mean",
        "linear_transposed",
        "target_mean",
        "recentring",
    }


@pytest.mark.parametrize("name", ["coral", "bures", "bounded", "bounded, turned", "realign"])
def test_streaming_gives_the_same_bits_as_memory(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y, x = paired_world(30, 96)
    np.save("text.npy", y)
    np.save("image.npy", x)
    files = [open_shards(f"{kind}.npy", modality=kind) for kind in ("text", "image")]
    kind = aa.ALIGNERS[name.partition(",")[0]]
    streamed, _, _ = fit_streamed(kind(**METHODS[name]), *files)
    in_memory = kind(**METHODS[name]).fit(y, x)
    assert isinstance(streamed.map_.linear, SpanMatrix) or name == "realign"
    for key, value in vars(in_memory.map_).items():
        if value is not None:
            np.testing.assert_array_equal(getattr(streamed.map_, key), value, err_msg=key)


def test_shards_of_few_rows_give_the_numbers_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sides, shards = paired_world(30, 96), []
    for kind, rows in zip(("text", "image"), sides, strict=True):
        (tmp_path / kind).mkdir()
        np.save(f"{kind}/part_0.npy", rows[:20])
        np.save(f"{kind}/part_1.npy", rows[20:])
        shards.append(open_shards(kind, modality=kind))
    streamed, _, _ = fit_streamed(aa.BoundedTransport(bound=0.4), *shards)
    whole = aa.BoundedTransport(bound=0.4).fit(*sides)
    assert isinstance(streamed.map_.linear, SpanMatrix)
    np.testing.assert_allclose(streamed.map_.linear, whole.map_.linear, atol=1e-9)
    np.testing.assert_allclose(streamed.transform(sides[0]), whole.transform(sides[0]), atol=1e-6)
    whole_pass = MomentPass.over(shards[0], False, False)
    pieces = [over_piece(piece, whole_pass) for piece in cut(shards[0])]  # as several machines do
    found = (pieces[0] + pieces[1]).moments
    np.testing.assert_allclose(found.covariance, Moments.of(sides[0]).covariance, atol=1e-12)


def test_moments_of_few_rows_add_up_and_come_apart(tmp_path):
    _, x = paired_world(40, 96)
    whole, first, second = (Moments.of(rows) for rows in (x, x[:15], x[15:]))
    exact = np.cov(x.astype(float).T, bias=True)
    for found in (
        whole,
        first + second,
        (first + second).without(first) + first,
        Moments.from_chunks([x[:10], x[10:]], thin=True),
        Moments.weighted([(x[:10], np.ones(10)), (x[10:], np.ones(30))]),
    ):
        assert isinstance(found.scatter, SpanMatrix)
        np.testing.assert_allclose(found.covariance, exact, atol=1e-12)
        np.testing.assert_allclose(found.variances, np.diag(exact), atol=1e-12)
        assert found.trace == pytest.approx(np.trace(exact))
    many = whole + Moments.of(paired_world(80, 96, seed=1)[1])
    assert isinstance(many.scatter, np.ndarray)
    whole.to_npz(tmp_path / "moments.npz")
    assert (tmp_path / "moments.npz").stat().st_size < 8 * 96 * 60
    again = Moments.from_npz(tmp_path / "moments.npz")
    np.testing.assert_array_equal(again.covariance, whole.covariance)
    shrunk, gamma = whole.shrunk()
    assert shrunk.level == pytest.approx(gamma * whole.trace / 96)
    np.testing.assert_allclose(
        shrunk, (1 - gamma) * exact + gamma * np.trace(exact) / 96 * np.eye(96), atol=1e-12
    )


def test_residuals_split_exactly():
    y, x = paired_world(20, 96)
    found = Residual.of(y, x)
    squared = float(np.mean(np.sum((x - y).astype(float) ** 2, axis=1)))
    assert float(found.delta @ found.delta) + found.trace == pytest.approx(
        squared, rel=1e-7
    )  # float32 rows
    assert found.directions.shape == (96, 20)
    assert len(found.values) == len(found.energy) == 96
    assert found.energy[19] == pytest.approx(1.0)


def symmetric(k, level, seed):
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((k, k))
    basis = np.linalg.qr(rng.standard_normal((40, k)))[0]
    return SpanMatrix(basis, half @ half.T + level * np.eye(k), level)


def test_a_matrix_on_a_span_is_the_matrix_written_out():
    a, b, rng = symmetric(5, 0.7, 0), symmetric(7, 0.2, 1), np.random.default_rng(2)
    full_a, full_b, rows = np.asarray(a), np.asarray(b), rng.standard_normal((3, 40))
    same = [
        (a @ rows.T, full_a @ rows.T),
        (rows @ a, rows @ full_a),
        (a.of_rows(rows.astype(np.float32)), rows @ full_a.T),
        (a + b, full_a + full_b),
        (a - b, full_a - full_b),
        (full_a + b, full_a + full_b),
        (full_a - b, full_a - full_b),
        (2 * a / 3, full_a * 2 / 3),
        (through(np.matmul, a, b).T, full_b @ full_a),
        (bures_map(a, b), bures_map(full_a, full_b)),
        (eigenvalues(a), np.linalg.eigvalsh(full_a)[::-1]),
        (matrices.trace(a), np.trace(full_a)),
        (matrices.largest_eigenvalue(a), np.linalg.eigvalsh(full_a)[-1]),
        (np.linalg.norm(matrices.entries(a)), np.linalg.norm(full_a)),
        (a[3, 4], full_a[3, 4]),
    ]
    for found, wanted in same:
        np.testing.assert_allclose(found, wanted, atol=1e-5 if found is same[2][0] else 1e-10)
    values, vectors = eigh(a)
    np.testing.assert_allclose(full_a @ vectors, vectors * values[:5], atol=1e-10)
    np.testing.assert_array_equal(values[5:], 0.7)
    with pytest.raises(ShapeError, match="do not fit"):
        SpanMatrix(a.basis, np.eye(3), 1.0)


def test_a_span_takes_any_columns_and_grows_to_everything():
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((4, 20)), 2, axis=0)  # of rank 4
    found = gram(rows)
    np.testing.assert_allclose(found, rows.T @ rows, atol=1e-12)
    for rank in (3, 8, 12, 20):
        u = leading(found, rank)
        assert u.shape == (20, rank)
        np.testing.assert_allclose(u.T @ u, np.eye(rank), atol=1e-12)
    assert Span.of(rng.standard_normal((20, 12)), rng.standard_normal((20, 8))).basis is None


def test_a_plane_turns_as_its_matrix_does():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 9))
    for pair in ((a, b), (a, 2 * a), (a, -a), (0 * a, b)):
        np.testing.assert_allclose(plane_rotation(*pair), mean_rotation(*pair), atol=1e-12)
