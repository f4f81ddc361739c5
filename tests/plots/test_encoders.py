"""Several encoders in one table and one figure."""

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import ParameterError
from anisoalign_core.gap.report import side_by_side
from anisoalign_core.plots import NamedSpectra, encoder_spectra
from tests.conftest import paired_world


def report(dim, paired=True, seed=0):
    y, x = paired_world(200, dim, seed=seed)
    sides = (
        aa.EmbeddingSet.from_array(rows, modality=m) for rows, m in ((y, "text"), (x, "image"))
    )
    return aa.diagnose(aa.EmbeddingPair(*sides, paired=paired))


def test_reports_stand_side_by_side_with_their_nulls():
    reports = {"old": report(12), "new": report(20, seed=1), "unpaired": report(12, paired=False)}
    with pytest.warns(DeprecationWarning, match="aa.gap.compare"):
        table = side_by_side(reports)
    assert list(table.columns.get_level_values(0).unique()) == ["old", "new", "unpaired"]
    for name, one in reports.items():
        frame = one.to_frame()
        for row in frame.index:
            assert table.loc[row, (name, "value")] == pytest.approx(
                frame.loc[row, "value"], nan_ok=True
            )
    assert table.loc["centroid_gap", ("old", "null")] == reports["old"].bias.floor
    assert np.isnan(table.loc["matched_cosine", ("unpaired", "value")])
    assert list(table.index)[: len(reports["old"].to_frame())] == list(
        reports["old"].to_frame().index
    )
    with (
        pytest.warns(DeprecationWarning),
        pytest.raises(ParameterError, match="no report"),
    ):
        side_by_side({})


def test_spectra_are_shares_of_each_sets_own_variance():
    values = np.array([4.0, 3.0, 2.0, 1.0, 0.0])
    figure = encoder_spectra(
        [
            NamedSpectra("<i>one", values, 100 * values, values[::-1].copy()),
            NamedSpectra("two", np.ones(8), np.ones(8)),
        ]
    )
    curves = [t for t in figure.data if np.isfinite(t.y).any()]
    assert len(curves) == 5
    np.testing.assert_allclose(curves[0].y, [0.4, 0.3, 0.2, 0.1], rtol=1e-6)
    np.testing.assert_allclose(curves[1].y, curves[0].y)  # whatever the cone's width
    assert curves[2].x.tolist() == [2, 3, 4, 5]
    assert [t.line.dash for t in curves] == ["solid", "dash", "dot", "solid", "dash"]
    assert len({t.line.color for t in curves[:3]}) == 1
    assert curves[3].line.color != curves[0].line.color
    named = [t.name for t in figure.data if t.showlegend is not False]
    assert named == ["&lt;i&gt;one", "two", "target", "source", "residual"]
