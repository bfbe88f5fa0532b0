"""Commands that write bear the time of the local cloud that they are run on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from infra.local import clock

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "infra.admin": ["signing-key"],
    "infra.operate.dead_letters": [],
    "infra.operate.proof": ["--results", "none"],
    "infra.operate.restore": ["--source", "a", "--target", "b"],
    "infra.operate.untaken_mail": [],
}


class Followed(Exception):
    """The command has come as far as following the clock, before it did anything else."""


@pytest.mark.parametrize(("module", "arguments"), COMMANDS.items(), ids=COMMANDS)
def test_a_command_follows_the_clock_of_the_local_cloud_first(
    module: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(path: str) -> None:
        raise Followed(path)

    monkeypatch.setattr(clock, "follow", follow)
    monkeypatch.setenv("LOCAL_CLOCK", str(tmp_path / "clock"))
    with pytest.raises(Followed, match="clock"):
        import_module(module).main(arguments)
