"""Inputs that once crashed a reader, and some fresh ones, are read or refused in one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from campaigns.fuzz.campaign import alarmed, campaign, canary, run_one
from campaigns.fuzz.readers import ENVIRONMENT, READERS

CORPUS = Path(__file__).parent / "corpus"
KEPT = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))
FRESH = 150
"""Inputs for each reader; ``python -m campaigns.fuzz.run`` tries as many as you like."""


@pytest.fixture(autouse=True)
def _tight_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", READERS)
def test_fresh_damage_is_read_or_refused(name: str) -> None:
    found = campaign(READERS[name], FRESH, seed=-1)
    assert found.inputs == FRESH
    assert not found.crashes
    assert found.refused > 0


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """A sound input of each reader, made once: a model takes training."""

    @cache
    def made(name: str) -> bytes:
        return READERS[name].seeds(tmp_path_factory.mktemp(name))[0]

    return made


@pytest.mark.parametrize("kept", KEPT)
def test_what_once_crashed_is_read_or_refused(
    kept: str, sound: Callable[[str], bytes], tmp_path: Path
) -> None:
    reader = READERS[kept.partition("/")[0]]
    data = (CORPUS / kept).read_bytes()
    watch = canary(tmp_path)
    with alarmed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_one(reader, sound(reader.name), tmp_path, watch, armed=False)
        outcome = run_one(reader, data, tmp_path, watch)
    assert not outcome.is_crash, outcome.report


def test_a_canary_stops_what_no_reader_may_do(tmp_path: Path) -> None:
    import subprocess
    import sys
    from dataclasses import replace

    def wrong(data: bytes, folder: Path) -> str:
        try:
            subprocess.run([sys.executable, "-c", ""], check=False)
        except Exception:
            return "swallowed"
        return "done"

    def writes(data: bytes, folder: Path) -> str:
        (folder.parent / "elsewhere").write_bytes(data)
        return "done"

    with alarmed():
        for read in (wrong, writes):
            outcome = run_one(replace(READERS["npy"], read=read), b"", tmp_path, canary(tmp_path))
            assert outcome.kind == "Forbidden"
    assert not (tmp_path.parent / "elsewhere").exists()
