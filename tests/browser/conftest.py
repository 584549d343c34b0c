"""A real browser, and a report in it."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from workbench.model.outcomes import Outcome
from workbench.show import report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium or Chrome from the PATH."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs one of {', '.join(NAMES)} on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[test]'")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page_file(full_run, tmp_path):
    """A report with a contestant that failed."""
    reason = "<script>window.planted = 1</script> {{ 7*7 }}"
    full_run.contestants[2] = dataclasses.replace(full_run.contestants[2], outcome=Outcome.ERROR, reason=reason)
    return report.write_report(full_run, tmp_path / "report.html")


@pytest.fixture
def open_page(browser):
    """Opens a file at a width; what the console said and what was asked of the network is kept at the page."""
    opened = []

    def open_at(file, width=1280, **options):
        # waiting for a function needs eval, which the page's own policy refuses
        options = {"viewport": {"width": width, "height": 800}, "bypass_csp": True, **options}
        context = browser.new_context(**options)
        page = context.new_page()
        page.said, page.requested = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.requested.append(request.url))
        page.goto(file.as_uri())
        opened.append(context)
        return page

    yield open_at
    for context in opened:
        context.close()
