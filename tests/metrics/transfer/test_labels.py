"""Label transfer: what corrected rows teach."""

import numpy as np
import pandas as pd

from anisoalign_core.metrics.transfer import class_columns, label_transfer


def test_rows_of_one_place_teach_and_rows_of_another_do_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    centres = 3 * np.eye(3, 6)
    rows = centres[labels] + 0.3 * rng.standard_normal((300, 6))
    goal = rng.integers(0, 3, 200)
    near = centres[goal] + 0.3 * rng.standard_normal((200, 6))
    assert label_transfer(rows, labels, near, goal) > 0.98
    turned = np.roll(centres, 1, axis=0)[goal] + 0.3 * rng.standard_normal((200, 6))
    assert label_transfer(rows, labels, turned, goal) < 0.05


def test_only_columns_that_name_classes_count():
    table = pd.DataFrame(
        {
            "shape": ["a", "b"] * 40,
            "name": [f"row {i}" for i in range(80)],
            "same": ["x"] * 80,
            "torn": ["a", None] * 40,
        }
    )
    assert class_columns(table) == ["shape"]
    assert class_columns(None) == []
