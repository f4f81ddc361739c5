"""The caption decoder: what it learns from rows, and what it leaves alone."""

import pickle

import numpy as np
import pytest

from anisoalign_core.compare.use import CaptionDecoder
from anisoalign_core.compare.use.decoder import words
from anisoalign_core.errors import (
    AnisoAlignError,
    InvalidRowsError,
    NotFittedError,
    ParameterError,
    ShapeError,
)
from anisoalign_core.numerics import unit_rows

torch = pytest.importorskip("torch")

SAID = ("A red circle.", "a small blue star at sea", "Nothing else, at dusk?", "the big one")
SPOKEN = ["a red circle", "a small blue star at sea", "nothing else at dusk", "the big one"]
SMALL = {"width": 32, "layers": 1, "heads": 2, "epochs": 20, "batch": 16, "learning_rate": 5e-3}


def places(count, seed):
    """Rows of four far places, and the number of the place of each."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, count)
    rows = np.eye(4, 12)[kinds] + 0.1 * rng.standard_normal((count, 12))
    return unit_rows(rows), kinds


@pytest.fixture(scope="module")
def taught():
    rows, kinds = places(160, 0)
    return CaptionDecoder(**SMALL).fit(rows, [SAID[k] for k in kinds])


def test_words_are_lower_case_and_without_punctuation():
    assert words("A medium-sized Ring, isn't it?") == ["a", "medium-sized", "ring", "isn't", "it"]
    assert words(" ?! ") == []


def test_rows_of_a_place_are_given_the_caption_of_that_place(taught):
    rows, kinds = places(60, 1)
    assert taught.caption(rows) == [SPOKEN[k] for k in kinds]
    assert taught.losses_[-1] < 0.1 < taught.losses_[0]


def test_captions_of_shuffled_rows_say_nothing_about_new_rows():
    rows, kinds = places(160, 0)
    shuffled = np.random.default_rng(3).permutation(kinds)
    decoder = CaptionDecoder(**SMALL).fit(rows, [SAID[k] for k in shuffled])
    new, goal = places(200, 1)
    right = np.mean([said == SPOKEN[k] for said, k in zip(decoder.caption(new), goal, strict=True)])
    assert right < 0.5


def test_the_same_seed_writes_the_same_captions_and_moves_no_global_seed(taught):
    rows, kinds = places(160, 0)
    captions = [SAID[k] for k in kinds]
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = CaptionDecoder(**SMALL).fit(rows, captions)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.losses_ == taught.losses_
    other = CaptionDecoder(**SMALL | {"random_state": 1}).fit(rows, captions)
    assert other.losses_ != taught.losses_


def test_a_caption_does_not_depend_on_the_rows_beside_it(taught):
    between = unit_rows(np.random.default_rng(5).standard_normal((150, 12)))
    together = taught.caption(between)
    assert [taught.caption(between[i : i + 1])[0] for i in range(0, 150, 7)] == together[::7]
    assert taught.caption(between[::-1])[::-1] == together


def test_cancelling_leaves_the_decoder_as_it_was(taught):
    rows, kinds = places(160, 0)
    captions = [SAID[k] for k in kinds]

    def cancel(fraction, told):
        if fraction > 0.3:
            raise KeyboardInterrupt(told)

    decoder = CaptionDecoder(**SMALL)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(KeyboardInterrupt, match="round"):
        decoder.fit(rows, captions, progress=cancel)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert decoder.vocabulary_ == () and decoder.losses_ == []
    with pytest.raises(NotFittedError, match="fit"):
        decoder.caption(rows)
    known = taught.caption(rows)
    with pytest.raises(KeyboardInterrupt):
        taught.fit(rows, captions[::-1], progress=cancel)
    assert taught.caption(rows) == known


def test_progress_rises_to_one():
    rows, kinds = places(40, 0)
    seen = []
    decoder = CaptionDecoder(**SMALL | {"epochs": 2})
    decoder.fit(rows, [SAID[k] for k in kinds], progress=lambda f, _: seen.append(f))
    assert len(seen) == 2 * 3 and seen == sorted(seen) and seen[-1] == 1.0


def test_rare_words_are_never_written_and_long_captions_are_cut():
    rows, kinds = places(160, 0)
    captions = [SAID[k] + (f" word{i}" if k == 0 else "") for i, k in enumerate(kinds)]
    decoder = CaptionDecoder(**SMALL, min_count=2, max_words=3).fit(rows, captions)
    assert not [word for word in decoder.vocabulary_ if word.startswith("word")]
    said = decoder.caption(rows)
    assert set(said) <= {" ".join(text.split()[:3]) for text in SPOKEN}
    assert max(len(text.split()) for text in said) == 3


def test_a_decoder_can_be_kept_and_copied(taught):
    rows, _ = places(20, 4)
    assert pickle.loads(pickle.dumps(taught)).caption(rows) == taught.caption(rows)
    fresh = taught.fresh()
    assert fresh.width == taught.width and fresh.vocabulary_ == ()


def test_what_cannot_be_learned_is_refused(taught):
    rows, _ = places(10, 0)
    with pytest.raises(ShapeError, match="10 rows and 9 captions"):
        CaptionDecoder().fit(rows, ["a"] * 9)
    with pytest.raises(ShapeError, match="too few"):
        CaptionDecoder().fit(rows[:5], ["a"] * 5)
    with pytest.raises(ParameterError, match=r"row 3 .*2 such rows"):
        CaptionDecoder().fit(rows, ["a"] * 3 + [None, " ?"] + ["a"] * 5)
    torn = rows.copy()
    torn[4] = np.nan
    with pytest.raises(InvalidRowsError, match="Row 4"):
        CaptionDecoder().fit(torn, ["a"] * 10)
    with pytest.raises(ShapeError, match="12"):
        taught.caption(rows[:, :6])
    with pytest.raises(ParameterError, match="heads"):
        CaptionDecoder(width=30, heads=4)
    for wrong in (
        {"dropout": 1.0},
        {"layers": 0},
        {"max_words": 0},
        {"learning_rate": 0.0},
        {"noise": -0.1},
    ):
        with pytest.raises(ParameterError, match=f"^{next(iter(wrong))} is "):
            CaptionDecoder(**wrong)
    with pytest.raises(ShapeError, match=r"Rows of shape \(12,\) are not a table"):
        taught.caption(rows[0])


def test_noise_on_the_rows_is_seeded_and_changes_what_is_learned():
    rows, kinds = places(60, 0)
    captions = [SAID[k] for k in kinds]
    noisy, again, plain = (
        CaptionDecoder(**(SMALL | {"epochs": 2}), noise=noise).fit(rows, captions)
        for noise in (0.5, 0.5, 0.0)
    )
    assert noisy.losses_ == again.losses_
    assert noisy.losses_ != plain.losses_


def test_missing_torch_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AnisoAlignError, match=r'pip install "anisoalign-studio\[train\]"'):
        CaptionDecoder().fit(*((places(10, 0)[0]), ["a"] * 10))
