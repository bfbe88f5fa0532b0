from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from cetrus import Session
from client_tests.commands.tools import STARTED
from client_tests.conftest import sign_in
from client_tests.reference import APPLICATION, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Reference]:
    """In real time, since the command reads the real clock."""
    reference = Reference()
    yield reference
    reference.close()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """A program that a failed test left behind ends with the test."""
    yield
    while STARTED:
        started = STARTED.pop()
        if started.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


@pytest.fixture
def here(server: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CETRUS_SERVER", server.base)
    monkeypatch.setattr("cetrus.installing.this_platform", lambda: "linux")


@pytest.fixture
def signed_in(here: None, server: Reference) -> None:
    session = Session()
    for name in ("halyard", APPLICATION):
        sign_in(session, server, name)
    session.close()
