from __future__ import annotations

import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from cetrus import Client, Session
from cetrus.credentials import from_tokens
from cetrus.wire import Wire
from client_tests.reference import APPLICATION, Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A busy machine is no finding: no example is judged by its time.
settings.register_profile("cetrus", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cetrus")

# The plain example is tested as it stands too, not only out of its archive.
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "tally"))


class FakeClock:
    """Wall and steady time that move only by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.wall_offset = 1_790_000_000.0

    def wall_ms(self) -> int:
        return int((self.seconds + self.wall_offset) * 1000)

    def steady(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CETRUS_SERVER", "CETRUS_LICENSE_KEY", "CETRUS_LAUNCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CETRUS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("cetrus.starting.LAUNCH_PAUSE", 0.01)


@pytest.fixture
def server(clock: FakeClock) -> Iterator[Reference]:
    reference = Reference()
    reference.clock = clock.wall_ms
    yield reference
    reference.close()


@pytest.fixture
def new_session(
    server: Reference, clock: FakeClock, tmp_path: Path
) -> Iterator[Callable[[], Session]]:
    """Another process of the same user: the same folder, nothing in memory."""
    made: list[Session] = []

    def make() -> Session:
        session = Session(server.base, home=tmp_path / "home", clock=clock)
        made.append(session)
        return session

    yield make
    for session in made:
        session.close()


@pytest.fixture
def session(new_session: Callable[[], Session]) -> Session:
    return new_session()


def sign_in(session: Session, server: Reference, application: str = APPLICATION) -> None:
    tokens = server.issue(session.api.computer.id)
    session.sign_ins.write(from_tokens(application, tokens, session.clock.wall_ms()))


@pytest.fixture
def client(session: Session, server: Reference) -> Client:
    sign_in(session, server)
    return Client(APPLICATION, session=session, rng=random.Random(7))


@pytest.fixture
def wire(server: Reference) -> Iterator[Wire]:
    made = Wire(server.base)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def hearing() -> Iterator[None]:
    """Nothing is ignored that a run in the background ignores: what is started would inherit it."""
    deaf = [n for n in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT) if ignored(n)]
    for number in deaf:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in deaf:
        signal.signal(number, signal.SIG_IGN)


def ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN
