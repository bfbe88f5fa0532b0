"""A house where work of every kind falls due within three days, and what came of it.

It stands in this process, so that its functions can run in any way a test wants, and be struck at
any of their calls.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

from chalice.app import ScheduledEventConfig

import app
from chalicelib import wiring
from chalicelib.cases.rules import TERMS, Kind
from chalicelib.core.clock import DAY, HOUR, from_text
from chalicelib.mailings.texts import Kind as Mailed
from chalicelib.privacy import wiring as records
from chalicelib.privacy.rules import Event
from chalicelib.rights import wiring as rights
from chalicelib.staff.rules import Role
from chalicelib.storage.dynamo import PRESENT
from tests.cases.conftest import by_form, hire
from tests.context import LambdaContext
from tests.mail.test_handlers import TICK
from tests.mailings.conftest import AUTHOR, House
from tests.partners.conftest import Office
from tests.payments.conftest import CENTURY, sign_contract
from tests.privacy.crowd import Crowd
from tests.rights.conftest import cheap_payer, tombstone

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

Json = dict[str, Any]
START = from_text("2026-12-30T18:00:00Z")
"""The year ends within the outage: a month's figures and a quarter's reminder fall due."""
THIS_YEAR = "2026"
LEAVER = "acc_leaver"
MEMBERS = ("kim", "lee")
USERS = 8  # whose use the partners' figures count


class Unhurried(LambdaContext):
    """With the time that the longest function has."""

    def get_remaining_time_in_millis(self) -> int:
        return 240_000


def functions() -> list[str]:
    """Whatever runs by schedule, read from the app that the template is made of."""
    found = [it.name for it in app.app.event_sources if isinstance(it, ScheduledEventConfig)]
    assert found
    return sorted(found)


def run(function: str) -> None:
    """As its schedule runs it; whatever it raises is raised here."""
    getattr(app, function)(TICK, Unhurried())


def run_all(run: Callable[[str], None]) -> None:
    for function in functions():
        run(function)


def paying(house: House, name: str) -> str:
    """A member whose order is paid, and so is out of the list of the open ones."""
    account, table = house.join(name), wiring.accounts_table()
    (order,) = (row for row in table.query(f"ACCOUNT#{account}", prefix="ORDER#"))
    table.apply(table.update(order["pk"], order["sk"], "REMOVE gsi1pk, gsi1sk", condition=PRESENT))
    return account


@dataclass
class Post:
    """The mail service: it takes everything, and keeps it."""

    taken: list[Json] = field(default_factory=list)

    def send_email(self, **request: Any) -> Json:
        self.taken.append(request)
        return {"MessageId": f"ses-{len(self.taken)}"}

    def mails(self) -> list[tuple[str, str, str]]:
        """Message-ID, recipient and subject of each."""
        found = []
        for request in self.taken:
            mail = message_from_bytes(request["Content"]["Raw"]["Data"], policy=default)
            found.append((str(mail["Message-ID"]), str(mail["To"]), str(mail["Subject"])))
        return found


class DueWork:
    """Two mailings, an overdue case, a planned erasure, a partner, a new policy, a new quarter."""

    def __init__(self, tables: Tables, clock: FakeClock, processor: FakeProcessor) -> None:
        self.tables, self.clock, self.processor, self.post = tables, clock, processor, Post()
        for mailer in (wiring.mailer(), wiring.campaign_mailer()):
            mailer.post.client = self.post
        clock.now = START - TERMS[Kind.DATA].due + 2 * HOUR
        for name, role in (("ada", Role.PRIVACY), ("ben", Role.SERVICE)):
            hire(name, role)
        house = House(tables, clock, Crowd(tables, clock))
        self.members = [paying(house, name) for name in MEMBERS]
        self.case = by_form(Kind.DATA).id
        self.leave()
        self.share()
        self.mailings = [house.approved(kind) for kind in (Mailed.ANNOUNCEMENT, Mailed.OFFER)]
        clock.now = START
        for mailing in self.mailings:
            wiring.mailings().schedule(AUTHOR, mailing, START + 2 * HOUR)
        run_all(run)  # what was due before is done
        run("mail_sweep")
        self.post.taken.clear()
        house.crowd.publish()

    def leave(self) -> None:
        """A payer's account, to be erased within the hour."""
        application = wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Harbor", slug="halyard", name="Halyard",
            summary="Tides", description="",
        )  # fmt: skip
        plan = wiring.catalog().add_plan(
            application, kind="metered", name="Metered", price="0.90", currency="USD"
        )
        sign_contract(CENTURY)
        cheap_payer(LEAVER, plan)
        rights.erasure().ask(LEAVER, (START - self.clock.now) // HOUR + 1)

    def share(self) -> None:
        office = Office(self.tables, self.clock)
        wiring.partners().register("Chart Weekly (test)", START + 365 * DAY)
        for number in range(USERS):
            office.use(
                f"acc_user{number}", "halyard", HOUR, day="2026-12-10", granted_at=self.clock.now
            )

    def left(self) -> Json:
        """What came of it, without the ids and instants that another run has otherwise.

        Who is leaving hears of the policy or not, by when the erasure came through.
        """
        found = self.tables.items("accounts")
        case = wiring.cases().store.case(self.case)
        budget = wiring.partner_store().spent(THIS_YEAR)
        return {
            "mails": Counter(
                (to, what) for _, to, what in self.handed_over() if not to.startswith(LEAVER)
            ),
            "mailings": [str(wiring.mailings().mailing(one).state) for one in self.mailings],
            "case": str(case.state) if case else None,
            "erased": (bool(tombstone(LEAVER)), set(self.processor.forgotten)),
            "released": sorted(row["sk"] for row in found if row["type"] == "aggregate"),
            "spent": budget[0],
            "told": [self.told(one) for one in self.members],
            "findings": self.findings(),
        }

    def findings(self) -> list[str]:
        """Of the newest look at the live data, as it is published."""
        published = records.proof_board().night().body
        assert published
        return list(published["findings"])

    def handed_over(self) -> set[tuple[str, str, str]]:
        """Each mail once, whatever the number of its copies; a case goes by no name."""
        return {(*mail[:2], mail[2].replace(self.case, "it")) for mail in self.post.mails()}

    def told(self, account: str) -> int:
        """How often the ledger says that an account was told of the new policy."""
        rows = wiring.vault().ledger.rows(account.replace("acc_", "sub_"))
        return sum(row.entry.event is Event.NOTIFIED for row in rows)
