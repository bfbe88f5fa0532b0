"""The catalog's items in `accounts`: every key and condition of the feature.

| item | pk | sk |
|---|---|---|
| application | APPLICATION#<id> | APPLICATION |
| slug claim, and the public list | CATALOG | APP#<slug> |
| the vendor's list | VENDOR#<id> | APPLICATION#<id> |
| plan | APPLICATION#<id> | PLAN#<id> |
| terms, immutable | APPLICATION#<id> | TERMS#<plan>#<version> |
| version, unique and immutable but for its state | APPLICATION#<id> | VERSION#<version> |
| release, newest last | APPLICATION#<id> | RELEASE#<published ms>#<version> |
| the vendor's list of releases | VENDOR#<id> | RELEASE#<published ms>#<application>#<version> |
| artifact | ARTIFACT#<id> | ARTIFACT |
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chalicelib.catalog.rules import Application, Artifact, Plan, Release, plan_from
from chalicelib.storage.dynamo import ABSENT, PRESENT, ConditionFailed, Item, Table, Write

if TYPE_CHECKING:
    from collections.abc import Iterator


def application_pk(application_id: str) -> str:
    return f"APPLICATION#{application_id}"


def release_sk(release: Release) -> str:
    return f"RELEASE#{release.published_at:013d}#{release.version}"


def vendor_release_sk(release: Release) -> str:
    return f"RELEASE#{release.published_at:013d}#{release.application_id}#{release.version}"


class CatalogStore:
    def __init__(self, table: Table) -> None:
        self.table = table

    # applications

    def add_application(self, application: Application) -> None:
        """ConditionFailed at 1 where the slug is taken, at 0 where the application exists."""
        facts = asdict(application)
        listed = {"id": application.id, "vendor_id": application.vendor_id, "v": 1}
        self.table.transact(
            self.table.put(
                {
                    **facts,
                    "pk": application_pk(application.id),
                    "sk": "APPLICATION",
                    "type": "application",
                    "v": 1,
                },
                ABSENT,
            ),
            self.table.put(
                {
                    **listed,
                    "pk": "CATALOG",
                    "sk": f"APP#{application.slug}",
                    "slug": application.slug,
                    "type": "listing",
                    "name": application.name,
                    "summary": application.summary,
                    "interest": application.interest,
                    "vendor_name": application.vendor_name,
                },
                ABSENT,
            ),
            self.table.put(
                {
                    **listed,
                    "pk": f"VENDOR#{application.vendor_id}",
                    "sk": f"APPLICATION#{application.id}",
                    "type": "vendor_application",
                },
                ABSENT,
            ),
        )

    def application(self, application_id: str) -> Application | None:
        item = self.table.get(application_pk(application_id), "APPLICATION")
        return to_application(item) if item else None

    def by_slug(self, slug: str) -> Application | None:
        listed = self.table.get("CATALOG", f"APP#{slug}")
        return self.application(listed["id"]) if listed else None

    def listed(self, after: str | None) -> Iterator[Item]:
        """The public list in the order of slugs, from behind `after`."""
        if after is None:
            return self.table.query("CATALOG", prefix="APP#", limit=100)
        return self.table.query("CATALOG", above=f"APP#{after}", limit=100)

    def of_vendor(self, vendor_id: str, after: str | None) -> Iterator[Item]:
        low = f"APPLICATION#{after}\0" if after else "APPLICATION#"
        return self.table.query(f"VENDOR#{vendor_id}", between=(low, "APPLICATION#~"), limit=100)

    # plans

    def add_plan(self, plan: Plan, slug: str) -> None:
        """The public list knows each plan too, so that it can say prices without looking."""
        pk = application_pk(plan.application_id)
        facts = asdict(plan)
        terms = facts.pop("terms")
        self.table.transact(
            self.table.check(pk, "APPLICATION", PRESENT),
            self.table.update(
                "CATALOG",
                f"APP#{slug}",
                "SET offers = list_append(if_not_exists(offers, :none), :one)",
                {":none": [], ":one": [{**facts, "terms": terms}], ":id": plan.application_id},
                condition="id = :id",
            ),
            self.table.put(
                {
                    **facts,
                    "terms": terms,
                    "pk": pk,
                    "sk": f"PLAN#{plan.id}",
                    "type": "plan",
                    "v": 1,
                },
                ABSENT,
            ),
            self.table.put(
                {
                    **terms,
                    "pk": pk,
                    "sk": f"TERMS#{plan.id}#{plan.terms.version:06d}",
                    "type": "terms",
                    "v": 1,
                },
                ABSENT,
            ),
        )

    def plan(self, application_id: str, plan_id: str) -> Plan | None:
        item = self.table.get(application_pk(application_id), f"PLAN#{plan_id}")
        return plan_from(item) if item else None

    def plans(self, application_id: str) -> list[Plan]:
        found = self.table.query(application_pk(application_id), prefix="PLAN#")
        return [plan_from(item) for item in found]

    # releases

    def publish(self, release: Release) -> bool:
        """False where this very version was published before; nothing changes then."""
        pk = application_pk(release.application_id)
        facts = asdict(release)
        artifacts = facts.pop("artifacts")
        version = {"release": release_sk(release), "state": release.state, "id": release.id}
        try:
            self.table.transact(
                self.table.put(
                    {
                        **version,
                        "pk": pk,
                        "sk": f"VERSION#{release.version}",
                        "type": "version",
                        "v": 1,
                    },
                    ABSENT,
                ),
                self.table.put(
                    {
                        **facts,
                        "artifacts": [a["id"] for a in artifacts],
                        "pk": pk,
                        "sk": release_sk(release),
                        "type": "release",
                        "v": 1,
                    },
                    ABSENT,
                ),
                self.table.put(
                    {
                        "pk": f"VENDOR#{release.vendor_id}",
                        "sk": vendor_release_sk(release),
                        "type": "vendor_release",
                        "v": 1,
                        "application_id": release.application_id,
                        "release": release_sk(release),
                    },
                    ABSENT,
                ),
                *(self._artifact(found, release.vendor_id) for found in artifacts),
            )
        except ConditionFailed:
            return False
        return True

    def withdraw(self, release: Release) -> bool:
        """False where it was withdrawn before; a version and its release change together."""
        pk = application_pk(release.application_id)
        try:
            self.table.transact(
                self._withdrawn(pk, f"VERSION#{release.version}"),
                self._withdrawn(pk, release_sk(release)),
            )
        except ConditionFailed:
            return False
        return True

    def _withdrawn(self, pk: str, sk: str) -> Write:
        return self.table.update(
            pk,
            sk,
            "SET #state = :withdrawn",
            {":withdrawn": "withdrawn", ":published": "published"},
            condition="#state = :published",
            names={"#state": "state"},
        )

    def _artifact(self, facts: dict[str, Any], vendor_id: str) -> Write:
        item = {**facts, "pk": f"ARTIFACT#{facts['id']}", "sk": "ARTIFACT", "vendor_id": vendor_id}
        return self.table.put({**item, "type": "artifact", "v": 1}, ABSENT)

    def version_state(self, application_id: str, version: str) -> str | None:
        item = self.table.get(application_pk(application_id), f"VERSION#{version}")
        return str(item["state"]) if item else None

    def releases(self, application_id: str) -> Iterator[Release]:
        """Newest first, artifacts included."""
        found = self.table.query(
            application_pk(application_id), prefix="RELEASE#", forward=False, limit=10
        )
        return (self._release(item) for item in found)

    def releases_of_vendor(
        self, vendor_id: str, after: str | None
    ) -> Iterator[tuple[str, Release]]:
        """Each with the sort key of its row."""
        ours = after is not None and after.startswith("RELEASE#")
        low = f"{after}\0" if ours else "RELEASE#"
        rows = self.table.query(f"VENDOR#{vendor_id}", between=(low, "RELEASE#~"), limit=50)
        for row in rows:
            item = self.table.get(application_pk(row["application_id"]), row["release"])
            if item:
                yield row["sk"], self._release(item)

    def _release(self, item: Item) -> Release:
        artifacts = (self.artifact(artifact_id) for artifact_id in item["artifacts"])
        return Release(
            item["id"],
            item["application_id"],
            item["vendor_id"],
            item["version"],
            item["notes"],
            item["published_at"],
            item["state"],
            tuple(a for a in artifacts if a),
        )

    def artifact(self, artifact_id: str) -> Artifact | None:
        item = self.table.get(f"ARTIFACT#{artifact_id}", "ARTIFACT")
        return Artifact(**{name: item[name] for name in Artifact.__slots__}) if item else None


def to_application(item: Item) -> Application:
    """One of before there were interests has none."""
    return Application(**{name: item[name] for name in Application.__slots__ if name in item})
