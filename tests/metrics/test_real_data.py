"""Golden numbers on 500 COCO pairs of CLIP ViT-B/16 and on the same encoder untrained."""

import os
from pathlib import Path

import numpy as np
import pytest

from anisoalign_core.embeddings import as_vectors
from anisoalign_core.metrics import score_rows, structure

pytestmark = pytest.mark.real_data
FOLDER = os.environ.get("ANISOALIGN_REAL_DATA")


def load(name):
    if not FOLDER:
        pytest.skip("ANISOALIGN_REAL_DATA is not set to the folder of the reference embeddings")
    folder = Path(FOLDER) / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return as_vectors(np.load(folder / "text.npy")), as_vectors(np.load(folder / "image.npy"))


def test_a_trained_encoder():
    text, image = load("coco-clip-vitb16")
    scores = score_rows(text, text, image, paired=True)
    assert structure.rmg(image, text) == pytest.approx(0.591, abs=5e-4)
    assert scores["recall_at_1_target_to_source"].value == pytest.approx(0.552)
    assert scores["recall_at_1_source_to_target"].value == pytest.approx(0.506)
    assert scores["matched_cosine"].value == pytest.approx(0.310, abs=5e-4)
    assert scores["delta_mu"].value == pytest.approx(0.851, abs=5e-4)
    assert scores["residual_anisotropy"].value == pytest.approx(28.3, abs=0.05)
    assert scores["separability"].value == 1.0
    assert scores["mixing_coverage"].value == 0.0
    mean, spread = structure.permuted_null(structure.mutual_knn, image, text)
    assert structure.mutual_knn(image, text) > mean + 50 * spread


def test_an_untrained_encoder_has_the_gap_but_no_meaning():
    text, image = load("coco-clip-vitb16-randominit")
    names = ["delta_mu", "separability", "recall_at_1_source_to_target"]
    scores = score_rows(text, text, image, paired=True, metrics=names)
    assert scores["delta_mu"].value == pytest.approx(1.136, abs=5e-4)
    assert scores["separability"].value == 1.0
    assert scores["recall_at_1_source_to_target"].value == pytest.approx(0.002)
    assert structure.debiased_cka(image, text) < 0.1
