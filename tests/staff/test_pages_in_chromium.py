"""The desk of each role and the way of a mailing, by Chromium and axe, on a phone and a desk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import wiring
from chalicelib.core.clock import DAY, HOUR
from chalicelib.mailings import routes
from chalicelib.mailings.texts import Kind
from chalicelib.staff.rules import Role
from tests.edge.test_pages_in_chromium import address, chromium, flaws, page
from tests.mailings.conftest import House, house
from tests.mailings.test_rules import GOOD, content
from tests.partners.conftest import MONTH, Office, office
from tests.staff.conftest import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.conftest import FakeClock

pytestmark = pytest.mark.browser
__all__ = ["address", "chromium", "house", "office", "page"]  # fixtures of other folders
LIST, NEW = "/staff/mailings", "/staff/mailings/new"
WRITER, READER = "sol.writer", "ada.reader"
WHY = "The hour is missing in which people can work again, and the second sentence is unclear."
LONG = "We move to larger disks, and what is written meanwhile waits and is not lost. " * 7


@dataclass
class Eyes:
    """A browser that notes what is wrong with each page that it is led to."""

    page: Page
    found: dict[str, list[Any]] = field(default_factory=dict)

    def at(self, path: str, name: str) -> None:
        self.page.goto(path)
        self.see(name)

    def see(self, name: str) -> None:
        if wrong := flaws(self.page, f"staff {name}"):
            self.found[name] = wrong

    def press(self, button: str, name: str, *, main: bool = True) -> None:
        where = self.page.get_by_role("main") if main else self.page
        where.get_by_role("button", name=button).click()
        self.page.wait_for_load_state()
        self.see(name)

    def enter(self, member: str) -> None:
        self.page.context.clear_cookies()
        self.page.goto("/staff/login")
        self.page.fill("#name", member)
        self.page.fill("#password", PASSWORD)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/staff")


@pytest.fixture
def eyes(page: Page) -> Eyes:
    return Eyes(page)


def hired(name: str, *roles: Role) -> str:
    return wiring.staff().add(name, PASSWORD, roles).id


def path_of(mailing: str) -> str:
    return f"{LIST}/{mailing}"


class TestRoles:
    @pytest.mark.parametrize("role", sorted(Role))
    def test_each_has_its_own_desk_and_is_told_what_is_not_its_own(
        self, eyes: Eyes, role: Role
    ) -> None:
        hired("one.role", role)
        eyes.enter("one.role")
        eyes.see(f"desk of {role}")
        shown = eyes.page.get_by_role("main").get_by_role("link").all_inner_texts()
        for name, path in (
            ("mailings", LIST), ("new mailing", NEW), ("policy", "/staff/policy"),
            ("trends", "/staff/trends"),
        ):  # fmt: skip
            eyes.at(path, f"{name} for {role}")
            words = eyes.page.get_by_role("heading", level=1).inner_text()
            assert words
        assert len(shown) == len(set(shown))
        assert eyes.found == {}

    def test_somebody_with_all_of_them_sees_all(self, eyes: Eyes) -> None:
        hired("all.roles", *Role)
        eyes.enter("all.roles")
        eyes.see("desk of all roles")
        main = eyes.page.get_by_role("main")
        assert main.get_by_role("link").count() >= 3
        eyes.at(f"{LIST}/mlg_none", "unknown mailing")
        eyes.at(f"{LIST}?state=none", "unknown state")
        assert eyes.found == {}


class TestWriting:
    def test_from_nothing_to_a_text_that_waits_for_another(self, eyes: Eyes, house: House) -> None:
        hired(WRITER, Role.SERVICE)
        eyes.enter(WRITER)
        eyes.at(LIST, "mailings none")
        eyes.page.get_by_role("link", name="Write a mailing").click()
        eyes.see("mailing kinds")
        eyes.page.get_by_role("link", name="Maintenance of Cetrus").first.click()
        eyes.see("mailing empty form")
        for name in ("day", "begins", "ends"):
            eyes.page.fill(f"#{name}", GOOD[name])
        eyes.page.fill("#what", "Half price, 50% off for all: www.example.org")
        eyes.press("Save the draft", "mailing refused")
        assert eyes.page.title().startswith("Error: ")
        assert eyes.page.evaluate("document.activeElement.className") == "summary"
        assert eyes.page.input_value("#day") == GOOD["day"]
        eyes.page.fill("#what", LONG[:600].strip())
        eyes.press("Save the draft", "mailing draft")
        eyes.page.get_by_role("link", name="Change the text").click()
        eyes.see("mailing change")
        eyes.press("Save the draft", "mailing draft changed")
        eyes.press("Submit for approval", "mailing waits")
        assert "whoever wrote it cannot approve it" in eyes.page.inner_text("main")
        assert eyes.found == {}

    @pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.ANNOUNCEMENT}))
    def test_each_kind_has_a_form_and_a_look_of_its_own(
        self, eyes: Eyes, house: House, kind: Kind
    ) -> None:
        application = wiring.catalog().add_application(
            vendor_id="vnd_1", vendor_name="Vendor (test)", slug="halyard", name="Halyard",
            summary="Plots tides.", description="",
        )  # fmt: skip
        writer = hired(WRITER, Role.SERVICE)
        eyes.enter(WRITER)
        what = content(kind)
        eyes.at(f"{NEW}?kind={kind}&text={what.text}", f"form of {kind}")
        eyes.press("Save the draft", f"form of {kind} refused")
        if what.application:
            what = replace(what, application=application.id)
        mailing = wiring.mailings().draft(writer, "form", what)
        eyes.at(path_of(mailing), f"draft of {kind}")
        eyes.at(f"{path_of(mailing)}/text", f"change of {kind}")
        assert eyes.found == {}


class TestItsWay:
    def test_approved_scheduled_sent_and_counted(
        self, eyes: Eyes, house: House, clock: FakeClock
    ) -> None:
        for number in range(12):
            house.join(f"member{number}", owns=None)
        writer = hired(WRITER, Role.SERVICE)
        hired(READER, Role.PRIVACY)
        mailing = wiring.mailings().draft(writer, "form", content(Kind.OFFER))
        wiring.mailings().submit(writer, mailing)
        eyes.enter(READER)
        eyes.at(LIST, "mailings of the reader")
        eyes.at(path_of(mailing), "mailing to approve")
        eyes.page.get_by_text("Refuse it", exact=True).click()
        eyes.press("Refuse it for good", "mailing refusal without a reason")
        assert eyes.page.title().startswith("Error: ")
        assert eyes.page.locator("#why").is_visible()
        eyes.press("Approve this text", "mailing approved")
        eyes.enter(WRITER)
        eyes.at(path_of(mailing), "mailing to schedule")
        eyes.page.fill("#at", "tomorrow")
        eyes.press("Schedule it", "mailing schedule refused")
        assert eyes.page.title().startswith("Error: ")
        assert eyes.page.input_value("#at") == "tomorrow"
        eyes.page.fill("#at", "")
        eyes.press("Schedule it", "mailing schedule empty")
        wiring.mailing_planner().run()
        eyes.at(path_of(mailing), "mailing counted")
        eyes.page.get_by_text("Send it now", exact=True).click()
        eyes.see("mailing asks before it goes out")
        eyes.press("Send it now to at most 12 people", "mailing goes out")
        assert "It goes out now" in eyes.page.get_by_role("status").inner_text()
        wiring.mailing_planner().run()
        eyes.at(path_of(mailing), "mailing sending")
        house.hand_over()
        clock.advance(HOUR)
        wiring.mailing_planner().run()
        house.hand_over()
        wiring.mailing_planner().run()
        eyes.at(path_of(mailing), "mailing sent")
        assert "What became of its mails" in eyes.page.inner_text("main")
        assert eyes.found == {}

    def test_refused_and_canceled_and_a_screen(self, eyes: Eyes, house: House) -> None:
        writer = hired(WRITER, Role.SERVICE)
        reader = hired(READER, Role.PRIVACY)
        service = wiring.mailings()
        names = [service.draft(writer, f"form {n}", content(Kind.ANNOUNCEMENT)) for n in range(2)]
        for name in names:
            service.submit(writer, name)
        service.refuse(reader, names[0], WHY)
        service.cancel(writer, names[1])
        screen = service.draft(writer, "screen", content(Kind.SCREEN))
        service.submit(writer, screen)
        service.approve(reader, screen, service.mailing(screen).content.sha256)
        eyes.enter(WRITER)
        eyes.at(path_of(names[0]), "mailing refused by another")
        eyes.page.get_by_role("link", name="Write it again").click()
        eyes.see("mailing written again")
        assert eyes.page.input_value("#day") == GOOD["day"]
        eyes.at(path_of(names[1]), "mailing canceled")
        eyes.at(path_of(screen), "screen to schedule")
        service.schedule(writer, screen, house.clock.now, house.clock.now + 30 * DAY)
        eyes.at(path_of(screen), "screen scheduled")
        assert eyes.found == {}

    def test_a_list_of_many_with_a_search(self, eyes: Eyes, house: House) -> None:
        writer = hired(WRITER, Role.SERVICE)
        for number in range(routes.PAGE_SIZE + 3):
            headline = f"A headline that is nearly as long as it may be, the number {number}"
            what = content(Kind.OFFER, headline=headline)
            wiring.mailings().draft(writer, f"form {number}", what)
            house.clock.advance(DAY)
        eyes.enter(WRITER)
        eyes.at(LIST, "mailings many")
        eyes.page.get_by_role("link", name="Older mailings").click()
        eyes.see("mailings second page")
        eyes.at(f"{LIST}?q=number+7&state=draft", "mailings found")
        assert eyes.page.input_value("#q") == "number 7"
        eyes.at(f"{LIST}?q=nowhere", "mailings not found")
        eyes.page.get_by_role("link", name="Show all").click()
        eyes.page.wait_for_url(f"**{LIST}")
        assert eyes.found == {}


def test_the_page_behind_a_partners_link_is_sound(eyes: Eyes, office: Office) -> None:
    for number in range(30):
        office.use(f"acc_{number}", "halyard", 2 * HOUR)
    partner = office.partner()
    office.run()
    token = wiring.partners().new_link(partner, MONTH)
    eyes.at(f"/partners/{token}", "partner link")
    eyes.at("/partners/none", "partner link ended")
    assert eyes.found == {}
