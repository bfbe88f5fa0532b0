"""What a ledger's rows were about, once its person is erased: nothing that is left can tell."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.ids import derived_id
from chalicelib.mail.outbox import message_of
from chalicelib.mail.templates import TEMPLATES
from chalicelib.privacy import disclosures, grants, ledger, service
from chalicelib.privacy.ledger import GONE, PREFIX, to_item
from chalicelib.privacy.rules import (
    FIRST,
    Entry,
    Event,
    Purpose,
    because,
    follow,
    reference,
    verify,
)
from chalicelib.privacy.wording import told
from chalicelib.rights import wiring as rights
from infra.operate import money
from tests.rights.conftest import MORA, buy, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor

TABLES = ("accounts", "usage", "keys")
NAME = re.compile(r"[a-z]+_\w+")
LONG = 12  # shorter words are the program's own, such as `billing`
SPREAD = 8  # digits of a hash that agree by chance once in four thousand million times


def leaves(value: Any) -> Iterator[str | bytes]:
    """Every value that something stored holds, however deep, and the parts of composed ones."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(name)
            yield from leaves(inner)
    elif isinstance(value, list | tuple | set):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value
        yield from re.split(r"[#:/|]", value)
        yield from NAME.findall(value)
    elif isinstance(value, bytes):
        yield value


def erase() -> None:
    rights.erasure().ask(MORA, 0)
    sweep()


def derived(ids: set[str], payments: list[dict[str, Any]]) -> set[str]:
    """What the program itself computes from ids: of mails, of customers, of charges, of refunds."""
    charges = [(each, period, n) for each in ids for period in range(3) for n in range(3)]
    given = [(n, amount) for n in range(9) for amount in (100, *(i["amount"] for i in payments))]
    return {
        *(message_of(template, each) for template in TEMPLATES for each in ids),
        *(message_of("policy_changed", version, each) for version in range(9) for each in ids),
        *(message_of("receipt", *charge[:2]) for charge in charges),
        *(derived_id("key", "customer", each) for each in ids),
        *(":".join(map(str, charge)) for charge in charges),
        *(derived_id("key", "refund", item["id"], *each) for item in payments for each in given),
    }


def hashes(ids: set[str], keys: set[bytes]) -> Iterator[str]:
    """Each id as it is, spelled otherwise, hashed, and keyed by each key."""
    for each in ids:
        raw = each.encode()
        yield from (each, raw.hex(), base64.b64encode(raw).decode())
        yield from (getattr(hashlib, name)(raw).hexdigest() for name in ("sha256", "md5", "sha1"))
        yield from (hmac.digest(key, raw, "sha256").hex() for key in keys)


def led_to(tables: Tables, subject: str) -> set[str]:
    """The values of a subject's ledger that anything else leads to, by whatever is stored."""
    items = [item for name in TABLES for item in tables.items(name)]
    of = [item for item in items if item["pk"] == f"{PREFIX}{subject}"]
    others = [item for item in items if item["pk"] != f"{PREFIX}{subject}"]
    assert of
    values = {v for item in of for name in ("reason", "hash", "previous") if item.get(name)
              for v in str(item[name]).split(":") if len(v) >= LONG} - {FIRST}  # fmt: skip
    left = {leaf for item in others for leaf in leaves(item)}
    ids = {leaf for leaf in left if isinstance(leaf, str) and len(leaf) >= LONG - 4}
    payments = [item for item in others if item["type"] == "payment"]
    named = {leaf for leaf in ids if NAME.fullmatch(leaf)} | {MORA}
    keys = {leaf for leaf in left if isinstance(leaf, bytes)}
    keys |= {leaf.encode() for leaf in named} | {subject.encode()}
    keys |= {bytes.fromhex(item["hash"]) for item in of} | {item["hash"].encode() for item in of}
    starts = {value[:SPREAD]: value for value in values if re.fullmatch("[0-9a-f]+", value)}
    found = values & ids
    for each in hashes(named | derived(named, payments), keys):
        if each in values:
            found.add(each)
        elif (value := starts.get(each[:SPREAD])) and each.startswith(value):
            found.add(value)
    return found


@pytest.fixture
def story(
    mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock
) -> Callable[[], str]:
    """Paid, mailed of, renewed, given back, and told of a new policy; the order's id."""

    def lived() -> str:
        order = buy(processor, crew)
        of = wiring.subscriptions().of(MORA, order.license_id or "")
        clock.now = of.period_end
        wiring.renewals().sweep()
        first, *_ = wiring.taken().of_account(MORA)
        money.refund(first.id, "1.00")
        wiring.mailer().sweep()
        vault, message = wiring.vault(), message_of("policy_changed", 4, MORA)
        noted = Entry(Event.NOTIFIED, policy="4:x", reason="mail:policy_changed")
        vault.commit(lambda: vault.note_of(mora.subject, noted, message))
        return order.id

    return lived


def kinds(subject: str) -> set[str]:
    """What the rows that are about something say, without the reference."""
    words = (row.entry.reason or "" for row in wiring.vault().ledger.rows(subject))
    return {word.rpartition(":")[0] for word in words if word.startswith(("share:", "mail:"))}


TOLD = {
    "share:processor:customer", "share:processor:payment_page", "share:processor:charge",
    "share:processor:refund", "mail:receipt", "mail:policy_changed", "mail:download_ready",
}  # fmt: skip
PLAINLY: dict[str, Callable[[str, str, bytes], str]] = {
    "as it is": lambda kind, about, _: f"{kind}:{about}",
    "hashed": lambda kind, about, _: f"{kind}:{hashlib.sha256(about.encode()).hexdigest()[:20]}",
    "keyed by the account": lambda kind, about, _: because(kind, about, MORA.encode()),
    "keyed by the pseudonym": lambda kind, about, _: because(
        kind, about, f"sub_{MORA}".encode()
    ),
}  # fmt: skip


@pytest.mark.promise("PS-45", "PS-70")
@pytest.mark.guarantee("G10")
class TestOnceErased:
    def test_nothing_that_is_left_leads_to_any_value_of_the_ledger(
        self, mora: Account, story: Callable[[], str], tables: Tables
    ) -> None:
        order = story()
        erase()
        assert kinds(mora.subject) == TOLD
        assert order in repr(tables.items("accounts"))
        assert led_to(tables, mora.subject) == set()
        assert verify(wiring.vault().ledger.rows(mora.subject))

    @pytest.mark.parametrize("how", sorted(PLAINLY))
    def test_a_reference_that_anybody_can_compute_would_be_found(
        self, mora: Account, story: Callable[[], str], tables: Tables, how: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """The leaky twin."""
        for module in (service, disclosures, grants):
            monkeypatch.setattr(module, "because", PLAINLY[how])
        monkeypatch.setattr(ledger, "require_no_id", lambda entry: entry)
        story()
        erase()
        rows = list(wiring.vault().ledger.rows(mora.subject))
        about = [row for row in rows if (row.entry.reason or "").startswith(("share:", "mail:"))]
        assert len(led_to(tables, mora.subject)) == len(about) == len(TOLD) + 1  # two receipts

    def test_until_then_the_keys_tell_what_each_row_was_about(
        self, mora: Account, story: Callable[[], str]
    ) -> None:
        order = story()
        (about,) = [
            row["about"] for row in rights.export().of(MORA)["uses"]
            if row["reason"].startswith("share:processor:payment_page:")
        ]  # fmt: skip
        assert about == order
        erase()
        assert wiring.vault().referred(mora.subject, [order]) == {}

    def test_every_mail_that_was_opened_is_gone(
        self, mora: Account, story: Callable[[], str], tables: Tables
    ) -> None:
        story()
        assert [i for i in tables.items("accounts") if i["pk"] == f"MESSAGE#{MORA}"]
        erase()
        mails = [i for i in tables.items("accounts") if i["type"].startswith("message")]
        assert [i for i in mails if i.get("account") == MORA or MORA in i["pk"]] == []


@pytest.mark.promise("PS-45", "PS-70")
class TestRowsOfEarlierReleases:
    """They hold ids as they are, and nobody may change them."""

    MESSAGE = message_of("welcome", MORA)

    def before(self, mora: Account, tables: Tables) -> None:
        last = wiring.vault().ledger.head(mora.subject)
        entry = Entry(Event.OPENED, Purpose.ACCOUNT, "4:x", f"mail:welcome:{self.MESSAGE}")
        item = to_item(follow(last, mora.subject, entry, wiring.now()))
        tables.accounts.apply(tables.accounts.put(item))
        write = wiring.outbox().message(
            "welcome", fact=(MORA,), account=MORA, arguments={}, due=0, now=wiring.now()
        )[1]
        tables.accounts.apply(write)

    def test_are_read_and_go_on(self, mora: Account, tables: Tables) -> None:
        self.before(mora, tables)
        wiring.vault().open(mora.subject, Purpose.ACCOUNT, "mail:receipt", "msg_b")
        *_, before, after = wiring.vault().ledger.rows(mora.subject)
        assert verify(wiring.vault().ledger.rows(mora.subject)) == after
        whys = ("a mail to you: welcome", "a mail to you: receipt")
        assert (told(before).why, told(after).why) == whys

    def test_lead_an_erasure_to_their_mail(self, mora: Account, tables: Tables) -> None:
        self.before(mora, tables)
        assert tables.accounts.get(f"MESSAGE#{self.MESSAGE}", "MESSAGE")
        rights.erasure().ask(MORA, 0)
        assert tables.accounts.get(f"MESSAGE#{self.MESSAGE}", "MESSAGE") is None


@pytest.mark.promise("PS-05", "PS-70")
class TestMoneyGoesBack:
    KEY = derived_id("key", "refund", "pi_a", 1, 100)

    def owed(self, subject: str | None) -> None:
        wiring.disclosures().share_owed(subject, "processor", "refund", self.KEY)

    def test_to_who_rests_by_the_key_on_hold(self, mora: Account) -> None:
        rights.deactivation().deactivate(MORA)
        held = wiring.vault().store.held_grant(mora.subject, Purpose.BILLING)
        assert held
        self.owed(mora.subject)
        last = wiring.vault().ledger.head(mora.subject)
        assert last
        assert last.entry.reason == f"share:processor:refund:{reference(self.KEY, held.wrapped)}"

    def test_to_whose_keys_are_gone_on_the_chain_that_is_nobodys(self, mora: Account) -> None:
        wiring.vault().erase(mora.subject)
        before = list(wiring.vault().ledger.rows(mora.subject))
        self.owed(mora.subject)
        self.owed(None)
        assert list(wiring.vault().ledger.rows(mora.subject)) == before
        words = [row.entry.reason for row in wiring.vault().ledger.rows(GONE)]
        assert words == [f"share:processor:refund:{self.KEY}"] * 2
