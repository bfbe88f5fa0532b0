"""The program is never taken down, nor stopped early by what is not signed, nor run for free."""

from __future__ import annotations

import atexit
import random
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from cetrus import Client, Events, Launch, Unreachable, state
from client_tests.reference import APPLICATION, GARBAGE, Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from cetrus import Session
    from client_tests.conftest import FakeClock

FAULTS = [*GARBAGE, "close"]


class Told:
    """What the program heard."""

    def __init__(self) -> None:
        self.stops: list[str] = []
        self.outages: list[str] = []
        self.recoveries = 0
        self.errors: list[BaseException] = []

    def events(self) -> Events:
        return Events(
            show=lambda screen: None,
            on_stop=lambda reason, by: self.stops.append(reason),
            on_outage=lambda mode, until: self.outages.append(mode),
            on_recovered=self.recover,
            on_error=self.errors.append,
        )

    def recover(self) -> None:
        self.recoveries += 1


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cetrus.launch.Launch._keep", lambda self: self._closing.wait())


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def launch(by_hand: None, client: Client, told: Told) -> Any:
    running = client.launch(events=told.events())
    assert isinstance(running, Launch)
    yield running
    running.close()


def run_for(launch: Launch, clock: FakeClock, seconds: float) -> None:
    """Lets time pass as the thread would see it, in slices."""
    until = clock.seconds + seconds
    while clock.seconds < until:
        clock.advance(15)
        launch._keeper.step()


@pytest.mark.guarantee("G6")
class TestOutage:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_nothing_unsigned_stops_a_program_within_its_grace(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told, fault: str
    ) -> None:
        server.fault = fault
        run_for(launch, clock, 300 + 3600 - 30)
        assert told.stops == []
        assert told.outages == ["run"]
        assert launch.mode == "run"
        server.fault = None

    def test_past_the_signed_grace_it_is_told_to_stop_once(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        server.fault = "503"
        run_for(launch, clock, 300 + 3600 + 60)
        assert (told.stops, launch.mode) == (["OUTAGE"], "stop")
        run_for(launch, clock, 3600)
        assert told.stops == ["OUTAGE"]

    def test_when_it_is_heard_again_the_launch_goes_on_in_the_next_segment(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        server.fault = "portal"
        run_for(launch, clock, 2 * 3600)
        server.fault = None
        run_for(launch, clock, 300)
        assert (launch.lease.segment, launch.mode, told.recoveries) == (1, "run", 1)

    def test_the_grace_is_the_one_that_was_signed(
        self, by_hand: None, client: Client, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        server.outage = {"grace_s": 600, "mode": "read_only", "bill": "free"}
        with client.launch(events=told.events()) as launch:
            assert isinstance(launch, Launch)
            server.fault = "close"
            run_for(launch, clock, 300 + 570)
            assert (told.outages, told.stops, launch.mode) == (["read_only"], [], "read_only")
            run_for(launch, clock, 60)
            assert told.stops == ["OUTAGE"]
            server.fault = None

    def test_mode_stop_has_no_grace(
        self, by_hand: None, client: Client, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        server.outage = {"grace_s": 600, "mode": "stop", "bill": "free"}
        with client.launch(events=told.events()) as launch:
            assert isinstance(launch, Launch)
            server.fault = "close"
            run_for(launch, clock, 330)
            assert told.stops == ["OUTAGE"]
            server.fault = None

    def test_one_failed_try_after_a_long_sleep_is_no_outage(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        server.fault = "close"
        clock.advance(8 * 3600)
        launch._keeper.step()
        assert told.stops == []
        server.fault = None
        run_for(launch, clock, 30)
        assert launch.lease.segment == 1

    def test_retries_slow_down_and_honor_retry_after(
        self, launch: Launch, server: Reference, clock: FakeClock
    ) -> None:
        server.fault = "429"
        clock.advance(180)
        assert launch._keeper.step() >= 120
        server.fault = None

    def test_an_hour_of_outage_costs_few_requests(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        server.fault = "503"
        run_for(launch, clock, 3600)
        assert 15 < len(told.errors) < 60
        server.fault = None


@pytest.mark.guarantee("G6")
class TestRestartInAnOutage:
    @pytest.fixture
    def crashed(
        self, launch: Launch, new_session: Callable[[], Session], server: Reference
    ) -> Callable[[], Client]:
        launch._held.release()
        server.fault = "close"
        atexit.unregister(launch.close)
        return lambda: Client(APPLICATION, session=new_session(), rng=random.Random(9))

    def test_inside_the_grace_a_program_starts_unheard(
        self, crashed: Callable[[], Client], clock: FakeClock, told: Told, server: Reference
    ) -> None:
        clock.advance(300 + 3000)
        with crashed().launch(events=told.events()) as again:
            assert isinstance(again, Launch)
            assert again.mode == "run"
            run_for(again, clock, 500)
            assert told.stops == []
            run_for(again, clock, 300)
            assert told.stops == ["OUTAGE"]
            server.fault = None

    def test_after_the_grace_it_does_not(
        self, crashed: Callable[[], Client], clock: FakeClock
    ) -> None:
        clock.advance(300 + 3600 + 1)
        with pytest.raises(Unreachable):
            crashed().launch()

    def test_a_clock_set_back_gains_nothing(
        self, crashed: Callable[[], Client], clock: FakeClock, told: Told, server: Reference
    ) -> None:
        clock.advance(300 + 3000)
        again = crashed().launch(events=told.events())
        assert isinstance(again, Launch)
        run_for(again, clock, 500)
        again._closing.set()
        again._held.release()
        clock.wall_offset -= 3000
        with pytest.raises(Unreachable):
            crashed().launch()
        server.fault = None

    def test_a_clock_that_is_always_wrong_takes_nothing_away(
        self,
        by_hand: None,
        client: Client,
        clock: FakeClock,
        server: Reference,
        new_session: Callable[[], Session],
    ) -> None:
        server.offset_ms = -26 * 3_600_000
        first = client.launch(show=lambda screen: None)
        assert isinstance(first, Launch)
        first._held.release()
        atexit.unregister(first.close)
        server.fault = "close"
        clock.advance(300 + 3000)
        with Client(APPLICATION, session=new_session()).launch() as again:
            assert again.mode == "run"
            server.fault = None

    def test_a_stored_lease_that_was_edited_is_worth_nothing(
        self, crashed: Callable[[], Client], launch: Launch
    ) -> None:
        record = launch._held.record
        assert record.lease is not None
        head, _, signature = record.lease.split(".")
        record.lease = f"{head}.e30.{signature}"
        state.write_json(launch._held._path, asdict(record))
        with pytest.raises(Unreachable):
            crashed().launch()


class TestForgery:
    """Every answer is bound to issuer, computer, launch, segment and seq."""

    @pytest.mark.parametrize(
        ("claim", "value"),
        [
            ("iss", "https://elsewhere.example"),
            ("launch_id", "another-launch-id-of-22"),
            ("seg", 7),
            ("cnf", {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}}),
            ("seq", "0"),
            ("end_ms", None),
            ("outage", []),
            ("application", "app_other"),
        ],
    )
    def test_a_signed_lease_for_another_question_is_no_lease(
        self, client: Client, server: Reference, claim: str, value: Any
    ) -> None:
        server.bend_lease = lambda claims: {**claims, claim: value}
        with pytest.raises(Unreachable):
            client.launch()

    def test_a_renewal_replayed_from_an_earlier_beat_is_no_answer(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        run_for(launch, clock, 200)
        captured = launch.lease.token
        assert launch.lease.seq == 1
        server.bend_answer = lambda body: {**body, "lease": captured}
        run_for(launch, clock, 180)
        assert launch.lease.seq == 1
        assert told.errors

    def test_a_refusal_captured_elsewhere_stops_nothing(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        asked = {"launch_id": launch.launch_id, "seg": 0, "seq": 99}
        other = server.sign({"valid": False, "code": "REVOKED", **asked}, "verdict+jwt")
        server.refuse = "REVOKED"
        server.bend_answer = lambda body: {**body, "verdict": other}
        run_for(launch, clock, 200)
        assert told.stops == []

    def test_a_statement_of_another_kind_is_no_refusal(
        self, launch: Launch, server: Reference, clock: FakeClock, told: Told
    ) -> None:
        asked = {"launch_id": launch.launch_id, "seg": 0, "seq": 1}
        other = server.sign({"valid": False, "code": "REVOKED", **asked}, "receipt+jwt")
        server.refuse = "REVOKED"
        server.bend_answer = lambda body: {**body, "verdict": other}
        clock.advance(180)
        launch._keeper.step()
        assert told.stops == []

    def test_a_lease_with_one_changed_bit_is_no_lease(
        self, client: Client, server: Reference
    ) -> None:
        def flip(body: dict[str, Any]) -> dict[str, Any]:
            head, claims, signature = body["lease"].split(".")
            changed = ("A" if signature[0] != "A" else "B") + signature[1:]
            return {**body, "lease": f"{head}.{claims}.{changed}"}

        server.bend_answer = flip
        with pytest.raises(Unreachable):
            client.launch()

    def test_a_changed_screen_is_not_shown(self, client: Client, server: Reference) -> None:
        server.bend_answer = lambda body: {
            **body,
            "screen": {**body["screen"], "body": "Halyard is free today."},
        }
        seen: list[Any] = []
        with pytest.raises(Unreachable):
            client.launch(show=seen.append)
        assert seen == []

    def test_a_forged_receipt_is_no_receipt(self, launch: Launch, server: Reference) -> None:
        server.bend_answer = lambda body: {**body, "receipt": launch.lease.token}
        assert launch.close() is None

    def test_a_revoked_key_signs_nothing_more(self, client: Client, server: Reference) -> None:
        server.published[0]["revoked_at"] = "2026-11-25T00:00:00Z"
        with pytest.raises(Unreachable):
            client.launch()


class TestHost:
    """The real thread against a server that misbehaves, with a program that goes on."""

    def test_garbage_hangs_and_closed_connections_leave_the_program_alone(
        self,
        client: Client,
        server: Reference,
        told: Told,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("cetrus.timing.FIRST_RETRY", 0.01)
        monkeypatch.setattr("cetrus.timing.LONGEST_RETRY", 0.02)
        monkeypatch.setattr("cetrus.launch.SLICE_S", 0.01)
        client.session.wire._http.timeout = 0.2
        client.session.clock = RealClock()
        server.ttl_ms = 1000
        with client.launch(events=told.events()) as launch:
            assert isinstance(launch, Launch)
            for fault in [name for name in FAULTS if name != "429"] + ["hang"]:
                server.fault = fault
                failed = len(told.errors)
                wait_until(lambda failed=failed: len(told.errors) > failed)  # type: ignore[misc]
                assert launch._thread.is_alive()
            server.fault = None
        assert told.stops == []

    def test_callbacks_that_raise_or_exit_are_contained(
        self, by_hand: None, client: Client, server: Reference, clock: FakeClock
    ) -> None:
        def leave(*_: Any) -> None:
            raise SystemExit(3)

        events = Events(show=lambda screen: None, on_stop=leave, on_outage=leave, on_error=leave)
        with client.launch(events=events) as launch:
            assert isinstance(launch, Launch)
            server.fault = "500"
            run_for(launch, clock, 5000)
            server.fault = None

    def test_a_full_disk_does_not_end_the_renewals(
        self, launch: Launch, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, told: Told
    ) -> None:
        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("cetrus.state._replace", full)
        run_for(launch, clock, 400)
        assert launch.lease.seq == 2
        assert told.stops == []
        monkeypatch.undo()

    def test_an_answer_after_the_end_brings_no_launch_back(
        self, by_hand: None, client: Client, session: Session, clock: FakeClock
    ) -> None:
        launch = client.launch(show=lambda screen: None)
        assert isinstance(launch, Launch)
        clock.advance(180)
        launch.close()
        launch._keeper.adopt(launch.lease)
        assert list((session.folder / "launches").iterdir()) == []

    def test_closing_while_nothing_answers_is_quick_and_quiet(
        self, by_hand: None, client: Client, server: Reference
    ) -> None:
        launch = client.launch(show=lambda screen: None)
        server.fault = "close"
        assert launch.close() is None
        server.fault = None
        assert server.bent == 2


class RealClock:
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady(self) -> float:
        return time.monotonic()


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, [t.name for t in threading.enumerate()]
        time.sleep(0.01)
