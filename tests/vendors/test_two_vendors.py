"""Two vendors with one customer: whatever one of them asks, it learns nothing of the other."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from chalicelib.edge.access import ACCESS, Rule
from chalicelib.edge.paging import encode
from tests.browser import Browser
from tests.catalog.test_catalog import artifact, publish
from tests.vendors.test_own_only import Shop, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser import Answer
    from tests.conftest import FakeClock, Tables

CALLS = sorted(key for key, rule in ACCESS.items() if rule is Rule.VENDOR)
LISTS = [path for method, path in (key.split(" ") for key in CALLS) if method == "GET"]
NAMED = ("cursor", "vendor", "vendor_id", "application", "license", "license_id", "customer")
BODIES: dict[str, list[Any]] = {"PATCH": [{"seats": 2}, {"ends_at": None}], "POST": [{}]}
SHORT = 6
"""Letters that a value needs at least to tell of anybody."""


def values(found: Any) -> Iterator[str]:
    """Every text in an answer."""
    match found:
        case dict():
            for value in found.values():
                yield from values(value)
        case list():
            for value in found:
                yield from values(value)
        case str() if len(found) >= SHORT:
            yield found


def told(of: Shop) -> list[tuple[int, str]]:
    """All that a vendor's program is told, list by list."""
    answers = (of.send("GET", path) for path in LISTS)
    return [(answer.status, answer.text) for answer in answers]


def stocked(tables: Tables, name: str) -> Shop:
    made = shop(tables, name)
    publish(made.application, artifact(made.application))
    return made


@pytest.fixture
def asking(tables: Tables, clock: FakeClock) -> Shop:
    return stocked(tables, "Halyard")


@pytest.fixture
def other(tables: Tables, clock: FakeClock) -> Shop:
    return stocked(tables, "Zqsextant")


@pytest.fixture
def canaries(asking: Shop, other: Shop) -> set[str]:
    """What the other vendor is told and this one is not, and by what it is known."""
    ours, theirs = (
        {value for _, text in told(each) for value in values(json.loads(text))}
        for each in (asking, other)
    )
    return theirs - ours | {other.vendor, other.token}


def questions(name: str) -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """A name of the other vendor's at each place of each call that a program can fill in."""
    for key in CALLS:
        method, _, path = key.partition(" ")
        named = path.replace("{license_id}", quote(name, "")).replace(
            "{release_id}", quote(name, "")
        )
        for body, header in product(BODIES.get(method, [None]), ({}, {"idempotency-key": name})):
            raw = b"" if body is None else json.dumps(body).encode()
            if method == "GET":
                for query in NAMED:
                    value = encode(name) if query == "cursor" else name
                    yield method, f"{named}?{urlencode({query: value})}", raw, header
            else:
                yield method, named, raw, header


def ask(of: Shop, method: str, path: str, body: bytes, more: dict[str, str]) -> Answer:
    headers = {
        "accept": "application/json", "authorization": f"Bearer {of.token}",
        "content-type": "application/json", **more,
    }  # fmt: skip
    return Browser().send(method, path, body, headers)


@pytest.mark.guarantee("G7")
@pytest.mark.promise("PS-13")
class TestTwoVendors:
    def test_the_other_is_known_by_much_that_could_be_told(
        self, other: Shop, canaries: set[str]
    ) -> None:
        """So that there is something to find."""
        own = {other.license, other.application.id, other.plan.id, "zqsextant", "Zqsextant"}
        assert own <= canaries
        assert len(canaries) > len(own) + 3

    def test_no_answer_holds_a_byte_of_the_other(
        self, asking: Shop, other: Shop, canaries: set[str]
    ) -> None:
        own, theirs, statuses = told(asking), told(other), set()
        for name in sorted(canaries - {other.token}):
            for method, path, body, more in questions(name):
                answer = ask(asking, method, path, body, more)
                leaked = {value for value in canaries if value in answer.text}
                assert leaked == set(), (method, path, answer.status)
                statuses.add(answer.status)
        assert statuses <= {200, 400, 404, 409, 422}
        assert (told(asking), told(other)) == (own, theirs)
