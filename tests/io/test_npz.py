from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from numpy.typing import NDArray

from anisoalign_core.errors import AnisoAlignError, FormatError, LimitError, ShapeError
from anisoalign_core.io import Limits, array_keys_bytes, load_bytes, load_pair_bytes


def archive(*, compressed: bool = False, **members: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, **members)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.fixture
def other(array: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array[::-1])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("names", [("image", "text"), ("target", "source"), ("Images", "TEXTS")])
def test_modality_chooses_the_array(
    array: NDArray[np.float32],
    other: NDArray[np.float32],
    names: tuple[str, str],
    compressed: bool,
) -> None:
    data = archive(compressed=compressed, **{names[0]: array, names[1]: other})
    assert array_keys_bytes(data, "a.npz") == names
    np.testing.assert_array_equal(load_bytes(data, "a.npz", modality="image").vectors, array)
    np.testing.assert_array_equal(load_bytes(data, "a.npz", modality="text").vectors, other)


def test_any_single_array_is_taken(array: NDArray[np.float32]) -> None:
    data = archive(arr_0=array, ids=np.array([f"x{row}" for row in range(12)]))
    loaded = load_bytes(data, "a.npz", modality="video")
    assert loaded.modality == "video"
    assert loaded.ids[3] == "x3"


def test_the_other_side_alone_is_not_taken_silently(array: NDArray[np.float32]) -> None:
    with pytest.raises(FormatError, match='holds only "text", and image was asked for'):
        load_bytes(archive(text=array), "a.npz", modality="image")
    assert len(load_bytes(archive(text=array), "a.npz", modality="image", key="text")) == 12


def test_ambiguity_lists_the_keys(array: NDArray[np.float32]) -> None:
    data = archive(one=array, two=array)
    with pytest.raises(FormatError, match='"one", "two"'):
        load_bytes(data, "a.npz", modality="image")
    with pytest.raises(FormatError, match='no array "three"; it holds "one", "two"'):
        load_bytes(data, "a.npz", modality="image", key="three")


def test_ids_captions_and_labels(array: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    data = archive(
        image=array,
        text=other,
        image_ids=np.arange(12),
        text_ids=np.array([f"t{row}".encode() for row in range(12)]),
        captions=np.array([f"caption {row}" for row in range(12)]),
        kind=np.arange(12) % 3,
        scale=np.float32(100),
    )
    image, text = (load_bytes(data, "a.npz", modality=m) for m in ("image", "text"))
    assert image.ids.tolist() == [str(row) for row in range(12)]
    assert not image.provenance.ids_are_rows
    assert text.ids[1] == "t1"
    assert text.captions is not None and text.captions[2] == "caption 2"
    assert text.labels is not None and text.labels["kind"].tolist() == [0, 1, 2] * 4


def test_pair_by_row(array: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    pair = load_pair_bytes(archive(image=array, text=other), "a.npz")
    assert pair.paired
    np.testing.assert_array_equal(pair.source.vectors, other)
    assert (pair.source.modality, pair.target.modality) == ("text", "image")


def test_pair_by_row_survives_dropped_rows(
    array: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    image, text = array.copy(), other.copy()
    image[2], text[5], text[2] = 0, np.nan, 0
    ids = np.array(["same"] * 12)  # ids that repeat must not matter to pairing by row
    data = archive(image=image, text=text, ids=ids)
    pair = load_pair_bytes(data, "a.npz", drop_invalid=True)
    keep = [row for row in range(12) if row not in (2, 5)]
    np.testing.assert_array_equal(pair.source.vectors, other[keep])
    np.testing.assert_array_equal(pair.target.vectors, array[keep])
    assert (pair.unmatched_target, pair.unmatched_source) == (("same",), ())


def test_pair_follows_ids_that_place_rows_differently(
    array: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    ids = np.array([f"x{row}" for row in range(12)])
    data = archive(image=array, text=other, image_ids=ids, text_ids=ids[::-1])
    pair = load_pair_bytes(data, "a.npz")
    np.testing.assert_array_equal(pair.source.vectors, pair.target.vectors)


def test_pair_ignores_ids_that_have_nothing_in_common(
    array: NDArray[np.float32], other: NDArray[np.float32]
) -> None:
    rows = range(12)
    data = archive(
        image=array,
        text=other,
        image_ids=np.array([f"{row}.png" for row in rows]),
        text_ids=np.array([f"caption-{row}" for row in rows]),
    )
    np.testing.assert_array_equal(load_pair_bytes(data, "a.npz").source.vectors, other)


def test_pair_of_unequal_lengths_needs_ids(array: NDArray[np.float32]) -> None:
    with pytest.raises(ShapeError, match="has 12, so row i"):
        load_pair_bytes(archive(image=array, text=array[:5]), "a.npz")
    ids = np.array([f"x{row}" for row in range(12)])
    data = archive(image=array, text=array[:5], image_ids=ids, text_ids=ids[:5])
    assert len(load_pair_bytes(data, "a.npz").source) == 5


def test_pair_needs_both_sides(array: NDArray[np.float32]) -> None:
    with pytest.raises(FormatError, match="does not hold both sides: it has"):
        load_pair_bytes(archive(image=array), "a.npz")


def test_object_members_are_left_alone(array: NDArray[np.float32]) -> None:
    objects = np.array([Trap()] * len(array), dtype=object)
    np.savez(stream := io.BytesIO(), image=array, captions=objects)
    found = load_bytes(stream.getvalue(), "a.npz", modality="image")
    np.testing.assert_array_equal(found.vectors, array)
    assert found.captions is None
    assert '"captions" of a.npz holds Python objects' in found.provenance.notes[0]
    np.savez(stream := io.BytesIO(), image=objects)
    with pytest.raises(FormatError, match=r"a\.npz:image\.npy holds Python objects"):
        load_bytes(stream.getvalue(), "a.npz", modality="image")


class Trap:
    """Unpickling this fails the test."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.99])
def test_truncated_archives(array: NDArray[np.float32], share: float) -> None:
    data = archive(image=array, text=array)
    with pytest.raises(FormatError, match=r"a\.npz"):
        load_bytes(data[: int(len(data) * share)], "a.npz", modality="image")


def test_flipped_bits_fail_the_checksum(array: NDArray[np.float32]) -> None:
    data = bytearray(archive(image=array))
    data[300] ^= 0xFF
    with pytest.raises(FormatError, match="CRC"):
        load_bytes(bytes(data), "a.npz", modality="image")


def peak_of_refusal(data: bytes, error: type[AnisoAlignError], limits: Limits | None) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(error):
            load_bytes(data, "bomb.npz", modality="image", limits=limits)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """About 100 kB that declare 100 MB."""
    return archive(compressed=True, image=np.zeros((25_000, 1000), dtype=np.float32))


@pytest.mark.parametrize(
    "limits",
    [None, Limits(max_bytes=50_000_000), Limits(max_rows=20_000, max_ratio=10**6)],
    ids=["ratio", "bytes", "rows"],
)
def test_bombs_are_refused_without_allocating(bomb: bytes, limits: Limits | None) -> None:
    assert len(bomb) < 200_000
    assert peak_of_refusal(bomb, LimitError, limits) < 20e6


def test_a_directory_that_declares_less_than_the_header_is_refused(bomb: bytes) -> None:
    lying = bytearray(bomb)
    entry = lying.rfind(b"PK\x01\x02")
    struct.pack_into("<I", lying, entry + 24, 5000)
    assert peak_of_refusal(bytes(lying), FormatError, None) < 20e6


def test_a_member_that_inflates_to_more_than_it_declares_is_stopped(bomb: bytes) -> None:
    """Directory and array header agree on 40 bytes; the stream would go on for 100 MB."""
    stream = io.BytesIO()
    np.save(stream, np.ones((2, 5), dtype=np.float32))
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("image.npy", stream.getvalue() + bytes(100_000_000))
    lying = bytearray(out.getvalue())
    entry = lying.rfind(b"PK\x01\x02")
    struct.pack_into("<I", lying, entry + 24, len(stream.getvalue()))
    assert peak_of_refusal(bytes(lying), FormatError, None) < 20e6


def test_a_member_that_inflates_to_less_than_it_declares_is_refused(
    array: NDArray[np.float32],
) -> None:
    lying = bytearray(archive(compressed=True, image=array))
    entry = lying.rfind(b"PK\x01\x02")
    declared = struct.unpack_from("<I", lying, entry + 24)[0]
    struct.pack_into("<I", lying, entry + 24, declared + 1)
    with pytest.raises(FormatError, match="bytes"):
        load_bytes(bytes(lying), "a.npz", modality="image")


def test_many_members_are_refused() -> None:
    with zipfile.ZipFile(out := io.BytesIO(), "w") as target:
        for number in range(66_000):
            target.writestr(f"{number}.npy", b"")
    with pytest.raises(LimitError, match="66,000 files"):
        load_bytes(out.getvalue(), "a.npz", modality="image")


def test_encrypted_members_are_refused(array: NDArray[np.float32]) -> None:
    data = bytearray(archive(image=array))
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(FormatError, match="encrypted"):
        load_bytes(bytes(data), "a.npz", modality="image")


def test_unusual_compression_is_refused(array: NDArray[np.float32]) -> None:
    stream = io.BytesIO()
    np.save(stream, array)
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_LZMA) as target:
        target.writestr("image.npy", stream.getvalue())
    with pytest.raises(FormatError, match="unusual way"):
        load_bytes(out.getvalue(), "a.npz", modality="image")


def test_text_that_is_no_unicode_is_refused(array: NDArray[np.float32]) -> None:
    ids = np.full(12, 0x7FFFFFFF, dtype=np.uint32).view("U1")
    with pytest.raises(FormatError):
        load_bytes(archive(image=array, ids=ids), "a.npz", modality="image")


def test_long_ids_are_refused(array: NDArray[np.float32]) -> None:
    data = archive(image=array, ids=np.array(["x" * 2000] * 12))
    with pytest.raises(LimitError, match="2,000 characters"):
        load_bytes(data, "a.npz", modality="image")


@pytest.mark.parametrize("pointed", [None, 10**9])
def test_a_64_bit_directory_is_held_to_the_limits_too(
    array: NDArray[np.float32], pointed: int | None
) -> None:
    """Where the pointer to it leads nowhere, zipfile looks right before, and so do we."""
    plain = archive(image=array)
    end = plain.rfind(b"PK\x05\x06")
    size, start = struct.unpack("<II", plain[end + 12 : end + 20])

    def large(members: int, declared: int) -> bytes:
        fields = (44, 45, 45, 0, 0, members, members, declared, start)
        record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", *fields)
        locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end if pointed is None else pointed, 1)
        last = bytearray(plain[end:])
        last[8:16] = b"\xff" * 8
        return plain[:end] + record + locator + bytes(last)

    if pointed is None:
        loaded = load_bytes(large(1, size), "a.npz", modality="image")
        np.testing.assert_array_equal(loaded.vectors, array)
    with pytest.raises(LimitError, match="declares 5,000,000 files in its archive"):
        load_bytes(large(5_000_000, size), "a.npz", modality="image")
    with pytest.raises(LimitError, match=r"a\.npz declares 1 files in its archive"):
        load_bytes(large(1, 10**12), "a.npz", modality="image")


def test_two_members_of_one_name_are_refused(array: NDArray[np.float32]) -> None:
    stream = io.BytesIO(archive(image=array))
    with zipfile.ZipFile(stream, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("image.npy", file.read("image.npy"))
    with pytest.raises(FormatError, match=r"a\.npz holds two members of one name"):
        load_bytes(stream.getvalue(), "a.npz", modality="image")
