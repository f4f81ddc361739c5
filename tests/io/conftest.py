"""Sets that the reader and writer tests share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from anisoalign_core.embeddings import EmbeddingSet


@pytest.fixture
def array() -> NDArray[np.float32]:
    rows = np.random.default_rng(0).normal(size=(12, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def full_set(array: NDArray[np.float32]) -> EmbeddingSet:
    return EmbeddingSet.from_array(
        array,
        modality="text",
        ids=[f"id-{row}-é" for row in range(12)],
        captions=[f"caption {row}, with a comma and 漢字" for row in range(12)],
        labels=pd.DataFrame({"shape": ["ring", "star", "disc"] * 4, "count": range(12)}),
        model="ViT-B/16",
    )
