"""Reports are written, read again, and say the same; what is no report is refused in words."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.errors import FormatError
from tests.conftest import paired_world


def report_of(n=120, d=10, paired=True, **more):
    y, x = paired_world(n, d)
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text"),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=paired,
    )
    return aa.diagnose(pair, random_state=0, **more)


@pytest.mark.parametrize("paired", [True, False])
def test_a_report_comes_back_as_it_was(tmp_path, paired):
    report = report_of(paired=paired)
    path = report.save(tmp_path / "report.json")
    again = aa.GapReport.load(path)
    assert again == report
    assert again.to_json() == report.to_json()
    for name, value in vars(report.curves).items():
        np.testing.assert_array_equal(getattr(again.curves, name), value)
    assert [trace.name for trace in again.plot("spectra").data]
    assert again.save(tmp_path / "again.json").read_text() == path.read_text()


def test_numbers_that_are_not_finite_come_back(tmp_path):
    report = report_of()
    broken = replace(report, separability=float("nan"))
    again = aa.GapReport.load(broken.save(tmp_path / "report.json"))
    assert np.isnan(again.separability)


def test_what_the_command_line_writes_is_a_report_too(tmp_path):
    y, x = paired_world(90, 8)
    np.save(tmp_path / "text.npy", y)
    np.save(tmp_path / "image.npy", x)
    out = tmp_path / "report.json"
    sides = ["--target", str(tmp_path / "image.npy"), "--source", str(tmp_path / "text.npy")]
    assert main(["diagnose", *sides, "--paired", "--json", str(out)]) == 0
    read = aa.GapReport.load(out)
    assert read.n_source == 90
    assert read.residual.share.value == json.loads(out.read_text())["residual_share"]


def test_a_report_of_an_earlier_version_has_neither_version_nor_curves(tmp_path):
    report = report_of()
    body = report.to_dict()
    (tmp_path / "old.json").write_text(json.dumps(body))
    assert aa.GapReport.load(tmp_path / "old.json") == report
    assert asdict(aa.GapReport.load(tmp_path / "old.json"))["curves"] is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"details": 3}', '{"details": {"n_source": 1}}', "[" * 5000, "null"],
)
def test_what_is_no_report_is_refused_in_one_sentence(tmp_path, text):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(FormatError, match=r"bad\.json"):
        aa.GapReport.load(tmp_path / "bad.json")


def test_a_later_version_asks_for_an_update(tmp_path):
    path = report_of().save(tmp_path / "report.json")
    body = json.loads(path.read_text()) | {"report_version": 99}
    path.write_text(json.dumps(body))
    with pytest.raises(FormatError, match="report version 99"):
        aa.GapReport.load(path)
