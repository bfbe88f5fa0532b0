"""What was given is used under the version that it was given by, whatever is published since."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import pytest

from chalicelib.privacy import policies, rules
from chalicelib.privacy.rules import Purpose, PurposeDenied, When, policy, policy_for, use_under
from chalicelib.storage.dynamo import ConditionFailed
from tests.privacy.crowd import FIFTH, Crowd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.privacy.service import Vault
    from tests.conftest import FakeClock, Tables

pytestmark = pytest.mark.promise("PS-82")
NUMBERS = (1, 2, 3, 4, 5)
PROFILE = {
    "account_name": "Kilbride", "login": "mora", "email": "mora@kilbride.example",
    "name": "Mora", "phone": "555 0100", "company": "Kilbride Ltd", "street": "4 Weir Lane",
    "city": "Ballymote", "postal_code": "F56", "country": "IE", "tax_id": "IE 1",
}  # fmt: skip


@pytest.fixture(autouse=True)
def five_versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fifth version: another recipient of the account's fields, and one field less."""
    monkeypatch.setitem(policies.VERSIONS, 5, FIFTH)
    rules.known_policies.cache_clear()
    yield
    monkeypatch.undo()
    rules.known_policies.cache_clear()
    rules.policy.cache_clear()


@pytest.fixture
def crowd(tables: Tables, clock: FakeClock) -> Crowd:
    return Crowd(tables, clock)


def given(crowd: Crowd, number: int) -> str:
    """Somebody who said yes to all that version `number` asks."""
    subject, vault = f"sub_v{number}", crowd.vault(number)
    chosen = dict.fromkeys(policy(number).granted(When.CHOICE), True)
    crowd.tables.accounts.transact(
        *vault.collect(subject, PROFILE, crowd.clock(), "register", chosen)
    )
    return subject


def opened(vault: Vault, subject: str) -> dict[Purpose, set[str]]:
    """The fields that each purpose sees; a purpose that sees nothing is not there."""
    found = {}
    for purpose in Purpose:
        try:
            found[purpose] = set(vault.open(subject, purpose, "test")._fields)
        except PurposeDenied:
            continue
    return found


@pytest.mark.parametrize(("under", "in_force"), list(product(NUMBERS, NUMBERS)))
def test_what_opens_is_what_the_version_of_the_collection_says(
    crowd: Crowd, under: int, in_force: int
) -> None:
    subject = given(crowd, under)
    begun = [*policy(under).granted(When.REGISTRATION), *policy(under).granted(When.CHOICE)]
    uses = policy(under).uses
    expected = {purpose: set(uses[purpose].fields & PROFILE.keys()) for purpose in begun}
    assert opened(crowd.vault(in_force), subject) == expected


@pytest.mark.parametrize(("under", "in_force"), list(product(NUMBERS, NUMBERS)))
def test_a_correction_moves_nobody_to_another_version(
    crowd: Crowd, under: int, in_force: int
) -> None:
    subject, vault = given(crowd, under), crowd.vault(in_force)
    before = vault.granted(subject)
    changed = {**PROFILE, "email": "new@kilbride.example"}
    vault.commit(lambda: vault.recollect(subject, changed, crowd.clock(), "setup"))
    assert vault.granted(subject) == before
    for purpose, fields in opened(vault, subject).items():
        assert fields <= use_under(before[purpose], purpose).fields


@pytest.mark.parametrize(("under", "in_force"), list(product((1, 2, 3), (3, 4, 5))))
def test_a_yes_is_bound_to_the_version_that_was_shown(
    crowd: Crowd, under: int, in_force: int
) -> None:
    subject, vault = given(crowd, under), crowd.vault(in_force)
    before = vault.granted(subject)
    for purpose in policy(in_force).granted(When.CHOICE):
        vault.commit(partial(vault.grant, subject, purpose, PROFILE, "page:/account/privacy"))
    granted = vault.granted(subject)
    assert granted.items() >= before.items()
    for purpose in granted.keys() - before.keys():
        version = rules.known_policies()[granted[purpose]]
        assert version.uses[purpose] == policy(in_force).uses[purpose]
        assert version.number <= in_force


@pytest.mark.parametrize("under", NUMBERS)
def test_a_version_that_changes_a_use_is_the_one_that_new_grants_are_bound_to(under: int) -> None:
    for purpose, use in policy(under).uses.items():
        first = policy_for(purpose, under)
        assert first.uses[purpose] == use
        for earlier in range(1, first.number):
            assert policy(earlier).uses.get(purpose) != use


def test_the_fifth_version_binds_new_accounts_and_the_fourth_leaves_them_under_the_first() -> None:
    assert policy_for(Purpose.ACCOUNT, 4).number == 1
    assert policy_for(Purpose.ACCOUNT, 5).number == 5


def test_a_version_that_sees_less_or_more_leaves_old_data_as_it_was_given(crowd: Crowd) -> None:
    subject = given(crowd, 3)
    seen = set(crowd.vault(5).open(subject, Purpose.ACCOUNT, "test")._fields)
    assert seen == {"account_name", "login", "email", "name", "phone"}
    assert "phone" not in policy(5).uses[Purpose.ACCOUNT].fields
    with pytest.raises(PurposeDenied):
        crowd.vault(5).open(subject, Purpose.SURVEYS, "test")


def test_what_one_version_sealed_cannot_be_moved_under_another(crowd: Crowd) -> None:
    first, fifth = given(crowd, 1), given(crowd, 5)
    tables, pk = crowd.tables, {"pk": f"SUBJECT#{first}"}
    grant = tables.keys.get(f"SUBJECT#{fifth}", "KEY#account")
    sealed = tables.accounts.get(f"SUBJECT#{first}", "SEALED#account")
    assert grant
    assert sealed
    own = tables.keys.get(f"SUBJECT#{first}", "KEY#account")
    assert own
    for row in ({**own, "policy": policy(5).id}, {**grant, **pk}):
        tables.keys.apply(tables.keys.put(row))
        with pytest.raises(rules.SealBroken):
            crowd.vault(5).open(first, Purpose.ACCOUNT, "test")


def test_nothing_is_granted_for_an_account_that_left(crowd: Crowd) -> None:
    from chalicelib import wiring

    account = crowd.join("gone")
    crowd.leave(account, "deactivated")
    vault, fields = crowd.vault(4), {"email": "gone@example.com"}
    store = wiring.account_store()
    with pytest.raises(ConditionFailed):
        vault.commit(
            lambda: [
                *vault.grant("sub_gone", Purpose.SURVEYS, fields, "page:/account/privacy"),
                store.check_active(account),
            ]
        )
    assert Purpose.SURVEYS not in vault.granted("sub_gone")
