"""What time brings: visits are rolled up, a month passes with its mails, and what is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx

from infra.demo.metered import CUSTOMER
from infra.demo.plans import EXPIRES_THIS_YEAR, answer
from infra.demo.story import ROOT, profile
from infra.person import Person

if TYPE_CHECKING:
    from pathlib import Path

    from infra.demo.story import Story

DAY = 86_400
DAYS = 32
VISITORS, PAGES = 30, ("/", "/apps", "/apps/halyard")
EVERY_DAY = ("license_sweep", "renewal_sweep", "mail_planner", "mail_sweep", "event_log")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"


def visits(story: Story) -> None:
    story.chapter("The operator looks at the visits")
    for number in range(VISITORS):
        headers = {"x-forwarded-for": f"198.18.0.{number}", "user-agent": BROWSER}
        with httpx.Client(trust_env=False, headers={**headers, "accept": "text/html"}) as http:
            for path in PAGES:
                http.get(story.cloud.app + path).raise_for_status()
    story.cloud.control.settle()
    story.cloud.control.run("visit_rollup")
    seeded = story.cloud.control.seed()["sign_ins"]
    operator = next(one for one in seeded if one["role"] == "operator")
    with Person(story.cloud.app) as staff:
        staff.open("/staff/login")
        staff.submit("/staff/login", name=operator["login"], password=operator["password"])
        page = staff.open("/staff/trends")
    story.hold("The trends page shows pages and browsers.", "Firefox" in page.text, page.text[:300])
    dump = json.dumps(story.cloud.control.dump())
    story.hold("No address is kept, and the raw files are gone.", "198.18.0." not in dump)
    page = story.person.open("/staff/trends")
    story.hold("A customer does not get in.", page.path != "/staff/trends" or page.status >= 400)


def another_vendor(story: Story) -> None:
    story.chapter("The operator takes in another vendor, whose program the person orders")
    folder = story.home / "vendor"
    folder.mkdir()
    key = story.operator("vendor-key", "--out", str(folder / "vendor.jwk"))["public"]
    (folder / "vendor.pub.jwk").write_text(json.dumps(key))
    vendor = story.operator("vendor", "--name", "Lock Keepers (demonstration)",
                            "--key", str(folder / "vendor.pub.jwk"))["id"]  # fmt: skip
    made = story.operator(
        "application", "--vendor", vendor, "--slug", "sluice", "--name", "Sluice",
        "--summary", "Finds repeats.", "--description", "Tally under another name.",
    )  # fmt: skip
    plan = story.operator(
        "plan", "--application", "sluice", "--kind", "metered", "--name", "By the hour",
        "--currency", "USD", "--price", "0.60",
    )  # fmt: skip
    release(story, folder, made["id"], "1.0.0")
    page = story.buy(story.person, "sluice", plan["id"], EXPIRES_THIS_YEAR)
    story.hold("The order of Sluice is complete.", "Nothing was charged" in page.text, page.text)
    story.facts["sluice"] = (folder, made["id"])


def release(story: Story, folder: Path, application: str, version: str) -> None:
    command = [
        sys.executable, str(ROOT / "client" / "examples" / "build.py"), "--example", "tally",
        "--application", application, "--version", version, "--out", str(folder),
    ]  # fmt: skip
    built = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    artifacts = [f"{platform}={path}" for platform, path in built.items()]
    story.operator(
        "release", "--application", "sluice", "--version", version,
        "--vendor-key", str(folder / "vendor.jwk"), "--artifact", *artifacts,
    )  # fmt: skip


def a_month(story: Story) -> None:
    story.chapter("A month goes by, a day at a time")
    control = story.cloud.control
    control.schedules("manual")
    for day in range(DAYS):
        if day == 2:
            folder, application = story.facts["sluice"]
            release(story, folder, application, "1.1.0")
        control.advance(DAY)
        for function in EVERY_DAY:
            control.run(function)
        control.settle()
    subjects: dict[str, list[str]] = {
        name: [mail["subject"] for mail in story.mails(profile(name)["email"])]
        for name in ("story", "crew", "visitor")
    }
    expected = {
        "A summary of the week's usage came": ("story", "Your usage from"),
        "Sluice 1.1.0 was announced to its owner": ("story", "Sluice 1.1.0 is out"),
        "The renewal was announced": ("crew", "renews soon"),
        "The renewal was charged, with a receipt": ("crew", "was renewed"),
        "The end of the trial was announced": ("visitor", "ends soon"),
        "The end of the card that pays was announced": ("story", "card expires"),
    }
    for sentence, (name, part) in expected.items():
        count = sum(part in subject for subject in subjects[name])
        story.hold(f"{sentence}, once.", count == 1, subjects[name])
    expiring = [subject for subject in subjects["visitor"] if "card expires" in subject]
    story.hold("The card that pays for nothing was not mentioned.", not expiring, expiring)
    with httpx.Client(timeout=60, trust_env=False) as http:
        ended = answer(story, http, story.facts["trial"])
    story.hold(f"The trial is over: {ended['code']}.", ended["code"] == "EXPIRED", ended)


def cancel(story: Story) -> None:
    story.chapter("The crew cancels its subscription")
    crew = story.facts["crew"]
    page = signed_in(crew, "crew").open("/account/subscriptions")
    page = crew.open(page.link("/cancel"))
    story.hold("The first click shows what it means, and does nothing.", "until" in page.text)
    page = crew.submit("/cancel")
    story.hold("The second click does it.", "nothing more is charged" in page.text, page.text)
    story.cloud.control.advance(DAYS * DAY)
    for function in EVERY_DAY:
        story.cloud.control.run(function)
    story.cloud.control.settle()
    page = signed_in(crew, "crew").open("/account/subscriptions")
    story.hold(
        "A month later it has ended, and was not charged again.", "nded" in page.text, page.text
    )
    charged = story.mails(profile("crew")["email"], "was renewed")
    story.hold("One renewal was charged in all.", len(charged) == 1, charged)


def signed_in(person: Person, login: str) -> Person:
    """The person, after a month away."""
    person.open("/login")
    person.submit("/login", login=login, password=profile(login)["password"])
    return person


def look_at_rest(story: Story) -> None:
    story.chapter("What is kept")
    dump = json.dumps(story.cloud.control.dump())
    private = [CUSTOMER[name] for name in ("email", "password", "street", "name")]
    story.hold(
        "No personal field stands in clear in any table.", not any(p in dump for p in private)
    )
    story.hold("No card number stands anywhere.", "4242424242424242" not in dump)
    logs = json.dumps(story.cloud.control.logs())
    logged = [value for value in private if value in logs]
    story.hold("None of it is in a log.", not logged, logged)
    buckets = story.cloud.control.dump()["buckets"]
    usage = [key for key in buckets["LogsBucket"]["keys"] if key.startswith("usage/")]
    story.hold(f"What ran stands in {len(usage)} files of the usage logs.", usage)
