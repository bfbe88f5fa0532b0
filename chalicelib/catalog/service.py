"""What is on offer: read by pages, orders and launches; written by the operator's commands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.catalog import offers, rules
from chalicelib.catalog.rules import Application, Artifact, Plan, Release, UnsignedRelease
from chalicelib.core import signing
from chalicelib.core.clock import MINUTE
from chalicelib.core.errors import Conflict, InvalidInput, NotFound
from chalicelib.core.ids import derived_id, new_id
from chalicelib.core.interests import OTHER
from chalicelib.core.paging import first
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Unpack

    from chalicelib.catalog.offers import Facts
    from chalicelib.catalog.store import CatalogStore
    from chalicelib.core.clock import Clock
    from chalicelib.core.signing import Jwk
    from chalicelib.storage.dynamo import Item

STALENESS = MINUTE  # how old a release fact may be at a launch; stated in docs/verdicts.md


class Catalog:
    def __init__(self, store: CatalogStore, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self._facts: dict[tuple[str, str], tuple[int, str | None]] = {}

    def search(self, wanted: str, after: str | None, limit: int) -> tuple[list[Item], str | None]:
        """Up to `limit` of the public list by slug, and the slug to go on behind if there is more.

        A search looks at names, summaries and vendors, without regard to case.
        """
        listed = self.store.listed(after)
        fitting = (item for item in listed if wanted.casefold() in text_of(item))
        found = first(fitting, limit + 1)
        more = len(found) > limit
        return found[:limit], found[limit - 1]["slug"] if more else None

    def by_slug(self, slug: str) -> Application:
        if not rules.SLUG.fullmatch(slug) or (found := self.store.by_slug(slug)) is None:
            raise NotFound
        return found

    def application(self, application_id: str) -> Application | None:
        return self.store.application(application_id)

    def plans(self, application_id: str) -> list[Plan]:
        return self.store.plans(application_id)

    def plan(self, application_id: str, plan_id: str) -> Plan | None:
        return self.store.plan(application_id, plan_id)

    def of_vendor(self, vendor_id: str, after: str | None, limit: int) -> list[Application]:
        listed = first(self.store.of_vendor(vendor_id, after), limit)
        found = (self.store.application(item["id"]) for item in listed)
        return [application for application in found if application]

    def releases_of_vendor(
        self, vendor_id: str, after: str | None, limit: int
    ) -> tuple[list[Release], str | None]:
        """In the order of publication, with the key to go on behind if there is more."""
        found = first(self.store.releases_of_vendor(vendor_id, after), limit + 1)
        last = found[limit - 1][0] if len(found) > limit else None
        return [release for _, release in found[:limit]], last

    def releases(self, application_id: str, limit: int = 20) -> list[Release]:
        return first(self.store.releases(application_id), limit)

    def latest_release(self, application_id: str) -> Release | None:
        """The newest that was not withdrawn."""
        found = self.store.releases(application_id)
        return next((release for release in found if release.state == "published"), None)

    def artifact(self, artifact_id: str) -> Artifact | None:
        return self.store.artifact(artifact_id)

    def release_fact(self, application_id: str, version: str) -> str | None:
        """`published`, `withdrawn` or None, at most a minute old."""
        if not rules.VERSION.fullmatch(version):
            return None
        now = self.clock()
        kept = self._facts.get((application_id, version))
        if kept is None or now - kept[0] >= STALENESS:
            kept = (now, self.store.version_state(application_id, version))
            self._facts[application_id, version] = kept
        return kept[1]

    # what a vendor does

    def withdraw(self, vendor_id: str, release_id: str) -> Release:
        """Within a minute nobody downloads or launches it any more; for good.

        NotFound where this vendor has no such release, whosever it is. Twice is once.
        """
        own = self.store.releases_of_vendor(vendor_id, None)
        found = next((release for _, release in own if release.id == release_id), None)
        if found is None:
            raise NotFound
        self.store.withdraw(found)
        return replace(found, state="withdrawn")

    # what the operator does

    def add_application(
        self,
        *,
        vendor_id: str,
        vendor_name: str,
        slug: str,
        name: str,
        summary: str,
        description: str,
        interest: str = OTHER,
    ) -> Application:
        rules.check_slug(slug)
        rules.check_interest(interest)
        application = Application(
            new_id("app"), vendor_id, vendor_name, slug, name, summary, description, interest
        )
        try:
            self.store.add_application(application)
        except ConditionFailed:
            raise Conflict(f"An application with the slug {slug} exists already.") from None
        return application

    def add_plan(
        self, application: Application, *, kind: str, name: str, currency: str,
        **facts: Unpack[Facts],
    ) -> Plan:  # fmt: skip
        """A plan of any kind, with its first terms; a second one of the same name is a Conflict."""
        terms = offers.chargeable(offers.terms_of(kind, currency, facts), currency)
        plan_id = derived_id("pln", application.id, name)
        plan = Plan(plan_id, application.vendor_id, application.id, kind, name, currency, terms)
        try:
            self.store.add_plan(plan, application.slug)
        except ConditionFailed:
            raise Conflict(f"A plan named {name} exists already.") from None
        return plan

    def publish(
        self,
        application: Application,
        *,
        version: str,
        notes: str,
        artifacts: Iterable[Artifact],
        vendor_keys: Sequence[Jwk],
    ) -> Release:
        """A release whose artifacts the vendor signed; UnsignedRelease where one is not."""
        found = tuple(artifacts)
        if not rules.VERSION.fullmatch(version) or not found:
            raise InvalidInput(errors={"version": "A version such as 1.0.0, with its artifacts."})
        for artifact in found:
            check_signed(artifact, vendor_keys)
        release = Release(
            derived_id("rel", application.id, version),
            application.id,
            application.vendor_id,
            version,
            notes,
            self.clock(),
            "published",
            found,
        )
        if not self.store.publish(release):
            raise Conflict(f"Version {version} was published before; a release never changes.")
        return release


def text_of(listed: Item) -> str:
    return f"{listed['name']} {listed['summary']} {listed['vendor_name']}".casefold()


def check_signed(artifact: Artifact, vendor_keys: Sequence[Jwk]) -> None:
    """The vendor's signature must be by a registered key, and over exactly these facts."""
    said = rules.statement(
        application=artifact.application_id,
        version=artifact.version,
        platform=artifact.platform,
        filename=artifact.filename,
        size=artifact.size,
        sha256=artifact.sha256,
    )
    if artifact.vendor_key not in vendor_keys:
        raise UnsignedRelease
    try:
        signed = signing.verify(
            artifact.vendor_signature, jwk=artifact.vendor_key, typ=rules.RELEASE_TYP
        )
    except signing.BadSignature:
        raise UnsignedRelease from None
    if signed != said:
        raise UnsignedRelease
