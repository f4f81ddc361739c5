"""Falsifiers: what is compared with what, at equal cost, with which intervals."""

import json

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.compare import (
    Falsification,
    at_omega,
    falsify,
    measure,
    variants,
)
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.metrics.intervals import over_splits
from tests.conftest import paired_world

SHORT = {"rank": 6, "prior_steps": 8, "refine_steps": 8, "hidden": 16, "batch": 64}


def pair_of(n=240, paired=True, labels=False):
    y, x = paired_world(n, 12)
    table = None
    if labels:
        import pandas as pd

        table = pd.DataFrame({"half": np.where(x[:, 0] > np.median(x[:, 0]), "a", "b")})
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", labels=table),
        aa.EmbeddingSet.from_array(x, modality="image", labels=table),
        paired=paired,
    )


def test_the_curve_is_read_where_omega_is_equal_from_the_larger_bound():
    curve = {"omega": np.array([0.9, 0.92, 0.8, 0.6]), "psi": np.array([1.0, 2.0, 3.0, 5.0])}
    assert at_omega(curve, 0.7) == ({"omega": pytest.approx(0.7), "psi": 4.0}, False)
    assert at_omega(curve, 0.91)[0]["psi"] == pytest.approx(2 + 0.01 / 0.12)
    assert at_omega(curve, 0.95) == ({"omega": 0.92, "psi": 2.0}, True)
    assert at_omega(curve, 0.5) == ({"omega": 0.6, "psi": 5.0}, True)


def test_gains_have_the_interval_that_allows_for_shared_rows():
    known = {"omega": np.array([0.9, 0.8, 0.85]), "matched_cosine": np.array([0.5, 0.6, 0.4])}
    found = Falsification(
        {"a": known}, {"a": {"omega": np.zeros(3)}}, {"a": 0}, {}, (30, 30, 20), 3
    )
    assert found.held_out == 0.25
    assert found.gain("a", "omega") == over_splits(known["omega"], 0.25)


def test_variants_take_the_method_apart():
    paper = variants(aa.AnisoAlign(), ranks=(8,))
    assert list(paper) == [
        "start only",
        "+ refinement",
        "+ L_II",
        "+ L_Φ",
        "full",
        "uniform prior",
        "shuffled prior",
        "full, rank 8",
    ]
    assert paper["+ L_II"].weights.active == ("prior",)
    assert paper["+ L_Φ"].weights.active == ("phase",)
    assert paper["+ refinement"].weights.active == ()
    corrected = variants(aa.AnisoAlign("corrected"))
    assert "uniform prior" not in corrected
    assert corrected["+ energy distance"].weights.active == ("energy",)


def test_everything_is_measured_on_every_split():
    heard = []
    found = falsify(
        pair_of(labels=True),
        splits=2,
        method=aa.AnisoAlign.of(SHORT),
        ranks=(4,),
        k=5,
        progress=lambda fraction, words: heard.append(fraction),
    )
    assert np.diff(heard).min() > -1e-9 and heard[-1] == 1.0
    assert set(found.scores) - set(found.matched) == {"no correction"}
    assert found.mean("no correction", "psi") == pytest.approx(1.0)
    assert found.mean("no correction", "omega") == pytest.approx(1.0)
    assert found.splits == 2 and found.rows == (90, 90, 60) and found.k == 5
    assert 0.5 < found.mean("ReAlign", "label_transfer") <= 1.0
    start, still = (found.scores[name]["frechet"] for name in ("start only", "+ refinement"))
    np.testing.assert_allclose(start, still, rtol=1e-5)
    assert set(found.prior) >= {"full", "uniform prior", "shuffled prior"}
    assert any("by construction" in note for note in found.notes)
    again = Falsification.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_markdown() == found.to_markdown()
    frame = found.to_frame()
    assert frame.loc["full", "Ψ"] == pytest.approx(found.mean("full", "psi"))
    assert "| full, rank 4 " in found.to_markdown()


def test_the_closed_form_has_nothing_over_itself():
    found = measure(pair_of(), {"same": aa.BoundedTransport(bound=0.3)}, splits=3, k=5)
    for metric in ("mixing_coverage", "frechet", "psi"):
        gain = found.gain("same", metric)
        assert abs(gain.value) < 0.03, metric


def test_unpaired_sets_are_measured_without_partners():
    found = measure(pair_of(paired=False), {"ReAlign": aa.ReAlign()}, splits=2, k=5)
    assert "matched_cosine" not in found.scores["ReAlign"]
    assert "frechet" in found.matched["ReAlign"]


def test_too_little_is_refused_in_words():
    with pytest.raises(ParameterError, match="at least two"):
        measure(pair_of(), {}, splits=1)
    with pytest.raises(ShapeError, match="held out"):
        measure(pair_of(40), {}, splits=2)


def test_it_can_be_stopped():
    def stop(fraction, words):
        if "refinement" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        falsify(pair_of(), splits=2, method=aa.AnisoAlign.of(SHORT), ranks=(), k=5, progress=stop)


def test_the_command_line_writes_what_was_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pair = pair_of()
    np.save("text.npy", pair.source.vectors)
    np.save("image.npy", pair.target.vectors)
    short = [word for key, value in SHORT.items() for word in ("--param", f"{key}={value}")]
    sides = ["--target", "image.npy", "--source", "text.npy", "--paired"]
    command = ["falsify", *sides, "--splits", "2", "--k", "5", "--ranks", "4", *short]
    assert main([*command, "--json", "found.json", "--quiet"]) == 0
    kept = json.loads((tmp_path / "found.json").read_text())
    assert kept["splits"] == 2 and "full, rank 4" in kept["scores"]
    assert "at equal Ω" in capsys.readouterr().out
    assert main(["falsify", *sides, "--splits", "1"]) == 2
    assert main(["falsify", *sides, "--param", "depth=3"]) == 2


def test_notes_say_only_what_was_run():
    known = {"omega": np.array([0.9, 0.8]), "mixing_coverage": np.array([0.5, 0.6])}
    matched = {"omega": np.array([0.9, 0.7]), "mixing_coverage": np.array([0.4, 0.5])}
    found = Falsification(
        {"start only": known, "+ refinement": known},
        {"start only": matched, "+ refinement": matched},
        {"start only": 1, "+ refinement": 0},
        {},
        (30, 30, 20),
        3,
    )
    basis, refinement, ended = found.notes
    assert "30 source and 30 target rows fitted, 20 held out, k = 3, 2 splits" in basis
    assert "No loss is published" in refinement
    assert ended.endswith("in: start only.")
