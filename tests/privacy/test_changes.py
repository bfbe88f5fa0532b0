"""What differs between versions: for everybody in words, and for one person as a set of uses."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chalicelib.privacy import policies
from chalicelib.privacy.changes import differences, new_uses, told, uses
from chalicelib.privacy.rules import Purpose, policy, read_policy

NUMBERS = sorted(policies.VERSIONS)


def held(*grants: tuple[Purpose, int]) -> dict[Purpose, str]:
    return {purpose: policy(number).id for purpose, number in grants}


FIRST = held((Purpose.ACCOUNT, 1), (Purpose.BILLING, 1))
THIRD = {**FIRST, **held((Purpose.POLICY_NOTICE, 3))}


@pytest.mark.promise("PS-78")
class TestInWords:
    @pytest.mark.parametrize(("before", "after"), list(pairwise(NUMBERS)))
    def test_every_purpose_that_differs_is_named(self, before: int, after: int) -> None:
        old, new = policy(before), policy(after)
        named = {one.purpose for one in differences(old, new)}
        both = old.uses.keys() | new.uses.keys()
        assert named == {p for p in both if old.uses.get(p) != new.uses.get(p)}

    def test_a_new_purpose_says_fields_recipients_how_it_begins_and_how_long(self) -> None:
        (one,) = differences(policy(3), policy(4))
        assert one.line == (
            "New: To ask you, now and then, how an application serves you. It uses the address "
            "that mail is sent to. It is seen by Cetrus, who runs this service. You are asked "
            "first. Without your yes nothing is used for it. Kept: until you say no, or the "
            "account is erased."
        )

    def test_a_change_says_what_it_was_and_what_it_is(self) -> None:
        content = policies.VERSIONS[4]
        altered = {
            **content,
            "computers": {
                **content["computers"], "recipients": ["processor"], "kept": "For a year.",
                "fields": ["computer_label", "name"], "says": "To sort them.",
            },
        }  # fmt: skip
        (one,) = differences(policy(4), read_policy(5, altered))
        assert one.title == "Changed: To sort them."
        assert one.sentences == (
            "It said until now: To show you your computers by the names that you gave them.",
            "It now also uses the name of the person.",
            "It is now also seen by the company that processes card payments.",
            "It is no longer seen by Cetrus, who runs this service.",
            "Kept: for a year.",
            "What you gave before stays under the words that you gave it by.",
        )

    def test_a_purpose_that_ends_is_said_too(self) -> None:
        (one,) = differences(policy(4), read_policy(5, policies.VERSIONS[3]))
        assert one.title == "No longer: To ask you, now and then, how an application serves you."

    def test_the_same_words_differ_in_nothing(self) -> None:
        assert differences(policy(3), read_policy(4, policies.VERSIONS[3])) == []


@pytest.mark.promise("PS-80")
class TestForOnePerson:
    def test_a_purpose_that_nobody_asked_about_is_new_where_its_field_was_given(self) -> None:
        assert new_uses(THIRD, [], policy(4)) == {("email", Purpose.SURVEYS, "cetrus")}

    def test_whoever_gave_none_of_its_fields_is_not_touched(self) -> None:
        labels = held((Purpose.COMPUTERS, 2))
        assert not new_uses(labels, [3], policy(4))

    def test_who_said_no_at_registration_was_asked_and_is_not_told(self) -> None:
        assert Purpose.MARKETING not in THIRD
        assert not new_uses(THIRD, [], policy(3))

    def test_a_person_of_the_first_version_is_told_of_all_that_came_since(self) -> None:
        found = {purpose for _, purpose, _ in new_uses(FIRST, [], policy(4))}
        assert found == set(policy(4).uses) - set(policy(1).uses) - {Purpose.COMPUTERS}
        assert len(told(new_uses(FIRST, [], policy(4)), FIRST, policy(4))) == len(found)

    def test_a_version_that_one_was_told_of_or_registered_under_is_known(self) -> None:
        assert not new_uses(THIRD, [4], policy(4))

    def test_another_recipient_of_the_same_field_is_another_use(self) -> None:
        content = policies.VERSIONS[4]
        shared = {
            **content,
            "account": {**content["account"], "recipients": ["cetrus", "processor"]},
        }
        found = new_uses(THIRD, [4], read_policy(5, shared))
        assert found == {
            (field, Purpose.ACCOUNT, "processor") for field in content["account"]["fields"]
        }

    @pytest.mark.parametrize("number", NUMBERS)
    def test_nobody_is_told_of_the_version_that_they_are_under(self, number: int) -> None:
        everything = {purpose: policy(number).id for purpose in policy(number).uses}
        assert not new_uses(everything, [], policy(number))
        assert not new_uses(everything, [], policy(1))

    def test_words_alone_are_no_other_use(self) -> None:
        content = policies.VERSIONS[4]
        said = {**content, "account": {**content["account"], "says": "To run it."}}
        assert uses(read_policy(5, said)) == uses(policy(4))
