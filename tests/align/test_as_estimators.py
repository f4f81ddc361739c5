"""The methods are scikit-learn's estimators as far as two sets of rows allow."""

from __future__ import annotations

import io
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

import anisoalign_core as aa
from anisoalign_core.errors import NotFittedError, ParameterError, ShapeError
from anisoalign_core.moments import Moments

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(200, 12))
X = Y + 0.5 * RNG.normal(size=(200, 12)) + 1


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def against_itself(method: type[aa.Aligner]) -> type[aa.Aligner]:
    """A method that makes its target of its source: checks hand one set of rows and labels."""

    def target(rows):
        return rows if issparse(rows) else np.asarray(rows)[::-1]

    class Fitted(method):
        def fit(self, X, y=None):
            return super().fit(X, target(X))

        def partial_fit(self, X, y=None):
            return super().partial_fit(X, target(X))

        def transform(self, X):
            return super().transform(X, X if self.needs_partners else None)

    Fitted.__name__ = Fitted.__qualname__ = f"{method.__name__}AgainstItself"
    globals()[Fitted.__name__] = Fitted  # pickle looks there
    return Fitted


EXCEPTIONS = {
    "check_estimators_dtypes": "its rows hold one of zeros, which has no direction",
    "check_dtype_object": "an array of Python objects is refused, also where each is a number",
    "check_fit2d_1sample": "refused, and the words speak of rows instead of samples",
}
WITHOUT_MOMENTS = {
    check: "partial_fit says by a ParameterError that moments are not enough for this method"
    for check in ("check_n_features_in_after_fitting", "check_fit_score_takes_y")
}
CONTROLS = {
    "permuted": {
        check: "a control that gives each row a target by its place among the others"
        for check in ("check_methods_sample_order_invariance", "check_methods_subset_invariance")
    }
}
FITTED = {name: against_itself(kind) for name, kind in aa.ALIGNERS.items() if not kind.trains}
"""Every method whose fit is a formula; training one takes minutes for these many fits."""


@pytest.mark.parametrize("name", list(FITTED))
def test_checks_of_scikit_learn(name):
    """Each check passes or is listed with its reason; one that is listed and passes is too many."""
    by_rows = FITTED[name].moments is None or FITTED[name].recentres or name == "bounded"
    listed = EXCEPTIONS | (WITHOUT_MOMENTS if by_rows else {}) | CONTROLS.get(name, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(
            FITTED[name](), expected_failed_checks=listed, on_fail=None, on_skip=None
        )
    outcome = {check["check_name"]: check for check in found}
    failed = {name: repr(check["exception"]) for name, check in outcome.items()
              if check["status"] == "failed"}  # fmt: skip
    assert not failed
    assert {name for name, check in outcome.items() if check["status"] == "xfail"} == set(listed)
    assert sum(check["status"] == "passed" for check in found) >= 39


def test_the_network_passes_the_checks_that_fit_nothing():
    estimator_checks.check_get_params_invariance("anisoalign", aa.AnisoAlign())
    estimator_checks.check_set_params("anisoalign", aa.AnisoAlign())
    estimator_checks.check_no_attributes_set_in_init("anisoalign", aa.AnisoAlign())
    estimator_checks.check_estimator_cloneable("anisoalign", aa.AnisoAlign())


def test_rows_of_other_names_or_dimensions_are_refused():
    table = pd.DataFrame(Y, columns=[f"v{i}" for i in range(12)])
    method = aa.MeanShift().fit(table, X)
    assert method.feature_names_in_.tolist() == table.columns.tolist()
    with pytest.raises(ShapeError, match="feature names"):
        method.transform(table.rename(columns={"v3": "other"}))
    with pytest.raises(ShapeError, match="X has 8 features, but MeanShift is expecting 12"):
        method.transform(Y[:, :8])
    assert not hasattr(method.fit(Y, X), "feature_names_in_")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        aa.MeanShift().transform(Y)


def test_names_of_columns_are_saved(tmp_path):
    table = pd.DataFrame(Y, columns=[f"v{i}" for i in range(12)])
    method = aa.MeanShift().fit(table, X)
    again = aa.load_aligner(method.save(tmp_path / "model.npz"))
    np.testing.assert_array_equal(again.feature_names_in_, method.feature_names_in_)
    np.testing.assert_array_equal(again.transform(table), method.transform(table))


@pytest.mark.parametrize("name", ["mean-shift", "realign", "bounded", "procrustes"])
def test_fit_transform_and_set_output(name):
    method = aa.ALIGNERS[name]()
    corrected = method.fit_transform(Y, X)
    np.testing.assert_array_equal(corrected, method.transform(Y))
    table = clone(method).set_output(transform="pandas").fit(Y, X).transform(Y)
    assert table.columns.tolist() == [f"{name}{i}" for i in range(12)]
    np.testing.assert_array_equal(table.to_numpy(), corrected)


@pytest.mark.parametrize("name", ["mean-shift", "standardize", "coral", "bures", "orthogonal"])
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
    for name in ("realign", "memory", "sinkhorn", "procrustes", "permuted"):
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
