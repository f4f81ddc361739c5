"""Scores of captions, reading attributes out of them, and the whole transfer."""

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.compare.use import (
    AttributeReader,
    CaptionDecoder,
    CaptionScores,
    caption_transfer,
    cider,
    score_captions,
    token_f1,
)
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.numerics import unit_rows

CORPUS = ["a red circle on the left", "the blue star at sea", "one big heart at the top", "a star"]


def test_equal_captions_score_one_and_disjoint_ones_nothing():
    loud = [text.upper() + "!" for text in CORPUS]
    assert np.allclose(token_f1(loud, CORPUS), 1)
    assert np.allclose(cider(loud, CORPUS, CORPUS), 1)
    other = ["something else entirely"] * 4
    assert not token_f1(other, CORPUS).any()
    assert not cider(other, CORPUS, CORPUS).any()


def test_words_count_as_often_as_they_occur():
    assert token_f1(["a a b"], ["a b b"]) == pytest.approx([2 * 2 / 6])
    assert token_f1(["b a"], ["a b"]) == pytest.approx([1])


def test_order_counts_for_ngrams_and_rare_words_weigh_more():
    straight, turned = cider(["a red circle"] * 2, ["a red circle", "circle red a"], CORPUS)
    assert straight == pytest.approx(1) and turned == pytest.approx(1 / 3)
    corpus = [f"the {word} thing" for word in ("red", "blue", "green", "pink")]
    rare, common = cider(["red", "the"], ["the red thing"] * 2, corpus)
    assert rare > common


def test_words_no_caption_of_the_corpus_holds_still_cost():
    plain, padded = cider(["a star", "a zebra star"], ["a star"] * 2, CORPUS)
    assert padded < plain == pytest.approx(1)


def test_wordless_captions():
    assert token_f1(["", ""], ["a", ""]).tolist() == [0, 1]
    assert cider(["", ""], ["a", ""], CORPUS).tolist() == [0, 1]
    with pytest.raises(ParameterError, match="no word"):
        cider(["a"], ["a"], ["", "?"])


def test_as_many_references_as_captions():
    for score in (token_f1, lambda c, r: cider(c, r, CORPUS)):
        with pytest.raises(ShapeError, match="1 candidates and 2 references"):
            score(["a"], ["a", "b"])


def test_what_is_read_from_the_samples_own_captions_is_right():
    pair = aa.load_sample()
    parts = pair.split(0, 0.25)
    captions, labels = np.asarray(pair.source.captions), pair.source.labels
    known, held = parts.fit_source, parts.holdout_source[:500]
    reader = AttributeReader.learn(captions[known].tolist(), labels.iloc[known])
    read = reader.read(captions[held].tolist())
    true = labels.iloc[held].reset_index(drop=True)
    for column in ("shape", "colour", "size", "position", "background"):
        said = read[column].notna()
        assert 0.5 < said.mean() < 0.95  # captions leave things out
        assert (read[column] == true[column])[said].mean() >= 0.97
    told = reader.read(
        ["a tiny golden hoop", "my blue one is seen off to the left", "what a lovely view", ""]
    )
    assert told.loc[0, ["shape", "colour", "size"]].tolist() == ["ring", "yellow", "small"]
    assert told.loc[0, ["position", "background"]].isna().all()
    assert told.loc[1, "colour"] == "blue" and pd.isna(told.loc[1, "position"])
    assert told.loc[2:].isna().all(axis=None)


def made(count, seed):
    """Labels, and captions that tell the colour always and the size half of the time."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "colour": rng.choice(["red", "blue", "green"], count),
            "size": rng.choice([1, 2], count),
            "mood": rng.choice(["glad", "sad"], count),
        }
    )
    sizes = np.where(table["size"] == 1, "small ", "large ")
    sizes[rng.random(count) < 0.5] = ""
    return table, [f"a {s}{c} thing" for s, c in zip(sizes, table["colour"], strict=True)]


def test_a_column_that_captions_do_not_tell_is_not_read():
    table, captions = made(300, 0)
    read = AttributeReader.learn(captions, table).read(captions)
    assert read["mood"].isna().mean() > 0.9
    assert (read["colour"] == table["colour"]).all()
    said = np.array(["small" in text or "large" in text for text in captions])
    assert (read["size"].notna() == said).all()
    assert (read["size"] == table["size"])[said].all()


def test_labels_that_cannot_be_learned_are_refused():
    table, captions = made(100, 0)
    with pytest.raises(ShapeError, match="100 captions and 99"):
        AttributeReader.learn(captions, table.iloc[:99])
    with pytest.raises(ParameterError, match="No column"):
        AttributeReader.learn(captions, pd.DataFrame({"name": [str(i) for i in range(100)]}))


def test_saying_little_saying_much_and_guessing_do_not_win():
    table, captions = made(300, 0)
    table = table[["colour", "size"]]
    reader = AttributeReader.learn(captions, table)

    def scores(said):
        return score_captions(said, captions, reader=reader, target_labels=table)

    own = scores(captions)
    assert own.attributes == {"colour": 1, "size": 1} and own.attribute_precision == 1
    assert own.attribute_accuracy == 1 and own.named == own.expected
    assert own.told == own.named
    full = scores(
        [
            f"a {s} {c} thing"
            for s, c in zip(
                np.where(table["size"] == 1, "small", "large"), table["colour"], strict=True
            )
        ]
    )
    assert full.attribute_accuracy == 1 and full.told == {"colour": 1, "size": 1}
    colour_only = scores([f"a {c} thing" for c in table["colour"]])
    assert colour_only.attribute_precision == 1
    assert colour_only.attribute_accuracy == 0.5 < own.attribute_accuracy
    assert np.isnan(colour_only.attributes["size"]) and colour_only.told["size"] == 0
    always = scores(["a small red thing"] * 300)
    assert always.attribute_accuracy == pytest.approx(
        ((table["colour"] == "red").mean() + (table["size"] == 1).mean()) / 2
    )


def test_without_labels_no_attribute_is_read():
    scores = score_captions(CORPUS, CORPUS)
    assert scores.attributes == {} == scores.named
    assert np.isnan(scores.attribute_accuracy) and np.isnan(scores.attribute_precision)
    table, captions = made(100, 0)
    reader = AttributeReader.learn(captions, table)
    with pytest.raises(ParameterError, match="target_labels"):
        score_captions(CORPUS, CORPUS, reader=reader)
    with pytest.raises(ParameterError, match='"mood"'):
        score_captions(captions, captions, reader=reader, target_labels=table[["colour", "size"]])


def test_rows_of_one_place_teach_captions_and_rows_of_another_do_not():
    pytest.importorskip("torch")
    table, captions = made(240, 0)
    goal, references = made(120, 1)
    centres = {"red": 0, "blue": 1, "green": 2}

    def rows(labels, turn, seed):
        kinds = (labels["colour"].map(centres).to_numpy() + turn) % 3
        noise = np.random.default_rng(seed).standard_normal((len(labels), 10))
        return unit_rows(np.eye(3, 10)[kinds] + 0.1 * noise)

    decoder = CaptionDecoder(width=32, layers=1, heads=2, epochs=15, batch=16, learning_rate=5e-3)
    near, far = (
        caption_transfer(
            rows(table, 0, 0),
            captions,
            rows(goal, turn, 1),
            references,
            target_labels=goal,
            decoder=decoder,
        )
        for turn in (0, 1)
    )
    assert isinstance(near, CaptionScores) and len(near.captions) == 120
    assert near.told["colour"] > 0.95 and far.told["colour"] < 0.05
    assert near.token_f1.mean() > far.token_f1.mean() + 0.1
    assert near.cider.mean() > far.cider.mean() + 0.1
    assert decoder.vocabulary_ == ()
