"""Memory of the neighbour search: n·k for the answer and one block, never n²."""

import tracemalloc

import numpy as np
import pytest

from anisoalign_core.metrics import cosines
from anisoalign_core.metrics.neighbours import top_k

K = 20


def peak_bytes(n):
    """Most bytes that NumPy held at once while n rows were searched, the rows not counted."""
    rows = np.random.default_rng(0).standard_normal((n, 8), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    tracemalloc.start()
    try:
        top_k(rows, rows, K)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(cosines, "BLOCK_CELLS", 2**18)


def test_beyond_the_limit_memory_grows_with_n_and_not_with_its_square(monkeypatch):
    monkeypatch.setattr(cosines, "HELD_CELLS", 2**20)
    peak_bytes(200)  # what a first call imports or caches is no part of the search
    small, large = peak_bytes(2000), peak_bytes(6000)
    answer = 6000 * K * (8 + 4)
    assert answer < large < answer + 4 * (4 * 2**18)  # the answer and a few blocks
    assert large < 3.3 * small  # nine times, if it grew with n²


def test_within_the_limit_the_whole_matrix_is_held_and_the_same_measure_sees_it(monkeypatch):
    monkeypatch.setattr(cosines, "HELD_CELLS", 2000**2)
    assert 4 * 2000**2 < peak_bytes(2000) < 1.5 * (4 * 2000**2)
    assert peak_bytes(2001) < 0.5 * (4 * 2001**2)
