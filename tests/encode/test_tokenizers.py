"""Words become numbers; what is unknown or too long is counted, not hidden."""

import open_clip
import pytest

from anisoalign_core.encode import WordTokenizer
from anisoalign_core.encode.tokenizers import LibraryTokenizer, make_tokenizer
from tests.encode.conftest import WORDS


def test_words_are_numbered_and_the_end_is_the_largest():
    tokens = WordTokenizer(WORDS, 6)(["A red ring!", "square", ""])
    assert tokens.ids.tolist() == [[1, 3, 4, 6, 0, 0], [5, 6, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0]]
    assert (tokens.unknown, tokens.cut) == ({}, 0)


def test_unknown_words_are_left_out_and_counted():
    tokens = WordTokenizer(WORDS, 6)(["a green ring", "green zeppelin blue"])
    assert tokens.ids.tolist() == [[1, 4, 6, 0, 0, 0], [2, 6, 0, 0, 0, 0]]
    assert tokens.unknown == {"green": 2, "zeppelin": 1}


def test_long_captions_are_cut_before_the_end_marker():
    tokens = WordTokenizer(WORDS, 4)(["a red red ring", "a red ring"])
    assert tokens.ids.tolist() == [[1, 3, 3, 6], [1, 3, 4, 6]]
    assert tokens.cut == 1


def test_byte_pairs_are_open_clips_own_and_cuts_are_counted():
    own = open_clip.SimpleTokenizer(context_length=6)
    texts = ["a cat", "one two three four", "one two three four five"]  # 2, 4 and 5 of room for 4
    tokens = LibraryTokenizer(own, "byte pairs")(texts)
    assert tokens.ids.tolist() == own(texts).tolist()
    assert tokens.cut == 1


def test_a_tokenizer_that_cannot_be_had_says_where_it_comes_from(monkeypatch):
    from anisoalign_core.errors import AnisoAlignError

    def fails(*_, **__):
        raise OSError("no connection\nto anywhere")

    monkeypatch.setattr("open_clip.tokenizer.HFTokenizer", fails)
    with pytest.raises(AnisoAlignError, match=r"org/words could not be had: no connection\. It"):
        make_tokenizer({"hf_tokenizer_name": "org/words"}, None, None)


def test_files_of_a_tokenizer_beside_the_weights_are_taken(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("open_clip.tokenizer.HFTokenizer", lambda place, **_: asked.append(place))
    make_tokenizer({"hf_tokenizer_name": "org/words"}, None, tmp_path)
    make_tokenizer({"hf_tokenizer_name": "org/words"}, None, None)
    assert asked == [str(tmp_path), "org/words"]
