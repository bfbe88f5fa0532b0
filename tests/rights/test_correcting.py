"""The mailed link also corrects the details: shown at a press, saved once, nothing by a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib import wiring
from chalicelib.accounts.rules import LinkEnded
from chalicelib.privacy.rules import Event, Purpose
from chalicelib.rights import wiring as rights
from tests.browser import Browser
from tests.rights.conftest import PROFILE
from tests.rights.test_pages import mailed

if TYPE_CHECKING:
    from chalicelib.accounts.rules import Account
    from tests.conftest import Tables

DETAILS = {name: value for name, value in PROFILE.items() if name not in {"login", "email"}}
CORRECTED = {**DETAILS, "name": "Mora Kilbride-Doyle", "city": "Ballina"}


def details(link: str) -> str:
    return Browser().post(f"{link}/details", {}, page=link).text


def save(link: str, **changed: str) -> tuple[int, str]:
    answer = Browser().post(f"{link}/correct", {**DETAILS, **changed}, page="/login")
    return answer.status, answer.location if answer.status == 303 else ""


def reasons(subject: str, event: Event) -> set[str | None]:
    return {
        row.entry.reason for row in wiring.vault().ledger.rows(subject) if row.entry.event is event
    }


@pytest.mark.promise("PS-69")
@pytest.mark.promise("PS-72")
class TestCorrectingByMail:
    def test_it_shows_the_details_at_a_press_and_the_ledger_says_by_what(
        self, mora: Account, tables: Tables
    ) -> None:
        link = mailed(mora)
        assert PROFILE["street"] not in Browser().get(link).text
        assert "link:rights" not in reasons(mora.subject, Event.OPENED)
        page = details(link)
        for value in DETAILS.values():
            assert value in page
        assert "link:rights" in reasons(mora.subject, Event.OPENED)
        assert Browser().get(link).status == 200

    def test_a_look_opens_and_changes_nothing(self, mora: Account, tables: Tables) -> None:
        link = mailed(mora)
        before = tables.dump()
        for path in (link, f"{link}/details", f"{link}/correct"):
            Browser().get(path)
        assert tables.dump() == before

    def test_what_is_saved_is_what_every_purpose_sees(self, mora: Account) -> None:
        link = mailed(mora)
        changed = {"name": CORRECTED["name"], "city": CORRECTED["city"]}
        assert save(link, **changed) == (303, "/rights/done?what=corrected")
        assert "Your details are corrected" in Browser().get("/rights/done?what=corrected").text
        found = wiring.accounts().profile(mora.id)
        assert found == {**PROFILE, **changed}
        assert reasons(mora.subject, Event.CORRECTED) == {"link:rights"}

    def test_it_works_once_and_then_for_nothing_else(self, mora: Account) -> None:
        link = mailed(mora)
        assert save(link, city="Ballina")[0] == 303
        assert save(link, city="Elsewhere")[0] == 404
        assert Browser().get(link).status == 404
        for path, form in ((link, {"what": "erase", "hours": "0"}), (f"{link}/details", {})):
            assert Browser().post(path, form, page="/login").status == 404
        assert wiring.accounts().profile(mora.id)["city"] == "Ballina"

    def test_of_two_that_save_at_once_one_is_told_that_it_was_used(self, mora: Account) -> None:
        token = mailed(mora).rpartition("/")[2]
        correcting = rights.correcting()
        first = correcting.proving.use(token)
        correcting.correct(token, {"city": "Ballina"})
        with pytest.raises(LinkEnded):
            correcting.accounts.correct_by_link(mora.id, {"city": "Cork"}, first, "link:rights")
        assert wiring.accounts().profile(mora.id)["city"] == "Ballina"

    def test_a_form_that_is_refused_says_why_and_uses_nothing_up(self, mora: Account) -> None:
        link = mailed(mora)
        answer = Browser().post(
            f"{link}/correct", {**DETAILS, "city": "", "name": "Typed"}, page=link
        )
        assert answer.status == 422
        assert 'id="city-error"' in answer.text
        assert "Typed" in answer.text
        assert wiring.accounts().profile(mora.id) == PROFILE
        assert save(link)[0] == 303

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("email", "mallory@example.com"), ("login", "mallory"),
            ("password", "nine slow boats at anchor"), ("time_zone", "Europe/Dublin"),
        ],
    )  # fmt: skip
    def test_it_takes_no_field_that_it_does_not_show(
        self, mora: Account, name: str, value: str
    ) -> None:
        link = mailed(mora)
        assert save(link, **{name: value})[0] == 422
        assert wiring.accounts().profile(mora.id) == PROFILE

    def test_another_browser_s_form_is_refused(self, mora: Account) -> None:
        link = mailed(mora)
        answer = Browser().post_raw(f"{link}/correct", b"csrf=none&city=Ballina")
        assert answer.status in {400, 403}
        assert wiring.accounts().profile(mora.id) == PROFILE

    def test_nothing_of_whoever_rests_is_shown_or_changed(self, mora: Account) -> None:
        rights.deactivation().deactivate(mora.id)
        link = mailed(mora)
        assert "Show my details" not in Browser().get(link).text
        assert Browser().post(f"{link}/details", {}, page=link).status == 404
        assert save(link, city="Ballina")[0] == 404
        assert Purpose.ACCOUNT in {g.purpose for g in wiring.vault().store.held(mora.subject)}

    def test_the_export_is_left_to_whoever_signs_in(self, mora: Account) -> None:
        link = mailed(mora)
        assert "/login?next=/account/privacy/export" in Browser().get(link).text
        with pytest.raises(LookupError):
            Browser().get(f"{link}/export.json")
