"""Any order of joining, publishing, answering, leaving, returning, erasing, telling and mailing.

Whatever happened in whatever order: a key's row is there if and only if the ledger, folded, says
granted and active; nothing was opened without a live grant of that purpose and version; nobody
who said no or left was written to; and each version was told once to whom it touches, to no other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chalicelib import wiring
from chalicelib.accounts.rules import State
from chalicelib.core.clock import DAY, MINUTE
from chalicelib.mail.rules import Lane, MailClass
from chalicelib.mail.service import Mailer
from chalicelib.mail.store import MailStore
from chalicelib.mail.templates import TEMPLATES
from chalicelib.privacy import policies, rules
from chalicelib.privacy.folding import fold
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, When, policy, use_under, verify
from chalicelib.privacy.service import Vault
from chalicelib.privacy.store import VaultStore
from chalicelib.storage.dynamo import ConditionFailed
from tests.privacy.crowd import FIFTH, MEMBER, Crowd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.privacy.rules import Mailed, Row
    from tests.conftest import FakeClock, Tables

ASKED = (Purpose.MARKETING, Purpose.PARTNER_MAIL, Purpose.SURVEYS)
BEGINS = {Event.COLLECTED, Event.GRANTED, Event.REACTIVATED}
ENDS = {Event.WITHDRAWN, Event.DEACTIVATED, Event.ERASED}
ACTIVE, DEACTIVATED, ERASED = "active", "deactivated", "erased"
MAILED: dict[Mailed, MailClass] = {
    Purpose.MARKETING: MailClass.OFFER,
    Purpose.SURVEYS: MailClass.OFFER,
    Purpose.PARTNER_MAIL: MailClass.PARTNER,
}
CAMPAIGN = {
    str(purpose): replace(
        TEMPLATES["download_ready"], mail_class=mail_class, purpose=purpose, arguments={}
    )
    for purpose, mail_class in MAILED.items()
}
PEOPLE = st.integers(0, 3)


@dataclass
class Person:
    """What ought to be true of somebody, as this test keeps it."""

    name: str
    under: int
    state: str = ACTIVE
    granted: dict[Purpose, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        return f"acc_{self.name}"

    @property
    def subject(self) -> str:
        return f"sub_{self.name}"

    @property
    def fields(self) -> dict[str, str]:
        return {"email": f"{self.name}@example.com"}


class Histories(RuleBasedStateMachine):
    """`crowd` is set by the test: tables, clock, and a mail service that keeps what it gets."""

    crowd: Crowd

    @initialize()
    def begin(self) -> None:
        for table in (self.crowd.tables.accounts, self.crowd.tables.keys):
            for item in self.crowd.tables.items(table.name):
                table.apply(table.delete(item["pk"], item["sk"]))
        self.people: list[Person] = []
        self.number, self.facts = 3, 0
        self.handed: Counter[tuple[str, str]] = Counter()
        self.crowd.handed.clear()

    # what may happen, in any order

    @precondition(lambda self: len(self.people) < 4)
    @rule(under=st.sampled_from((1, 2, 3, 0)), yes=st.sets(st.sampled_from(ASKED)))
    def join(self, under: int, yes: set[Purpose]) -> None:
        under = under if self.number == 3 and under else self.number
        asked = policy(under).granted(When.CHOICE)
        chosen = {purpose: purpose in yes for purpose in asked}
        person = Person(f"person{len(self.people)}", under)
        self.crowd.join(person.name, under, chosen=chosen)
        begun = [*policy(under).granted(When.REGISTRATION), *(p for p in asked if chosen[p])]
        person.granted = {p: rules.policy_for(p, under).id for p in begun}
        self.people.append(person)

    @precondition(lambda self: self.number < 5)
    @rule()
    def publish(self) -> None:
        self.crowd.clock.advance(2 * MINUTE)
        self.number += 1
        wiring.publishing().publish(self.number, MEMBER)
        self.crowd.clock.advance(2 * MINUTE)

    @rule(number=PEOPLE, purpose=st.sampled_from(ASKED), yes=st.booleans())
    def answer(self, number: int, purpose: Purpose, yes: bool) -> None:
        person = self._person(number)
        if person is None or person.state == ERASED:
            return
        vault, store = wiring.vault(), wiring.account_store()
        named = purpose in policy(self.number).uses
        if not yes:
            vault.withdraw(person.subject, purpose, "page:/account/privacy")
            if person.state == ACTIVE:
                person.granted.pop(purpose, None)
            return
        try:
            vault.commit(
                lambda: [
                    *vault.grant(person.subject, purpose, person.fields, "page:/account/privacy"),
                    store.check_active(person.account),
                ]
            )
        except PurposeDenied:
            assert not named
        except ConditionFailed:
            assert person.state == DEACTIVATED
        else:
            assert named
            assert person.state == ACTIVE
            person.granted.setdefault(purpose, rules.policy_for(purpose, self.number).id)

    @rule(number=PEOPLE)
    def deactivate(self, number: int) -> None:
        if (person := self._person(number)) and person.state == ACTIVE:
            self._turn(person, State.ACTIVE, "deactivated", wiring.vault().hold)
            person.state = DEACTIVATED

    @rule(number=PEOPLE)
    def return_(self, number: int) -> None:
        if (person := self._person(number)) and person.state == DEACTIVATED:
            self._turn(person, "deactivated", "active", wiring.vault().release)
            wiring.account_store().enter_index(person.account)
            person.state = ACTIVE

    @rule(number=PEOPLE, paid=st.booleans())
    def erase(self, number: int, paid: bool) -> None:
        if (person := self._person(number)) and person.state != ERASED:
            self._erase(person, paid=paid)

    @precondition(lambda self: any(person.state == DEACTIVATED for person in self.people))
    @rule()
    def erase_a_payer_who_rests(self) -> None:
        self._erase(next(p for p in self.people if p.state == DEACTIVATED), paid=True)

    def _erase(self, person: Person, *, paid: bool) -> None:
        """What the law keeps of whoever paid is taken first, also from a key that is on hold."""
        self.crowd.leave(person.account)
        if paid:
            kept = wiring.vault().keep_by_law(person.subject, f"fis_{person.name}", "test")
            assert kept is not None
        wiring.vault().erase(person.subject)
        person.state, person.granted = ERASED, {}

    @precondition(lambda self: self.number > 3)
    @rule()
    def tell(self) -> None:
        self.crowd.clock.advance(DAY)
        self.crowd.notify()

    @rule(template=st.sampled_from(sorted(CAMPAIGN)))
    def write_to_everybody(self, template: str) -> None:
        """As a planner would that knows nothing of anybody's choice."""
        self.facts += 1
        outbox, now = wiring.outbox(), self.crowd.clock()
        with patch.object(outbox, "templates", {**TEMPLATES, **CAMPAIGN}):
            for person in self.people:
                _, write = outbox.message(
                    template, fact=(person.name, self.facts), account=person.account,
                    arguments={}, due=now, now=now,
                )  # fmt: skip
                outbox.store.table.apply(write)

    @rule()
    def send(self) -> None:
        before = len(self.crowd.handed)
        for lane in Lane:
            mailer_of(self.crowd, lane).sweep()
        for mail in self.crowd.handed[before:]:
            (person,) = [p for p in self.people if mail.to == f"{p.name}@example.com"]
            assert person.state == ACTIVE, f"{person} got {mail.subject} after leaving"
            self.handed[person.name, mail.subject] += 1
            if mail.subject in CAMPAIGN:
                assert Purpose(mail.subject) in person.granted, f"{person} got {mail.subject}"

    @rule(number=PEOPLE, purpose=st.sampled_from(Purpose))
    def look(self, number: int, purpose: Purpose) -> None:
        person = self._person(number)
        if person is None:
            return
        may = person.state == ACTIVE and purpose in person.granted
        try:
            secret = wiring.vault().open(person.subject, purpose, "test")
        except PurposeDenied:
            assert not may
        else:
            assert may
            under = use_under(person.granted[purpose], purpose)
            assert secret._fields.keys() <= under.fields

    # what is always true

    @invariant()
    def keys_are_what_the_ledger_says(self) -> None:
        for person in getattr(self, "people", []):
            rows = list(wiring.vault().ledger.rows(person.subject))
            verify(rows)
            expected = person.granted if person.state == ACTIVE else {}
            assert wiring.vault().granted(person.subject) == expected == folded(rows)
            assert fold(rows).ungranted_uses == 0, f"the night would find a use by {person}"

    @invariant()
    def each_version_is_told_once_and_to_whom_it_touches(self) -> None:
        written = messages(self.crowd) if getattr(self, "people", None) else []
        told = Counter((m["account"], m["arguments"]["version"]) for m in written)
        for person in getattr(self, "people", []):
            for number in (4, 5):
                times = told[person.account, number]
                assert times <= (1 if person.under < number <= self.number else 0)

    def teardown(self) -> None:
        if not getattr(self, "people", None):
            return
        self.tell()
        self.send()
        self.keys_are_what_the_ledger_says()
        told = {(m["account"], m["arguments"]["version"]) for m in messages(self.crowd)}
        for person in self.people:
            for number in range(max(person.under, 3) + 1, self.number + 1):
                if person.state == ACTIVE:
                    assert (person.account, number) in told, f"{person} was not told of {number}"

    def _person(self, number: int) -> Person | None:
        return self.people[number % len(self.people)] if self.people else None

    def _turn(
        self, person: Person, from_: str, to: str, keys: Callable[[str, str], list[Any]]
    ) -> None:
        """State and keys in one transaction, as leaving and coming back do."""
        remove = " REMOVE gsi1pk, gsi1sk" if to != "active" else ""
        change = self.crowd.tables.accounts.update(
            f"ACCOUNT#{person.account}", "ACCOUNT", f"SET #s = :to{remove}",
            {":to": to, ":from": str(from_)}, condition="#s = :from", names={"#s": "state"},
        )  # fmt: skip
        wiring.vault().commit(lambda: [change, *keys(person.subject, "page:/account/privacy")])


def messages(crowd: Crowd) -> list[Any]:
    items = crowd.tables.items("accounts")
    return [item for item in items if item.get("template") == "policy_changed"]


def folded(rows: list[Row]) -> dict[Purpose, str]:
    """Who may open what, by the ledger alone; every opening had a live grant of its version.

    But for what the law keeps of whoever paid, right before all of it is erased.
    """
    live: dict[Purpose, str] = {}
    erased = {row.number for row in rows if row.entry.event is Event.ERASED}
    for row in rows:
        event, purpose, under = row.entry.event, row.entry.purpose, row.entry.policy
        if event in BEGINS and purpose and under:
            live[purpose] = under
        elif event in ENDS and purpose:
            live.pop(purpose, None)
        elif event is Event.OPENED and purpose:
            by_law = purpose is Purpose.BILLING and row.number + 1 in erased
            assert live.get(purpose) == under or by_law, f"opened without a grant: {row}"
    return live


def mailer_of(crowd: Crowd, lane: Lane) -> Mailer:
    """The real mailer of a lane; a campaign's mail says in its subject what it was opened for."""
    real = wiring.mailer()
    post = type(real.post)(crowd, real.post.sender, real.post.configuration_set)
    return Mailer(
        MailStore(crowd.tables.accounts, lane), real.people, wiring.vault(), post, real.keyed,
        real.head, real.clock, {**TEMPLATES, **CAMPAIGN}, link_key=wiring.link_key,
    )  # fmt: skip


@pytest.fixture
def five_versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fifth version, in which another recipient sees what the account holds."""
    monkeypatch.setitem(policies.VERSIONS, 5, FIFTH)
    rules.known_policies.cache_clear()
    yield
    monkeypatch.undo()
    rules.known_policies.cache_clear()
    rules.policy.cache_clear()


@pytest.fixture
def machine(
    tables: Tables, clock: FakeClock, five_versions: None, monkeypatch: pytest.MonkeyPatch
) -> type[Histories]:
    from chalicelib.mail import letters

    render = letters.render

    def plain(template: str, part: str, values: dict[str, Any]) -> str:
        return template if template in CAMPAIGN else render(template, part, values)

    monkeypatch.setattr(letters, "render", plain)
    return type("TheseHistories", (Histories,), {"crowd": Crowd(tables, clock)})


def run(machine: type[Histories], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True,
            database=None, phases=[Phase.generate], verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.mark.promise("PS-80")
@pytest.mark.promise("PS-81")
@pytest.mark.promise("PS-82")
@pytest.mark.promise("PS-83")
def test_whatever_happens_in_whatever_order(machine: type[Histories]) -> None:
    run(machine, examples=40, steps=20)


class TestAPlantedBugIsFound:
    """The machine is worth something: each of these breaks one of its sentences."""

    def planted(self, machine: type[Histories]) -> None:
        with pytest.raises(AssertionError):
            run(machine, examples=30, steps=20)

    def test_where_a_no_leaves_the_key(
        self, machine: type[Histories], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(VaultStore, "end_grant", VaultStore.holds)
        self.planted(machine)

    def test_where_mail_goes_to_whoever_left(
        self, machine: type[Histories], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        everybody = frozenset({"active", "deactivated", "ending"})
        wide = {name: replace(kind, audience=everybody) for name, kind in CAMPAIGN.items()}
        monkeypatch.setitem(globals(), "CAMPAIGN", wide)
        monkeypatch.setattr(Vault, "open", opened_from_anywhere)
        self.planted(machine)


def opened_from_anywhere(vault: Vault, subject: str, purpose: Purpose, reason: str) -> Any:
    """What a vault would do that opens without a grant."""
    from chalicelib.privacy.sinks import Secret

    return Secret(subject, purpose, {"email": f"{subject.removeprefix('sub_')}@example.com"})
