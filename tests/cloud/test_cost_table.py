"""The units that docs/costs.md multiplies are those of the running cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.costs import measured
from tests.cloud.measured import measure

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

LOOKS = ("look_read", "look_write")
EXACT = ("launch_read", "launch_write", "beat_write", "end_write")


def test_the_recorded_units_are_still_true(cloud: LocalCloud, halyard: dict[str, Any]) -> None:
    recorded, found = measured(), measure(cloud, halyard["id"])
    assert found.keys() == recorded.keys()
    for name in EXACT:
        assert found[name] == recorded[name], name
    for name, value in found.items():
        # Pages and sweeps change a little with what else there is, looks with what people do.
        near = recorded[name] if name in LOOKS else 3
        assert value == pytest.approx(recorded[name], abs=near), f"{name}: measure anew"
