"""Batches: what is broken, what is left out, and what goes on after a stop."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.encode import EncodingState, Item, encode
from anisoalign_core.errors import CancelledError, FormatError, JoinError, ParameterError
from anisoalign_core.numerics import one_torch_thread
from tests.encode.conftest import WORDS, local_model, picture


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return aa.encode.load_encoder(checkpoint=local_model(tmp_path_factory.mktemp("model")))


def phrase(row):
    return " ".join(np.random.default_rng(row).choice(WORDS, 3))


def items(count, broken=(), without_caption=()):
    def opener(row):
        def opened():
            if row in broken:
                raise FormatError("it is damaged (on purpose).")
            return picture(row)

        return opened

    return [
        Item(f"k{row}", None if row in without_caption else phrase(row), opener(row))
        for row in range(count)
    ]


def same(one, two):
    if one is None or two is None:
        return one is two
    return (
        one.vectors.tobytes() == two.vectors.tobytes()
        and one.ids.tolist() == two.ids.tolist()
        and one.captions.tolist() == two.captions.tolist()
        and (one.thumbnails is None) == (two.thumbnails is None)
        and (one.thumbnails is None or (one.thumbnails == two.thumbnails).all())
    )


def test_rows_are_those_of_the_items_in_their_order(encoder):
    found = encode(items(37), encoder, batch_size=5)
    assert found.images.ids.tolist() == [f"k{row}" for row in range(37)]
    with one_torch_thread():
        alone = np.concatenate([encoder.encode_images([picture(row)]) for row in range(37)])
        spoken = np.concatenate([encoder.encode_texts([phrase(row)]) for row in range(37)])
    np.testing.assert_allclose(found.images.vectors, alone, atol=1e-6)
    np.testing.assert_allclose(found.texts.vectors, spoken, atol=1e-6)
    assert found.texts.captions.tolist() == [phrase(row) for row in range(37)]
    assert found.images.thumbnails.shape == (37, 64, 64, 3)
    assert (found.images.modality, found.texts.modality) == ("image", "text")
    assert found.encoder == encoder.describe()


def test_broken_images_leave_both_sides(encoder):
    found = encode(items(20, broken=(0, 7, 19)), encoder, batch_size=4)
    kept = [f"k{row}" for row in range(20) if row not in (0, 7, 19)]
    assert found.images.ids.tolist() == found.texts.ids.tolist() == kept
    assert [(one.id, one.reason) for one in found.broken] == [
        (f"k{row}", "it is damaged (on purpose)") for row in (0, 7, 19)
    ]
    assert found.left_out == ()
    whole = encode(items(20), encoder, batch_size=4)
    np.testing.assert_allclose(found.images.vectors[0], whole.images.vectors[1], atol=1e-6)
    np.testing.assert_array_equal(found.images.thumbnails[0], whole.images.thumbnails[1])
    np.testing.assert_allclose(found.texts.vectors[-1], whole.texts.vectors[18], atol=1e-6)
    assert found.pair().paired


@pytest.mark.parametrize("first", [0, 4, 8])
def test_a_batch_that_is_broken_from_end_to_end(encoder, first):
    found = encode(items(12, broken=range(first, first + 4)), encoder, batch_size=4)
    assert len(found.images) == 8
    assert len(found.broken) == 4
    assert found.images.thumbnails.shape[0] == 8


def test_an_image_that_cannot_be_prepared_takes_its_thumbnail_along(encoder):
    def prepare(image):
        if image.tobytes() == picture(1).tobytes():
            raise ValueError("height and width must be > 0")
        return encoder.transform(image)

    found = encode(items(3), replace(encoder, transform=prepare))
    assert [(one.id, one.reason) for one in found.broken] == [
        ("k1", "height and width must be > 0")
    ]
    whole = encode(items(3), encoder)
    np.testing.assert_array_equal(found.images.thumbnails[1], whole.images.thumbnails[2])


def test_images_that_raise_anything_are_broken(encoder):
    def fails():
        raise ZeroDivisionError("far from expected\nand more")

    found = encode([*items(3), Item("odd", "a ring", fails)], encoder)
    assert [(one.id, one.reason) for one in found.broken] == [("odd", "far from expected")]


def test_when_every_image_is_broken_nothing_comes_out(encoder):
    with pytest.raises(FormatError, match=r"Not one of 3 images.* The first, k0: it is damaged"):
        encode(items(3, broken=range(3)), encoder)


def test_rows_without_partner_are_left_out_or_kept(encoder):
    given = [*items(6, broken=(1,), without_caption=(2, 4)), Item("alone", "a red ring")]
    found = encode(given, encoder)
    assert found.images.ids.tolist() == found.texts.ids.tolist() == ["k0", "k3", "k5"]
    assert found.left_out == ("k2", "k4", "alone")
    assert [one.id for one in found.broken] == ["k1"]
    kept = encode(given, encoder, paired=False)
    assert kept.images.ids.tolist() == ["k0", "k2", "k3", "k4", "k5"]
    assert kept.texts.ids.tolist() == ["k0", "k1", "k3", "k5", "alone"]
    assert kept.left_out == ()
    assert kept.texts.thumbnails is None
    assert kept.images.captions[1] == ""
    joined = kept.pair()
    assert joined.target.ids.tolist() == ["k0", "k3", "k5"]


def told_thrice(count, **options):
    return [
        item
        for row, one in enumerate(items(count, **options))
        for item in (one, *(Item(one.id, f"{WORDS[k]} {phrase(row)}") for k in range(2)))
    ]


def test_an_image_is_encoded_once_and_every_caption_of_it(encoder):
    opened = Counter()

    def counted(item):
        def opens():
            opened[item.id] += 1
            return item.open()

        return replace(item, open=opens)

    given = [one if one.open is None else counted(one) for one in told_thrice(9, broken=(4,))]
    found = encode([*given, Item("alone", "a red ring")], encoder, batch_size=4)
    kept = [f"k{row}" for row in range(9) if row != 4]
    assert set(opened.values()) == {1}
    assert found.images.ids.tolist() == kept
    assert found.texts.ids.tolist() == [key for key in kept for _ in range(3)]
    assert found.left_out == ("alone",)
    np.testing.assert_array_equal(found.texts.thumbnails, np.repeat(found.images.thumbnails, 3, 0))
    with one_torch_thread():
        spoken = encoder.encode_texts([one.caption for one in given if one.id != "k4"])
    np.testing.assert_allclose(found.texts.vectors, spoken, atol=1e-6)
    pair = found.pair()
    assert pair.in_words() == "8 things: 8 image rows (1 each) and 24 text rows (3 each)"
    plain = encode(items(9, broken=(4,)), encoder, batch_size=4)
    np.testing.assert_allclose(pair.target.vectors, plain.images.vectors, atol=1e-6)


def test_groups_go_on_after_a_stop(encoder):
    whole, state = encode(told_thrice(20), encoder, batch_size=4), EncodingState()

    def stop(share, words):
        if share > 0.5:
            raise CancelledError

    with pytest.raises(CancelledError):
        encode(told_thrice(20), encoder, batch_size=4, progress=stop, state=state)
    again = encode(told_thrice(20), encoder, batch_size=4, state=state)
    assert same(whole.images, again.images) and same(whole.texts, again.texts)


def test_one_side_alone(encoder):
    images = encode(items(5, without_caption=range(5)), encoder)
    assert images.texts is None
    assert images.images.captions is None
    texts = encode([Item(f"t{row}", phrase(row)) for row in range(5)], encoder)
    assert texts.images is None
    assert texts.texts.thumbnails is None
    both = items(5)
    assert same(encode(both, encoder, sides="images").images, encode(both, encoder).images)
    assert encode(both, encoder, sides="texts").images is None
    assert encode([*both, Item("alone", "a ring")], encoder, sides="images").left_out == ()
    with pytest.raises(ParameterError, match=r"Only one side"):
        images.pair()


def test_sides_without_a_common_id_do_not_pair(encoder):
    given = [*items(2, without_caption=(0, 1)), Item("x", "a ring"), Item("y", "a red ring")]
    with pytest.raises(ParameterError, match=r"nothing to encode.*paired=False"):
        encode(given, encoder)
    with pytest.raises(JoinError):
        encode(given, encoder, paired=False).pair()


class Stop:
    """Raises at the n-th batch, as a person who cancels does."""

    def __init__(self, at, error=CancelledError):
        self.at, self.error, self.said = at, error, []

    def __call__(self, fraction, words):
        self.said.append((fraction, words))
        if len(self.said) == self.at:
            raise self.error("enough")


@pytest.mark.parametrize("error", [CancelledError, KeyboardInterrupt])
def test_a_job_that_was_stopped_goes_on_to_the_same_bits(encoder, error):
    given = items(30, broken=(3, 11), without_caption=(8,))
    whole = encode(given, encoder, batch_size=4)
    state, calls, seen = EncodingState(), 0, []
    for _ in range(20):
        stop = Stop(3, error)
        try:
            found = encode(given, encoder, batch_size=4, state=state, progress=stop)
            break
        except error:
            calls += 1
        finally:
            seen += stop.said
    assert calls > 3  # it was stopped among images and among captions
    assert same(found.images, whole.images)
    assert same(found.texts, whole.texts)
    assert (found.broken, found.left_out, found.notes) == (whole.broken, whole.left_out, ())
    assert len(seen) == state.batches  # no batch was done twice
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert seen[-1] == (1.0, "27 of 27 captions")


def test_every_image_is_opened_once_across_a_stop_but_for_those_in_flight(encoder):
    opened = Counter()

    def opener(row):
        def read():
            opened[row] += 1
            return picture(row)

        return read

    given = [Item(f"k{row}", None, opener(row)) for row in range(60)]
    state = EncodingState()
    with pytest.raises(CancelledError):
        encode(given, encoder, batch_size=2, state=state, progress=Stop(5))
    assert 10 <= sum(opened.values()) < 60
    encode(given, encoder, batch_size=2, state=state)
    assert all(opened[row] == 1 for row in range(10))
    assert set(opened) == set(range(60))


def test_finished_batches_of_another_job_are_refused(encoder, tmp_path):
    given = items(9)
    state = EncodingState()
    encode(given, encoder, batch_size=3, state=state)
    other = aa.encode.load_encoder(checkpoint=local_model(tmp_path), precision="bf16")
    for call in (
        lambda: encode(given[:8], encoder, batch_size=3, state=state),
        lambda: encode(given, other, batch_size=3, state=state),
        lambda: encode(given, encoder, batch_size=4, state=state),
        lambda: encode(given, encoder, batch_size=3, sides="images", state=state),
        lambda: encode(given, encoder, batch_size=3, thumbnails=0, state=state),
    ):
        with pytest.raises(ParameterError, match=r"of another job"):
            call()
    again = encode(given, encoder, batch_size=3, state=state)
    assert same(again.images, encode(given, encoder, batch_size=3).images)


def test_two_runs_give_the_same_bits(encoder):
    one, two = (encode(items(40), encoder, batch_size=7) for _ in range(2))
    assert same(one.images, two.images)
    assert same(one.texts, two.texts)


def test_torch_has_its_threads_back_after_success_and_failure(encoder):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inside = []
        encode(items(3), encoder, progress=lambda *_: inside.append(torch.get_num_threads()))
        assert set(inside) == {1}
        assert torch.get_num_threads() == 2
        with pytest.raises(CancelledError):
            encode(items(3), encoder, progress=Stop(1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_unknown_words_and_cut_captions_are_noted(encoder):
    texts = ["a green ring", "green and red", "a red ring a blue square a", "a ring"]
    found = encode([Item(str(row), text) for row, text in enumerate(texts)], encoder, batch_size=1)
    unknown, cut = found.notes
    assert "does not know 2 words" in unknown
    assert 'left out 3 times: "green", "and".' in unknown
    assert cut == "1 of 4 captions are longer than the encoder reads; they were cut."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"sides": "left"}, 'sides is "left"; choose both, images, texts'),
        ({"thumbnails": 16}, "thumbnails is 16; give 32 to 64"),
    ],
)
def test_options_out_of_range(encoder, options, words):
    with pytest.raises(ParameterError, match=words):
        encode(items(2), encoder, **options)


def test_there_has_to_be_something(encoder):
    for given, options in (
        ([], {}),
        ([Item("x")], {}),
        ([Item("x", "a ring")], {"sides": "images"}),
    ):
        with pytest.raises(ParameterError, match=r"nothing to encode"):
            encode(given, encoder, **options)
