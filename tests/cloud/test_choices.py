"""Choices under the roles that are deployed: asked, refused, said twice, taken back, and shown."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from tests.cases.conftest import raw, verdicts
from tests.cloud.people import (
    Customer,
    Visitor,
    confirm,
    new_customer,
    profile,
    send_registration,
)

if TYPE_CHECKING:
    from infra.local.front.run import LocalCloud

YES = {"choice_marketing": "yes", "choice_partner_mail": "yes"}
PRIVACY = "/account/privacy"
LINE = re.compile(
    r'(?s)<tr id="row-(\d+)"><td[^>]*><time datetime="([^"]+)">.*?<code>([^<]*)</code>'
)


def items(cloud: LocalCloud, table: str, pk: str) -> list[dict[str, Any]]:
    """What a table holds under keys that begin so, as plain values."""
    found = cloud.control.dump()["tables"][table]["items"]
    plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in found]
    return [item for item in plain if item["pk"].startswith(pk)]


def accounts(cloud: LocalCloud) -> set[str]:
    return {i["subject"] for i in items(cloud, "AccountsTable", "ACCOUNT#") if "subject" in i}


def registered(cloud: LocalCloud, login: str, **changed: str) -> tuple[Customer, str]:
    """A customer, and the pseudonym that is theirs."""
    before = accounts(cloud)
    customer = new_customer(cloud, login, **changed)
    (subject,) = accounts(cloud) - before
    return customer, subject


def keys(cloud: LocalCloud, subject: str) -> set[str]:
    found = items(cloud, "KeysTable", f"SUBJECT#{subject}")
    return {item["sk"].removeprefix("KEY#") for item in found}


def ledger(cloud: LocalCloud, subject: str) -> list[dict[str, Any]]:
    return sorted(
        items(cloud, "AccountsTable", f"LEDGER#{subject}"), key=lambda row: int(row["number"])
    )


def events(cloud: LocalCloud, subject: str, purpose: str) -> list[str]:
    return [row["event"] for row in ledger(cloud, subject) if row.get("purpose") == purpose]


def choose(customer: Customer, purpose: str, answer: str) -> None:
    customer.open(PRIVACY)
    page = customer.browser.submit(f"{PRIVACY}/choices", purpose=purpose, answer=answer)
    assert page.path == PRIVACY, page.text


def mailed(cloud: LocalCloud, customer: Customer) -> str:
    cloud.control.settle()
    texts = [mail["text"] for mail in customer.mails()]
    found = [link for text in texts for link in re.findall(r"https?://\S+/choices/\S+", text)]
    assert found, customer.subjects()
    return str(found[-1])


@pytest.mark.promise("PS-75")
@pytest.mark.parametrize("name", YES)
def test_a_registration_without_an_answer_is_refused_at_its_question(
    cloud: LocalCloud, name: str
) -> None:
    visitor = Visitor(cloud.app)
    form = visitor.open(cloud.app + "/register").form("/register")
    fields = {**form.fields, **profile("choice-silent")}
    del fields[name]
    answer = visitor.http.post(
        f"{cloud.app}/register", data=fields,
        headers={
            "accept": "text/html",
            "cookie": "; ".join(f"{n}={v}" for n, v in visitor.cookies["localhost"].items()),
        },
    )  # fmt: skip
    assert answer.status_code == 422
    assert f'id="{name}-error"' in answer.text


@pytest.mark.promise("PS-74")
def test_a_no_at_registration_never_has_a_key(cloud: LocalCloud) -> None:
    _, subject = registered(cloud, "choice-no")
    assert keys(cloud, subject) == {"account", "billing", "policy_notice"}
    for purpose in ("marketing", "partner_mail"):
        assert events(cloud, subject, purpose) == ["declined"]


def account_of(cloud: LocalCloud, subject: str) -> str:
    (found,) = [
        i["pk"].partition("#")[2] for i in items(cloud, "AccountsTable", "ACCOUNT#")
        if i["type"] == "account" and i["subject"] == subject
    ]  # fmt: skip
    return str(found)


@pytest.mark.promise("PS-74")
def test_a_yes_is_granted_and_one_to_partners_only_from_the_mailbox(cloud: LocalCloud) -> None:
    customer, subject = registered(cloud, "choice-yes", **YES)
    assert keys(cloud, subject) == {"account", "billing", "policy_notice", "marketing"}
    page = Visitor(cloud.app).open(mailed(cloud, customer))
    assert customer.email in page.text
    assert "partner_mail" not in keys(cloud, subject)
    reader = Visitor(cloud.app)
    reader.open(mailed(cloud, customer))
    assert reader.submit("/choices/").status == 200
    assert "partner_mail" in keys(cloud, subject)
    assert items(cloud, "AccountsTable", f"OPTIN#{account_of(cloud, subject)}") == []


@pytest.mark.promise("PS-76")
def test_a_forged_remove_ends_the_key_for_mail_of_partners_by_the_sweep_and_no_other(
    cloud: LocalCloud,
) -> None:
    customer, subject = registered(cloud, "choice-removed", **YES)
    reader = Visitor(cloud.app)
    reader.open(mailed(cloud, customer))
    assert reader.submit("/choices/").status == 200
    before = keys(cloud, subject)
    cloud.control.receive(raw("REMOVE", customer.email, verdicts(dmarc="fail")))
    cloud.control.settle()
    own = f"NOTICES#{account_of(cloud, subject)}"
    (left,) = [i for i in items(cloud, "AccountsTable", own) if i["type"] == "stopped"]
    assert left["sk"] == "STOPPED#partner"
    cloud.control.run("erasure_sweep")
    assert keys(cloud, subject) == before - {"partner_mail"}
    assert events(cloud, subject, "partner_mail")[-1] == "withdrawn"
    assert left not in items(cloud, "AccountsTable", own)


@pytest.mark.promise("PS-06")
def test_a_withdrawal_takes_key_and_copy_at_once(cloud: LocalCloud) -> None:
    customer, subject = registered(cloud, "choice-back", choice_marketing="yes")
    choose(customer, "marketing", "no")
    assert "marketing" not in keys(cloud, subject)
    sealed = {item["sk"] for item in items(cloud, "AccountsTable", f"SUBJECT#{subject}")}
    assert "SEALED#marketing" not in sealed
    choose(customer, "marketing", "yes")
    assert events(cloud, subject, "marketing") == ["collected", "withdrawn", "granted"]


@pytest.mark.promise("PS-79")
def test_the_page_equals_the_ledger(cloud: LocalCloud) -> None:
    customer, subject = registered(cloud, "choice-seen", choice_marketing="yes")
    customer.open("/account/setup")
    choose(customer, "marketing", "no")
    customer.open(PRIVACY)
    shown, path = [], f"{PRIVACY}?show=rows"
    while path:  # the newest page first
        html = customer.open(path).html
        shown += [(number, reason) for number, _, reason in LINE.findall(html)]
        older = re.search(r'href="(/account/privacy\?show=rows&amp;before=\d+)"', html)
        path = unescape(older[1]) if older else ""
    rows = ledger(cloud, subject)
    assert shown == [(row["number"], row["reason"]) for row in rows[::-1]]
    answered = [row for row in rows if row["event"] == "withdrawn"]
    (number,) = [row["number"] for row in answered]
    receipt = json.loads(customer.browser.fetch(f"{PRIVACY}/receipts/{number}.json").text)
    assert receipt["proof"]["hash"] == answered[0]["hash"]


@pytest.mark.promise("PS-11")
def test_global_privacy_control_is_a_no_at_registration_and_once_at_sign_in(
    cloud: LocalCloud,
) -> None:
    private = Visitor(cloud.app)
    private.http.headers["sec-gpc"] = "1"
    before, fields = accounts(cloud), profile("choice-gpc", **YES)
    page = send_registration(cloud, private, fields)
    assert page.path == "/register/sent", page.text
    (subject,) = accounts(cloud) - before
    assert [
        (row["purpose"], row["reason"])
        for row in ledger(cloud, subject)
        if row["event"] == "declined"
    ] == [("marketing", "gpc"), ("partner_mail", "gpc")]
    cloud.control.settle()
    confirm(cloud, private, fields)
    customer = Customer(cloud, private, fields)
    choose(customer, "marketing", "yes")
    customer.open("/account")
    private.submit("/logout")
    private.open(cloud.app + "/login")
    private.submit("/login", login=fields["login"], password=fields["password"])
    assert "marketing" in keys(cloud, subject)
    assert private.fetch("/.well-known/gpc.json").json()["gpc"] is True


@pytest.mark.promise("PS-75")
def test_the_move_to_another_address_asks_again_and_puts_the_answers_into_force(
    cloud: LocalCloud,
) -> None:
    customer, subject = registered(cloud, "choice-moves", choice_marketing="yes")
    new = customer.email.replace("choice-moves", "choice-moved")
    customer.open("/account/email")
    customer.browser.submit(
        "/account/email", email=new, password=customer.fields["password"], choice_marketing="no"
    )
    assert "marketing" in keys(cloud, subject)
    cloud.control.settle()
    (text,) = [mail["text"] for mail in cloud.control.mail(to=new)]
    link = re.findall(r"https?://\S+/email/\S+", text)[0]
    mailbox = Visitor(cloud.app)
    mailbox.open(link)
    assert "marketing" in keys(cloud, subject)
    mailbox.submit("/email/")
    assert keys(cloud, subject) == {"account", "billing", "policy_notice"}
