"""Programs to offer and run, and the command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client_tests.test_install import VENDOR, tar_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from client_tests.reference import Reference

CLIENT = Path(__file__).parents[3]


def script(text: str) -> bytes:
    return f"#!{sys.executable}\n{text}".encode()


def offer(server: Reference, text: str, version: str = "1.0.0") -> None:
    """A release of Halyard that runs this Python text."""
    manifest = json.dumps({"start": ["bin/tool"]}).encode()
    data = tar_of(("bin/tool", script(text)), ("cetrus-app.json", manifest))
    server.publish(f"halyard-{version}-linux.tar.gz", data, "linux", VENDOR, version)


STARTED: list[subprocess.Popen[str]] = []
"""What the test started; its fixture ends what a failure left."""


def cetrus(*arguments: str, server: Reference, **options: Any) -> subprocess.Popen[str]:
    """In a session of its own, as far from any terminal as can be."""
    environment = {**os.environ, "CETRUS_SERVER": server.base, "PYTHONPATH": str(CLIENT)}
    started = subprocess.Popen(
        [sys.executable, "-m", "cetrus", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )
    STARTED.append(started)
    return started


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Waits for what must come; generously, since the machine may be busy."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
