"""Make the checkpoints of the Learn page: the sample's encoder while it learns, at several scales.

The encoder of ``make_samples.py`` is trained from the same start on the same batches, once for each
frozen logit scale (the inverse of the temperature), and looked at after a few steps: a fixed,
seeded subset of the pairs it never sees is embedded and measured. With the default scale and seed
the last checkpoint is the bundled sample itself.

    python sample_data/make_training.py --out sample_data/training

torch and open_clip are imported only where the model is needed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_samples

from anisoalign_core.numerics import unit_rows
from anisoalign_core.teach import Checkpoint

STEPS = (0, 25, 75, 150, 300, 500, 850)
SCALES = (3.0, 10.0, 30.0, 100.0)
ROWS = 300
DIGITS = 5

Rows = NDArray[np.float16]
Looks = dict[int, tuple[Rows, Rows]]


def chosen_rows(held_out: int, rows: int, seed: int) -> NDArray[np.int64]:
    """Draw which of the held-out pairs are looked at, ascending."""
    rng = np.random.default_rng([seed, 3])
    return np.sort(rng.choice(held_out, rows, replace=False)).astype(np.int64)


def train_and_look(
    drawn: make_samples.Drawn,
    settings: make_samples.Settings,
    scale: float,
    rows: NDArray[np.int64],
    steps: Sequence[int] = STEPS,
) -> Looks:
    """Train one encoder; return image and text rows, float16, after each of the steps."""
    config = make_samples.model_config(settings, drawn.tokenizer.size)
    model = make_samples.build_model(config, settings.seed, scale)
    looks: Looks = {}

    def look(step: int) -> None:
        if step in steps:
            # All held-out rows, in the sample's own batches: the last look is then the sample.
            image, text = make_samples.encode(model, drawn.images, drawn.tokens)
            looks[step] = image[rows].astype(np.float16), text[rows].astype(np.float16)

    look(0)
    make_samples.train(model, drawn.train_images, drawn.train_tokens, settings, look)
    return looks


def measured(image: Rows, text: Rows) -> dict[str, float]:
    """Measure a checkpoint as written, rounding included."""
    found = asdict(Checkpoint.of(unit_rows(text), unit_rows(image)))
    return {name: round(value, DIGITS) for name, value in found.items()}


def write(
    out: Path, looks: dict[float, Looks], rows: NDArray[np.int64], settings: make_samples.Settings
) -> dict[str, dict[str, dict[str, float]]]:
    """Write ``training.npz`` and ``about.json``; return the measurements by scale and step.

    Every scale starts from the same weights, so the rows before training are written once.
    """
    out.mkdir(parents=True, exist_ok=True)
    scales, steps = sorted(looks), sorted(next(iter(looks.values())))
    later: dict[str, NDArray[Any]] = {}
    for side, name in enumerate(("image", "text")):
        first = looks[scales[0]][0][side]
        if any(not np.array_equal(looks[scale][0][side], first) for scale in scales):
            raise ValueError("the runs do not start from the same rows")
        later[f"{name}_start"] = first
        later[name] = np.stack(
            [np.stack([looks[scale][step][side] for step in steps[1:]]) for scale in scales]
        )
    np.savez_compressed(
        out / "training.npz",
        rows=rows,
        steps=np.array(steps, dtype=np.int64),
        scales=np.array(scales, dtype=np.float64),
        **later,
    )
    found = {
        f"{scale:g}": {str(step): measured(*looks[scale][step]) for step in steps}
        for scale in scales
    }
    libraries = ("torch", "open_clip_torch", "numpy")
    about = {
        "what": "The sample's encoder while it learns, once for each frozen logit scale: "
        "embeddings of the same held-out pairs after a few steps.",
        "pairs": len(rows),
        "dimensions": settings.embed_dim,
        "steps": steps,
        "scales": scales,
        "temperatures": [round(1 / scale, DIGITS) for scale in scales],
        "settings": asdict(settings),
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in libraries},
        "measured": found,
    }
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return found


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Lay the measurements out as text, one line for each scale and step."""
    names = list(Checkpoint.__dataclass_fields__)
    lines = ["scale step " + " ".join(names)]
    for scale, looks in found.items():
        for step, values in looks.items():
            lines.append(f"{scale} {step} " + " ".join(f"{values[name]:.3f}" for name in names))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, train, write and print what was measured."""
    parser = argparse.ArgumentParser(description="Train the sample's encoder and look at it.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scales", type=float, nargs="+", default=SCALES)
    parser.add_argument("--rows", type=int, default=ROWS)
    chosen = parser.parse_args(arguments)
    settings = make_samples.Settings(seed=chosen.seed)
    began = time.perf_counter()
    make_samples.use_torch(settings)
    drawn = make_samples.draw(settings)
    rows = chosen_rows(settings.held_out_scenes, chosen.rows, chosen.seed)
    looks: dict[float, Looks] = {}
    for scale in chosen.scales:
        print(f"scale {scale:g}", flush=True)
        looks[scale] = train_and_look(drawn, settings, scale, rows)
    print(table(write(chosen.out, looks, rows, settings)))
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
