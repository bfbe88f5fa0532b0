"""One running cloud for the whole folder: its clock stands still and moves when a test says so.

Schedules run when they are told to. Every test brings its own people, so that none sees another's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.core.clock import from_text
from chalicelib.licenses.keys import RENEWED_BEFORE, SIGNS_FOR
from infra.local.front.command import ROOT
from infra.local.front.run import LocalCloud
from tests.cloud.people import CONNECTIONS, RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.front.client import Control


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cloud/" in item.nodeid or item.path.is_relative_to(ROOT / "tests" / "cloud"):
            item.add_marker(pytest.mark.cloud)


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as running, CONNECTIONS, pytest.MonkeyPatch.context() as patched:
        running.control.schedules("manual")
        running.control.freeze()
        with_a_key_that_signs(running, patched)
        yield running


def with_a_key_that_signs(cloud: LocalCloud, patched: pytest.MonkeyPatch) -> None:
    """However far tests move the clock, the operator's calendar is kept on the way.

    The key that signs leases does so for a year, and a worker that runs many files passes it.
    """
    move, until = cloud.control.advance, from_text(cloud.control.now()) + SIGNS_FOR

    def advance(seconds: float) -> str:
        nonlocal until
        now = move(seconds)
        if from_text(now) >= until - RENEWED_BEFORE:
            operate(cloud, "signing-key", of="infra.admin")
            until = from_text(now) + SIGNS_FOR
        return now

    patched.setattr(cloud.control, "advance", advance)


@pytest.fixture
def control(cloud: LocalCloud) -> Iterator[Control]:
    """The control surface; no fault outlives the test that set it."""
    yield cloud.control
    cloud.control.clear_faults()


@pytest.fixture(scope="session")
def halyard(cloud: LocalCloud) -> dict[str, Any]:
    """The seeded application."""
    found: dict[str, Any] = cloud.control.seed()["applications"][0]
    return found


@pytest.fixture(scope="session")
def vendor_token(cloud: LocalCloud) -> str:
    """The token of the seeded vendor's program."""
    return str(cloud.control.seed()["tokens"][0]["token"])


@pytest.fixture(scope="session")
def stock(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A second vendor, its token, and its application with many plans, made by the operator."""
    folder = tmp_path_factory.mktemp("stock")
    return operate(cloud, "other_vendor", f"sextant-{RUN}", str(folder))


def operate(cloud: LocalCloud, *arguments: str, of: str = "tests.cloud.stock") -> dict[str, Any]:
    """Run one of the operator's jobs of a module such as `tests/cloud/stock.py` on this cloud."""
    done = subprocess.run(
        [sys.executable, "-m", of, *arguments],
        env={"PATH": "/usr/bin:/bin", "LOCAL_CLOCK": str(cloud.clock_file), **cloud.operator},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
