"""A version of the policy is published on a running cloud of this test's own: it is for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.front.run import LocalCloud
from tests.cloud.conftest import operate
from tests.cloud.people import WEB, Visitor, new_customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cloud.people import Customer

SURVEYS = "To ask you, now and then, how an application serves you."
MAIL = "Our privacy policy changed: you decide about the new use of your data"
STAFF_MAIL = "Version 4 of the privacy policy is in force"
DAY = 86_400


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    """Nobody else's: what is published here stays published."""
    with LocalCloud() as running:
        running.control.schedules("manual")
        running.control.freeze()
        yield running


@pytest.fixture(scope="module")
def before(cloud: LocalCloud) -> Customer:
    return new_customer(cloud, "policy-before")


@pytest.fixture(scope="module")
def gone(cloud: LocalCloud) -> Customer:
    """Somebody who registered and never confirmed the address: not active, so not told."""
    from tests.cloud.people import Customer, profile, send_registration

    visitor, fields = Visitor(cloud.app), profile("policy-gone")
    send_registration(cloud, visitor, fields)
    cloud.control.settle()
    return Customer(cloud, visitor, fields)


@pytest.fixture(scope="module")
def rester(cloud: LocalCloud) -> Customer:
    """Somebody who deactivated the account before."""
    return leave(new_customer(cloud, "policy-rester"), "/account/privacy/deactivate")


@pytest.fixture(scope="module")
def between(cloud: LocalCloud) -> Customer:
    """Somebody who deactivates the account after the notice is written, before it goes out."""
    return new_customer(cloud, "policy-between")


@pytest.fixture(scope="module")
def erased(cloud: LocalCloud) -> Customer:
    return leave(new_customer(cloud, "policy-erased"), "/account/privacy/erase", hours="0")


def leave(person: Customer, path: str, **more: str) -> Customer:
    person.open(path)
    page = person.browser.submit(path, password=person.fields["password"], **more)
    assert page.path == "/rights/done", page.text
    return person


@pytest.fixture(scope="module")
def published(
    cloud: LocalCloud, before: Customer, gone: Customer, rester: Customer, erased: Customer,
    between: Customer,
) -> Visitor:  # fmt: skip
    """The officer, after version 4 was published and told of."""
    for name, end in (("left", True), ("stays", False)):
        operate(
            cloud, "staff", "--name", name, "--role", "service", "--email",
            f"{name}@staff.example", of="infra.admin",
        )  # fmt: skip
        if end:
            operate(cloud, "staff-end", "--name", name, of="infra.admin")
    sign_ins = cloud.control.seed()["sign_ins"]
    (officer,) = (one for one in sign_ins if one["role"] == "privacy")
    visitor = Visitor(cloud.app)
    visitor.open(f"{cloud.app}/staff/policy")
    page = visitor.submit("/staff/login", name=officer["login"], password=officer["password"])
    assert page.path == "/staff/policy"
    assert f"New: {SURVEYS}" in page.text
    assert SURVEYS not in WEB.get(f"{cloud.app}/").text
    page = visitor.submit("/staff/policy", version="4")
    assert "Version 4 is in force" in page.text, page.text
    cloud.control.run("policy_notices")
    leave(between, "/account/privacy/deactivate")
    cloud.control.settle()
    return visitor


@pytest.mark.promise("PS-83")
@pytest.mark.promise("PS-80")
def test_who_left_is_not_told_and_who_comes_back_is_told_then(
    cloud: LocalCloud, published: Visitor, rester: Customer, erased: Customer, between: Customer
) -> None:
    for person in (rester, erased, between):
        assert MAIL not in person.subjects()
    (unsent,) = (m for m in rows(cloud, "MESSAGE#") if m.get("state") == "no_recipient")
    assert unsent["template"] == "policy_changed"
    come_back(rester)
    come_back(between)
    for _ in range(2):
        cloud.control.advance(DAY)
        cloud.control.run("policy_notices")
        cloud.control.settle()
        assert rester.subjects().count(MAIL) == 1
        assert between.subjects().count(MAIL) == 1
    assert MAIL not in erased.subjects()


def come_back(person: Customer) -> None:
    person.open("/reactivate")
    names = {"login": person.fields["login"], "password": person.fields["password"]}
    assert person.browser.submit("/reactivate", **names, what="reactivate").path == "/account"


def rows(cloud: LocalCloud, pk: str) -> list[dict[str, Any]]:
    items = cloud.control.dump()["tables"]["AccountsTable"]["items"]
    plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in items]
    return [item for item in plain if item["pk"].startswith(pk)]


@pytest.mark.promise("PS-78")
def test_the_start_page_says_at_once_what_changed(cloud: LocalCloud, published: Visitor) -> None:
    page = WEB.get(f"{cloud.app}/").text
    assert "Our privacy policy changed on" in page
    assert SURVEYS in page


@pytest.mark.promise("PS-80")
def test_whom_it_touches_gets_one_mail_and_who_is_not_active_none(
    cloud: LocalCloud, published: Visitor, before: Customer, gone: Customer
) -> None:
    assert before.subjects().count(MAIL) == 1
    assert MAIL not in gone.subjects()
    (mail,) = (one for one in before.mails() if one["subject"] == MAIL)
    assert mail["class"] == "policy_change"
    assert f"New: {SURVEYS}" in " ".join(mail["text"].split())
    for _ in range(2):
        cloud.control.advance(DAY)
        cloud.control.run("policy_notices")
        cloud.control.settle()
    assert before.subjects().count(MAIL) == 1


@pytest.mark.promise("PS-81")
@pytest.mark.promise("PS-82")
def test_silence_grants_nothing_and_who_joins_later_is_asked_and_not_told(
    cloud: LocalCloud, published: Visitor, before: Customer
) -> None:
    later = new_customer(cloud, "policy-later")
    cloud.control.run("policy_notices")
    cloud.control.settle()
    assert MAIL not in later.subjects()
    keys = cloud.control.dump()["tables"]["KeysTable"]["items"]
    assert not [item for item in keys if item["sk"] == {"S": "KEY#surveys"}]
    declined = [r for r in rows(cloud, "LEDGER#sub_") if r.get("purpose") == "surveys"]
    assert {row["event"] for row in declined} == {"declined"}
    assert len(declined) == 1


@pytest.mark.promise("PS-54")
def test_everybody_who_works_here_is_told_once_and_who_left_is_not(
    cloud: LocalCloud, published: Visitor
) -> None:
    def told(name: str) -> int:
        found = cloud.control.mail(to=name)
        return sum(mail["subject"] == STAFF_MAIL for mail in found)

    assert [told(f"{n}@staff.example") for n in ("stays", "left")] == [1, 0]
    assert [told(f"{n}@example.org") for n in ("operator", "service", "privacy")] == [1, 1, 1]


def test_the_three_rows_of_a_publication_are_all_that_came_of_it(
    cloud: LocalCloud, published: Visitor
) -> None:
    assert {row["sk"] for row in rows(cloud, "POLICY")} == {"IN_FORCE", "VERSION#4", "NOTICES#4"}
