"""G8 and G10: sealed for a purpose, opened for that purpose, and never again after erasure."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import pytest

from chalicelib import wiring
from chalicelib.core.ids import new_id
from chalicelib.privacy import policies, rules, sinks
from chalicelib.privacy.rules import Event, Purpose, PurposeDenied, SealBroken, Shown, verify
from chalicelib.storage.dynamo import ConditionFailed
from tests.conftest import kept_client
from tests.crash import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.storage.dynamo import Item
    from tests.conftest import FakeClock, Tables

ACCOUNT: Literal[Purpose.ACCOUNT] = Purpose.ACCOUNT
BILLING: Literal[Purpose.BILLING] = Purpose.BILLING
PROFILE = {
    "account_name": "Canary Works",
    "login": "canary",
    "email": "canary@example.com",
    "name": "Kim Canary",
    "street": "1 Canary Row",
    "postal_code": "CANARY-1",
    "company": "",
}


def collected(fields: dict[str, str] = PROFILE) -> str:
    subject = new_id("sub")
    wiring.database().transact(*wiring.vault().collect(subject, fields, wiring.now(), "register"))
    return subject


def fields_of(subject: str, purpose: Purpose) -> dict[str, str]:
    return dict(wiring.vault().open(subject, purpose, "test")._fields)


def sealed(tables: Tables, subject: str, purpose: Purpose) -> Item:
    item = tables.accounts.get(f"SUBJECT#{subject}", f"SEALED#{purpose}")
    assert item
    return item


def grant(tables: Tables, subject: str, purpose: Purpose) -> Item:
    item = tables.keys.get(f"SUBJECT#{subject}", f"KEY#{purpose}")
    assert item
    return item


@pytest.fixture
def subject(tables: Tables, clock: FakeClock) -> str:
    return collected()


@pytest.mark.guarantee("G8")
class TestPurposes:
    @pytest.mark.promise("PS-04")
    def test_a_purpose_sees_its_own_fields_and_no_others(self, subject: str) -> None:
        assert fields_of(subject, ACCOUNT) == {
            "account_name": "Canary Works",
            "login": "canary",
            "email": "canary@example.com",
            "name": "Kim Canary",
        }
        assert fields_of(subject, BILLING).keys() == {"name", "email", "street", "postal_code"}

    @pytest.mark.promise("PS-74")
    def test_without_a_grant_there_is_no_way(self, subject: str, tables: Tables) -> None:
        tables.keys.apply(tables.keys.delete(f"SUBJECT#{subject}", "KEY#billing"))
        with pytest.raises(PurposeDenied):
            wiring.vault().open(subject, BILLING, "test")
        assert fields_of(subject, ACCOUNT)["login"] == "canary"

    @pytest.mark.promise("PS-45")
    def test_a_copied_grant_opens_nothing(self, subject: str, tables: Tables) -> None:
        copied = grant(tables, subject, ACCOUNT) | {"sk": "KEY#billing", "purpose": "billing"}
        tables.keys.apply(tables.keys.put(copied))
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, BILLING, "test")

    @pytest.mark.promise("PS-45")
    def test_anothers_grant_opens_nothing(self, subject: str, tables: Tables) -> None:
        other = collected({"email": "other@example.com"})
        copied = grant(tables, other, ACCOUNT) | {"pk": f"SUBJECT#{subject}"}
        tables.keys.apply(tables.keys.put(copied))
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, ACCOUNT, "test")

    def test_every_opening_asks_the_key_service_anew(self, subject: str) -> None:
        with recorded() as calls:
            for _ in range(3):
                fields_of(subject, ACCOUNT)
        assert calls.made.count(("kms", "Decrypt")) == 3

    def test_a_field_of_another_purpose_stays_shut_even_where_it_was_sealed(
        self, subject: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use = rules.policy(policies.IN_FORCE).uses[ACCOUNT]
        with monkeypatch.context() as patch:
            wider = replace(use, fields=use.fields | {"street"})
            patch.setattr("chalicelib.privacy.sealing.use_under", lambda *_: wider)
            vault = wiring.vault()
            vault.commit(lambda: vault.recollect(subject, PROFILE, wiring.now(), "test"))
        assert "street" in sealed(tables, subject, ACCOUNT)["fields"]
        assert "street" not in fields_of(subject, ACCOUNT)

    def test_a_seal_and_a_key_are_bound_to_all_that_they_are_for(self) -> None:
        place = ("sub_a", ACCOUNT, "1:x", "email")
        others = [("sub_b", *place[1:]), ("sub_a", BILLING, "1:x", "email")]
        others += [("sub_a", ACCOUNT, "1:y", "email"), ("sub_a", ACCOUNT, "1:x", "login")]
        assert len({rules.binding(*each) for each in [place, *others]}) == 5
        assert rules.key_context("sub_a", ACCOUNT, "1:x") == {
            "subject": "sub_a",
            "purpose": "account",
            "policy": "1:x",
        }

    @pytest.mark.promise("PS-02")
    def test_a_field_that_the_policy_does_not_name_is_refused(self, tables: Tables) -> None:
        with pytest.raises(ValueError, match="shoe_size"):
            wiring.vault().collect("sub_x", {"shoe_size": "44"}, 0, "register")


@pytest.mark.promise("PS-82")
class TestPolicies:
    @pytest.fixture
    def edited(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
        """Version 1 with one more field for billing, as if somebody had rewritten it."""
        version = {name: dict(use) for name, use in policies.VERSIONS[1].items()}
        version["billing"]["fields"] = [*version["billing"]["fields"], "login"]
        rules.known_policies.cache_clear()
        rules.policy.cache_clear()
        monkeypatch.setitem(policies.VERSIONS, 1, version)
        yield version
        rules.known_policies.cache_clear()
        rules.policy.cache_clear()

    def test_version_one_never_changes(self) -> None:
        """What was promised stands: an edit of it fails here first. Write a new version instead."""
        assert rules.read_policy(1, policies.VERSIONS[1]).id == "1:2b3d61a3520d6ce9"

    def test_an_edited_policy_opens_nothing_that_was_collected_before(
        self, subject: str, edited: dict[str, Any]
    ) -> None:
        for purpose in (ACCOUNT, BILLING):
            with pytest.raises(PurposeDenied):
                wiring.vault().open(subject, purpose, "test")

    def test_a_grant_moved_to_the_edited_policy_opens_nothing(
        self, subject: str, tables: Tables, edited: dict[str, Any]
    ) -> None:
        policy = rules.read_policy(1, edited).id
        tables.keys.apply(tables.keys.put(grant(tables, subject, BILLING) | {"policy": policy}))
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, BILLING, "test")

    def test_a_new_version_leaves_old_data_under_the_old_one(
        self, subject: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second = {"account": policies.VERSIONS[1]["account"] | {"fields": ["email", "street"]}}
        rules.known_policies.cache_clear()
        rules.policy.cache_clear()
        monkeypatch.setitem(policies.VERSIONS, 2, second)
        monkeypatch.setattr(policies, "IN_FORCE", 2)
        newer = collected({"email": "new@example.com", "street": "2 New Street"})
        assert fields_of(newer, ACCOUNT).keys() == {"email", "street"}
        assert "street" not in fields_of(subject, ACCOUNT)
        with pytest.raises(PurposeDenied):
            wiring.vault().open(newer, BILLING, "test")
        rules.known_policies.cache_clear()
        rules.policy.cache_clear()

    def test_a_policy_cannot_name_an_undeclared_field_or_recipient(self) -> None:
        use = policies.VERSIONS[1]["account"]
        with pytest.raises(ValueError, match="shoe_size"):
            rules.read_policy(2, {"account": use | {"fields": ["shoe_size"]}})
        with pytest.raises(ValueError, match="broker"):
            rules.read_policy(2, {"account": use | {"recipients": ["broker"]}})


@pytest.mark.promise("PS-45")
class TestAlteration:
    def alter(self, tables: Tables, subject: str, name: str, value: bytes) -> None:
        item = sealed(tables, subject, ACCOUNT)
        item["fields"][name] = value
        tables.accounts.apply(tables.accounts.put(item))

    @pytest.mark.parametrize("position", [0, 11, 12, -1])
    def test_a_flipped_bit_anywhere_refuses(
        self, subject: str, tables: Tables, position: int
    ) -> None:
        held = bytearray(sealed(tables, subject, ACCOUNT)["fields"]["email"])
        held[position] ^= 1
        self.alter(tables, subject, "email", bytes(held))
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, ACCOUNT, "test")

    @pytest.mark.parametrize("length", [0, 5, 12, 20])
    def test_a_cut_value_refuses(self, subject: str, tables: Tables, length: int) -> None:
        held = sealed(tables, subject, ACCOUNT)["fields"]["email"]
        self.alter(tables, subject, "email", held[:length])
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, ACCOUNT, "test")

    def test_swapped_fields_refuse(self, subject: str, tables: Tables) -> None:
        self.alter(tables, subject, "email", sealed(tables, subject, ACCOUNT)["fields"]["login"])
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, ACCOUNT, "test")

    def test_a_row_of_another_purpose_refuses(self, subject: str, tables: Tables) -> None:
        moved = sealed(tables, subject, BILLING) | {"sk": "SEALED#account"}
        tables.accounts.apply(tables.accounts.put(moved))
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, ACCOUNT, "test")

    def test_a_row_of_another_person_refuses(self, subject: str, tables: Tables) -> None:
        other = collected(PROFILE | {"login": "other"})
        moved = sealed(tables, other, ACCOUNT) | {"pk": f"SUBJECT#{subject}"}
        tables.accounts.apply(tables.accounts.put(moved))
        with pytest.raises(SealBroken):
            wiring.vault().open(subject, ACCOUNT, "test")


class TestAtRest:
    @pytest.mark.promise("PS-46")
    def test_nothing_is_readable_in_any_table(self, subject: str, tables: Tables) -> None:
        fields_of(subject, ACCOUNT)
        assert "canary" not in tables.dump().lower()

    @pytest.mark.promise("PS-49")
    def test_no_request_to_a_cloud_service_carries_a_field(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        sent: list[str] = []
        clients = [kept_client("dynamodb"), kept_client("kms")]

        def keep(params: dict[str, Any], **_: Any) -> None:
            sent.append(repr(params["body"]) + repr(params["headers"]))

        for each in clients:
            each.meta.events.register("before-call", keep)
        try:
            fields_of(collected(), ACCOUNT)
        finally:
            for each in clients:
                each.meta.events.unregister("before-call", keep)
        assert len(sent) > 5
        assert "canary" not in "".join(sent).lower()

    def test_the_same_value_never_looks_the_same_twice(self, tables: Tables, subject: str) -> None:
        again = collected()
        first = sealed(tables, subject, ACCOUNT)["fields"]
        second = sealed(tables, again, ACCOUNT)["fields"]
        assert not {*first.values()} & {*second.values()}


@pytest.mark.usefixtures("both_engines")
class TestCorrection:
    @pytest.mark.promise("PS-69")
    def test_a_correction_replaces_every_copy(self, subject: str, tables: Tables) -> None:
        before = sealed(tables, subject, BILLING)["fields"]
        changed = PROFILE | {"postal_code": "NEW-2", "name": "Kim New"}
        vault = wiring.vault()
        vault.commit(lambda: vault.recollect(subject, changed, wiring.now(), "page:/setup"))
        assert fields_of(subject, BILLING)["postal_code"] == "NEW-2"
        assert fields_of(subject, ACCOUNT)["name"] == "Kim New"
        assert not {*before.values()} & {*sealed(tables, subject, BILLING)["fields"].values()}

    def test_a_correction_gives_no_new_grant(self, subject: str, tables: Tables) -> None:
        tables.keys.apply(tables.keys.delete(f"SUBJECT#{subject}", "KEY#billing"))
        vault = wiring.vault()
        vault.commit(lambda: vault.recollect(subject, PROFILE, wiring.now(), "page:/setup"))
        with pytest.raises(PurposeDenied):
            vault.open(subject, BILLING, "test")

    def test_a_correction_that_meets_an_erasure_writes_nothing(
        self, subject: str, tables: Tables
    ) -> None:
        vault = wiring.vault()
        writes = vault.recollect(subject, PROFILE, wiring.now(), "page:/setup")
        vault.erase(subject)
        with pytest.raises(ConditionFailed):
            wiring.database().transact(*writes)
        assert not [i for i in tables.items("accounts") if i["sk"].startswith("SEALED#")]

    def test_a_correction_that_meets_a_withdrawal_writes_nothing(
        self, subject: str, tables: Tables
    ) -> None:
        vault = wiring.vault()
        before = sealed(tables, subject, BILLING)
        writes = vault.recollect(subject, PROFILE, wiring.now(), "page:/setup")
        tables.keys.apply(tables.keys.delete(f"SUBJECT#{subject}", "KEY#billing"))
        with pytest.raises(ConditionFailed):
            wiring.database().transact(*writes)
        assert sealed(tables, subject, BILLING) == before

    def test_nobody_can_be_collected_twice(self, subject: str) -> None:
        with pytest.raises(ConditionFailed):
            wiring.database().transact(*wiring.vault().collect(subject, PROFILE, 0, "register"))


@pytest.mark.usefixtures("both_engines")
@pytest.mark.guarantee("G10")
@pytest.mark.promise("PS-70")
class TestErasure:
    def test_nothing_opens_after_erasure(self, subject: str, tables: Tables) -> None:
        wiring.vault().erase(subject)
        for purpose in (ACCOUNT, BILLING):
            with pytest.raises(PurposeDenied):
                wiring.vault().open(subject, purpose, "test")
        assert tables.items("keys") == []
        assert [item for item in tables.items("accounts") if item["type"] == "sealed"] == []

    def test_a_restored_backup_stays_unreadable(self, subject: str, tables: Tables) -> None:
        backup = tables.items("accounts")
        wiring.vault().erase(subject)
        for item in backup:
            tables.accounts.apply(tables.accounts.put(item))
        with pytest.raises(PurposeDenied):
            wiring.vault().open(subject, ACCOUNT, "test")

    def test_erasing_again_changes_nothing(self, subject: str, tables: Tables) -> None:
        wiring.vault().erase(subject)
        before = tables.dump()
        wiring.vault().erase(subject)
        assert tables.dump() == before

    @pytest.mark.guarantee("G12")
    def test_an_erasure_that_died_halfway_is_finished_by_the_next(
        self, subject: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = wiring.vault()

        def die(_: str) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(vault.store, "erase_sealed", die)
            with pytest.raises(KeyboardInterrupt):
                vault.erase(subject)
        vault.erase(subject)
        assert [item["type"] for item in tables.items("accounts")].count("sealed") == 0
        assert [row.entry.event for row in vault.ledger.rows(subject)].count(Event.ERASED) == 3


class TestSecrets:
    def test_a_secret_tells_nothing_by_itself(self, subject: str) -> None:
        secret = wiring.vault().open(subject, ACCOUNT, "test")
        assert "canary" not in f"{secret} {secret!r} {[secret]}".lower()
        with pytest.raises(TypeError):
            pickle.dumps(secret)
        assert not hasattr(secret, "__dict__")

    def test_only_the_owner_sees_the_page(self, subject: str) -> None:
        secret = wiring.vault().open(subject, ACCOUNT, "test")
        with pytest.raises(PurposeDenied):
            sinks.page(secret, "sub_somebody_else")

    @pytest.mark.promise("PS-04")
    @pytest.mark.parametrize("purpose", [p for p in Purpose if p not in get_args(Shown)])
    def test_a_page_shows_nothing_that_is_not_for_pages(self, purpose: Purpose) -> None:
        secret: Any = sinks.Secret("sub_a", purpose, {"email": "canary@example.com"})
        with pytest.raises(PurposeDenied):
            sinks.page(secret, "sub_a")

    @pytest.mark.promise("PS-04")
    @pytest.mark.parametrize("purpose", Purpose)
    def test_whoever_works_here_reads_what_was_written_to_us_and_what_the_law_keeps_alone(
        self, purpose: Purpose
    ) -> None:
        secret: Any = sinks.Secret("sub_a", purpose, {"message": "Canary"})
        if purpose in {Purpose.SUPPORT, Purpose.FISCAL}:
            assert sinks.staff(secret, "sub_a") == {"message": "Canary"}
            with pytest.raises(PurposeDenied):
                sinks.staff(secret, "sub_b")
        else:
            with pytest.raises(PurposeDenied):
                sinks.staff(secret, "sub_a")

    @pytest.mark.promise("PS-18")
    def test_mail_takes_nothing_opened_for_billing(self, subject: str) -> None:
        secret: Any = wiring.vault().open(subject, BILLING, "test")
        with pytest.raises(PurposeDenied):
            sinks.mail(secret, "account")


@pytest.mark.promise("PS-74")
class TestChoices:
    def test_a_yes_has_a_key_and_a_no_has_a_row_of_the_ledger_alone(self, tables: Tables) -> None:
        subject = chosen({Purpose.MARKETING: True, Purpose.PARTNER_MAIL: False})
        assert Purpose.MARKETING in wiring.vault().granted(subject)
        assert Purpose.PARTNER_MAIL not in wiring.vault().granted(subject)
        rows = list(wiring.vault().ledger.rows(subject))
        declined = [row.entry.purpose for row in rows if row.entry.event is Event.DECLINED]
        assert declined == [Purpose.PARTNER_MAIL]
        assert fields_of(subject, Purpose.MARKETING) == {"email": PROFILE["email"]}

    def test_what_was_taken_back_opens_no_more_and_leaves_nothing_sealed(
        self, tables: Tables
    ) -> None:
        vault, subject = wiring.vault(), chosen({Purpose.MARKETING: True})
        assert vault.withdraw(subject, Purpose.MARKETING, "page:/account/privacy")
        with pytest.raises(PurposeDenied):
            vault.open(subject, Purpose.MARKETING, "test")
        assert not vault.noted(subject, Purpose.MARKETING)
        assert not vault.withdraw(subject, Purpose.MARKETING, "page:/account/privacy")
        assert verify(vault.ledger.rows(subject))

    def test_a_no_can_become_a_yes_by_an_act_of_the_persons_own(self, tables: Tables) -> None:
        vault, subject = wiring.vault(), chosen({Purpose.MARKETING: False})
        for _ in range(2):
            vault.commit(lambda: vault.grant(subject, Purpose.MARKETING, PROFILE, "page:/x"))
        events = [row.entry.event for row in vault.ledger.rows(subject)]
        assert events.count(Event.GRANTED) == 1
        assert fields_of(subject, Purpose.MARKETING) == {"email": PROFILE["email"]}

    def test_what_is_not_asked_is_neither_granted_nor_taken_back(self, subject: str) -> None:
        vault = wiring.vault()
        for purpose in (BILLING, Purpose.SURVEYS, Purpose.FISCAL):
            with pytest.raises(PurposeDenied):
                vault.grant(subject, purpose, PROFILE, "test")
        with pytest.raises(PurposeDenied):
            vault.withdraw(subject, BILLING, "test")
        assert Purpose.BILLING in vault.granted(subject)

    @pytest.mark.promise("PS-69")
    def test_a_correction_reaches_what_was_chosen_under_a_new_key(self, tables: Tables) -> None:
        vault, subject = wiring.vault(), chosen({Purpose.MARKETING: True})
        before = grant(tables, subject, Purpose.MARKETING)["data_key"]
        changed = {**PROFILE, "email": "moved@example.com"}
        vault.commit(lambda: vault.recollect(subject, changed, wiring.now(), "test"))
        assert fields_of(subject, Purpose.MARKETING) == {"email": "moved@example.com"}
        assert grant(tables, subject, Purpose.MARKETING)["data_key"] != before


def first(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], object]
) -> None:
    """Lets something happen right after the first call of a method has read."""
    real, acts = getattr(owner, name), [act]

    def read_then_act(*given: Any) -> Any:
        found = real(*given)
        if acts:
            acts.pop()()
        return found

    monkeypatch.setattr(owner, name, read_then_act)


@pytest.mark.usefixtures("both_engines")
@pytest.mark.guarantee("G8")
class TestWhatComesBetween:
    """Another function is at it between two calls of ours."""

    @pytest.fixture
    def subject(self, tables: Tables, clock: FakeClock) -> str:
        return chosen({Purpose.MARKETING: True})

    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The purposes that were unwrapped."""
        vault, found = wiring.vault(), list[str]()
        real = vault.kms

        class Kms:
            generate_data_key = staticmethod(real.generate_data_key)

            @staticmethod
            def decrypt(**asked: Any) -> Any:
                found.append(asked["EncryptionContext"]["purpose"])
                return real.decrypt(**asked)

        monkeypatch.setattr(vault, "kms", Kms)
        return found

    @pytest.mark.promise("PS-70", "PS-73")
    @pytest.mark.parametrize("reader", ["head", "grant"])
    @pytest.mark.parametrize("what", ["hold", "withdraw", "erase"])
    def test_nothing_is_unwrapped_whose_grant_was_gone_before_the_ledgers_row(
        self,
        subject: str,
        opened: list[str],
        reader: str,
        what: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        vault = wiring.vault()
        act = {
            "hold": lambda: vault.commit(lambda: vault.hold(subject, "test")),
            "withdraw": lambda: vault.withdraw(subject, Purpose.MARKETING, "test"),
            "erase": lambda: vault.erase(subject),
        }[what]
        owner = vault.ledger if reader == "head" else vault.store
        first(monkeypatch, owner, reader, act)
        with pytest.raises(PurposeDenied):
            vault.open(subject, Purpose.MARKETING, "test")
        assert opened == []
        assert Event.OPENED not in [row.entry.event for row in vault.ledger.rows(subject)]

    def test_nothing_is_unwrapped_whose_key_went_without_a_word(
        self, subject: str, opened: list[str], tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = wiring.vault()
        gone = tables.keys.delete(f"SUBJECT#{subject}", "KEY#marketing")
        first(monkeypatch, vault.store, "grant", lambda: tables.keys.apply(gone))
        with pytest.raises(PurposeDenied):
            vault.open(subject, Purpose.MARKETING, "test")
        assert opened == []

    @pytest.mark.parametrize("reader", ["head", "grant"])
    def test_a_key_that_is_renewed_meanwhile_opens_as_renewed(
        self, subject: str, reader: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault, moved = wiring.vault(), {**PROFILE, "email": "moved@example.com"}
        owner = vault.ledger if reader == "head" else vault.store
        first(
            monkeypatch, owner, reader,
            lambda: vault.commit(lambda: vault.recollect(subject, moved, wiring.now(), "test")),
        )  # fmt: skip
        assert fields_of(subject, Purpose.MARKETING) == {"email": "moved@example.com"}

    def test_a_key_that_is_renewed_after_the_ledgers_row_opens_as_renewed(
        self, subject: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault, moved = wiring.vault(), {**PROFILE, "email": "moved@example.com"}
        first(
            monkeypatch, vault, "_opening",
            lambda: vault.commit(lambda: vault.recollect(subject, moved, wiring.now(), "test")),
        )  # fmt: skip
        assert fields_of(subject, Purpose.MARKETING) == {"email": "moved@example.com"}
        told = [row.entry.event for row in vault.ledger.rows(subject)]
        assert told.count(Event.OPENED) == 2

    @pytest.mark.promise("PS-70", "PS-74")
    @pytest.mark.parametrize("what", ["withdraw", "erase"])
    def test_a_key_that_is_ended_after_the_ledgers_row_opens_nothing(
        self, subject: str, what: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = wiring.vault()
        act = {
            "withdraw": lambda: vault.withdraw(subject, Purpose.MARKETING, "test"),
            "erase": lambda: vault.erase(subject),
        }[what]
        first(monkeypatch, vault, "_opening", act)
        with pytest.raises(PurposeDenied):
            vault.open(subject, Purpose.MARKETING, "test")

    @pytest.mark.promise("PS-70")
    def test_what_bills_said_is_found_for_the_law_while_it_comes_back(
        self, subject: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = wiring.vault()
        vault.commit(lambda: vault.hold(subject, "test"))
        first(
            monkeypatch, vault.store, "grant",
            lambda: vault.commit(lambda: vault.release(subject, "test")),
        )  # fmt: skip
        kept = vault.keep_by_law(subject, "sub_kept", "test")
        assert kept
        assert kept.sealed

    @pytest.mark.promise("PS-69")
    def test_a_correction_reaches_a_yes_that_comes_meanwhile(
        self, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault, subject = wiring.vault(), chosen({Purpose.MARKETING: False})
        grant = partial(vault.grant, subject, Purpose.MARKETING, PROFILE, "test")
        first(monkeypatch, vault.store, "grants", lambda: vault.commit(grant))
        moved = {**PROFILE, "email": "moved@example.com"}
        vault.commit(lambda: vault.recollect(subject, moved, wiring.now(), "test"))
        assert fields_of(subject, Purpose.MARKETING) == {"email": "moved@example.com"}

    @pytest.mark.promise("PS-74", "PS-81")
    def test_a_no_that_meets_a_yes_ends_it(
        self, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault, subject = wiring.vault(), chosen({Purpose.MARKETING: False})
        grant = partial(vault.grant, subject, Purpose.MARKETING, PROFILE, "test")
        first(monkeypatch, vault.store, "grant", lambda: vault.commit(grant))
        vault.commit(lambda: vault.decline(subject, Purpose.MARKETING, "test"))
        assert Purpose.MARKETING not in vault.granted(subject)
        assert [row.entry.event for row in vault.ledger.rows(subject)][-1] is Event.WITHDRAWN

    @pytest.mark.promise("PS-74")
    def test_a_no_is_not_recorded_beside_a_key_that_came_without_a_word(
        self, subject: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = wiring.vault()
        kept = grant(tables, subject, Purpose.MARKETING)
        vault.withdraw(subject, Purpose.MARKETING, "test")
        back = tables.keys.put(kept)
        first(monkeypatch, vault, "in_force", lambda: tables.keys.apply(back))
        with pytest.raises(ConditionFailed):
            vault.commit(lambda: vault.decline(subject, Purpose.MARKETING, "test"))
        assert Event.DECLINED not in [row.entry.event for row in vault.ledger.rows(subject)]

    @pytest.mark.promise("PS-74", "PS-81")
    @pytest.mark.parametrize("before", ["hold", "release"])
    def test_a_yes_that_is_taken_back_finds_its_key_wherever_it_moves_to(
        self, subject: str, before: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vault = wiring.vault()
        hold, release = (
            partial(vault.hold, subject, "test"),
            partial(vault.release, subject, "test"),
        )
        if before == "release":
            vault.commit(hold)
        move = hold if before == "hold" else release
        first(monkeypatch, vault.store, "grant", lambda: vault.commit(move))
        assert vault.withdraw(subject, Purpose.MARKETING, "test")
        vault.commit(release)
        assert Purpose.MARKETING not in vault.granted(subject)

    @pytest.mark.promise("PS-73", "PS-81")
    def test_a_yes_that_is_taken_back_on_hold_does_not_come_back(self, subject: str) -> None:
        vault = wiring.vault()
        vault.commit(lambda: vault.hold(subject, "test"))
        assert vault.withdraw(subject, Purpose.MARKETING, "test")
        vault.commit(lambda: vault.release(subject, "test"))
        assert Purpose.ACCOUNT in vault.granted(subject)
        assert Purpose.MARKETING not in vault.granted(subject)
        assert not vault.noted(subject, Purpose.MARKETING)


def chosen(answers: dict[Purpose, bool]) -> str:
    subject = "sub_chooser"
    writes = wiring.vault().collect(subject, PROFILE, wiring.now(), "register", answers)
    wiring.database().transact(*writes)
    return subject
