"""What stands in a mail: the same words in both forms, and nothing that could be misused."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest

from chalicelib.core.errors import CetrusError
from chalicelib.core.keyed import KeyedHash
from chalicelib.mail.letters import FOLDER, Letterhead, compose
from chalicelib.mail.links import link_hash, link_token
from chalicelib.mail.rules import LAWS, MailClass, Message, Unsendable, normalized, sendable_address
from chalicelib.mail.templates import TEMPLATES, TOPICS, check_arguments
from chalicelib.privacy.sinks import Recipient
from tests.conftest import NOON
from tests.mail.conftest import ARGUMENTS

if TYPE_CHECKING:
    from email.message import EmailMessage

HEAD = Letterhead("Cetrus <support@cetrus.test>", "cetrus.test", "https://cetrus.test")
STOP = "Abc-_" * 8 + "xyz"
KIM = Recipient("kim@example.com", "Kim <b>Grün</b>", "Grünwald & Söhne", "gruenwald")


def raw(template: str, to: Recipient = KIM) -> bytes:
    message = Message(
        f"msg_{template}", template, TEMPLATES[template].mail_class, "acc_1", None,
        ARGUMENTS.get(template, {}), NOON + 123, NOON,
    )  # fmt: skip
    stop = "" if message.law.must_arrive else STOP
    return compose(HEAD, message, TEMPLATES[template], to, "TOKEN", stop).raw


def letter(template: str, to: Recipient = KIM) -> EmailMessage:
    return message_from_bytes(raw(template, to), policy=default)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body
    content: str = body.get_content()
    return content.replace("\r\n", "\n")


def words(text: str) -> list[str]:
    return [word for word in re.split(r"\s+", text) if word and word != "--"]


def words_of_html(markup: str) -> list[str]:
    body = markup.partition("<body")[2].partition(">")[2]
    return words(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?(a|strong)\b[^>]*>", "", body))))


@pytest.fixture(params=sorted(TEMPLATES))
def template(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class TestEveryMail:
    def test_says_the_same_in_text_and_html(self, template: str) -> None:
        mail = letter(template)
        assert words_of_html(part(mail, "html")) == words(part(mail, "plain"))

    def test_loads_nothing_and_tracks_nobody(self, template: str) -> None:
        markup = part(letter(template), "html")
        assert not re.search(r"<(img|script|link|iframe|form|style|object)\b|url\(|src=", markup)
        targets = re.findall(r'href="([^"]*)"', markup)
        assert all(t.startswith(("https://cetrus.test", "mailto:support@")) for t in targets)
        assert not any("?" in target.replace("/exit?to=", "", 1) for target in targets)

    def test_sets_no_color_that_the_dark_could_swallow(self, template: str) -> None:
        markup = part(letter(template), "html")
        assert '<meta name="color-scheme" content="light dark">' in markup
        assert not re.search(r"(?<![\w-])(color|background(-color)?)\s*:", markup)

    def test_says_at_its_foot_who_sends_it_and_why(self, template: str) -> None:
        foot = part(letter(template), "plain").partition("\n--\n")[2]
        assert TEMPLATES[template].why in foot
        assert "Cetrus, https://cetrus.test" in foot
        assert "support@cetrus.test" in foot

    def test_is_the_same_bytes_each_time(self, template: str) -> None:
        assert raw(template) == raw(template)

    def test_carries_the_headers_that_name_it_and_its_class(self, template: str) -> None:
        mail = letter(template)
        assert mail["From"] == "Cetrus <support@cetrus.test>"
        assert mail["To"] == "kim@example.com"
        assert mail["Date"] == "Wed, 25 Nov 2026 12:00:00 +0000"
        assert mail["Message-ID"] == f"<msg_{template}@cetrus.test>"
        assert mail["X-SES-MESSAGE-TAGS"] == f"class={TEMPLATES[template].mail_class}"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail.defects == []

    def test_is_plain_ascii_in_short_lines(self, template: str) -> None:
        lines = raw(template).split(b"\r\n")
        assert raw(template).isascii()
        assert max(map(len, lines)) <= 200
        assert not any(b"\n" in line or b"\r" in line for line in lines)

    def test_its_subject_names_nobody(self, template: str) -> None:
        subject = str(letter(template)["Subject"])
        assert subject
        assert not {"Kim", "gruenwald", "Grünwald", "example.com"} & set(subject.split())

    def test_has_a_folder_and_a_law(self, template: str) -> None:
        files = {path.name for path in (FOLDER / template).iterdir()}
        assert files == {"subject.txt", "body.txt", "body.html"}
        assert TEMPLATES[template].mail_class in LAWS


class TestWayOut:
    """RFC 2369 and 8058, on optional mail and on no other."""

    def test_optional_mail_can_be_ended_by_one_click_or_by_mail(self, template: str) -> None:
        mail = letter(template)
        optional = not LAWS[TEMPLATES[template].mail_class].must_arrive
        assert (mail["List-Unsubscribe"] is not None) is optional
        if optional:
            assert str(mail["List-Unsubscribe"]) == (
                f"<https://cetrus.test/unsubscribe/{STOP}>, "
                f"<mailto:support@cetrus.test?subject=unsubscribe%20{STOP}>"
            )
            assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    def test_the_way_out_stands_in_the_mail_too(self, template: str) -> None:
        link = f"https://cetrus.test/unsubscribe/{STOP}"
        optional = not LAWS[TEMPLATES[template].mail_class].must_arrive
        for kind in ("plain", "html"):
            assert (link in part(letter(template), kind)) is optional

    def test_its_header_is_one_line_whatever_the_length_of_our_name(self) -> None:
        head = replace(HEAD, base_url="https://" + "a-long-name." * 12 + "example/api")
        message = Message(
            "msg_1", "installer_updated", MailClass.NOTICE, "acc_1", None,
            ARGUMENTS["installer_updated"], NOON, NOON,
        )  # fmt: skip
        made = compose(head, message, TEMPLATES["installer_updated"], KIM, "", STOP).raw
        (line,) = (one for one in made.split(b"\r\n") if one.startswith(b"List-Unsubscribe:"))
        assert line.startswith(f"List-Unsubscribe: <{head.base_url}/unsubscribe/{STOP}>,".encode())

    def test_account_mail_is_none_of_the_optional(self) -> None:
        classes = {name: TEMPLATES[name].mail_class for name in TEMPLATES}
        assert {name for name in TOPICS if classes[name] is not MailClass.NOTICE} == set()
        assert {classes[name] for name in ("card_expiring", "trial_ending")} == {MailClass.ACCOUNT}
        assert classes["subscription_renewing"] is MailClass.ACCOUNT


def test_every_folder_is_a_template() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(TEMPLATES)


def test_every_class_has_a_law() -> None:
    assert set(LAWS) == set(MailClass)


@pytest.mark.promise("PS-58")
def test_the_welcome_confirms_both_names_and_that_a_password_is_set() -> None:
    text = part(letter("welcome"), "plain")
    assert "Account name: Grünwald & Söhne" in text
    assert "Login name: gruenwald" in text
    assert "Password: set." in text
    assert "https://cetrus.test/verify/TOKEN" in text


def test_a_reset_carries_its_link() -> None:
    assert "https://cetrus.test/reset/TOKEN" in part(letter("password_reset"), "plain")


def test_a_receipt_says_what_is_billed_and_when() -> None:
    text = " ".join(words(part(letter("receipt"), "plain")))
    assert "Price: 0.37 EUR for each hour of use" in text
    assert "to be billed after the month has ended, to your card Visa ending in 4242." in text
    assert "it is measured and shown, and not charged yet." in text
    assert "https://cetrus.test/orders/ord_1" in text


def test_names_are_text_and_never_markup() -> None:
    hostile = replace(KIM, account_name='<img src="https://evil.test/x">', login="{{ link }}")
    mail = letter("welcome", hostile)
    assert "<img" not in part(mail, "html")
    assert "&lt;img src=" in part(mail, "html")
    assert "Login name: {{ link }}" in part(mail, "plain")


@pytest.mark.parametrize("name", ["address", "name", "account_name", "login"])
@pytest.mark.parametrize("evil", ["\r\nBcc: all@example.com", "\n", "\r", "\x00", "\x85", "\u2028"])
def test_a_control_character_in_any_name_stops_the_mail(name: str, evil: str) -> None:
    changed = replace(KIM, **{name: f"kim{evil}@example.com"})
    with pytest.raises(Unsendable):
        raw("welcome", changed)


@pytest.mark.parametrize(
    "address",
    ["", "kim", "@example.com", "kim@", "a b@example.com", "a,b@example.com", "<a@example.com>",
     "ü@example.com", '"a"@example.com', f"kim@{'x' * 64}.com", "kim@a..b"],
)  # fmt: skip
def test_what_is_no_single_address_is_not_sent_to(address: str) -> None:
    with pytest.raises(Unsendable):
        sendable_address(address)


def test_a_foreign_domain_goes_out_in_ascii() -> None:
    assert sendable_address("kim@bücher.example") == "kim@xn--bcher-kva.example"
    assert normalized(" KIM@Bücher.example ") == "kim@xn--bcher-kva.example"


class TestArguments:
    @pytest.mark.parametrize(
        "given",
        [{}, {"application": 1}, {"application": True}, {"application": "x", "more": "y"}],
    )
    def test_exactly_the_named_ones_of_their_types_are_taken(
        self, given: dict[str, str | int]
    ) -> None:
        with pytest.raises(ValueError, match="application"):
            check_arguments(TEMPLATES["download_ready"], given)

    def test_none_holds_a_line_break(self) -> None:
        with pytest.raises(ValueError, match="control character"):
            check_arguments(TEMPLATES["download_ready"], {"application": "x\r\nBcc: y"})


def test_a_links_token_follows_from_its_message_and_the_key_alone() -> None:
    keyed, other = KeyedHash(b"one"), KeyedHash(b"two")
    assert link_token(keyed, "msg_1") == link_token(keyed, "msg_1")
    found = {link_token(k, m) for k in (keyed, other) for m in ("msg_1", "msg_2")}
    assert len(found) == 4
    assert link_hash(keyed, "t") not in {link_token(keyed, "t"), link_hash(other, "t")}
    assert not issubclass(Unsendable, CetrusError)
