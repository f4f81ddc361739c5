"""Is there a correction that loses nothing against ReAlign? Numbers for docs/RESULTS.md.

Run ``python -m benchmarks.lossless [--sets …] [--variants DIR] [--splits 5]``; DIR is the ``--work``
folder of sample_data/make_variants.py. Some minutes per set on two cores. Raw numbers go to
docs/results; ``--write-only`` renders what earlier runs left there.

Every candidate is fitted on unpaired parts, and what it chooses it chooses there: its bound is the
largest under which source rows that its fit did not see keep as many neighbours as under ReAlign.
Held-out pairs only score.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import anisoalign_core as aa
from anisoalign_core.align.affine import AffineMap
from anisoalign_core.align.auto_bound import AUTO_LIMIT
from anisoalign_core.align.gaussian import bures_map
from anisoalign_core.align.realign import isotropic_scale
from anisoalign_core.align.stretching import mean_rotation, rotated
from anisoalign_core.compare.splits import Round, Run, local
from anisoalign_core.metrics.comparison import Comparison
from anisoalign_core.metrics.distributions import frechet
from anisoalign_core.metrics.intervals import Interval, balanced_halves, over_splits
from anisoalign_core.metrics.semantics import omega
from anisoalign_core.moments import Moments
from anisoalign_core.numerics import Float32, Float64
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
HALVINGS = 7
"""A bound is settled to within AUTO_LIMIT / 2^HALVINGS."""

Correction = Callable[[Float32], Float32]
Family = Callable[[float], Correction]
"""Corrections by bound α."""
Fit = Callable[[Float32, Float32], Family]
"""Of unit source and target rows."""
Level = Callable[[Float64, Float64, Float64, float], Callable[[Float64], Float64]]
"""From h·z of fitted rows, of the target's rows, and of ReAlign's: what becomes of h·z."""


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


def transport(**parameters: Any) -> Fit:
    """BoundedTransport with these parameters; its bound moves without another fit."""

    def fit(y: Float32, x: Float32) -> Family:
        fitted = aa.BoundedTransport(bound=0.0, **parameters).fit(y, x)
        return lambda bound: fitted.with_bound(bound, y).transform

    return fit


def part_turned(share: float, **parameters: Any) -> Fit:
    """Turn the source's mean this share of the way to the target's; the rest is shifted."""

    def fit(y: Float32, x: Float32) -> Family:
        a, b = (rows.mean(axis=0, dtype=np.float64) for rows in (y, x))
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        angle = math.acos(float(np.clip(a @ b, -1.0, 1.0)))
        goal = (math.sin((1 - share) * angle) * a + math.sin(share * angle) * b) / math.sin(angle)
        turn = mean_rotation(a, goal).astype(np.float32).T
        family = transport(**parameters)(y @ turn, x)

        def at(bound: float) -> Correction:
            correct = family(bound)
            return lambda rows: correct(rows @ turn)

        return at

    return fit


def levelled(fit: Fit, level: Level) -> Fit:
    """Another correction, with what h·z it gives, ``h = μ_x/‖μ_x‖``, replaced.

    What lies beside h keeps its direction and is brought to the length that puts the row back on
    the sphere: ``z ← p' h + √((1 − p'²)/(1 − p²)) (z − p h)``, p = h·z.
    """

    def levelling(y: Float32, x: Float32) -> Family:
        family = fit(y, x)
        mean = x.mean(axis=0, dtype=np.float64)
        h = mean / np.linalg.norm(mean)
        realign = float(np.std(aa.ReAlign().fit(y, x).transform(y) @ h))

        def at(bound: float) -> Correction:
            correct = family(bound)
            new = level(correct(y) @ h, x @ h, h, realign)

            def corrected(rows: Float32) -> Float32:
                z = correct(rows).astype(np.float64)
                p = z @ h
                q = np.clip(new(p), -0.999, 0.999)
                rest = np.sqrt((1 - q**2) / np.maximum(1 - p**2, 1e-12))
                return (rest[:, None] * (z - np.outer(p, h)) + np.outer(q, h)).astype(np.float32)

            return corrected

        return at

    return levelling


def as_realign(own: Float64, goal: Float64, h: Float64, realign: float) -> Any:
    """``m + γ (p − m)``: no more spread along h than ReAlign leaves there."""
    mean, kept = own.mean(), min(1.0, realign / float(own.std()))
    return lambda p: mean + kept * (p - mean)


def removed(own: Float64, goal: Float64, h: Float64, realign: float) -> Any:
    """No spread along h."""
    mean = own.mean()
    return lambda p: np.full_like(p, mean)


def gaussian(own: Float64, goal: Float64, h: Float64, realign: float) -> Any:
    """Mean and variance of the target's: Gaussian transport in one dimension."""
    factor = float(goal.std() / own.std())
    return lambda p: goal.mean() + factor * (p - own.mean())


def ranks(own: Float64, goal: Float64, h: Float64, realign: float) -> Any:
    """``F_x⁻¹(F_z(p))``: monotone transport in one dimension, tails clamped."""
    levels = [(np.arange(len(side)) + 0.5) / len(side) for side in (own, goal)]
    own, goal = np.sort(own), np.sort(goal)
    return lambda p: np.interp(np.interp(p, own, levels[0]), levels[1], goal)


def own_stretch(y: Float32, x: Float32) -> Family:
    """Turn; then the mean's direction has a stretch g of its own, and the rest is relaxed.

    ``A = (1 − t) s P + t A_⊥ + g h hᵀ``, ``P = I − h hᵀ``, ``t = 1 − e^−α``, A_⊥ the Bures map of
    what lies beside h. To first order in r = y − μ_y, and with α = 0, the corrected row has
    ``h·z = const + κ c``, ``c = μ_y·r/‖μ_y‖`` and ``κ = g (1 − ‖μ_x‖²) + s² ‖μ_x‖ ‖μ_y‖``: unit
    rows of much conformity c lie near their mean, so its part s²‖μ_x‖‖μ_y‖ comes back when rows
    return to the sphere. Of ReAlign, where c does not lie along h, it is ``v·r`` with
    ``v = s (1 − ‖μ_x‖²) h + s² ‖μ_x‖ μ_y``. Since μ_x·z is what all target queries score a row on
    average, g makes both variances equal: ``κ² Var c = vᵀ Σ_y v``, and g ≥ 0.
    """
    source, target = Moments.of(y), Moments.of(x)
    s, d = isotropic_scale(source, target), source.dim
    long_y, long_x = (float(np.linalg.norm(side.mean)) for side in (source, target))
    h, c = target.mean / long_x, source.mean / long_y
    given = np.asarray(source.shrunk()[0] @ np.eye(d))
    v = s * (1 - long_x**2) * h + s**2 * long_x * long_y * c
    kappa = math.sqrt(float(v @ given @ v) / float(c @ given @ c))
    g = max(0.0, (kappa - s**2 * long_x * long_y) / (1 - long_x**2))
    turn = mean_rotation(source.mean, target.mean)
    beside, along = np.eye(d) - np.outer(h, h), np.outer(h, h)
    sides = (rotated(source, turn).shrunk()[0], target.shrunk()[0])
    sigma_y, sigma_x = (beside @ np.asarray(side @ np.eye(d)) @ beside for side in sides)
    full = beside @ np.asarray(bures_map(sigma_y, sigma_x)) @ beside

    def at(bound: float) -> Correction:
        t = -math.expm1(-bound)
        linear = ((1 - t) * s * beside + t * full + g * along) @ turn
        return AffineMap(source.mean, linear, target.mean).calibrated(y).apply

    return at


SHIFT, TURN = transport(), transport(recentre="rotate", rule="relax")
TURN_AS_REALIGN = levelled(TURN, as_realign)
CANDIDATES = (
    Candidate("shift, α = .1", (SHIFT,), 0.1),
    Candidate("shift", (SHIFT,)),
    Candidate("turn", (TURN,)),
    Candidate("turn, conformity removed", (levelled(TURN, removed),)),
    Candidate("turn, conformity as ReAlign's", (TURN_AS_REALIGN,)),
    Candidate("turn, own stretch along the mean", (own_stretch,)),
    Candidate("turn, conformity to the target's variance", (levelled(TURN, gaussian),)),
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


def settle(one: Candidate, y: Float32, x: Float32, seed: int) -> tuple[Correction, float, int]:
    """Choose bound and fit on halves of the fitted source rows, then fit on all of them.

    Each half is fitted and watched on the other.

    Returns
    -------
    correction, bound, number of the fit
    """
    if one.bound is not None:
        return one.fits[0](y, x)(one.bound), one.bound, 0
    first, second = (y[half] for half in balanced_halves(len(y), 2, seed))
    sides = ((first, second), (second, first))
    realign = [aa.ReAlign().fit(fitted, x).transform(watched) for fitted, watched in sides]
    kept = np.mean([omega(watching(z, side[1], x)) for z, side in zip(realign, sides, strict=True)])
    found: list[tuple[float, float, int]] = []
    for number, fit in enumerate(one.fits):
        families = [fit(fitted, x) for fitted, _ in sides]

        def views(bound: float, families: Sequence[Family] = families) -> list[Comparison]:
            pairs = zip(families, sides, strict=True)
            return [watching(family(bound)(side[1]), side[1], x) for family, side in pairs]

        low, high = 0.0, AUTO_LIMIT
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = np.mean([omega(view) for view in views(middle)]) >= kept
            low, high = (middle, high) if enough else (low, middle)
        far = float(np.mean([frechet(view) for view in views(low)])) if len(one.fits) > 1 else 0.0
        found.append((far, low, number))
    _, bound, number = min(found)
    return one.fits[number](y, x)(bound), bound, number


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
            values.setdefault(label, {}).setdefault(metric, []).append(value)

    for number in range(splits * given.splits):
        here = run.round(number)
        y, x = (side.vectors for side in here.fitted)
        realign = aa.ReAlign().fit(y, x).transform
        for scorer in dict.fromkeys(one.scorer for one in CANDIDATES):
            add(f"ReAlign{scorer and f', searched by {scorer}'}", realign, scorer)
        for one in CANDIDATES:
            correct, bound, chosen = settle(one, y, x, number)
            settled.setdefault(one.label, []).append((bound, chosen))
            add(one.label, correct, one.scorer)
        print(f"{given.title}: split {number + 1} of {splits * given.splits}", flush=True)
    rows = {"fitted": len(y), "scored": len(here.source_rows), "k": here.reference.k}
    return {"rows": rows, "values": values, "settled": settled}


def differences(one: Candidate, found: dict[str, Any], held: float) -> dict[str, Interval]:
    """Each number minus ReAlign's, searched the same way; the sign turned so that more is better."""
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
    average = sum(steps[m].value > 0 for m in BETTER) + sum(steps[m].value >= 0 for m in NO_LOWER)
    told = sum(steps[m].sign > 0 for m in BETTER)
    lower = sum(steps[m].sign < 0 for m in METRICS)
    return average, told, lower


def cell(step: Interval, metric: str) -> str:
    """Difference with its interval, as the number itself moves, and what is told of it."""
    turned = -1 if metric in DOWN else 1
    low, high = sorted(turned * limit for limit in step.limits)
    mark = {1: "▲", 0: "=", -1: "▼"}[step.sign]
    digits = 2 if metric == "residual_anisotropy" else 3
    value = turned * step.value
    return f"{value:+.{digits}f} ({low:+.{digits}f} … {high:+.{digits}f}) {mark}"


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
the ▼ among all. α (mean over splits) is chosen on source rows alone, as are *shift or turn*."""


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
        KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write(options.out)


if __name__ == "__main__":
    main()
