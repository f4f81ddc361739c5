"""The choice on the Data page of what the columns of a file are."""

import io

import numpy as np
import pandas as pd
import pytest

from tests.app.test_pages import give, npy, open_page, words
from tests.conftest import paired_world

ROWS = 60


def csv(vectors, header=True, **added):
    frame = pd.DataFrame(vectors.astype(float)).assign(**added)
    stream = io.StringIO()
    frame.to_csv(stream, index=False, header=header)
    return stream.getvalue().encode()


@pytest.fixture
def sides():
    y, x = paired_world(ROWS, 10)
    return x, y


def choose(image, text):
    return give(open_page("data"), {"image.csv": image, "text.npy": text})


def taken(at):
    """Return what the table of the choice says of each column."""
    frame = next(each.value for each in at.dataframe if "column" in each.value)
    return dict(zip(frame["column"], frame["taken for"], strict=True))


def asked(widgets, what):
    return next(each for each in widgets if each.key.endswith(what))


def load(at):
    at.button(key="load").click().run()
    assert not at.exception
    return at.session_state["loaded"].pair


def columns_of(at):
    return next(each for each in at.expander if each.label.startswith("Columns"))


def test_a_person_sees_what_columns_are_taken_for_and_chooses_otherwise(sides):
    x, y = sides
    codes = [f"c-{row}" for row in range(ROWS)]
    added = {"photo": [f"p/{row}.jpg" for row in range(ROWS)], "code": codes, "year": 2019}
    at = choose(csv(x, **added), npy(y))
    assert taken(at) == {
        "photo": "id",
        "code": "label",
        "year": "label",
        "0 … 9": "10 dimensions",
    }
    assert not columns_of(at).proto.expanded
    ids, out = asked(at.selectbox, "id_column"), asked(at.multiselect, "drop_columns")
    assert ids.value == "as told by the file" and out.value == []
    assert load(at).target.ids[3] == "p/3.jpg"
    at = choose(csv(x, **added), npy(y))
    asked(at.selectbox, "id_column").set_value("code")
    asked(at.multiselect, "drop_columns").set_value(["year"])
    target = load(at.run()).target
    assert target.ids.tolist() == codes
    assert target.dim == 10 and list(target.labels.columns) == ["photo"]
    np.testing.assert_allclose(target.vectors, x, atol=1e-6)


def test_a_column_that_nothing_tells_is_pointed_at_and_refused_until_it_is_chosen(sides):
    x, y = sides
    at = choose(csv(np.insert(x, 5, 2019, axis=1), header=False), npy(y))
    assert taken(at)["6"] == "unclear"
    assert columns_of(at).proto.expanded
    at.button(key="load").click().run()
    assert 'Column "6" of image.csv is 2019 in every row' in at.error[0].value.replace("\\", "")
    asked(at.multiselect, "drop_columns").set_value(["6"]).run()
    pair = load(at)
    assert pair.target.dim == 10
    np.testing.assert_allclose(pair.target.vectors, x, atol=1e-6)


def test_dimensions_that_nothing_marks_are_said_on_the_page(sides):
    x, y = sides
    named = dict(zip("abcdefghij", x.T, strict=True))
    frame = pd.DataFrame(named).assign(score=np.random.default_rng(0).random(ROWS))
    image = frame.to_csv(index=False).encode()
    at = choose(image, npy(np.c_[y, y[:, :1]]))
    load(at)
    said = "columns of numbers of image.csv are read as dimensions"
    assert f"All 11 {said}" in words(at).replace("\\", "")
    at = choose(image, npy(y))
    asked(at.multiselect, "drop_columns").set_value(["score"]).run()
    assert load(at).dim == 10
    assert f"All 10 {said}" in words(at).replace("\\", "")


def test_arrays_without_columns_leave_nothing_to_choose(sides):
    at = give(open_page("data"), {"a.npy": npy(sides[0])})
    assert not [each for each in at.expander if each.label.startswith("Columns")]
