"""More than two modalities: the gap of every two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from anisoalign_core.card import Card, Shown, three
from anisoalign_core.errors import ParameterError
from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.gap.encoders import EncoderComparison, compare
from anisoalign_core.gap.report import GapReport
from anisoalign_core.numerics import Progress
from anisoalign_core.pairs import EmbeddingPair

if TYPE_CHECKING:
    import pandas as pd

    from anisoalign_core.embeddings import EmbeddingSet

MEASURE = "centroid_gap"


@dataclass(frozen=True, eq=False, repr=False)
class GapMatrix(Shown):
    """The reports of every two of several modalities.

    Attributes
    ----------
    modalities : tuple of str
    reports : dict of (str, str) to GapReport
        By (source, target): of each two the later one is the source.
    """

    modalities: tuple[str, ...]
    reports: dict[tuple[str, str], GapReport]

    def comparison(self) -> EncoderComparison:
        """Set the pairs beside each other; see :func:`~anisoalign_core.gap.encoders.compare`."""
        return compare({f"{source} – {target}": r for (source, target), r in self.reports.items()})

    def to_frame(self, measure: str = MEASURE) -> pd.DataFrame:
        """Return one measure of every two modalities; the diagonal is empty.

        Retrieval has a direction: from the row's modality to the column's.

        Raises
        ------
        ParameterError
            If no report holds that measure.
        """
        import pandas as pd

        found = self.comparison().points
        directed = {"recall": ("recall_source_to_target", "recall_target_to_source")}
        forward, backward = directed.get(measure, (measure, measure))
        if forward not in found:
            names = [name for name in found if not name.startswith("recall_")]
            names += ["recall"] * any(name.startswith("recall_") for name in found)
            raise ParameterError(
                f'There is no measure "{measure}" here; choose among {", ".join(names)}.'
            )
        table = pd.DataFrame(index=self.modalities, columns=self.modalities, dtype=float)
        for source, target in self.reports:
            name = f"{source} – {target}"
            for row, column, which in ((source, target, forward), (target, source, backward)):
                point = found[which].get(name)
                if point is not None:
                    table.loc[row, column] = point.value
        return table

    def plot(self, measure: str = MEASURE) -> Any:
        """Draw one measure as a heat map.

        Returns
        -------
        plotly.graph_objects.Figure
        """
        from anisoalign_core.plots.asked import matrix_figure

        return matrix_figure(self, measure)

    def in_short(self) -> str:
        """See :class:`~anisoalign_core.card.Shown`."""
        return f"{len(self.modalities)} modalities: {', '.join(self.modalities)}"

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        table = self.to_frame()
        rows = [(str(name), *(three(value) for value in row)) for name, row in table.iterrows()]
        return Card(self.in_short(), rows, ("G_μ", *self.modalities), [])


def matrix(
    sets: Mapping[str, EmbeddingSet],
    *,
    by: Literal["row", "id", "none"] = "row",
    random_state: int = 0,
    progress: Progress | None = None,
) -> GapMatrix:
    """Measure the gap of every two of several modalities in one space.

    Parameters
    ----------
    sets : mapping of str to EmbeddingSet
        Two or more, all of one dimension.
    by : {"row", "id", "none"}
        How rows belong together, as in :meth:`EmbeddingPair.match`.
    random_state : int, default 0
    progress : callable(fraction, words), optional

    Returns
    -------
    GapMatrix

    Raises
    ------
    ParameterError
        If there are fewer than two sets.
    ShapeError, JoinError
        As :meth:`EmbeddingPair.match`.
    """
    if len(sets) < 2:
        raise ParameterError("A matrix of gaps needs at least two modalities.")
    names = tuple(str(name) for name in sets)
    every = list(combinations(names, 2))
    reports = {}
    for number, (target, source) in enumerate(every):

        def tell(fraction: float, words: str, number: int = number) -> None:
            if progress is not None:
                progress((number + fraction) / len(every), words)

        pair = EmbeddingPair.match(sets[source], sets[target], by)
        reports[source, target] = diagnose(pair, random_state=random_state, progress=tell)
    return GapMatrix(names, reports)
