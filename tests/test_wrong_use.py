"""Public functions say what they got and what they want, and take what people naturally give."""

from __future__ import annotations

import warnings
from argparse import _SubParsersAction

import numpy as np
import pytest

import anisoalign_core as aa
from anisoalign_core.cli import main
from anisoalign_core.cli.parser import PARTS as COMMAND_LINE_PARTS
from anisoalign_core.cli.parser import build_parser
from anisoalign_core.compare.results import Leaderboard
from anisoalign_core.errors import FormatError, ParameterError, ShapeError
from anisoalign_core.gap.diagnose import PARTS
from anisoalign_core.metrics.evaluate import FittedRowsWarning

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(200, 12))
X = Y + 0.5 * RNG.normal(size=(200, 12)) + 1


def side(rows, modality):
    return aa.EmbeddingSet.from_array(rows, modality=modality)


@pytest.fixture(scope="module")
def pair():
    return aa.EmbeddingPair(side(Y, "text"), side(X, "image"), paired=True)


class Shift:
    """A method of one's own: two functions are enough."""

    def fit(self, source, target):
        self.step = target.mean(axis=0) - source.mean(axis=0)

    def transform(self, rows):
        return rows + self.step


def test_a_swapped_call_says_which_way_round(pair):
    method = aa.ReAlign().fit(Y, X)
    with pytest.raises(ParameterError, match="got a ReAlign where it wants an EmbeddingPair"):
        aa.evaluate(pair, method)
    with pytest.raises(ParameterError, match="fitted method first"):
        aa.evaluate(3, pair)
    with pytest.raises(ParameterError, match=r"got an array of shape \(200, 12\)"):
        aa.diagnose(Y)
    with pytest.raises(ParameterError, match="wants an EmbeddingPair"):
        aa.leaderboard(Y, ["realign"])


def test_arrays_in_a_pair_are_refused_with_the_way_to_wrap_them():
    with pytest.raises(ParameterError, match=r"source of a pair is an array.*from_array"):
        aa.EmbeddingPair(Y, X)


def test_sets_without_a_name_are_called_by_their_part():
    with pytest.raises(ShapeError, match="The source has 12 dimensions and the target has 5"):
        aa.EmbeddingPair(side(Y, "text"), side(X[:, :5], "image"))
    with pytest.raises(ShapeError, match="The source has 200 rows and the target has 7"):
        aa.EmbeddingPair(side(Y, "text"), side(X[:7], "image"), paired=True)


def test_boards_take_names_estimators_and_objects_with_fit_and_transform(pair):
    fitted = aa.BoundedTransport(0.3).fit(Y, X)
    board = aa.leaderboard(
        pair, [aa.ReAlign(), fitted, Shift(), "mean-shift", "oracle"], splits=2, curves=False
    )
    assert not board.failures
    names = [one.name for one in board.entries]
    assert names == [
        "identity",
        "realign",
        "bounded:bound=0.3",
        "Shift",
        "mean-shift",
        "oracle",
        "target",
    ]
    plain = aa.leaderboard(pair, ["bounded:bound=0.3"], splits=2, curves=False)
    ours, given = (b.score("bounded:bound=0.3", "psi").value for b in (plain, board))
    assert ours == given
    shift, mine = (board.score(name, "psi").value for name in ("mean-shift", "Shift"))
    assert mine == pytest.approx(shift, abs=1e-5)
    again = Leaderboard.from_dict(board.to_dict())
    assert [one.name for one in again.entries] == names


def test_boards_refuse_what_is_no_method(pair):
    with pytest.raises(ParameterError, match="the class ReAlign"):
        aa.leaderboard(pair, [aa.ReAlign])
    with pytest.raises(ParameterError, match="an int"):
        aa.leaderboard(pair, [3])


def test_controls_stand_in_no_race(pair):
    frame = aa.leaderboard(
        pair, ["oracle", "permuted", "bounded"], splits=3, curves=False
    ).to_frame()
    answers = frame.groupby("entry")["better_than_realign"].count()
    assert answers["oracle"] == answers["permuted"] == 0
    assert answers["bounded"] > 0


def test_scores_of_fitted_rows_come_with_a_warning(pair, tmp_path):
    split = pair.split(0)
    held = pair.take(split.holdout_pairs)
    method = aa.BoundedTransport().fit_pair(pair)
    for rows in (pair, held):
        with pytest.warns(FittedRowsWarning, match="these very source rows"):
            aa.evaluate(method, rows, k=5, intervals=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FittedRowsWarning)
        aa.evaluate(method.fit_pair(pair, split), held, k=5, intervals=False)
        method.save(tmp_path / "m.npz")
        loaded = aa.load_aligner(tmp_path / "m.npz")
        aa.evaluate(loaded, held, k=5, intervals=False)
    with pytest.warns(FittedRowsWarning, match="these very source rows"):
        aa.evaluate(loaded, pair.take(split.fit_source), k=5, intervals=False)


def test_a_model_file_knows_the_rows_it_was_fitted_on(pair, tmp_path):
    method = aa.ReAlign().fit_pair(pair)
    first, again = tmp_path / "first.npz", tmp_path / "again.npz"
    loaded = aa.load_aligner(method.save(first))
    np.testing.assert_array_equal(loaded.sketch_, method.sketch_)
    assert loaded.save(again).read_bytes() == first.read_bytes()
    assert loaded.saw(pair.source.vectors)
    with np.load(first) as parts:
        old = {key: parts[key] for key in parts.files if key != "sketch_"}
    np.savez(tmp_path / "old.npz", **old)
    earlier = aa.load_aligner(tmp_path / "old.npz")
    assert not earlier.saw(pair.source.vectors)
    np.testing.assert_array_equal(earlier.transform(pair.source), method.transform(pair.source))
    for broken in (old | {"sketch_": np.zeros(3)}, old | {"sketch_": np.zeros(3, np.uint64)}):
        np.savez(tmp_path / "broken.npz", **broken)
        with pytest.raises(FormatError, match="not a model"):
            aa.load_aligner(tmp_path / "broken.npz")


def test_the_command_line_warns_of_fitted_rows_too(tmp_path, capsys):
    for name, rows in (("text", Y), ("image", X), ("other", Y[:90])):
        np.save(tmp_path / f"{name}.npy", rows)
    model, image = str(tmp_path / "m.npz"), str(tmp_path / "image.npy")
    sides = ["--target", image, "--source", str(tmp_path / "text.npy")]
    assert main(["fit", "--method", "realign", *sides, "--out", model]) == 0
    assert main(["evaluate", "--model", model, *sides, "--k", "5"]) == 0
    assert "fitted on these very source rows" in capsys.readouterr().err
    sides[-1] = str(tmp_path / "other.npy")
    assert main(["evaluate", "--model", model, *sides, "--k", "5"]) == 0
    assert "fitted on these very source rows" not in capsys.readouterr().err


def test_every_option_has_words_and_its_default():
    verbs = next(
        action for action in build_parser()._actions if isinstance(action, _SubParsersAction)
    )
    names: dict[str, set[tuple[str, ...]]] = {}
    for verb in verbs.choices.values():
        if verb.methods is not None:
            verb.methods(verb)
        for action in verb._actions:
            assert action.help, (verb.prog, action.option_strings)
            if action.default not in (None, False, [], "==SUPPRESS=="):
                assert "default" in action.help, (verb.prog, action.option_strings)
            for name in action.option_strings:
                names.setdefault(name, set()).add(action.dest)
    for name in ("--modality", "--source-modality", "--key", "--source-key"):
        assert names[name] <= {"source_modality", "source_key"}, name


def test_a_diagnosis_can_leave_out_parts_and_rows(pair):
    whole = aa.diagnose(pair)
    some = aa.diagnose(pair, parts=("residual",))
    assert some.residual.trace == whole.residual.trace
    assert some.bias.centroid_gap == whole.bias.centroid_gap
    assert not some.subspaces and some.structure is None and np.isnan(some.separability)
    assert some.verdict.level == "unknown"
    part = aa.diagnose(pair, rows=50)
    assert (part.n_source, part.n_target) == (50, 50)
    assert any("sample of 50 source" in note for note in part.notes)
    with pytest.raises(ParameterError, match='no part "spectrum"'):
        aa.diagnose(pair, parts=["spectrum"])
    with pytest.raises(ParameterError, match="rows is 1"):
        aa.diagnose(pair, rows=1)


def test_the_command_line_leaves_out_parts(tmp_path, capsys):
    for name, rows in (("text", Y), ("image", X)):
        np.save(tmp_path / f"{name}.npy", rows)
    sides = ["--target", str(tmp_path / "image.npy"), "--source", str(tmp_path / "text.npy")]
    assert main(["diagnose", *sides, "--paired", "--parts", "residual"]) == 0
    said = capsys.readouterr().out
    assert "residual_trace" in said and "mutual_knn" not in said
    assert set(PARTS) == set(COMMAND_LINE_PARTS)
