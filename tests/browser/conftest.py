"""One real server in a clean process, and a real browser, for all tests of this folder."""

from __future__ import annotations

import os

import pytest

from campaigns.load.server import Server
from tests.browser.steps import CHROMIUM, settle

KEEP = 120
"""Seconds that the session of a lost connection is kept: Streamlit's default."""


@pytest.fixture(scope="session")
def server():
    """A real server in a clean process, started from a folder that is not the checkout."""
    with Server(keep=KEEP, environment={"ANISOALIGN_MAX_CLASSES": "3"}) as running:
        yield running.url
        running.end()
        assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="session")
def browser():
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
