"""The report reproduces the reference numbers, and controls are told from trained encoders."""

import json

import numpy as np
import pytest
from scipy.stats import ortho_group

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.pairs import EmbeddingPair
from anisoalign_core.samples import load_sample
from tests.conftest import paired_world

CONTRACT = """n_source n_target dim paired centroid_gap centroid_gap_floor matched_cosine
mean_distance residual_trace residual_share residual_anisotropy residual_anisotropy_repaired
effective_dimension_ratio covariance_gap_relative covariance_gap_absolute spectral_correlation
subspace_overlap rmg separability recall_at_1 verdict""".split()


def sets(y, x, paired=True):
    return EmbeddingPair(
        EmbeddingSet.from_array(y, modality="text", name="text.npy"),
        EmbeddingSet.from_array(x, modality="image", name="image.npy"),
        paired=paired,
    )


def load_real(folder, name, paired=True):
    return sets(np.load(folder / name / "text.npy"), np.load(folder / name / "image.npy"), paired)


GOLDEN = {  # name: (printed value, half of its last digit)
    "centroid_gap": (0.851, 5e-4),
    "mean_distance": (1.174, 5e-4),
    "matched_cosine": (0.310, 5e-4),
    "rmg": (0.591, 5e-4),
    "residual_share": (0.475, 5e-4),
    "residual_trace": (0.655, 5e-4),
    "target_trace": (0.468, 5e-4),
    "source_trace": (0.484, 5e-4),
    "residual_anisotropy": (28.3, 5e-2),
    "residual_anisotropy_repaired": (40.2, 5e-2),
    "effective_dimension_ratio": (0.152, 5e-4),
    "covariance_gap_relative": (1.19, 5e-3),
    "covariance_gap_absolute": (0.085, 5e-4),
    "spectral_correlation": (0.9994, 5e-5),
    "separability": (1.0, 5e-4),
}


@pytest.mark.real_data
def test_golden_numbers_of_coco_clip(real_data):
    found = diagnose(load_real(real_data, "coco-clip-vitb16")).to_dict()
    for name, (value, half) in GOLDEN.items():
        assert found[name] == pytest.approx(value, abs=half), name
    overlap = found["subspace_overlap"]
    assert overlap["51"]["value"] == pytest.approx(0.231, abs=5e-4)
    assert overlap["51"]["random"] == pytest.approx(0.100, abs=5e-4)
    assert overlap["128"]["value"] == pytest.approx(0.367, abs=5e-4)
    assert overlap["128"]["random"] == pytest.approx(0.250, abs=5e-4)
    assert found["recall_at_1"]["target_to_source"] == pytest.approx(0.552, abs=5e-4)
    assert found["recall_at_1"]["source_to_target"] == pytest.approx(0.506, abs=5e-4)
    assert found["details"]["residual"]["anisotropy_repaired_spread"] == pytest.approx(1.6, abs=0.7)
    assert found["verdict"]["level"] == "shared"


@pytest.mark.real_data
@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("name", ["coco-clip-vitb16-randominit", "msrvtt-videoclip-randominit"])
def test_random_weights_leave_nothing_to_align(real_data, name, paired):
    report = diagnose(load_real(real_data, name, paired))
    assert report.bias.centroid_gap.value > 0.9
    assert report.separability > 0.999
    assert report.verdict.level == "nothing"
    assert report.verdict.headline.startswith("There is nothing to align")
    assert json.loads(report.to_json())["verdict"]["level"] == "nothing"


@pytest.mark.real_data
def test_golden_numbers_of_the_random_control(real_data):
    found = diagnose(load_real(real_data, "coco-clip-vitb16-randominit")).to_dict()
    assert found["centroid_gap"] == pytest.approx(1.136, abs=5e-4)
    assert found["recall_at_1"]["target_to_source"] == pytest.approx(0.002, abs=5e-4)


@pytest.mark.real_data
def test_trained_encoders_without_retrieval_are_not_called_shared(real_data):
    assert diagnose(load_real(real_data, "msrvtt-videoclip")).verdict.level == "shared"
    assert diagnose(load_real(real_data, "uniprot-clasp")).verdict.level == "nothing"


@pytest.mark.slow
def test_the_sample_has_shared_meaning_and_its_control_has_none():
    trained, untrained = diagnose(load_sample()), diagnose(load_sample("scenes-untrained"))
    assert trained.verdict.level == "shared"
    assert untrained.verdict.level == "nothing"
    assert untrained.separability > 0.99
    assert untrained.bias.centroid_gap.value > 10 * untrained.bias.floor


def test_the_report_keeps_its_contract_paired_and_not():
    y, x = paired_world(200, 16)
    paired, unpaired = diagnose(sets(y, x)).to_dict(), diagnose(sets(y, x, False)).to_dict()
    assert set(CONTRACT) <= set(paired)
    assert set(CONTRACT) <= set(unpaired)
    assert unpaired["residual_share"] is None
    assert unpaired["recall_at_1"] is None
    for entry in paired["subspace_overlap"].values():
        assert set(entry) == {"value", "random", "ceiling"}
    json.loads(diagnose(sets(y, x)).to_json())


def test_permuting_pairs_changes_no_unpaired_number():
    y, x = paired_world(200, 16)
    order = np.random.default_rng(0).permutation(200)
    straight, shuffled = diagnose(sets(y, x)).to_dict(), diagnose(sets(y[order], x)).to_dict()
    for name in (
        "centroid_gap",
        "centroid_gap_floor",
        "covariance_gap_relative",
        "spectral_correlation",
        "residual_anisotropy_repaired",
    ):
        assert straight[name] == pytest.approx(shuffled[name], rel=1e-6), name
    for q, entry in straight["subspace_overlap"].items():
        assert entry["value"] == pytest.approx(shuffled["subspace_overlap"][q]["value"], rel=1e-6)
    assert straight["matched_cosine"] != pytest.approx(shuffled["matched_cosine"], rel=1e-3)
    assert shuffled["verdict"]["level"] != "shared"


def test_numbers_do_not_depend_on_the_basis():
    y, x = paired_world(200, 16)
    q = ortho_group.rvs(16, random_state=0)
    straight, turned = diagnose(sets(y, x)).to_dict(), diagnose(sets(y @ q, x @ q)).to_dict()
    for name in (
        "centroid_gap",
        "residual_share",
        "residual_anisotropy",
        "covariance_gap_relative",
        "effective_dimension_ratio",
        "rmg",
    ):
        assert straight[name] == pytest.approx(turned[name], rel=1e-4), name


def test_a_diagnosis_repeats_and_its_intervals_hold_the_value():
    y, x = paired_world(200, 16)
    first, second = diagnose(sets(y, x)), diagnose(sets(y, x))
    assert first.to_json() == second.to_json()
    table = first.to_frame()
    known = table.dropna(subset=["low"])
    assert len(known) >= 4
    assert ((known["low"] <= known["value"]) & (known["value"] <= known["high"])).all()
    assert (known["low"] < known["high"]).all()


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_few_rows_give_a_report_with_a_warning(n):
    y, x = paired_world(n, 16)
    report = diagnose(sets(y, x))
    assert any("singular" in note for note in report.notes)
    assert (report.verdict.level == "unknown") == (n < 5)
    json.loads(report.to_json())


def test_equal_sets_have_no_gap():
    y, _ = paired_world(100, 16)
    report = diagnose(sets(y, y))
    assert report.bias.centroid_gap.value == pytest.approx(0, abs=1e-6)
    assert report.structure.recall_at_1["source_to_target"] == 1
    json.loads(report.to_json())
