"""A trial under study shows what an ordinary fit on the same split gives."""

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.compare.study import Study
from anisoalign_core.errors import NeedsPairsError, ShapeError
from tests.conftest import paired_world


def study_of(paired=True, n=400):
    y, x = paired_world(n, 16)
    sides = (aa.EmbeddingSet.from_array(rows, modality="any") for rows in (y, x))
    pair = aa.EmbeddingPair(*sides, paired=paired)
    return Study(pair, pair.split(1, 0.25))


@pytest.mark.parametrize("bound", [0.0, 0.2, 0.9])
def test_a_view_shows_the_fit_at_that_bound(bound):
    study = study_of()
    view = study.fit(aa.BoundedTransport(bound=0.5)).view(bound)
    pair, split = study.pair, study.split
    method = aa.BoundedTransport(bound=bound)
    method.fit(pair.source.take(split.fit_source), pair.target.take(split.fit_target))
    z = method.transform(study.source)
    directions = np.eye(16)[:, :2]
    np.testing.assert_allclose(view.project(directions), z[:, :2], atol=2e-6)
    unseen = pair.take(study.shown[0])
    scores = aa.evaluate(method, unseen, k=study.k, intervals=False)
    for name in ("psi", "omega", "mixing_coverage", "matched_cosine"):
        assert view.scores[name] == pytest.approx(scores[name].value, abs=2e-3), name


@pytest.mark.parametrize("name", sorted(aa.ALIGNERS))
def test_every_method_can_be_studied(name):
    short = {"prior_steps": 10, "refine_steps": 10} if name == "anisoalign" else {}
    view = study_of().fit(aa.ALIGNERS[name].of(short)).view()
    assert view.project(np.eye(16)[:, :2]).shape == (100, 2)
    assert 0 <= view.scores["omega"] <= 1
    assert len(view.evaluate()) > 15


def test_the_curve_has_one_value_per_bound_and_can_be_stopped():
    trial = study_of().fit(aa.BoundedTransport(bound=0.0))
    curve = trial.curve([0.0, 0.5, 1.0])
    assert curve["psi"].shape == (3,)
    assert curve["psi"][0] > curve["psi"][2]
    assert curve["mixing_coverage"][2] > curve["mixing_coverage"][0]

    def stop(fraction, words):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trial.curve([0.0, 0.5], progress=stop)


def test_unpaired_studies_leave_out_what_needs_pairs():
    study = study_of(paired=False)
    view = study.fit(aa.BoundedTransport(bound=0.2)).view()
    assert "matched_cosine" not in view.scores
    assert "mixing_coverage" in view.scores
    for method in (aa.Procrustes(), aa.Ridge(), aa.Oracle()):
        with pytest.raises(NeedsPairsError):
            study.fit(method)


def test_too_few_held_out_rows_are_said():
    study = study_of(n=16)
    with pytest.raises(ShapeError, match="held out"):
        _ = study.k
