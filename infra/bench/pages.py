"""What a page weighs with its styles, and when a browser first paints it."""

from __future__ import annotations

import re
import shutil
import statistics
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx

from infra.bench.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.front.run import LocalCloud

PAGES = ("/", "/apps", "/apps/halyard", "/register", "/login", "/privacy")
STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)"')
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
RUNS = 5


def figures(cloud: LocalCloud) -> Iterator[Figure]:
    sizes = {path: weight(cloud.app + path) for path in PAGES}
    yield Figure("page_kb", max(sizes.values()) / 1000, "KB, the heaviest page with its styles")
    painted = statistics.median(first_paints(cloud.app + "/apps/halyard"))
    yield Figure("first_paint", painted, "ms, /apps/halyard, nothing cached")


def weight(url: str) -> int:
    """Bytes of the page and of each stylesheet that it names, as they are without compression."""
    page = httpx.get(url, trust_env=False, headers={"accept": "text/html"}).raise_for_status()
    sheets = [urljoin(url, found) for found in STYLE.findall(page.text)]
    styles = (httpx.get(sheet, trust_env=False).raise_for_status().content for sheet in sheets)
    return len(page.content) + sum(map(len, styles))


def first_paints(url: str) -> list[float]:
    """Milliseconds until the first content is painted, each in a browser of its own."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for _ in range(RUNS):
            with browser.new_context() as context:
                page = context.new_page()
                page.goto(url, wait_until="load")
                page.wait_for_function(PAINT)
                found.append(float(page.evaluate(PAINT)))
        browser.close()
    return found
