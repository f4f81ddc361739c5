"""What has another place now works under its old name, and says where to look instead."""

import importlib
import json
import subprocess
import sys

import pytest

import anisoalign_core as aa
from anisoalign_core import moved


@pytest.mark.parametrize(("old", "new"), moved.NAMES.items())
def test_a_name_that_moved_gives_the_same_thing(old, new):
    room, _, name = new.rpartition(".")
    where, _, short = f"anisoalign_core.{old}".rpartition(".")
    with pytest.warns(DeprecationWarning, match=rf"anisoalign_core\.{old} is .*{new} now") as said:
        found = getattr(importlib.import_module(where), short)
    assert found is getattr(importlib.import_module(f"anisoalign_core.{room}"), name)
    assert said[0].filename == __file__
    assert short not in importlib.import_module(where).__all__


LOOK = """
import importlib, json, warnings
from anisoalign_core import moved
found = {}
for old, new in moved.MODULES.items():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        before = importlib.import_module(f"anisoalign_core.{old}")
    now = importlib.import_module(f"anisoalign_core.{new}")
    names = [name for name in dir(now) if not name.startswith("__")]
    same = all(getattr(before, name) is getattr(now, name) for name in names)
    found[old] = [bool(names) and same, [str(one.message) for one in said]]
import anisoalign_core as aa
assert callable(aa.diagnose) and callable(aa.leaderboard)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def looked_up():
    """What each old module gives and says, in a process that has imported none of them."""
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("old", "new"), moved.MODULES.items())
def test_a_module_that_moved_gives_the_same_things(looked_up, old, new):
    same, said = looked_up[old]
    assert same
    assert any(f"anisoalign_core.{old} is anisoalign_core.{new} now" in one for one in said)


def test_a_function_is_not_hidden_by_the_module_of_its_name(pair):
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from anisoalign_core.diagnose import diagnose\n"
        "from anisoalign_core.leaderboard import Leaderboard, leaderboard\n"
        "import anisoalign_core as aa, numpy as np\n"
        "rows = np.random.default_rng(0).standard_normal((2, 60, 6))\n"
        "y, x = (aa.EmbeddingSet.from_array(r, modality=m) for r, m in zip(rows, 'ti'))\n"
        "print(aa.diagnose(aa.EmbeddingPair(y, x, paired=True)).n_source)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "60"


def test_a_room_can_still_be_called_as_the_function_it_was():
    items = aa.encode.find_items(captions=["a ring"]).items
    encoder = aa.encode.load_encoder(checkpoint=aa.sample_encoder_path())
    with pytest.warns(DeprecationWarning, match=r"anisoalign_core\.encode\(\) is .*encode\.encode"):
        old = aa.encode(items, encoder)
    new = aa.encode.encode(items, encoder)
    assert (old.texts.vectors == new.texts.vectors).all()


def test_names_that_never_were_are_said_so():
    with pytest.raises(AttributeError, match="has no 'nothing_of_the_kind'"):
        aa.nothing_of_the_kind  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("anisoalign_core.nothing_of_the_kind")


def test_about_fifty_names_stand_at_the_top():
    assert len(aa.__all__) <= 55
    assert not {"moved", "Any"} & set(aa.__all__)
