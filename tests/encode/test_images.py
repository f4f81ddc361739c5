"""Images from bytes that nobody vouches for."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from anisoalign_core.encode.images import ImageLimits, decode_image, thumbnail, thumbnail_side
from anisoalign_core.errors import FormatError, LimitError
from tests.encode.conftest import image_bytes, picture


def header_of(width, height):
    """Return a PNG that declares a size and holds next to nothing."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def test_pixels_come_out_as_they_went_in():
    image = picture(3)
    np.testing.assert_array_equal(decode_image(image_bytes(image)), image)


def test_images_are_turned_upright():
    image = picture(0, (40, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    turned = decode_image(image_bytes(image, exif=exif))
    assert turned.size == (32, 40)
    np.testing.assert_array_equal(turned, image.transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_every_mode_becomes_red_green_and_blue(mode):
    image = picture().convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    found = decode_image(image_bytes(image, kind))
    assert found.mode == "RGB"
    np.testing.assert_array_equal(found, image.convert("RGB"))


def test_greys_of_sixteen_bits_keep_their_upper_eight():
    wide = (np.arange(64 * 40).reshape(40, 64) * 25).astype(np.uint16)
    found = np.asarray(decode_image(image_bytes(Image.fromarray(wide))))
    np.testing.assert_array_equal(found, np.repeat((wide >> 8)[..., None], 3, axis=2))


def test_transparent_palettes_bring_no_warning(recwarn):
    image = picture().convert("P")
    image.info["transparency"] = bytes(range(100))
    assert decode_image(image_bytes(image)).mode == "RGB"
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_before_it_is_unpacked():
    with pytest.raises(LimitError, match=r"declares 12,000 × 12,000 pixels"):
        decode_image(header_of(12_000, 12_000))
    with pytest.raises(LimitError, match=r"declares more pixels"):
        decode_image(header_of(200_000, 200_000))
    small = image_bytes(picture(0, (40, 32)))
    with pytest.raises(LimitError, match=r"40 × 32 pixels; the limit is 1,279 in all"):
        decode_image(small, ImageLimits(max_pixels=40 * 32 - 1))
    assert decode_image(small, ImageLimits(max_pixels=40 * 32)).size == (40, 32)


def test_a_thread_of_an_image_is_refused():
    assert decode_image(image_bytes(picture(0, (200, 1)))).size == (200, 1)
    with pytest.raises(LimitError, match=r"201 × 1 pixels; the limit is 200 to 1"):
        decode_image(image_bytes(picture(0, (201, 1))))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"GIF89a but not really", "damaged|no image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is no image"),
        (image_bytes(picture(), "JPEG")[:300], "damaged"),
        (image_bytes(picture())[:-30], "damaged"),
        (header_of(64, 64), "damaged"),
    ],
)
def test_damaged_images_say_so(data, words):
    with pytest.raises(FormatError, match=words):
        decode_image(data)


def test_readers_that_run_programs_are_not_used():
    stream = io.BytesIO()
    picture().save(stream, "EPS")
    with pytest.raises(FormatError, match=r"of a kind that is not read"):
        decode_image(stream.getvalue())


def test_thumbnails_are_the_middle_square():
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, 20:60] = 200
    small = thumbnail(Image.fromarray(pixels), 32)
    assert (small.shape, small.dtype) == ((32, 32, 3), np.uint8)
    assert np.abs(small.astype(int) - 200).max() < 10
    tile = picture(1, (32, 32))
    np.testing.assert_array_equal(thumbnail(tile, 32), tile)


def test_thumbnails_get_smaller_where_there_are_many():
    assert [thumbnail_side(rows) for rows in (1, 20_000, 20_001, 100_000, 100_001)] == [
        64,
        64,
        32,
        32,
        0,
    ]
