"""The bundled encoder gives the bundled embeddings again."""

import numpy as np
from PIL import Image

import anisoalign_core as aa
from anisoalign_core.encode import Item
from anisoalign_core.files.source import Source
from tests.encode.conftest import image_bytes, zipped


def test_all_scenes_and_captions_come_out_as_bundled(sample, sample_encoder):
    items = [
        Item(key, caption, lambda tile=tile: Image.fromarray(tile))
        for key, caption, tile in zip(
            sample.target.ids, sample.source.captions, sample.target.thumbnails, strict=True
        )
    ]
    found = aa.encode.encode(items, sample_encoder, thumbnails=32)
    assert (found.broken, found.left_out, found.notes) == ((), (), ())
    np.testing.assert_allclose(found.images.vectors, sample.target.vectors, atol=1e-5)
    np.testing.assert_allclose(found.texts.vectors, sample.source.vectors, atol=1e-5)
    np.testing.assert_array_equal(found.images.thumbnails, sample.target.thumbnails)
    pair = found.pair()
    assert pair.paired
    np.testing.assert_array_equal(pair.source.ids, sample.source.ids)
    np.testing.assert_array_equal(pair.target.captions, sample.target.captions)


def test_an_archive_of_images_and_a_table_give_the_same(sample, sample_encoder):
    rows = range(300)
    archive = zipped(
        {
            f"{sample.target.ids[row]}.png": image_bytes(
                Image.fromarray(sample.target.thumbnails[row])
            )
            for row in reversed(rows)
        }
    )
    table = "image\tcaption\n" + "".join(
        f"{sample.source.ids[row]}.png\t{sample.source.captions[row]}\n" for row in rows
    )
    inputs = aa.encode.find_items(
        Source("scenes.zip", data=archive), Source("captions.tsv", data=table.encode())
    )
    assert inputs.problems == ()
    found = aa.encode.encode(inputs.items, sample_encoder, files=inputs.files)
    np.testing.assert_array_equal(found.images.ids, sample.target.ids[:300])
    np.testing.assert_allclose(found.images.vectors, sample.target.vectors[:300], atol=1e-5)
    np.testing.assert_allclose(found.texts.vectors, sample.source.vectors[:300], atol=1e-5)
    about = found.images.provenance
    assert about.files == ("scenes.zip", "captions.tsv")
    assert about.model == found.texts.provenance.model == sample_encoder.summary
    assert not about.ids_are_rows


def test_the_encoder_says_what_it_is(sample_encoder):
    from anisoalign_core.files.digests import file_digest

    about = sample_encoder.describe()
    assert (about["dimensions"], about["tokenizer"], about["precision"]) == (128, "words", "fp32")
    assert about["weights"]["digest"] == file_digest(aa.sample_encoder_path())
    assert about["preprocess"]["size"] == [32, 32]
    assert about["preprocess"]["std"] == [0.25] * 3
    assert set(about["versions"]) == {"open_clip_torch", "torch", "pillow"}
    assert "32 px, fp32" in sample_encoder.summary
    assert about["weights"]["digest"][:8] in sample_encoder.summary
