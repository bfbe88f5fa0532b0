"""What guards the data, for the page on security: each precaution stands on promises.

A promise has tests that pass (tests/gate.py), so that nothing is listed here that no test looks at.
Figures come from the template that is deployed: packaging writes them into `facts.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FACTS = Path(__file__).with_name("facts.json")


@dataclass(frozen=True, slots=True)
class Precaution:
    """`says` may name facts of the template; ValueError where it stands on no promise."""

    title: str
    says: str
    stands_on: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.stands_on:
            raise ValueError(f"{self.title}: which promises does it stand on?")


CATALOG = (
    Precaution(
        "On the way",
        "TLS {tls} or newer only, and {tls_inside} or newer behind the front door; browsers are "
        "told to use nothing else for {hsts_days} days.",
        ("PS-47",),
    ),
    Precaution(
        "Host names",
        "A request that names another host than ours is refused.",
        ("PS-43",),
    ),
    Precaution(
        "Personal details",
        "Each is sealed with AES-256-GCM under a key of its own for you and the purpose. That key "
        "is wrapped by a key service, which gives it out for that purpose alone. Each opening is "
        "entered in a chained record first. Mail that you write to us is the exception: as it came "
        "it lies for 45 days in a store of its own that encrypts it as a whole.",
        ("PS-04", "PS-46", "PS-82"),
    ),
    Precaution(
        "Keys",
        "{turned_keys} keys of the key service seal data; all of them are turned over each year. "
        "The table of your own keys has no backup, which would bring back what you took away.",
        ("PS-45", "PS-70"),
    ),
    Precaution(
        "Loss",
        "{restored_tables} tables can be brought back to any moment of the last weeks, which is "
        "rehearsed by a command; all {kept_tables} tables are guarded against deletion.",
        ("PS-45",),
    ),
    Precaution(
        "Change",
        "What was altered where it is stored does not open. The record of openings is signed every "
        "hour and locked away for {lock_days} days in production, so that nobody at all can delete "
        "or change it.",
        ("PS-45",),
    ),
    Precaution(
        "Passwords",
        "Kept as argon2id fingerprints. Attempts are limited, and nobody is locked out for good.",
        ("PS-45", "PS-49", "PS-58"),
    ),
    Precaution(
        "Signed-in browsers",
        "A random value in a cookie that only this host gets and no script reads; we keep its "
        "fingerprint. “Sign out everywhere” ends all of them at once.",
        ("PS-20", "PS-22", "PS-45"),
    ),
    Precaution(
        "Cards",
        "Card numbers go to the card processor's own page and never reach this site. What the "
        "processor tells us is signed, and is believed for five minutes.",
        ("PS-19", "PS-48"),
    ),
    Precaution(
        "Pages",
        "No scripts, no third-party content, no trackers; a content security policy holds browsers "
        "to that.",
        ("PS-10",),
    ),
    Precaution(
        "Lines of visits",
        "One function reads them and deletes them after counting; {raw_days} day is the most that "
        "the bucket itself would keep them.",
        ("PS-29", "PS-32"),
    ),
    Precaution(
        "Logs of programs",
        "They name things by random ids. Bodies, addresses and what you typed are never in them.",
        ("PS-31", "PS-49"),
    ),
)


@cache
def facts() -> dict[str, str | int]:
    found: dict[str, str | int] = json.loads(FACTS.read_text())
    return found


def precautions() -> list[Precaution]:
    """The catalog with its figures; KeyError where it states a fact that the template has not."""
    return [Precaution(each.title, each.says.format(**facts()), each.stands_on) for each in CATALOG]
