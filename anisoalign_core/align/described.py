"""What a method says of itself in a notebook."""

from __future__ import annotations

from typing import Any

from anisoalign_core.card import Card, Carded
from anisoalign_core.pairs import EmbeddingPair


class Described(Carded):
    """What every method has to show; :class:`~anisoalign_core.align.base.Aligner` has the rest."""

    def plain_params(self) -> dict[str, Any]:
        """Return all parameters as text names them."""
        raise NotImplementedError

    @property
    def promise(self) -> str:
        """What the fitted method promises of any row, in sentences; empty for no promise."""
        return ""

    def resolved_params(self) -> dict[str, Any]:
        """Return :meth:`plain_params` with what a fit found by itself in place of "auto"."""
        given = self.plain_params()
        return {k: getattr(self, f"{k}_", v) if v == "auto" else v for k, v in given.items()}

    def plot(self, pair: EmbeddingPair, kind: str = "clouds", *, plane: str = "gap") -> Any:
        """Draw what the method does to a pair.

        A fitted method is shown on all rows of the pair (of more than 4,000 a seeded sample). One
        that is not is fitted on one part of it, and shown on rows that no fit saw; it stays as it
        is.

        Parameters
        ----------
        pair : EmbeddingPair
        kind : {"clouds", "tradeoff", "stretches"}
            Both clouds before and after; scores along the method's dial; or how it stretches each
            direction, where that is all it does.
        plane : {"gap", "target", "joint"}
            What clouds are looked at along; see :meth:`anisoalign_core.compare.study.Study.plane`.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ParameterError
            If there is no such kind or plane, or the method has nothing of the kind.
        NeedsPairsError
            If the method needs pairs, and there are none.
        """
        from anisoalign_core.plots.asked import method_figure

        me: Any = self
        return method_figure(me, pair, kind, plane)

    def card(self) -> Card:
        """See :class:`~anisoalign_core.card.Carded`."""
        known: Any = self
        found = self.resolved_params()
        rows = [
            (name, _value(given) + (f" → {_value(found[name])}" if found[name] != given else ""))
            for name, given in self.plain_params().items()
        ]
        pairs = known.needs_pairs or known.needs_partners
        rows.append(("reads", "pairs" if pairs else "no pairs"))
        rows += [("kind", "a control, to show what a number means")] if known.is_control else []
        if hasattr(self, "n_features_in_"):
            sides = f"{known.n_source_:,} source and {known.n_target_:,} target rows"
            rows.append(("fitted on", f"{sides} of {known.n_features_in_} dimensions"))
        else:
            rows.append(("fitted on", "nothing yet"))
        notes = [known.summary, *([self.promise.replace("**", "")] if self.promise else [])]
        return Card(known.label, rows, notes=notes)


def _value(given: object) -> str:
    return f"{given:.4g}" if isinstance(given, float) else str(given)
