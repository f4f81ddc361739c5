"""The bundled sample data: a small contrastive encoder trained on captioned scenes.

How it was made is written in ``sample_data/make_samples.py``, ``sample_data/make_training.py`` and
``sample_data/README.md``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.errors import FormatError, ParameterError
from anisoalign_core.files.bundled import bundled
from anisoalign_core.numerics import Float32, Integers, read_only, unit_rows
from anisoalign_core.pairs import EmbeddingPair

if TYPE_CHECKING:
    import pandas as pd

    from anisoalign_core.bench.bench import Bench
    from anisoalign_core.gap.report import GapReport
    from anisoalign_core.teach.story import Checkpoint

ROOT = bundled() / "sample_data"
METADATA = ROOT / "scenes" / "metadata.parquet"
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
        Sample(
            "scenes-captions",
            "Captioned scenes, three captions each",
            "scenes",
            "small CLIP trained on rendered scenes",
            "1,000 of the scenes with 3,000 captions, three true sentences for each.",
        ),
    )
}

COMPOSED = ("scenes-captions",)
"""Samples that are parts of several files."""


def load_sample(name: str = "scenes") -> EmbeddingPair:
    """Return a bundled pair: captions (source, "text") and scenes (target, "image").

    Parameters
    ----------
    name : {"scenes", "scenes-untrained", "scenes-captions"}
        In the last, each of 1,000 scenes has three captions: rows are joined by id.

    Raises
    ------
    ParameterError
        If there is no such sample.
    FormatError
        If the sample files are not beside the package.
    """
    sample = _known(name)
    folder = _beside(ROOT / sample.folder)
    known, first = _texts(METADATA, "id", "caption")

    def side(
        modality: str, vectors: Any, rows: Integers, captions: Any, *files: str
    ) -> EmbeddingSet:
        found = _Bundled.from_array(
            vectors,
            modality=modality,
            ids=known[rows],
            captions=captions,
            name=f"{name}/{modality}.npy",
            files=tuple(f"sample_data/{sample.folder}/{file}" for file in files),
            model=sample.model,
        )
        for waits in ("labels", "thumbnails"):
            del found.__dict__[waits]
        found.__dict__["scenes"] = rows
        return found

    def stored(file: str) -> Any:
        return np.load(folder / file, allow_pickle=False)

    every = np.arange(len(known))
    if name not in COMPOSED:
        source, target = (
            side(modality, stored(f"{modality}.npy"), every, first, f"{modality}.npy")
            for modality in ("text", "image")
        )
        return EmbeddingPair(source=source, target=target, paired=True)
    ids, more = _texts(folder / "more_captions.parquet", "id", "caption")
    at = {scene: row for row, scene in enumerate(known)}
    rows = np.array([at[scene] for scene in ids])
    shown = np.unique(rows)
    rows = np.concatenate([shown, rows])
    order = np.argsort(rows, kind="stable")
    vectors = np.concatenate([stored("text.npy")[shown], stored("more_text.npy")])
    captions = np.concatenate([first[shown], more])
    return EmbeddingPair.join(
        side("text", vectors[order], rows[order], captions[order], "text.npy", "more_text.npy"),
        side("image", stored("image.npy")[shown], shown, first[shown], "image.npy"),
    )


class _Bundled(EmbeddingSet):
    """A bundled set: labels and pictures wait until they are asked for, pandas and Pillow too."""

    scenes: Integers

    @cached_property
    def labels(self) -> pd.DataFrame:
        import pandas as pd

        table = pd.read_parquet(METADATA, columns=list(LABELS))
        return table.iloc[self.scenes].reset_index(drop=True)

    @cached_property
    def thumbnails(self) -> npt.NDArray[np.uint8]:
        return read_only(_tiles()[self.scenes])


def _texts(path: Path, *columns: str) -> list[npt.NDArray[np.object_]]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        table = file.read(list(columns))
    return [np.array(table[name].to_pylist(), dtype=object) for name in columns]


def sample_report(name: str = "scenes", pair: EmbeddingPair | None = None) -> GapReport:
    """Return what :func:`~anisoalign_core.diagnose` says of a bundled pair; it is kept beside it.

    It is measured anew where what is kept is of other rows or of another version of reports.

    Parameters
    ----------
    name : str
        As :func:`load_sample` takes it.
    pair : EmbeddingPair, optional
        What :func:`load_sample` gave, where it is loaded already.

    Raises
    ------
    ParameterError, FormatError
        As :func:`load_sample`.
    """
    from anisoalign_core import gap  # what measures is loaded where it has to be measured anew
    from anisoalign_core.gap.report import GapReport

    pair, kept = pair or load_sample(name), report_place(name)
    if kept.is_file():
        try:
            found = GapReport.load(kept)
        except FormatError:
            return gap.diagnose(pair)
        if (found.source_digest, found.target_digest) == (pair.source.digest, pair.target.digest):
            return found
    return gap.diagnose(pair)


def report_place(name: str) -> Path:
    """Return where the report of a bundled pair lies."""
    return ROOT / "reports" / f"{_known(name).name}.json"


def sample_file(name: str, modality: str) -> Path:
    """Return where the vectors of a bundled sample lie: ``image`` or ``text``.

    Raises
    ------
    ParameterError, FormatError
        As :func:`load_sample`.
    """
    sample = _known(name)
    if name in COMPOSED:
        alone = ", ".join(one for one in SAMPLES if one not in COMPOSED)
        raise ParameterError(
            f"The sample {name!r} is put together from parts of several files, so it is no file to "
            f"be read piece by piece. Take one of {alone}, or save load_sample({name!r}) first."
        )
    return _beside(ROOT / sample.folder) / f"{modality}.npy"


def _known(name: str) -> Sample:
    if name not in SAMPLES:
        raise ParameterError(f"There is no sample {name!r}; choose one of {', '.join(SAMPLES)}.")
    return SAMPLES[name]


def _beside(folder: Path) -> Path:
    if not folder.is_dir():
        raise FormatError(
            "The sample data is not beside the library, so what is installed is not whole. Install "
            "anisoalign-studio again, or load your own files."
        )
    return folder


@dataclass(frozen=True, eq=False)
class Training:
    """Checkpoints of the sample's encoder while it learned, once for each logit scale.

    Attributes
    ----------
    scales : tuple of float
        Frozen logit scales, ascending; a scale is the inverse of the temperature.
    steps : tuple of int
        Steps of training after which the encoder was looked at, from 0.
    rows : (n,) int
        Which pairs of the sample were embedded; the encoder was trained on none of them.
    source, target : (scales, steps, n, d) float32
        Unit rows of captions and of scenes.
    measured : dict
        (scale, step) → what was measured when the file was made.
    """

    scales: tuple[float, ...]
    steps: tuple[int, ...]
    rows: Integers
    source: Float32
    target: Float32
    measured: dict[tuple[float, int], Checkpoint]

    def at(self, scale: float, step: int) -> tuple[Float32, Float32]:
        """Return the source and the target rows, (n, d) each, of one checkpoint.

        Raises
        ------
        ParameterError
            If there is no such checkpoint.
        """
        if scale not in self.scales or step not in self.steps:
            raise ParameterError(
                f"There is no checkpoint at scale {scale:g} after {step} steps; scales are "
                f"{', '.join(f'{known:g}' for known in self.scales)}, steps "
                f"{', '.join(map(str, self.steps))}."
            )
        place = self.scales.index(scale), self.steps.index(step)
        return self.source[place], self.target[place]


def load_training() -> Training:
    """Return the bundled checkpoints of the sample's training.

    Raises
    ------
    FormatError
        If the files are not beside the package.
    """
    from anisoalign_core.teach.story import Checkpoint

    folder = _beside(ROOT / "training")
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    with np.load(folder / "training.npz", allow_pickle=False) as stored:
        scales, steps = (tuple(stored[name].tolist()) for name in ("scales", "steps"))
        sides = {}
        for name in ("image", "text"):
            start = np.broadcast_to(
                stored[f"{name}_start"], (len(scales), 1, *stored[name].shape[2:])
            )
            halves = np.concatenate([start, stored[name]], axis=1)
            rows = unit_rows(halves.reshape(-1, halves.shape[-1]))
            sides[name] = read_only(rows.reshape(halves.shape))
        numbers = read_only(stored["rows"].astype(np.intp))
    measured = {
        (scale, step): Checkpoint(**about["measured"][f"{scale:g}"][str(step)])
        for scale in scales
        for step in steps
    }
    return Training(scales, steps, numbers, sides["text"], sides["image"], measured)


def sample_encoder_path() -> Path:
    """Return where the weights of the small CLIP lie that made the sample "scenes".

    Its configuration and vocabulary lie beside: ``load_encoder(checkpoint=sample_encoder_path())``
    gives an encoder whose embeddings of the bundled scenes and captions are the bundled ones.

    Raises
    ------
    FormatError
        If the sample files are not beside the package.
    """
    path = ROOT / "encoder" / "encoder.safetensors"
    if not path.is_file():
        raise FormatError(
            "The sample's encoder is not beside the library, so what is installed is not whole. "
            "Install anisoalign-studio again, or load an encoder of your own."
        )
    return path


@cache
def _tiles(size: int = 32) -> npt.NDArray[np.uint8]:
    from PIL import Image

    sheet = np.asarray(Image.open(ROOT / "scenes" / "thumbnails.png").convert("RGB"))
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    tiles = sheet.reshape(rows, size, columns, size, 3).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(-1, size, size, 3))


def load_bench() -> Bench:
    """Return the bundled bench: variants of the sample's encoder, their runs, public encoders.

    Raises
    ------
    FormatError
        If the sample files are not beside the package.
    """
    from anisoalign_core.bench.bench import SUFFIX, Bench

    return Bench.load(_beside(ROOT / "encoders") / f"encoders{SUFFIX}")
