"""`make smoke` finds nothing wrong with the running cloud, and what a deployment could spoil."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.operate.smoke import main, smoke

if TYPE_CHECKING:
    import pytest

    from infra.local.front.run import LocalCloud


def test_all_is_well_at_the_front_door(
    cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([cloud.app]) == 0, capsys.readouterr().out
    assert "all well" in capsys.readouterr().out


def test_the_gateway_s_own_url_lacks_what_the_edge_restores(cloud: LocalCloud) -> None:
    wrong = {seen.name: seen.words for seen in smoke(f"{cloud.app}/api") if not seen.well}
    assert wrong.keys() == {"challenge"}
    assert "renamed" in wrong["challenge"]
