"""A pair comes back from its file bit for bit, and a damaged or foreign file is refused."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.errors import AnisoAlignError, FormatError, LimitError
from anisoalign_core.files.limits import Limits
from anisoalign_core.files.source import Source
from anisoalign_core.io.pair_file import read_pair, write_pair
from tests.conftest import paired_world


def rich_pair():
    """Things of several rows, odd texts, labels with gaps, thumbnails, dropped rows."""
    y, x = paired_world(60, 8)
    y = np.concatenate([y, np.zeros((1, 8), np.float32)])
    keys = [f"k{row // 2}" for row in range(60)]
    words = [f"a \u00e9\u4e2d\n{row}" for row in range(61)]
    words[3] = ""
    labels = pd.DataFrame(
        {"class": ["cat", None] * 30, "size": np.arange(60) / 7, "same": np.arange(60) % 2 == 0}
    )
    texts = aa.EmbeddingSet.from_array(
        y,
        modality="text",
        ids=[*keys, "zero"],
        captions=words,
        name="odd \udcff.npy",
        files=("odd \udcff.npy",),
        drop_invalid=True,
        notes=("a note",),
    )
    images = aa.EmbeddingSet.from_array(
        x,
        modality="image",
        ids=keys,
        labels=labels,
        thumbnails=np.random.default_rng(0).integers(0, 255, (60, 4, 4, 3), dtype=np.uint8),
        model="m",
    )
    return aa.EmbeddingPair.join(texts, images)


def same_sets(one, other):
    assert one.digest == other.digest
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert one.ids.tolist() == other.ids.tolist()
    assert one.modality == other.modality
    for texts in ("captions", "thumbnails"):
        np.testing.assert_array_equal(getattr(one, texts), getattr(other, texts))
    if one.labels is None:
        assert other.labels is None
    else:
        pd.testing.assert_frame_equal(one.labels, other.labels, check_dtype=False)
    assert not other.vectors.flags.writeable


@pytest.mark.parametrize("kind", ["plain", "unpaired", "rich", "sample"])
def test_a_pair_comes_back_bit_for_bit(kind, pair, tmp_path):
    made = {
        "plain": lambda: pair,
        "unpaired": lambda: aa.EmbeddingPair(pair.source, pair.target),
        "rich": rich_pair,
        "sample": aa.load_sample,
    }[kind]()
    path = write_pair(made, tmp_path / "pair.npz")
    found = read_pair(Source(path.name, path))
    assert found.digest == made.digest
    same_sets(made.source, found.source)
    same_sets(made.target, found.target)
    assert (found.paired, found.joined_by_id) == (made.paired, made.joined_by_id)
    assert found.unmatched_source == made.unmatched_source
    if kind == "rich":
        assert found.target.labels["class"].isna().sum() == 30
        assert found.source.provenance.name == "odd ?.npy"
        assert found.source.provenance.dropped_rows == (60,)
    assert write_pair(found, tmp_path / "again.npz").read_bytes() == path.read_bytes()


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return Source("pair.npz", data=stream.getvalue())


def array(value):
    stream = io.BytesIO()
    np.save(stream, value)
    return stream.getvalue()


def with_header(parts, **changes):
    head = np.load(io.BytesIO(parts["header.npy"]))
    body = json.loads(head.tobytes()) | changes
    return parts | {"header.npy": array(np.frombuffer(json.dumps(body).encode(), np.uint8))}


def test_what_is_damaged_is_refused_in_a_sentence(tmp_path):
    parts = members(write_pair(rich_pair(), tmp_path / "pair.npz"))
    vectors = np.load(io.BytesIO(parts["source.vectors.npy"]))
    ends = np.load(io.BytesIO(parts["source.ids.ends.npy"]))
    swapped, far = vectors.copy(), vectors.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    far[0] *= np.float32(3)
    damaged = {
        "other rows": parts | {"source.vectors.npy": array(swapped)},
        "long rows": parts | {"source.vectors.npy": array(far)},
        "not finite": parts | {"source.vectors.npy": array(vectors * np.float32("nan"))},
        "other type": parts | {"source.vectors.npy": array(vectors.astype(np.float64))},
        "ids end nowhere": parts | {"source.ids.ends.npy": array(ends + 5)},
        "ids run back": parts | {"source.ids.ends.npy": array(ends[::-1].copy())},
        "fewer ids": parts | {"source.ids.ends.npy": array(ends[:-1])},
        "no thing": parts | {"things.source.npy": array(np.full(60, -1))},
        "too large a thing": parts | {"things.source.npy": array(np.full(60, 2**40))},
        "labels of text": parts | {"target.labels.1.npy": array(np.array(["a"] * 60))},
        "missing": {k: v for k, v in parts.items() if k != "target.vectors.npy"},
        "another version": with_header(parts, format_version=2),
        "another kind": with_header(parts, format="x"),
        "an unknown field": with_header(parts, more=1),
        "objects": parts
        | {"source.vectors.npy": parts["source.vectors.npy"].replace(b"'<f4'", b"'|O' ", 1)},
    }
    for what, changed in damaged.items():
        with pytest.raises(FormatError) as caught:
            read_pair(packed(changed))
        assert "pair.npz" in str(caught.value), what
    whole = packed(parts).data
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        at = int(rng.integers(len(whole)))
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        try:
            found = read_pair(Source("pair.npz", data=bytes(data)))
        except AnisoAlignError:
            refused += 1
        else:  # a time or an attribute in the archive's own records
            assert found.digest == rich_pair().digest
    assert refused > 40


def test_limits_are_held_before_anything_is_read(tmp_path):
    path = write_pair(rich_pair(), tmp_path / "pair.npz")
    with pytest.raises(LimitError):
        read_pair(Source(path.name, path), Limits(max_bytes=2000))
    with pytest.raises(LimitError):
        read_pair(Source(path.name, path), Limits(max_rows=10))
