"""One real server in a clean process for all tests of this folder."""

from __future__ import annotations

import pytest

from campaigns.load.server import Server
from tests.browser.steps import settle

KEEP = 120
"""Seconds that the session of a lost connection is kept: Streamlit's default."""


@pytest.fixture(scope="session")
def server():
    """A real server in a clean process, started from a folder that is not the checkout."""
    with Server(keep=KEEP, environment={"ANISOALIGN_MAX_CLASSES": "3"}) as running:
        yield running.url
        running.end()
        assert "Traceback" not in running.log.read_text()


@pytest.fixture
def page(browser, server):
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.goto(server)
    opened.get_by_role("heading", name="AnisoAlign Studio").wait_for()
    settle(opened)
    yield opened
    context.close()
