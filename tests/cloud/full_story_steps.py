"""The steps of the full story, in their order: each is what somebody does, and little more.

They use the flows of the tests beside this module; what those prove is not asked again here.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.accounts.store import SHARDS
from chalicelib.core.clock import from_text, to_text
from chalicelib.privacy.proof import code_hash
from tests.cases.conftest import raw, verdicts
from tests.cloud.people import (
    RUN,
    WEB,
    Visitor,
    mailed_link,
    new_customer,
    profile,
    send_registration,
)
from tests.cloud.program import ok, vendor_post
from tests.cloud.test_ledger import command as operating
from tests.cloud.test_mail_by_morning import go_to, next_monday
from tests.cloud.test_mailings import STOP, Colleague
from tests.cloud.test_partners import next_third
from tests.cloud.test_people import linked
from tests.cloud.test_purchases import buy, charge_of, plan_named
from tests.cloud.test_told_late import DECLINED_LATER
from tests.cloud.test_visits import visit
from tests.visits.logs import CHROME

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cloud.full_story import Story

API = "api_handler"
HOUR, DAY, MONTH = 3_600, 86_400, 31 * 86_400
YES = {"choice_marketing": "yes", "choice_partner_mail": "yes"}
BUSINESS = {"company": "Example Works", "phone": "+49 30 5550100", "tax_id": "DE 111222333"}
METERED, PASS, CREW, TRIAL = "Metered", "Twenty hours", "Monthly", "Trial"
REST, ERASE = "/account/privacy/deactivate", "/account/privacy/erase"
CHOICES = "/account/privacy"


# people


def people_register(story: Story) -> None:
    """With every choice, with none, by a browser that says no, and twice with one address."""
    story.people["owner"] = new_customer(story.cloud, "full-owner", **BUSINESS, **YES)
    story.look()
    story.press(linked(story.control, story.people["owner"].email, "/choices/"), "/choices/")
    for name in ("colleague", "mover", "rester", "eraser", "reader"):
        story.people[name] = new_customer(story.cloud, f"full-{name}", **BUSINESS, **YES)
    private = Visitor(story.cloud.app)
    private.http.headers["sec-gpc"] = "1"
    send_registration(story.cloud, private, profile("full-private"))
    again = {**profile("full-again"), "email": story.people["owner"].email}
    send_registration(story.cloud, Visitor(story.cloud.app), again)


def every_shard_has_somebody(story: Story) -> None:
    """A mailing remembers how far it came in each of four shards of the accounts."""
    number = 0
    while len(shards_of_active(story)) < SHARDS:
        number += 1
        new_customer(story.cloud, f"full-more-{number}")


def shards_of_active(story: Story) -> set[str]:
    places = {str(row.get("gsi1pk")) for row in story.rows("account")}
    return {place for place in places if place.startswith("ACTIVE#")}


def the_owner_says_more(story: Story) -> None:
    story.fill("owner", "/account/setup", city="Otherton")
    story.fill("owner", "/account/setup/zone", time_zone="Europe/Berlin")
    story.fill("owner", "/account/notices", "/account/notices", installer_updated="")
    story.control.advance(DAY)
    story.people["owner"].open("/account")


def an_address_moves_and_comes_back(story: Story) -> None:
    mover, new = story.people["mover"], f"full-moved-{RUN}@example.org"
    password = mover.fields["password"]
    story.fill("mover", "/account/email", email=new, password=password, choice_marketing="no")
    story.look()
    story.press(linked(story.control, new, "/email/"), "/email/")
    story.dies("account_sweep", action="TransactWriteItems", nth=2)
    story.press(linked(story.control, mover.email, "/email/undo/"), "/email/undo/")
    story.control.run("account_sweep")


def a_password_is_forgotten(story: Story) -> None:
    reader = story.people["reader"]
    story.fill("reader", "/forgot", email=reader.email)
    story.settled()
    reader.browser.open(mailed_link(story.cloud, reader.email))
    assert reader.browser.submit("/reset/", password=reader.fields["password"]).status == 200


# orders


def every_plan_is_ordered(story: Story) -> None:
    owner = story.people["owner"]
    owner.buy()
    buy(owner, PASS)
    buy(owner, CREW, seats="2")
    buy(owner, TRIAL)
    for name in ("rester", "eraser", "reader"):
        buy(story.people[name], CREW, seats="1")
    for name in ("eraser", "colleague"):
        buy(story.people[name], PASS)


def one_order_is_left_and_one_refused(story: Story) -> None:
    reader, simulator = story.people["reader"], f"{story.cloud.processor}/_sim"
    reader.order(plan=plan_named(story.cloud, TRIAL))
    page = reader.open("/apps/halyard")
    wanted = plan_named(story.cloud, PASS)
    page.parsed.forms[:] = [f for f in page.parsed.forms if f.fields.get("plan") == wanted]
    session = reader.browser.submit("/orders").path.rpartition("/")[2]
    ok(WEB.post(f"{simulator}/complete", json={"session": session, "later": True}))
    story.settled()
    ok(WEB.post(f"{simulator}/sessions/{session}", json={"taken": False}))
    story.settled()


# programs


def a_program_runs(story: Story) -> None:
    """Shown, renewed, ended, left to expire, refused; from a named computer, and by a key."""
    computer = story.computer("owner")
    computer.exchange(computer.ask_for_code()["device_code"])  # before the person has decided
    metered = licenses_of(story, "owner")[METERED]
    first = computer.launch("full-1", release="1.0.0", license_id=metered)
    renewed = computer.beat(first["lease"], 1, computer.shown(first["lease"], first["screen"]))
    story.look()
    story.control.advance(60)
    computer.end(renewed["lease"])
    late = computer.launch("full-2", license_id=metered)["lease"]
    computer.launch("full-3", license_id=metered)
    story.control.advance(400)
    story.settled("license_sweep")
    computer.end(late)
    here, fields = "/account/computers", {"license": metered, "computer": computer.id}
    story.fill("owner", here, f"{here}/name", **fields, label="Studio")
    made = story.fill("owner", here, f"{here}/keys", license=metered)
    launch_by_key(story, made.html.partition('data-license-key="')[2].partition('"')[0])


def launch_by_key(story: Story, key: str) -> None:
    """On a machine without a browser: the key of a license stands in for the person."""
    computer, path = story.computers["owner"], "/v1/launches"
    body = {"application": story.program, "launch_id": "full-key", "computer": computer.jwk}
    headers = {"authorization": f"License {key}", "dpop": computer.proof("POST", path)}
    lease = ok(computer.http.post(story.cloud.app + path, json=body, headers=headers))["lease"]
    story.look()
    story.control.advance(60)
    computer.end(lease)


def licenses_of(story: Story, who: str) -> dict[str, str]:
    """Their licenses by the name of the plan."""
    account = account_of(story, who)
    rows = story.rows("license")
    return {row["plan_name"]: row["license"] for row in rows if row["account"] == account}


def account_of(story: Story, who: str) -> str:
    """The account of the newest order that their page lists."""
    order = story.back(who).open("/orders").link("/orders/ord_").rpartition("/")[2]
    (found,) = (r["account_id"] for r in story.rows("order_pointer") if r["pk"] == f"ORDER#{order}")
    return str(found)


def seats_and_passes_are_used(story: Story) -> None:
    """A pass is drawn on; seats are full, then fewer than what runs."""
    computer, licenses = story.computer("owner"), licenses_of(story, "owner")
    spent = computer.launch("full-pass", license_id=licenses[PASS])["lease"]
    for name in ("full-seat-1", "full-seat-2", "full-seat-3"):
        computer.launch(name, license_id=licenses[CREW], release="1.0.0")
    path = f"{story.cloud.app}/v1/vendor/licenses/{licenses[CREW]}"
    headers = {"authorization": f"Bearer {story.vendor_token}"}
    ok(WEB.patch(path, json={"seats": 1}, headers=headers))
    story.look()
    story.control.advance(60)
    computer.end(spent)
    story.control.advance(400)
    story.settled("license_sweep")


def a_vendor_stops_a_license_and_lets_it_go_on(story: Story) -> None:
    """Once dying before it told what runs, which the sweep then does."""
    base = f"/v1/vendor/licenses/{licenses_of(story, 'owner')[METERED]}"
    story.computer("owner").launch("full-stopped")
    story.broken_off(
        lambda: vendor_post(story.cloud, story.vendor_token, f"{base}/suspend"),
        API, action="DeleteItem",
    )  # fmt: skip
    headers = {
        "authorization": f"Bearer {story.vendor_token}", "idempotency-key": f"full-{RUN}",
        "content-type": "application/json",
    }  # fmt: skip
    ok(WEB.post(f"{story.cloud.app}{base}/reinstate", headers=headers))


def a_computer_is_blocked(story: Story) -> None:
    """Once dying before what runs there was ended."""
    owner, here = story.people["owner"], "/account/computers"
    license_id, computer = licenses_of(story, "owner")[METERED], story.computers["owner"].id
    fields = {"license": license_id, "computer": computer}
    owner.open(here)
    story.broken_off(
        lambda: owner.browser.submit(f"{here}/block", **fields), API, action="DeleteItem"
    )
    story.settled("license_sweep")
    story.fill("owner", here, f"{here}/unblock", **fields)


def a_colleague_joins_and_goes(story: Story) -> None:
    colleague, license_id = story.people["colleague"], licenses_of(story, "owner")[METERED]
    people = f"/account/licenses/{license_id}/people"
    story.fill("owner", people, email=colleague.email, role="user")
    story.fill("owner", people, email=f"full-nobody-{RUN}@example.org", role="billing")
    story.look()
    story.back("colleague").browser.open(linked(story.control, colleague.email, "/invitations/"))
    colleague.browser.submit("/invitations/")
    computer = story.computer("colleague")
    lease = computer.launch("full-colleague", license_id=license_id)["lease"]
    story.look()
    story.control.advance(60)
    computer.end(lease)
    story.fill("owner", people, f"{people}/end")
    story.settled("account_sweep", "license_sweep")
    story.look()
    story.control.advance(8 * DAY)
    story.settled("account_sweep")


# money


def a_month_is_charged(story: Story) -> None:
    """Dying at the charge; charged; refused four times for want of a good card, and ended."""
    reader = story.people["reader"]
    story.fill("reader", "/account/subscriptions", "/card")
    reader.browser.submit("/c/pay/", **DECLINED_LATER)
    story.settled()
    due = max(row["period_end"] for row in story.rows("subscription"))
    go_to(story.control, due)
    story.dies("renewal_sweep", action="TransactWriteItems", nth=2)
    story.control.advance(15 * 60)
    story.settled("renewal_sweep")
    story.look()
    for days in (3, 5, 7, 8):
        go_to(story.control, due + days * DAY * 1_000)
        story.settled("renewal_sweep")


def a_bank_asks_back_and_so_does_the_operator(story: Story) -> None:
    """One dispute is open, then lost; another payment is given back, by hand."""
    account = account_of(story, "owner")
    paid = [row for row in story.rows("payment") if row["account_id"] == account]
    asked, given = (row["id"] for row in paid[:2])
    place = f"{story.cloud.processor}/_sim/disputes"
    opened = ok(WEB.post(place, json={"charge": charge_of(story.cloud, asked)}))
    story.settled()
    story.look()
    WEB.post(f"{place}/{opened['dispute']['id']}", json={"status": "lost"})
    story.settled()
    story.command("refund", "--payment", given)
    story.settled()


# letters


def people_write_to_us(story: Story) -> None:
    """By the form and by mail, which leads to a link; a case is told on, and closed."""
    story.command(
        "staff", "--name", f"full-officer-{RUN}", "--role", "privacy",
        "--email", f"full-officer-{RUN}@example.org",
    )  # fmt: skip
    visitor, sender = Visitor(story.cloud.app), f"full-writer-{RUN}@example.org"
    visitor.open(f"{story.cloud.app}/contact")
    said = {"name": "Kim", "phone": "+49 30 7777 123", "message": "A word."}
    visitor.submit("/contact", about="concern", email=sender, **said)
    story.control.receive(raw("A question on your security", sender, verdicts("example.org")))
    story.control.receive(raw("Delete my account", story.people["reader"].email,
                              verdicts("example.org")))  # fmt: skip
    story.settled()
    story.look()
    link = linked(story.control, story.people["reader"].email, "/rights/")
    path = f"/rights/{link.rpartition('/')[2]}"
    visitor.open(link)
    visitor.submit(f"{path}/details")
    visitor.submit(f"{path}/correct", city="Ballina")
    story.look()
    for days in (1, 12, 10):
        story.control.advance(days * DAY)
        story.settled("case_sweep", "staff_reminders")
    (concern,) = (case["id"] for case in story.rows("case") if case["kind"] == "concern")
    story.command("case", "--case", concern)
    story.command("case-close", "--case", concern)


def mail_is_not_wanted_and_wanted_again(story: Story) -> None:
    """REMOVE, a bounce and a complaint; each is taken back where it can be."""
    reader = story.people["reader"]
    story.control.receive(raw("REMOVE", reader.email, verdicts("example.org")))
    story.settled()
    story.look()
    story.fill("reader", CHOICES, f"{CHOICES}/choices", purpose="partner_mail", answer="yes")
    story.press(linked(story.control, reader.email, "/choices/"), "/choices/")
    for word in ("bounce", "complaint"):
        email = f"{word}+full-{RUN}@simulator.amazonses.com"
        story.people[word] = new_customer(story.cloud, f"full-{word}", email=email, **YES)
        story.settled()
        story.look()
    story.fill("bounce", "/account/notices", "/account/notices/works-again")
    for wish in ("", "on"):
        story.fill("complaint", "/account/notices", usage_summary=wish)


def a_week_is_summed_up(story: Story) -> None:
    story.control.run("mail_planner")
    computer = story.computer("colleague")
    lease = computer.launch("full-week")["lease"]
    story.control.advance(120)
    computer.end(lease)
    go_to(story.control, next_monday(story.control))
    story.settled("license_sweep", "mail_planner")
    story.dies("event_log", action="PutObject")
    story.settled("event_log")


# staff


class Desk:
    """Two of the staff: one writes, one approves."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.writer, self.reader = (Colleague(story.cloud, r) for r in ("service", "privacy"))

    def approved(self, kind: str, text: str, **fields: str) -> str:
        path = self.writer.write(kind, text, **fields)
        self.reader.approve(path)
        return path

    def planned(self, kind: str, text: str, **fields: str) -> str:
        """Its messages are written, and none is sent yet."""
        path = self.approved(kind, text, **fields)
        self.writer.schedule(path)
        self.story.control.run("mailing_planner")
        return path

    def offered(self, headline: str) -> str:
        said = {"headline": headline, "body": "Until Friday.", "page": "/apps"}
        return self.planned("offer", "offer", **said)

    def press(self, path: str, button: str, **fields: str) -> None:
        self.writer.browser.open(self.story.cloud.app + path)
        page = self.writer.browser.submit(f"{path}/{button}", **fields)
        assert page.status == 200, page.text


def staff_write_to_many(story: Story) -> None:
    """To all, for a partner, to owners of an application, and at launches for two days."""
    desk = Desk(story)
    desk.planned("announcement", "incident", day="2027-03-31", what="It was slow.", act="None.")
    desk.planned("partner", "partner", headline="Charts", body="New.", partner="Chart Weekly",
                 web="https://charts.example.com/tides")  # fmt: skip
    desk.planned("service", "application_change", application="halyard", day="2027-03-31",
                 what="It is slower.")  # fmt: skip
    # Whoever wants no such notice any more gets none that waits.
    story.fill("owner", "/account/notices", service_notice="")
    story.settled("campaign_sweep", "mail_sweep")
    shown = desk.approved("screen", "application_change", application="halyard",
                          day="2027-03-31", what="It is faster.")  # fmt: skip
    refused = desk.writer.write("announcement", "incident", day="2027-03-31", what="It was slow.",
                                act="None.")  # fmt: skip
    desk.reader.browser.open(story.cloud.app + refused)
    desk.reader.browser.submit(f"{refused}/refuse", why="It says that twice.")
    until = to_text(from_text(story.control.now()) + 2 * DAY * 1_000)[:16]
    desk.press(shown, "schedule", until=until)
    story.look()


def offers_end_in_every_way(story: Story) -> None:
    """Sent, ungranted or of nobody by then; over the cap; stopped; unknown; never taken; late."""
    desk, sweep = Desk(story), "campaign_sweep"
    desk.offered("First")
    story.settled(sweep)
    desk.offered("Second")
    change_their_minds(story)
    story.settled(sweep)
    desk.offered("Third")
    story.settled(sweep)
    desk.press(desk.offered("Fourth"), "cancel")
    story.settled(sweep)
    story.control.advance(MONTH)
    desk = Desk(story)
    desk.offered("Fifth")
    story.dies(sweep, action="SendEmail")
    story.control.advance(HOUR)
    story.settled(sweep)
    desk.offered("Sixth")
    story.control.fault("fail", function=sweep, action="SendEmail")
    story.control.fault("throttle", function=sweep, action="SendEmail", times=1_000)
    for _ in range(13):
        story.control.advance(4 * HOUR)
        story.struck(sweep)
    story.control.clear_faults()
    story.settled(sweep)
    desk = Desk(story)
    desk.offered("Seventh")
    story.control.advance(15 * DAY)
    story.settled(sweep)


def change_their_minds(story: Story) -> None:
    """After an offer was written for them, and before it is sent."""
    got = next(m for m in story.people["colleague"].mails() if m["subject"] == "First")
    found = STOP.search(got["headers"]["List-Unsubscribe"])
    assert found
    WEB.post(found[1], data={"List-Unsubscribe": "One-Click"})
    story.fill("reader", CHOICES, f"{CHOICES}/choices", purpose="marketing", answer="no")
    story.fill("rester", REST, password=story.people["rester"].fields["password"])


def somebody_works_here_no_more(story: Story) -> None:
    story.command("staff-end", "--name", f"full-officer-{RUN}")


def a_policy_is_published(story: Story) -> None:
    """Told to whom it touches, and answered."""
    officer = Colleague(story.cloud, "privacy")
    officer.browser.open(f"{story.cloud.app}/staff/policy")
    page = officer.browser.submit("/staff/policy", version="4")
    assert "Version 4 is in force" in page.text
    story.look()
    story.settled("policy_notices")
    story.fill("owner", CHOICES, f"{CHOICES}/choices", purpose="surveys", answer="yes")


# nobody's


def visitors_come_and_go(story: Story) -> None:
    """Counted by the roll-up, also one file that it cannot read; one leaves for another site."""
    visit(story.cloud, CHROME, *["/", "/apps", "/contact"] * 4)
    story.look()
    story.put_object("VisitorLogsBucket", "visits/strange.gz", gzip.compress(b'{"date": "?"}\n'))
    story.settled("visit_rollup")
    story.look()
    mailed = next(m for m in story.people["owner"].mails() if m["subject"] == "Charts")
    (way_out,) = set(re.findall(r"https?://\S+/exit\?to=\S+", mailed["text"]))
    assert WEB.get(way_out).status_code == 200
    story.control.advance(9 * DAY)
    story.settled("visit_sweep")


def a_partner_gets_a_month(story: Story) -> None:
    made = story.command("partner", "--name", "Chart Weekly (test)", "--until", "2099-12-31")
    third, month = next_third(story.control)
    go_to(story.control, third)
    story.settled("license_sweep", "partner_report")
    arguments = ("--partner", made["id"], "--month", month)
    link = story.command("partner-link", *arguments)["link"]
    visitor = Visitor(story.cloud.app)
    visitor.open(link)
    assert visitor.submit("/partners/").status == 200


def the_night_looks_at_all_of_it(story: Story) -> None:
    """Heads, the check, and results of the tests as whoever deploys publishes them."""
    story.control.advance(HOUR + 600)
    story.settled("ledger_heads", "privacy_check")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "promises.json"
        found = {"tree": "t", "commit": "c0ffee", "code": code_hash(), "quick": True}
        results.write_text(json.dumps({**found, "promises": [], "linkage": {}}))
        done = operating(story.cloud, "-m", "infra.operate.proof", "--results", str(results))
        assert done.returncode == 0, done.stderr


# leaving


def one_rests_and_comes_back(story: Story) -> None:
    """The offer to them found nobody; what they had waits for them."""
    rester = story.people["rester"]
    rester.open("/reactivate")
    names = {name: rester.fields[name] for name in ("login", "password")}
    page = rester.browser.submit("/reactivate", **names, what="reactivate")
    assert page.path == "/account", page.text


def one_is_erased(story: Story) -> None:
    """Planned and stopped, then at once; what the law wants kept is read by the operator."""
    password, account = story.people["eraser"].fields["password"], account_of(story, "eraser")
    story.fill("eraser", ERASE, hours="24", password=password)
    story.look()
    story.press(linked(story.control, story.people["eraser"].email, "/rights/stop/"), "/rights/")
    story.fill("eraser", ERASE, hours="0", password=password)
    story.look()
    story.settled("erasure_sweep")
    story.command("fiscal", "--account", account)


STEPS: tuple[Callable[[Story], None], ...] = (
    people_register, every_shard_has_somebody, the_owner_says_more,
    an_address_moves_and_comes_back, a_password_is_forgotten, every_plan_is_ordered,
    one_order_is_left_and_one_refused, a_program_runs, seats_and_passes_are_used,
    a_vendor_stops_a_license_and_lets_it_go_on, a_computer_is_blocked,
    a_month_is_charged, a_bank_asks_back_and_so_does_the_operator, a_colleague_joins_and_goes,
    people_write_to_us, mail_is_not_wanted_and_wanted_again, a_week_is_summed_up,
    staff_write_to_many, offers_end_in_every_way, somebody_works_here_no_more,
    a_policy_is_published, visitors_come_and_go, a_partner_gets_a_month, one_rests_and_comes_back,
    one_is_erased, the_night_looks_at_all_of_it,
)  # fmt: skip
