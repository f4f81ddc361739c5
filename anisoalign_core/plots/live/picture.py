"""What a live picture shows, worked out once from a correction under study."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from anisoalign_core.align.knobs import Dial, Sweep, in_words
from anisoalign_core.align.knobs import paths as sweep_paths
from anisoalign_core.compare.study import Plane, Study, Trial
from anisoalign_core.metrics.registry import METRICS
from anisoalign_core.numerics import Float32, Float64, Integers, Progress
from anisoalign_core.plots.correction import STYLES
from anisoalign_core.plots.explore import PALETTE
from anisoalign_core.plots.live.frames import PANEL, Frames, keyframes
from anisoalign_core.plots.live.pack import levels, pack
from anisoalign_core.plots.live.parts import Arrays, Facts, bars, labels, near, sheet, words
from anisoalign_core.plots.style import (
    CORRECTED,
    DARK,
    MAX_POINTS,
    NULL,
    SOURCE,
    TARGET,
)


@dataclass(frozen=True, eq=False)
class LivePicture:
    """A picture that moves under the hand: in the app, in a notebook, in a file.

    Attributes
    ----------
    facts : dict
        Everything it says and how it is set up, as JSON can hold it.
    arrays : dict of name to array
        Positions at its keyframes, and what else is worked out beforehand.
    """

    facts: Facts
    arrays: Arrays = field(repr=False)

    @classmethod
    def of(cls, facts: Facts, arrays: Arrays) -> LivePicture:
        """Return the picture, which is known by a digest of what it holds."""
        held = {key: value for key, value in facts.items() if key != "id"}
        digest = hashlib.sha256(pack(held, arrays)).hexdigest()[:20]
        return cls({**held, "id": digest}, arrays)

    @cached_property
    def payload(self) -> bytes:
        """The whole picture as one block of bytes; see ``plots/live/pack.py``."""
        return pack(self.facts, self.arrays)

    @property
    def frames(self) -> tuple[float, ...]:
        """Values of the dial at which positions are exact."""
        return tuple(self.facts["frames"])

    @property
    def error(self) -> float:
        """Largest distance from the truth halfway between them, in pixels of a 600-pixel panel."""
        return float(self.facts["error"])

    def at(self, value: float) -> LivePicture:
        """Return the picture with its dial at another value, where it then begins."""
        dial = self.facts["dial"]
        if dial is None:
            return self
        there = min(max(value, dial["low"]), dial["high"])
        return LivePicture.of({**self.facts, "dial": {**dial, "value": there}}, self.arrays)

    def to_html(self, path: str | Path | None = None) -> str | Path:
        """Return the picture as one HTML page that fetches nothing, or write it.

        Parameters
        ----------
        path : str or Path, optional
            Where to write it, whole or not at all.

        Returns
        -------
        str or Path
            The page itself, or where it was written.
        """
        from anisoalign_core.files.atomic import atomic_write_text
        from anisoalign_core.plots.live.homes import page

        text = page([self])
        if path is None:
            return text
        atomic_write_text(Path(path), text)
        return Path(path)

    def widget(self) -> Any:
        """Return the picture as a notebook's widget; needs the extra ``notebook`` (anywidget).

        Its ``value`` follows the dial where a drag ends, and ``selected`` holds what a lasso drew
        around, as positions among the drawn rows of each side: :meth:`rows` says which rows.

        Raises
        ------
        ParameterError
            If anywidget is not installed.
        """
        from anisoalign_core.plots.live.homes import widget

        return widget(self)

    def rows(self, selected: Mapping[str, Sequence[int]]) -> dict[str, Integers]:
        """Return row numbers in the loaded sets of what a lasso selected, by side.

        Parameters
        ----------
        selected : mapping
            Positions among the drawn rows of "source" and "target", as the picture gives them;
            what is not the position of a drawn row is left out.
        """
        found = {}
        for side in ("source", "target"):
            drawn = self.arrays[f"{side}_rows"].astype(np.intp)
            given = selected.get(side, ())
            wanted = [i for i in given if isinstance(i, int) and 0 <= i < len(drawn)]
            found[side] = np.unique(drawn[np.array(wanted, dtype=np.intp)])
        return found

    def _repr_mimebundle_(self, **_: object) -> Any:
        """Show the widget where anywidget is installed, and the page in a frame elsewhere."""
        from anisoalign_core.plots.live.homes import bundle

        return bundle(self)


def picture(
    trial: Trial,
    plane: Plane,
    *,
    value: float | None = None,
    dial: Dial | None = None,
    curve: Mapping[str, Float64] | None = None,
    title: str = "",
    rows_are: str = "held-out rows",
    limit: int = MAX_POINTS,
    progress: Progress | None = None,
) -> LivePicture:
    """Work a live picture out from a correction under study.

    Parameters
    ----------
    trial : Trial
    plane : Plane
        What to look along.
    value : float, optional
        Where the dial begins; by default where the method was fitted.
    dial : Dial, optional
        By default that of the method's live knobs as fitted.
    curve : mapping, optional
        Live scores along the dial, from :meth:`Trial.curve`, when the caller keeps them.
    title : str
        Of the data.
    rows_are : str
        What the drawn rows are, in words.
    limit : int
        Rows of a side at most.
    progress : callable, optional
    """
    study, method = trial.study, trial.method
    pair = study.pair
    dial = dial or trial.dial()
    if method.trains or dial is None:  # rows go through a network, or through transform, one by one
        limit = min(limit, len(study.source))
    shown = study.at_most(limit)
    source, target = (
        side.vectors[rows] for side, rows in zip((pair.source, pair.target), shown, strict=True)
    )
    directions = plane.directions.astype(np.float32)
    before, fixed = source @ directions, target @ directions
    frames, after, moved = _positions(trial, plane, dial, source, (before, fixed))
    low, high = hull([before, fixed, after.reshape(-1, 2), fixed if moved is None else moved])
    arrays: Arrays = {
        "target": levels(fixed, low, high),
        "before": levels(before, low, high),
        "after": levels(after, low, high),
        "source_rows": shown[0].astype(np.uint32),
        "target_rows": shown[1].astype(np.uint32),
    }
    if moved is not None:
        arrays["target_moved"] = levels(moved, low, high)
    known, scores = _numbers(trial, dial, curve, progress)
    settings = {k: v for k, v in method.resolved_params().items() if v is not None}
    if value is None and dial is not None:
        value = 1.0 if dial.shares else float(settings[dial.name])
    moving = {knob.parameter for knob in trial.moves} if dial is not None else set()
    still = {k: v for k, v in settings.items() if k not in moving}  # the dial says the others
    said = in_words(type(method).knobs, type(method)().plain_params(), still)
    facts: Facts = {
        "title": title or f"{pair.target.modality} and {pair.source.modality}",
        "method": f"{method.label} ({said})" if said else method.label,
        "names": {
            "target": pair.target.modality,
            "source": pair.source.modality,
            "corrected": f"{pair.source.modality}, corrected",
        },
        "colours": {"target": TARGET, "source": SOURCE, "corrected": CORRECTED},
        "dark": DARK,
        "palette": list(PALETTE),
        "dial": dial
        and {
            "name": dial.name,
            "label": dial.label,
            "low": dial.low,
            "high": dial.high,
            "step": dial.step,
            "value": float(np.clip(cast(float, value), dial.low, dial.high)),
        },
        "frames": list(frames.values),
        "error": frames.error,
        "axes": list(plane.labels),
        "range": [[float(a), float(b)] for a, b in zip(low, high, strict=True)],
        "cards": _cards(trial, scores),
        "curves": [
            {
                "name": name,
                "label": METRICS[name].card or METRICS[name].label,
                "colour": STYLES.get(name, (NULL, "solid"))[0],
                "dash": STYLES.get(name, (NULL, "solid"))[1] == "dash",
            }
            for name in scores
            if name in METRICS and METRICS[name].curve
        ],
        "grid": known,
        "scores": scores,
        "labels": labels(pair.source, pair.target, shown, arrays),
        "words": {
            side: words(rows_of, rows)
            for side, rows_of, rows in zip(
                ("source", "target"), (pair.source, pair.target), shown, strict=True
            )
        },
        "sheet": sheet(pair.source, pair.target, shown),
    }
    facts |= bars(trial, dial, frames, arrays) | near(study, trial, dial, arrays)
    facts["caption"] = _caption(study, plane, dial, frames, shown, rows_are)
    facts["alt"] = (
        f"{pair.target.modality} and {pair.source.modality} rows before and after "
        f"{method.label}, under the same axes"
    )
    facts["foot"] = _foot(study, facts)
    return LivePicture.of(facts, arrays)


def _positions(
    trial: Trial,
    plane: Plane,
    dial: Dial | None,
    source: Float32,
    still: tuple[Float32, Float32],
) -> tuple[Frames, Float32, Float32 | None]:
    """Keyframes of the corrected rows, their positions, and those of target rows that moved."""
    study = trial.study
    if dial is None:
        view = trial.view()
        there = view.project(plane.directions)[None, : len(source)]
        moved = None
        if view.target is not study.target:
            moved = view.target[: len(still[1])] @ plane.directions.astype(np.float32)
        return Frames((0.0,), there, 0.0), there, moved
    sweep = trial.sweep
    if len(source) > len(study.source):
        sweep = trial.swept(source)
    wide, move = cast(Sweep, sweep), dial

    def paths(values: Sequence[float]) -> Float32:
        along = [move.settings(value) for value in values]
        return sweep_paths(wide, along, plane.directions)[:, : len(source)]

    ends = paths([move.low, move.high]).reshape(-1, 2)
    low, high = hull([*still, ends])
    frames = keyframes(paths, move.low, move.high, high - low)
    return frames, frames.positions, None


def hull(sets: Sequence[npt.NDArray[Any]]) -> tuple[Float64, Float64]:
    """Return the corners of a box that holds all points, with a twentieth to spare."""
    low = np.min([points.min(axis=0) for points in sets], axis=0).astype(np.float64)
    high = np.max([points.max(axis=0) for points in sets], axis=0).astype(np.float64)
    pad = 0.05 * (high - low) + 1e-6
    return low - pad, high + pad


def _numbers(
    trial: Trial,
    dial: Dial | None,
    curve: Mapping[str, Float64] | None,
    progress: Progress | None,
) -> tuple[list[float], dict[str, list[float]]]:
    """Values of the dial at which live scores are known, and the scores there."""
    if dial is None:
        view = trial.view()
        return [0.0], {name: [value] for name, value in (view.scores | view.floors).items()}
    along = curve or trial.curve(progress=progress, dial=dial, floors=True)
    return [float(v) for v in along[dial.name]], {
        name: [float(v) for v in values] for name, values in along.items() if name != dial.name
    }


def _cards(trial: Trial, scores: Mapping[str, object]) -> list[Facts]:
    raw = trial.study.uncorrected
    return [
        {
            "name": name,
            "label": METRICS[name].card,
            "help": f"{METRICS[name].symbol}: {METRICS[name].description} "
            f"({METRICS[name].reference})",
            "direction": METRICS[name].direction,
            "raw": float(raw[name]),
            "floor": [METRICS[name].floor_words, METRICS[name].floor_name]
            if METRICS[name].floor_name in scores
            else None,
        }
        for name in scores
        if name in METRICS and METRICS[name].card
    ]


def _caption(
    study: Study,
    plane: Plane,
    dial: Dial | None,
    frames: Frames,
    shown: tuple[Integers, Integers],
    rows_are: str,
) -> str:
    """Say which basis, centring and rows are shown, and how right it is while it moves."""
    pair = study.pair
    rows = (
        f"{len(shown[1]):,} {pair.target.modality} + {len(shown[0]):,} {pair.source.modality} "
        f"{rows_are} of {len(pair.target):,} + {len(pair.source):,}"
    )
    among = " + ".join(f"{count:,}" for count in study.live)
    text = (
        f"{plane.caption} Uncentred coordinates of unit rows, under the same axes. {rows}. "
        f"Crosses mark the means. Numbers on {among} of these rows (k = {study.k})."
    )
    if dial is None:
        return text
    return (
        f"{text} While the dial moves, positions go straight between {len(frames.values)} computed "
        f"ones (at most {frames.error:.2f} pixels of a {PANEL}-pixel panel off halfway), and "
        "numbers marked ≈ between computed ones."
    )


def _foot(study: Study, facts: Facts) -> str:
    """Say which data, method, rows and versions a picture shows."""
    from anisoalign_core import __version__

    pair = study.pair
    model = pair.target.provenance.model
    return (
        f"{facts['title']} ({pair.digest[:8]}), {pair.dim} dimensions"
        + (f", encoder {model}" if model else "")
        + f"; {facts['method']}; AnisoAlign Studio {__version__}, NumPy {np.__version__}."
    )
