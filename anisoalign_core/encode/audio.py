"""Sounds: clips of samples, and the .wav files that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, ParameterError, ShapeError
from anisoalign_core.files.limits import MIB, size_text
from anisoalign_core.files.places import natural
from anisoalign_core.files.source import malformed, readable
from anisoalign_core.numerics import Float32

SUFFIX = ".wav"
MAX_FILE_BYTES = 256 * MIB
MAX_RATE = 1_000_000


class Clip(NamedTuple):
    """A sound: samples of shape (m,) or (m, channels), and how many a second."""

    samples: npt.ArrayLike
    rate: int


def mono(clip: Clip, rate: int) -> Float32:
    """Return a clip as the mean of its channels at another rate.

    Between rates by SciPy's polyphase filter. Whole numbers are divided by the largest of their
    type, so that samples lie within [−1, 1]; bytes are centred at 128 first.

    Returns
    -------
    (m · rate / clip.rate,) float32

    Raises
    ------
    ShapeError, ParameterError, FormatError
        If there are no samples, they are not finite numbers, or the rate is not one.
    """
    samples = np.asarray(clip.samples)
    if samples.dtype.kind not in "iuf":
        raise FormatError("The samples of a sound are not real numbers.")
    if samples.ndim not in (1, 2) or not samples.size:
        raise ShapeError(f"A sound has the shape {samples.shape}, not (samples, channels).")
    if int(clip.rate) != clip.rate or not 0 < clip.rate <= MAX_RATE:
        raise ParameterError(f"The rate of a sound is {clip.rate}; give samples a second.")
    kind = samples.dtype
    heard = samples.astype(np.float64)
    if kind.kind == "u":
        half = (np.iinfo(kind).max + 1) / 2
        heard = (heard - half) / half
    elif kind.kind == "i":
        heard /= -float(np.iinfo(kind).min)
    if not np.isfinite(heard).all():
        raise FormatError("The samples of a sound are not all finite.")
    heard = heard.mean(axis=1) if heard.ndim == 2 else heard
    if clip.rate != rate:
        from scipy.signal import resample_poly

        common = gcd(int(clip.rate), rate)
        heard = resample_poly(heard, rate // common, int(clip.rate) // common)
    return heard.astype(np.float32)


def read_clip(path: str | Path) -> Clip:
    """Read a ``.wav`` file of whole or broken numbers.

    Raises
    ------
    FormatError
        If it is missing, damaged, compressed, or above 256 MiB.
    """
    from scipy.io import wavfile

    path = Path(path)
    with readable(path.name):
        held = path.stat().st_size
    if held > MAX_FILE_BYTES:
        raise FormatError(
            f"{path.name} has {size_text(held)}; sounds have {size_text(MAX_FILE_BYTES)} at most."
        )
    errors = (ValueError, TypeError, LookupError, EOFError, ArithmeticError, MemoryError)
    with readable(path.name), malformed(path.name, "a .wav file", *errors), path.open("rb") as file:
        rate, samples = wavfile.read(file)
    return Clip(samples, int(rate))


def find_clips(places: Sequence[str | Path]) -> list[tuple[str, Path]]:
    """Return the ``.wav`` files among files and in folders with their ids, in natural order.

    Raises
    ------
    FormatError
        If a place is neither, or there are none.
    """
    found: dict[Path, str] = {}
    for place in map(Path, places):
        with readable(place.name):
            if place.is_dir():
                for one in place.rglob("*"):
                    if one.suffix.lower() == SUFFIX and one.is_file():
                        found[one] = one.relative_to(place).with_suffix("").as_posix()
            elif place.suffix.lower() == SUFFIX and place.is_file():
                found[place] = place.stem
            else:
                raise FormatError(f"{place} is neither a folder nor a {SUFFIX} file.")
    if not found:
        raise FormatError(f"There are no {SUFFIX} files in {', '.join(map(str, places))}.")
    order = sorted(found, key=lambda one: tuple(natural(Path(part)) for part in one.parts))
    return [(found[path], path) for path in order]
