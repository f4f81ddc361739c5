"""A fit and a correction that never hold the set give what those in memory give."""

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.engine import LocalEngine, fit_streamed, moments_of, plan_outputs
from anisoalign_core.engine import write_streamed as write
from anisoalign_core.engine.passes import MomentPass, cut, over_piece
from anisoalign_core.errors import InvalidRowsError, ParameterError, ShapeError
from anisoalign_core.io.shards import open_shards
from anisoalign_core.moments import Moments
from tests.conftest import paired_world

STREAMED = {
    "identity": {},
    "mean-shift": {},
    "gap-shift": {},
    "center-both": {},
    "c3": {"sigma": 0.05},
    "standardize": {},
    "realign": {},
    "coral": {},
    "bures": {"relaxation": 0.5},
    "bounded": {"bound": "auto"},
    "orthogonal": {"share": 0.7},
}


def sides(source="text.npy", target="image.npy"):
    return open_shards(source, modality="text"), open_shards(target, modality="image")


def loaded():
    return np.load("text.npy"), np.load("image.npy")


def map_arrays(method):
    return {name: value for name, value in vars(method.map_).items() if value is not None}


@pytest.mark.parametrize(("name", "parameters"), STREAMED.items())
def test_one_file_gives_the_same_bits_as_memory(disk, name, parameters):
    texts, images = loaded()
    in_memory = aa.ALIGNERS[name](**parameters).fit(texts, images)
    streamed, _, _ = fit_streamed(aa.ALIGNERS[name](**parameters), *sides())
    for key, value in map_arrays(in_memory).items():
        np.testing.assert_array_equal(map_arrays(streamed)[key], value, err_msg=key)
    assert (streamed.n_source_, streamed.n_target_) == (len(texts), len(images))
    write(streamed, plan_outputs(sides()[0], "z.npy"))
    np.testing.assert_array_equal(np.load("z.npy"), in_memory.transform(texts))
    np.save("saved.npy", in_memory.transform(texts))
    assert (disk / "z.npy").read_bytes() == (disk / "saved.npy").read_bytes()


def test_a_large_set_gives_the_same_bits_too(tmp_path, monkeypatch):
    # above the size up to which sums run in float64 throughout, and above one block and one piece
    y, x = paired_world(70_000, 8)
    monkeypatch.setattr("anisoalign_core.moments.PRECISE_WORK", 1)
    monkeypatch.chdir(tmp_path)
    np.save("text.npy", y)
    np.save("image.npy", x)
    in_memory = aa.BoundedTransport(bound=0.2).fit(y, x)
    for threads in (1, 3):
        streamed, _, _ = fit_streamed(
            aa.BoundedTransport(bound=0.2), *sides(), engine=LocalEngine(threads)
        )
        for key, value in map_arrays(in_memory).items():
            np.testing.assert_array_equal(map_arrays(streamed)[key], value, err_msg=key)


@pytest.mark.parametrize(("name", "parameters"), STREAMED.items())
def test_shards_give_the_numbers_of_the_whole(disk, name, parameters):
    whole, _, _ = fit_streamed(aa.ALIGNERS[name](**parameters), *sides())
    source, target = sides("texts", "images")
    shards, read, _ = fit_streamed(aa.ALIGNERS[name](**parameters), source, target)
    for key, value in map_arrays(whole).items():
        # the calibration weighs rows by norms that were taken in float32
        tolerance = 1e-8 if key == "recentring" else 1e-12
        np.testing.assert_allclose(map_arrays(shards)[key], value, rtol=1e-9, atol=tolerance)
    assert [one.rows for one in read.files] == [700, 1, 1300, 500]
    write(shards, plan_outputs(source, "out"))
    z = np.concatenate([np.load(f"out/part_{k}.npy") for k in (0, 7, 14, 21)])
    np.testing.assert_allclose(z, whole.transform(np.load("text.npy")), atol=3e-7)


@pytest.mark.parametrize("diagonal", [False, True])
def test_moments_of_shards_are_those_of_the_rows(disk, diagonal):
    found = moments_of(sides("texts")[0], diagonal=diagonal)
    exact = Moments.of(np.load("text.npy").astype(np.float64))
    wanted = np.diag(exact.scatter) if diagonal else exact.scatter
    assert found.n == exact.n
    np.testing.assert_allclose(found.mean, exact.mean, atol=1e-9)
    np.testing.assert_allclose(found.scatter, wanted, atol=1e-6 * np.abs(wanted).max())


def test_rows_need_not_be_unit_nor_float32(disk):
    y, x = loaded()
    scale = np.random.default_rng(0).uniform(0.5, 3.0, (len(y), 1))
    np.save("text.npy", (y * scale).astype(">f8"))
    np.save("image.npy", np.asfortranarray(x.astype(np.float16)))
    streamed, read, _ = fit_streamed(aa.BoundedTransport(bound=0.2), *sides())
    in_memory = aa.BoundedTransport(bound=0.2).fit(*loaded())
    np.testing.assert_array_equal(streamed.map_.linear, in_memory.map_.linear)
    assert not read.was_normalised
    assert read.norm_range == pytest.approx((scale.min(), scale.max()), rel=1e-4)


def test_an_invalid_row_is_named_or_left_out(disk):
    rows = np.load("texts/part_14.npy")
    rows[3], rows[900] = 0, np.nan
    np.save("texts/part_14.npy", rows)
    source, target = sides("texts", "images")
    with pytest.raises(InvalidRowsError, match=r"[Rr]ow.* 3.*part_14\.npy.*all zeros") as error:
        fit_streamed(aa.MeanShift(), source, target)
    assert error.value.rows == (3, 900)
    method, read, _ = fit_streamed(aa.MeanShift(), source, target, drop_invalid=True)
    assert (read.rows, read.dropped_rows, method.n_source_) == (2499, 2, 2499)


def test_what_needs_rows_or_partners_is_refused_in_words(disk):
    source, target = sides()
    with pytest.raises(ParameterError, match="learns from the rows themselves"):
        fit_streamed(aa.AnisoAlign(), source, target)
    with pytest.raises(ParameterError, match="bound is -1"):
        fit_streamed(aa.BoundedTransport(bound=-1.0), source, target)
    np.save("other.npy", np.eye(5))
    with pytest.raises(ShapeError, match=r"24 dimensions and other\.npy has 5"):
        fit_streamed(aa.MeanShift(), source, sides("other.npy")[0])
    permuted = aa.PermutedTarget().fit(*loaded())
    with pytest.raises(ParameterError, match="piece by piece"):
        write(permuted, plan_outputs(source, "z.npy"))
    shift = aa.MeanShift().fit(*loaded())
    with pytest.raises(ShapeError, match="fitted on 24"):
        write(shift, plan_outputs(sides("other.npy")[0], "z.npy"))
    assert not (disk / "z.npy").exists()


def test_progress_rises_to_one_and_may_stop_the_work(disk):
    told = []
    fit_streamed(aa.ReAlign(), *sides("texts", "images"), progress=lambda f, w: told.append(f))
    assert told == sorted(told)
    assert told[-1] == 1.0

    class Stop(Exception):
        pass

    def stop(fraction, words):
        raise Stop

    method = aa.ReAlign()
    with pytest.raises(Stop):
        fit_streamed(method, *sides("texts", "images"), progress=stop)
    assert not hasattr(method, "map_")
    fitted = aa.ReAlign().fit(*loaded())
    with pytest.raises(Stop):
        write(fitted, plan_outputs(sides()[0], "z.npy"), progress=stop)
    assert [path.name for path in disk.iterdir() if "z" in path.name] == []


def test_digests_are_those_of_the_files(disk):
    from xxhash import xxh3_128_hexdigest

    method, read, _ = fit_streamed(aa.MeanShift(), *sides("texts", "images"))
    for one in read.files:
        data = (disk / "texts" / one.name).read_bytes()
        assert (one.bytes, one.digest) == (len(data), xxh3_128_hexdigest(data))
    written, digests = write(method, plan_outputs(sides("texts")[0], "out"))
    assert digests == {one.name: one.digest for one in read.files}
    for one in written:
        data = (disk / "out" / one.facts.name).read_bytes()
        assert one.facts.digest == xxh3_128_hexdigest(data)


@pytest.mark.parametrize("name", ["realign", "coral"])
def test_a_piece_without_a_valid_row_adds_nothing(disk, name):
    np.save("texts/part_7.npy", np.zeros((1, 24), dtype=np.float32))  # between two good shards
    source, target = sides("texts", "images")
    method, read, _ = fit_streamed(aa.ALIGNERS[name](), source, target, drop_invalid=True)
    assert (read.rows, read.dropped_rows, method.n_source_) == (2500, 1, 2500)
    rows = np.load("text.npy")
    whole = aa.ALIGNERS[name]().fit(np.delete(rows, 700, axis=0), np.load("image.npy"))
    np.testing.assert_allclose(method.map_.linear, whole.map_.linear, atol=1e-6)
    np.testing.assert_allclose(method.map_.target_mean, whole.map_.target_mean, atol=1e-6)


def test_pieces_add_up_in_any_grouping_and_keep_the_wanted_rows_in_order(disk):
    np.save("texts/part_7.npy", np.zeros((1, 24), dtype=np.float32))
    source = sides("texts", "images")[0]
    wanted = np.array([3, 699, 700, 701, 2400])
    work = MomentPass(True, False, True, (wanted,))
    first, empty, *rest = (over_piece(piece, work) for piece in cut(source))
    assert empty.moments is None and empty.picked[0].shape == (0, 24)
    left = (first + empty) + sum(rest[1:], rest[0])
    right = first + (empty + sum(rest[1:], rest[0]))
    assert left.moments.n == right.moments.n == left.norms.rows == 2500
    np.testing.assert_array_equal(left.moments.covariance, right.moments.covariance)
    np.testing.assert_array_equal(left.picked[0], right.picked[0])
    rows = np.load("text.npy")[[3, 699, 701, 2400]]  # the one that is no row is not there
    np.testing.assert_allclose(left.picked[0], rows, atol=1e-6)
    assert (empty + empty).moments is None


def test_a_set_without_a_valid_row_is_refused(disk):
    np.save("text.npy", np.zeros((5, 24), dtype=np.float32))
    with pytest.raises(
        InvalidRowsError, match=r"Every row of text\.npy is non-finite or all zeros"
    ):
        fit_streamed(aa.MeanShift(), *sides(), drop_invalid=True)


def test_a_bad_row_of_a_later_block_has_its_number_in_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).standard_normal((9000, 4)).astype(np.float32)
    np.save("image.npy", rows)
    rows[8500] = 0
    np.save("text.npy", rows)
    with pytest.raises(
        InvalidRowsError, match=r"Rows here count from row 8,192 of the file"
    ) as bad:
        fit_streamed(aa.MeanShift(), *sides())
    assert bad.value.rows == (8500,)
