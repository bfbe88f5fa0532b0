"""What becomes of personal data: choices, mail to many, letters, a new policy, and leaving."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from infra.demo.later import signed_in
from infra.demo.metered import CUSTOMER
from infra.demo.story import PASSWORD, ROOT, DidNotHold, profile
from infra.person import Person

if TYPE_CHECKING:
    from pathlib import Path

    from infra.demo.story import Story

HOUR = 3_600
PRIVACY, MAILINGS = "/account/privacy", "/staff/mailings"
OFFER = "Half price until Friday"
WRITTEN = "The harbor of my screen is upside down."
CHANGED = "Our privacy policy changed"


def what_is_promised(story: Story) -> None:
    story.chapter("The person reads what is promised")
    page = story.person.open("/privacy")
    story.hold("The statement is served, as it was published.", page.status == 200, page.text[:200])
    inventory = json.loads(story.person.fetch("/privacy/inventory.json").text)
    story.hold(f"Beside it stands all that may be stored: {len(inventory['items'])} kinds of item.",
               inventory["items"])  # fmt: skip
    page = story.person.open("/privacy/proof")
    story.hold("The proof page says what it cannot show, too.", "cannot" in page.text)


def choose(story: Story) -> None:
    story.chapter("The person looks at their data, and says yes to offers")
    page = story.person.open(PRIVACY)
    story.hold("The page shows what is held.", CUSTOMER["street"] in page.text)
    page = story.person.submit(f"{PRIVACY}/choices", purpose="marketing", answer="yes")
    story.hold("The yes is noted.", "Your yes is in force" in page.text, page.text[:300])
    read = story.person.open(page.link(f"{PRIVACY}/receipts/"))
    receipt = json.loads(story.person.fetch(read.link(f"{PRIVACY}/receipts/")).text)
    story.hold("It has a receipt that says under which version it was said.",
               "privacy_notice_version" in json.dumps(receipt), receipt)  # fmt: skip


def colleague(story: Story, role: str) -> Person:
    """Somebody of the staff with this role, signed in at a browser of their own."""
    seeded = story.cloud.control.seed()["sign_ins"]
    found = next(one for one in seeded if one["role"] == role)
    person = Person(story.cloud.app)
    person.open("/staff/login")
    page = person.submit("/staff/login", name=found["login"], password=found["password"])
    if page.path != "/staff":
        raise DidNotHold(f"{role} could not sign in: {page.text[:200]}")
    return person


def write_to_many(story: Story) -> None:
    story.chapter("Staff write an offer, which takes two of them")
    with colleague(story, "service") as writer, colleague(story, "privacy") as second:
        writer.open(f"{MAILINGS}/new?kind=offer&text=offer")
        page = writer.submit(MAILINGS, headline=OFFER, body="Ask for it.", page="/apps")
        mailing = page.path
        page = writer.submit(f"{mailing}/submit")
        story.hold("Whoever wrote it cannot approve it.", "cannot approve it" in page.text)
        second.open(mailing)
        page = second.submit(f"{mailing}/approve")
        story.hold("A second person approves the very text.", "Approved" in page.text)
        writer.open(mailing)
        writer.submit(f"{mailing}/send")
    for function in ("mailing_planner", "campaign_sweep"):
        story.cloud.control.run(function)
    story.cloud.control.settle()
    got = {name: len(story.mails(profile(name)["email"], OFFER)) for name in ("story", "crew")}
    story.hold("Who said yes gets it once; who never answered gets none.",
               got == {"story": 1, "crew": 0}, got)  # fmt: skip
    story.person.open(PRIVACY)
    page = story.person.submit(f"{PRIVACY}/choices", purpose="marketing", answer="no")
    story.hold("A no is in force at once.", "Your no is in force" in page.text, page.text[:300])


def write_to_us(story: Story) -> None:
    story.chapter("Somebody without an account writes to us")
    address = "passerby@example.com"
    with Person(story.cloud.app) as passerby:
        passerby.open("/contact")
        page = passerby.submit("/contact", about="support", email=address, message=WRITTEN)
    story.hold(f"The page says: {page.parsed.heading}.", page.status == 200, page.text[:300])
    story.cloud.control.settle()
    (answer,) = story.mails(address)
    story.hold("One mail says so, and repeats nothing of it.", WRITTEN not in answer["raw"])
    story.hold("It is sealed.", WRITTEN not in json.dumps(story.cloud.control.dump()))
    (case,) = story.operator("cases")["open"]
    read = story.operator("case", "--case", case["id"])
    story.hold("While it is open the operator reads it.", WRITTEN in json.dumps(read))
    story.operator("case-close", "--case", case["id"])


def take_along(story: Story) -> None:
    story.chapter("The person takes their data along")
    data = json.loads(story.person.fetch(f"{PRIVACY}/export.json").text)
    story.hold("One file has the profile, licenses, orders and mails.",
               data["profile"]["street"] == CUSTOMER["street"] and data["licenses"])  # fmt: skip


def a_new_policy(story: Story) -> None:
    story.chapter("The privacy officer publishes the next version of the policy")
    with colleague(story, "privacy") as officer:
        page = officer.open("/staff/policy")
        story.hold("First it is shown how it differs.", "how it differs" in page.text)
        page = officer.submit("/staff/policy", version="4")
        story.hold("It is in force.", "Version 4 is in force" in page.text, page.text[:300])
    story.cloud.control.run("policy_notices")
    story.cloud.control.settle()
    told = len(story.mails(CUSTOMER["email"], CHANGED))
    story.hold("Whom it touches is told by one mail.", told == 1, told)
    page = signed_in(story.person, "story").open(PRIVACY)
    story.hold("What is new is not granted until they say yes.", "Not answered" in page.text)


def verify(story: Story) -> None:
    story.chapter("Somebody checks the ledger from outside")
    story.cloud.control.advance(HOUR + 600)
    story.cloud.control.run("ledger_heads")
    folder = story.home / "ledger"
    story.operator("ledger-export", "--out", str(folder))
    done = checked(story, folder)
    story.hold("All rows agree with the signed heads.", not done.returncode, done.stdout[-600:])
    rows = folder / "rows.jsonl"
    rows.write_text(rows.read_text().partition("\n")[2])
    done = checked(story, folder)
    story.hold("One row that is taken out is found.", done.returncode == 1, done.stdout[-600:])


def checked(story: Story, folder: Path) -> subprocess.CompletedProcess[str]:
    """What the verifier says of an export, with nothing but Python.

    The story jumps over days, and the hourly job with it: that heads came late is known.
    """
    late = [f"--gap={int(path.stem)}" for path in (folder / "heads").iterdir()]
    return subprocess.run(
        [sys.executable, "-I", str(ROOT / "infra/verify_ledger.py"),
         "--rows", str(folder / "rows.jsonl"), "--heads", str(folder / "heads"),
         "--key", str(folder / "key.pem"), "--until", story.cloud.control.now(), *late],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def leave(story: Story) -> None:
    story.chapter("The visitor has the account erased")
    visitor, path = signed_in(story.facts["visitor"], "visitor"), f"{PRIVACY}/erase"
    visitor.open(path)
    page = visitor.submit(path, hours="0", password=PASSWORD)
    story.hold(f"The page says: {page.parsed.heading}.", page.path == "/rights/done", page.text)
    story.cloud.control.run("erasure_sweep")
    story.cloud.control.settle()
    page = signed_in(visitor, "visitor").open("/account")
    story.hold("Nobody can sign in to it.", page.path == "/login", page.url)
    told = json.dumps(story.cloud.control.dump()["tables"])
    left = [name for name in ("email", "name") if profile("visitor")[name] in told]
    story.hold("Neither address nor name stands in any table.", not left, left)
    # The month went by with these two at rest, so that raw files are older than they may be.
    for function in ("visit_rollup", "visit_sweep"):
        story.cloud.control.run(function)
    night = story.cloud.control.run("privacy_check")["findings"]
    story.hold("The nightly check finds nothing amiss.", not night, night)
