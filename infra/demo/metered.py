"""A person registers, orders Halyard by the hour, downloads it, runs it, and sees what it cost."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from infra.demo.story import CARD, LINK, ROOT, Json, finished, profile

if TYPE_CHECKING:
    from infra.demo.story import Story

RATE_PER_HOUR = 90  # cents, as the demonstration vendor offers Halyard
USED_SECONDS = 200
CUSTOMER = profile("story")


def register(story: Story) -> None:
    story.chapter("A person registers")
    person, address = story.person, CUSTOMER["email"]
    person.open("/register")
    page = person.submit("/register", **CUSTOMER)
    story.hold(f"The form is sent, and the page says: {page.parsed.heading}.", page.status == 200)
    story.cloud.control.settle()
    (welcome,) = story.mails(address)
    text = welcome["text"]
    names = CUSTOMER["account_name"] in text and CUSTOMER["login"] in text
    story.hold("One welcome mail came, with the account's name and the login name.", names)
    story.hold("The password is nowhere in it.", CUSTOMER["password"] not in welcome["raw"])
    link = LINK.search(text)
    story.hold("It carries a link that works once.", link)
    person.open(link[0] if link else "")
    page = person.submit("/verify/", password=CUSTOMER["password"])
    story.hold("The link and the password confirm the account.", page.path == "/account", page.url)


def order(story: Story) -> None:
    story.chapter("The person orders Halyard")
    person = story.person
    page = person.open("/apps/halyard")
    story.hold("The page says what an hour costs: 0.90 USD.", "0.90 USD" in page.text)
    page = person.submit("/apps/halyard/orders", plan=story.plan("halyard", "metered")["id"])
    processor = urlsplit(story.cloud.processor).netloc
    story.hold(
        "The form leads to the processor's own page.", urlsplit(page.url).netloc == processor
    )
    page = person.submit("/c/pay/", **{**CARD, "number": "4000000000000002"})
    story.hold("A card that is declined is declined there, in words.", "declined" in page.text)
    page = person.submit("/c/pay/", **CARD)
    story.hold(f"A good card leads back: {page.parsed.heading}.", page.path.startswith("/orders/"))
    story.hold(
        "The order is complete, and nothing was charged.", "Nothing was charged" in page.text
    )
    story.cloud.control.settle()
    subjects = [mail["subject"] for mail in story.mails(CUSTOMER["email"])[1:]]
    story.hold(f"Two mails came: {'; '.join(sorted(subjects))}.", len(subjects) == 2, subjects)


def download(story: Story) -> None:
    story.chapter("The person downloads it")
    person = story.person
    page = person.open("/account/downloads")
    shown = re.findall(r'data-sha256="([0-9a-f]{64})"', page.html)
    answer = person.fetch(page.link("for Linux"))
    story.hold("The download answers 303 to a short link.", answer.status_code == 303)
    data = httpx.get(answer.headers["location"], trust_env=False).content
    digest = hashlib.sha256(data).hexdigest()
    story.hold(f"{len(data):,} bytes came, with the SHA-256 of the page.", digest in shown)
    story.cloud.control.advance(301)
    late = httpx.get(answer.headers["location"], trust_env=False)
    story.hold("Five minutes later the same link is dead.", late.status_code == 403)


def sign_in_computer(story: Story) -> None:
    story.chapter("A computer signs in, and the launcher installs Halyard")
    code = story.sign_in("halyard", story.person)
    story.hold(f"The code {code} is approved at /device, and the launcher has it.", code)
    returned, _, err = finished(story.cetrus("install", "halyard"), 120)
    story.hold("It installs Halyard, checksum and both signatures verified.", not returned, err)


def launch(story: Story) -> None:
    story.chapter("Halyard runs on a lease")
    os.environ.update(story.environment())
    sys.path.insert(0, str(ROOT / "client"))
    from cetrus import Client

    screens: list[Any] = []
    with Client(story.application("halyard")["id"], signed_in_to="halyard") as client:
        verdict = client.check()
        story.hold(f"A check says {verdict.code}, and takes nothing.", verdict.valid)
        running = client.launch(show=screens.append)
        story.hold(f"The launch shows its screen: {screens[0].title}.", screens)
        started = time.time()
        story.cloud.control.advance(USED_SECONDS)
        receipt = running.close()
        took = (time.time() - started) * 1000
    story.hold("Closing it gives a signed receipt.", receipt)
    billed = receipt.billed_ms if receipt else 0
    exact = USED_SECONDS * 1000 <= billed <= took + 60_000
    story.hold(f"It bills {billed:,} ms on the server's clock.", exact, took)
    story.facts["billed"] = billed


def usage(story: Story) -> None:
    story.chapter("Customer and vendor see the same time")
    billed = story.facts["billed"]
    story.cloud.control.run("license_sweep")
    page = story.person.open("/account/usage")
    story.hold(f"The account shows {billed:,} ms.", str(billed) in page.parsed.values, page.text)
    seed: Json = story.cloud.control.seed()
    token = seed["tokens"][0]["token"]
    answer = httpx.get(
        f"{story.cloud.app}/v1/vendor/usage",
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )
    rows = answer.json()["items"]
    total = sum(row["milliseconds"] for row in rows)
    story.hold(
        f"The vendor's program reads {total:,} ms in {len(rows)} row.", total == billed, rows
    )
    cents = billed * RATE_PER_HOUR / 3_600_000
    story.hold(f"That is {cents:.2f} cents so far at 0.90 USD an hour.", cents > 0)
