"""The bundled checkpoints are what is said of them: shapes, unit rows, measurements, the sample."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from anisoalign_core import samples
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.samples import load_sample, load_training

FOLDER = Path(__file__).resolve().parents[1] / "sample_data" / "training"


@pytest.fixture(scope="module")
def about():
    return json.loads((FOLDER / "about.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def training():
    return load_training()


def test_the_file_is_small_and_of_the_stated_shape(about):
    path = FOLDER / "training.npz"
    assert path.stat().st_size < 4_000_000
    pairs, width = about["pairs"], about["dimensions"]
    later = len(about["scales"]), len(about["steps"]) - 1
    with np.load(path, allow_pickle=False) as stored:
        assert stored["rows"].shape == (pairs,)
        assert stored["steps"].tolist() == about["steps"]
        assert stored["scales"].tolist() == about["scales"]
        for side in ("image", "text"):
            assert stored[side].dtype == np.float16
            assert stored[side].shape == (*later, pairs, width)
            assert stored[f"{side}_start"].shape == (pairs, width)
            norms = np.linalg.norm(stored[side].astype(float), axis=-1)
            np.testing.assert_allclose(norms, 1, atol=1e-3)


def test_rows_are_unit_read_only_and_drawn_once_from_the_held_out_pairs(training):
    assert len(np.unique(training.rows)) == len(training.rows)
    assert 0 <= training.rows.min() <= training.rows.max() < 4000
    for rows in (training.source, training.target):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows.astype(float), axis=-1), 1, atol=1e-6)
        with pytest.raises(ValueError, match="read-only"):
            rows[0, 0, 0, 0] = 0


def test_every_run_starts_from_the_untrained_sample(training):
    untrained = load_sample("scenes-untrained").take(training.rows)
    for scale in training.scales:
        source, target = training.at(scale, 0)
        np.testing.assert_allclose(source, untrained.source.vectors, atol=2e-3)
        np.testing.assert_allclose(target, untrained.target.vectors, atol=2e-3)


def test_the_last_checkpoint_at_the_samples_temperature_is_the_sample(training):
    sample = load_sample().take(training.rows)
    source, target = training.at(100.0, training.steps[-1])
    np.testing.assert_allclose(source, sample.source.vectors, atol=1e-3)
    np.testing.assert_allclose(target, sample.target.vectors, atol=1e-3)


def first_hits(queries, gallery):
    return float(((queries @ gallery.T).argmax(axis=1) == np.arange(len(queries))).mean())


def test_the_stated_measurements_are_those_of_the_rows(training):
    for (scale, step), stated in training.measured.items():
        y, x = (rows.astype(float) for rows in training.at(scale, step))
        assert stated.gap == pytest.approx(np.linalg.norm(x.mean(0) - y.mean(0)), abs=1e-4)
        assert stated.matched_cosine == pytest.approx((x * y).sum(1).mean(), abs=1e-4)
        assert stated.target_length == pytest.approx(np.linalg.norm(x.mean(0)), abs=1e-4)
        assert stated.source_length == pytest.approx(np.linalg.norm(y.mean(0)), abs=1e-4)
        assert stated.recall_source_to_target == pytest.approx(first_hits(y, x), abs=0.004)
        assert stated.recall_target_to_source == pytest.approx(first_hits(x, y), abs=0.004)


def test_what_is_said_of_temperature_is_so_in_these_runs(training):
    """The README and the page say: lower temperatures leave wider gaps, and narrow is not good."""
    last = [training.measured[scale, training.steps[-1]] for scale in training.scales]
    assert np.all(np.diff([found.gap for found in last]) > 0.1)
    assert np.all(np.diff([found.recall_source_to_target for found in last]) > 0)
    for step in training.steps[1:]:
        assert np.all(
            np.diff([training.measured[scale, step].gap for scale in training.scales]) > 0
        )
    coldest = [training.measured[100.0, step].gap for step in training.steps]
    assert coldest[0] < max(coldest[1:-1]) > coldest[-1]


def test_a_checkpoint_that_is_not_there_is_refused(training):
    with pytest.raises(ParameterError, match="no checkpoint at scale 7 after 850"):
        training.at(7.0, 850)


def test_missing_files_are_said_in_words(monkeypatch, tmp_path):
    monkeypatch.setattr(samples, "ROOT", tmp_path)
    with pytest.raises(FormatError, match="not beside"):
        load_training()
