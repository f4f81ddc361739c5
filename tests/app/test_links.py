"""A link reproduces page and settings, and says which data to load."""

import pytest

from app.links import DIGEST_LETTERS
from tests.app.test_pages import HOME, open_page, pair_of, words


def follow(page="home", **parameters):
    from streamlit.testing.v1 import AppTest

    at = AppTest.from_file(HOME, default_timeout=90)
    for name, value in parameters.items():
        at.query_params[name] = value
    at.run()
    if page != "home":
        at.switch_page(f"../pages/{page}.py").run()
    return at


def said(at, name):
    value = at.query_params[name]
    return value[0] if isinstance(value, list) else value


def test_a_link_opens_the_bundled_sample_it_was_made_on():
    at = follow(sample="scenes-untrained", seed="7", holdout="0.35")
    assert at.session_state["loaded"].sample == "scenes-untrained"
    assert (at.session_state["split_seed"], at.session_state["holdout"]) == (7, 0.35)
    assert said(at, "sample") == "scenes-untrained"


def test_a_link_says_which_data_to_load_until_they_are_loaded():
    pair = pair_of()
    at = follow(data=pair.digest[:DIGEST_LETTERS], name="mine *bold*")
    assert not at.exception
    shown = words(at)
    assert "This link was made for “mine \\*bold\\*”" in shown
    assert pair.digest[:DIGEST_LETTERS] in shown
    from app.session import Loaded

    at.session_state["loaded"] = Loaded(pair, "mine")
    at.run()
    assert "This link was made for" not in words(at)
    assert said(at, "data") == pair.digest[:DIGEST_LETTERS]


def test_the_address_says_what_is_loaded_and_stays_short_for_the_first_sample():
    at = open_page("home")
    assert not at.query_params
    at = open_page("home", pair_of())
    assert said(at, "name") == "mine"
    at.session_state["split_seed"] = 3
    at.run()
    assert said(at, "seed") == "3"


@pytest.mark.parametrize(
    "parameters",
    [
        {"sample": "../../etc"},
        {"data": "<script>"},
        {"data": "x" * DIGEST_LETTERS},
        {"seed": "nan", "holdout": "inf"},
        {"seed": "-1", "holdout": "0.9"},
        {"seed": "1e99", "holdout": "much"},
    ],
)
def test_what_a_link_cannot_ask_for_is_ignored(parameters):
    at = follow(**parameters)
    assert not at.exception and not at.error
    assert at.session_state["loaded"].sample == "scenes"
    assert (at.session_state["split_seed"], at.session_state["holdout"]) == (0, 0.2)
    assert "This link was made for" not in words(at)
