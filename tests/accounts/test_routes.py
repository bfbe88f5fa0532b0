from __future__ import annotations
from tests.accounts.conftest import *


def test_a_person_registers_confirms_and_is_signed_in(browser, mails):
    a = browser.post("/register", REGISTRATION)
    assert a.location == "/register/sent", a.words
    a = browser.post(f"/verify/{mails.link('welcome')}", {"password": PASSWORD})
    assert a.location == "/account", a.words
    for p in (
        "/",
        "/account",
        "/account/setup",
        "/account/setup/password",
        "/status",
        "/privacy",
        "/privacy/cookies",
        "/privacy/security",
        "/contact",
        "/problems",
        "/problems/stale_form",
        "/.well-known/gpc.json",
    ):
        x = browser.get(p)
        assert x.status == 200, (p, x.words)
    print(browser.get("/account/setup").words)
