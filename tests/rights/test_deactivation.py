"""Deactivation: nothing of the account is used, nobody is written to, and all of it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import AccountGone, Deactivated, LinkEnded, State
from chalicelib.core.clock import DAY, HOUR
from chalicelib.mail.rules import State as Sent
from chalicelib.privacy.rules import Purpose, PurposeDenied, reference
from chalicelib.rights import wiring as rights
from chalicelib.rights.rules import Kind, Leaving, NotPlanned, Stage
from chalicelib.storage.dynamo import ConditionFailed
from tests.crash import at_every_call
from tests.rights.conftest import (
    MORA,
    PASSWORD,
    PROFILE,
    buy,
    opens,
    payers,
    sweep,
    tombstone,
)

if TYPE_CHECKING:
    from chalicelib.accounts.rules import Account
    from chalicelib.catalog.rules import Plan
    from tests.conftest import FakeClock, Tables
    from tests.payments.conftest import FakeProcessor


def rest() -> None:
    rights.deactivation().deactivate(MORA)


def come_back() -> str:
    account = wiring.account_store().account(MORA)
    assert account
    return rights.deactivation().reactivate(account)


def write(template: str = "password_changed") -> str:
    message, letter = wiring.outbox().message(
        template, fact=(MORA, wiring.now()), account=MORA, arguments={}, due=wiring.now(),
        now=wiring.now(),
    )  # fmt: skip
    wiring.accounts_table().transact(letter)
    return message


@pytest.mark.promise("PS-73")
class TestResting:
    def test_nothing_opens_for_any_purpose(self, mora: Account) -> None:
        rest()
        assert opens(mora.subject) == []

    @pytest.mark.promise("PS-83")
    def test_nobody_is_written_to_not_even_with_what_waited(self, mora: Account) -> None:
        before = write()
        rest()
        assert wiring.mailer().send(before) is Sent.NO_RECIPIENT
        wiring.clock.advance(1)  # type: ignore[attr-defined]
        assert wiring.mailer().send(write()) is Sent.NO_RECIPIENT

    @pytest.mark.promise("PS-83")
    def test_the_index_of_active_accounts_knows_it_no_more(self, mora: Account) -> None:
        def active() -> list[str]:
            store = wiring.account_store()
            return [name for shard in range(4) for name in store.active(shard)]

        assert MORA in active()
        rest()
        assert MORA not in active()
        come_back()
        assert MORA in active()

    @pytest.mark.promise("PS-83")
    def test_no_choice_can_be_made_for_it(self, mora: Account) -> None:
        vault = wiring.vault()
        rest()
        with pytest.raises(ConditionFailed):
            vault.commit(
                lambda: vault.grant(mora.subject, Purpose.PARTNER_MAIL, PROFILE, "page:/x")
            )
        with pytest.raises((AccountGone, PurposeDenied)):
            wiring.accounts().correct(MORA, {"city": "Elsewhere"})

    @pytest.mark.promise("PS-83")
    def test_its_address_opens_for_a_link_that_its_owner_asked_for_and_for_no_other_mail(
        self, mora: Account
    ) -> None:
        vault = wiring.vault()
        with pytest.raises(PurposeDenied):
            vault.open_at_rest(mora.subject, "mail:password_reset", "msg_a")
        rest()
        for reason in ("mail:receipt", "mail:announcement", "mail:", "page:/account/setup"):
            with pytest.raises(PurposeDenied):
                vault.open_at_rest(mora.subject, reason, "msg_a")
        vault.open_at_rest(mora.subject, "mail:password_reset", "msg_a")
        held = vault.store.held_grant(mora.subject, Purpose.ACCOUNT)
        assert held
        told = [row.entry.reason for row in vault.ledger.rows(mora.subject)][-1]
        assert told == f"mail:password_reset:{reference('msg_a', held.wrapped)}"

    def test_everybody_is_signed_out_and_the_password_leads_to_the_way_back(
        self, mora: Account
    ) -> None:
        token = wiring.sessions().sign_in(PROFILE["login"], PASSWORD)
        rest()
        assert wiring.sessions().held(token) is None
        for name in (PROFILE["login"], PROFILE["email"]):
            with pytest.raises(Deactivated):
                wiring.sessions().sign_in(name, PASSWORD)

    def test_a_link_to_a_new_password_does_not_wake_it(self, mora: Account, tables: Tables) -> None:
        from chalicelib.mail.links import link_token

        wiring.recovery().forgot(PROFILE["email"])
        (message,) = [i for i in tables.items("accounts") if i.get("template") == "password_reset"]
        rest()
        with pytest.raises(LinkEnded):
            wiring.recovery().rests(link_token(wiring.link_key(), message["id"]))

    def test_its_licenses_launch_nothing_and_its_subscriptions_end_with_what_is_paid(
        self, mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        rest()
        head = wiring.licenses().head(license_id)
        assert head
        assert head.holds == {"deactivated"}
        clock.advance(32 * DAY)
        wiring.renewals().sweep()
        assert processor.charged == []
        found = wiring.subscription_store().subscription(MORA, license_id)
        assert found
        assert found.state == "ended"

    def test_who_pays_while_it_rests_gets_nothing_and_the_money_waits(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        order = wiring.orders().place(MORA, "halyard", crew.id, "a", seats=1)
        wiring.orders().card_page(order, "https://cetrus.test/orders/x")
        rest()
        processor.complete(f"cs_{order.id}")
        wiring.payments().fulfillment.fulfill(MORA, order.id)
        found = wiring.payment_store().order(MORA, order.id)
        assert found
        assert (found.state, found.refusal) == ("refused", "gone")


@pytest.mark.promise("PS-73")
class TestComingBack:
    def test_everything_opens_as_before(self, mora: Account, tables: Tables) -> None:
        def keys() -> list[tuple[str, bytes]]:
            return sorted((i["pk"] + i["sk"], i["data_key"]) for i in tables.items("keys"))

        purposes, before = opens(mora.subject), keys()
        rest()
        come_back()
        assert opens(mora.subject) == purposes
        assert keys() == before
        assert wiring.accounts().profile(MORA) == PROFILE

    def test_one_is_signed_in_and_mail_arrives(self, mora: Account) -> None:
        rest()
        token = come_back()
        held = wiring.sessions().held(token)
        assert held
        assert held.account.id == MORA
        wiring.clock.advance(1)  # type: ignore[attr-defined]
        assert wiring.mailer().send(write()) is Sent.SENT

    def test_licenses_launch_and_subscriptions_go_on(
        self, mora: Account, processor: FakeProcessor, crew: Plan, clock: FakeClock
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        rest()
        clock.advance(DAY)
        come_back()
        head = wiring.licenses().head(license_id)
        assert head
        assert head.holds == frozenset()
        clock.advance(31 * DAY)
        wiring.renewals().sweep()
        assert len(processor.charged) == 1

    def test_what_its_owner_had_canceled_stays_canceled(
        self, mora: Account, processor: FakeProcessor, crew: Plan
    ) -> None:
        license_id = buy(processor, crew).license_id or ""
        of = wiring.subscriptions().of(MORA, license_id)
        wiring.subscriptions().cancel(MORA, license_id, of.version)
        rest()
        come_back()
        assert wiring.subscriptions().of(MORA, license_id).state == "canceling"

    def test_an_erasure_at_once_that_died_on_its_way_is_not_stopped_in_its_place(
        self, mora: Account
    ) -> None:
        rest()
        store, now = rights.erasure().store, wiring.now()
        asked = Leaving(MORA, Kind.ERASURE, Stage.WAITING, now, now)
        wiring.database().transact(store.put(asked, store.leaving(MORA)))
        with pytest.raises(NotPlanned):
            rights.erasure().stop(MORA)
        sweep()
        assert tombstone(MORA)

    def test_who_does_not_rest_cannot_come_back(self, mora: Account) -> None:
        with pytest.raises(AccountGone):
            come_back()
        rest()
        come_back()
        with pytest.raises(AccountGone):
            come_back()


@pytest.mark.guarantee("G12")
@pytest.mark.promise("PS-73")
class TestDying:
    def test_a_death_at_any_call_leaves_an_account_that_rests_or_does_not(
        self, plan: Plan, tables: Tables
    ) -> None:
        prepare = payers(plan, tables)

        def judge(name: str) -> None:
            store = wiring.account_store()
            account = store.account(name)
            assert account
            whole = bool(wiring.vault().granted(account.subject))
            assert whole == account.active
            if account.active:
                rights.deactivation().deactivate(name)
            wiring.clock.advance(HOUR)  # type: ignore[attr-defined]
            sweep()
            head = wiring.licenses().head(f"lic_{name}")
            assert head
            assert head.holds == {"deactivated"}
            found = store.account(name)
            assert found
            assert found.state is State.DEACTIVATED

        assert at_every_call(
            prepare, rights.deactivation().deactivate, judge
        ) > 10  # fmt: skip
