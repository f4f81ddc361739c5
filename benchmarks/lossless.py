"""Is there a correction that loses nothing against ReAlign? Numbers for docs/RESULTS.md.

Run ``python -m benchmarks.lossless [--sets …] [--variants DIR] [--splits 5]``; DIR is the
``--work`` folder of sample_data/make_variants.py. Some minutes per set on two cores. Raw
numbers go to docs/results; ``--write-only`` renders what earlier runs left there.

Every candidate is fitted on unpaired parts, and what it chooses it chooses there: its bound is the
largest under which source rows that its fit did not see keep as many neighbours as under ReAlign.
Held-out pairs only score.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import anisoalign_core as aa
from anisoalign_core.align.auto_bound import AUTO_LIMIT
from anisoalign_core.compare.splits import Round, Run, local
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.distributions import frechet
from anisoalign_core.metrics.intervals import Interval, balanced_halves, over_splits
from anisoalign_core.metrics.semantics import omega
from anisoalign_core.numerics import Float32
from benchmarks.corrections import (
    Correction,
    Fit,
    as_realign,
    levelled,
    own_stretch,
    part_turned,
    ranks,
    removed,
    transport,
)
from benchmarks.document import DATA, load_set, read_results, replace_section
from benchmarks.scores import recall

KEPT = Path("docs/results/lossless.json")
BETTER = ("mixing_penetration", "mixing_coverage", "residual_anisotropy", "frechet")
NO_LOWER = ("psi", "omega", "recall_at_1_source_to_target", "recall_at_1_target_to_source")
HEADS = "M^Z M^X A_r Fréchet Ψ Ω text→image image→text".split()
METRICS = BETTER + NO_LOWER
DOWN = ("residual_anisotropy", "frechet")
"""Numbers of which less is better."""
NEIGHBOURS = 20
ROUNDING = 1e-6
"""A difference within it is that of float32 rows."""
HALVINGS = 7
"""A bound is settled to within AUTO_LIMIT / 2^HALVINGS."""


@dataclass(frozen=True)
class Candidate:
    """One correction that might lose nothing.

    Attributes
    ----------
    fits : tuple of Fit
        Of several, that whose watched rows come nearest to the target in Fréchet distance.
    bound : float, optional
        α; by default the largest that keeps as many neighbours as ReAlign.
    scorer : str, optional
        Name in ``SCORERS``: it and ReAlign are searched with these scores.
    """

    label: str
    fits: tuple[Fit, ...]
    bound: float | None = None
    scorer: str = ""


SHIFT, TURN = transport(), transport(recentre="rotate", rule="relax")
TURN_AS_REALIGN = levelled(TURN, as_realign)
CANDIDATES = (
    Candidate("shift, α = .1", (SHIFT,), 0.1),
    Candidate("shift", (SHIFT,)),
    Candidate("turn", (TURN,)),
    Candidate("turn, conformity removed", (levelled(TURN, removed),)),
    Candidate("turn, conformity as ReAlign's", (TURN_AS_REALIGN,)),
    Candidate("turn, own stretch along the mean", (own_stretch,)),
    Candidate("turn, conformity by ranks", (levelled(TURN, ranks),)),
    Candidate("half a turn, as ReAlign's", (levelled(part_turned(0.5, rule="relax"), as_realign),)),
    Candidate("shift or turn, as ReAlign's", (SHIFT, TURN_AS_REALIGN)),
    Candidate("turn, searched by nnn", (TURN,), scorer="nnn"),
)


@dataclass(frozen=True)
class Set:
    """A set of pairs, and how it is split."""

    title: str
    held: float = 0.25
    k: int = NEIGHBOURS
    splits: int = 1
    variant: bool = False


VARIANTS = ("frozen at 14", "learned", "sigmoid", "narrow", "wide", "gap-closing")
SETS = {
    "coco-clip-vitb16": Set("COCO-CLIP", 0.24, 10, 2),
    "msrvtt-videoclip": Set("MSR-VTT VideoCLIP", splits=2),
    "uniprot-clasp": Set("UniProt CLASP", splits=2),
    "coco-clip-vitb16-randominit": Set("COCO, random weights", 0.24, 10, 2),
    "msrvtt-videoclip-randominit": Set("MSR-VTT, random weights", splits=2),
    "scenes": Set("Captioned scenes (bundled sample)"),
} | {name: Set(f"Scenes, {name}", variant=True) for name in VARIANTS}


def pair_of(name: str, data: str | None, variants: Path | None) -> aa.EmbeddingPair:
    """Load a set."""
    if not SETS[name].variant:
        return load_set(name, data)
    if variants is None:
        raise SystemExit("Point --variants at the --work folder of sample_data/make_variants.py.")
    with np.load(variants / f"{name.replace(' ', '-')}.npz") as stored:
        sides = [
            aa.EmbeddingSet.from_array(stored[side], modality=side, name=name)
            for side in ("text", "image")
        ]
    return aa.EmbeddingPair(sides[0], sides[1], paired=True)


def watching(after: Float32, watched: Float32, x: Float32) -> Comparison:
    """Watched source rows, corrected, with no pair in sight."""
    return Comparison(watched, after, x, k=local(NEIGHBOURS, min(len(watched), len(x))))


@dataclass(frozen=True, eq=False)
class Halves:
    """Halves of the fitted source rows: each is fitted, and watched under the other's fit."""

    sides: tuple[tuple[Float32, Float32], ...]
    x: Float32
    known: dict[Fit, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, y: Float32, x: Float32, seed: int) -> Halves:
        """Draw them."""
        first, second = (y[half] for half in balanced_halves(len(y), 2, seed))
        return cls(((first, second), (second, first)), x)

    def views(self, corrections: Sequence[Correction]) -> list[Comparison]:
        """Watched rows under the correction of either half; no pair is in sight."""
        k = local(NEIGHBOURS, min(len(self.sides[1][1]), len(self.x)))
        pairs = zip(corrections, self.sides, strict=True)
        return [Comparison(rows, correct(rows), self.x, k=k) for correct, (_, rows) in pairs]

    @cached_property
    def kept(self) -> float:
        """Neighbours that ReAlign keeps."""
        fits = [aa.ReAlign().fit(fitted, self.x).transform for fitted, _ in self.sides]
        return float(np.mean([omega(view) for view in self.views(fits)]))

    def choose(self, fits: Sequence[Fit]) -> tuple[float, int]:
        """Return the bound of the fit that comes nearest to the target, and its number."""
        for fit in fits:
            self.known[fit] = self.known[fit] if fit in self.known else self.settle(fit)
        number = min(range(len(fits)), key=lambda one: self.known[fits[one]][1])
        return self.known[fits[number]][0], number

    def settle(self, fit: Fit) -> tuple[float, float]:
        """Return the largest bound that keeps as many, and the Fréchet distance there."""
        families = [fit(fitted, self.x) for fitted, _ in self.sides]
        low, high = 0.0, AUTO_LIMIT
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            views = self.views([family(middle) for family in families])
            enough = np.mean([omega(view) for view in views]) >= self.kept
            low, high = (middle, high) if enough else (low, middle)
        views = self.views([family(low) for family in families])
        return low, float(np.mean([frechet(view) for view in views]))


def score(here: Round, correct: Correction, scorer: str) -> dict[str, float]:
    """Score a correction on held-out pairs; R@1 by a scorer where there is one."""
    after = correct(here.reference.before)
    found = here.measure(after, METRICS)
    if scorer:
        source, target = (side.vectors for side in here.fitted)
        images, by = here.reference.target, aa.SCORERS[scorer]()
        found["recall_at_1_source_to_target"] = recall(by, after, images, correct(source))
        found["recall_at_1_target_to_source"] = recall(by, images, after, target)
    return found


def measure(name: str, splits: int, data: str | None, variants: Path | None) -> dict[str, Any]:
    """Score ReAlign and all candidates on one set."""
    given = SETS[name]
    run = Run(pair_of(name, data, variants), given.held, given.k, 0)
    values: dict[str, dict[str, list[float]]] = {}
    settled: dict[str, list[tuple[float, int]]] = {}

    def add(label: str, correct: Correction, scorer: str) -> None:
        for metric, value in score(here, correct, scorer).items():
            values.setdefault(label, {}).setdefault(metric, []).append(float(f"{value:.6g}"))

    for number in range(splits * given.splits):
        here = run.round(number)
        y, x = (side.vectors for side in here.fitted)
        realign = aa.ReAlign().fit(y, x).transform
        for scorer in dict.fromkeys(one.scorer for one in CANDIDATES):
            add(f"ReAlign{scorer and f', searched by {scorer}'}", realign, scorer)
        halves = Halves.of(y, x, number)
        for one in CANDIDATES:
            bound, chosen = (one.bound, 0) if one.bound is not None else halves.choose(one.fits)
            correct = one.fits[chosen](y, x)(bound)
            settled.setdefault(one.label, []).append((bound, chosen))
            add(one.label, correct, one.scorer)
        print(f"{given.title}: split {number + 1} of {splits * given.splits}", flush=True)
    rows = {"fitted": len(y), "scored": len(here.source_rows), "k": here.reference.k}
    return {"rows": rows, "values": values, "settled": settled}


def differences(one: Candidate, found: dict[str, Any], held: float) -> dict[str, Interval]:
    """Each number minus ReAlign's, searched the same way; more is better, whatever its sign was."""
    base = found["values"]["ReAlign" + (f", searched by {one.scorer}" if one.scorer else "")]
    own = found["values"][one.label]
    return {
        metric: over_splits(
            (np.array(own[metric]) - np.array(base[metric])) * (-1 if metric in DOWN else 1), held
        )
        for metric in METRICS
    }


def holds(steps: dict[str, Interval]) -> tuple[int, int, int]:
    """Of the eight conditions: how many hold on average, are told better, are told lower."""
    average = sum(steps[m].value > ROUNDING for m in BETTER)
    average += sum(steps[m].value >= -ROUNDING for m in NO_LOWER)
    told = sum(steps[m].sign > 0 for m in BETTER)
    lower = sum(steps[m].sign < 0 for m in METRICS)
    return average, told, lower


def cell(step: Interval, metric: str) -> str:
    """Difference with its interval, as the number itself moves, and what is told of it."""
    digits = 2 if metric == "residual_anisotropy" else 3
    turned = -1 if metric in DOWN else 1
    low, high = sorted(turned * limit for limit in step.limits)
    parts = [
        f"{round(part, digits) + 0.0:+.{digits}f}" for part in (turned * step.value, low, high)
    ]
    mark = {1: "▲", 0: "=", -1: "▼"}[step.sign]
    return f"{parts[0]} ({parts[1]} … {parts[2]}) {mark}"


def summary(kept: dict[str, Any]) -> str:
    """One row per candidate, one column per set."""
    names = [name for name in SETS if name in kept]
    lines = [
        "| candidate | " + " | ".join(SETS[name].title for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for one in CANDIDATES:
        cells = []
        for name in names:
            average, told, lower = holds(differences(one, kept[name], SETS[name].held))
            word = "**all**" if average == len(METRICS) else f"{average}/{len(METRICS)}"
            cells.append(f"{word}; {told} ▲, {lower} ▼")
        lines.append(f"| {one.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(name: str, found: dict[str, Any]) -> str:
    """All differences on one set."""
    rows, base = found["rows"], found["values"]["ReAlign"]
    splits = len(base[METRICS[0]])
    levels = [f"{np.mean(base[metric]):.3g}" for metric in METRICS]
    lines = [
        f"### {SETS[name].title}\n",
        f"{rows['fitted']}+{rows['fitted']} unpaired rows fitted, {rows['scored']} pairs scored, "
        f"k = {rows['k']}, {splits} splits.\n",
        "| candidate | α | " + " | ".join(HEADS) + " |",
        "|---|---|" + "---|" * len(HEADS),
        "| *ReAlign itself* |  | " + " | ".join(levels) + " |",
    ]
    for one in CANDIDATES:
        steps = differences(one, found, SETS[name].held)
        bounds = [bound for bound, _ in found["settled"][one.label]]
        turned = sum(chosen for _, chosen in found["settled"][one.label])
        how = f"{np.mean(bounds):.2f}" + (
            f"; turned on {turned} of {splits}" if len(one.fits) > 1 else ""
        )
        cells = " | ".join(cell(steps[metric], metric) for metric in METRICS)
        lines.append(f"| {one.label} | {how} | {cells} |")
    return "\n".join(lines)


LEGEND = """Made by `python -m benchmarks.lossless`. Each cell is the candidate's number minus
ReAlign's on the same splits, with its corrected resampled t interval; ▲ better and ▼ worse where
that leaves out zero, = where it does not. The first four should be better, the last four no lower.
The summary counts the conditions that hold on average, of eight; the ▲ among the first four; and
the ▼ among all; ReAlign itself would hold four. α (mean over splits) keeps as many neighbours of
unseen texts as ReAlign; *shift or turn* looks at the Fréchet distance too. No pair is read."""


def write(path: Path) -> None:
    """Render every kept set into the results document."""
    kept = read_results(KEPT)
    tables = [table(name, kept[name]) for name in SETS if name in kept]
    replace_section(path, "lossless", "\n\n".join([LEGEND, summary(kept), *tables]))


def main() -> None:
    """Run the sets asked for, then write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--splits", type=int, default=5, help="twice as many on the small sets")
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--variants", type=Path)
    parser.add_argument("--write-only", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/RESULTS.md"))
    options = parser.parse_args()
    for name in () if options.write_only else options.sets:
        found = read_results(KEPT) | {
            name: measure(name, options.splits, options.data, options.variants)
        }
        KEPT.write_text(json.dumps(found) + "\n", encoding="utf-8")
    write(options.out)


if __name__ == "__main__":
    main()
