"""Every format of a leaderboard says the same numbers, and keeps data as data."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

import anisoalign_core as aa
from anisoalign_core.compare import Leaderboard, leaderboard
from anisoalign_core.compare.captions import caption_board
from anisoalign_core.compare.use.decoder import CaptionDecoder
from anisoalign_core.errors import ParameterError, ShapeError
from anisoalign_core.publish import FORMATS, command, render

pytestmark = pytest.mark.usefixtures("briefly_taught")


@pytest.fixture(scope="module")
def pair():
    return aa.load_sample().take(np.arange(400))


@pytest.fixture(scope="module")
def board(pair):
    return leaderboard(pair, ["bounded:bound=0.3", "permuted", "c3"], splits=2, columns=["colour"])


@pytest.fixture(scope="module")
def captions(pair):
    return caption_board(pair, ["realign"], decoder=CaptionDecoder(epochs=1, width=16, layers=1))


def test_csv_holds_every_number(board):
    rows = list(csv.DictReader(io.StringIO(render(board, ".csv").decode())))
    assert len(rows) == sum(len(scores) for scores in board.values.values())
    one = next(r for r in rows if r["entry"] == "c3" and r["metric"] == "psi")
    assert float(one["value"]) == board.score("c3", "psi").value
    assert one["metric_needs"] == "fit-free" and one["method_needs"] == "unpaired"
    assert float(one["minus_realign_high"]) == board.difference("c3", "psi").high


def test_json_is_enough_to_build_the_board_again(board):
    body = json.loads(render(board, ".json"))
    assert Leaderboard.from_dict(body).to_dict() == board.to_dict()
    assert len(body["setting"]["source"]["digest"]) == 64
    assert "numpy" in body["setting"]["versions"]


def test_the_command_builds_the_same_board(board, tmp_path):
    from shlex import split

    from anisoalign_core.cli import main

    whole = leaderboard(aa.load_sample(), ["c3"], splits=1, columns=["size"])
    out = tmp_path / "again.json"
    line = split(command(whole))
    assert line[0] == "anisoalign" and "sample:scenes" in line
    assert main([*line[1:], "--quiet", "--out", str(out)]) == 0
    again = Leaderboard.from_dict(json.loads(out.read_text()))
    assert again.to_dict()["values"] == whole.to_dict()["values"]
    assert again.setting == whole.setting


def test_markdown_and_latex_hold_one_table_per_group(board):
    text = render(board, ".md").decode()
    for words in (
        "Semantics",
        "Support",
        "Residual",
        "Retrieval",
        "Training on the other",
        "mixed gallery",
    ):
        assert words in text
    assert "| *chance* |" in text and "another encoder" in text
    assert "| the whole set, uncorrected | G_μ | 0.392 |" in text
    assert f"{board.gap['centroid_gap']:.3g}" in text.split("Published figures")[1]
    latex = render(board, ".tex").decode()
    assert latex.count("\\begin{tabular}") == latex.count("\\end{tabular}") == 9
    assert "\\mathbf" in latex and "Ω" not in latex and "_k" not in latex.replace("\\_k", "")


def test_the_report_fetches_nothing_and_holds_figures_recipe_and_digests(board, captions):
    text = render(board, ".html", captions).decode()
    outside = text.replace("http://www.w3.org", "")
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?!data:)", outside)
    assert text.count("plotly-graph-div") >= 4
    assert board.setting.source["digest"] in text and "anisoalign compare" in text
    assert text.count("data:image/png;base64,") >= 10


def test_captions_and_names_stay_text(board, captions):
    from dataclasses import replace

    nasty = "<script>alert(1)</script>"
    evil = replace(captions, references=(nasty, *captions.references[1:]))
    assert nasty not in render(board, ".html", evil).decode()
    assert "&lt;script&gt;alert(1)" in render(board, ".html", evil).decode()


def test_scores_of_captions_name_their_floor_and_ceiling(captions):
    frame = captions.to_frame()
    assert list(frame.index) == ["ReAlign", "Target rows themselves", "the images' own captions"]
    assert frame.loc["the images' own captions", "token F1"] == 1.0
    assert isinstance(frame, pd.DataFrame) and len(captions.rows) == len(captions.references)


def test_captions_stand_beside_the_board_in_text_and_json(board, captions):
    text = render(board, ".md", captions).decode()
    table = text.partition("### Captions")[2].partition("###")[0]
    assert "| ReAlign |" in table and "token F1" in table
    assert f"{len(captions.rows):,} held-out target rows" in table
    assert "### Captions" not in render(board, ".md").decode()
    body = json.loads(render(board, ".json", captions))["captions"]
    assert body["rows"] == captions.rows.tolist()
    assert len(body["captions"]["realign"]) == len(body["references"]) == len(captions.rows)
    assert body["scores"]["ReAlign"]["token F1"] == captions.to_frame().loc["ReAlign", "token F1"]
    assert "captions" not in json.loads(render(board, ".json"))


def test_captions_need_pairs_and_texts(pair):
    loose = aa.EmbeddingPair(pair.source, pair.target)
    bare = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(pair.source.vectors, modality="text"),
        aa.EmbeddingSet.from_array(pair.target.vectors, modality="image"),
        paired=True,
    )
    for wrong in (loose, bare):
        with pytest.raises(ShapeError, match="Captions need a paired set that has them"):
            caption_board(wrong)


def test_the_command_names_keywords_and_the_splits(board):
    from dataclasses import replace
    from shlex import split

    from anisoalign_core.compare.use import parse_keywords

    keywords = {"star": ("star",), "moon": ("moon", "crescent")}
    line = split(command(replace(board, setting=replace(board.setting, keywords=keywords))))
    assert parse_keywords(line[line.index("--keywords") + 1]) == {
        name: list(words) for name, words in keywords.items()
    }
    assert "--labels" not in line and line[line.index("--splits") + 1] == "2"


def test_groups_and_parts_that_nothing_was_measured_of_have_no_table(board):
    from dataclasses import replace

    values = {
        name: {metric: value for metric, value in scores.items() if metric == "psi"}
        for name, scores in board.values.items()
    }
    bare = replace(board, values=values, mixed={})
    text = render(bare, ".md").decode()
    assert "### Semantics" in text
    assert not any(words in text for words in ("### Support", "### Residual", "mixed gallery"))
    assert render(bare, ".tex").decode().count("\\begin{tabular}") == 1


def test_unknown_formats_are_named(board):
    with pytest.raises(ParameterError, match=r"no format \.xls"):
        render(board, ".xls")
    assert set(FORMATS) == {".csv", ".json", ".tex", ".md", ".html"}
