"""Pages under test: networks are taught briefly, and what is installed is looked up once."""

from collections.abc import Iterator
from functools import cache

import pytest
from streamlit.components.v2 import manifest_scanner


@pytest.fixture(scope="module", autouse=True)
def _quick(briefly_taught: None) -> None:
    """Every module of this folder."""


@pytest.fixture(scope="session", autouse=True)
def _components_are_looked_for_once() -> Iterator[None]:
    """Every AppTest reads what all installed packages say of themselves; no test changes it."""
    with pytest.MonkeyPatch.context() as patch:
        scan = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield
