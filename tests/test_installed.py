"""The wheel, installed away from the checkout: one word starts the app, with the sample."""

import json
import re
import zipfile
from importlib import metadata

import pytest

import anisoalign_core
from anisoalign_core.samples import SAMPLES
from campaigns.load.client import Session
from campaigns.load.server import Server
from tests.installed import PROJECT, ROOT, Installed, asked_for, build_wheel, environment, install

STUDIO = ("app", "pages", "sample_data")
SAMPLE = ["--target", "sample:scenes", "--source", "sample:scenes", "--paired"]
WHERE = """
import json, sys, anisoalign_core as aa
from anisoalign_core import samples
rows = {name: len(aa.load_sample(name).source) for name in samples.SAMPLES}
training = len(samples.load_training().steps)
print(json.dumps([aa.__file__, str(samples.ROOT), sys.path, rows, training]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


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


def test_what_the_wheel_says_of_itself(wheel, place):
    (found,) = metadata.distributions(name=PROJECT, path=[str(place)])
    version = anisoalign_core.__version__
    assert found.version == version
    assert wheel.name == f"anisoalign_studio-{version}-py3-none-any.whl"
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in cited
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


def test_one_word_starts_the_app_and_every_page_opens(light, place, tmp_path):
    before = files_below(place)
    titles = {path.stem.capitalize() for path in (ROOT / "pages").glob("*.py")}
    command = lambda port: light.anisoalign("studio", "--headless", "--port", str(port))  # noqa: E731
    with Server(keep=1, environment=light.variables, command=command) as server:
        session = Session(server.url, timeout=120).open()
        assert session.metrics()["Gap between the means"] == "0.972"
        assert set(session.pages) == titles
        for title in sorted(titles):
            session.go(title)
            assert session.errors() == []
            (heading,) = [node.proto.body for node in session.screen.all("heading")][:1]
            assert heading == ("AnisoAlign Studio" if title == "Home" else title)
        session.close()
        taken = light.run(command(int(server.url.rpartition(":")[2])), tmp_path)
        server.end()
        assert server.faults() == []
    assert taken.returncode == 3
    assert taken.stderr.count("\n") == 1 and "cannot be used" in taken.stderr
    assert files_below(place) == before


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(port, capsys):
    from anisoalign_core.cli import main

    assert main(["studio", f"--port={port}"]) == 2
    assert f"--port is {port}; give a number from 1 to 65535." in capsys.readouterr().err
