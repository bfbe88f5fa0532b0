"""Several lives at once, in any order, by what routes and jobs call: no use without a grant.

People register, choose, correct, buy, rest, come back and leave; versions are published and told;
mailings are planned and handed over by steps of their own, so that a no falls in between, also in
the very hand-over; addresses stop mail; backups bring rows back. After each step every key, every
row of the ledger, every mail and every suppression is held against what each of them said.

What it surely finds is what the sabotages that name it do: a key that stays after a no, a click or
a rest, and a yes that nobody said. Its few examples need not meet one act in one instant: that a
no in the very hand-over keeps a mail back (`no-before-hand-over-missed`), tests/mailings holds.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.serialize import ResponseSerializer
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

from chalicelib import wiring
from chalicelib.accounts.fields import email_identity
from chalicelib.accounts.passwords import Match, Passwords
from chalicelib.accounts.rules import AccountGone, LinkEnded, NotConfirmed, TooManyWishes
from chalicelib.accounts.store import Claim
from chalicelib.core.clock import DAY, HOUR, MINUTE, SECOND
from chalicelib.core.errors import CetrusError
from chalicelib.mail.feedback import Report
from chalicelib.mail.letters import compose
from chalicelib.mail.links import link_token
from chalicelib.mail.outbox import message_of
from chalicelib.mail.wishes import suppression_of
from chalicelib.mailings.texts import Kind
from chalicelib.privacy.choices import NotAChoice
from chalicelib.privacy.folding import fold
from chalicelib.privacy.ledger import from_item
from chalicelib.privacy.rules import Purpose, PurposeDenied, verify
from chalicelib.rights import wiring as rights
from chalicelib.rights.rules import LeavingAlready, NothingToCool, NotPlanned
from chalicelib.storage.wire import from_wire_item
from infra.local import dynamo
from infra.operate.leaving import leave_again
from tests.cases.conftest import deliver, raw, verdicts
from tests.conftest import REGION
from tests.mailings.test_rules import content
from tests.payments.conftest import CENTURY, sign_contract
from tests.privacy.crowd import MEMBER
from tests.privacy.test_histories import five_versions
from tests.rights.lives import (
    ACTIVE,
    ASKED,
    GONE,
    NEEDS,
    RESTING,
    ROWS,
    UNCONFIRMED,
    Folded,
    Judge,
    Life,
    Registry,
    ledger,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock, Tables

__all__ = ["five_versions"]

PASSWORD = "green door behind the mill"
AUTHOR, APPROVER = "stf_author", "stf_approver"
EXAMPLES, STEPS = 12, 20
TIME_LEFT, LATEST = 240_000, 5
TEMPLATES = {
    Kind.ANNOUNCEMENT: "announcement", Kind.SERVICE: "service_notice", Kind.OFFER: "offer",
    Kind.PARTNER: "partner_mail",
}  # fmt: skip
PLANNED = {*TEMPLATES.values(), "policy_changed"}
"""What jobs write for many, each of whom must be one whom it may go to."""
LOOKED_AT = (
    "SUBJECT#", "LEDGER#sub_", "SUPPRESSION#", "MESSAGE#", "ACCOUNT#", "NOTICES#", "CAP#", "OPTIN#",
)  # fmt: skip
SLOTS = st.integers(0, 2)
PURPOSES = st.sampled_from((Purpose.MARKETING, Purpose.PARTNER_MAIL, Purpose.SURVEYS))
ALL = frozenset({Purpose.MARKETING, Purpose.PARTNER_MAIL, Purpose.SURVEYS})
YES = st.sampled_from(
    (ALL, ALL - {Purpose.PARTNER_MAIL}, ALL - {Purpose.MARKETING}, ALL - ALL)
)  # fmt: skip
PROMOTED = st.sampled_from((Kind.PARTNER, Kind.OFFER, Kind.SERVICE))
PAID = st.sampled_from((True, True, False))
KINDS = st.sampled_from(tuple(TEMPLATES))
BETWEEN = st.sampled_from(("", "", "", "no", "yes", "click", "rest", "erase"))
MEANWHILE = st.sampled_from(("no", "browser", "click", "complaint", "rest", "erase", ""))
COULD_WANT = {"yes"}
"""Whoever says yes after the planning is not written to any more by that mailing."""


class Lives(RuleBasedStateMachine):
    """`tables`, `clock`, `plan` and `base` are set by the test, and shared by all examples."""

    tables: Tables
    clock: FakeClock
    plan: Plan
    base: dict[str, set[Any]]
    seen: Counter[str]
    running: list[Lives]

    @initialize(yes=st.tuples(YES, YES, YES), paid=st.tuples(PAID, PAID, PAID))
    def begin(self, yes: tuple[frozenset[Purpose], ...], paid: tuple[bool, ...]) -> None:
        """Three people, each with an account; what they chose is in force."""
        forget_all_but(self.base)
        self.running[:] = [self]
        self.number, self.forms = 3, count()
        self.backup: dict[str, list[Any]] = {}
        self.written: set[str] = set()
        self.chains: dict[str, tuple[int, Folded]] = {}
        self.meanwhile, self.taken_away = "", 0
        self.town = Registry(self.clock, self._message)
        self.judge = Judge()
        self.judge.active, self.judge.orders = self.town.active, {}
        self.judge.requests = self.seen
        wiring.forget()
        self._patch("processor", lambda key: self.judge)
        for mailer in (wiring.mailer(), wiring.campaign_mailer()):
            mailer.post = self.town  # type: ignore[assignment]
        for slot in range(3):
            self.register(slot, yes[slot], gpc=False, confirmed=True)
            if paid[slot]:
                self.order(slot, page=True)
                self.pay(slot)
        self._hand_over()
        for slot in range(3):
            self.say_partners_again(slot)

    @staticmethod
    def _patch(name: str, value: Any) -> None:
        setattr(wiring, name, value)

    # joining

    @rule(slot=SLOTS, yes=YES, gpc=st.booleans(), confirmed=st.booleans())
    def register(self, slot: int, yes: frozenset[Purpose], gpc: bool, confirmed: bool) -> None:
        """Wherever an address is free: also that of somebody who was erased."""
        address, before = address_of(slot), self._at(slot)
        if before and before.state == UNCONFIRMED:
            self.confirm(before)
        if self._owner(address):
            return
        name = f"{slot}-{next(self.forms)}"
        asked = ASKED[self.number]
        fields = {
            "account_name": name, "login": f"login.{name}", "email": address, "name": f"Kim {name}",
            "city": "Canarymote",
        }  # fmt: skip
        chosen = {purpose: purpose in yes for purpose in asked}
        wiring.registration().register(fields, PASSWORD, chosen, gpc=gpc)
        account = wiring.account_store().account(self._owner(address))
        assert account
        life = Life(name, account.id, account.subject, address, self.number, heard=gpc)
        for purpose in () if gpc else yes & {*asked}:
            if purpose is Purpose.PARTNER_MAIL:
                life.wish = True
            else:
                life.yes(purpose)
        self.town.lives.append(life)
        if confirmed:
            self.confirm(life)

    def confirm(self, life: Life) -> None:
        with suppress(LinkEnded):
            wiring.recovery().confirm(self._token("welcome", life.account), PASSWORD)
            life.state = ACTIVE

    # choosing

    @rule(slot=SLOTS, purpose=PURPOSES, yes=st.booleans(), gpc=st.booleans())
    def choose(self, slot: int, purpose: Purpose, yes: bool, gpc: bool) -> None:
        if life := self._at(slot):
            self._choose(life, purpose, yes=yes, gpc=gpc)

    def _choose(self, life: Life, purpose: Purpose, *, yes: bool, gpc: bool = False) -> None:
        asked, here = purpose in ASKED[self.number], life.state == ACTIVE
        life.heard |= here and yes and gpc
        try:
            wiring.choosing().change(life.account, purpose, yes=yes, gpc=gpc)
        except AccountGone:
            assert not here
        except PurposeDenied:
            assert life.state == GONE
        except NotAChoice:
            assert not asked
            assert yes or purpose not in life.said
        except TooManyWishes:
            assert purpose is Purpose.PARTNER_MAIL
        else:
            self._answered(life, purpose, yes=yes)

    def _answered(self, life: Life, purpose: Purpose, *, yes: bool) -> None:
        if life.state == GONE:
            assert not yes
        elif not yes:
            life.no(purpose)
        elif purpose is Purpose.PARTNER_MAIL and purpose not in life.said:
            life.wish = True
        else:
            life.yes(purpose)
            self._lift(life, purpose)

    def _lift(self, life: Life, purpose: Purpose) -> None:
        promotes = "CLASS#partner" if purpose is Purpose.PARTNER_MAIL else "CLASS#offer"
        self.town.stops(life.address).difference_update({promotes, "COMPLAINED"})

    @rule(slot=SLOTS)
    def say_partners_again(self, slot: int) -> None:
        """The button behind the newest link that came."""
        life, mail = self._at(slot), self.town.newest("partner_opt_in", address_of(slot))
        if life is None or mail is None:
            return
        try:
            wiring.choosing().say_again(link_token(wiring.link_key(), mail.message))
        except LinkEnded:
            return
        assert life.state == ACTIVE
        assert life.account == mail.account
        assert life.wish, f"{life} did not wish that any more"
        assert self.clock.now < mail.at + DAY
        life.wish = False
        life.yes(Purpose.PARTNER_MAIL)
        self._lift(life, Purpose.PARTNER_MAIL)
        self.seen["said twice"] += 1

    @rule(slot=SLOTS)
    def visit_with_a_browser_that_says_no(self, slot: int) -> None:
        if life := self._at(slot):
            self._browser(life)

    def _browser(self, life: Life) -> None:
        account = wiring.account_store().account(life.account)
        if account is None or life.state != ACTIVE:
            return
        wiring.choosing().opt_out(account)
        if not life.heard:
            life.said, life.wish, life.heard, life.ending = {}, False, True, set()

    # everyday life

    @rule(slot=SLOTS, what=st.sampled_from(("correct", "look", "export")))
    def use_the_account(self, slot: int, what: str) -> None:
        if (life := self._at(slot)) is None:
            return
        try:
            if what == "correct":
                wiring.accounts().correct(life.account, {"name": f"Kim {next(self.forms)}"})
            elif what == "look":
                wiring.accounts().profile(life.account)
            else:
                rights.export().of(life.account)
        except (AccountGone, PurposeDenied):
            assert life.state != ACTIVE
        else:
            assert life.state in {ACTIVE, UNCONFIRMED}, f"shown after they left: {life}"

    @rule(slot=SLOTS, as_far_as=st.sampled_from(("order", "page", "pay", "refund")))
    def buy(self, slot: int, as_far_as: str) -> None:
        """As far as it goes this time; the rest may come to pass after they left."""
        self.order(slot, page=as_far_as != "order")
        if as_far_as in {"pay", "refund"}:
            self.pay(slot)
        if as_far_as == "refund":
            self.give_money_back(slot)

    def order(self, slot: int, page: bool) -> None:
        """A click on a plan, and the way to the processor's page: it may come to pass later."""
        if (life := self._at(slot)) is None or life.paid:
            return
        try:
            order = wiring.orders().place(life.account, "halyard", self.plan.id, "a")
            self.judge.orders[order.id] = life.account
            if page:
                wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        except (NotConfirmed, AccountGone, PurposeDenied):
            assert life.state != ACTIVE

    def pay(self, slot: int) -> None:
        """On the processor's page, also after leaving: then nothing is granted for it."""
        if (life := self._at(slot)) is None:
            return
        order = next((o for o, who in self.judge.orders.items() if who == life.account), "")
        if f"cs_{order}" not in self.judge.checkouts:
            return
        self.judge.complete(f"cs_{order}")
        wiring.payments().fulfillment.fulfill(life.account, order)
        life.paid |= life.state == ACTIVE
        self.seen["paid"] += life.state == ACTIVE
        self.seen["paid after leaving"] += life.state != ACTIVE

    def give_money_back(self, slot: int) -> None:
        """It is theirs whatever they grant by now, and the row comes first all the same."""
        life = self._at(slot)
        if life and (paid := list(wiring.taken().of_account(life.account))):
            telling = wiring.telling(self.judge)
            telling.refund(life.account, paid[0].id, 1, f"key_{next(self.forms)}")

    # leaving and coming back

    @rule(slot=SLOTS, rest=st.booleans())
    def rest_or_come_back(self, slot: int, rest: bool) -> None:
        if life := self._at(slot):
            (self._rest if rest else self._come_back)(life)

    def _rest(self, life: Life) -> None:
        try:
            proof = rights.proving().by_password(life.account, PASSWORD)
            rights.deactivation().deactivate(life.account, proof)
        except LeavingAlready:
            assert life.due is not None
        except CetrusError:
            assert life.state != ACTIVE
        else:
            assert life.state in {ACTIVE, GONE}
            life.state = RESTING if life.state == ACTIVE else life.state

    def _come_back(self, life: Life) -> None:
        try:
            found = rights.proving().resting(f"login.{life.name}", PASSWORD)
            rights.deactivation().reactivate(found)
        except CetrusError:
            assert life.state != RESTING
        else:
            assert life.state in {RESTING, GONE}
            life.state = ACTIVE if life.state == RESTING else life.state
            self.seen["came back"] += 1

    @rule(slot=SLOTS, use=st.booleans(), back=st.booleans())
    def forget_the_password(self, slot: int, use: bool, back: bool) -> None:
        """A new password by mail; whoever rests is taken back only by an act of their own."""
        wiring.recovery().forgot(address_of(slot))
        if use:
            self._hand_over()
            self._reset(slot, back=back)

    def _reset(self, slot: int, *, back: bool) -> None:
        life, mail = self._at(slot), self.town.newest("password_reset", address_of(slot))
        if life is None or mail is None:
            return
        try:
            wiring.recovery().reset(link_token(wiring.link_key(), mail.message), PASSWORD)
        except (LinkEnded, AccountGone):
            return
        assert life.state != GONE
        if life.state == UNCONFIRMED:
            life.state, life.said, life.wish = ACTIVE, {}, False
        if life.state == RESTING and back:
            self._come_back(life)
            self.seen["came back by link"] += 1

    @rule(slot=SLOTS, hours=st.sampled_from((0, 24, None)))
    def ask_for_erasure(self, slot: int, hours: int | None) -> None:
        """At once, in a day, or not after all."""
        if (life := self._at(slot)) is None:
            return
        if hours is None:
            self._stay(life)
        else:
            self._erase(life, hours)

    def _erase(self, life: Life, hours: int) -> None:
        self._back_up()
        try:
            rights.erasure().ask(life.account, hours)
        except LeavingAlready:
            assert life.due is not None or life.state == GONE
        except NothingToCool:
            assert life.state == RESTING
            assert hours
        except AccountGone:
            assert life.state in {UNCONFIRMED, GONE}
        else:
            self._asked(life, hours)

    def _asked(self, life: Life, hours: int) -> None:
        if life.state == GONE:
            return
        if hours:
            life.due = self.clock.now + hours * HOUR
        else:
            self._gone(life)

    def _gone(self, life: Life) -> None:
        life.state, life.said, life.due, life.wish = GONE, {}, None, False
        life.ending = set()
        self.seen["gone"] += 1

    def _stay(self, life: Life) -> None:
        try:
            rights.erasure().stop(life.account)
        except NotPlanned:
            assert life.due is None
        else:
            assert life.due is not None or life.state == GONE
            life.due = None
            self.seen["stayed"] += 1

    @rule(again=st.booleans())
    def sweep(self, again: bool) -> None:
        """What is over ends, by the jobs; with `again`, also by the operator after a restore."""
        self._back_up()
        if again:
            leave_again()
        rights.rights_sweep().run(lambda: TIME_LEFT)
        wiring.cleanup().run(lambda: TIME_LEFT)
        for life in self.town.lives:
            over = life.due is not None and life.due <= self.clock.now
            never = life.state == UNCONFIRMED and self._owner(life.address) != life.account
            if over or never:
                self._gone(life)

    def _back_up(self) -> None:
        self.backup = {name: stored(name) for name in ("accounts", "usage")}

    @precondition(lambda self: any(life.state == GONE for life in self.town.lives))
    @rule()
    def restore(self) -> None:
        """Rows of whoever is gone are back, as of before; `keys` is in no backup."""
        gone = [life for life in self.town.lives if life.state == GONE]
        for name, items in self.backup.items():
            table = getattr(self.tables, name)
            there = {(item["pk"], item["sk"]) for item in stored(name)}
            for item in items:
                theirs = any(mark in repr(item) for g in gone for mark in (g.account, g.subject))
                if theirs and (item["pk"], item["sk"]) not in there:
                    table.apply(table.put(item))
        self.seen["restored"] += any(map(self._is_back, gone))

    # versions

    @rule(publish=st.booleans())
    def publish_or_tell(self, publish: bool) -> None:
        """A version comes into force at once; who it touches is told by a job of its own."""
        if publish and self.number < LATEST:
            self.clock.advance(2 * MINUTE)
            self.number += 1
            wiring.publishing().publish(self.number, MEMBER)
            self.clock.advance(2 * MINUTE)
        else:
            wiring.policy_notices().run(lambda: TIME_LEFT)

    # mail

    @rule(kinds=st.lists(KINDS, max_size=3, unique=True))
    def plan_mailings(self, kinds: list[Kind]) -> None:
        for kind in kinds:
            self._schedule(kind)
        wiring.mailing_planner().run()

    def _schedule(self, kind: Kind) -> str:
        made = content(kind)
        if made.application:
            made = replace(made, application=self.plan.application_id)
        if "ends" in made.fields:  # a maintenance that is over is not announced
            made = replace(made, fields={**made.fields, "day": "2099-03-31"})
        mailings = wiring.mailings()
        mailing = mailings.draft(AUTHOR, f"form {next(self.forms)}", made)
        mailings.submit(AUTHOR, mailing)
        mailings.approve(APPROVER, mailing, mailings.mailing(mailing).content.sha256)
        mailings.schedule(AUTHOR, mailing, wiring.now())
        return mailing

    @rule()
    def hand_over(self) -> None:
        self._hand_over()

    def _hand_over(self) -> None:
        """An erasure in the midst of it takes the very message away: that one is an error."""
        self.taken_away = 0
        for mailer in (wiring.mailer(), wiring.campaign_mailer()):
            done = mailer.sweep()
            assert done.get("error", 0) <= self.taken_away, (done, self.town.wrong)
        assert not self.town.wrong, self.town.wrong

    @rule(kind=KINDS)
    def write_to_many(self, kind: Kind) -> None:
        self.campaign(kind, 0, "", "")

    @rule(kind=PROMOTED, slot=SLOTS, between=BETWEEN, meanwhile=MEANWHILE)
    def campaign(self, kind: Kind, slot: int, between: str, meanwhile: str) -> None:
        """Planned, and handed over later; somebody acts in between, or while a letter is made.

        Where nobody does, exactly those get it whom it may go to.
        """
        self._hand_over()
        template, before = TEMPLATES[kind], len(self.town.handed)
        mailing = self._schedule(kind)
        wiring.mailing_planner().run()
        self.everything_is_as_they_said()
        if between and (life := self._at(slot)):
            self._act(between, life, template)
            self.everything_is_as_they_said()
        these = (one for one in self.town.lives if not self.town.unwanted(one, template))
        wanted = Counter(life.account for life in these)
        self.meanwhile = meanwhile
        self._hand_over()
        self.meanwhile = ""
        handed = [mail.account for mail in self.town.handed[before:] if mail.mailing == mailing]
        if between not in COULD_WANT and not meanwhile:
            assert Counter(handed) == wanted
        self.seen[template] += len(handed)

    def _act(self, what: str, life: Life, template: str) -> None:
        acts: dict[str, Callable[[], None]] = {
            "no": lambda: self._answer_all(life, yes=False),
            "yes": lambda: self._answer_all(life, yes=True),
            "browser": lambda: self._browser(life),
            "click": lambda: self._click(life.address, template),
            "complaint": lambda: self._report(life.address, "COMPLAINED"),
            "rest": lambda: self._rest(life),
            "erase": lambda: self._erase(life, 0),
        }
        acts[what]()

    def _answer_all(self, life: Life, *, yes: bool) -> None:
        for purpose in ASKED[self.number]:
            self._choose(life, purpose, yes=yes)

    def composing(self, message: Any) -> None:
        """Called while a letter is made: the address is open by then, and nothing has gone out."""
        if not self.meanwhile or message.template not in ROWS:
            return
        what, self.meanwhile = self.meanwhile, ""
        life = self.town.of(message.account)
        try:
            self._act(what, life, message.template)
        except Exception as error:  # noqa: BLE001 - the mailer would take it for its own
            self.town.wrong.append(repr(error))
        self.taken_away += life.state == GONE
        self.seen["stopped in the hand-over"] += bool(self.town.unwanted(life, message.template))

    @rule(slot=SLOTS, how=st.sampled_from((*ROWS, "remove", "forged", "BOUNCED", "COMPLAINED")))
    def stop_mail(self, slot: int, how: str) -> None:
        """By the link of a mail, by a mail of one's own, or as the mail service tells."""
        if how in ROWS:
            self._click(address_of(slot), how)
        elif how in {"remove", "forged"}:
            self._remove(address_of(slot), forged=how == "forged")
        else:
            self._report(address_of(slot), how)

    def _click(self, address: str, template: str) -> None:
        """One click on the newest mail of a kind that came, whoever has the address by now."""
        if (mail := self.town.newest(template, address)) is None:
            return
        wiring.stopping().stop(mail.stop)
        self.town.stops(address).add(ROWS[template])
        life = self.town.ways[address, ROWS[template]]
        if template in NEEDS:
            life.said.pop(NEEDS[template], None)
            if template == "offer":
                life.stopped(Purpose.SURVEYS)
        else:
            life.off = True
        self.seen["clicked"] += 1

    def _remove(self, address: str, *, forged: bool) -> None:
        """Whoever writes it in their name: it stops mail of partners and nothing else."""
        above = verdicts(dmarc="fail") if forged else verdicts()
        deliver(raw("Re: REMOVE", address, above), f"in/{next(self.forms)}")
        self.town.stops(address).add("CLASS#partner")
        if life := self.town.at(address):
            life.stopped(Purpose.PARTNER_MAIL)

    def _report(self, address: str, event: str) -> None:
        wiring.mail_feedback().take(Report(address, event, self.clock.now))
        self.town.stops(address).add(event)

    @rule(slot=SLOTS, what=st.sampled_from(("", "rest", "erase")))
    def write_to_be_deleted(self, slot: int, what: str) -> None:
        """A link comes back, also to whoever rests; it may be used."""
        wish = raw("Please delete my account", address_of(slot), verdicts())
        deliver(wish, f"in/{next(self.forms)}")
        if what:
            self._hand_over()
            self._use_link(slot, erase=what == "erase")

    def _use_link(self, slot: int, *, erase: bool) -> None:
        life, mail = self._at(slot), self.town.newest("rights_link", address_of(slot))
        if life is None or mail is None:
            return
        token = link_token(wiring.link_key(), mail.message)
        try:
            account = rights.proving().by_link(token)
            used = rights.proving().use(token)
            assert account.id == life.account
            self._back_up()
            if erase:
                rights.erasure().ask(account.id, 0, used, reason="page:/rights")
            else:
                rights.deactivation().deactivate(account.id, used, reason="page:/rights")
        except (LinkEnded, AccountGone, LeavingAlready):
            return
        assert life.state in ({ACTIVE, RESTING} if erase else {ACTIVE})
        self.seen["left by link"] += 1
        if erase:
            self._gone(life)
        else:
            life.state = RESTING

    @rule(by=st.sampled_from((HOUR, DAY, 8 * DAY, 30 * DAY)))
    def wait(self, by: int) -> None:
        self.clock.advance(by)

    # what is always true

    @invariant()
    def everything_is_as_they_said(self) -> None:
        if not hasattr(self, "town"):
            return
        self.clock.advance(SECOND)
        keys, accounts = stored("keys"), stored("accounts", LOOKED_AT)
        by_pk: dict[str, list[Any]] = {}
        for item in [*keys, *accounts]:
            by_pk.setdefault(item["pk"], []).append(item)
        for life in self.town.lives:
            self._keys(life, by_pk)
            self._rows_left(life, by_pk)
        self._suppressions(accounts)
        self._written(accounts)

    def _keys(self, life: Life, by_pk: dict[str, list[Any]]) -> None:
        """Keys, in their place or on hold, are what they said, and what their ledger says."""
        place, hold, sealed = {}, {}, set()
        for item in by_pk.get(f"SUBJECT#{life.subject}", []):
            if item["sk"].startswith("KEY#"):
                place[Purpose(item["sk"].removeprefix("KEY#"))] = item["policy"]
            elif item["sk"].startswith("SEALED#"):
                sealed.add(Purpose(item["sk"].removeprefix("SEALED#")))
        for item in by_pk.get(f"HELD#{life.subject}", []):
            hold[Purpose(item["sk"].removeprefix("KEY#"))] = item["policy"]
        life.lost({*place, *hold})
        here = life.granted if life.state != GONE else {}
        there = life.granted if life.state == RESTING else {}
        here = {} if life.state == RESTING else here
        assert numbers(place) == here, f"keys in their place: {life}"
        assert numbers(hold) == there, f"keys on hold: {life}"
        if life.state != GONE:
            assert sealed == {*here, *there}, f"sealed: {life}"
        folded = self._folded(life, by_pk[f"LEDGER#{life.subject}"])
        assert (folded.live, folded.held) == (place, hold), f"the ledger says otherwise: {life}"

    def _folded(self, life: Life, items: list[Any]) -> Folded:
        """What the chain comes to, looked at again where it has grown."""
        length, found = self.chains.get(life.subject, (0, Folded()))
        if len(items) != length:
            rows = sorted(map(from_item, items), key=lambda row: row.number)
            verify(rows)
            found = ledger(rows)
            assert fold(rows).ungranted_uses == 0, f"the night would find a use: {life}"
            self.chains[life.subject] = len(items), found
        return found

    def _rows_left(self, life: Life, by_pk: dict[str, list[Any]]) -> None:
        """Nothing about whoever is gone comes to be, and nothing waits for them."""
        own = {item["sk"] for item in by_pk.get(f"ACCOUNT#{life.account}", [])}
        if life.state != GONE or "ACCOUNT" in own:
            return
        assert f"NOTICES#{life.account}" not in by_pk, f"a choice about mail is left: {life}"
        assert f"CAP#{life.account}" not in by_pk
        assert f"OPTIN#{life.account}" not in by_pk
        assert f"SUBJECT#{life.subject}" not in by_pk, f"sealed fields are left: {life}"
        waiting = [
            item["template"] for items in by_pk.values() for item in items
            if item["type"] == "message" and item.get("account") == life.account
            and item["state"] in {"waiting", "sending"}
        ]  # fmt: skip
        assert not waiting, f"{waiting} wait for {life}"

    def _suppressions(self, accounts: list[Any]) -> None:
        """What was stopped at an address is stopped, whatever became of its account."""
        found: dict[str, set[str]] = {}
        for item in accounts:
            if item["type"] == "suppression" and "lifted_at" not in item:
                found.setdefault(item["pk"], set()).add(item["sk"])
        wanted = {
            f"SUPPRESSION#{suppression_of(wiring.keyed(), address)}": rows
            for address, rows in self.town.stopped.items() if rows
        }  # fmt: skip
        assert found == wanted

    def _written(self, accounts: list[Any]) -> None:
        """What a job has just written for many is for those alone to whom it may go.

        Except what comes with an account whose rows a backup brought back: it never goes out.
        """
        for item in accounts:
            if item["type"] != "message" or item["id"] in self.written:
                continue
            self.written.add(item["id"])
            if item["template"] not in PLANNED:
                continue
            life = self.town.of(item["account"])
            back = life.state == GONE and self._is_back(life)
            assert life.state == ACTIVE or back, f"{item['template']} written for {life}"
            if need := NEEDS.get(item["template"]):
                assert need in life.said or back, f"{item['template']} written for {life}"

    def teardown(self) -> None:
        """In the end everybody who is there was told of each version that touches them, once."""
        if not hasattr(self, "town"):
            return
        self._hand_over()
        for _ in range(2):
            self.clock.advance(8 * DAY)
            self.publish_or_tell(publish=False)
            self._hand_over()
        self.everything_is_as_they_said()
        for life in self.town.lives:
            touched = set(range(life.under + 1, self.number + 1))
            touched -= {4} if life.surveyed else set()
            if life.state == ACTIVE:
                assert touched <= life.told.keys(), f"not told: {life}"
                self.seen["told"] += len(touched)

    # helpers

    def _at(self, slot: int) -> Life | None:
        return self.town.at(address_of(slot))

    def _owner(self, address: str) -> str | None:
        claim = wiring.keyed().of("email", email_identity(address))
        return wiring.account_store().owner(Claim.EMAIL, claim)

    def _is_back(self, life: Life) -> bool:
        return wiring.account_store().account(life.account) is not None

    def _token(self, template: str, *fact: str) -> str:
        return link_token(wiring.link_key(), message_of(template, *fact))

    def _message(self, message_id: str) -> dict[str, Any]:
        return self.tables.accounts.get(f"MESSAGE#{message_id}", "MESSAGE") or {}


def address_of(slot: int) -> str:
    return f"slot{slot}@example.com"


def numbers(policies: dict[Purpose, str]) -> dict[Purpose, int]:
    """The version that each grant is bound to."""
    return {purpose: int(found.partition(":")[0]) for purpose, found in policies.items()}


def engine() -> dict[str, Any]:
    """The items of each table as the engine of the tests keeps them."""
    found = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables
    return {name: found[name].items for name in ("accounts", "usage", "keys")}


def stored(name: str, prefixes: tuple[str, ...] = ("",)) -> list[Any]:
    """What lies in a table under these partitions: a scan would take longer than an act."""
    return [
        from_wire_item(item.to_json()["Attributes"])
        for pk, rows in engine()[name].items() if pk.value.startswith(prefixes)
        for item in rows.values()
    ]  # fmt: skip


def places() -> dict[str, set[Any]]:
    return {
        name: {(pk, sk) for pk, rows in items.items() for sk in rows}
        for name, items in engine().items()
    }


def forget_all_but(kept: dict[str, set[Any]]) -> None:
    """By hand: a call for each item would take longer than an example."""
    for name, items in engine().items():
        for pk in list(items):
            for sk in [sk for sk in items[pk] if (pk, sk) not in kept[name]]:
                del items[pk][sk]
            if not items[pk]:
                del items[pk]


@pytest.fixture
def engine_of_the_local_cloud(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions that undo by key, where the plain engine copies whole tables: for this test.

    Where another test of the process has it already, it stays, and tells nobody for a while.
    """
    if dynamo._installed:
        monkeypatch.setattr(dynamo._installed[0], "on_commit", lambda _: None)
        return
    for owner, name in (
        (DynamoHandler, "call_action"), (Table, "query"), (Table, "scan"),
        (ResponseSerializer, "_serialize_type_structure"),
        (DynamoDBBackend, "transact_write_items"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(dynamo, "_installed", [])
    dynamo.install(lambda _: None)


@pytest.fixture
def lives(
    tables: Tables,
    clock: FakeClock,
    engine_of_the_local_cloud: None,
    five_versions: None,
    monkeypatch: pytest.MonkeyPatch,
) -> type[Lives]:
    """The machine on empty tables, with one plan to buy and a contract with the processor."""
    monkeypatch.setattr(Passwords, "hash", lambda _, password: f"plain {password}")
    monkeypatch.setattr(
        Passwords, "match",
        lambda _, verifier, password: Match(right=verifier == f"plain {password}"),
    )  # fmt: skip
    monkeypatch.setattr(wiring, "processor", wiring.processor)  # what an example puts there ends
    sign_contract(CENTURY)
    application = wiring.catalog().add_application(
        vendor_id="vnd_1", vendor_name="Harbor", slug="halyard", name="Halyard", summary="Tides",
        description="",
    )  # fmt: skip
    plan = wiring.catalog().add_plan(
        application, kind="pass", name="Ten hours", price="5.00", currency="USD",
        prepaid_ms=10 * HOUR,
    )  # fmt: skip
    own = {
        "tables": tables, "clock": clock, "plan": plan, "base": places(),
        "seen": Counter(), "running": [],
        "_patch": staticmethod(lambda name, value: monkeypatch.setattr(wiring, name, value)),
    }  # fmt: skip
    machine: type[Lives] = type("TheseLives", (Lives,), own)

    def composing(head: Any, message: Any, *others: Any) -> Any:
        machine.running[0].composing(message)
        return compose(head, message, *others)

    monkeypatch.setattr("chalicelib.mail.service.compose", composing)
    return machine


HAPPENS = {"said twice", "page", "partner_mail", "stopped in the hand-over", "gone"}
"""What these lives come to, or else this would show nothing."""


def play_what_happens(lives: type[Lives]) -> None:
    """One life by hand: which ones are drawn differs with the modules that tests loaded before."""
    machine = lives()
    everything = frozenset({Purpose.MARKETING, Purpose.PARTNER_MAIL})
    machine.begin(yes=(everything,) * 3, paid=(True,) * 3)
    machine.campaign(Kind.PARTNER, 0, "", "no")
    machine.ask_for_erasure(0, 0)
    machine.everything_is_as_they_said()
    machine.teardown()


@pytest.mark.promise("PS-60")
@pytest.mark.promise("PS-68")
@pytest.mark.promise("PS-70")
@pytest.mark.promise("PS-73")
@pytest.mark.promise("PS-74")
@pytest.mark.promise("PS-76")
@pytest.mark.promise("PS-80")
@pytest.mark.promise("PS-81")
@pytest.mark.promise("PS-82")
@pytest.mark.promise("PS-83")
@pytest.mark.guarantee("G8")
@pytest.mark.guarantee("G10")
@pytest.mark.guarantee("G11")
def test_whatever_people_do_nothing_is_used_without_their_yes(lives: type[Lives]) -> None:
    run_state_machine_as_test(
        lives,
        settings=settings(
            settings.get_profile("cetrus"), max_examples=EXAMPLES, stateful_step_count=STEPS,
            derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
    assert sum(lives.seen.values()) > EXAMPLES, dict(lives.seen)
    play_what_happens(lives)
    assert lives.seen.keys() >= HAPPENS, dict(lives.seen)
    assert all(lives.seen[what] for what in HAPPENS), dict(lives.seen)
