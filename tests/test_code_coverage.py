"""The section on coverage of docs/RELIABILITY.md: every gap is explained, nothing is rounded up."""

import pytest

pytest.importorskip("coverage")

from benchmarks import code_coverage
from benchmarks.code_coverage import CORE, Counts, coverage_section


def test_lines_and_ways_count_together():
    one = Counts(90, 80, 10, 5)
    assert one.percent == 85.0
    assert (one + Counts(100, 100)).percent == pytest.approx(100 * 185 / 200)
    assert Counts().percent == 100.0
    assert Counts(10_000, 9_999).cells() == "10,000 | 0 | 100.0 | 99.9"


def test_every_gap_is_explained_and_no_other(monkeypatch):
    counts = {"io/good.py": Counts(20, 20), "io/poor.py": Counts(20, 10), "errors.py": Counts(5, 5)}
    monkeypatch.setattr(code_coverage, "GAPS", {})
    with pytest.raises(SystemExit, match=r"below 95 %: io/poor\.py"):
        coverage_section(counts)
    monkeypatch.setattr(code_coverage, "GAPS", {"io/poor.py": "half of it needs a printer."})
    text = coverage_section(counts)
    assert "2 of 3 modules reach 95 %" in text
    assert "* `io/poor.py`, 50.0 %: half of it needs a printer." in text
    assert "| `anisoalign_core/io/` | 40 | 0 | 100.0 | 75.0 |" in text
    assert "| `anisoalign_core/*.py` | 5 | 0 | 100.0 | 100.0 |" in text
    with pytest.raises(SystemExit, match=r"take them out: io/poor\.py"):
        coverage_section(counts | {"io/poor.py": Counts(20, 20)})


def test_gaps_are_of_modules_that_are_there():
    assert all((CORE / name).is_file() for name in code_coverage.GAPS)
