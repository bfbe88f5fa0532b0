"""The catalog on the tables: unique slugs, immutable releases, signatures, staleness."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib import wiring
from chalicelib.catalog import rules
from chalicelib.catalog.rules import Application, Artifact, UnsignedRelease
from chalicelib.core import signing
from chalicelib.core.clock import MINUTE
from chalicelib.core.errors import Conflict, NotFound

if TYPE_CHECKING:
    from tests.conftest import FakeClock, Tables

KEY = Ed25519PrivateKey.generate()
PUBLIC = signing.public_jwk(KEY)


def add(slug: str, vendor_id: str = "vnd_1", name: str = "Halyard") -> Application:
    return wiring.catalog().add_application(
        vendor_id=vendor_id,
        vendor_name="Harbor",
        slug=slug,
        name=name,
        summary="Plots tides",
        description="",
    )


def artifact(application: Application, version: str = "1.0.0", size: int = 3) -> Artifact:
    said = rules.statement(
        application=application.id,
        version=version,
        platform="linux",
        filename="h.tar.gz",
        size=3,
        sha256="0" * 64,
    )
    return Artifact(
        rules.artifact_id(application.id, version, "linux"),
        application.id,
        version,
        "linux",
        "h.tar.gz",
        size,
        "0" * 64,
        f"{application.id}/h.tar.gz",
        signing.sign(said, key=KEY, typ=rules.RELEASE_TYP),
        "countersigned",
        PUBLIC,
    )


def publish(application: Application, made: Artifact) -> rules.Release:
    return wiring.catalog().publish(
        application, version=made.version, notes="", artifacts=[made], vendor_keys=[PUBLIC]
    )


class TestApplications:
    def test_a_slug_is_taken_once_whoever_asks(self, tables: Tables) -> None:
        first = add("halyard")
        with pytest.raises(Conflict):
            add("halyard", vendor_id="vnd_2")
        assert wiring.catalog().by_slug("halyard") == first

    @pytest.mark.parametrize("slug", ["nothing-here", "NOT A SLUG", "a" * 500, "#", ""])
    def test_an_unknown_slug_is_not_found(self, tables: Tables, slug: str) -> None:
        with pytest.raises(NotFound):
            wiring.catalog().by_slug(slug)

    def test_pages_go_on_where_the_one_before_ended(self, tables: Tables) -> None:
        slugs = [f"app-{letter}" for letter in "abcde"]
        for slug in slugs:
            add(slug)
        seen: list[str] = []
        after: str | None = None
        while True:
            found, after = wiring.catalog().search("", after, 2)
            seen += [item["slug"] for item in found]
            if after is None:
                break
        assert seen == slugs

    def test_a_search_finds_by_name_summary_or_vendor_without_case(self, tables: Tables) -> None:
        add("halyard", name="Halyard")
        add("sextant", name="Sextant")
        assert [a["slug"] for a in wiring.catalog().search("HALY", None, 9)[0]] == ["halyard"]
        assert len(wiring.catalog().search("harbor", None, 9)[0]) == 2
        assert wiring.catalog().search("nothing", None, 9) == ([], None)

    def test_a_vendor_lists_its_own_only(self, tables: Tables) -> None:
        mine = add("halyard", vendor_id="vnd_1")
        add("sextant", vendor_id="vnd_2")
        assert wiring.catalog().of_vendor("vnd_1", None, 9) == [mine]


class TestReleases:
    def test_the_newest_that_was_not_withdrawn_is_the_latest(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        application = add("halyard")
        publish(application, artifact(application, "1.0.0"))
        clock.advance(1)
        newest = publish(application, artifact(application, "1.1.0"))
        assert wiring.catalog().latest_release(application.id) == newest

    def test_a_version_never_changes(self, tables: Tables, clock: FakeClock) -> None:
        application = add("halyard")
        first = publish(application, artifact(application))
        clock.advance(1)
        with pytest.raises(Conflict):
            publish(application, artifact(application))
        assert wiring.catalog().releases(application.id) == [first]

    def test_facts_that_the_vendor_did_not_sign_are_refused(self, tables: Tables) -> None:
        application = add("halyard")
        with pytest.raises(UnsignedRelease):
            publish(application, artifact(application, size=4))

    def test_a_key_that_the_vendor_did_not_register_is_refused(self, tables: Tables) -> None:
        application = add("halyard")
        stranger = Ed25519PrivateKey.generate()
        made = replace(artifact(application), vendor_key=signing.public_jwk(stranger))
        with pytest.raises(UnsignedRelease):
            publish(application, made)
        assert wiring.catalog().latest_release(application.id) is None

    def test_a_whole_release_by_a_stranger_s_key_is_refused(self, tables: Tables) -> None:
        application = add("halyard")
        made, stranger = artifact(application), Ed25519PrivateKey.generate()
        said = signing.split(made.vendor_signature)[1]
        forged = replace(
            made,
            vendor_key=signing.public_jwk(stranger),
            vendor_signature=signing.sign(said, key=stranger, typ=rules.RELEASE_TYP),
        )
        with pytest.raises(UnsignedRelease):
            publish(application, forged)
        assert wiring.catalog().latest_release(application.id) is None

    def test_what_was_withdrawn_is_offered_no_more_and_that_is_for_good(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        application = add("halyard")
        first = publish(application, artifact(application, "1.0.0"))
        clock.advance(1)
        newest = publish(application, artifact(application, "1.1.0"))
        for _ in range(2):
            gone = wiring.catalog().withdraw("vnd_1", newest.id)
            assert gone == replace(newest, state="withdrawn")
        assert wiring.catalog().latest_release(application.id) == first
        assert wiring.catalog().releases(application.id) == [gone, first]
        assert wiring.catalog().release_fact(application.id, "1.1.0") == "withdrawn"
        with pytest.raises(Conflict):
            publish(application, artifact(application, "1.1.0"))
        with pytest.raises(NotFound):
            wiring.catalog().withdraw("vnd_2", first.id)
        assert wiring.catalog().latest_release(application.id) == first

    def test_a_vendor_lists_its_releases_in_order_a_page_at_a_time(
        self, tables: Tables, clock: FakeClock
    ) -> None:
        application = add("halyard")
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            publish(application, artifact(application, version))
            clock.advance(1)
        first, cursor = wiring.catalog().releases_of_vendor("vnd_1", None, 2)
        rest, end = wiring.catalog().releases_of_vendor("vnd_1", cursor, 2)
        assert [r.version for r in first + rest] == ["1.0.0", "1.1.0", "1.2.0"]
        assert end is None
        assert wiring.catalog().releases_of_vendor("vnd_2", None, 2) == ([], None)
        assert wiring.catalog().releases_of_vendor("vnd_1", "A", 9)[0] == first + rest


class TestReleaseFacts:
    def test_a_fact_is_at_most_a_minute_old(self, tables: Tables, clock: FakeClock) -> None:
        application = add("halyard")
        catalog = wiring.catalog()
        assert catalog.release_fact(application.id, "1.0.0") is None
        publish(application, artifact(application))
        clock.advance(MINUTE - 1)
        assert catalog.release_fact(application.id, "1.0.0") is None
        clock.advance(1)
        assert catalog.release_fact(application.id, "1.0.0") == "published"

    def test_what_is_no_version_costs_no_read(self, tables: Tables) -> None:
        assert wiring.catalog().release_fact("app_1", "../../etc") is None
