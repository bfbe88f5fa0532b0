"""Who acts in the story, what they can do, and what was said so far."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.person import Person

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.front.run import LocalCloud
    from infra.person import Page

ROOT = Path(__file__).parents[2]
PASSWORD = "nine slow boats at anchor"  # noqa: S105 - of people who live as long as the story
CARD = {"number": "4242424242424242", "expiry": "12/30", "cvc": "123"}
LINK = re.compile(r"https?://\S+/verify/\S+")
Json = dict[str, Any]


class DidNotHold(Exception):
    """A sentence of the story is not true; the text says what was found instead."""


def profile(login: str) -> dict[str, str]:
    return {
        "account_name": login.capitalize(),
        "login": login,
        "email": f"{login}@example.com",
        "password": PASSWORD,
        "name": f"{login.capitalize()} Customer",
        "street": "2 Example Street",
        "city": "Exampleton",
        "postal_code": "10115",
        "country": "DE",
    }


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

    def mails(self, address: str, subject: str = "") -> list[Json]:
        found: list[Json] = self.cloud.control.mail(to=address)
        return [mail for mail in found if subject in mail["subject"]]

    def application(self, slug: str) -> Json:
        seeded: list[Json] = self.cloud.control.seed()["applications"]
        return next(one for one in seeded if one["slug"] == slug)

    def plan(self, slug: str, kind: str) -> Json:
        wanted, seeded = self.application(slug)["id"], self.cloud.control.seed()["plans"]
        return next(p for p in seeded if (p["application"], p["kind"]) == (wanted, kind))

    # people

    def newcomer(self, login: str) -> Person:
        """Somebody else at a browser of their own, registered and confirmed."""
        person, fields = Person(self.cloud.app), profile(login)
        person.open("/register")
        person.submit("/register", **fields)
        self.cloud.control.settle()
        link = LINK.search(self.mails(fields["email"])[-1]["text"])
        person.open(link[0] if link else "")
        page = person.submit("/verify/", password=PASSWORD)
        if page.path != "/account":
            raise DidNotHold(f"{login} could not register: {page.url}")
        return person

    def buy(
        self, person: Person, slug: str, plan: str, card: Mapping[str, str], **fields: str
    ) -> Page:
        """Order, give the card on the processor's page, and come back; what the order says."""
        person.open(f"/apps/{slug}")
        person.submit("/orders", plan=plan, **fields)
        page = person.submit("/c/pay/", **card)
        self.cloud.control.settle()
        return person.open(page.path)

    # programs

    def cetrus(self, *arguments: str, home: str = "cetrus") -> subprocess.Popen[str]:
        """The launcher that customers install, on a computer of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "cetrus", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=self.environment(home),
        )

    def environment(self, home: str = "cetrus") -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CETRUS_HOME": str(self.home / home),
            "CETRUS_SERVER": self.cloud.app,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT)]),
            "NO_COLOR": "1",
        }

    def sign_in(self, slug: str, person: Person) -> str:
        """The launcher shows a code, the person approves it; the code."""
        login = self.cetrus("login", slug)
        code = read_code(login)
        page = person.open("/device")
        page = person.submit("/device", user_code=code)
        if "/device" in [form.action for form in page.parsed.forms]:
            person.submit("/device", **{**page.form("/device").fields, "decision": "approve"})
        returned, _, said = finished(login)
        if returned:
            raise DidNotHold(f"the launcher did not sign in: {said}")
        return code

    def operator(self, *arguments: str) -> Json:
        """One of the operator's commands."""
        done = subprocess.run(
            [sys.executable, "-m", "infra.admin", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "LOCAL_CLOCK": str(self.cloud.clock_file),
                **self.cloud.operator,
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DidNotHold(f"{arguments[0]}: {done.stderr.strip()}")
        found: Json = json.loads(done.stdout)
        return found


def finished(process: subprocess.Popen[str], seconds: int = 120) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def read_code(login: subprocess.Popen[str]) -> str:
    """The user code as the launcher prints it."""
    seen: list[str] = []
    for line in login.stdout or ():
        seen.append(line)
        if match := re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", line):
            return match[0]
    said = login.stderr.read() if login.stderr else ""
    raise DidNotHold(f"the launcher printed no code: {seen} {said}")
