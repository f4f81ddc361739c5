"""The reference of the site has every public name, once."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

import anisoalign_core as aa
from anisoalign_core.cli.parser import build_parser
from docs._site.reference import ALSO, FORMULAS, ROOMS, SHARED, WITHOUT, Reference, called, names
from tests.test_architecture import MAY_IMPORT

DIRECTIVE = re.compile(r"^\.\. (?:autoclass|autofunction):: anisoalign_core\.(\S+)$", re.MULTILINE)
DATA = re.compile(r"^\.\. py:data:: (\S+)\n   :module: anisoalign_core\.?(\S*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    made = Reference(tmp_path_factory.mktemp("docs") / "reference")
    made.write()
    return made


@pytest.fixture(scope="module")
def described(reference):
    """Names that pages describe, as often as they do."""
    pages = [path.read_text(encoding="utf-8") for path in reference.place.glob("*.rst")]
    found = [name for page in pages for name in DIRECTIVE.findall(page)]
    return found + [
        f"{room}.{name}".lstrip(".") for page in pages for name, room in DATA.findall(page)
    ]


def rooms_with_names():
    """Packages and modules of the library that list public names."""
    for each in pkgutil.walk_packages(aa.__path__, "anisoalign_core."):
        module = importlib.import_module(each.name)
        if hasattr(module, "__all__") and each.ispkg:
            yield each.name.removeprefix("anisoalign_core.")


def test_every_room_that_lists_names_has_a_page():
    listing = set(rooms_with_names())
    assert {"align", "gap", "compare.use", "io", "engine", "encode"} <= listing
    assert sorted(listing - set(ROOMS)) == []


def test_every_room_of_the_house_is_in_the_reference_or_says_why_not():
    told = {room.partition(".")[0] for room in (*ROOMS, *SHARED)} | set(WITHOUT)
    assert sorted(set(MAY_IMPORT) - told) == []
    assert set(FORMULAS) | set(ALSO) <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_described(room, reference, described):
    """``names`` reads what a room lists; here that list itself is read."""
    module = importlib.import_module(called(room))
    listed = getattr(module, "__all__", None) or [one.name for one in names(room)]
    missing = []
    for name in listed:
        thing = getattr(module, name)
        if inspect.ismodule(thing):
            assert thing.__name__.removeprefix("anisoalign_core.") in reference.pages
            continue
        (one,) = [one for one in names(room) if one.name == name]
        full = reference.known[one.key].full.removeprefix("anisoalign_core.")
        if full not in described:
            missing.append(name)
        page = reference.pages[room or "daily"]
        assert any(f"`{name} <" in line for line in page), f"{name} is not in the table of {room}"
    assert missing == []


def test_nothing_is_described_twice(described):
    assert sorted({name for name in described if described.count(name) > 1}) == []


def test_every_name_says_in_a_sentence_what_it_is(reference):
    silent = [one.full for one in reference.known.values() if not one.first]
    assert silent == []


def test_every_verb_has_its_help(reference):
    text = "\n".join(reference.pages["command-line"])
    (verbs,) = [a for a in build_parser()._actions if getattr(a, "dest", "") == "verb"]
    for verb in verbs.choices:
        assert f"anisoalign {verb}\n---" in text and f"usage: anisoalign {verb} " in text


def test_pages_of_rooms_that_are_gone_are_removed(tmp_path):
    place = tmp_path / "reference"
    place.mkdir()
    (place / "gone.rst").write_text("gone")
    Reference(place).write()
    assert not (place / "gone.rst").exists() and (place / "index.rst").exists()


def test_registries_are_shown_as_tables(reference):
    assert sum("   * - ``" in line for line in reference.pages["align"]) == len(aa.ALIGNERS)
    assert sum("   * - ``" in line for line in reference.pages["metrics"]) == len(aa.METRICS)
