"""Pictures from bytes that nobody vouches for, and their thumbnails."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anisoalign_core.errors import FormatError, LimitError
from anisoalign_core.files.limits import MIB, size_text
from anisoalign_core.files.source import first_line
from anisoalign_core.io.captions import PICTURES, is_picture

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Pillow's readers that are used. Others run programs (EPS) or are seldom tested."""
SUFFIXES = PICTURES
THUMBNAIL_ROWS = ((20_000, 64), (100_000, 32))
"""Up to so many rows, thumbnails of so many pixels: 250 or 310 MB at most. Above, none."""


@dataclass(frozen=True)
class ImageLimits:
    """The largest images, and archives of images, that are read.

    Attributes
    ----------
    max_pixels : int, default 100 million
        Of one image: 300 MB once it is unpacked.
    max_aspect : int, default 200
        How many times longer than its short side: models enlarge the short one.
    max_file_bytes : int, default 128 MiB
        Of one image's file.
    max_members : int, default 500 000
        Files in an archive.
    max_archive_bytes : int, default 64 GiB
        What all members of an archive declare to hold.
    max_ratio : int, default 200
        How many times larger than the archive they may be, once above 16 MiB. Pictures compress by
        next to nothing.
    """

    max_pixels: int = 100_000_000
    max_aspect: int = 200
    max_file_bytes: int = 128 * MIB
    max_members: int = 500_000
    max_archive_bytes: int = 64 * 1024 * MIB
    max_ratio: int = 200


def decode_image(data: bytes, limits: ImageLimits | None = None) -> Image:
    """Return an image as red, green and blue, turned upright as its EXIF says.

    The first picture of several is taken. Transparency is dropped; greys of 16 bits keep their
    upper eight.

    Parameters
    ----------
    data : bytes
        JPEG, PNG, WebP, GIF, BMP, TIFF or PPM.
    limits : ImageLimits, optional

    Raises
    ------
    FormatError
        If it is none of these, or damaged; the text goes behind the image's name.
    LimitError
        If it declares more pixels than the limit, which is seen before they are unpacked.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    limits = limits or ImageLimits()
    if not data:
        raise FormatError("the file is empty")
    try:
        Image.init()
        known = [name for name in FORMATS if name in Image.OPEN]
        opened = Image.open(io.BytesIO(data), formats=known)
        _check_sides(*opened.size, limits)
        return _red_green_blue(ImageOps.exif_transpose(opened))
    except LimitError:
        raise
    except Image.DecompressionBombError:
        raise LimitError(
            f"it declares more pixels than the limit of {limits.max_pixels:,}"
        ) from None
    except UnidentifiedImageError:
        raise FormatError("it is no image, or of a kind that is not read") from None
    except MemoryError:
        raise LimitError("there is too little memory for it") from None
    except Exception as error:  # Pillow's readers raise whatever the damage leads to
        raise FormatError(f"it is damaged ({first_line(error)})") from error


def _check_sides(width: int, height: int, limits: ImageLimits) -> None:
    if width * height > limits.max_pixels:
        raise LimitError(
            f"it declares {width:,} × {height:,} pixels; the limit is {limits.max_pixels:,} in all"
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise LimitError(
            f"it has {width:,} × {height:,} pixels; the limit is {limits.max_aspect} to 1"
        )


def _red_green_blue(image: Image) -> Image:
    from PIL import Image

    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        grey = np.clip(wide >> 8 if wide.max(initial=0) > 255 else wide, 0, 255)
        image = Image.fromarray(grey.astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    found = image.convert("RGB")
    found.load()
    return found


def is_image(path: PurePath) -> bool:
    """Whether a file is an image by its suffix."""
    return is_picture(path.name)


def check_file_size(size: int, limits: ImageLimits) -> None:
    """Refuse a file above the limit."""
    if size > limits.max_file_bytes:
        raise LimitError(
            f"the file has {size_text(size)}; the limit is {size_text(limits.max_file_bytes)}"
        )


def thumbnail_side(rows: int) -> int:
    """Return the pixels a side that thumbnails of so many rows get; 0 for none."""
    return next((side for most, side in THUMBNAIL_ROWS if rows <= most), 0)


def thumbnail(image: Image, side: int) -> npt.NDArray[np.uint8]:
    """Return the middle square of an image as (side, side, 3) uint8; untouched if it is that."""
    from PIL import Image, ImageOps

    small = image
    if image.size != (side, side):
        small = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
    return np.asarray(small, dtype=np.uint8)
