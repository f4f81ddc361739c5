"""The Learn page: eight steps that ask for a prediction first, on any session, and what is."""

from __future__ import annotations

import html
from collections import OrderedDict
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import anisoalign_core as aa
from anisoalign_core.metrics.retrieval import gallery_recall
from anisoalign_core.samples import load_training
from anisoalign_core.teach import Sentences
from app.session import Loaded
from app.widgets import learn
from app.widgets.learn_class import class_page
from app.widgets.learn_predictions import asked
from tests.app.live import along, live, live_facts
from tests.conftest import paired_world

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "app" / "Home.py"
STEPS = range(1, 9)
QUESTIONS = [*((step, 0) for step in range(1, 8)), *((8, part) for part in range(5))]
SEEN = {question: None for question in QUESTIONS}
"""All steps as who did not care to predict sees them."""
BALLS = {2: "learn_cone_view", 3: "learn_gap_view", 4: "learn_shift_view", 6: "learn_bounded_view"}


def open_learn(step: int | str | None = None, *, seen: bool = True, **state: object) -> AppTest:
    at = AppTest.from_file(HOME, default_timeout=120)
    if seen:
        state["learn_guesses"] = dict(SEEN)
    for key, value in state.items():
        at.session_state[key] = value
    at.switch_page("../pages/learn.py")
    if step is not None:
        at.query_params["step"] = str(step)
    return at.run()


def fine(at: AppTest) -> bool:
    return not at.exception and not at.error


def shown(at: AppTest) -> int:
    return int(at.subheader[0].value.split(" of ")[0])


def numbers(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def words(at: AppTest) -> str:
    return "\n".join(str(e.value) for kind in ("markdown", "caption") for e in getattr(at, kind))


@pytest.mark.parametrize("step", STEPS)
def test_a_link_opens_its_step_with_a_picture_a_caption_and_a_hidden_answer(step):
    at = open_learn(step)
    assert fine(at)
    assert shown(at) == step
    if step in (1, 8):
        assert at.get("plotly_chart")
        assert any(len(caption.value) > 60 for caption in at.caption)
    else:
        assert len(live_facts(at)["caption"]) > 60
        assert live_facts(at)["dial"]
    if step == 8:
        return
    question = at.expander[0]
    assert question.label.startswith("**Question.**")
    assert not question.proto.expanded
    assert len(question.markdown[0].value) > 100


def predict(at: AppTest, question: tuple[int, int], option: int | None) -> AppTest:
    """Choose an option and see what is; or see it without."""
    step, part = question
    if option is None:
        return at.button(key=f"learn_skip_{step}_{part}").click().run()
    kind = at.radio if step == 8 else at.select_slider
    kind(key=f"learn_guess_{step}_{part}").set_value(option).run()
    return at.button(key=f"learn_see_{step}_{part}").click().run()


@pytest.mark.parametrize("step", STEPS)
def test_a_step_answers_after_a_prediction_and_says_both(step):
    at = open_learn(step, seen=False)
    assert fine(at)
    one = asked((step, 0))
    assert one.prediction.asks in words(at)
    assert one.prediction.holds(one.found()) not in words(at)
    assert not at.expander
    predict(at, (step, 0), 1)
    assert fine(at)
    assert one.prediction.compared(1, one.found()) in words(at)
    if step < 8:
        assert at.expander[0].label.startswith("**Question.**")
    at.button(key=f"learn_again_{step}_0").click().run()
    assert one.prediction.compared(1, one.found()) not in words(at)
    predict(at, (step, 0), None)
    assert one.prediction.holds(one.found()) in words(at)


@pytest.mark.parametrize("step", range(3, 8))
def test_before_a_prediction_the_picture_holds_nothing_of_what_follows(step):
    first, held = live(open_learn(step, seen=False))
    assert first["dial"] is None
    assert len(first["grid"]) == len(first["frames"]) == 1
    assert all(len(along) == 1 for along in first["scores"].values())
    assert held["after"].size == 2 * held["source_rows"].size  # one place for each row
    assert not set(held) & {"raw", "held", "near", "near_cosines", "spread"}
    assert not {"lists", "way", "marks"} & first.keys()


@pytest.mark.parametrize("step", range(2, 8))
def test_the_picture_opens_at_the_beginning_and_marks_both(step):
    at = predict(open_learn(step, seen=False), (step, 0), 2)
    facts, one = live_facts(at), asked((step, 0))
    assert facts["dial"]["value"] == facts["dial"]["low"] < facts["opens"]
    assert facts["opens"] <= facts["dial"]["high"]
    predicted, found = facts["marks"]
    assert [predicted["words"], found["words"]] == ["predicted", "is"]
    along_the_dial = "at" if step == 7 else "height"
    assert predicted[along_the_dial] == one.prediction.places[2]
    assert found[along_the_dial] == pytest.approx(one.found())
    if step < 7:
        name, where = one.mark
        assert along(at, name)[where] == pytest.approx(one.found(), rel=1e-6)
        assert max(predicted["height"], found["height"]) <= facts["top"]
    if step < 4:  # another run was not asked about
        at.segmented_control(key=f"learn_{'cone' if step == 2 else 'gap'}_scale").set_value(3.0)
        at.run()
        assert "marks" not in live_facts(at)


def test_training_opens_at_its_beginning_and_plays_once():
    for step in (2, 3):
        dial = live_facts(open_learn(step))["dial"]
        assert dial["value"] == dial["low"] == 0
        assert dial["once"]


def test_every_claim_is_predicted_by_itself():
    at = open_learn(8, seen=False)
    verdicts = []
    for number in range(5):
        at.radio(key="learn_claim").set_value(number).run()
        assert "What holds" not in words(at)
        assert at.get("plotly_chart")
        assert at.button(key=f"learn_see_8_{number}").disabled  # nothing is chosen for anybody
        predict(at, (8, number), 1)
        assert fine(at)
        (said,) = [text for text in words(at).split("\n") if "What holds" in text]
        verdicts.append(said)
    assert len(set(verdicts)) == 5
    assert sum("What holds: **No.**" in text for text in verdicts) == 4


@pytest.mark.parametrize("link", ["0", "9", "many", "-3", "٣", "9" * 5000])
def test_a_wrong_link_opens_some_step(link):
    at = open_learn(link)
    assert fine(at)
    assert shown(at) in STEPS


@pytest.mark.parametrize("session", ["empty", "mine"])
@pytest.mark.parametrize("step", [1, 5, 8])
def test_the_story_is_the_samples_whatever_is_loaded(session, step):
    y, x = paired_world(40, 6)
    sides = (aa.EmbeddingSet.from_array(rows, modality="any") for rows in (y, x))
    held = Loaded(aa.EmbeddingPair(*sides), "mine") if session == "mine" else None
    at = open_learn(step, loaded=held, results=OrderedDict())
    assert fine(at)
    assert shown(at) == step
    assert at.session_state["loaded"] is held
    usual = open_learn(step)
    assert [e.proto.bytes for e in at.get("bidi_component")] == [
        e.proto.bytes for e in usual.get("bidi_component")
    ]
    assert [c.value for c in at.main.caption] == [c.value for c in usual.main.caption]


def test_next_and_back_walk_the_story_and_the_link_follows():
    at = open_learn()
    for step in STEPS:
        assert shown(at) == step
        assert at.query_params["step"] in (str(step), [str(step)])
        assert at.segmented_control(key="learn_row").value == step
        assert at.button(key="learn_back").disabled == (step == 1)
        assert at.button(key="learn_next").disabled == (step == 8)
        if step < 8:
            at.button(key="learn_next").click().run()
    at.button(key="learn_back").click().run()
    assert shown(at) == 7
    at.segmented_control(key="learn_row").set_value(3).run()
    assert shown(at) == 3
    assert fine(at)


def test_the_step_is_found_again_after_another_page():
    at = open_learn(4)
    at.switch_page("../pages/export.py").run()
    at.query_params.clear()
    at.switch_page("../pages/learn.py").run()
    assert shown(at) == 4


@pytest.mark.parametrize(("step", "key"), BALLS.items())
def test_four_steps_can_be_seen_on_a_ball_and_in_the_sample(step, key):
    for view in ("On a ball", "In the sample"):
        at = open_learn(step, **{key: view})
        assert fine(at)
        assert bool(at.get("bidi_component")) == (view == "In the sample")
        assert at.get("plotly_chart") or view == "In the sample"


def test_a_caption_finds_pictures_only_after_training():
    at = open_learn(1)
    for row in (4, 17, 22):
        at.selectbox(key="learn_caption").set_value(row).run()
        assert "its own comes **1st**" in words(at)
    at.segmented_control(key="learn_encoder").set_value("Before training").run()
    assert fine(at)
    assert "its own comes **1st**" not in words(at)


def test_opening_and_angle_move_the_gap_of_the_toy():
    at = open_learn(3, learn_gap_view="On a ball")
    gap = float(numbers(at)["Gap between the means"])
    at.slider(key="learn_angle").set_value(20).run()
    assert float(numbers(at)["Gap between the means"]) < gap / 2
    at.slider(key="learn_angle").set_value(0).run()
    assert float(numbers(at)["Partners' cosine"]) == 1


def test_time_and_temperature_show_the_checkpoints_measurements():
    training = load_training()
    at = open_learn(3)
    for scale in (100.0, 3.0, 10.0):
        at.segmented_control(key="learn_gap_scale").set_value(scale).run()
        assert fine(at)
        assert live_facts(at)["dial"]["says"] == list(training.steps)
        wanted = [training.measured[scale, step].gap for step in training.steps]
        assert list(along(at, "gap").values()) == pytest.approx(wanted)


def test_a_rotation_on_the_ball_keeps_the_neighbours_that_a_shift_loses():
    at = open_learn(4, learn_shift_view="On a ball")
    lost = float(numbers(at)["Neighbours kept"])
    at.segmented_control(key="learn_shift_method").set_value("rotate").run()
    assert float(numbers(at)["Neighbours kept"]) > 0.99 > lost + 0.2


def test_a_part_of_the_mean_shift_closes_the_gap_and_the_whole_leaves_almost_none():
    at = open_learn(4)
    gap = along(at, "gap")
    assert gap[0.0] > 0.9
    assert min(gap, key=gap.get) == 1.0
    assert along(at, "mixing_coverage")[1.0] < 0.3  # and captions do not cover pictures
    at.segmented_control(key="learn_shift_method").set_value("realign").run()
    assert fine(at)
    assert float(numbers(at)["Gap left"]) < 0.1


def test_the_residual_is_read_against_random_partners():
    at = open_learn(5)
    held, repaired, equal = (along(at, name) for name in ("energy", "repaired", "equal"))
    for count in (1.0, 10.0, 40.0):
        assert equal[count] < held[count] < repaired[count]
    facts = live_facts(at)
    assert len(facts["lists"]["rows"]) == 41
    pair = aa.load_sample("scenes")
    first = facts["lists"]["rows"][1][0][0]
    assert facts["words"]["source"][first] in pair.source.captions.tolist()


def test_a_larger_bound_covers_more_and_keeps_less():
    at = open_learn(6, learn_bounded_view="On a ball")
    seen = []
    for bound in (0.0, 0.5, float("inf")):
        at.select_slider(key="learn_alpha").set_value(bound).run()
        assert fine(at)
        seen.append(numbers(at))
    kept, covered = (
        [float(each[name]) for each in seen] for name in ("Neighbours kept", "Pictures covered")
    )
    assert covered == sorted(covered)
    assert kept[1] > kept[2]
    for step in (6, 7):
        at = open_learn(step)
        kept, covered = (list(along(at, n).values()) for n in ("omega", "mixing_coverage"))
        assert covered == sorted(covered)
        assert kept[-1] < kept[0]
    assert [one["label"] for one in live_facts(at)["way"]["others"]] == [
        "As they are",
        "Mean shift",
        "Rotation",
    ]


def test_the_class_can_be_taken_home_as_one_inert_file():
    page = class_page()
    assert len(page.encode()) < 8_000_000
    assert page.count("class='aal-payload'") == 9
    assert "http" not in page.replace("http-equiv", "")
    for step in learn.STEPS:
        assert html.escape(step.title) in page
        assert html.escape(step.question) in page
    assert "not a law" in page
    assert "<th>temperature</th>" in page
    for step in range(1, 8):
        assert html.escape(asked((step, 0)).prediction.asks) in page
    at = open_learn(3)
    assert any("Take this class home" in b.proto.label for b in at.get("download_button"))


def test_the_answer_about_temperature_is_the_bundled_runs_table():
    training = load_training()
    answer = open_learn(3).expander[0].markdown[0].value
    for scale in training.scales:
        place = training.scales.index(scale)
        hits = gallery_recall(training.source[place][-1], training.target[place][-1])
        assert f"| {1 / scale:.2g} |" in answer
        assert f"{hits['source_to_target']:.1%}" in answer
    assert "not a law" in answer


def test_one_picture_has_several_sentences_and_a_residual_that_stays():
    at = open_learn(5)
    told = words(at)
    assert "One picture, several true sentences" in told
    assert "This picture shows a big red crescent at dusk" in told
    assert "it is big, it is scarlet and it is on the left" in told
    first = numbers(at)
    assert float(first["Picture to mean"]) < float(first["Picture to caption"])
    pair = aa.load_sample("scenes-captions")
    known = Sentences.of(pair.source.vectors, pair.target.vectors, pair.matched)
    assert float(first["Two captions apart"]) == pytest.approx(
        (2 * known.spread[0]) ** 0.5, abs=5e-3
    )
    at.selectbox(key="learn_scene").set_value(3).run()
    assert fine(at)
    assert numbers(at)["Two captions apart"] != first["Two captions apart"]
