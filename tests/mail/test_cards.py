"""Card numbers in mail to us do not stay, and mail without one stays as it came."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from chalicelib import wiring
from chalicelib.mail.cards import without_cards
from tests.conftest import Tables  # noqa: TC001 - a fixture's type

NUMBER = "4242424242424242"


def mail(subject: str, text: str, html: str = "") -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "support@cetrus.test", subject
    made.set_content(text)
    if html:
        made.add_alternative(html, subtype="html")
    return made.as_bytes()


@pytest.mark.promise("PS-19")
@pytest.mark.parametrize(
    ("subject", "text", "html"),
    [
        (f"My card {NUMBER}", "Hello.", ""),
        ("Hello", "It is 4242 4242-4242 4242, please.", ""),
        ("Hello", "Hello.", f"<p>{NUMBER}</p>"),
        (f"Märkte {NUMBER}", "Grüße", ""),
    ],
)
def test_a_number_in_subject_or_text_is_blanked(subject: str, text: str, html: str) -> None:
    read_as_blank(mail(subject, text, html))


@pytest.mark.promise("PS-19")
def test_a_number_is_blanked_in_a_subject_that_breaks_its_line() -> None:
    read_as_blank(
        b"Subject: =?utf-8?q?a=0d=0ab?= 4242424242424242\r\nFrom: a@example.org\r\n\r\nhi"
    )


def read_as_blank(raw: bytes) -> None:
    found = message_from_bytes(without_cards(raw), policy=policy.default)
    parts = [part.get_content() for part in found.walk() if not part.is_multipart()]
    whole = "".join([str(found["subject"]), *parts])
    assert "4242" not in whole
    assert "xxxx" in whole
    assert str(found["from"]) == "a@example.org"


@pytest.mark.promise("PS-19")
@pytest.mark.parametrize(
    "raw",
    [
        mail("Order 123456789", "Call +49 30 5550173829"), b"not a mail at all", b"",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff4242424242424242",
        b"Content-Type: text/plain; charset=no\0pe\r\n\r\n\xff4242424242424242",
        b'Content-Type: text/plain; charset="u\0tf-8"\r\nSubject: =?no\0pe?q?a?=\r\n\r\n\xff',
    ],
)  # fmt: skip
def test_a_mail_without_one_stays_byte_for_byte(raw: bytes) -> None:
    assert without_cards(raw) == raw


@pytest.mark.promise("PS-19")
def test_a_case_keeps_the_mail_without_the_number(tables: Tables) -> None:
    inbound = wiring.inbound_mail()
    inbound.bucket.write("in/one", mail(f"Card {NUMBER}", NUMBER), content_type="message/rfc822")
    assert inbound.take("in/one") == "case"
    assert NUMBER.encode() not in inbound.bucket.read("in/one")
    assert inbound.take("in/one") == "case"
    assert len([i for i in tables.items("accounts") if i["type"] == "case"]) == 1
