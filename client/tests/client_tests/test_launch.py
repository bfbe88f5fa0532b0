"""Launches from start to end: what is asked, shown, renewed, taken up again and ended."""

from __future__ import annotations

import atexit
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cetrus import BorrowedLaunch, CetrusError, Client, Events, Launch, Refused, Screen, Unreachable
from cetrus.launch import Launch as RunningLaunch
from cetrus.releases import this_platform
from client_tests.conftest import FakeClock, sign_in
from client_tests.reference import APPLICATION, Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from cetrus import Session

SCREENS: list[Screen] = []


def start(client: Client, **options: Any) -> Launch:
    """A launch whose background thread waits for the fake clock: steps are taken by hand."""
    launch = client.launch(show=options.pop("show", SCREENS.append), **options)
    assert isinstance(launch, RunningLaunch)
    return launch


def stored(session: Session) -> list[Path]:
    return sorted((session.folder / "launches").glob("*.json"))


def abandon(launch: Launch) -> None:
    """What a crash leaves: the record on disk, the lock gone with the process."""
    launch._closing.set()
    launch._thread.join()
    launch._held.release()
    atexit.unregister(launch.close)


@pytest.fixture
def another(
    new_session: Callable[[], Session], server: Reference, client: Client
) -> Callable[[], Client]:
    """The same program started again by the same user."""
    return lambda: Client(APPLICATION, session=new_session(), rng=random.Random(8))


@pytest.fixture(autouse=True)
def no_thread_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    SCREENS.clear()
    monkeypatch.setattr("cetrus.launch.Launch._keep", lambda self: self._closing.wait())


class TestStart:
    def test_one_launch_gives_lease_price_and_screen(
        self, client: Client, server: Reference
    ) -> None:
        with start(client) as launch:
            assert launch.lease.application == APPLICATION
            assert launch.lease.quote is not None
            assert (launch.lease.quote.rate, launch.lease.quote.currency) == ("37", "USD")
            assert launch.lease.outage.grace_s == 3600
            assert [screen.title for screen in SCREENS] == ["Halyard ⚓"]
            assert launch.mode == "run"

    def test_the_end_brings_the_signed_receipt(
        self, client: Client, clock: FakeClock, session: Session
    ) -> None:
        launch = start(client)
        clock.advance(90)
        receipt = launch.close()
        assert receipt is not None
        assert receipt.billed_ms == 90_000
        assert stored(session) == []
        assert launch.close() is receipt

    def test_a_refusal_is_raised_with_its_code_and_leaves_nothing(
        self, client: Client, server: Reference, session: Session
    ) -> None:
        server.refuse = "SEATS_FULL"
        with pytest.raises(Refused) as caught:
            client.launch()
        assert caught.value.code == "SEATS_FULL"
        assert "another computer" in caught.value.hint
        assert stored(session) == []

    def test_an_unsigned_refusal_refuses_nothing(self, client: Client, server: Reference) -> None:
        server.refuse, server.refuse_unsigned = "REVOKED", True
        with pytest.raises(Unreachable):
            client.launch()

    def test_where_the_screen_cannot_be_shown_the_lease_ends_and_the_error_is_raised(
        self, client: Client, server: Reference, session: Session
    ) -> None:
        def fail(screen: Screen) -> None:
            raise RuntimeError("no display")

        with pytest.raises(RuntimeError, match="no display"):
            client.launch(show=fail)
        assert [row.ended for row in server.rows.values()] == [True]
        assert stored(session) == []

    def test_a_lost_answer_is_asked_again_under_the_same_launch(
        self, client: Client, server: Reference, session: Session, another: Callable[[], Client]
    ) -> None:
        server.lost = "/v1/launches"
        with pytest.raises(Unreachable):
            client.launch()
        server.lost = ""
        with start(another()):
            assert len(server.rows) == 1

    def test_two_programs_at_once_are_two_launches(
        self, client: Client, server: Reference, another: Callable[[], Client]
    ) -> None:
        with start(client) as one, start(another()) as two:
            assert one.launch_id != two.launch_id
            assert len(server.rows) == 2

    def test_an_expired_token_is_renewed_on_the_way(
        self, client: Client, server: Reference
    ) -> None:
        server.tokens.clear()
        with start(client):
            assert "/v1/device/token" in server.paths()

    def test_a_license_bought_after_the_sign_in_is_found(
        self, client: Client, server: Reference
    ) -> None:
        stale = set(server.tokens)
        server.unknown_to = stale
        with start(client):
            assert set(server.tokens) - stale
        assert client.check().valid

    def test_a_short_name_is_resolved_once_and_the_lease_must_be_for_its_id(
        self, server: Reference, session: Session
    ) -> None:
        server.publish("halyard.tar.gz", b"x", this_platform(), Ed25519PrivateKey.generate())
        sign_in(session, server, "halyard")
        client = Client("halyard", session=session)
        with start(client), start(client) as launch:
            assert launch.lease.application == APPLICATION
        asked = [path for path in server.paths() if path.endswith("/release")]
        assert asked == ["/v1/applications/halyard/release"]
        server.bend_lease = lambda claims: {**claims, "application": "app_other"}
        with pytest.raises(Unreachable):
            client.launch()

    def test_a_license_key_stands_in_for_a_person(
        self, server: Reference, session: Session
    ) -> None:
        with start(Client(APPLICATION, session=session, license_key="key_1")) as launch:
            assert launch.lease.license_id == "lic_1"

    def test_a_computer_whose_clock_is_wrong_learns_the_time(
        self, client: Client, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []
        prove = client.session.api.computer.prove

        def record(method: str, url: str, *, iat: int, token: str | None = None) -> str:
            seen.append(iat)
            return prove(method, url, iat=iat, token=token)

        monkeypatch.setattr(client.session.api.computer, "prove", record)
        server.tokens.clear()
        client.session.clock.advance(-400_000_000)  # type: ignore[attr-defined] # the fake clock
        client.check()
        assert seen[-1] - seen[0] > 300_000_000


class TestHeartbeat:
    def test_the_first_renewal_brings_the_receipt_of_the_screen(
        self, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        with start(client) as launch:
            clock.advance(180)
            launch._keeper.step()
            row = server.rows[launch.launch_id]
            assert (row.shown, row.seq, launch.lease.seq) == (True, 1, 1)
            clock.advance(180)
            launch._keeper.step()
            beats = [body for _, path, body in server.requests if path.endswith("/heartbeats")]
            assert ["shown" in body for body in beats] == [True, False]
            assert [body["seq"] for body in beats] == [1, 2]

    def test_a_screen_that_nobody_saw_is_never_confirmed(
        self, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        with start(client, show=None) as launch:
            clock.advance(180)
            launch._keeper.step()
            launch._keeper.step()
            assert launch.stopped == "SCREEN_REQUIRED"

    def test_nothing_is_asked_before_it_is_due(
        self, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        with start(client) as launch:
            before = len(server.requests)
            clock.advance(100)
            assert 0 < launch._keeper.step() <= 80
            assert len(server.requests) == before

    def test_a_signed_suspension_stops_with_time_to_save(
        self, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        told: list[Any] = []
        events = Events(
            show=SCREENS.append,
            on_stop=lambda reason, by: told.append((reason, by.timestamp())),
        )
        with start(client, events=events) as launch:
            server.refuse = "SUSPENDED"
            clock.advance(180)
            launch._keeper.step()
            assert told == [("SUSPENDED", pytest.approx(clock.wall_ms() / 1000 + 300))]
            assert (launch.stopped, launch.mode) == ("SUSPENDED", "stop")
            server.refuse = None
            clock.advance(10_000)
            launch._keeper.step()
            assert len(told) == 1

    def test_sleep_ends_in_the_next_segment_of_the_same_launch(
        self, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        with start(client) as launch:
            lease_id = launch.lease.id
            clock.advance(8 * 3600)
            launch._keeper.step()
            launch._keeper.step()
            assert (launch.lease.segment, launch.lease.id) == (1, lease_id)
            assert launch.mode == "run"
            clock.advance(180)
            launch._keeper.step()
            receipt = launch.close()
            assert receipt is not None
            assert receipt.billed_ms == 300_000 + 180_000

    def test_a_lost_resumption_is_asked_again_for_the_same_segment(
        self, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        with start(client) as launch:
            clock.advance(8 * 3600)
            launch._keeper.step()
            server.lost = "/v1/launches"
            launch._keeper.step()
            server.lost = ""
            clock.advance(60)
            launch._keeper.step()
            assert (launch.lease.segment, server.rows[launch.launch_id].segment) == (1, 1)

    def test_sleep_past_the_resume_grace_stops(
        self, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        with start(client) as launch:
            clock.advance(20 * 3600)
            launch._keeper.step()
            launch._keeper.step()
            assert launch.stopped == "LEASE_EXPIRED"


class TestCrash:
    def test_a_restart_is_the_same_launch(
        self, client: Client, server: Reference, another: Callable[[], Client], clock: FakeClock
    ) -> None:
        first = start(client)
        clock.advance(180)
        first._keeper.step()
        abandon(first)
        clock.advance(60)
        with start(another()) as again:
            assert again.launch_id == first.launch_id
            assert again.lease.id == first.lease.id
            clock.advance(3)
            again._keeper.step()
            assert again.lease.seq == 2
        assert len(server.rows) == 1

    def test_a_restart_after_the_lease_ended_resumes_it(
        self, client: Client, server: Reference, another: Callable[[], Client], clock: FakeClock
    ) -> None:
        first = start(client)
        abandon(first)
        clock.advance(3600)
        with start(another()) as again:
            assert (again.launch_id, again.lease.segment) == (first.launch_id, 1)

    def test_a_restart_a_day_later_is_a_new_launch(
        self, client: Client, server: Reference, another: Callable[[], Client], clock: FakeClock
    ) -> None:
        first = start(client)
        abandon(first)
        clock.advance(24 * 3600)
        with start(another()) as again:
            assert again.launch_id != first.launch_id

    def test_a_restart_with_a_newer_release_is_a_new_launch(
        self, client: Client, server: Reference, another: Callable[[], Client]
    ) -> None:
        first = start(client, release="1.0.0")
        abandon(first)
        with start(another(), release="2.0.0") as again:
            assert again.launch_id != first.launch_id

    def test_a_killed_process_leaves_its_launch_to_the_next(
        self, client: Client, server: Reference, another: Callable[[], Client], tmp_path: Path
    ) -> None:
        program = (
            "import os, cetrus; launch = cetrus.Client('app_halyard').launch(show=lambda s: 0);"
            "print(launch.launch_id, flush=True); os.kill(os.getpid(), 9)"
        )
        environment = {
            **os.environ,
            "CETRUS_SERVER": server.base,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        # The child's clock is the real one, so the stored tokens look old to it, and are renewed.
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == -9, done.stderr
        with start(another()) as again:
            assert again.launch_id == done.stdout.strip()

    def test_an_end_that_was_not_heard_is_delivered_by_the_next_start(
        self, client: Client, server: Reference, another: Callable[[], Client], session: Session
    ) -> None:
        first = start(client)
        server.fault = "close"
        assert first.close() is None
        server.fault = None
        with start(another()) as second:
            assert second.launch_id != first.launch_id
            assert server.rows[first.launch_id].ended
        assert stored(session) == []

    def test_under_the_launcher_the_program_uses_the_launchers_lease(
        self,
        client: Client,
        server: Reference,
        another: Callable[[], Client],
        monkeypatch: pytest.MonkeyPatch,
        clock: FakeClock,
    ) -> None:
        with start(client) as launch:
            monkeypatch.setenv("CETRUS_LAUNCH", launch.launch_id)
            with another().launch() as borrowed:
                assert isinstance(borrowed, BorrowedLaunch)
                assert borrowed.lease.id == launch.lease.id
                assert borrowed.mode == "run"
                clock.advance(180)
                launch._keeper.step()
                borrowed.look()
                assert borrowed.lease.seq == 1
                clock.advance(300 + 3600)
                stopped: list[str] = []
                borrowed._events = Events(on_stop=lambda reason, by: stopped.append(reason))
                borrowed.look()
                borrowed.look()
                assert (borrowed.mode, stopped) == ("stop", ["OUTAGE"])
            assert not server.rows[launch.launch_id].ended

    def test_another_applications_lease_is_an_error_and_no_second_launch(
        self,
        client: Client,
        server: Reference,
        session: Session,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with start(client) as launch:
            monkeypatch.setenv("CETRUS_LAUNCH", launch.launch_id)
            other = Client("app_other", session=session, license_key="key_1")
            with pytest.raises(CetrusError, match="not app_other"):
                other.launch()
        assert len(server.rows) == 1

    def test_a_launch_that_no_process_holds_cannot_be_borrowed(
        self,
        client: Client,
        server: Reference,
        another: Callable[[], Client],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        first = start(client)
        abandon(first)
        monkeypatch.setenv("CETRUS_LAUNCH", first.launch_id)
        with another().launch(show=SCREENS.append) as launch:
            assert isinstance(launch, RunningLaunch)

    def test_a_forked_child_does_not_end_its_parents_launch(
        self, client: Client, server: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with start(client) as launch:
            monkeypatch.setattr("cetrus.launch.os.getpid", lambda: -1)
            assert launch.close() is None
            monkeypatch.undo()
            assert not server.rows[launch.launch_id].ended


def test_sign_in_fixture_is_for_this_application(session: Session, server: Reference) -> None:
    sign_in(session, server, "app_other")
    assert session.sign_ins.read("app_other") is not None
    assert session.sign_ins.read(APPLICATION) is None
