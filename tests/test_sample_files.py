"""The bundled sample is what its README says: sizes, labels, a gap like a real encoder's."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

import anisoalign_core as aa
from anisoalign_core.errors import ParameterError
from anisoalign_core.metrics.retrieval import recall
from anisoalign_core.samples import load_sample, sample_file

FOLDER = Path(__file__).resolve().parents[1] / "sample_data"
SETS = ("scenes", "scenes-untrained")
LABELS = ["shape", "colour", "size", "position", "background"]
PAIRS, DIMENSIONS, RECALL_ROWS, SIDE = 4000, 128, 2000, 32

# What a word in a caption commits the scene to, written down here a second time on purpose.
MEANINGS = {
    "shape": {
        "circle": "circle disc",
        "square": "square box",
        "triangle": "triangle",
        "star": "star",
        "heart": "heart",
        "crescent": "crescent moon",
        "ring": "ring hoop",
        "cross": "cross plus",
    },
    "colour": {
        "red": "red scarlet",
        "orange": "orange",
        "yellow": "yellow golden",
        "green": "green emerald",
        "blue": "blue cobalt",
        "purple": "purple violet",
        "pink": "pink rosy",
        "white": "white ivory",
        "brown": "brown chestnut",
    },
    "size": {
        "small": "small tiny little",
        "medium": "medium-sized mid-sized middling",
        "large": "large big huge",
    },
    "position": {
        "top": "top upper high",
        "bottom": "bottom lower low",
        "left": "left",
        "right": "right",
        "centre": "centre centred middle",
    },
    "background": {
        "sky": "clouds daytime day",
        "night": "night midnight dark",
        "sunset": "sunset dusk evening",
        "meadow": "grass meadow lawn",
        "sand": "sand beach desert",
        "sea": "water sea waves",
    },
}


def rows(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Load images and texts of one set in double precision."""
    image, text = (np.load(FOLDER / name / f"{side}.npy") for side in ("image", "text"))
    return image.astype(np.float64), text.astype(np.float64)


def recall_at_1(queries: NDArray[np.float64], gallery: NDArray[np.float64]) -> float:
    """Share of the first queries whose nearest gallery row is their own partner."""
    nearest = (queries[:RECALL_ROWS] @ gallery[:RECALL_ROWS].T).argmax(axis=1)
    return float((nearest == np.arange(RECALL_ROWS)).mean())


def commitments(caption: str) -> dict[str, set[str]]:
    """Return, for each attribute, the values that the caption's words stand for."""
    words = set(re.findall(r"[a-z-]+", caption.lower()))
    return {
        attribute: {value for value, said in values.items() if words & set(said.split())}
        for attribute, values in MEANINGS.items()
    }


def contradicts(caption: str, labels: dict[str, str]) -> bool:
    """Tell whether the caption says anything that the labels do not."""
    return any(
        value not in (labels[attribute].split() if attribute == "position" else [labels[attribute]])
        for attribute, values in commitments(caption).items()
        for value in values
    )


@pytest.fixture(scope="module")
def metadata() -> pd.DataFrame:
    """Read the table that both sets share."""
    return pd.read_parquet(FOLDER / "scenes" / "metadata.parquet")


@pytest.fixture(scope="module")
def tiles() -> NDArray[np.uint8]:
    """Cut the contact sheet into its tiles, row by row."""
    with Image.open(FOLDER / "scenes" / "thumbnails.png") as sheet:
        pixels = np.asarray(sheet)
    down, across = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
    cut = pixels.reshape(down, SIDE, across, SIDE, 3).swapaxes(1, 2)
    return cut.reshape(-1, SIDE, SIDE, 3)


@pytest.fixture(scope="module")
def about() -> dict:
    """Read what the script said about its output."""
    return json.loads((FOLDER / "scenes" / "about.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Import the script from its path; drawing and describing need no torch."""
    spec = importlib.util.spec_from_file_location("make_samples", FOLDER / "make_samples.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_folder_stays_small_enough_for_a_checkout() -> None:
    """Two sets, an encoder, and checkpoints of its training."""
    files = [path for path in FOLDER.rglob("*") if "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files if path.is_file()) <= 15_500_000


def test_the_samples_take_at_most_eight_megabytes_of_the_repository() -> None:
    """The sets themselves, as git keeps them: compressed by zlib, file by file."""
    sets = [path for name in ("scenes", "scenes-untrained") for path in (FOLDER / name).iterdir()]
    assert sum(len(zlib.compress(path.read_bytes())) for path in sets) <= 8_000_000


@pytest.mark.parametrize(
    ("name", "dtype"), [("scenes", np.float32), ("scenes-untrained", np.float16)]
)
def test_embeddings_are_unit_rows_of_the_stated_shape(name: str, dtype: type) -> None:
    for side in ("image", "text"):
        stored = np.load(FOLDER / name / f"{side}.npy", allow_pickle=False)
        assert stored.shape == (PAIRS, DIMENSIONS)
        assert stored.dtype == dtype
        norms = np.linalg.norm(stored.astype(np.float64), axis=1)
        np.testing.assert_allclose(norms, 1, atol=1e-3)


def test_no_row_of_the_trained_set_occurs_twice() -> None:
    for side in rows("scenes"):
        assert len(np.unique(side, axis=0)) == PAIRS


def test_every_pair_has_an_id_a_caption_and_five_labels(metadata: pd.DataFrame) -> None:
    assert list(metadata.columns) == ["id", "caption", *LABELS]
    assert len(metadata) == PAIRS
    assert metadata.notna().all(axis=None)
    assert (metadata.map(len) > 0).all(axis=None)
    assert metadata["id"].is_unique
    assert metadata["id"].iloc[17] == "scene-00017"


def test_no_two_pairs_are_the_same(metadata: pd.DataFrame) -> None:
    assert not metadata.duplicated(LABELS).any()
    wording = metadata["caption"].str.lower().str.replace(r"[^a-z -]", "", regex=True)
    assert wording.is_unique


def test_every_label_value_is_common_enough_to_be_learned(metadata: pd.DataFrame) -> None:
    for name in LABELS:
        assert metadata[name].value_counts().min() > 300


def test_captions_leave_things_out_and_never_get_one_wrong(metadata: pd.DataFrame) -> None:
    for row in metadata.to_dict("records"):
        assert not contradicts(row["caption"], row), row["caption"]
    told = metadata["caption"].map(lambda text: sum(map(bool, commitments(text).values())))
    assert told.min() >= 1
    assert 0.2 < (told == len(LABELS)).mean() < 0.6


def test_a_false_caption_would_be_noticed(metadata: pd.DataFrame) -> None:
    labels = metadata.iloc[0].to_dict()
    wrong = next(value for value in MEANINGS["colour"] if value != labels["colour"])
    assert contradicts(f"a {wrong} {labels['shape']}", labels)


def test_thumbnails_are_one_different_tile_for_each_pair(tiles: NDArray[np.uint8]) -> None:
    assert tiles.shape == (PAIRS, SIDE, SIDE, 3)
    assert len(np.unique(tiles.reshape(PAIRS, -1), axis=0)) == PAIRS


def test_the_trained_encoder_has_a_gap_and_shared_meaning() -> None:
    image, text = rows("scenes")
    assert 0.5 < np.linalg.norm(image.mean(0) - text.mean(0)) < 1.1
    assert 0.1 < recall_at_1(text, image) < 0.6
    residual = image - text - (image - text).mean(0)
    energy = np.linalg.svd(residual, compute_uv=False) ** 2
    assert energy[0] / energy.mean() > 5


def test_the_untrained_encoder_has_a_gap_and_nothing_else() -> None:
    image, text = rows("scenes-untrained")
    assert np.linalg.norm(image.mean(0) - text.mean(0)) > 0.3
    assert recall_at_1(text, image) < 0.005
    assert recall_at_1(image, text) < 0.005


@pytest.mark.parametrize("name", SETS)
def test_the_stated_measurements_are_those_of_the_files(name: str, about: dict) -> None:
    stated = about["measured"][name]
    image, text = rows(name)
    gap = np.linalg.norm(image.mean(0) - text.mean(0))
    cosine = (image * text).sum(axis=1).mean()
    energy = np.linalg.svd(image - text - (image - text).mean(0), compute_uv=False) ** 2
    assert stated["centroid_gap"] == pytest.approx(gap, abs=1e-3)
    assert stated["matched_cosine"] == pytest.approx(cosine, abs=1e-3)
    # For unit rows the squared distances of the pairs hold the gap and the residual, no more.
    assert stated["residual_share"] == pytest.approx(1 - gap**2 / (2 - 2 * cosine), abs=1e-3)
    assert stated["residual_anisotropy"] == pytest.approx(energy[0] / energy.mean(), rel=1e-3)
    assert stated["recall_at_1_text_to_image"] == pytest.approx(recall_at_1(text, image), abs=1e-3)
    assert stated["recall_at_1_image_to_text"] == pytest.approx(recall_at_1(image, text), abs=1e-3)
    assert stated["recall_at_10_text_to_image"] >= stated["recall_at_1_text_to_image"]


def test_the_script_still_draws_and_describes_the_files(
    script: ModuleType, about: dict, metadata: pd.DataFrame, tiles: NDArray[np.uint8]
) -> None:
    settings = about["settings"]
    rng = np.random.default_rng([settings["seed"], 1])
    _, scenes = script.sample_scenes(settings["train_scenes"], settings["held_out_scenes"], rng)
    assert pd.DataFrame([scene.labels() for scene in scenes]).equals(metadata[LABELS])
    assert script.distinct_captions(scenes[:200], rng) == metadata["caption"].tolist()[:200]
    drawn = np.stack([script.render_scene(scene) for scene in scenes[:200]])
    # Another version of Pillow may put the odd edge pixel elsewhere.
    assert np.abs(drawn.astype(float) - tiles[:200]).mean() < 1


def test_the_same_seed_gives_the_same_scenes_captions_and_pixels(script: ModuleType) -> None:
    def made() -> tuple[list, list[str], NDArray[np.uint8]]:
        rng = np.random.default_rng(5)
        train, held_out = script.sample_scenes(20, 20, rng)
        captions = [script.caption(scene, rng) for scene in train]
        return [*train, *held_out], captions, np.stack([*map(script.render_scene, train)])

    (scenes, captions, pixels), (again, captions_again, pixels_again) = made(), made()
    assert scenes == again
    assert captions == captions_again
    np.testing.assert_array_equal(pixels, pixels_again)


def test_no_training_scene_shares_its_labels_with_a_held_out_one(script: ModuleType) -> None:
    train, held_out = script.sample_scenes(14_000, PAIRS, np.random.default_rng(3))
    seen = {tuple(scene.labels().values()) for scene in train}
    assert seen.isdisjoint(tuple(scene.labels().values()) for scene in held_out)


def test_drawing_and_describing_leave_torch_alone(script: ModuleType) -> None:
    held_by_script = {getattr(value, "__name__", "") for value in vars(script).values()}
    assert held_by_script.isdisjoint({"torch", "open_clip"})


def test_every_caption_of_the_files_fits_the_vocabulary(
    script: ModuleType, about: dict, metadata: pd.DataFrame
) -> None:
    tokenizer = script.Tokenizer.from_templates(about["settings"]["context_length"])
    tokens = tokenizer(metadata["caption"].tolist())
    assert tokens.shape == (PAIRS, about["settings"]["context_length"])
    # The end marker is the largest token, once in each caption: the text tower reads there.
    assert ((tokens == tokens.max()).sum(axis=1) == 1).all()


def test_a_thousand_scenes_have_three_true_captions(
    script: ModuleType, about: dict, metadata: pd.DataFrame
) -> None:
    more = pd.read_parquet(FOLDER / "scenes" / "more_captions.parquet")
    assert more["id"].tolist() == np.repeat(metadata["id"][:1000], 2).tolist()
    labels = metadata.set_index("id")
    for row in more.to_dict("records"):
        assert not contradicts(row["caption"], labels.loc[row["id"]]), row["caption"]
    both = pd.concat([metadata["caption"], more["caption"]])
    assert both.str.lower().str.replace(r"[^a-z -]", "", regex=True).is_unique
    settings = about["settings"]
    rng = np.random.default_rng([settings["seed"], 1])
    _, scenes = script.sample_scenes(settings["train_scenes"], settings["held_out_scenes"], rng)
    rng = np.random.default_rng([settings["seed"], 3])
    told = [scene for scene in scenes[:1000] for _ in range(2)]
    assert script.distinct_captions(told, rng, metadata["caption"]) == more["caption"].tolist()


def test_a_thousand_scenes_with_three_captions_are_a_grouped_pair() -> None:
    pair, whole = load_sample("scenes-captions"), load_sample()
    words = "1,000 things: 1,000 image rows (1 each) and 3,000 text rows (3 each)"
    assert pair.in_words() == words
    assert pair.source.ids.tolist() == np.repeat(whole.target.ids[:1000], 3).tolist()
    np.testing.assert_array_equal(pair.target.vectors, whole.target.vectors[:1000])
    np.testing.assert_array_equal(pair.source.vectors[::3], whole.source.vectors[:1000])
    assert pair.source.captions[::3].tolist() == whole.source.captions[:1000].tolist()
    np.testing.assert_array_equal(
        pair.source.thumbnails, np.repeat(whole.target.thumbnails[:1000], 3, axis=0)
    )
    with pytest.raises(ParameterError, match=r"several files.*scenes, scenes-untrained"):
        sample_file("scenes-captions", "text")


def test_recall_of_the_grouped_sample_is_a_plain_count() -> None:
    """A query hits at k when any row of its scene is among the first k, both ways."""
    pair = load_sample("scenes-captions")
    found = recall(pair.source.vectors, pair.target.vectors, (1, 5, 10), pair.things)
    scores = aa.evaluate(aa.Identity().fit_pair(pair), pair, k=5, intervals=False, max_rows=None)
    cosines = pair.source.vectors.astype(float) @ pair.target.vectors.astype(float).T
    scene = np.arange(3000) // 3
    for k in (1, 5, 10):
        forward = np.argsort(-cosines, axis=1)[:, :k] == scene[:, None]
        back = scene[np.argsort(-cosines.T, axis=1)[:, :k]] == np.arange(1000)[:, None]
        for way, hits in (("source_to_target", forward), ("target_to_source", back)):
            tie = 0.5 / len(hits)  # two cosines that agree to rounding: drawn, where sorting picks
            assert found[way][k] == pytest.approx(hits.any(axis=1).mean(), abs=tie + 1e-12)
            assert scores[f"recall_at_{k}_{way}"].value == pytest.approx(found[way][k], abs=1e-12)


@pytest.mark.slow
def test_the_kept_encoder_gives_the_further_captions_again() -> None:
    encoder = aa.encode.load_encoder(checkpoint=aa.sample_encoder_path())
    texts = pd.read_parquet(FOLDER / "scenes" / "more_captions.parquet")["caption"].tolist()
    stored = np.load(FOLDER / "scenes" / "more_text.npy").astype(np.float32)
    np.testing.assert_allclose(encoder.encode_texts(texts), stored, atol=2e-3)


def test_an_unknown_word_is_refused(script: ModuleType) -> None:
    with pytest.raises(KeyError, match="zeppelin"):
        script.Tokenizer.from_templates(28)(["a red zeppelin"])


@pytest.mark.parametrize("name", aa.samples.SAMPLES)
def test_the_report_beside_a_sample_is_what_measuring_says(name, monkeypatch, tmp_path):
    kept, fresh = aa.samples.sample_report(name), aa.diagnose(load_sample(name))
    assert kept.verdict == fresh.verdict and kept.notes == fresh.notes
    now, then = (one.to_frame()["value"].dropna() for one in (fresh, kept))
    np.testing.assert_allclose(then, now, rtol=1e-4, atol=1e-6)
    told = json.loads(kept.to_json())
    assert told["details"]["source_digest"] == kept.source_digest
    told["details"]["source_digest"] = "of others"
    for text in ("{}", json.dumps(told)):
        (tmp_path / "other.json").write_text(text)
        monkeypatch.setattr(aa.samples, "report_place", lambda name: tmp_path / "other.json")
        monkeypatch.setattr(aa.gap, "diagnose", lambda pair: fresh)
        assert aa.samples.sample_report(name) is fresh
