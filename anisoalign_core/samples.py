"""The bundled sample data: a small contrastive encoder trained on captioned scenes.

How it was made is written in ``sample_data/make_samples.py`` and ``sample_data/README.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.pairs import EmbeddingPair

ROOT = Path(__file__).resolve().parent.parent / "sample_data"
LABELS = ("shape", "colour", "size", "position", "background")


@dataclass(frozen=True)
class Sample:
    """A bundled set: the folder of its vectors, and what to tell a person about it."""

    name: str
    title: str
    folder: str
    model: str
    description: str


SAMPLES = {
    sample.name: sample
    for sample in (
        Sample(
            "scenes",
            "Captioned scenes",
            "scenes",
            "small CLIP trained on rendered scenes",
            "4,000 rendered scenes and their captions through a small CLIP that never saw them.",
        ),
        Sample(
            "scenes-untrained",
            "Captioned scenes, untrained encoder",
            "scenes-untrained",
            "the same CLIP before training",
            "The same scenes through the same encoder before training: a negative control.",
        ),
    )
}


def load_sample(name: str = "scenes") -> EmbeddingPair:
    """Return a bundled pair: captions (source, "text") and scenes (target, "image").

    Parameters
    ----------
    name : {"scenes", "scenes-untrained"}

    Raises
    ------
    ParameterError
        If there is no such sample.
    FormatError
        If the sample files are not beside the package.
    """
    import pandas as pd

    folder = sample_file(name, "image").parent
    sample = SAMPLES[name]
    table = pd.read_parquet(ROOT / "scenes" / "metadata.parquet")
    thumbnails = _tiles(ROOT / "scenes" / "thumbnails.png", len(table))

    def side(modality: str) -> EmbeddingSet:
        return EmbeddingSet.from_array(
            np.load(folder / f"{modality}.npy", allow_pickle=False),
            modality=modality,
            ids=table["id"].to_numpy(),
            captions=table["caption"].to_numpy(),
            labels=table[list(LABELS)],
            thumbnails=thumbnails,
            name=f"{name}/{modality}.npy",
            files=(f"sample_data/{sample.folder}/{modality}.npy",),
            model=sample.model,
        )

    return EmbeddingPair(source=side("text"), target=side("image"), paired=True)


def sample_file(name: str, modality: str) -> Path:
    """Return where the vectors of a bundled sample lie: ``image`` or ``text``.

    Raises
    ------
    ParameterError, FormatError
        As :func:`load_sample`.
    """
    if name not in SAMPLES:
        raise ParameterError(f"There is no sample {name!r}; choose one of {', '.join(SAMPLES)}.")
    folder = ROOT / SAMPLES[name].folder
    if not folder.is_dir():
        raise FormatError(
            "The sample data is not beside the installed package. Install from a checkout with "
            "pip install -e ., or load your own files."
        )
    return folder / f"{modality}.npy"


def _tiles(path: Path, count: int, size: int = 32) -> np.typing.NDArray[np.uint8]:
    from PIL import Image

    sheet = np.asarray(Image.open(path).convert("RGB"))
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    tiles = sheet.reshape(rows, size, columns, size, 3).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(-1, size, size, 3)[:count])
