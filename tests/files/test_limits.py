from __future__ import annotations

import pytest

from anisoalign_core.errors import LimitError, ParameterError
from anisoalign_core.files.limits import Limits, check_declared


def test_defaults_without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS", "DIM", "BYTES"):
        monkeypatch.delenv(f"ANISOALIGN_MAX_{name}", raising=False)
    assert Limits.from_env() == Limits()


def test_environment_changes_three_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANISOALIGN_MAX_ROWS", "7")
    monkeypatch.setenv("ANISOALIGN_MAX_DIM", "8")
    monkeypatch.setenv("ANISOALIGN_MAX_BYTES", " 9 ")
    assert Limits.from_env() == Limits(max_rows=7, max_dim=8, max_bytes=9)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e6", "²", "9" * 5000])
def test_senseless_environment_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ANISOALIGN_MAX_ROWS", value)
    with pytest.raises(ParameterError, match="ANISOALIGN_MAX_ROWS"):
        Limits.from_env()


@pytest.mark.parametrize(
    ("rows", "dim", "words"),
    [
        (101, 1, "101 rows × 1 columns; the limit is 100 rows.*ANISOALIGN_MAX_ROWS"),
        (1, 51, "the limit is 50 columns.*ANISOALIGN_MAX_DIM"),
        (100, 50, r"19\.5 KiB in memory; the limit is 9\.8 KiB.*ANISOALIGN_MAX_BYTES"),
    ],
)
def test_sentence_names_declaration_limit_and_remedy(rows: int, dim: int, words: str) -> None:
    limits = Limits(max_rows=100, max_dim=50, max_bytes=10_000)
    with pytest.raises(LimitError, match=words):
        check_declared(rows, dim, 4, "a.npy", limits)


def test_the_limit_itself_is_allowed() -> None:
    check_declared(100, 50, 4, "a.npy", Limits(max_rows=100, max_dim=50, max_bytes=20_000))
