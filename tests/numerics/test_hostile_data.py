"""Matrices that break numerical code: unit rows come out, or a sentence says why not.

And what must not change: results follow rotations of the space, ignore scalings of the input, and
do not depend on the order of rows (method.md §6).
"""

from __future__ import annotations

import json
import math
import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

import anisoalign_core as aa
from anisoalign_core.errors import AnisoAlignError

SHORT = {"rank": 2, "prior_steps": 4, "refine_steps": 4, "hidden": 4, "batch": 16}
METHODS = sorted(aa.ALIGNERS)
SLOW = ("anisoalign",)
RNG = np.random.default_rng


def method_of(name: str, **keywords: object) -> aa.Aligner:
    given = dict(SHORT) if name == "anisoalign" else {}
    return aa.ALIGNERS[name].of(given | keywords)


def plain(n: int, d: int, seed: int = 0) -> np.ndarray:
    return RNG(seed).standard_normal((n, d)) * np.linspace(1.0, 0.3, d) + 0.5


def hostile() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return (source, target) rows that are difficult, each by its name."""
    y, x = plain(40, 6, 1), plain(40, 6, 2)[:, ::-1].copy()
    low = RNG(3).standard_normal((40, 2))
    cone = np.ones((40, 6)) + 1e-7 * y
    constant = np.tile(y[:1], (40, 1))
    zeros, holes = y.copy(), y.copy()
    zeros[3], holes[4, 2] = 0.0, np.nan
    huge_once = y.copy()
    huge_once[0] *= 1e30
    half = np.finfo(np.float16)
    extremes = np.where(RNG(4).random((40, 6)) < 0.5, half.max, half.smallest_subnormal)
    one_hot = np.eye(6)[RNG(5).integers(0, 6, 40)]
    return {
        "rank one": (np.outer(RNG(6).standard_normal(40), np.arange(1.0, 7)), x),
        "rank two": (low @ plain(2, 6), low @ plain(2, 6, 9)),
        "rank-deficient target": (y, low @ plain(2, 6)),
        "constant source": (constant, x),
        "constant target": (y, constant),
        "both constant": (constant, -constant),
        "the same row twice over": (constant, constant),
        "duplicated": (np.repeat(y[:4], 10, axis=0), np.repeat(x[:4], 10, axis=0)),
        "nearly antipodal": (cone, -cone),
        "antipodal pairs": (np.vstack([y, -y]), np.vstack([x, -x])),
        "opposite": (y, -y),
        "extreme cone": (cone, x),
        "extreme cones": (cone, cone[::-1]),
        "huge": (y * 1e300, x * 1e300),
        "huge float32": ((y * 1e38).astype(np.float32), x.astype(np.float32)),
        "one huge row": (huge_once, x),
        "denormal": (y * 1e-310, x * 1e-310),
        "denormal float32": ((y * 1e-42).astype(np.float32), x.astype(np.float32)),
        "float16 extremes": (extremes.astype(np.float16), x.astype(np.float16)),
        "float16 small": ((y * 1e-6).astype(np.float16), x.astype(np.float16)),
        "coordinates only": (one_hot, one_hot[::-1]),
        "one coordinate dead": (y * (np.arange(6) != 2), x * (np.arange(6) != 2)),
        "one coordinate enormous": (y * 10.0 ** (8 * (np.arange(6) == 2)), x),
        "two rows": (y[:2], x[:2]),
        "two equal rows": (constant[:2], constant[:2]),
        "two opposite rows": (np.array([[1.0, 0, 0], [-1.0, 0, 0]]), x[:2, :3]),
        "two dimensions": (y[:, :2], x[:, :2]),
        "two rows, two dimensions": (y[:2, :2], x[:2, :2]),
        "on one line": (np.outer(np.sign(y[:, 0]), [1.0, 1, 0, 0, 0, 0]), x),
        "far fewer rows than dimensions": (plain(3, 60, 7), plain(3, 60, 8)),
        "a row of zeros": (zeros, x),
        "a hole": (y, holes),
        "integers": (np.arange(240).reshape(40, 6), np.arange(240, 480).reshape(40, 6)),
        "one row": (y[:1], x[:1]),
        "no rows": (y[:0], x[:0]),
    }


HOSTILE = hostile()


def is_a_sentence(error: AnisoAlignError) -> bool:
    text = str(error).strip()
    return len(text) > 20 and text[-1] in '.?!"' and "\n" not in text


def assert_unit(rows: np.ndarray, like: np.ndarray) -> None:
    assert rows.shape == like.shape
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(np.linalg.norm(rows.astype(float), axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_unit_rows_or_a_sentence(name: str, case: str) -> None:
    source, target = HOSTILE[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            method = method_of(name).fit(source, target)
            corrected = method.transform(source, target if method.needs_partners else None)
            assert_unit(corrected, source)
            assert_unit(method.transform_target(target), target)
        except AnisoAlignError as error:
            assert is_a_sentence(error)


MANAGEABLE = (
    "rank two",
    "rank-deficient target",
    "duplicated",
    "opposite",
    "huge",
    "denormal",
    "one huge row",
    "one coordinate dead",
    "integers",
)


@pytest.mark.parametrize("case", MANAGEABLE)
@pytest.mark.parametrize("name", ["mean-shift", "realign", "coral", "bures", "bounded"])
def test_a_refusal_is_no_way_out_where_the_answer_exists(name: str, case: str) -> None:
    source, target = HOSTILE[case]
    assert_unit(method_of(name).fit(source, target).transform(source), source)


@pytest.mark.parametrize("frame", ["joint", "target"])
@pytest.mark.parametrize("recentre", ["shift", "rotate"])
@pytest.mark.parametrize("rule", ["clip", "relax"])
def test_every_kind_of_bounded_transport_survives(frame: str, recentre: str, rule: str) -> None:
    for case in sorted(HOSTILE):
        source, target = HOSTILE[case]
        for bound in (0.0, 0.3, 50.0, math.inf):
            method = aa.BoundedTransport(bound, frame, 2, recentre=recentre, rule=rule)
            try:
                corrected = method.fit(source, target).transform(source)
            except AnisoAlignError as error:
                assert is_a_sentence(error)
                continue
            assert_unit(corrected, source)


def pair_of(case: str) -> aa.EmbeddingPair:
    source, target = HOSTILE[case]
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(source, modality="text"),
        aa.EmbeddingSet.from_array(target, modality="image"),
        paired=True,
    )


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_a_report_is_numbers_or_says_what_is_undefined(case: str) -> None:
    try:
        report = aa.diagnose(pair_of(case), random_state=0)
    except AnisoAlignError as error:
        assert is_a_sentence(error)
        return
    said = report.to_dict()
    assert said["verdict"]
    json.loads(report.to_json(), parse_constant=_no_constant)
    for key in ("centroid_gap", "residual_trace", "mean_distance"):
        assert math.isfinite(said[key])


def _no_constant(text: str) -> None:
    raise AssertionError(f"the report holds {text}, which is no JSON")


@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_scores_are_in_their_range_or_undefined(case: str) -> None:
    try:
        pair = pair_of(case)
        method = aa.BoundedTransport(0.2).fit(pair.source, pair.target)
        scores = aa.evaluate(method, pair, k=5, random_state=0)
    except AnisoAlignError as error:
        assert is_a_sentence(error)
        return
    for name, score in scores.items():
        assert score.value is None or not math.isinf(score.value), name
        low, high = aa.METRICS[name].range
        if score.value is not None and not math.isnan(score.value):
            assert low - 1e-6 <= score.value <= high + 1e-6, name


# ---------------------------------------------------------------- what must not change

EQUIVARIANT = [
    name
    for name, method in sorted(aa.ALIGNERS.items())
    if getattr(method, "equivariant", True) and name not in ("anisoalign", "c3")
]
FIXED = {"bounded": {"bound": 0.3}}
"""``bound="auto"`` chooses from a grid: a rounding error may choose another step."""
QUICK = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
sides = st.tuples(st.integers(20, 60), st.integers(3, 9), st.integers(0, 10_000))


@cache
def world(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = RNG(seed)
    shared = rng.standard_normal((n, d))
    y = shared * rng.uniform(0.5, 2.0, d) + rng.standard_normal((n, d)) * 0.3 + rng.normal(size=d)
    x = shared * rng.uniform(0.5, 2.0, d) + rng.standard_normal((n, d)) * 0.3 + rng.normal(size=d)
    return y, x


def corrected(name: str, source: np.ndarray, target: np.ndarray, rows: np.ndarray) -> np.ndarray:
    method = method_of(name, **FIXED.get(name, {})).fit(source, target)
    return method.transform(rows, target if method.needs_partners else None)


@pytest.mark.parametrize("name", EQUIVARIANT)
@QUICK
@given(sides)
def test_turning_the_space_turns_the_result(name: str, shape: tuple[int, int, int]) -> None:
    source, target = world(*shape)
    turn = ortho_group.rvs(shape[1], random_state=shape[2])
    one = corrected(name, source, target, source) @ turn
    other = corrected(name, source @ turn, target @ turn, source @ turn)
    np.testing.assert_allclose(other, one, atol=5e-4)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in SLOW])
@QUICK
@given(sides, st.floats(-30, 30), st.integers(0, 10_000))
def test_lengths_of_the_input_do_not_matter(
    name: str, shape: tuple[int, int, int], power: float, seed: int
) -> None:
    source, target = world(*shape)
    lengths = 2.0 ** np.rint(RNG(seed).uniform(-20, 20, (shape[0], 1)))
    one = corrected(name, source, target, source)
    other = corrected(name, source * lengths, target * 10.0**power, source * lengths)
    if name == "c3":  # its noise is a function of the row's bits
        assert one.shape == other.shape
        return
    np.testing.assert_allclose(other, one, atol=1e-4)


@pytest.mark.parametrize(
    "name", [name for name in METHODS if name not in (*SLOW, "permuted") and name != "bounded"]
)
@QUICK
@given(sides, st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(
    name: str, shape: tuple[int, int, int], seed: int
) -> None:
    source, target = world(*shape)
    order = RNG(seed).permutation(shape[0])
    method = method_of(name)
    other = order if method.needs_pairs else RNG(seed + 1).permutation(shape[0])
    one = corrected(name, source, target, source)
    fitted = method_of(name).fit(source[order], target[other])
    two = fitted.transform(source, target if method.needs_partners else None)
    np.testing.assert_allclose(two, one, atol=2e-4)


@QUICK
@given(sides, st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter_to_bounded_transport(
    shape: tuple[int, int, int], seed: int
) -> None:
    source, target = world(*shape)
    order, other = RNG(seed).permutation(shape[0]), RNG(seed + 1).permutation(shape[0])
    one = aa.BoundedTransport(0.3).fit(source, target).transform(source)
    two = aa.BoundedTransport(0.3).fit(source[order], target[other]).transform(source)
    np.testing.assert_allclose(two, one, atol=2e-4)


@QUICK
@given(sides, st.integers(0, 10_000))
def test_no_unpaired_number_changes_with_rotation_scale_or_order(
    shape: tuple[int, int, int], seed: int
) -> None:
    source, target = world(*shape)
    turn = ortho_group.rvs(shape[1], random_state=seed)
    order = RNG(seed).permutation(shape[0])

    def numbers(y: np.ndarray, x: np.ndarray) -> dict[str, float]:
        pair = aa.EmbeddingPair(
            aa.EmbeddingSet.from_array(y, modality="text"),
            aa.EmbeddingSet.from_array(x, modality="image"),
            paired=True,
        )
        said = aa.diagnose(pair, random_state=0).to_dict()
        return {key: said[key] for key in UNPAIRED}

    before = numbers(source, target)
    after = numbers((source @ turn * 3.0)[order], (target @ turn * 1e-3)[order])
    for key, value in before.items():
        assert after[key] == pytest.approx(value, rel=2e-3, abs=2e-5), key


UNPAIRED = (
    "centroid_gap",
    "centroid_gap_floor",
    "covariance_gap_relative",
    "covariance_gap_absolute",
    "spectral_correlation",
    "residual_trace",
    "residual_share",
    "matched_cosine",
)
"""And, since pairs were kept together, three that need them."""
