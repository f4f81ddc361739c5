"""The report reproduces the reference numbers, and controls are told from trained encoders."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ortho_group

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.moments import Moments
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


@pytest.mark.parametrize("n", [40, 600])
def test_moments_say_what_needs_no_rows_and_the_notes_say_what_is_left_out(n):
    y, x = paired_world(n, 64 if n == 40 else 24)
    pair = sets(y, x, paired=False)
    whole = diagnose(pair)
    sides = tuple(Moments.of(side.vectors) for side in (pair.source, pair.target))
    found = diagnose(sides)
    there, here = whole.to_dict(), found.to_dict()
    for name in ("n_source", "n_target", "dim", "centroid_gap", "centroid_gap_floor",
                 "target_trace", "source_trace", "covariance_gap_relative",
                 "covariance_gap_absolute", "spectral_correlation"):  # fmt: skip
        assert here[name] == there[name], name
    assert {q: (o.value, o.random) for q, o in found.subspaces.items()} == {
        q: (o.value, o.random) for q, o in whole.subspaces.items()
    }
    rows_only = {"hubness": 0.0, "uniformity": 0.0}
    for side in ("source", "target"):
        facts = [replace(getattr(one.spectra, side), **rows_only) for one in (found, whole)]
        assert str(facts[0]) == str(facts[1])  # where a number is NaN, it is in both
    assert found.bias.inside == whole.bias.inside
    assert found.bias.top_coordinates == whole.bias.top_coordinates
    assert math.isnan(found.separability) and found.residual is None and found.structure is None
    assert found.verdict.level == "unknown"
    assert "left out" in found.notes[0] and "Give rows" in found.notes[0]
    assert "centroid_gap" in found.to_frame().index
    json.loads(found.to_json())


def test_what_needs_rows_is_refused_of_moments():
    rows = sets(*paired_world(60, 12)).source.vectors
    sums = Moments.of(rows)
    with pytest.raises(ParameterError, match='The part "structure" looks at rows'):
        diagnose((sums, sums), parts=("subspaces", "structure"))
    with pytest.raises(ParameterError, match="moments hold none"):
        diagnose((sums, sums), rows=20)
    with pytest.raises(ParameterError, match="not those of unit rows"):
        diagnose((sums, Moments.of(3 * rows)))
    with pytest.raises(ParameterError, match="diagonal=False"):
        diagnose((sums, Moments.of(rows, diagonal=True)))
    with pytest.raises(ShapeError, match="12 and 8 dimensions"):
        short = rows[:, :8] / np.linalg.norm(rows[:, :8], axis=1, keepdims=True)
        diagnose((sums, Moments.of(short)))
    with pytest.raises(ParameterError, match="wants an EmbeddingPair"):
        diagnose((rows, rows))
    assert diagnose((sums, sums), parts=()).subspaces == {}
