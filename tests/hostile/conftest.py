"""One running cloud for the whole folder: its clock stands still, and schedules run when told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.front.command import ROOT
from infra.local.front.run import LocalCloud
from tests.cloud.conftest import operate
from tests.cloud.people import CONNECTIONS, RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.front.client import Control

HERE = ROOT / "tests" / "hostile"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cloud)


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as running, CONNECTIONS:
        running.control.schedules("manual")
        running.control.freeze()
        yield running


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
def stock(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Another vendor's application with many metered plans."""
    folder = tmp_path_factory.mktemp("stock")
    return operate(cloud, "other_vendor", f"transit-{RUN}", str(folder))
