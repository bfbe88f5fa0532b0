"""One running cloud for the whole folder: its clock stands still, and schedules run when told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.front.command import ROOT
from tests.cloud.conftest import cloud, control, halyard, operate
from tests.cloud.people import RUN

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

HERE = ROOT / "tests" / "hostile"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cloud)


@pytest.fixture(scope="session")
def stock(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Another vendor's application with many metered plans."""
    folder = tmp_path_factory.mktemp("stock")
    return operate(cloud, "other_vendor", f"transit-{RUN}", str(folder))


__all__ = ["cloud", "control", "halyard", "stock"]
