"""The GapReport: what :func:`~anisoalign_core.gap.diagnose` found, as frozen dataclasses."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.card import Card, Shown, three, within
from anisoalign_core.errors import ParameterError
from anisoalign_core.gap.facts import (
    Bias,
    Curves,
    Distribution,
    Gallery,
    Items,
    Level,
    Overlap,
    ResidualFacts,
    ShareOverlap,
    SideSpectrum,
    SpectraFacts,
    Structure,
    Verdict,
    gallery_of,
)
from anisoalign_core.metrics.intervals import Interval
from anisoalign_core.metrics.retrieval import GALLERY

if TYPE_CHECKING:
    import pandas as pd


__all__ = [
    "Bias",
    "Curves",
    "Distribution",
    "Gallery",
    "GapReport",
    "Items",
    "Level",
    "Overlap",
    "ResidualFacts",
    "ShareOverlap",
    "SideSpectrum",
    "SpectraFacts",
    "Structure",
    "Verdict",
    "side_by_side",
]


@dataclass(frozen=True, repr=False)
class GapReport(Shown):
    """Everything :func:`anisoalign_core.gap.diagnose` measured on a pair of sets.

    Parts that need pairs are None for unpaired sets. ``notes`` state every sampling and warning.
    ``curves`` are for :meth:`plot`; dictionaries and JSON leave them out. ``shares`` (by percent of
    variance) and ``galleries`` (by size) can be set beside those of other encoders, where ``items``
    are the same. Reports of earlier versions have none of the three, nor ``distribution``.
    """

    n_source: int
    n_target: int
    dim: int
    paired: bool
    random_state: int
    source_digest: str
    target_digest: str
    bias: Bias
    spectra: SpectraFacts
    subspaces: dict[int, Overlap]
    separability: float
    residual: ResidualFacts | None
    structure: Structure | None
    verdict: Verdict
    notes: tuple[str, ...]
    curves: Curves | None = field(default=None, compare=False)
    distribution: Distribution | None = None
    shares: dict[int, ShareOverlap] = field(default_factory=dict)
    galleries: dict[int, Gallery] = field(default_factory=dict)
    items: Items | None = None
    encoder: str = ""

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        rows = f"{self.n_source:,} source and {self.n_target:,} target rows"
        kind = "paired" if self.paired else "unpaired"
        return f"{rows} of {self.dim} dimensions, {kind}: {self.verdict.headline}"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        rows = [
            (str(name), within(row.value, row.low, row.high), three(row.null), row.null_is)
            for name, row in self.to_frame().iterrows()
        ]
        header = ("measure", "value (95 %)", "beside it", "which is")
        return Card(self.in_short(), rows, header, [*self.verdict.reasons, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Return the headline numbers by their contract names, and the whole tree as ``details``.

        Numbers that need pairs are None when there are none; NaN becomes None.
        """
        residual, structure = self.residual, self.structure
        flat: dict[str, Any] = {
            "n_source": self.n_source,
            "n_target": self.n_target,
            "dim": self.dim,
            "paired": self.paired,
            "centroid_gap": self.bias.centroid_gap.value,
            "centroid_gap_floor": self.bias.floor,
            "matched_cosine": residual and residual.matched_cosine.value,
            "mean_distance": residual and residual.mean_distance,
            "residual_trace": residual and residual.trace,
            "residual_share": residual and residual.share.value,
            "residual_anisotropy": residual and residual.anisotropy.value,
            "residual_anisotropy_repaired": residual and residual.anisotropy_repaired,
            "effective_dimension_ratio": residual and residual.effective_dimension_ratio,
            "target_trace": self.spectra.target.trace,
            "source_trace": self.spectra.source.trace,
            "covariance_gap_relative": self.spectra.covariance_gap_relative,
            "covariance_gap_absolute": self.spectra.covariance_gap_absolute,
            "spectral_correlation": self.spectra.spectral_correlation,
            "subspace_overlap": {str(q): asdict(o) for q, o in self.subspaces.items()},
            "rmg": structure and structure.rmg,
            "separability": self.separability,
            "distribution_gap": self.distribution and self.distribution.gap.value,
            "distribution_gap_floor": self.distribution and self.distribution.floor,
            "recall_at_1": structure and structure.recall_at_1,
            "verdict": asdict(self.verdict),
            "details": asdict(replace(self, curves=None)),
        }
        del flat["details"]["curves"]
        return {key: _plain(value) for key, value in flat.items()}

    def plot(self, kind: str = "spectra") -> Any:
        """Draw a figure of the Spectra page.

        Parameters
        ----------
        kind : str
            "spectra", the eigenvalues of both covariances and of the residual; "overlap",
            "angles", how far leading directions agree; "few", the gap's largest coordinates; with
            pairs also "bias", bias against residual; "energy", E(K) of the residual; "ratio", which
            directions partners share.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ParameterError
            If there is no such kind, or the report does not hold what it draws: which, and why.
        """
        from anisoalign_core.plots.asked import report_figure

        return report_figure(self, kind)

    def to_json(self, indent: int = 2) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def save(self, path: str | Path) -> Path:
        """Write :meth:`to_dict`, a version and the curves as JSON that :meth:`load` reads again."""
        from anisoalign_core.gap.saved import write_report

        return write_report(self, path)

    @classmethod
    def load(cls, path: str | Path) -> GapReport:
        """Return a report from JSON: what :meth:`save`, or ``diagnose --json``, wrote.

        Raises
        ------
        FormatError
            If the file holds no report, or one of a later version.
        """
        from anisoalign_core.gap.saved import read_report

        return read_report(path)

    def gallery(self, size: int = GALLERY) -> tuple[int, Gallery] | None:
        """Return retrieval in galleries of ``size`` things, or the most below that; None without.

        The size that is returned is that of the gallery, to be said beside its numbers.
        """
        return gallery_of(self.galleries, size)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per headline number, indexed by name, with its interval and its null."""
        import pandas as pd

        rows: list[dict[str, Any]] = []

        def add(
            name: str, value: float | Interval, null: float | None, of: str, pairs: bool
        ) -> None:
            ends = (value.low, value.high) if isinstance(value, Interval) else (None, None)
            rows.append(
                {
                    "name": name,
                    "value": value.value if isinstance(value, Interval) else value,
                    "low": ends[0],
                    "high": ends[1],
                    "null": null,
                    "null_is": of,
                    "needs_pairs": pairs,
                }
            )

        add("centroid_gap", self.bias.centroid_gap, self.bias.floor, "sampling floor", False)
        if self.residual is not None:
            r = self.residual
            add("matched_cosine", r.matched_cosine, None, "", True)
            add("mean_distance", r.mean_distance, None, "", True)
            add("residual_trace", r.trace, None, "", True)
            add("residual_share", r.share, None, "", True)
            add("residual_anisotropy", r.anisotropy, r.anisotropy_repaired, "re-paired", True)
            add("effective_dimension_ratio", r.effective_dimension_ratio, 1.0, "isotropic", True)
            add("residual_trace_ratio", r.trace_ratio, 1.0, "nothing shared", True)
        if self.distribution is not None:
            t = self.distribution
            add("distribution_gap", t.gap, t.floor, "sampling floor", False)
            add("distribution_share", t.share, None, "", False)
            for side, known in (("source", t.source), ("target", t.target)):
                add(f"conformity_{side}", known.mean, known.mean_floor, "no centre", False)
                spread = known.spread_floor
                add(f"conformity_spread_{side}", known.spread, spread, "any direction", False)
            floor = t.conformity_distance_floor
            add("conformity_distance", t.conformity_distance, floor, "sampling floor", False)
            add("conformity_correlation", t.conformity_correlation, 0.0, "re-paired", True)
        for percent, share in self.shares.items():
            add(f"overlap_excess_{percent}", share.excess, 0.0, "random frames", False)
        s = self.spectra
        add("covariance_gap_relative", s.covariance_gap_relative, None, "", False)
        add("covariance_gap_absolute", s.covariance_gap_absolute, None, "", False)
        add("spectral_correlation", s.spectral_correlation, None, "≈1 for any decay", False)
        for q, o in self.subspaces.items():
            add(f"subspace_overlap_{q}", o.value, o.random, "random frames", False)
        if self.structure is not None:
            m = self.structure
            for way, value in m.recall_at_1.items():
                add(f"recall_at_1_{way}", value, m.recall_chance, "chance", True)
            add("mutual_knn", m.mutual_knn, m.mutual_knn_null[0], "shuffled pairs", True)
            add("debiased_cka", m.debiased_cka, m.debiased_cka_null[0], "shuffled pairs", True)
            add("rsa", m.rsa, m.rsa_null[0], "shuffled pairs", True)
            add("rmg", m.rmg, None, "", True)
        add("separability", self.separability, 0.5, "no linear rule", False)
        return pd.DataFrame(rows).set_index("name")


WORDS = {
    "centroid_gap": "Gap between the means",
    "matched_cosine": "Partners' cosine",
    "mean_distance": "Mean distance of partners",
    "residual_trace": "Residual, mean squared length",
    "residual_share": "Residual share",
    "residual_anisotropy": "Residual anisotropy",
    "effective_dimension_ratio": "Residual dimension, share of all",
    "residual_trace_ratio": "Residual over that of random pairs",
    "distribution_gap": "Distribution gap",
    "distribution_share": "Distribution gap, share of the means",
    "conformity_source": "Conformity of the source",
    "conformity_target": "Conformity of the target",
    "conformity_spread_source": "Conformity of the source, spread",
    "conformity_spread_target": "Conformity of the target, spread",
    "conformity_distance": "Conformity, distance of the sides",
    "conformity_correlation": "Conformity, correlation of partners",
    "covariance_gap_relative": "Covariance gap, relative",
    "covariance_gap_absolute": "Covariance gap, absolute",
    "spectral_correlation": "Correlation of the spectra",
    "recall_at_1_target_to_source": "Target finds its source, among all",
    "recall_at_1_source_to_target": "Source finds its target, among all",
    "mutual_knn": "Neighbours in common",
    "debiased_cka": "Linear similarity of the spaces (CKA)",
    "rsa": "Correlation of their similarities (RSA)",
    "rmg": "Relative modality gap",
    "separability": "Told apart by a line",
}
"""What screens call the numbers of :meth:`GapReport.to_frame`; those of ranks end in a number."""
RANKED = {
    "overlap_excess": "Leading overlap beyond chance, {} % of the variance",
    "subspace_overlap": "Leading overlap, {} directions",
}


def in_words(name: str) -> str:
    """Return what screens call a number of :meth:`GapReport.to_frame`."""
    kind, _, number = name.rpartition("_")
    return RANKED[kind].format(number) if kind in RANKED else WORDS[name]


def side_by_side(reports: Mapping[str, GapReport]) -> pd.DataFrame:
    """Compare the reports of several encoders; :func:`anisoalign_core.gap.compare` does it now.

    It gives a DeprecationWarning and goes with the next version.

    Parameters
    ----------
    reports : mapping of str to GapReport
        By the name each is to be called.

    Returns
    -------
    pandas.DataFrame
        One row for each headline number that any report has, in the order of
        :meth:`GapReport.to_frame`; for each report a column ``(name, "value")`` and one
        ``(name, "null")``: what chance would give for it, where that is known. Numbers of
        different encoders are comparable where their nulls are; a set of other rows, or of another
        number of rows, has other nulls.

    Raises
    ------
    ParameterError
        If there is no report.
    """
    import warnings

    import pandas as pd

    warnings.warn(
        "anisoalign_core.gap.report.side_by_side goes with the next version; use aa.gap.compare, "
        "whose numbers can be compared between encoders.",
        DeprecationWarning,
        stacklevel=2,
    )
    if not reports:
        raise ParameterError("There is no report to compare. Give at least one.")
    frames = {name: report.to_frame()[["value", "null"]] for name, report in reports.items()}
    order = dict.fromkeys(name for frame in frames.values() for name in frame.index)
    table = pd.concat(frames, axis=1, names=["set", "number"]).astype(float)
    return table.reindex(list(order))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
