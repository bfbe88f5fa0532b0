"""The other three plans and the second application: a pass, a subscription with seats, a trial."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

from infra.bench.program import Program, over_http
from infra.demo.story import CARD, DidNotHold, finished

if TYPE_CHECKING:
    from infra.demo.story import Json, Story
    from infra.person import Person

TABLE = "boat,harbor\nSea Fern,Port Alder\nsea-fern,port alder\nHeron,Low Quay\n"
EIGHT_HOURS = (
    "By the hour 8 hours at 1.20 USD an hour 9.60 USD",
    "Ten hours Cheapest 1 pass of 10 hours, 2 hours left over 9.00 USD",
    "Monthly seat 1 seat at 12.00 USD a month 12.00 USD",
)
"""What the page must say of each plan: how it comes about, and how much."""
EXPIRES_THIS_YEAR = {**CARD, "expiry": "12/26"}


def buy_a_pass(story: Story) -> None:
    story.chapter("The person buys a pass for Tally, a program that knows nothing of licenses")
    page = story.person.open("/apps/tally?hours=8&computers=1")
    story.hold(
        "The page reckons what eight hours would cost under each plan, and the pass is cheapest.",
        all(estimate in page.text for estimate in EIGHT_HOURS) and page.text.count("Cheapest") == 1,
        page.text,
    )
    plan = story.plan("tally", "pass")["id"]
    page = story.buy(story.person, "tally", plan, CARD)
    story.hold("The pass is paid: 9.00 USD for ten hours.", "9.00 USD" in page.text, page.text)
    (receipt,) = story.mails("story@example.com", "Your order of Tally")
    story.hold("The receipt by mail says the same.", "9.00 USD" in receipt["text"])


def run_tally(story: Story) -> None:
    story.chapter("Tally runs under the launcher, unmodified")
    story.sign_in("tally", story.person)
    returned, _, said = finished(story.cetrus("install", "tally"))
    story.hold(
        "The launcher installs it, checksum and both signatures verified.", not returned, said
    )
    (story.home / "berths.csv").write_text(TABLE)
    command = ("run", "tally", "--", "pairs", "berths.csv", "--by", "boat,harbor")
    returned, out, said = finished(story.cetrus(*command))
    story.hold(
        "It finds the two rows that are alike.", not returned and "sea-fern" in out, out + said
    )
    story.hold("The launch screen says what is left of the pass.", "Left on it" in said, said)
    returned, _, _ = finished(story.cetrus("run", "tally", "--", "no-such-command"))
    story.hold(f"What the program returns comes through: {returned}.", returned not in {0, None})


def subscribe(story: Story) -> None:
    story.chapter("A crew subscribes to two seats of Halyard")
    crew = story.facts["crew"] = story.newcomer("crew")
    plan = story.plan("halyard", "subscription")["id"]
    page = story.buy(crew, "halyard", plan, CARD, seats="2")
    story.hold("Two seats cost 58.00 USD a month.", "58.00 USD" in page.text, page.text)
    first = license_program(story, crew, "halyard")
    programs = [first, *(Program(first.base, "halyard", first.license_key) for _ in range(2))]
    with httpx.Client(timeout=60, trust_env=False) as http:
        leases = [over_http(story.cloud, http, each.launch())["lease"] for each in programs[:2]]
        full = answer(story, http, programs[2])
        story.hold(
            f"Two run; the third is refused: {full['code']}, again in {full['retry_after']} s.",
            full["code"] == "SEATS_FULL",
            full,
        )
        over_http(story.cloud, http, programs[0].end(leases[0]))
        story.hold("One ends, and the third runs.", answer(story, http, programs[2])["valid"])


def try_it(story: Story) -> None:
    story.chapter("A visitor tries Halyard, with a card that expires this year")
    visitor = story.facts["visitor"] = story.newcomer("visitor")
    plan = story.plan("halyard", "trial")["id"]
    page = story.buy(visitor, "halyard", plan, EXPIRES_THIS_YEAR)
    story.hold(
        "The trial is on, and nothing was charged.", "Nothing was charged" in page.text, page.text
    )
    program = story.facts["trial"] = license_program(story, visitor, "halyard")
    with httpx.Client(timeout=60, trust_env=False) as http:
        found = answer(story, http, program)
        story.hold("It launches, and the quote says that it is free.", found["quote"]["rate"] == 0)
        over_http(story.cloud, http, program.end(found["lease"]))


def license_program(story: Story, person: Person, slug: str) -> Program:
    """A program of this person's, on a machine without a browser: by license key."""
    person.open("/account/computers")
    page = person.submit("/account/computers/keys")
    found = re.search(r'data-license-key="([^"]+)"', page.html)
    if not found:
        raise DidNotHold(f"no license key was shown: {page.url}")
    return Program(story.cloud.operator["BASE_URL"], slug, found[1])


def answer(story: Story, http: httpx.Client, program: Program) -> Json:
    """What a launch is told, valid or not."""
    request = program.launch()
    said = http.post(
        story.cloud.app + request.path, content=request.body, headers=list(request.headers)
    )
    found: Json = said.raise_for_status().json()
    return found
