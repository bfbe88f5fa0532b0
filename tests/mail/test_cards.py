"""Card numbers in mail to us do not stay, and mail without one stays as it came."""

from __future__ import annotations

import sys
import unicodedata
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.mail.cards import RUN, without_cards
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
        b"Message-ID: <4242424242424242@mail>\r\nReceived: by 4242424242424242\r\n\r\nhi",
        b"From: Kim <4242424242424242@example.org>\r\n\r\nhi",
        b"Content-Type: text/html\r\n\r\n<td>4242</td><td>4242</td><td>4242</td><td>4242</td>",
        b'Content-Type: text/plain; charset="u\0tf-8"\r\nSubject: =?no\0pe?q?a?=\r\n\r\n\xff',
    ],
)  # fmt: skip
def test_a_mail_without_one_stays_byte_for_byte(raw: bytes) -> None:
    assert without_cards(raw) == raw


GERMAN = (
    "Subject: Frage\nContent-Type: multipart/alternative; boundary=b1\n\n"
    "Dies ist eine Nachricht f\u00fcr MIME.\n{}--b1\nContent-Type: text/plain\n\n"
    "My card is 4242 4242 4242 4242\n--b1--\n"
)
HIDDEN = [
    "Content-Type: multipart/mixed; boundary=none\n\nf\u00fcr 4242 4242 4242 4242\n",
    GERMAN.format(""),
    GERMAN.format("4242424242424242\n"),
    "Subject: x\nContent-Type: message/rfc822\n\nSubject: my 4242 4242 4242 4242\n\nhello\n",
    "Thread-Topic: card 4242424242424242\n\nhi\n",
    "Thread-Topic: =?utf-8?q?f=C3=BCr_4242?=\n =?utf-8?q?_4242_4242_4242?=\n\nhi\n",
    'From: "4242424242424242" <a@example.org>\n\nhi\n',
    "From: =?utf-8?b?NDI0MjQyNDI0MjQyNDI0Mg==?= <a@example.org>\n\nhi\n",
    "Content-Type: text/html\n\n<p>4242&nbsp;4242&nbsp;4242&nbsp;4242</p>\n",
    "Content-Type: text/html\n\n<p>&#52;242&#32;4242 4242 4242</p>\n",
    "Content-Type: text/html\n\n<span>4242</span><b>4242</b>42424242\n",
    "Content-Type: text/html\n\n<p title='4242&nbsp;4242&nbsp;4242&nbsp;4242'>x</p>\n",
    "\n4242.4242.4242.4242\n",
    "\n4242/4242_4242/4242\n",
    "\n4242\u200b4242\u200b4242\u200b4242\n",
    "\n4242\u00ad4242\u20604242\ufeff4242\n",
    "Content-Type: text/plain; charset=nonsense\n\n\u00ff4242424242424242",
    "Content-Type: text/plain; charset=no\0pe\n\n\u00ff4242424242424242",
    "Content-Transfer-Encoding: base64\n\nNDI0MjQyNDI0MjQyNDI0Mg==\n",
    "Content-Transfer-Encoding: base64\n\n4242 4242 4242 4242\n",
    "Content-Transfer-Encoding: quoted-printable\n\n4242=\n4242 4242=204242\n",
]


@pytest.mark.promise("PS-19")
@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
@pytest.mark.parametrize("text", HIDDEN)
def test_a_number_is_blanked_wherever_it_stands(text: str, charset: str) -> None:
    raw = text.encode(charset, "ignore")
    kept = without_cards(raw)
    assert b"4242" not in kept
    assert b"NDI0MjQy" not in kept
    assert without_cards(kept) == kept
    assert raw.count(b"\n--b1") == kept.count(b"\n--b1")
    if b"a@example.org" in raw:
        assert b"a@example.org" in kept


def test_every_character_that_is_not_seen_may_stand_within_a_number() -> None:
    unseen = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) == "Cf"]
    assert [c for c in unseen if not RUN.fullmatch(f"4{c}" * 15 + "2")] == []


HEADS = st.sampled_from([
    "Subject: my card 4111111111111111", "Subject: =?utf-8?b?NDExMSAxMTExIDExMTEgMTExMQ==?=",
    "Subject: x\n y", "Subject: \xff\xfe 4111111111111111", "Subject: =?x-foo?q?4111?=",
    "X-A: \xff", "From: <a@b.c>\nFrom: d@e.f", "Date: bad", "To: undisclosed:;",
    "Message-ID: <\xff>", 'From: "\xff" <a@b.c>', "MIME-Version: 1.0\nMIME-Version: 2.0",
    "Reply-To: a@b, , <", "Received: \n \n", "no header at all",
    "Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable",
    "Content-Transfer-Encoding: x-uuencode", "Content-Transfer-Encoding: 8bit",
])  # fmt: skip
TYPES = st.sampled_from([
    "text/plain", "text/plain; charset=utf-8", "text/html; charset=latin-1", "text", "text/",
    "text/plain; charset=x-none", 'text/plain; charset="utf-8', "multipart/mixed; boundary=a",
    "text/plain; charset*=utf-8''utf-8", "message/rfc822", "text/html; charset=utf-16",
    "text/x-\xe9; charset=utf-7", "multipart/mixed", "text/plain; charset=idna",
])  # fmt: skip
BODIES = st.sampled_from([
    "card 4111 1111 1111 1111\n", "f\xfcr 4111 1111 1111 1111\n", "NDExMSAxMTExIDExMTEgMTExMQ==\n",
    "card 4=\n111 1111 1111 1111\n", "Subject: 4111 1111 1111 1111\n\nhello 4111 1111 1111 1111\n",
    "--a\nContent-Type: text/plain\n\n4111 1111 1111 1111\n--a--\n4111111111111111",
    "--a\nContent-Type: message/rfc822\n\n--a\n\nf\xfcr 4111.1111.1111.1111\n", "",
])  # fmt: skip


@pytest.mark.promise("PS-19")
@given(st.lists(HEADS, max_size=4), TYPES, st.lists(BODIES, max_size=3), st.binary(max_size=40))
def test_no_mail_is_too_hostile_to_be_blanked(
    heads: list[str], kind: str, bodies: list[str], rest: bytes
) -> None:
    head = "\n".join([*heads, f"Content-Type: {kind}"])
    raw = f"{head}\n\n{''.join(bodies)}".encode("latin-1") + rest
    kept = without_cards(raw)
    assert b"4111 1111 1111 1111" not in kept
    assert without_cards(kept) == kept


PARTS = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(3000))


@pytest.mark.promise("PS-19", "PS-72")
def test_a_mail_that_no_parser_gets_through_is_blanked_as_it_stands_and_a_case(
    tables: Tables,
) -> None:
    inbound = wiring.inbound_mail()
    raw = f"{PARTS}\nCard {NUMBER}\n".encode()
    inbound.bucket.write("in/one", raw, content_type="message/rfc822")
    assert inbound.take("in/one") == "case"
    assert inbound.bucket.read("in/one") == raw.replace(NUMBER.encode(), b"x" * 16)
    assert [i["type"] for i in tables.items("accounts")].count("case") == 1


@pytest.mark.promise("PS-19", "PS-72")
def test_a_mail_that_cannot_be_written_anew_is_a_case_without_the_number(tables: Tables) -> None:
    inbound = wiring.inbound_mail()
    raw = HIDDEN[0].encode("latin-1")
    inbound.bucket.write("in/one", raw, content_type="message/rfc822")
    assert inbound.take("in/one") == "case"
    assert b"4242" not in inbound.bucket.read("in/one")
    assert [i["type"] for i in tables.items("accounts")].count("case") == 1


@pytest.mark.promise("PS-72")
def test_the_case_is_opened_before_the_mail_is_touched(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.mail import inbound as module

    def broken(_: bytes) -> bytes:
        raise RuntimeError

    monkeypatch.setattr(module, "without_cards", broken)
    inbound = wiring.inbound_mail()
    inbound.bucket.write("in/one", mail("Card", NUMBER), content_type="message/rfc822")
    with pytest.raises(RuntimeError):
        inbound.take("in/one")
    assert [i["type"] for i in tables.items("accounts")].count("case") == 1


@pytest.mark.promise("PS-19")
def test_a_case_keeps_the_mail_without_the_number(tables: Tables) -> None:
    inbound = wiring.inbound_mail()
    inbound.bucket.write("in/one", mail(f"Card {NUMBER}", NUMBER), content_type="message/rfc822")
    assert inbound.take("in/one") == "case"
    assert NUMBER.encode() not in inbound.bucket.read("in/one")
    assert inbound.take("in/one") == "case"
    assert len([i for i in tables.items("accounts") if i["type"] == "case"]) == 1
