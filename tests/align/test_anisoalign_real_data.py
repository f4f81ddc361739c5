"""What the paper's statistics and the corrected variant say on a real encoder."""

import numpy as np
import pytest

import anisoalign_core as aa

pytestmark = pytest.mark.real_data


@pytest.fixture
def coco(real_data):
    folder = real_data / "coco-clip-vitb16"
    return aa.EmbeddingPair(
        aa.load(folder / "text.npy", modality="text"),
        aa.load(folder / "image.npy", modality="image"),
        paired=True,
    )


def test_couplings_restate_the_mean_phases(coco):
    found = aa.AnisoAlign.of({"refine": False, "rank": 40}).fit(coco.source, coco.target).phases_
    assert found.restated == pytest.approx(0.895, abs=0.02)


def test_the_corrected_variant_keeps_more_and_mixes_better_than_its_matched_bound(coco):
    from anisoalign_core.compare import measure

    found = measure(coco, {"corrected": aa.AnisoAlign("corrected")}, splits=3, holdout=0.24, k=10)
    assert found.gain("corrected", "mixing_coverage").value > 0
    assert found.gain("corrected", "frechet").high < 0  # three splits: a wide interval
    assert np.mean(found.scores["corrected"]["psi"]) > 0.9
