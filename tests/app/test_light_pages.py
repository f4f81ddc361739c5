"""No page loads torch, open_clip or umap before it needs them, and the whole story needs none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed import asked_for, asks_for, environment

ROOT = Path(__file__).resolve().parents[2]
HEAVY = "torch,open_clip,umap,numba,dask"
ABSENT = ("torch", "torchvision", "open_clip", "umap", "transformers", "sentence_transformers")
SCRIPT = """
import json, sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app/Home.py", default_timeout=120).run()
found = {}
for name in sys.argv[2:]:
    at.switch_page(f"../pages/{name}.py").run()
    for _ in range(7 if name == "learn" else 0):
        at.button(key="learn_next").click().run()
    assert not at.exception and not at.error, name
    found[name] = [m for m in sys.argv[1].split(",") if m in sys.modules]
    if name == "learn":
        assert at.subheader[0].value.startswith("8 of 8")
print(json.dumps(found))
"""
WORK = """
import importlib.util, json, sys
from collections import OrderedDict
from streamlit.testing.v1 import AppTest
import anisoalign_core as aa

assert [name for name in sys.argv[1].split(",") if importlib.util.find_spec(name)] == []

def settled(at):
    assert not at.exception and not at.error, [one.value for one in (*at.exception, *at.error)]
    return at

def go(name):
    return settled(at.switch_page(f"../pages/{name}.py").run())

def said():
    return [one.value.replace("\\\\", "") for one in at.info]

at = settled(AppTest.from_file("app/Home.py", default_timeout=120).run())
found = {"home": [one.label for one in at.metric]}
go("data")
found["data"] = at.subheader[0].value
go("spectra")
found["spectra"] = len(at.get("plotly_chart"))
go("directions")
found["directions"] = len(at.get("plotly_chart")), said()
go("encode")
found["encode"] = said()
for way in ("open_clip, by name", "a checkpoint file"):
    settled(at.segmented_control(key="encode_model").set_value(way).run())
    assert said() == found["encode"]
go("encoders")
found["encoders"] = len(at.dataframe[0].value)
go("learn")
found["learn"] = at.subheader[0].value

from app.session import Loaded  # Home has put the checkout on the path
at.session_state["loaded"] = Loaded(aa.load_sample().take(range(160)), "a part")
at.session_state["results"] = OrderedDict()
go("correct")
for method in ("realign", "coral", "sinkhorn", "procrustes", "bounded"):
    settled(at.selectbox(key="method").set_value(method).run())
settled(at.button(key="evaluate").click().run())
found["correct"] = [v for v in at.table[0].value["value"] if v != "–"]
settled(at.selectbox(key="method").set_value("anisoalign").run())
found["anisoalign"] = said(), [one.key for one in at.button]
settled(at.selectbox(key="method").set_value("bounded").run())
at.session_state["compare_methods"] = ["mean-shift", "bounded"]
at.session_state["compare_splits"] = 3
go("compare")
found["captions"] = said()
settled(at.button(key="compare_run").click().run())
found["compare"] = at.table[0].value.index.tolist()
go("export")
found["export"] = [one.proto.label for one in at.get("download_button")]
print(json.dumps(found))
"""
INSTALL = 'not installed. Run pip install "anisoalign-studio[{}]".'


def started(script, *given, path=(), **options):
    """Run a script in the checkout, and return what its last line says."""
    done = subprocess.run(
        [sys.executable, *options.pop("flags", ()), "-c", script, *given],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, *path)))},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_pages_load_nothing_heavy_by_being_opened():
    names = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
    found = started(SCRIPT, HEAVY, *names)
    assert set(found) == set(names)
    assert found == {name: [] for name in names}


def test_homes_first_numbers_wait_for_no_table_and_no_comparison():
    script = """
import json, sys
import app.links, app.session, app.widgets.glance, app.widgets.kept
from anisoalign_core.samples import load_sample, sample_report
assert sample_report("scenes", load_sample()).bias.centroid_gap.value > 0
print(json.dumps([m for m in sys.argv[1].split(",") if m in sys.modules]))
"""
    waits = "io,metrics.registry,align.base,gap.diagnose,geometry,compare,recipe"
    names = [f"anisoalign_core.{name}" for name in waits.split(",")]
    wait = ",".join(["pandas", "scipy", "sklearn", *names, "app.loading", "app.packed"])
    assert started(script, wait) == []


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """What ``pip install "anisoalign-studio[app]"`` installs, and nothing else."""
    packages = asked_for(asks_for("app"))
    return environment(tmp_path_factory.mktemp("light") / "site-packages", packages)


def test_the_pages_work_with_what_the_extra_app_installs_alone(light):
    found = started(WORK, ",".join(ABSENT), path=[light], flags=["-S"])
    assert "Gap between the means" in found["home"]
    assert found["data"] == "Loaded now: Captioned scenes"
    assert found["spectra"] >= 6
    figures, words = found["directions"]
    assert figures == 2
    assert [one.partition(" needs ")[0] for one in words] == ["Looking along texts", "A UMAP"]
    assert words[1] == "A UMAP needs umap, which is " + INSTALL.format("umap")
    (words,) = found["encode"]
    assert words == "This model needs open_clip, which is " + INSTALL.format("encode")
    assert found["encoders"] >= 6
    assert found["learn"].startswith("1 of 8")
    assert len(found["correct"]) >= 10
    words, buttons = found["anisoalign"]
    assert words == ["Training AnisoAlign needs torch, which is " + INSTALL.format("train")]
    assert "train" not in buttons
    needed = "Training caption decoders needs torch, which is " + INSTALL.format("train")
    assert found["captions"][-1] == needed
    assert "BoundedTransport" in found["compare"]
    assert "Download text-bounded-0.2.npy" in found["export"]
