"""Deploying and going back while people and programs are at it: no request fails, nothing is lost.

The later release writes items of a higher version with attributes that ours does not know; ours
reads them, changes them and goes on.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.front.command import ROOT
from tests.cloud.people import Customer, new_customer
from tests.cloud.program import Computer, claims_of, vendor_get
from tests.cloud.releases import MARK, later_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.local.front.run import LocalCloud

Json = dict[str, Any]
OURS = ROOT / "out" / "local" / "deployment.zip"
ENOUGH = 3
"""Answers that each of them gets from each release before the next is deployed."""
PATIENCE = 600.0


class Busy:
    """Somebody who asks again and again, and counts the answers; one that is wrong ends it."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self.ask = ask
        self.answers = 0
        self.failure: BaseException | None = None
        self._more, self._stop = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set() and self.failure is None:
            try:
                self.ask()
            except BaseException as failure:  # noqa: BLE001  # raised again where it is waited for
                self.failure = failure
            with self._more:
                self.answers += 1
                self._more.notify_all()

    def wait(self, answers: int) -> None:
        """Wait for so many answers more; raises what went wrong."""
        with self._more:
            wanted = self.answers + answers
            done = self._more.wait_for(lambda: self.failure or self.answers >= wanted, PATIENCE)
        if self.failure:
            raise self.failure
        assert done, "no answer came"

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)


class Program:
    """A computer that renews one lease without end, and starts and ends others beside it."""

    def __init__(self, cloud: LocalCloud, customer: Customer, application: str) -> None:
        self.computer = Computer(cloud, application)
        self.computer.sign_in(customer)
        launched = self.computer.launch("through-a-deployment")
        self.lease = launched["lease"]
        self.shown: str | None = self.computer.shown(self.lease, launched["screen"])
        self.seq = 0

    def beat(self) -> None:
        self.seq += 1
        verdict = self.computer.beat(self.lease, self.seq, self.shown)
        assert verdict["valid"], verdict
        self.lease, self.shown = verdict["lease"], None
        assert claims_of(self.lease)["seq"] == self.seq
        assert self.computer.check()["valid"]
        other = self.computer.launch(f"beside-{self.seq}")
        assert other["valid"], other
        assert claims_of(self.computer.end(other["lease"])["receipt"])


class Reader:
    """A person who looks at pages and corrects the profile, without end."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer
        self.round = 0

    def look(self) -> None:
        self.round += 1
        for path in ("/", "/account", "/account/usage", "/orders", "/account/downloads"):
            page = self.customer.open(path)
            assert (page.status, page.path) == (200, path), page.text
        self.customer.open("/account/setup")
        page = self.customer.browser.submit("/account/setup", city=f"Town {self.round}")
        assert page.status == 200, page.text


@pytest.fixture
def later(cloud: LocalCloud, tmp_path: Path) -> Iterator[Path]:
    """The package of the later release; afterwards the cloud runs ours again."""
    yield later_release(OURS, tmp_path / "later.zip")
    cloud.control.deploy(OURS)


def tables_of_the_later(cloud: LocalCloud) -> set[str]:
    """The tables that hold what only the later release writes."""
    tables = cloud.control.dump()["tables"]
    return {name for name, table in tables.items() if any(MARK in x for x in table["items"])}


def test_no_request_fails_while_releases_come_and_go(
    cloud: LocalCloud, halyard: Json, vendor_token: str, later: Path
) -> None:
    customer = new_customer(cloud, "upgraded")
    customer.buy()
    program, reader = Program(cloud, customer, halyard["id"]), Reader(customer)
    busy = [Busy(program.beat), Busy(reader.look)]
    try:
        for release in (later, OURS, later, OURS):
            cloud.control.deploy(release)
            for one in busy:
                one.wait(ENOUGH)
    finally:
        for one in busy:
            one.stop()
    assert tables_of_the_later(cloud) >= {"AccountsTable", "UsageTable"}
    receipt = claims_of(program.computer.end(program.lease)["receipt"])
    assert receipt["jti"] == claims_of(program.lease)["jti"]
    # What lies in the tables, of both releases, is worked on by ours.
    for function in ("license_sweep", "mail_sweep", "payment_sweep"):
        cloud.control.run(function)
    usage = vendor_get(cloud, vendor_token, "/v1/vendor/licenses")
    assert usage.status_code == 200, usage.text


def test_what_a_later_release_began_ours_can_end_after_going_back(
    cloud: LocalCloud, halyard: Json, later: Path
) -> None:
    cloud.control.deploy(later)
    customer = new_customer(cloud, "began-later")
    customer.buy()
    program = Program(cloud, customer, halyard["id"])
    cloud.control.deploy(OURS)
    assert tables_of_the_later(cloud) == {"AccountsTable", "UsageTable", "KeysTable"}
    for _ in range(3):
        program.beat()
    assert customer.open("/account/computers").status == 200
    assert program.computer.end(program.lease)["receipt"]
    again = program.computer.launch("after-going-back")
    assert again["valid"], again


def test_what_is_no_package_is_refused(cloud: LocalCloud, tmp_path: Path) -> None:
    import httpx

    (tmp_path / "nothing.zip").write_text("nothing")
    answer = httpx.post(f"{cloud.app}/_local/deploy", json={"zip": str(tmp_path / "nothing.zip")})
    assert answer.status_code == 400
    assert "no deployment package" in answer.json()["detail"]
