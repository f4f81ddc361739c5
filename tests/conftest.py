"""Fixtures shared by all tests: small seeded worlds and the optional reference data."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when BLAS and torch are loaded
# pytest has several workers: more threads than cores wait for each other and spin meanwhile
os.environ.setdefault("ANISOALIGN_SESSION_HOURS", "0")  # nothing of a test's is kept for another

import numpy as np
import pytest

from anisoalign_core.embeddings import EmbeddingSet
from anisoalign_core.pairs import EmbeddingPair
from tests.browser.steps import CHROMIUM
from tests.sentences import doubled

SLOW = (
    "app",
    "bench/test_atlas.py",
    "browser",
    "campaigns",
    "deploy",
    "encode",
    "engine/test_dask.py",
    "engine/test_resume.py",
    "gap/test_training_docs.py",
    "metrics/transfer",
    "plots/test_leaderboard.py",
    "plots/test_notebook.py",
    "site/test_docs_example.py",
    "teach/test_story.py",
    "test_advice.py",
    "test_cli_encoders.py",
    "test_falsifiers.py",
    "test_installed.py",
    "test_leaderboard.py",
    "test_leaderboard_real_data.py",
    "test_notebooks.py",
    "test_publish.py",
    "test_sample_files.py",
    "test_training_files.py",
)
"""Below tests/: what ``pytest -m "not slow"`` leaves out, so that it ends within 90 seconds."""


MAIN = sys.modules["__main__"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Put back what a page that was tested left in its place: processes that begin run it first."""
    sys.modules["__main__"] = MAIN


def pytest_collection_finish() -> None:
    """Keep thousands of tests out of what is looked through for garbage."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long, and begin with it, so that no worker is left with it at the end."""
    root = Path(__file__).parent
    slow = [root / place for place in SLOW]
    long = {
        path
        for path in {item.path for item in items}
        if any(path.is_relative_to(place) for place in slow)
    }
    for item in items:
        if item.path in long:
            item.add_marker(pytest.mark.slow)
    late = {path for item in items if "slow" not in item.keywords for path in [item.path]}
    late -= {root / "test_wide.py"}
    items.sort(key=lambda item: item.path in late)


def paired_world(n: int = 300, d: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit source and target rows that share a latent, with different means and covariances."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, d)) * np.linspace(1.0, 0.2, d)
    mix_y, mix_x = np.linalg.qr(rng.standard_normal((d, d)))[0], np.eye(d)
    y = shared @ (0.8 * mix_x + 0.2 * mix_y) + 0.3 * rng.standard_normal((n, d))
    x = shared * np.linspace(0.7, 1.4, d) + 0.3 * rng.standard_normal((n, d))
    y, x = y + 2.0 * rng.standard_normal(d), x + 2.0 * rng.standard_normal(d)
    unit = lambda rows: (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)  # noqa: E731
    return unit(y), unit(x)


@pytest.fixture
def world() -> tuple[np.ndarray, np.ndarray]:
    """Return (source, target) rows of a small paired world."""
    return paired_world()


@pytest.fixture
def pair(world: tuple[np.ndarray, np.ndarray]) -> EmbeddingPair:
    """Return the small world as a paired EmbeddingPair."""
    y, x = world
    return EmbeddingPair(
        EmbeddingSet.from_array(y, modality="text", name="text.npy"),
        EmbeddingSet.from_array(x, modality="image", name="image.npy"),
        paired=True,
    )


@pytest.fixture
def real_data() -> Path:
    """Folder of the reference embeddings; the test is skipped, with the reason, without it."""
    folder = os.environ.get("ANISOALIGN_REAL_DATA")
    if not folder:
        pytest.skip("ANISOALIGN_REAL_DATA does not point at the reference embeddings")
    return Path(folder)


@pytest.fixture(scope="session")
def browser():
    """Return a real Chromium."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed; under CI the browser tests must run")
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def briefly_taught() -> Iterator[None]:
    """Networks of a board take 100 steps of Adam: for tests of all that is not their accuracy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anisoalign_core.compare.use.labels.STEPS", 100)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Fail a test amid which a message was made that has two full stops."""
    doubled.clear()
    result = yield
    assert not doubled, doubled
    return result
