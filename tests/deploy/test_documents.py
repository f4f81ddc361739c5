"""What is shipped for a server agrees with the code, and with what docs/SECURITY.md says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess

import pytest

from benchmarks.settings import (
    DOCUMENT,
    ROOT,
    SECTION,
    environment,
    settings,
    streamlit_settings,
    tables,
)

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "anisoalign-studio.service"
START = "streamlit run app/Home.py"
NAME = re.compile(r"ANISOALIGN_[A-Z]+(?:_[A-Z]+)*\b(?!_)")


def read_by_the_code() -> set[str]:
    """Names of the variables in the code of app and library."""
    found: set[str] = set()
    for folder in ("app", "pages", "anisoalign_core"):
        for path in (ROOT / folder).rglob("*.py"):
            found.update(NAME.findall(path.read_text(encoding="utf-8")))
    return found


def instructions() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(one.split()[0], one.split(None, 1)[1]) for one in lines if not one.startswith("#")]


def unit() -> list[tuple[str, str]]:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [tuple(one.split("=", 1)) for one in lines if "=" in one and not one.startswith("#")]


def test_every_variable_that_the_code_reads_is_in_the_table_and_in_the_env_file():
    known = {each.variable for each in settings()}
    assert read_by_the_code() == known
    assert {name for name in environment() if name.startswith("ANISOALIGN_")} == known


def test_the_env_file_shows_the_defaults():
    given = environment()
    for each in settings():
        assert given[each.variable] == (False, each.value)
    for each in streamlit_settings():
        assert given[each.variable] == (each.note == "the .env file", each.value)
    assert set(given) == {each.variable for each in (*settings(), *streamlit_settings())}


def test_the_document_holds_the_tables():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"<!-- {SECTION} -->\n\n{tables()}\n\n<!-- end of {SECTION} -->" in text, (
        "run python -m benchmarks.settings"
    )


def test_every_file_that_the_document_names_is_there():
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:tests|deploy|app|anisoalign_core|docs)/[\w./-]+)`", text))
    assert len(named) > 10
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_image_starts_the_app_as_an_ordinary_user():
    steps = instructions()
    assert steps[0] == ("FROM", "python:3.11-slim")
    users = [rest for word, rest in steps if word == "USER"]
    assert users == ["studio"]
    last = max(n for n, step in enumerate(steps) if step[0] in ("RUN", "COPY"))
    assert steps.index(("USER", "studio")) > last  # so what was copied is root's, and stays
    assert " ".join(json.loads(dict(steps)["CMD"])) == START
    assert f"&& {START}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert dict(steps)["EXPOSE"] == "8501"
    assert "/_stcore/health" in dict(steps)["HEALTHCHECK"]
    check = json.loads(dict(steps)["HEALTHCHECK"].split("CMD", 1)[1])
    compile(check[-1], "HEALTHCHECK", "exec")


def test_the_image_copies_what_is_there_and_all_that_the_app_needs():
    copied = []
    for word, rest in instructions():
        if word == "COPY":
            copied += rest.split()[:-1]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in kept if line.startswith("!")} == set(copied)
    assert {"app", "pages", "anisoalign_core", "sample_data", "requirements.txt"} <= set(copied)


def test_the_service_starts_the_app_as_a_user_of_its_own():
    says = dict(unit())
    assert says["ExecStart"].endswith(f"/bin/{START}")
    assert says["User"] == "anisoalign"
    assert says["EnvironmentFile"] == "/etc/anisoalign-studio.env"
    command = DEPLOY.joinpath("nginx.conf").read_text(encoding="utf-8")
    port = environment()["STREAMLIT_SERVER_PORT"][1]
    assert f"server 127.0.0.1:{port};" in command


def test_systemd_understands_the_service(tmp_path):
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    program = shlex.split(dict(unit())["ExecStart"])[0]
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text(encoding="utf-8").replace(program, "/bin/true"))
    done = subprocess.run(
        [tool, "verify", "--man=no", str(here)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(
        [tool, "security", "--offline=yes", "--threshold=15", "--no-pager", str(here)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout  # exposure of at most 1.5 of 10
