"""What docs/METHOD.md shows of scores runs, and its table has every scorer."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import anisoalign_core as aa

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "METHOD.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## Corrections of scores\n")[2].partition("\n## ")[0]


def test_the_table_has_every_scorer():
    assert re.findall(r"^\| ([a-z-]+) \|", SECTION, re.MULTILINE)[1:] == list(aa.SCORERS)


def test_the_index_of_the_example_gives_the_scores():
    (code,) = re.findall(r"```python scores\n(.*?)```", SECTION, re.DOTALL)
    rng = np.random.default_rng(0)
    sizes = {"queries": 20, "gallery": 50, "reference_queries": 60}
    names = {name: rng.normal(size=(n, 16)) for name, n in sizes.items()}
    names["aa"] = aa
    exec(code, names)
    scores = names["scorer"].scores(names["queries"], names["gallery"])
    np.testing.assert_array_equal(names["found"], np.argsort(-scores, axis=1)[:, :10])
    np.testing.assert_allclose(names["values"], -np.sort(-scores, axis=1)[:, :10], atol=1e-5)
