"""What watching the gap costs while an encoder trains: a section of docs/PERFORMANCE.md.

Run ``python -m benchmarks.monitor [--out docs/PERFORMANCE.md]``; two minutes on two free cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

import anisoalign_core as aa
from benchmarks.document import replace_section

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
BATCH, DIM, EVERY = 512, 512, 50
SIZES = ((160, 128), (512, 512), (4096, 768), (4096, 1024))
"""Rows and dimensions of batches whose calls are timed without a training beside them."""

Batch = tuple[torch.Tensor, torch.Tensor]


def training() -> Callable[[], Batch]:
    """Return a step of the sample's encoder, 512 pairs and 512 dimensions: forward to optimiser."""
    sys.path.insert(0, str(SAMPLE))
    import make_samples

    settings = make_samples.Settings(
        embed_dim=DIM, batch_size=BATCH, train_scenes=BATCH, held_out_scenes=1
    )
    drawn = make_samples.draw(settings)
    model = make_samples.build_model(make_samples.model_config(settings, drawn.tokenizer.size), 0)
    pictures = torch.from_numpy(drawn.train_images).permute(0, 3, 1, 2).float() / 63.75 - 2
    words, partners = torch.from_numpy(drawn.train_tokens), torch.arange(BATCH)
    weights = [each for each in model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=settings.learning_rate)

    def step() -> Batch:
        image, text, scale = model(pictures, words)
        logits = scale * image @ text.T
        loss = (cross_entropy(logits, partners) + cross_entropy(logits.T, partners)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return image, text

    return step


class Calls:
    """Seconds of a monitor's calls by kind: cheap ones, those in the window, and the row's."""

    def __init__(self, dim: int, rows: int) -> None:
        self.monitor = aa.gap.Monitor(every=EVERY)
        self.window = min(-(-4 * dim // rows), EVERY)
        self.seconds: dict[str, list[float]] = {"cheap": [], "window": [], "row": []}
        self._calls = 0

    def __call__(self, batch: Batch) -> float:
        """Watch a batch; return the seconds that took."""
        begun = time.perf_counter()
        row = self.monitor.update(*batch)
        taken = time.perf_counter() - begun
        in_window = self._calls % EVERY >= EVERY - self.window
        kind = "row" if row is not None else "window" if in_window else "cheap"
        self.seconds[kind].append(taken)
        self._calls += 1
        return taken

    def median(self, kind: str) -> str:
        """Median of a kind in words; a window of one call is all in the row's."""
        seconds = self.seconds[kind]
        return f"{1000 * statistics.median(seconds):.1f} ms" if seconds else "–"


def beside_training(periods: int) -> tuple[float, Calls, list[float]]:
    """Median seconds of a step, the monitor's calls between steps, and their share by period."""
    step, calls = training(), Calls(DIM, BATCH)
    steps, shares = [], []
    calls(step())  # warms up
    calls = Calls(DIM, BATCH)
    for _ in range(periods):
        spent = 0.0
        begin = len(steps)
        for _ in range(EVERY):
            begun = time.perf_counter()
            batch = step()
            steps.append(time.perf_counter() - begun)
            spent += calls(batch)
        shares.append(spent / sum(steps[begin:]))
        print(f"share of a period: {shares[-1]:.2%}", flush=True)
    return statistics.median(steps), calls, shares


def alone(rows: int, dim: int, periods: int) -> Calls:
    """Return the calls on random batches of one size."""
    torch.manual_seed(0)
    batches = [(torch.randn(rows, dim), torch.randn(rows, dim)) for _ in range(2)]
    calls = Calls(dim, rows)
    for k in range(periods * EVERY):
        calls(batches[k % 2])
    return calls


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--periods", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    step, calls, shares = beside_training(options.periods)
    share = statistics.median(shares)
    lines = [
        "## Watching a training run",
        "",
        f"Made by `python -m benchmarks.monitor` on {os.cpu_count()} cores, torch on "
        f"{torch.get_num_threads()} of them: medians of {options.periods * EVERY} steps in one "
        f"run. A *step* is forward, backward and optimiser of the sample's encoder with {DIM} "
        f"dimensions on a batch of {BATCH}; `Monitor(every={EVERY})` is called after each, and one "
        f"of its calls falls between two steps. The *share* is what all {EVERY} calls between two "
        "rows take of the steps they stand beside, rows included. The budget is 2 %.",
        "",
        "| a step | a call | a call in the window | the call that makes a row | share |",
        "|---|---|---|---|---|",
        f"| {1000 * step:.0f} ms | {calls.median('cheap')} | {calls.median('window')} | "
        f"{calls.median('row')} | **{share:.1%}** |",
        "",
        "The same calls without a training beside them, and their mean over the steps between two "
        "rows: divide it by a step of yours.",
        "",
        "| batch × dimensions | window | a call | in the window | makes a row | mean of "
        f"{EVERY} calls |",
        "|---|---|---|---|---|---|",
    ]
    for rows, dim in SIZES:
        calls = alone(rows, dim, 2)
        mean = statistics.mean([each for kind in calls.seconds.values() for each in kind])
        lines.append(
            f"| {rows:,} × {dim:,} | {calls.window} | {calls.median('cheap')} | "
            f"{calls.median('window')} | {calls.median('row')} | {1000 * mean:.1f} ms |"
        )
    print("\n".join(lines))
    if options.out:
        replace_section(options.out, "monitor", "\n".join(lines))


if __name__ == "__main__":
    main()
