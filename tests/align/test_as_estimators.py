"""The methods are scikit-learn's estimators as far as two sets of rows allow."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator

import anisoalign_core as aa
from anisoalign_core.errors import ParameterError
from anisoalign_core.moments import Moments

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(200, 12))
X = Y + 0.5 * RNG.normal(size=(200, 12)) + 1


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


WITHOUT_A_FIT = {
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
}
"""Checks of scikit-learn that fit nothing. Those that fit pass labels (n,) as the second argument;
here it is a second set of rows, (m, d), which they cannot know."""


@pytest.mark.parametrize("name", list(aa.ALIGNERS))
def test_checks_of_scikit_learn_that_fit_nothing(name):
    ran = set()
    for estimator, check in estimator_checks_generator(aa.ALIGNERS[name]()):
        inner = getattr(check, "func", check)
        if inner.__name__ in WITHOUT_A_FIT:
            check(estimator)
            ran.add(inner.__name__)
    assert len(ran) >= 4, ran
    estimator_checks.check_get_params_invariance(name, aa.ALIGNERS[name]())
    estimator_checks.check_set_params(name, aa.ALIGNERS[name]())


@pytest.mark.parametrize("name", ["mean-shift", "realign", "bounded", "procrustes"])
def test_fit_transform_and_set_output(name):
    method = aa.ALIGNERS[name]()
    corrected = method.fit_transform(Y, X)
    np.testing.assert_array_equal(corrected, method.transform(Y))
    table = clone(method).set_output(transform="pandas").fit(Y, X).transform(Y)
    assert table.columns.tolist() == [f"{name}{i}" for i in range(12)]
    np.testing.assert_array_equal(table.to_numpy(), corrected)


@pytest.mark.parametrize("name", ["mean-shift", "standardize", "coral", "bures"])
def test_moments_are_enough_where_no_row_is_looked_at(name):
    whole = aa.ALIGNERS[name]().fit(Y, X)
    sums = [Moments.of(unit(rows).astype(np.float32)) for rows in (Y, X)]
    np.testing.assert_allclose(
        aa.ALIGNERS[name]().fit(*sums).transform(Y), whole.transform(Y), atol=1e-6
    )
    parts = aa.ALIGNERS[name]().partial_fit(Y[:80], X[:120]).partial_fit(Y[80:], X[120:])
    np.testing.assert_allclose(parts.transform(Y), whole.transform(Y), atol=1e-6)


def test_methods_that_look_at_rows_refuse_moments():
    sums = [Moments.of(unit(rows).astype(np.float32)) for rows in (Y, X)]
    for name in ("realign", "procrustes", "permuted"):
        with pytest.raises(ParameterError, match="looks at the rows themselves"):
            aa.ALIGNERS[name]().fit(*sums)
    with pytest.raises(ParameterError, match="of both sides"):
        aa.MeanShift().fit(sums[0], X)


def test_moments_sum_with_sum():
    rows = unit(Y).astype(np.float32)
    total = sum(Moments.of(part) for part in (rows[:50], rows[50:90], rows[90:]))
    np.testing.assert_allclose(total.covariance, Moments.of(rows).covariance, atol=1e-12)
    with pytest.raises(TypeError):
        3 + total


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_modules_are_pickled_saved_and_scripted(dtype):
    rows = torch.tensor(Y, dtype=dtype)
    for module in (aa.Coral().fit(Y, X).to_torch(), aa.ReAlign().fit(Y[:8], X[:8]).to_torch()):
        module = module.to(dtype)
        wanted = module(rows)
        again = pickle.loads(pickle.dumps(module))  # noqa: S301 - our own bytes
        assert torch.equal(again(rows), wanted)
        stream = io.BytesIO()
        torch.save(module, stream)
        stream.seek(0)
        assert torch.equal(torch.load(stream, weights_only=False)(rows), wanted)
        assert torch.equal(torch.jit.script(again)(rows), wanted)
