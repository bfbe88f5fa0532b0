"""Verifiers: argon2id at 19 MiB, two passes, one lane, for everybody and for nobody."""

from __future__ import annotations

from unittest.mock import patch

from argon2 import PasswordHasher, extract_parameters

from chalicelib.accounts.passwords import Passwords, hasher, nobodys

PASSWORD = "lemon wheel under rain"


def test_the_parameters_are_those_of_the_design() -> None:
    found = extract_parameters(Passwords().hash(PASSWORD))
    assert (found.memory_cost, found.time_cost, found.parallelism) == (19 * 1024, 2, 1)
    assert found.type.name == "ID"


def test_nobody_s_verifier_costs_what_a_real_one_costs() -> None:
    assert extract_parameters(nobodys()) == extract_parameters(Passwords().hash(PASSWORD))


def test_without_a_verifier_the_same_work_is_done_and_nothing_fits() -> None:
    verify = PasswordHasher.verify
    with patch.object(PasswordHasher, "verify", autospec=True, side_effect=verify) as seen:
        assert not Passwords().match(None, PASSWORD).right
    assert seen.call_count == 1
    used = extract_parameters(seen.call_args.args[1])
    assert used == extract_parameters(Passwords().hash(PASSWORD))


def test_the_same_password_never_has_the_same_verifier() -> None:
    assert Passwords().hash(PASSWORD) != Passwords().hash(PASSWORD)


def test_a_right_password_under_old_parameters_is_hashed_anew() -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    match = Passwords().match(old, PASSWORD)
    assert match.right
    assert match.upgraded is not None
    assert not hasher().check_needs_rehash(match.upgraded)
    assert Passwords().match(old, "another").upgraded is None
