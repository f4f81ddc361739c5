"""The Compare page teaches briefly here: what is tested is the page."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quick(briefly_taught: None) -> None:
    """Every module of this folder."""
