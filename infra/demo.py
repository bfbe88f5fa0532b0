"""The whole story on a fresh cloud, as a person, a program and a vendor would live it.

    python -m infra.demo        exits 0 only if all of it held

Every sentence that is printed was checked before it was printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from infra.local.clock import follow
from infra.local.front.run import LocalCloud
from infra.person import Person

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
RATE_PER_HOUR = 90  # cents, as the demonstration vendor offers Halyard
USED_SECONDS = 200
CUSTOMER = {
    "account_name": "Story",
    "login": "story",
    "email": "story@example.com",
    "password": "nine slow boats at anchor",
    "name": "Story Customer",
    "street": "2 Example Street",
    "city": "Exampleton",
    "postal_code": "10115",
    "country": "DE",
}
LINK = re.compile(r"https?://\S+/verify/\S+")


class DidNotHold(Exception):
    """A sentence of the story is not true; the text says what was found instead."""


@dataclass
class Story:
    """The cloud, the person at the browser, and what was said so far."""

    cloud: LocalCloud
    person: Person
    home: Path
    sentences: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def hold(self, sentence: str, true: object, found: object = "") -> None:
        """Print the sentence if it is true; end the story otherwise."""
        if not true:
            raise DidNotHold(f"not so: {sentence} (found: {found})")
        self.sentences += 1
        print(f"  {sentence}")

    def chapter(self, title: str) -> None:
        print(f"\n{title}")

    def mails(self, address: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cloud.control.mail(to=address)
        return found

    def cetrus(self, *arguments: str) -> subprocess.Popen[str]:
        """The launcher that customers install, on a computer of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "cetrus", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=self.environment(),
        )

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CETRUS_HOME": str(self.home / "cetrus"),
            "CETRUS_SERVER": self.cloud.app,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT)]),
            "NO_COLOR": "1",
        }


def finished(process: subprocess.Popen[str], seconds: int = 60) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


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
    page = person.submit("/apps/halyard/orders")
    processor = urlsplit(story.cloud.processor).netloc
    story.hold(
        "The form leads to the processor's own page.", urlsplit(page.url).netloc == processor
    )
    card = {"number": "4000000000000002", "expiry": "12/30", "cvc": "123"}
    page = person.submit("/c/pay/", **card)
    story.hold("A card that is declined is declined there, in words.", "declined" in page.text)
    page = person.submit("/c/pay/", **{**card, "number": "4242424242424242"})
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
    login = story.cetrus("login", "halyard")
    code = read_code(login)
    page = story.person.open("/device")
    page = story.person.submit("/device", user_code=code)
    if "/device" in [form.action for form in page.parsed.forms]:
        page = story.person.submit("/device", **approval(page.form("/device").fields))
    returned, _, err = finished(login)
    story.hold(
        f"The code {code} is approved at /device, and the launcher has it.", not returned, err
    )
    returned, _, err = finished(story.cetrus("install", "halyard"), 120)
    story.hold("It installs Halyard, checksum and both signatures verified.", not returned, err)


def approval(fields: Mapping[str, str]) -> dict[str, str]:
    """The second step of the page, where it asks to approve what it shows."""
    return {**fields, "decision": "approve"}


def read_code(login: subprocess.Popen[str]) -> str:
    """The user code as the launcher prints it."""
    seen: list[str] = []
    for line in login.stdout or ():
        seen.append(line)
        if match := re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", line):
            return match[0]
    said = login.stderr.read() if login.stderr else ""
    raise DidNotHold(f"the launcher printed no code: {seen} {said}")


def launch(story: Story) -> None:
    story.chapter("Halyard runs on a lease")
    os.environ.update(story.environment())
    sys.path.insert(0, str(ROOT / "client"))
    from cetrus import Client

    screens: list[Any] = []
    with Client(story_application(story), signed_in_to="halyard") as client:
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


def story_application(story: Story) -> str:
    seed: dict[str, Any] = story.cloud.control.seed()
    return str(seed["applications"][0]["id"])


def usage(story: Story) -> None:
    story.chapter("Customer and vendor see the same time")
    billed = story.facts["billed"]
    story.cloud.control.run("license_sweep")
    page = story.person.open("/account/usage")
    story.hold(f"The account shows {billed:,} ms.", str(billed) in page.parsed.values, page.text)
    seed: dict[str, Any] = story.cloud.control.seed()
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


CHAPTERS = (register, order, download, sign_in_computer, launch, usage, look_at_rest)


def main() -> int:
    started = time.monotonic()
    print("Starting a fresh cloud from the packaged template and zip …")
    with tempfile.TemporaryDirectory(prefix="cetrus-demo-") as home, LocalCloud() as cloud:
        follow(cloud.clock_file)
        print(f"It serves at {cloud.app} after {time.monotonic() - started:.1f} s.")
        with Person(cloud.app) as person:
            story = Story(cloud, person, Path(home))
            try:
                for chapter in CHAPTERS:
                    chapter(story)
            except (DidNotHold, LookupError, httpx.HTTPError, subprocess.SubprocessError) as error:
                print(f"\nThe story broke: {error}", file=sys.stderr)
                return 1
    seconds = time.monotonic() - started
    print(f"\nAll {story.sentences} sentences held, in {seconds:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
