"""Moving an account to another address: from one mailbox to the other, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import (
    FORGOT_WINDOW,
    UNDO_LIFE,
    AccountGone,
    AddressTaken,
    LinkEnded,
    State,
)
from chalicelib.core.clock import DAY, HOUR, MINUTE
from chalicelib.core.errors import CetrusError
from chalicelib.mail.links import link_token
from chalicelib.mail.rules import MailClass
from chalicelib.mail.wishes import BOUNCED, class_row, suppression_of
from chalicelib.privacy.folding import fold
from chalicelib.privacy.rules import Purpose, verify
from chalicelib.rights import wiring as rights
from chalicelib.storage.dynamo import Database, Table
from tests.accounts.conftest import NO_CHOICES, PASSWORD, PROFILE, REGISTRATION
from tests.accounts.watch import watched
from tests.browser import Browser
from tests.conftest import drop_tables, kept_client, make_tables
from tests.crash import at_every_call
from tests.interleaving import Turns
from tests.privacy.test_vault import first

if TYPE_CHECKING:
    from chalicelib.accounts.email_move import EmailMove
    from chalicelib.accounts.rules import Account
    from tests.accounts.conftest import Mails
    from tests.conftest import FakeClock, Tables

NEW = "studio@ballymote.example"
CHOSEN = {Purpose.MARKETING, Purpose.PARTNER_MAIL}
OTHER = {**REGISTRATION, "login": "somebody.else", "email": "else@kilbride.example"}


def ask(browser: Browser, email: str = NEW, password: str = PASSWORD) -> int:
    fields = {"email": email, "password": password, **NO_CHOICES}
    return browser.post("/account/email", fields).status


def address_of(browser: Browser) -> str:
    page = browser.get("/account/setup").text
    return page.partition("Email address</dt><dd>")[2].split()[0]


def account_of(login: str) -> Account:
    store = wiring.account_store()
    from chalicelib.accounts.store import Claim

    account = store.account(store.owner(Claim.LOGIN, wiring.keyed().of("login", login)))
    assert account
    return account


def died(*_: object, **__: object) -> str:
    raise ZeroDivisionError


@pytest.fixture
def asked(member: Browser, clock: FakeClock) -> Browser:
    assert ask(member) == 303
    clock.advance(HOUR)
    return member


@pytest.fixture
def moved(asked: Browser, mails: Mails, clock: FakeClock) -> Browser:
    answer = Browser().post(f"/email/{mails.link('email_change')}", {})
    assert answer.location == "/email/done?what=moved"
    clock.advance(HOUR)
    return asked


class TestAsking:
    def test_the_password_is_asked_for_and_guesses_are_limited(self, member: Browser) -> None:
        statuses = [ask(member, password="three pears in winter") for _ in range(11)]
        assert statuses == [401] * 10 + [429]

    def test_a_right_password_costs_nothing(self, member: Browser) -> None:
        wrong = "three pears in winter"
        assert [ask(member, password=wrong) for _ in range(9)] == [401] * 9
        assert ask(member) == 303
        assert [ask(member, password=wrong) for _ in range(2)] == [401, 429]

    def test_the_account_s_own_address_is_no_other_however_it_is_spelled(
        self, member: Browser
    ) -> None:
        assert ask(member, PROFILE["email"].upper()) == 422

    def test_nothing_moves_before_the_link_is_used(self, asked: Browser, mails: Mails) -> None:
        assert address_of(asked) == PROFILE["email"]
        assert asked.get(f"/email/{mails.link('email_change')}").status == 200
        assert address_of(asked) == PROFILE["email"]
        assert "A change waits for its link" in asked.get("/account/email").words

    def test_link_and_word_of_it_go_to_two_mailboxes(
        self, asked: Browser, mails: Mails, tables: Tables
    ) -> None:
        sent = sent_mails()
        assert [to for to, subject in sent if subject == "Confirm your new address"] == [NEW]
        told = [to for to, subject in sent if "is to be moved" in subject]
        assert told == [PROFILE["email"]]

    def test_the_new_address_is_nowhere_in_clear(self, asked: Browser, tables: Tables) -> None:
        assert NEW not in tables.dump()

    def test_asked_twice_in_a_moment_is_asked_once(self, member: Browser, mails: Mails) -> None:
        assert [ask(member), ask(member)] == [303, 303]
        assert len(mails.of("email_change")) == 1

    def test_asking_for_another_address_ends_the_first_link(
        self, asked: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        first = mails.link("email_change")
        ask(asked, "second@ballymote.example")
        assert Browser().get(f"/email/{first}").status == 404
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert address_of(asked) == "second@ballymote.example"

    def test_five_times_a_day(self, member: Browser, clock: FakeClock, mails: Mails) -> None:
        statuses = []
        for turn in range(6):
            clock.advance(FORGOT_WINDOW)
            statuses.append(ask(member, f"turn{turn}@ballymote.example"))
        assert statuses == [303] * 5 + [429]
        assert len(mails.of("email_change")) == 5

    def test_the_link_ends_after_a_day_and_the_address_is_erased(
        self, asked: Browser, mails: Mails, clock: FakeClock, tables: Tables
    ) -> None:
        (guest,) = [item for item in tables.items("accounts") if item["type"] == "guest"]
        clock.advance(DAY)
        assert Browser().get(f"/email/{mails.link('email_change')}").status == 404
        assert wiring.cleanup().run(lambda: MINUTE)["guests"] == 1
        assert not [i for i in tables.items("keys") if i["pk"] == guest["pk"]]
        assert {i["sk"] for i in tables.items("accounts") if i["pk"] == guest["pk"]} == set()

    @pytest.mark.parametrize("path", ["/account/setup/password", "/logout/everywhere"])
    def test_a_new_password_and_a_sign_out_everywhere_end_it(
        self, asked: Browser, mails: Mails, path: str
    ) -> None:
        link = mails.link("email_change")
        fields = {"current_password": PASSWORD, "password": "three pears in winter"}
        asked.post(path, fields if "password" in path else {}, page="/account/setup/password")
        assert Browser().get(f"/email/{link}").status == 404


def sent_mails() -> list[tuple[str, str]]:
    """Hand over all that waits, and tell to whom and under which subject."""
    from email import message_from_bytes

    mailer, found = wiring.mailer(), []

    class Post:
        def hand_over(self, letter: object, message_id: str) -> object:
            from chalicelib.mail.rules import Outcome

            mail = message_from_bytes(letter.raw)  # type: ignore[attr-defined]  # a Letter
            found.append((str(mail["To"]), str(mail["Subject"])))
            return Outcome.SENT

    held, mailer.post = mailer.post, Post()  # type: ignore[assignment]  # hands over to the test
    try:
        mailer.sweep()
    finally:
        mailer.post = held
    return found


@pytest.mark.guarantee("G7")
class TestAlike:
    def steps(self, browser: Browser, email: str) -> tuple[int, str, list[tuple[str, ...]]]:
        from urllib.parse import urlencode

        token = browser.token("/account/email")
        fields = {"csrf": token, "email": email, "password": PASSWORD, **NO_CHOICES}
        body = urlencode(fields).encode()
        with watched() as steps:
            answer = browser.post_raw("/account/email", body)
        page = browser.get(answer.location)
        return answer.status, page.words, steps

    def test_an_address_with_an_account_is_answered_like_a_new_one(
        self, member: Browser, clock: FakeClock, mails: Mails
    ) -> None:
        Browser().post("/register", OTHER)
        known = self.steps(member, OTHER["email"])
        clock.advance(FORGOT_WINDOW)
        unknown = self.steps(member, NEW)
        assert known[2] == unknown[2]
        assert known[0] == unknown[0] == 303
        assert known[1].replace("12:00", "") == unknown[1].replace("12:05", "")
        assert [step for step in known[2] if step[0] == "argon2"] == [("argon2", "verify")]
        assert mails.to_owners("already_registered") == 1
        assert len(mails.of("email_change")) == 1

    def test_nothing_typed_for_a_known_address_is_kept(
        self, member: Browser, tables: Tables
    ) -> None:
        from chalicelib.privacy.rules import Purpose

        Browser().post("/register", OTHER)
        ask(member, OTHER["email"])
        (guest,) = [item for item in tables.items("accounts") if item["type"] == "guest"]
        subject = guest["pk"].removeprefix("SUBJECT#")
        opened = wiring.guests().opened(subject, Purpose.ACCOUNT, "test")
        assert opened == {"email": "-" * len(OTHER["email"])}

    def test_they_stay_alike_once_the_address_has_had_enough(
        self, member: Browser, clock: FakeClock, tables: Tables
    ) -> None:
        store, keyed = wiring.account_store(), wiring.keyed()
        Browser().post("/register", OTHER)
        for email in (OTHER["email"], NEW):
            for _ in range(5):
                limit = wiring.attempts().daily("change", keyed.of("email", email), 5, clock.now)
                store.transact(limit)
        known, unknown = self.steps(member, OTHER["email"]), self.steps(member, NEW)
        assert known == unknown
        assert known[2][-1][:2] == ("dynamodb", "TransactWriteItems")  # refused, and no nudge


class TestMoving:
    def test_the_account_answers_to_the_new_address_and_the_old_one_is_free(
        self, moved: Browser, tables: Tables, mails: Mails
    ) -> None:
        assert address_of(moved) == NEW
        assert PROFILE["email"] not in tables.dump()
        signed = {"password": PASSWORD}
        assert Browser().post("/login", {"login": NEW, **signed}).status == 303
        assert Browser().post("/login", {"login": PROFILE["email"], **signed}).status == 401
        Browser().post("/register", {**REGISTRATION, "login": "new.comer"})
        assert len(mails.of("welcome")) == 2

    def test_sessions_go_on_and_the_rest_of_the_profile_stays(self, moved: Browser) -> None:
        page = moved.get("/account/setup").text
        assert f'value="{PROFILE["postal_code"]}"' in page
        assert PROFILE["login"] in page

    @pytest.mark.promise("PS-82")
    def test_the_profile_is_sealed_anew_under_the_grants_it_has(
        self, asked: Browser, mails: Mails, tables: Tables
    ) -> None:
        subject = account_of(PROFILE["login"]).subject
        before = [i for i in tables.items("keys") if i["pk"] == f"SUBJECT#{subject}"]
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert [i for i in tables.items("keys") if i["pk"] == f"SUBJECT#{subject}"] == before
        events = [
            (str(row.entry.event), row.entry.reason) for row in wiring.vault().ledger.rows(subject)
        ]
        assert events.count(("corrected", "page:/email")) == 3

    def test_it_works_once(self, moved: Browser, mails: Mails) -> None:
        assert Browser().get(f"/email/{mails.link('email_change')}").status == 404
        with pytest.raises(LinkEnded):
            wiring.email_move().confirm(mails.link("email_change"))

    def test_the_old_mailbox_hears_of_it(self, moved: Browser, mails: Mails) -> None:
        subject = "Your account has moved to another address"
        assert [to for to, title in sent_mails() if title == subject] == [PROFILE["email"]]

    def test_links_to_reset_that_were_mailed_to_the_old_address_are_dead(
        self, asked: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        Browser().post("/forgot", {"email": PROFILE["email"]})
        reset = f"/reset/{mails.link('password_reset')}"
        clock.advance(HOUR)
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert Browser().get(reset).status == 404
        clock.advance(HOUR)
        ask(asked, PROFILE["email"])
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert address_of(asked) == PROFILE["email"]
        assert Browser().get(reset).status == 404, "neither after it came back"

    def test_what_was_stopped_at_the_old_address_is_stopped_at_the_new_one(
        self, asked: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        wishes, keyed, row = wiring.wishes(), wiring.keyed(), class_row(MailClass.PARTNER)
        old, new = suppression_of(keyed, PROFILE["email"]), suppression_of(keyed, NEW)
        wishes.suppress(old, row, "remove", clock.now)
        wishes.suppress(old, BOUNCED, "bounce", clock.now)
        wishes.mark(account_of(PROFILE["login"]).id, BOUNCED, clock.now)
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert [item["sk"] for item in wishes.in_force(new)] == [row]
        assert [item["sk"] for item in wishes.in_force(old)] == [BOUNCED, row]
        assert wishes.choices(account_of(PROFILE["login"]).id).bounced_at is None

    def test_an_address_that_was_taken_meanwhile_is_not_moved_to(
        self, asked: Browser, mails: Mails
    ) -> None:
        Browser().post("/register", {**OTHER, "email": NEW})
        answer = Browser().post(f"/email/{mails.link('email_change')}", {})
        assert answer.status == 409
        assert "now belongs to another account" in answer.words
        assert address_of(asked) == PROFILE["email"]


class TestStopping:
    def test_the_link_in_the_present_mailbox_ends_the_wish_and_signs_everybody_out(
        self, asked: Browser, mails: Mails
    ) -> None:
        stop = f"/email/stop/{mails.link('email_change_asked')}"
        assert Browser().get(stop).status == 200
        assert Browser().post(stop, {}).location == "/email/done?what=stopped"
        assert asked.get("/account").status == 303
        assert Browser().get(f"/email/{mails.link('email_change')}").status == 404
        assert Browser().get(stop).status == 404

    def test_it_comes_too_late_once_the_account_has_moved(
        self, moved: Browser, mails: Mails
    ) -> None:
        assert Browser().get(f"/email/stop/{mails.link('email_change_asked')}").status == 404


class TestTakingBack:
    def undo(self, mails: Mails) -> str:
        return f"/email/undo/{mails.link('email_changed')}"

    def test_the_account_comes_back_locked_and_is_opened_by_mail(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        assert Browser().post(self.undo(mails), {}).location == "/email/done?what=undone"
        assert moved.get("/account").status == 303
        assert (
            Browser().post("/login", {"login": PROFILE["login"], "password": PASSWORD}).status
            == 401
        )
        clock.advance(1)
        owner = Browser()
        owner.post("/forgot", {"email": PROFILE["email"]})
        owner.post(f"/reset/{mails.link('password_reset')}", {"password": "three pears in winter"})
        assert address_of(owner) == PROFILE["email"]

    def say_yes(self, purpose: Purpose) -> None:
        wiring.choosing().change(account_of(PROFILE["login"]).id, purpose, yes=True)

    @pytest.mark.promise("PS-74")
    def test_every_yes_since_the_move_is_taken_back_and_those_before_it_stay(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        """A thief who moved the account agreed to mail of partners, from the thief's mailbox."""
        self.say_yes(Purpose.MARKETING)
        clock.advance(HOUR)
        fields = {"email": NEW, "password": PASSWORD, **NO_CHOICES, "choice_marketing": "yes"}
        member.post("/account/email", fields)
        Browser().post(f"/email/{mails.link('email_change')}", {})
        clock.advance(HOUR)
        self.say_yes(Purpose.PARTNER_MAIL)
        Browser().post(f"/choices/{mails.link('partner_opt_in')}", {})
        subject = account_of(PROFILE["login"]).subject
        assert wiring.vault().granted(subject).keys() >= CHOSEN
        clock.advance(HOUR)
        assert Browser().post(self.undo(mails), {}).status == 303
        assert wiring.vault().granted(subject).keys() & CHOSEN == {Purpose.MARKETING}
        assert not wiring.vault().noted(subject, Purpose.PARTNER_MAIL)
        opened = wiring.vault().open(subject, Purpose.MARKETING, "test")
        assert opened._fields == {"email": PROFILE["email"]}

    @pytest.mark.promise("PS-74")
    def test_a_yes_that_came_with_the_move_goes_with_it_and_no_wish_waits(
        self, member: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        answers = dict.fromkeys(NO_CHOICES, "yes")
        member.post("/account/email", {"email": NEW, "password": PASSWORD, **answers})
        Browser().post(f"/email/{mails.link('email_change')}", {})
        account = account_of(PROFILE["login"])
        assert wiring.vault().granted(account.subject).keys() >= CHOSEN
        clock.advance(HOUR)
        wiring.choosing().change(account.id, Purpose.PARTNER_MAIL, yes=False)
        self.say_yes(Purpose.PARTNER_MAIL)
        assert wiring.opt_ins().waiting(account.id)
        wiring.email_move().undo(self.undo(mails).rpartition("/")[2])
        assert wiring.vault().granted(account.subject).keys() & CHOSEN == set()
        assert wiring.opt_ins().waiting(account.id) == []
        assert verify(wiring.vault().ledger.rows(account.subject))

    @pytest.mark.promise("PS-74")
    def test_a_yes_that_comes_while_it_is_taken_back_does_not_stay(
        self, moved: Browser, mails: Mails, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, vault = account_of(PROFILE["login"]), wiring.vault()
        first(
            monkeypatch, vault.store, "grants",
            lambda: wiring.choosing().change(account.id, Purpose.MARKETING, yes=True),
        )  # fmt: skip
        wiring.email_move().undo(self.undo(mails).rpartition("/")[2])
        assert vault.granted(account.subject).keys() & CHOSEN == set()

    def test_also_after_it_was_moved_once_more(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        undo = self.undo(mails)
        ask(moved, "third@ballymote.example")
        Browser().post(f"/email/{mails.link('email_change')}", {})
        assert Browser().post(undo, {}).status == 303
        assert account_of(PROFILE["login"]).email_claim == wiring.keyed().of(
            "email", PROFILE["email"]
        )

    def refused(self, undo: str) -> None:
        assert Browser().get(undo).status == 404
        with pytest.raises(LinkEnded):
            wiring.email_move().undo(undo.rpartition("/")[2])

    def moved_on(self, moved: Browser, mails: Mails, clock: FakeClock) -> tuple[str, str]:
        """The way back to the first and to the second address, of an account at a third."""
        first = self.undo(mails)
        ask(moved, "third@ballymote.example")
        clock.advance(HOUR)
        Browser().post(f"/email/{mails.link('email_change')}", {})
        clock.advance(HOUR)
        return first, self.undo(mails)

    def test_once_the_older_mailbox_took_it_back_the_younger_one_cannot(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        first, second = self.moved_on(moved, mails, clock)
        assert Browser().post(first, {}).status == 303
        assert Browser().get(second).status == 404
        clock.advance(HOUR)
        owner = Browser()
        owner.post("/forgot", {"email": PROFILE["email"]})
        owner.post(f"/reset/{mails.link('password_reset')}", {"password": "three pears in winter"})
        self.refused(second)
        assert address_of(owner) == PROFILE["email"]
        clock.advance(HOUR)
        ask(owner, "fourth@ballymote.example", "three pears in winter")
        Browser().post(f"/email/{mails.link('email_change')}", {})
        third = self.undo(mails)
        clock.advance(HOUR)
        assert Browser().post(third, {}).status == 303, "a later move has its own way back"
        self.refused(second)

    def test_the_older_mailbox_has_the_last_word(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        first, second = self.moved_on(moved, mails, clock)
        assert Browser().post(second, {}).status == 303
        clock.advance(HOUR)
        assert Browser().post(first, {}).status == 303
        assert owner_of(PROFILE["email"]) == account_of(PROFILE["login"]).id

    def test_an_older_mailbox_that_locks_it_ends_the_younger_one_s_link_too(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        first, second = self.moved_on(moved, mails, clock)
        Browser().post("/register", {**REGISTRATION, "login": "new.comer"})
        assert Browser().post(first, {}).status == 409
        self.refused(second)

    def test_the_mailbox_that_it_was_taken_from_hears_of_it(
        self, moved: Browser, mails: Mails
    ) -> None:
        Browser().post(self.undo(mails), {})
        subject = "Your account was taken back to an earlier address"
        assert [to for to, title in sent_mails() if title == subject] == [NEW]

    def test_for_seven_days_and_then_the_old_address_is_forgotten(
        self, moved: Browser, mails: Mails, clock: FakeClock, tables: Tables
    ) -> None:
        undo = self.undo(mails)
        clock.advance(UNDO_LIFE - 2 * HOUR)
        assert Browser().get(undo).status == 200
        clock.advance(HOUR)
        assert Browser().get(undo).status == 404
        wiring.cleanup().run(lambda: MINUTE)
        assert {i["type"] for i in tables.items("accounts")} & {"guest"} == set()

    def test_where_the_old_address_has_another_account_it_is_locked_all_the_same(
        self, moved: Browser, mails: Mails
    ) -> None:
        Browser().post("/register", {**REGISTRATION, "login": "new.comer"})
        account = account_of(PROFILE["login"])
        self.say_yes(Purpose.MARKETING)
        self.say_yes(Purpose.PARTNER_MAIL)
        answer = Browser().post(self.undo(mails), {})
        assert answer.status == 409
        assert wiring.vault().granted(account.subject).keys() & CHOSEN == set()
        assert wiring.opt_ins().waiting(account.id) == []
        assert moved.get("/account").status == 303
        assert Browser().post("/login", {"login": NEW, "password": PASSWORD}).status == 401


@pytest.mark.guarantee("G12")
class TestDeaths:
    """Each death starts from empty tables, which keeps moto's copies of them small."""

    def prepare(self, clock: FakeClock) -> str:
        drop_tables(kept_client("dynamodb"))
        make_tables(kept_client("dynamodb"))
        message = wiring.registration().register(PROFILE, PASSWORD)
        wiring.recovery().confirm(link_token(wiring.link_key(), message or ""), PASSWORD)
        clock.advance(DAY)
        return account_of(PROFILE["login"]).id

    def whole(self, account_id: str) -> str:
        """The account has exactly one of the addresses: by its claim, its row and its profile."""
        profile = wiring.accounts().profile(account_id)["email"]
        owned = [a for a in (PROFILE["email"], NEW) if owner_of(a) == account_id]
        assert owned == [profile]
        account = wiring.accounts().account(account_id)
        assert account
        assert account.email_claim == wiring.keyed().of("email", profile)
        return profile

    def test_asking_dies_with_all_or_nothing_written(
        self, tables: Tables, clock: FakeClock, mails: Mails
    ) -> None:
        wiring.email_change(), wiring.registration()

        def judge(account_id: str) -> None:
            clock.advance(FORGOT_WINDOW)
            wiring.email_change().ask(account_id, NEW, PASSWORD)  # by whoever got no answer
            wiring.email_move().confirm(mails.link("email_change"))
            assert self.whole(account_id) == NEW

        assert at_every_call(
            lambda: self.prepare(clock),
            lambda account_id: wiring.email_change().ask(account_id, NEW, PASSWORD),
            judge,
        )

    def test_moving_dies_before_or_after_and_never_between(
        self, tables: Tables, clock: FakeClock, mails: Mails
    ) -> None:
        wiring.email_move(), wiring.registration()

        def prepare() -> tuple[str, str]:
            account_id = self.prepare(clock)
            wiring.email_change().ask(account_id, NEW, PASSWORD)
            clock.advance(HOUR)
            return account_id, mails.link("email_change")

        def judge(start: tuple[str, str]) -> None:
            account_id, token = start
            if self.whole(account_id) == PROFILE["email"]:
                wiring.email_move().confirm(token)
            assert self.whole(account_id) == NEW

        assert at_every_call(prepare, lambda s: wiring.email_move().confirm(s[1]), judge) > 20


def owner_of(address: str) -> str | None:
    found = wiring.accounts().by_claim(wiring.keyed().of("email", address))
    return found.id if found else None


class TestRaces:
    """Whatever comes in between, an address has one account and an account one address."""

    def mover(self, turns: Turns) -> EmailMove:
        """The same service behind a client whose every call waits for its turn."""
        from dataclasses import replace

        from chalicelib.accounts.address_store import AddressStore
        from chalicelib.accounts.guests import Guests
        from chalicelib.accounts.links import Links
        from chalicelib.accounts.service import Accounts
        from chalicelib.accounts.store import AccountStore
        from chalicelib.mail.wishes import WishStore
        from chalicelib.privacy.ledger import Ledger
        from chalicelib.privacy.service import Vault
        from chalicelib.privacy.store import VaultStore

        database = Database(turns.client(kept_client("dynamodb")))
        accounts, usage, keys = (Table(database, name) for name in ("accounts", "usage", "keys"))
        held = wiring.vault()
        vault = Vault(
            VaultStore(accounts, keys), Ledger(accounts), held.kms, held.key_id, held.in_force,
            wiring.now,
        )  # fmt: skip
        store, addresses = AccountStore(accounts, usage), AddressStore(accounts)
        return replace(
            wiring.email_move(), accounts=store, store=addresses,
            people=Accounts(store, vault, wiring.now), guests=Guests(addresses, vault, wiring.now),
            links=Links(store, wiring.link_key), wishes=WishStore(accounts),
        )  # fmt: skip

    @pytest.mark.parametrize("seed", range(4))
    def test_two_accounts_that_move_to_one_address_at_once(
        self, both_engines: str, tables: Tables, clock: FakeClock, mails: Mails, seed: int
    ) -> None:
        tokens, ids = [], []
        for name in ("first", "second"):
            fields = {**PROFILE, "login": name, "email": f"{name}@kilbride.example"}
            message = wiring.registration().register(fields, PASSWORD)
            wiring.recovery().confirm(link_token(wiring.link_key(), message or ""), PASSWORD)
            ids.append(account_of(name).id)
            wiring.email_change().ask(ids[-1], NEW, PASSWORD)
        clock.advance(HOUR)
        tokens = [link_token(wiring.link_key(), m) for m in mails.of("email_change")]
        turns = Turns(seed)
        mover = self.mover(turns)
        results = turns.run(*(lambda t=token: mover.confirm(t) for token in tokens))
        losers = [result for result in results if result is not None]
        assert [type(loser) for loser in losers] == [AddressTaken]
        addresses = sorted(wiring.accounts().profile(i)["email"] for i in ids)
        assert NEW in addresses
        for account_id in ids:
            assert owner_of(wiring.accounts().profile(account_id)["email"]) == account_id

    @pytest.mark.parametrize("seed", range(4))
    def test_one_link_that_is_used_twice_at_once_moves_once(
        self, both_engines: str, tables: Tables, clock: FakeClock, mails: Mails, seed: int
    ) -> None:
        message = wiring.registration().register(PROFILE, PASSWORD)
        wiring.recovery().confirm(link_token(wiring.link_key(), message or ""), PASSWORD)
        account_id = account_of(PROFILE["login"]).id
        wiring.email_change().ask(account_id, NEW, PASSWORD)
        clock.advance(HOUR)
        token, turns = mails.link("email_change"), Turns(seed)
        mover = self.mover(turns)
        results = turns.run(*(lambda: mover.confirm(token) for _ in range(2)))
        losers = [result for result in results if result is not None]
        assert len(losers) == 1
        assert isinstance(losers[0], CetrusError), losers
        assert isinstance(losers[0], (AccountGone, AddressTaken, LinkEnded))
        assert owner_of(NEW) == account_id
        assert len(mails.of("email_changed")) == 1


class TestTakingBackWhatAThiefEnded:
    """Whoever took an account over also deactivates it, or has it erased."""

    def undo(self, mails: Mails) -> str:
        return f"/email/undo/{mails.link('email_changed')}"

    @pytest.mark.promise("PS-73")
    def test_a_deactivation_since_the_move_is_undone_with_it(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        account, undo = account_of(PROFILE["login"]), self.undo(mails)
        rights.deactivation().deactivate(account.id)
        clock.advance(HOUR)
        assert Browser().get(undo).status == 200
        assert Browser().post(undo, {}).location == "/email/done?what=undone"
        found = account_of(PROFILE["login"])
        assert (found.state, found.email_claim) == (
            State.ACTIVE, wiring.keyed().of("email", PROFILE["email"])
        )  # fmt: skip
        assert wiring.accounts().profile(account.id)["email"] == PROFILE["email"]
        assert list(rights.leaving_store().resting()) == []
        signed = {"login": PROFILE["login"], "password": PASSWORD}
        assert Browser().post("/login", signed).status == 401
        assert moved.get("/account").status == 303
        told = fold(wiring.vault().ledger.rows(account.subject))
        assert (told.held, told.ungranted_uses) == ({}, 0)

    @pytest.mark.promise("PS-71")
    def test_an_erasure_that_was_asked_for_since_the_move_and_waits_is_stopped(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        account = account_of(PROFILE["login"])
        rights.erasure().ask(account.id, 24)
        clock.advance(HOUR)
        assert Browser().post(self.undo(mails), {}).status == 303
        assert rights.erasure().planned(account.id) is None
        clock.advance(2 * DAY)
        rights.rights_sweep().run(lambda: 60_000)
        assert account_of(PROFILE["login"]).active

    def test_one_that_its_owner_asked_for_before_the_move_goes_on(
        self, asked: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        account = account_of(PROFILE["login"])
        rights.erasure().ask(account.id, 24)
        clock.advance(MINUTE)
        Browser().post(f"/email/{mails.link('email_change')}", {})
        clock.advance(MINUTE)
        assert Browser().post(self.undo(mails), {}).status == 303
        assert rights.erasure().planned(account.id)

    @pytest.mark.promise("PS-70")
    def test_what_was_erased_is_gone_and_the_page_says_so(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        undo = self.undo(mails)
        rights.erasure().ask(account_of(PROFILE["login"]).id, 0)
        for _ in range(2):
            for answer in (Browser().get(undo), Browser().post(undo, {}, page="/login")):
                assert answer.status == 404
                assert "Nothing of it is left" in answer.text
            rights.rights_sweep().run(lambda: 60_000)

    @pytest.mark.promise("PS-73")
    def test_after_the_seven_days_the_old_mailbox_wakes_nobody(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        undo = self.undo(mails)
        rights.deactivation().deactivate(account_of(PROFILE["login"]).id)
        clock.advance(UNDO_LIFE)
        assert Browser().get(undo).status == 404
        assert Browser().post(undo, {}, page="/login").status == 404
        assert account_of(PROFILE["login"]).state is State.DEACTIVATED

    @pytest.mark.promise("PS-73")
    def test_where_the_address_has_another_account_by_now_it_rests_on_and_is_locked(
        self, moved: Browser, mails: Mails, clock: FakeClock
    ) -> None:
        undo = self.undo(mails)
        rights.deactivation().deactivate(account_of(PROFILE["login"]).id)
        Browser().post("/register", {**REGISTRATION, "login": "new.comer"})
        assert Browser().post(undo, {}).status == 409
        found = account_of(PROFILE["login"])
        assert found.state is State.DEACTIVATED
        back = {"login": PROFILE["login"], "password": PASSWORD, "what": "reactivate"}
        assert Browser().post("/reactivate", back).status == 401

    def test_a_death_between_taking_it_up_and_moving_it_leaves_the_link_good(
        self, moved: Browser, mails: Mails, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account, token = account_of(PROFILE["login"]), self.undo(mails).rpartition("/")[2]
        rights.deactivation().deactivate(account.id)
        with monkeypatch.context() as patched:
            patched.setattr(type(wiring.email_move()), "_move", died)
            with pytest.raises(ZeroDivisionError):
                wiring.email_move().undo(token)
        assert account_of(PROFILE["login"]).active
        wiring.email_move().undo(token)
        assert wiring.accounts().profile(account.id)["email"] == PROFILE["email"]
