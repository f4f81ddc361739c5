"""The wheel, installed away from the checkout: one word starts the app, with the sample."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import anisoalign_core
from anisoalign_core.cli.parser import build_parser
from anisoalign_core.samples import SAMPLES
from campaigns.load.server import Server
from tests.browser.steps import numbers, settle
from tests.conftest import paired_world
from tests.installed import (
    BUILT_FROM,
    PROJECT,
    ROOT,
    Installed,
    asked_for,
    build,
    copied,
    environment,
    install,
)

STUDIO = ("app", "pages", "sample_data")
SAMPLE = ["--target", "sample:scenes", "--source", "sample:scenes", "--paired"]
WHERE = """
import json, sys, anisoalign_core as aa
from anisoalign_core import samples
rows = {name: len(aa.load_sample(name).source) for name in samples.SAMPLES}
training = len(samples.load_training().steps)
print(json.dumps([aa.__file__, str(samples.ROOT), sys.path, rows, training]))
"""


LIBRARY = re.compile(r"```python\n(.*?)```", re.DOTALL)
SHELL = re.compile(r"```(?:bash)?\n(anisoalign .*?)```", re.DOTALL)
ELSEWHERE = re.compile(r"^anisoalign (?:encode|atlas|falsify) (?:.*\\\n)*.*\n", re.MULTILINE)
"""Lines that need weights of a hub, or minutes: see tests/encode, bench and test_falsifiers.py."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that was built from it."""
    return build(tmp_path_factory.mktemp("built"))


def test_an_editable_install_is_compiled_as_pip_compiles_what_it_copies(tmp_path):
    copy = copied(tmp_path)
    code = "from setuptools.build_meta import build_editable; build_editable('.')"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True)
    written = [
        path for name in ("anisoalign_core", "app", "pages") for path in (copy / name).rglob("*.py")
    ]
    assert len(written) > 300
    assert all(Path(importlib.util.cache_from_source(str(path))).is_file() for path in written)


@pytest.fixture(scope="module")
def wheel(built):
    return built[1]


@pytest.fixture(scope="module")
def place(wheel, tmp_path_factory):
    return install(wheel, tmp_path_factory.mktemp("installed"))


def beside(place, extra, folder):
    """The wheel with what one of its extras asks for; the library alone where there is none."""
    (found,) = metadata.distributions(name=PROJECT, path=[str(place)])
    wanted = asked_for(found.requires, extra)
    return Installed(place, environment(folder / "site-packages", wanted))


@pytest.fixture(scope="module")
def library(place, tmp_path_factory):
    return beside(place, "", tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def light(place, tmp_path_factory):
    return beside(place, "app", tmp_path_factory.mktemp("light"))


def files_below(folder):
    """Files with their sizes and times: what is written changes this."""
    every = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in every}


def test_the_wheel_holds_every_file_once_and_nothing_else(wheel):
    expected = set()
    for room in ("anisoalign_core", *STUDIO):
        below = "" if room == "anisoalign_core" else "anisoalign_studio/"
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                expected.add(f"{below}{path.relative_to(ROOT).as_posix()}")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    found = {name for name in names if not re.match(r"anisoalign_studio-[\d.]+\.dist-info/", name)}
    assert found == expected
    assert len(names) == len(set(names))
    assert "anisoalign_core/py.typed" in found


def test_the_sdist_holds_what_builds_the_wheel_and_what_it_says(built):
    with tarfile.open(built[0]) as opened:
        parts = [name.split("/", 2)[1:] for name in opened.getnames()]
    expected = {*BUILT_FROM, "PKG-INFO", "setup.cfg", "anisoalign_studio.egg-info"}
    assert {part[0] for part in parts if part} == expected


def test_an_index_would_take_both_and_show_no_broken_link(built, place):
    check = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, built)]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2
    (found,) = metadata.distributions(name=PROJECT, path=[str(place)])
    text = found.metadata["Description"] or found.metadata.get_payload()
    assert "anisoalign apply" in text and "Five minutes with it go" in text
    assert [to for to in re.findall(r"\]\(([^)]*)\)", text) if "://" not in to] == []
    assert "<img" not in text


def test_what_the_wheel_says_of_itself(wheel, place):
    (found,) = metadata.distributions(name=PROJECT, path=[str(place)])
    version = anisoalign_core.__version__
    assert found.version == version
    assert wheel.name == f"anisoalign_studio-{version}-py3-none-any.whl"
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (day,) = re.findall(rf"^version: {version}\ndate-released: (\S+)$", cited, re.MULTILINE)
    assert f"\n## {version} – {day}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert wheel.name in (ROOT / "docs" / "INSTALL.md").read_text(encoding="utf-8")
    assert found.metadata["License-Expression"] == "Apache-2.0"
    licence = next(file for file in found.files if file.name == "LICENSE")
    assert licence.read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_library_finds_the_sample_in_the_wheel(library, place, tmp_path):
    done = library.run(library.python("-c", WHERE), tmp_path)
    assert done.returncode == 0, done.stderr
    where, root, path, rows, training = json.loads(done.stdout)
    assert where == str(place / "anisoalign_core" / "__init__.py")
    assert root == str(place / "anisoalign_studio" / "sample_data")
    assert [one for one in path if one and one.startswith(str(ROOT))] == []
    assert rows == {"scenes": 4000, "scenes-untrained": 4000, "scenes-captions": 3000}
    assert set(rows) == set(SAMPLES) and training > 1


def test_the_command_line_measures_the_sample_and_says_what_the_app_needs(library, tmp_path):
    measure = ["diagnose", *SAMPLE, "--parts", "--json", "-", "--quiet"]
    done = library.run(library.anisoalign(*measure), tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_source"] == 4000
    done = library.run(library.anisoalign("studio"), tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "anisoalign studio: The app needs streamlit, which is not installed. "
        'Run pip install "anisoalign-studio[app]".\n'
    )


def lines(name, found):
    """What a page shows to type, from its blocks of one kind."""
    return "".join(found.findall((ROOT / name).read_text(encoding="utf-8")))


@pytest.fixture
def rows(tmp_path):
    """A folder with the files that README.md and docs/COMMANDS.md name."""
    for suffix, seed in (("", 0), ("_eval", 1)):
        y, x = paired_world(120, 16, seed)
        np.save(tmp_path / f"text{suffix}.npy", y)
        np.save(tmp_path / f"image{suffix}.npy", x)
    return tmp_path


def typed(installed, script, folder):
    """Run lines of a shell as they stand, where ``anisoalign`` is the installed one."""
    program = folder / "bin" / "anisoalign"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(installed.anisoalign())} "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    given = installed.variables | {"PATH": path, "OMP_NUM_THREADS": "1"}
    del given["PYTHONDONTWRITEBYTECODE"]  # twenty processes compile the library once
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_the_lines_of_the_readme_run(library, rows):
    script = lines("README.md", SHELL)
    assert script.count("anisoalign ") == 6
    done = typed(library, script, rows)
    assert done.returncode == 0, done.stderr
    by_shell = np.load(rows / "aligned.npy")
    assert (rows / "live.html").stat().st_size > 1 << 14
    (rows / "aligned.npy").unlink()
    code = lines("README.md", LIBRARY)
    done = library.run(library.python("-c", code), rows)
    assert done.returncode == 0, done.stderr
    assert "centroid_gap" in done.stdout
    np.testing.assert_array_equal(np.load(rows / "aligned.npy"), by_shell)


def test_the_lines_of_the_page_of_commands_run_or_are_tested_elsewhere(library, rows):
    script = lines("docs/COMMANDS.md", SHELL)
    elsewhere = ELSEWHERE.findall(script)
    assert [line.split()[1] for line in elsewhere] == ["falsify", "encode", "atlas"]
    for line in elsewhere:
        given = shlex.split(line.replace("\\\n", " "))[1:]
        assert build_parser().parse_args(given).verb == given[0]
    here = ELSEWHERE.sub("", script)
    shown = {*re.findall(r"^anisoalign (\S+)", script, re.MULTILINE), "studio"}
    assert [shown] == [set(one.choices) for one in build_parser()._actions if one.dest == "verb"]
    done = typed(library, here, rows)
    assert done.returncode == 0, done.stderr
    made = "report.json aligned.npy live.html board.html again.npy rows.npy encoders.html"
    assert [name for name in made.split() if not (rows / name).is_file()] == []
    np.testing.assert_array_equal(np.load(rows / "again.npy"), np.load(rows / "aligned.npy"))


@pytest.mark.browser
def test_one_word_starts_the_app_and_every_page_opens_and_asks_nobody_else(
    light, place, browser, tmp_path
):
    names = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
    before = files_below(place)
    command = lambda port: light.anisoalign("studio", "--headless", "--port", str(port))  # noqa: E731
    with Server(keep=1, environment=light.variables, command=command) as server:
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        faults, asked = [], set()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: asked.add(request.url))
        for name in names:
            page.goto(f"{server.url}/{'' if name == 'home' else name}")
            heading = page.get_by_role("heading", level=1).first
            heading.wait_for()
            settle(page)
            title = "AnisoAlign Studio" if name == "home" else name.capitalize()
            assert heading.inner_text() == title
            assert page.get_by_test_id("stException").count() == 0, name
            assert page.get_by_text("Something unexpected went wrong").count() == 0, name
            if name == "home":
                assert "0.972" in numbers(page)
                listed = page.get_by_test_id("stSidebarNav").get_by_role("link")
                titles = {one.capitalize() for one in names}
                assert {words.split()[-1] for words in listed.all_inner_texts()} == titles
        page.close()
        taken = light.run(command(int(server.url.rpartition(":")[2])), tmp_path)
        server.end()
        assert server.faults() == []
    assert faults == []
    assert {url for url in asked if not url.startswith((server.url, "data:", "blob:"))} == set()
    assert taken.returncode == 3
    assert taken.stderr.count("\n") == 1 and "cannot be used" in taken.stderr
    assert files_below(place) == before


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(port, capsys):
    from anisoalign_core.cli import main

    assert main(["studio", f"--port={port}"]) == 2
    assert f"--port is {port}; give a number from 1 to 65535." in capsys.readouterr().err
