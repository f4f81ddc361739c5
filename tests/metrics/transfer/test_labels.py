"""Label transfer: what corrected rows teach."""

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.compare.use import (
    class_columns,
    classes_of,
    keyword_labels,
    label_transfer,
    parse_keywords,
)
from anisoalign_core.errors import ParameterError, ShapeError


def test_rows_of_one_place_teach_and_rows_of_another_do_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    centres = 3 * np.eye(3, 6)
    rows = centres[labels] + 0.3 * rng.standard_normal((300, 6))
    goal = rng.integers(0, 3, 200)
    near = centres[goal] + 0.3 * rng.standard_normal((200, 6))
    assert label_transfer(rows, labels, near, goal) > 0.98
    turned = np.roll(centres, 1, axis=0)[goal] + 0.3 * rng.standard_normal((200, 6))
    assert label_transfer(rows, labels, turned, goal) < 0.05


def test_only_columns_that_name_classes_count():
    table = pd.DataFrame(
        {
            "shape": ["a", "b"] * 40,
            "name": [f"row {i}" for i in range(80)],
            "same": ["x"] * 80,
            "torn": ["a", None] * 40,
        }
    )
    assert class_columns(table) == ["shape"]
    assert class_columns(None) == []


@pytest.fixture
def taught():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    rows = (3 * np.eye(3, 6)[labels] + 0.3 * rng.standard_normal((240, 6))).astype(np.float32)
    return rows, np.array(["ant", "bee", "cat"])[labels]


def test_the_network_learns_what_no_line_can():
    rng = np.random.default_rng(1)
    rows = rng.uniform(-1, 1, (900, 2)).astype(np.float32)
    labels = np.where(rows[:, 0] * rows[:, 1] > 0, "same", "other")
    split = slice(0, 600), slice(600, None)
    arguments = rows[split[0]], labels[split[0]], rows[split[1]], labels[split[1]]
    assert label_transfer(*arguments) < 0.7
    assert label_transfer(*arguments, model="mlp") > 0.9
    assert label_transfer(*arguments, model="mlp") == label_transfer(*arguments, model="mlp")


def test_a_class_that_was_never_taught_is_missed(taught):
    rows, labels = taught
    known = labels != "cat"
    found = label_transfer(rows[known], labels[known], rows, labels)
    assert found == pytest.approx(known.mean(), abs=0.02)
    with pytest.raises(ShapeError, match="needs at least two"):
        label_transfer(rows[:2], ["ant", "ant"], rows, labels)


def test_keywords_are_whole_words_of_one_class_only():
    captions = ["A dog runs", "two puppies", "a CAT sleeps", "cat and dog", "a dogma", ""]
    classes = {"dog": ["dog", "puppies"], "cat": ["cat"]}
    assert keyword_labels(captions, classes).tolist() == ["dog", "dog", "cat", None, None, None]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("dog, cat", {"dog": ["dog"], "cat": ["cat"]}),
        ("dog: dog, puppy; cat: cat", {"dog": ["dog", "puppy"], "cat": ["cat"]}),
        ("dog: dog\ncat", {"dog": ["dog"], "cat": ["cat"]}),
    ],
)
def test_keywords_read_as_people_write_them(text, wanted):
    assert parse_keywords(text) == wanted


def test_what_keywords_refuse():
    for text in ("dog:", ": a", "dog; dog"):
        with pytest.raises(ParameterError):
            parse_keywords(text)
    pair = aa.load_sample()
    with pytest.raises(ShapeError, match="Fewer than two"):
        classes_of(pair, keywords={"a": ["zebra"], "b": ["giraffe"]})
    bare = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(pair.source.vectors[:50], modality="text"),
        aa.EmbeddingSet.from_array(pair.target.vectors[:50], modality="image"),
        paired=True,
    )
    assert classes_of(bare) is None
    with pytest.raises(ShapeError, match="none on both sides"):
        classes_of(bare, keywords={"a": ["dog"], "b": ["cat"]})
    with pytest.raises(ParameterError, match='"hue" does not name classes'):
        classes_of(pair, ["hue"])
    with pytest.raises(ParameterError, match='no labels, so none called "hue"'):
        classes_of(bare, ["hue"])
    for keywords in ({"star": ["star"]}, {"star": ["star"], "moon": []}):
        with pytest.raises(ParameterError, match="at least two classes of keywords"):
            classes_of(pair, keywords=keywords)


def test_a_pair_whose_columns_name_nothing_has_no_classes():
    rows = np.random.default_rng(0).standard_normal((2, 80, 4))
    names = pd.DataFrame({"name": [f"row {i}" for i in range(80)]})
    texts, images = (
        aa.EmbeddingSet.from_array(one, modality=side, labels=names)
        for one, side in zip(rows, ("text", "image"), strict=True)
    )
    assert classes_of(aa.EmbeddingPair(texts, images)) is None


def test_an_unknown_classifier_is_refused(taught):
    rows, labels = taught
    with pytest.raises(ParameterError, match='model is \'forest\'; choose "linear" or "mlp"'):
        label_transfer(rows, labels, rows, labels, model="forest")


def test_partners_lend_their_captions_only_when_rows_are_paired():
    pair = aa.load_sample()
    bare = aa.EmbeddingSet.from_array(pair.target.vectors, modality="image")
    wanted = {"star": ["star"], "moon": ["moon", "crescent"]}
    lent = classes_of(aa.EmbeddingPair(pair.source, bare, paired=True), keywords=wanted)
    own = classes_of(pair, keywords=wanted)
    assert lent.source["keyword"].tolist() == lent.target["keyword"].tolist()
    assert lent.source["keyword"].tolist() == own.source["keyword"].tolist()
    with pytest.raises(ShapeError, match="none on both sides"):
        classes_of(aa.EmbeddingPair(pair.source, bare), keywords=wanted)


def test_partners_lend_their_labels_only_when_rows_are_paired():
    pair = aa.load_sample()
    bare = aa.EmbeddingSet.from_array(pair.target.vectors, modality="image")
    paired = classes_of(aa.EmbeddingPair(pair.source, bare, paired=True), ["shape"])
    assert paired.target["shape"].tolist() == pair.target.labels["shape"].tolist()
    assert classes_of(aa.EmbeddingPair(pair.source, bare)) is None


def test_rows_without_a_class_are_left_out_of_the_lesson():
    pair = aa.load_sample()
    classes = classes_of(pair, keywords={"star": ["star"], "moon": ["moon", "crescent"]})
    keep, labels = classes.of_source("keyword", np.arange(400))
    test, wanted = classes.of_target("keyword", np.arange(400, 800))
    assert 0 < len(keep) < 400 and len(labels) == len(keep)
    assert 0 < len(test) < 400 and set(wanted) == {"star", "moon"}
