"""The session of one command, closed with it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cetrus.session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator


@contextlib.contextmanager
def open_session(options: Namespace) -> Iterator[Session]:
    session = Session(options.server)
    try:
        yield session
    finally:
        session.close()
