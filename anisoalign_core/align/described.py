"""What a method says of itself in a notebook."""

from __future__ import annotations

from typing import Any

from anisoalign_core.card import Card, Carded


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
