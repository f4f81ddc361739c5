"""Encoders of one's own: functions, objects, and sounds in files."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import wavfile

import anisoalign_core as aa
from anisoalign_core.encode import Clip, Encodes, Item, encode, from_callables, read_clip
from anisoalign_core.encode.audio import mono
from anisoalign_core.errors import AnisoAlignError, FormatError, ParameterError, ShapeError
from tests.encode.conftest import picture


def colours(images):
    return np.stack([np.asarray(image, dtype=float).mean((0, 1)) for image in images])


def letters(texts):
    return [[float(text.count(letter)) for letter in "aer"] for text in texts]


ITEMS = [
    Item(f"k{row}", "a red ring" + " are" * row, lambda row=row: picture(row)) for row in range(9)
]


def test_functions_are_an_encoder():
    encoder = from_callables(colours, letters, name="colours", logit_scale=10.0, about={"v": 1})
    assert encoder.dim == 3 and encoder.summary == "colours"
    found = encode(ITEMS, encoder, batch_size=2)
    expected = colours([picture(row) for row in range(9)])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.images.vectors, expected, atol=1e-6)
    assert found.images.provenance.model == "colours"
    assert found.encoder == {
        "name": "colours",
        "backend": "python",
        "v": 1,
        "dimensions": 3,
        "tokenizer": "the model's own",
        "precision": "",
        "device": "cpu",
        "logit_scale": 10.0,
    }


def test_tensors_of_any_kind_are_rows():
    import torch

    def tensors(images):
        return torch.tensor(colours(images), dtype=torch.bfloat16, requires_grad=True)

    one, two = from_callables(tensors, name="t"), from_callables(colours, name="c")
    images = [picture(row) for row in range(3)]
    np.testing.assert_allclose(one.encode_images(images), two.encode_images(images), atol=4e-3)


class Mine:
    """The protocol in ten lines."""

    name, dim, summary = "mine", 3, "mine, second edition"

    def describe(self):
        return {"edition": 2}

    def encode_images(self, images):
        return colours(images)

    def encode_texts(self, texts):
        return letters(texts)


def test_an_object_with_what_is_needed_is_an_encoder():
    mine: Encodes = Mine()
    found = encode(ITEMS, mine, batch_size=4)
    assert found.encoder == {"name": "mine", "dimensions": 3, "edition": 2}
    assert found.texts.provenance.model == "mine, second edition"
    plain = encode(ITEMS, from_callables(colours, letters, name="c"), batch_size=4)
    np.testing.assert_array_equal(found.images.vectors, plain.images.vectors)


def test_the_encoders_that_load_have_what_is_needed(sample_encoder):
    needed = (name for name in vars(Encodes) if not name.startswith("_"))
    assert all(hasattr(sample_encoder, name) for name in needed)


def test_an_object_that_lacks_something_is_refused():
    class Half:
        name = "half"

    with pytest.raises(ParameterError, match=r"A Half is no encoder: it has no dim and no summary"):
        encode(ITEMS, Half())


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (lambda images: np.zeros((len(images), 3)), AnisoAlignError, "no direction for 2 of 2"),
        (lambda images: np.full((len(images), 3), np.nan), AnisoAlignError, "zeros, NaN"),
        (lambda images: np.ones((1, 3)), ShapeError, "1 rows of 3 dimensions of 2 images"),
        (lambda images: np.ones((2, 2, 3)), ShapeError, "3 axes"),
        (lambda images: ["a", "b"], FormatError, "text, not real numbers"),
        (lambda images: 1 / 0, AnisoAlignError, "f failed on 2 images: ZeroDivisionError"),
    ],
)
def test_what_functions_do_wrong_is_said(images, error, words):
    encoder = from_callables(images, name="f", dim=3)
    with pytest.raises(error, match=words):
        encoder.encode_images([picture(0), picture(1)])


def test_a_side_that_is_missing_is_said_before_any_work():
    encoder = from_callables(colours, name="f")
    with pytest.raises(ParameterError, match="f encodes no captions"):
        encode(ITEMS, encoder)
    assert encode(ITEMS, encoder, sides="images").texts is None
    with pytest.raises(ParameterError, match="no function"):
        from_callables(name="f")
    with pytest.raises(ParameterError, match="needs a name"):
        from_callables(colours, name=" ")


def test_one_batch_at_a_time_is_in_a_function():
    import threading

    inside = threading.Lock()

    def alone(images):
        assert inside.acquire(blocking=False)
        try:
            return colours(images)
        finally:
            inside.release()

    encode(ITEMS * 20, from_callables(alone, name="f"), batch_size=3, sides="images")


def test_functions_hear():
    encoder = from_callables(
        audio=lambda clips: [[len(clip.samples), clip.rate, 1.0] for clip in clips], name="ears"
    )
    found = encoder.encode_audio([(np.zeros(4), 8), Clip(np.ones((6, 2)), 16)])
    expected = np.array([[4, 8, 1], [6, 16, 1]]) / np.sqrt([[81], [293]])
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32])
def test_samples_are_what_was_recorded(tmp_path, kind):
    wave = 0.5 * np.sin(np.arange(1_000) / 9)
    if np.dtype(kind).kind == "f":
        stored = wave.astype(kind)
    else:
        bits = np.iinfo(kind)
        half = (int(bits.max) - int(bits.min) + 1) / 2
        stored = np.round(wave * half + half + int(bits.min)).astype(kind)
    wavfile.write(tmp_path / "a.wav", 8_000, np.stack([stored, stored], axis=1))
    clip = read_clip(tmp_path / "a.wav")
    assert clip.rate == 8_000
    np.testing.assert_allclose(mono(clip, 8_000), wave, atol=5e-3)


def test_another_rate_keeps_the_tone():
    wave = Clip(np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000), 48_000)
    found = mono(wave, 8_000)
    assert found.shape == (8_000,) and found.dtype == np.float32
    expected = np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000)
    np.testing.assert_allclose(found[200:-200], expected[200:-200], atol=5e-3)


@pytest.mark.parametrize(
    ("clip", "error"),
    [
        (Clip(np.zeros(0), 8), ShapeError),
        (Clip(np.zeros((2, 2, 2)), 8), ShapeError),
        (Clip(np.array([1.0, np.nan]), 8), FormatError),
        (Clip(["a"], 8), FormatError),
        (Clip(np.zeros(3), 0), ParameterError),
        (Clip(np.zeros(3), 10**9), ParameterError),
    ],
)
def test_what_is_no_sound_is_refused(clip, error):
    with pytest.raises(error):
        mono(clip, 8)


def test_files_that_are_no_sounds_are_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound at all")
    with pytest.raises(FormatError, match=r"a\.wav"):
        read_clip(tmp_path / "a.wav")
    with pytest.raises(FormatError, match=r"b\.wav"):
        read_clip(tmp_path / "b.wav")
    ears = from_callables(audio=lambda clips: np.ones((len(clips), 2)), name="ears")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match=r"no \.wav files"):
        aa.encode.encode_clips([tmp_path / "empty"], ears)
