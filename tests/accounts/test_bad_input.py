"""What bad input gets on each form: a 4xx that names the field, nothing stored, nothing logged."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest

from chalicelib.edge.forms import typed
from chalicelib.edge.request import read_request
from tests.accounts.conftest import PASSWORD, PROFILE, REGISTRATION
from tests.browser import Answer, Browser

if TYPE_CHECKING:
    from tests.accounts.conftest import Mails
    from tests.conftest import Tables

NEW = "three pears in winter"
CANARY = "zq7canary"
CARD = "4242 4242 4242 4242"
OPTIONAL = {"company", "phone", "tax_id", "next"}
SETUP = {n: v for n, v in PROFILE.items() if n not in {"login", "email"}}
FORMS = {
    "register": REGISTRATION,
    "login": {"login": PROFILE["login"], "password": PASSWORD, "next": "/apps"},
    "forgot": {"email": PROFILE["email"]},
    "verify": {"password": PASSWORD},
    "reset": {"password": NEW},
    "account/setup": SETUP,
    "account/setup/password": {"current_password": PASSWORD, "password": NEW},
}


class Desk:
    """A form that is open in a browser, and what has to stay as it is when it is refused."""

    def __init__(self, name: str, tables: Tables, member: Browser, mails: Mails) -> None:
        self.tables = tables
        self.browser = member if name.startswith("account") else Browser()
        self.path = f"/{name}{self.link(name, mails)}"
        self.fields = {**FORMS[name], "csrf": self.browser.token(self.path)}
        self.before = self.at_rest()

    def link(self, name: str, mails: Mails) -> str:
        if name == "reset":
            Browser().post("/forgot", {"email": PROFILE["email"]})
            return f"/{mails.link('password_reset')}"
        if name == "verify":
            other = {"login": "other", "email": "other@kilbride.example"}
            Browser().post("/register", {**REGISTRATION, **other})
            return f"/{mails.link('welcome')}"
        return ""

    def at_rest(self) -> list[str]:
        """All that is stored, but for the ledger's rows of reading."""
        items = [i for name in ("accounts", "usage", "keys") for i in self.tables.items(name)]
        return sorted(repr(item) for item in items if not item["pk"].startswith("LEDGER#"))

    def send(self, fields: dict[str, str]) -> Answer:
        return self.send_raw(urlencode(fields).encode())

    def send_raw(self, body: bytes, content_type: str | None = None) -> Answer:
        more = (content_type,) if content_type else ()
        return self.browser.post_raw(self.path, body, *more)


@pytest.fixture
def desk(request: pytest.FixtureRequest, tables: Tables, member: Browser, mails: Mails) -> Desk:
    return Desk(request.param, tables, member, mails)


def assert_refused(desk: Desk, answer: Answer, *names: str, status: int = 422) -> None:
    assert answer.status == status, answer.words
    assert desk.at_rest() == desk.before
    for name in names:
        assert f'id="{name}-error"' in answer.text or f"{name}:" in answer.words, answer.words


def assert_silent(capfd: pytest.CaptureFixture[str], *secrets: str) -> None:
    out, err = capfd.readouterr()
    assert not [secret for secret in (CANARY, *secrets) if secret in out + err]


by_form = pytest.mark.parametrize("desk", FORMS, indirect=True)


class TestFields:
    @by_form
    @pytest.mark.promise("PS-17")
    def test_missing_or_empty(self, desk: Desk) -> None:
        for name in set(desk.fields) - OPTIONAL - {"csrf"}:
            without = {n: v for n, v in desk.fields.items() if n != name}
            assert_refused(desk, desk.send(without), name)
            assert_refused(desk, desk.send({**desk.fields, name: ""}), name)

    @by_form
    def test_extra(self, desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
        answer = desk.send({**desk.fields, "card_number": CANARY})
        assert_refused(desk, answer, "card_number")
        assert CANARY not in answer.text
        assert_silent(capfd)

    @by_form
    def test_twice(self, desk: Desk) -> None:
        for name in desk.fields:
            body = urlencode([*desk.fields.items(), (name, CANARY)]).encode()
            assert_refused(desk, desk.send_raw(body), name)

    @by_form
    def test_too_long(self, desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
        for name in desk.fields:
            if name != "csrf":
                long = f"{CANARY} lemon wheel under rain " + "x" * 1200
                assert_refused(desk, desk.send({**desk.fields, name: long}), name)
        assert_silent(capfd)

    @by_form
    def test_control_characters_and_line_breaks(self, desk: Desk) -> None:
        for name in desk.fields:
            for bad in ("a\0b", "a\x7fb"):
                value = desk.fields[name] + bad
                assert_refused(desk, desk.send({**desk.fields, name: value}), name)

    @by_form
    def test_wrong_encoding(self, desk: Desk) -> None:
        for name in desk.fields:
            others = {n: v for n, v in desk.fields.items() if n != name}
            body = f"{urlencode(others)}&{name}=%FF%FE{quote(CANARY)}".encode()
            assert_refused(desk, desk.send_raw(body), name)

    @pytest.mark.promise("PS-19")
    @pytest.mark.parametrize("desk", ["register", "forgot", "account/setup"], indirect=True)
    def test_a_card_number(self, desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
        for name in set(desk.fields) & set(PROFILE):
            for card in (CARD, CARD.replace(" ", ""), f"No. {CARD.replace(' ', '-')} a"):
                answer = desk.send({**desk.fields, name: card})
                assert_refused(desk, answer, name)
        assert_silent(capfd, CARD, CARD.replace(" ", ""))

    @by_form
    def test_line_breaks_where_there_is_one_line(self, desk: Desk) -> None:
        for name in set(desk.fields) & set(PROFILE):
            if desk.path != "/login":
                answer = desk.send({**desk.fields, name: "one\r\ntwo"})
                assert_refused(desk, answer, name)


class TestBodies:
    @by_form
    def test_a_megabyte(self, desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
        body = urlencode({**desk.fields, "name": CANARY + "x" * 1_000_000}).encode()
        assert_refused(desk, desk.send_raw(body), status=413)
        assert_silent(capfd)

    @by_form
    def test_not_what_its_type_says(self, desk: Desk) -> None:
        many = b"&".join([b"a=1"] * 99)
        for body in (b"\xff\xfe\x00", "name=Müller".encode(), b"{}", b"csrf", many):
            assert_refused(desk, desk.send_raw(body), status=400)

    @by_form
    def test_another_content_type(self, desk: Desk) -> None:
        body = urlencode(desk.fields).encode()
        for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", "x"):
            assert_refused(desk, desk.send_raw(body, kind), status=415)

    @by_form
    def test_nothing_at_all(self, desk: Desk) -> None:
        assert_refused(desk, desk.send_raw(b""), status=403)


class TestForeignForms:
    @by_form
    def test_without_the_browser_s_own_value(self, desk: Desk) -> None:
        for wrong in ({"csrf": "x"}, {"csrf": Browser().token("/login")}):
            assert_refused(desk, desk.send({**desk.fields, **wrong}), status=403)

    @by_form
    def test_sent_by_another_site(self, desk: Desk) -> None:
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "sec-fetch-site": "cross-site",
        }
        body = urlencode(desk.fields).encode()
        answer = desk.browser.send("POST", desk.path, body, headers)
        assert_refused(desk, answer, status=403)
        assert "This form came from another site" in answer.words


class TestWhatIsShownAgain:
    def test_values_are_kept_and_passwords_are_not(self, browser: Browser) -> None:
        typed = {**REGISTRATION, "email": "not an address", "city": "<b>&\"'"}
        answer = browser.post("/register", typed)
        assert 'value="&lt;b&gt;&amp;&#34;&#39;"' in answer.text
        assert 'value="not an address"' in answer.text
        assert '<option value="IE" selected>' in answer.text
        assert PASSWORD not in answer.text

    @pytest.mark.promise("PS-49")
    def test_a_refused_form_keeps_no_secret(self) -> None:
        sent = {"login": "mora", "password": PASSWORD, "new_password": PASSWORD, "csrf": "x"}
        event = Browser().event("POST", "/login", b"", {})
        assert typed(read_request(event, urlencode(sent).encode())) == {"login": "mora"}

    def test_a_stale_form_keeps_what_was_typed(self, browser: Browser) -> None:
        answer = browser.post_raw("/register", urlencode(REGISTRATION).encode())
        assert answer.status == 403
        assert f'value="{PROFILE["street"]}"' in answer.text
        assert answer.text.count("Error: ") == 1

    def test_a_program_gets_a_problem(self, browser: Browser) -> None:
        fields = {**REGISTRATION, "csrf": browser.token("/register"), "email": "x"}
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        answer = browser.send("POST", "/register", urlencode(fields).encode(), headers)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert '"field":"email"' in answer.text
