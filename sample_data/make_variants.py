"""Train six variants of the sample's encoder, watch the gap form in each, and compare all seven.

What a loss does to the gap: the sample's own encoder (logit scale frozen at 100) beside one frozen
at 14, one whose temperature is learned, one with the sigmoid loss and a bias, a narrower and a
wider space, and one whose loss closes the gap. Same scenes, same batches, same start where the
shape allows it; every run is watched by ``anisoalign_core.gap.Monitor``.

    python sample_data/make_variants.py --work variants/ --out sample_data/encoders

Checkpoints go to ``--work``: they are needed once, to encode the held-out scenes, and can be
encoded again with ``anisoalign atlas``. Written to ``--out`` is one bench of reports, trade-off
curves, a few rows of each, and the runs. torch and open_clip are imported only where the model is
needed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import make_samples

import anisoalign_core as aa

if TYPE_CHECKING:
    import torch
    from open_clip.model import CLIP

EVERY = 25
KEPT = 100
"""Rows of each that are bundled."""
REFERENCE = {
    "coco-clip-vitb16": "CLIP ViT-B/16 of OpenAI on 500 images and captions of COCO.",
    "coco-clip-vitb16-randominit": "The same architecture with random weights.",
    "msrvtt-videoclip": "VideoCLIP on 100 videos and captions of MSR-VTT.",
    "msrvtt-videoclip-randominit": "The same architecture with random weights.",
    "uniprot-clasp": "CLASP on 99 proteins and their descriptions.",
}
"""Public sets after Liang et al., Mind the Gap, 2022: only their reports are bundled."""
LossOf = Callable[["CLIP", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]


def sigmoid(model: CLIP, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """``−Σ_ij log σ(z_ij (s ⟨x_i, y_j⟩ + b))/n``, z = 1 for partners and −1 else (SigLIP).

    Zhai et al., Sigmoid Loss for Language Image Pre-Training, 2023.
    """
    import torch
    from torch.nn.functional import logsigmoid

    logits = model.logit_scale.exp() * image @ text.T + model.logit_bias
    signs = 2 * torch.eye(len(image)) - 1
    return -logsigmoid(signs * logits).sum() / len(image)


def gap_closing(model: CLIP, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Contrastive, plus alignment of true pairs, plus uniformity of their centroids.

    ``L = L_contrastive + mean ‖x_i − y_i‖² + log mean_{i≠j} exp(−2 ‖c_i − c_j‖²)`` with
    ``c = (x + y)/2``: the two terms of Grassucci et al., Closing the Modality Gap Aligns Group-Wise
    Semantics, arXiv 2601.18525, each with weight one.
    """
    import torch

    aligned = ((image - text) ** 2).sum(1).mean()
    centres = (image + text) / 2
    spread = torch.pdist(centres).square().mul(-2).exp().mean().log()
    return make_samples.contrastive(model, image, text) + aligned + spread


@dataclass(frozen=True)
class Variant:
    """One encoder: how it differs from the sample's."""

    name: str
    words: str
    scale: float = make_samples.SCALE_OF_LOGITS
    learned: bool = False
    bias: float | None = None
    dim: int = make_samples.Settings.embed_dim
    loss_of: LossOf = make_samples.contrastive


VARIANTS = (
    Variant("frozen at 100", "The sample's own: logit scale frozen at 100 (temperature 0.01)."),
    Variant("frozen at 14", "Logit scale frozen at 14.3 (temperature 0.07).", scale=1 / 0.07),
    Variant("learned", "Temperature learned, from 0.07 on.", scale=1 / 0.07, learned=True),
    Variant(
        "sigmoid",
        "Sigmoid loss with a bias, both learned, from scale 10 and bias −10 on.",
        scale=10.0,
        learned=True,
        bias=-10.0,
        loss_of=sigmoid,
    ),
    Variant("narrow", "A space of 32 dimensions, scale frozen at 100.", dim=32),
    Variant("wide", "A space of 256 dimensions, scale frozen at 100.", dim=256),
    Variant(
        "gap-closing",
        "Temperature learned, true pairs aligned, their centroids spread (arXiv 2601.18525).",
        scale=1 / 0.07,
        learned=True,
        loss_of=gap_closing,
    ),
)


def train(
    variant: Variant, drawn: make_samples.Drawn, work: Path, base: make_samples.Settings
) -> None:
    """Train one variant: its checkpoint and its run go to ``work``."""
    settings = replace(base, embed_dim=variant.dim)
    config = make_samples.model_config(settings, drawn.tokenizer.size)
    model = make_samples.build_model(
        config, settings.seed, variant.scale, bias=variant.bias, learned=variant.learned
    )
    stem = work / variant.name.replace(" ", "-")
    run = stem.with_suffix(".jsonl")
    run.unlink(missing_ok=True)
    monitor = aa.gap.Monitor(every=EVERY, sinks=[aa.gap.JsonLines(run, name=variant.name)])

    def watch(step: int, image: torch.Tensor, text: torch.Tensor) -> None:
        monitor.update(image, text, step=step + 1, logit_scale=model.logit_scale.exp())

    make_samples.train(
        model,
        drawn.train_images,
        drawn.train_tokens,
        settings,
        loss_of=variant.loss_of,
        watch=watch,
    )
    make_samples.save_checkpoint(
        model, config, drawn.tokenizer.vocabulary, stem.with_suffix(".safetensors")
    )
    image, text = make_samples.encode(model, drawn.images, drawn.tokens)
    np.savez(stem.with_suffix(".npz"), image=image, text=text)


def assemble(work: Path, out: Path, reference: Path | None) -> Path:
    """Measure all variants, the untrained encoder and public reference sets; write the bench.

    Of the reference sets, folders of ``image.npy`` and ``text.npy``, only numbers are written;
    without them those of the bench that is there stay.
    """
    known, path = aa.load_sample("scenes"), out / "encoders.bench.zip"
    bench = aa.bench.Bench()

    def add(name: str, note: str, image: np.ndarray, text: np.ndarray) -> None:
        nonlocal bench
        sides = [
            aa.EmbeddingSet.from_array(
                rows, modality=side.modality, ids=side.ids, captions=side.captions, name=name
            )
            for rows, side in ((text, known.source), (image, known.target))
        ]
        pair = aa.EmbeddingPair(sides[0], sides[1], paired=True)
        bench = bench.with_entry(aa.bench.BenchEntry.measure(name, pair, note=note, rows=KEPT))
        print(f"measured {name}", flush=True)

    for variant in VARIANTS:
        stem = work / variant.name.replace(" ", "-")
        with np.load(stem.with_suffix(".npz")) as stored:
            add(variant.name, variant.words, stored["image"], stored["text"])
        bench = bench.with_run(aa.gap.Run.load(stem.with_suffix(".jsonl")))
    untrained = aa.load_sample("scenes-untrained")
    words = "The sample's encoder before training: a gap without shared meaning."
    add("untrained", words, untrained.target.vectors, untrained.source.vectors)
    names = [one.name for one in bench.entries]
    if reference is None:
        old = aa.bench.Bench.load(path)
        rest = [one for one in old.entries if one.name not in names]
    else:
        rest = []
        for name, note in REFERENCE.items():
            sides = [
                aa.load(reference / name / f"{side}.npy", modality=side)
                for side in ("text", "image")
            ]
            report = aa.diagnose(aa.EmbeddingPair(sides[0], sides[1], paired=True))
            rest.append(aa.bench.BenchEntry(name, report, note))
    for entry in rest:
        bench = bench.with_entry(entry)
    out.mkdir(parents=True, exist_ok=True)
    return bench.save(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, train what is asked for, and write the bench."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Train variants of the sample's encoder.")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--out", type=Path, default=here / "encoders")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=make_samples.Settings.steps)
    parser.add_argument("--reference", type=Path, help="folder of the public reference sets")
    parser.add_argument(
        "--only",
        nargs="*",
        choices=[variant.name for variant in VARIANTS],
        help="variants to train; the others are taken from --work",
    )
    chosen = parser.parse_args(arguments)
    settings = make_samples.Settings(seed=chosen.seed, steps=chosen.steps)
    began = time.perf_counter()
    chosen.work.mkdir(parents=True, exist_ok=True)
    make_samples.use_torch(settings)
    drawn = make_samples.draw(settings)
    for variant in VARIANTS:
        if chosen.only is None or variant.name in chosen.only:
            print(f"{variant.name}: {variant.words}", flush=True)
            train(variant, drawn, chosen.work, settings)
    path = assemble(chosen.work, chosen.out, chosen.reference)
    print(f"{path.name}: {path.stat().st_size:,} bytes; {time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
