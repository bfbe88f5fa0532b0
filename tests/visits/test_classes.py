"""Path classes and fields: the list that the front door, the roll-up and the page agree on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.edge.access import ACCESS
from chalicelib.visits.classes import FIELDS, OTHER, PATTERNS, path_class
from chalicelib.visits.rules import KINDS

DOCUMENT = Path(__file__).parents[2] / "docs" / "visitor-logs.md"
FORBIDDEN = (
    "cs-uri-stem", "cs-uri-query", "cs(Cookie)", "cs(Host)", "x-edge-request-id",
    "x-forwarded-for", "cs-headers", "c-port", "timestamp(ms)",
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/apps", "/apps"),
        ("/apps/halyard", "/apps/*"),
        ("/apps/halyard/orders", "/apps/*/orders"),
        ("/reset/a-single-use-token", "/reset/*"),
        ("/account", "/account"),
        ("/account/usage", "/account/usage*"),
        ("/account/something/new", "/account/*"),
        ("/v1/vendor/usage", "/v1/vendor/*"),
        ("/v1/leases/lea_1/heartbeats", "/v1/*"),
        ("/wp-login.php", "*"),
        ("/apps\n/x", "*"),
        ("", "*"),
    ],
)
def test_the_first_pattern_that_matches_is_the_class(path: str, expected: str) -> None:
    assert path_class(path) == expected


@pytest.mark.parametrize("route", ACCESS)
def test_every_route_has_a_class_of_its_own_kind(route: str) -> None:
    path = re.sub(r"\{\w+\}", "x", route.partition(" ")[2])
    assert path_class(path) != OTHER


@pytest.mark.promise("PS-28")
def test_a_class_says_nothing_that_a_path_holds() -> None:
    secret = "s3cr3t-0f-0ne-p3rs0n"
    for route in ACCESS:
        path = re.sub(r"\{\w+\}", secret, route.partition(" ")[2])
        assert secret not in path_class(path)


def test_every_class_is_of_a_kind_and_fits_the_distribution() -> None:
    assert set(KINDS) == set(PATTERNS)
    assert len(PATTERNS) <= 64
    assert len(set(PATTERNS)) == len(PATTERNS)


@pytest.mark.promise("PS-28")
def test_the_document_names_the_fields_in_their_order_and_no_other() -> None:
    section = DOCUMENT.read_text().partition("## The fields")[2].partition("**Never**")[0]
    assert tuple(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)) == FIELDS
    assert not set(FIELDS) & set(FORBIDDEN)
    for name in FORBIDDEN:
        assert f"`{name}`" in DOCUMENT.read_text()
