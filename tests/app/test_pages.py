"""Pages under AppTest: every page on every kind of session, and what a person does to them."""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import anisoalign_core as aa
from app.session import Loaded, use_pair  # noqa: F401  (the page state's types)
from tests.app.live import exact_numbers as numbers
from tests.app.live import live_facts
from tests.conftest import paired_world

HOME = Path(__file__).resolve().parents[2] / "app" / "Home.py"
PAGES = (
    "home",
    "data",
    "encode",
    "spectra",
    "directions",
    "correct",
    "compare",
    "export",
    "encoders",
    "learn",
)


def pair_of(n=160, d=12, paired=True):
    y, x = paired_world(n, d)
    return aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", name="text.npy"),
        aa.EmbeddingSet.from_array(x, modality="image", name="image.npy"),
        paired=paired,
    )


def open_page(name, pair=None, **state):
    at = AppTest.from_file(HOME, default_timeout=90)
    if pair is not None:
        from collections import OrderedDict

        at.session_state["loaded"] = Loaded(pair, "mine") if pair != "empty" else None
        at.session_state["results"] = OrderedDict()
    for key, value in state.items():
        at.session_state[key] = value
    if name != "home":
        at.switch_page(f"../pages/{name}.py")
    return at.run()


def words(at):
    parts = [
        e.value
        for kind in ("title", "markdown", "caption", "error", "warning", "info", "success")
        for e in getattr(at, kind)
    ]
    return "\n".join(map(str, parts))


def read(at):
    """The first table that is there to be read, its words as a person sees them."""
    table = at.table[0].value
    named = {what: lambda text: text.replace("\\", "") for what in ("index", "columns")}
    return table.rename(**named)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_runs_on_the_sample(name):
    at = open_page(name)
    assert not at.exception
    assert not at.error
    assert at.title[0].value
    assert "4,000 pairs × 128 dimensions" in words(at)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("paired", [True, False])
def test_every_page_runs_on_an_upload(name, paired):
    at = open_page(name, pair_of(paired=paired))
    assert not at.exception
    assert not [error for error in at.error if "nothing to align" not in error.value]
    assert ("pairs × 12" if paired else "160 image + 160 text rows × 12") in words(at)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_what_to_do_when_nothing_is_loaded(name):
    at = open_page(name, "empty")
    assert not at.exception
    assert not at.error
    if name in ("encode", "encoders", "learn"):  # they need no set
        return
    assert at.info
    if name != "data":
        at.button[0].click().run()
        assert "4,000 pairs" in words(at)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("n", [2, 6, 20])
def test_every_page_survives_very_few_rows(name, n):
    at = open_page(name, pair_of(n=n, d=16))
    assert not at.exception
    assert "unexpected" not in words(at)


def test_the_untrained_sample_is_said_to_have_nothing_to_align():
    at = open_page("home")
    at.button(key="home_control").click().run()
    assert "There is nothing to align" in at.error[0].value
    assert "untrained" in words(at)


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def give(at, files):
    """Drop files, by their names, in the zone of the Data page."""
    turn = at.session_state["drop_round"] if "drop_round" in at.session_state else 0
    zone = at.file_uploader(key=f"drop_{turn}")
    zone.set_value([(name, data, "application/octet-stream") for name, data in files.items()])
    return at.run()


def upload(at, image, text):
    give(at, {"image.npy": image, "text.npy": text})
    load = at.button(key="load")
    return at if load.disabled else load.click().run()


def test_two_uploaded_files_become_the_loaded_pair():
    y, x = paired_world(90, 10)
    at = upload(open_page("data"), npy(x), npy(y))
    assert not at.error
    loaded = at.session_state["loaded"].pair
    np.testing.assert_allclose(loaded.source.vectors, y, atol=1e-6)
    assert loaded.paired
    assert "90 pairs × 10" in words(at)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.zeros((90, 10)), "all zeros"),
        (np.ones(10), "1 axes"),
        (np.ones((4, 4, 4)), "3 axes"),
        (np.ones((90, 7)) + np.eye(90, 7), "10 dimensions"),
        (np.eye(80, 10) + 1, "row i cannot belong to row i"),
        (b"not an array", "image.npy"),
        (b"", "image.npy"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00", "image.npy"),
    ],
)
def test_bad_uploads_are_refused_in_words_and_nothing_is_lost(image, expected):
    y, _ = paired_world(90, 10)
    at = upload(open_page("data"), image if isinstance(image, bytes) else npy(image), npy(y))
    assert not at.exception
    said = [*at.error, *at.warning][0].value
    assert expected in said.replace("\\", "")
    assert at.session_state["loaded"].sample == "scenes"


def test_broken_rows_are_named_and_can_be_dropped_from_both_sides():
    y, x = paired_world(90, 10)
    x = x.copy()
    x[7] = np.nan
    at = upload(open_page("data"), npy(x), npy(y))
    assert "row 7" in at.error[0].value.replace("\\", "").lower()
    assert at.session_state["loaded"].sample == "scenes"
    next(b for b in at.button if "Drop these rows" in b.label).click().run()
    assert not at.error
    loaded = at.session_state["loaded"].pair
    assert len(loaded.source) == len(loaded.target) == 89
    np.testing.assert_allclose(loaded.source.vectors, np.delete(y, 7, axis=0), atol=1e-6)


def test_the_bound_moves_the_numbers_and_reaches_the_export():
    at = open_page("correct", pair_of(n=400))
    before = numbers(at)
    at.number_input(key="bound").set_value(1.0).run()
    assert not at.exception
    assert numbers(at) != before
    at.switch_page("../pages/export.py").run()
    assert "α = 1.00" in words(at)
    assert "bound=1.0" in "".join(code.value for code in at.code)
    at.switch_page("../pages/correct.py").run()
    assert at.number_input(key="bound").value == 1.0


def test_auto_sets_the_bound_that_the_library_finds():
    pair = pair_of(n=400)
    at = open_page("correct", pair)
    at.button(key="auto").click().run()
    assert not at.exception
    split = pair.split(0, 0.2)
    fitted = aa.BoundedTransport().fit(
        pair.source.take(split.fit_source), pair.target.take(split.fit_target)
    )
    assert at.number_input(key="bound").value == pytest.approx(fitted.bound_)


@pytest.mark.parametrize("method", sorted(aa.ALIGNERS))
def test_every_method_can_be_chosen_and_exported(method):
    at = open_page("correct", pair_of())
    at.selectbox(key="method").set_value(method).run()
    assert not at.exception
    assert not at.error
    at.switch_page("../pages/export.py").run()
    assert not at.exception
    assert not at.error


def test_the_table_of_all_metrics_belongs_to_the_bound_it_was_computed_for():
    at = open_page("correct", pair_of(n=300))
    at.button(key="evaluate").click().run()
    assert not at.exception
    first = read(at)
    metrics = [
        aa.METRICS[name] for name in ("psi", "frechet", "recall_at_1_of_100_source_to_target")
    ]
    assert {one.label for one in metrics} <= set(first.index)
    at.number_input(key="bound").set_value(0.9).run()
    assert not at.table
    at.button(key="evaluate").click().run()
    second = read(at)
    covered = aa.METRICS["mixing_coverage"].label
    assert float(second.loc[covered, "value"]) > float(first.loc[covered, "value"])
    at.number_input(key="bound").set_value(0.2).run()
    assert read(at).equals(first)


def test_heavy_results_are_let_go_when_many_methods_were_tried():
    at = open_page("correct", pair_of())
    for method in ("realign", "mean-shift", "coral", "bures", "standardize"):
        at.selectbox(key="method").set_value(method).run()
        assert not at.exception
    kept = [key[1][0] for key in at.session_state["results"] if isinstance(key[1], tuple)]
    assert kept.count("trial") == 3


def test_methods_that_need_pairs_are_not_offered_without_them():
    at = open_page("correct", pair_of(paired=False))
    offered = " ".join(at.selectbox(key="method").options)
    assert "Procrustes" not in offered
    assert "BoundedTransport" in offered
    assert "they need pairs" in words(at)


def test_names_and_captions_are_shown_as_text():
    y, x = paired_world(60, 8)
    hostile = "<script>alert(1)</script> **bold** [x](http://a.b)"
    pair = aa.EmbeddingPair(
        aa.EmbeddingSet.from_array(y, modality="text", name=hostile, captions=[hostile] * 60),
        aa.EmbeddingSet.from_array(x, modality="image", captions=[hostile] * 60),
        paired=True,
    )
    for name in PAGES:
        at = open_page(name, pair)
        assert not at.exception
        for element in (*at.markdown, *at.caption, *at.warning, *at.error):
            assert not getattr(element.proto, "allow_html", False)
            assert "<script>" not in element.value


def test_the_split_settings_are_kept_and_used():
    at = open_page("data", pair_of(n=200))
    at.slider(key="holdout_slider").set_value(0.4).run()
    assert "80 pairs are held out" in words(at)
    at.switch_page("../pages/correct.py").run()
    assert "80 image + 80 text held-out rows" in live_facts(at)["caption"]


def test_the_server_folder_opens_only_what_lies_below_it(tmp_path, monkeypatch):
    from anisoalign_core.errors import FormatError
    from app.loading import data_root, listing, within

    inside = tmp_path / "open"
    inside.mkdir()
    y, x = paired_world(50, 8)
    np.save(inside / "image.npy", x)
    np.save(inside / "text.npy", y)
    np.save(tmp_path / "secret.npy", x)
    (inside / "link.npy").symlink_to(tmp_path / "secret.npy")
    monkeypatch.setenv("ANISOALIGN_DATA_ROOT", str(inside))
    root = data_root()
    assert {"image.npy", "text.npy"} <= set(listing(root))
    for escape in ("../secret.npy", "link.npy", str(tmp_path / "secret.npy")):
        with pytest.raises(FormatError, match="outside"):
            within(root, escape)
    at = open_page("data")
    at.multiselect(key="server_0").set_value(["image.npy", "text.npy"]).run()
    assert "image.npy (50 × 8) as image" in words(at).replace("\\", "").replace("*", "")
    at.button(key="load").click().run()
    assert not at.error
    assert "50 pairs × 8" in words(at)


def test_cancelled_work_changes_nothing_and_can_be_started_again():
    pair = pair_of()
    at = open_page("home", pair, cancelled={(pair.digest, "report")})
    assert not at.exception
    assert "cancelled; nothing was changed" in at.info[0].value
    assert at.session_state["loaded"].pair is pair
    at.button(key="again_Measuring the gap").click().run()
    assert not at.info
    assert at.metric


def test_progress_gives_an_estimate_and_a_way_out():
    def script():
        import time

        from app.widgets import progress

        progress.QUIET_SECONDS, progress.CANCEL_SECONDS = 0.0, 0.0
        with progress.progress_bar("Work", on_cancel=lambda: None) as tell:
            for step in range(1, 4):
                deadline = time.monotonic() + 0.05
                while time.monotonic() < deadline:
                    pass
                tell(step / 10, "doing")
            import streamlit as st

            st.session_state["seen"] = True

    at = AppTest.from_function(script)
    at.run()
    assert not at.exception
    assert at.session_state["seen"]
    assert not at.button  # gone when the work is done


def test_uploads_join_by_id_and_say_what_is_left_out():
    y, x = paired_world(60, 8)
    forward = "\n".join(f"k{i}" for i in range(60)).encode()
    backward = "\r\n".join(f"k{i}" for i in reversed(range(1, 61))).encode()
    ids = {"image.ids.txt": forward, "text.ids.txt": backward}
    at = give(open_page("data"), {"image.npy": npy(x), "text.npy": npy(y[::-1]), **ids})
    assert "partners by id; ids of image from" in words(at)
    at.button(key="load").click().run()
    assert not at.error
    pair = at.session_state["loaded"].pair
    assert len(pair.source) == 59
    assert pair.source.ids.tolist() == pair.target.ids.tolist()
    lost = "Left out, having no partner: 1 source id (k60) and 1 target id (k0)."
    assert lost in words(at).replace("\\", "")


def test_repeated_ids_are_one_thing_and_the_page_says_how_many():
    y, x = paired_world(40, 8)
    ids = [f"k{i}" for i in range(40)]
    files = {"image.npy": npy(x), "text.npy": npy(y), "image_ids.txt": "\n".join(ids).encode()}
    ids[3] = "k2"
    at = give(open_page("data"), files | {"ids_of_text.txt": "\n".join(ids).encode()})
    at.button(key="load").click().run()
    pair = at.session_state["loaded"].pair
    assert (len(pair.source), len(pair.target), pair.matched.count) == (40, 39, 39)
    said = " ".join(one.value for one in at.caption)
    assert "39 things: 39 image rows (1 each) and 40 text rows (1 to 2 each)" in said


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".parquet", ".tsv"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_export_format_holds_the_corrected_rows(suffix, dtype, tmp_path):
    from anisoalign_core.io import load_bytes, to_bytes

    pair = pair_of()
    method, corrected, _ = aa.cook(pair, "bounded", {"bound": 0.3})
    data = to_bytes(corrected, suffix, dtype=dtype, metadata={"method": "bounded"})
    again = load_bytes(data, f"out{suffix}", modality="text")
    tolerance = 1e-7 if dtype == "float32" else 1e-3
    np.testing.assert_allclose(again.vectors, method.transform(pair.source), atol=tolerance)
    at = open_page("export", pair)
    at.selectbox(key="export_format").set_value(suffix).run()
    at.radio(key="export_dtype").set_value(dtype).run()
    assert not at.exception
    assert f"bounded-0.2{suffix}" in words(at) + "".join(b.label for b in at.get("download_button"))


def choose_anisoalign(pair=None, steps=12):
    at = open_page("correct", pair or pair_of(n=240))
    at.selectbox(key="method").set_value("anisoalign").run()
    return set_steps(at, steps)


def set_steps(at, steps):
    at.number_input(key="aa_prior_steps").set_value(steps).run()
    at.number_input(key="aa_refine_steps_1500").set_value(steps).run()
    return at


def trained(at):
    """The trainings that the session keeps; none before the first."""
    return list(at.session_state["trainings"]) if "trainings" in at.session_state else []


def test_choosing_anisoalign_trains_nothing_until_asked():
    at = choose_anisoalign()
    at.segmented_control(key="aa_variant").set_value("corrected").run()
    at.number_input(key="aa_refine_steps_150").set_value(12).run()
    assert not at.exception
    assert not trained(at)
    assert not numbers(at)
    assert "begins when you press Train" in words(at)
    at.button(key="train").click().run()
    assert not at.exception
    assert not at.error
    (one,) = trained(at)
    assert one.method.variant == "corrected"
    assert len(one.method.losses_["total"]) == 12
    assert at.button(key="train").disabled
    assert len(numbers(at)) == 5
    assert f"hard limit β = {one.method.row_limit:.3g}" in words(at)


@pytest.mark.parametrize("paired", [True, False])
def test_bounds_move_the_numbers_without_another_training(paired):
    at = choose_anisoalign(pair_of(n=240, paired=paired), steps=60)
    at.button(key="train").click().run()
    (one,), before, said = trained(at), numbers(at), words(at)
    assert "ε = 0.5" in said
    at.slider(key="bound_theta").set_value(1.5).run()
    assert not at.exception
    assert numbers(at) != before
    assert "ε = " in words(at)
    assert "ε = 0.5" not in words(at)
    at.slider(key="bound_theta").set_value(0.0).run()
    at.slider(key="bound_rho").set_value(0.0).run()
    at.slider(key="bound_v").set_value(0.0).run()
    assert "ε = 0**" in words(at)
    assert "largest step is **0**" in words(at)
    assert trained(at)[0].trial is one.trial
    at.button(key="retrain").click().run()
    (again,) = trained(at)
    assert again.trial is not one.trial
    assert again.method.bounds.theta == 0.0


def test_a_stopped_training_leaves_the_earlier_correction_in_place(monkeypatch):
    from streamlit.runtime.scriptrunner import StopException

    from anisoalign_core.compare.study import Study

    at = choose_anisoalign()
    at.button(key="train").click().run()
    (one,), before = trained(at), numbers(at)
    set_steps(at, 14)
    assert "correction trained before" in words(at)
    assert numbers(at) == before

    def stopped(self, method, progress=None):
        method.fit(
            self.source, self.target, progress=lambda f, w: (_ for _ in ()).throw(StopException())
        )

    with monkeypatch.context() as patch:
        patch.setattr(Study, "fit", stopped)
        at.button(key="train").click().run()
    at.run()
    assert not at.exception
    assert "stopped before its end; nothing was changed" in words(at)
    assert trained(at)[0].trial is one.trial
    assert numbers(at) == before
    at.run()
    assert "stopped before its end" not in words(at)
    at.switch_page("../pages/export.py").run()
    assert "12 steps of the prior, 12 steps of the refinement" in words(at)


def test_anisoalign_is_exported_with_the_bounds_in_force_and_those_at_training():
    pair = pair_of(n=240)
    at = choose_anisoalign(pair)
    at.button(key="train").click().run()
    at.slider(key="bound_theta").set_value(0.9).run()
    at.switch_page("../pages/export.py").run()
    assert not at.code  # nothing is trained on arriving
    assert "training once more, on all rows" in words(at)
    at.button(key="cook").click().run()
    assert not at.exception
    assert not at.error
    kept = at.session_state["results"]
    (cooked,) = [value for key, value in kept.items() if key[1][0] == "cooked"]
    parameters = cooked.recipe.parameters
    assert parameters["bound_theta"] == 0.9
    assert tuple(parameters["train_bounds"]) == (0.3, 0.3, 0.02)
    assert set(cooked.recipe.scores_after) == set(cooked.recipe.scores_before) != set()
    again = aa.replay(aa.Recipe.from_json(cooked.recipe.to_json()), pair.source, pair.target)
    assert again.identical
    assert "theta=0.9" in at.code[0].value
    labels = "".join(b.label for b in at.get("download_button"))
    assert "text-anisoalign-0.9-0.3-0.02.npy" in labels
    at.switch_page("../pages/correct.py").run()
    assert at.slider(key="bound_theta").value == 0.9
    assert len(trained(at)) == 1


def test_the_start_alone_needs_no_training_and_has_no_bounds():
    at = open_page("correct", pair_of(n=240))
    at.selectbox(key="method").set_value("anisoalign").run()
    at.toggle(key="aa_refine").set_value(False).run()
    assert not at.exception
    assert len(numbers(at)) == 5
    assert "Nothing is trained" in words(at)
    assert not [slider for slider in at.slider if slider.key == "bound_theta"]
    at.switch_page("../pages/export.py").run()
    assert not at.exception
    assert "refine=False" in at.code[0].value


@pytest.mark.parametrize("view", ["What it knows", "Phases", "Couplings", "One block"])
@pytest.mark.parametrize("paired", [True, False])
def test_every_look_at_the_prior_is_drawn_in_words_and_figures(view, paired):
    at = choose_anisoalign(pair_of(n=240, d=40, paired=paired))
    at.toggle(key="aa_auto_rank").set_value(False).run()
    at.slider(key="aa_rank").set_value(32).run()
    at.button(key="train").click().run()
    before = len(at.get("plotly_chart"))
    at.session_state["prior_open"] = True
    at.session_state["prior_view"] = view
    at.run()
    assert not at.exception
    assert not at.error
    assert len(at.get("plotly_chart")) > before
    expected = {
        "What it knows": "target rows it has not seen",
        "Phases": "blocks 1 to 12 of 16",
        "Couplings": "couplings exceed chance",
        "One block": "turned most clockwise",
    }
    assert expected[view] in words(at)
    if view == "Phases":
        at.number_input(key="prior_page").set_value(2).run()
        assert "blocks 13 to 16 of 16" in words(at)


def test_a_training_belongs_to_its_set_and_split():
    at = choose_anisoalign()
    at.button(key="train").click().run()
    at.session_state["split_seed"] = 1
    at.run()
    assert not numbers(at)
    at.session_state["split_seed"] = 0
    at.run()
    assert len(numbers(at)) == 5
    at.session_state["loaded"] = Loaded(pair_of(n=200, d=8), "other")
    at.run()
    assert not at.exception
    assert not numbers(at)
    assert not trained(at)


def test_falsifiers_run_on_request_and_show_their_table(monkeypatch):
    import pandas as pd

    asked = {}

    class Found:
        notes = ("the *full* method",)

        def to_frame(self):
            columns = {"Ψ": [0.8, 0.7], "Ψ at equal Ω": [0.1, -3e-10]}
            return pd.DataFrame(columns, index=["start only", "full"])

    def recorded(pair, *, splits, method, progress):
        asked.update(splits=splits, method=method)
        progress(0.5, "half")
        return Found()

    # by its module: the library offers the function under the module's name
    monkeypatch.setattr(import_module("anisoalign_core.compare"), "falsify", recorded)
    at = choose_anisoalign()
    at.button(key="train").click().run()
    at.slider(key="bound_theta").set_value(1.0).run()
    assert not at.table
    at.segmented_control(key="falsify_splits").set_value(5).run()
    at.button(key="falsify").click().run()
    assert not at.exception
    assert asked["splits"] == 5
    assert asked["method"].phases.prior_steps == 12
    assert asked["method"].bounds.theta == 0.3  # the trained method, not the moved one
    scores, gains = (table.value for table in at.table)
    assert scores["Ψ"].to_dict() == {"start only": "0.800", "full": "0.700"}
    assert float(gains.loc["full", "Ψ"]) == 0  # float32 differences of nothing
    assert "the \\*full\\* method" in words(at)


def test_a_rotation_and_relaxed_stretches_can_be_chosen_and_exported():
    at = open_page("correct", pair_of(n=300))
    before = numbers(at)[0]
    at.button_group(key="recentre").set_value("rotate").run()
    assert not at.exception and not at.error
    at.button_group(key="rule").set_value("relax").run()
    assert not at.exception and not at.error
    assert numbers(at)[0] != before
    assert any("the largest fitted stretch" in text.value for text in at.markdown)
    assert at.session_state["choice"].parameters == {
        "frame": "full",
        "recentre": "rotate",
        "rule": "relax",
        "watch": "psi",
        "bound": 0.2,
    }
    at.switch_page("../pages/export.py").run()
    assert not at.exception and not at.error
    assert any("recentre='rotate'" in code.value for code in at.code)


def test_exports_onto_the_server_do_not_replace_each_others(monkeypatch, tmp_path):
    root = tmp_path / "exports"
    root.mkdir()
    monkeypatch.setenv("ANISOALIGN_EXPORT_ROOT", str(root))
    monkeypatch.setattr("app.widgets.export.DOWNLOAD_LIMIT", 0)
    for name in ("image/../../etc", "text"):
        y, x = paired_world(120, 8, seed=len(name))
        pair = aa.EmbeddingPair(
            aa.EmbeddingSet.from_array(y, modality=name),
            aa.EmbeddingSet.from_array(x, modality="picture"),
            paired=True,
        )
        for _ in range(2):  # twice is the same file
            at = open_page("export", pair)
            next(each for each in at.button if each.label.startswith("Write ")).click().run()
            assert not at.exception
            assert "Written" in at.success[0].value
    written = sorted(path.relative_to(root) for path in root.rglob("*.npy"))
    assert len(written) == 2
    for path in written:
        folder, file = path.parts
        assert len(folder) == 12
        assert file.startswith(("image-------etc-bounded", "text-bounded"))
        recipe = aa.Recipe.from_json((root / path).with_suffix(".recipe.json").read_text())
        assert recipe.output_digest.startswith(folder)
    assert [path.name for path in tmp_path.iterdir()] == [root.name]
