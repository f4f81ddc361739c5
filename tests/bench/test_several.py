"""Pairs among many files: by folder, by what names have in common, or one file with both."""

import io
import re

import numpy as np
import pandas as pd
import pytest

from anisoalign_core.bench import find_several
from anisoalign_core.errors import AnisoAlignError
from anisoalign_core.files.source import Source
from tests.conftest import paired_world
from tests.gap.encoder_worlds import ids_of

Y, X = paired_world(30, 6)


def npy(rows):
    out = io.BytesIO()
    np.save(out, rows)
    return out.getvalue()


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


SPEAKS = re.compile("text|source")
BOTH = npz(image=X, text=Y)


def uploads(*names, **bodies):
    """Files by name: rows of the side that the name speaks of first."""
    return [
        Source(name, data=bodies.get(name, npy(Y if SPEAKS.search(name.lower()) else X)))
        for name in names
    ]


def on_disk(folder, files):
    """The same files as paths, named relative to the folder."""
    for file in files:
        place = folder / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
    return [Source(file.name, folder / file.name) for file in files]


def sides(pair):
    return pair.name, pair.target.name, pair.source.name


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["clip/image.npy", "clip/text.npy", "siglip/img.npy", "siglip/captions_text.npy"],
            [
                ("clip", "clip/image.npy", "clip/text.npy"),
                ("siglip", "siglip/img.npy", "siglip/captions_text.npy"),
            ],
        ),
        (
            ["clip_image.npy", "clip_text.npy", "text-siglip.npy", "image-siglip.npy"],
            [
                ("clip", "clip_image.npy", "clip_text.npy"),
                ("siglip", "image-siglip.npy", "text-siglip.npy"),
            ],
        ),
        (
            ["ViT-B-32_image.npy", "ViT-B-32_text.npy", "ViT-L-14.image.npy", "ViT-L-14.text.npy"],
            [
                ("ViT-B-32", "ViT-B-32_image.npy", "ViT-B-32_text.npy"),
                ("ViT-L-14", "ViT-L-14.image.npy", "ViT-L-14.text.npy"),
            ],
        ),
        (["image.npy", "text.npy"], [("encoder", "image.npy", "text.npy")]),
        (["target.npy", "source.npy"], [("encoder", "target.npy", "source.npy")]),
        (["a/b/c/image.npy", "a/b/c/text.npy"], [("c", "a/b/c/image.npy", "a/b/c/text.npy")]),
        (["e/IMAGE.npy", "e/Text.npy"], [("e", "e/IMAGE.npy", "e/Text.npy")]),
        (["e/photos.npy", "e/text.npy"], [("e", "e/photos.npy", "e/text.npy")]),
        (
            ["e/image.npy", "e/text.npy", "e/readme.md", "e/.image.npy", "__MACOSX/e/._image.npy"],
            [("e", "e/image.npy", "e/text.npy")],
        ),
        (
            [f"clip/{part}/{part}_0.npy" for part in ("img_emb", "text_emb")],
            [("clip", "clip/img_emb/img_emb_0.npy", "clip/text_emb/text_emb_0.npy")],
        ),
        (
            [f"{part}/{part}_0.npy" for part in ("img_emb", "text_emb")],
            [("encoder", "img_emb/img_emb_0.npy", "text_emb/text_emb_0.npy")],
        ),
    ],
    ids=lambda one: one[0] if isinstance(one[0], str) else "",
)
def test_pairs_are_found_by_folder_or_by_name(names, expected, tmp_path):
    files = uploads(*names)
    for given in (files, files[::-1], on_disk(tmp_path, files)):
        found, left = find_several(given)
        assert [sides(one) for one in found] == expected and left == []
    for one in found:
        pair = one.read()
        assert pair.paired and len(pair.source) == 30
        np.testing.assert_allclose(pair.target.vectors, X, atol=1e-6)
        np.testing.assert_allclose(pair.source.vectors, Y, atol=1e-6)


def test_clip_retrieval_with_metadata_is_one_pair(tmp_path):
    out = io.BytesIO()
    pd.DataFrame({"caption": ids_of(30)}).to_parquet(out)
    names = [
        "c/img_emb/img_emb_0.npy",
        "c/text_emb/text_emb_0.npy",
        "c/metadata/metadata_0.parquet",
    ]
    files = uploads(*names, **{names[2]: out.getvalue()})
    for given in (files, on_disk(tmp_path, files)):
        found, left = find_several(given)
        assert [one.name for one in found] == ["c"] and left == []
        assert len(found[0].read().target) == 30


def test_one_file_with_both_sides_is_a_pair(tmp_path):
    files = uploads("models/clip.npz", "flat.npz", **{"models/clip.npz": BOTH, "flat.npz": BOTH})
    for given in (files, on_disk(tmp_path, files)):
        found, left = find_several(given)
        assert left == [] and {one.name for one in found} == {"models", "flat"}
        for one in found:
            assert one.target is one.source
            np.testing.assert_allclose(one.read().source.vectors, Y, atol=1e-6)


def test_ids_and_captions_beside_are_those_of_their_file(tmp_path):
    order = np.random.default_rng(0).permutation(30)
    names = np.array(ids_of(30))
    files = [
        Source("clip/image.npy", data=npy(X)),
        Source("clip/image.ids.txt", data="\n".join(names).encode()),
        Source("clip/text.npy", data=npy(Y[order])),
        Source("clip/text.ids.txt", data="\n".join(names[order]).encode()),
        Source(
            "clip/text.captions.txt", data="\n".join(f"a {one}" for one in names[order]).encode()
        ),
        Source("other/image.npy", data=npy(X)),
        Source("other/text.npy", data=npy(Y)),
    ]
    for given in (files, on_disk(tmp_path, files)):
        found, left = find_several(given)
        assert [one.name for one in found] == ["clip", "other"] and left == []
        pair = found[0].read()
        place = dict(zip(pair.target.ids, pair.target.vectors, strict=True))
        for one, row, caption in zip(
            pair.source.ids, pair.source.vectors, pair.source.captions, strict=True
        ):
            assert caption == f"a {one}"
            number = int(one[-4:])
            np.testing.assert_allclose(row, Y[number], atol=1e-6)
            np.testing.assert_allclose(place[one], X[number], atol=1e-6)
        other = found[1].read()
        assert other.source.captions is None and other.source.provenance.ids_are_rows


@pytest.mark.parametrize(
    ("names", "group"),
    [
        (["e/image.npy"], "e"),
        (["e/a.npy", "e/b.npy"], "e"),
        (["e/image_a.npy", "e/image_b.npy", "e/text.npy"], "e"),
        (["e/image_text.npy", "e/a.npy"], "e"),
        (["clip/img_emb/img_emb_0.npy", "clip/img_emb/img_emb_1.npy"], "clip"),
        (["a.npy"], "a"),
    ],
    ids=lambda one: one if isinstance(one, str) else one[0],
)
def test_what_is_not_clear_is_said_and_harms_no_other(names, group):
    found, left = find_several(uploads(*names, "good/image.npy", "good/text.npy"))
    assert [one.name for one in found] == ["good"]
    (words,) = left
    assert words.startswith(f"{group}: It is not clear") and words.endswith(".")
    assert names[0].rpartition("/")[2] in words


def test_a_damaged_file_with_both_is_left_out_with_its_reason(monkeypatch):
    bodies = {
        "bad/a.npz": b"PK\x03\x04 no",
        "good/a.npz": BOTH,
        "large/a.npz": npz(image=X, text=Y),
    }
    found, left = find_several(uploads(*bodies, **bodies)[:2])
    assert [one.name for one in found] == ["good"]
    assert len(left) == 1 and left[0].startswith("bad: ")
    monkeypatch.setenv("ANISOALIGN_MAX_ROWS", "20")
    found, left = find_several(uploads("good/a.npz", **bodies))
    for one in found:  # what is refused is refused when it is read, if not before
        with pytest.raises(AnisoAlignError):
            one.read()
    assert len(found) + len(left) == 1


def test_names_differ_whatever_the_folders_are_called():
    folders = ["a/clip", "clip", "b/clip", "encoder", "a/encoder", "b/b/clip", "clip/clip"]
    names = [f"{folder}/{side}.npy" for folder in folders for side in ("image", "text")]
    found, left = find_several(uploads(*names, "image.npy", "text.npy"))
    assert left == [] and len(found) == 8
    assert len({one.name for one in found}) == 8
    for one in found:
        assert one.target.name.rpartition("/")[0] == one.source.name.rpartition("/")[0]


@pytest.mark.parametrize(
    "folder",
    [
        "x" * 3000,
        "\u0646\u0645\u0648\u0630\u062c",
        "a b \u2013 c",
        "\udcff",
        "<img src=x>",
        "..",
        "a\nb",
        "C:\\x",
    ],
    ids=ascii,
)
def test_odd_folders_have_names_that_a_bench_takes(folder):
    found, left = find_several(uploads(f"{folder}/image.npy", f"{folder}/text.npy"))
    if folder == "..":
        assert found == []
        return
    assert left == [] and len(found) == 1
    assert 0 < len(found[0].name) <= 200 and found[0].name.encode()


def test_nothing_is_no_pair():
    assert find_several([]) == ([], [])
    assert find_several(uploads("readme.md", "notes.txt", "a.ids.txt")) == ([], [])
