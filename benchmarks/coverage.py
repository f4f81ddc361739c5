"""How often the intervals of a leaderboard cover what they claim: a section of docs/RESULTS.md.

Run ``python -m benchmarks.coverage [--worlds 200]``; some minutes on two cores. Many sets of rows
are drawn from one world; on each, a leaderboard of a few splits gives intervals. The truth of a
metric is its mean over all other sets. Three intervals are compared: the one in use, and two that
the literature uses more often.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import t as student

import anisoalign_core as aa
from anisoalign_core.compare import leaderboard
from anisoalign_core.metrics.intervals import over_splits
from benchmarks.document import replace_section
from benchmarks.falsifiers import FOLDER, say

KEPT = FOLDER / "coverage.json"
ROWS, DIM, HELD, CLASSES = 400, 24, 0.25, 4
METHODS = ("bounded:bound=0.3",)
METRICS = (
    "psi",
    "omega",
    "mixing_penetration",
    "mixing_coverage",
    "frechet",
    "matched_cosine",
    "residual_anisotropy",
    "recall_at_1_source_to_target",
    "label_transfer",
    "mixed_gallery_ndcg",
)


def world(seed: int) -> aa.EmbeddingPair:
    """Draw one set: a shared latent with classes, two cones, and noise of each modality's own."""
    import pandas as pd

    fixed = np.random.default_rng(0)  # the world is the same for every set
    centres = fixed.standard_normal((CLASSES, 8))
    sides = fixed.standard_normal((2, 8, DIM)) * np.linspace(1.5, 0.3, 8)[:, None]
    sides[1] = 0.7 * sides[0] + 0.5 * sides[1]
    cones = 3 * fixed.standard_normal((2, DIM)) / np.sqrt(DIM)
    rng = np.random.default_rng(1000 + seed)
    labels = rng.integers(0, CLASSES, ROWS)
    latent = 0.8 * centres[labels] + rng.standard_normal((ROWS, 8))
    rows = [
        latent @ side + 4 * cone + 0.6 * rng.standard_normal((ROWS, DIM))
        for side, cone in zip(sides, cones, strict=True)
    ]
    table = pd.DataFrame({"class": [f"class {c}" for c in labels]})
    made = [
        aa.EmbeddingSet.from_array(one, modality=name, labels=table)
        for one, name in zip(rows, ("text", "image"), strict=True)
    ]
    return aa.EmbeddingPair(made[0], made[1], paired=True)


def values_of(pair: aa.EmbeddingPair, splits: int, seed: int) -> dict[str, np.ndarray]:
    """Per-split values of one method, and of its difference to ReAlign."""
    board = leaderboard(pair, METHODS, splits=splits, holdout=HELD, random_state=seed, curves=False)
    name = METHODS[0]
    found = {m: board.values[name][m] for m in METRICS if m in board.values[name]}
    return found | {
        f"{m} minus ReAlign": board.values[name][m] - board.values["realign"][m] for m in found
    }


Limits = Callable[[np.ndarray, float], tuple[float, float]]


def corrected(values: np.ndarray, held: float) -> tuple[float, float]:
    """Limits of the interval in use."""
    found = over_splits(values, held)
    assert found.low is not None and found.high is not None  # noqa: S101  (splits give both)
    return found.low, found.high


def percentile(values: np.ndarray, held: float) -> tuple[float, float]:
    """Percentile bootstrap over the splits."""
    drawn = np.random.default_rng(0).integers(len(values), size=(1000, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def plain(values: np.ndarray, held: float) -> tuple[float, float]:
    """Student's t over the splits, as if they shared no rows."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


KINDS: dict[str, Limits] = {
    "corrected resampled t": corrected,
    "t over splits": plain,
    "bootstrap over splits": percentile,
}


def covered(runs: list[dict[str, np.ndarray]], truth: dict[str, float]) -> dict[str, dict]:
    """Share of runs whose interval holds the truth, and the mean width, by kind and metric."""
    found: dict[str, dict] = {}
    for kind, limits in KINDS.items():
        for metric in runs[0]:
            ends = [limits(run[metric], HELD) for run in runs]
            inside = np.mean([low <= truth[metric] <= high for low, high in ends])
            width = np.mean([high - low for low, high in ends])
            found.setdefault(metric, {})[kind] = [float(inside), float(width)]
    return found


def measure(worlds: int, splits: int) -> dict[str, object]:
    """Cover the truth of the world with other sets, and of one set with other seeds."""
    fresh = []
    for number in range(worlds):
        say(0.7 * number / worlds, f"set {number + 1} of {worlds}")
        fresh.append(values_of(world(number), splits, 0))
    means = {m: np.array([run[m].mean() for run in fresh]) for m in fresh[0]}
    truth = {m: float(v.mean()) for m, v in means.items()}
    pair = world(0)
    again = []
    for number in range(worlds // 2):
        say(0.7 + 0.6 * number / worlds, f"seed {number + 1} of {worlds // 2}")
        again.append(values_of(pair, splits, 10_000 * (number + 1)))
    long_run = {m: float(np.mean([run[m].mean() for run in again])) for m in again[0]}
    return {
        "worlds": worlds,
        "splits": splits,
        "rows": ROWS,
        "fresh": covered(fresh, truth),
        "seeds": covered(again, long_run),
    }


def write(path: Path) -> None:
    """Render the kept numbers."""
    known = json.loads(KEPT.read_text(encoding="utf-8"))
    kinds = list(KINDS)
    lines = [
        "| value | " + " | ".join(f"{kind}: other rows | other seeds" for kind in kinds) + " |",
        "|---|" + "---|---|" * len(kinds),
    ]
    for metric, by_kind in known["fresh"].items():
        cells = [
            f"{by_kind[kind][0]:.2f} | {known['seeds'][metric][kind][0]:.2f}" for kind in kinds
        ]
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
    overall = [
        f"**{np.mean([v[kind][0] for v in known['fresh'].values()]):.2f}** | "
        f"**{np.mean([v[kind][0] for v in known['seeds'].values()]):.2f}**"
        for kind in kinds
    ]
    lines.append("| **mean** | " + " | ".join(overall) + " |")
    text = f"""## Do the intervals cover?

Made by `python -m benchmarks.coverage`. {known["worlds"]} sets of {known["rows"]} pairs from one
synthetic world; on each, {known["splits"]} splits of one closed-form correction and its difference
to ReAlign. *Other rows*: share of the sets whose nominal 95 % interval holds the mean over all
sets, which is what a reader wants to know. *Other seeds*: share of {known["worlds"] // 2} repeated
runs on one set, with other split seeds, whose interval holds their long-run mean, which is the
easier question. The first pair of columns is the interval in use; the others are what splits are
often given, and they answer only the second question.

""" + "\n".join(lines)
    replace_section(path, "coverage", text)


def main() -> None:
    """Measure, keep the numbers, write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--write-only", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/RESULTS.md"))
    options = parser.parse_args()
    if not options.write_only:
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        numbers = measure(options.worlds, options.splits)
        KEPT.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    write(options.out)


if __name__ == "__main__":
    main()
