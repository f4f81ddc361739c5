"""Batches of a run that learns a little: two narrow cones, with partners that share a direction."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from anisoalign_core.gap import JsonLines, Monitor


def batches(steps: int, rows: int = 48, dim: int = 12, spread: float = 1.0, seed: int = 0):
    """Yield ``(target, source)`` float32; the smaller the spread, the narrower the cones."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((2, dim)) * 2
    scales = np.linspace(2.0, 0.3, dim)
    for step in range(steps):
        shared = rng.standard_normal((rows, dim)) * scales
        own = rng.standard_normal((2, rows, dim)) * scales[::-1] * 0.5
        drift = spread * (1 + step / 50)
        both = shared + own
        yield tuple((centres[at] + drift * both[at]).astype("f4") for at in (0, 1))


def run(pairs, **how: Any):
    """Return the rows of a monitor that saw all batches."""
    monitor = Monitor(**how)
    found = [monitor.update(x, y, step=k, logit_scale=10.0) for k, (x, y) in enumerate(pairs, 1)]
    return [row for row in found if row is not None]


CASES = {"wide": (1.0, False), "narrow cone": (1e-3, False), "numpy": (1.0, True)}
"""Spread of the batches, and whether ranks have arrays instead of tensors."""


def in_a_rank(rank: int, folder: str) -> None:
    """Watch a part of every batch beside another process, case by case, and save the rows."""
    import torch

    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    cut = slice(0, 30) if rank == 0 else slice(30, None)
    found = {}
    for name, (spread, as_arrays) in CASES.items():
        halves = [
            tuple(side[cut] if as_arrays else torch.from_numpy(side[cut].copy()) for side in pair)
            for pair in batches(8, spread=spread)
        ]
        sink = JsonLines(Path(folder) / f"{name}-{rank}.jsonl")
        found[name] = [row.to_dict() for row in run(halves, every=4, window=2, sinks=[sink])]
    (Path(folder) / f"rank{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()
