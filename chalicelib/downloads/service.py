"""Installers for license holders: a fresh short link at each request, and nothing more asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.errors import NotFound
from chalicelib.downloads.rules import ARTIFACT_ID, LINK_SECONDS, LicenseNeeded, may_download

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Application, Release
    from chalicelib.catalog.service import Catalog
    from chalicelib.core.clock import Clock
    from chalicelib.licenses.service import Licenses
    from chalicelib.storage.objects import Bucket


@dataclass(frozen=True, slots=True)
class Offer:
    """An application that the account is licensed for, with its newest release if there is one."""

    application: Application
    release: Release | None


class Downloads:
    def __init__(
        self, catalog: Catalog, licenses: Licenses, installers: Bucket, clock: Clock
    ) -> None:
        self.catalog, self.licenses, self.installers = catalog, licenses, installers
        self.clock = clock

    def offers(self, account_id: str) -> list[Offer]:
        """One entry an application, in the order in which the licenses were granted."""
        licensed = dict.fromkeys(
            owned.application for owned in self.licenses.runnable_by(account_id)
        )
        found = (self.catalog.application(application_id) for application_id in licensed)
        return [
            Offer(application, self.catalog.latest_release(application.id))
            for application in found
            if application
        ]

    def link(self, account_id: str, artifact_id: str, only: str | None = None) -> str:
        """A link that dies after 300 seconds; LicenseNeeded without a license.

        An installer that does not exist is answered like one without a license, by the same calls
        (G7): 402 is what a customer sees before the card is confirmed (PS-16). NotFound for what
        is no id at all. With `only`, a credential of that application, no other's is handed out.
        """
        if not ARTIFACT_ID.fullmatch(artifact_id):
            raise NotFound
        artifact = self.catalog.artifact(artifact_id)
        if artifact and only not in {None, artifact.application_id}:
            artifact = None
        self.require_license(account_id, artifact.application_id if artifact else "")
        if artifact is None:
            raise LicenseNeeded
        if self.catalog.release_fact(artifact.application_id, artifact.version) == "withdrawn":
            raise NotFound("This release was withdrawn; the one on offer is on the downloads page.")
        return self.installers.presign_get(
            artifact.key, seconds=LINK_SECONDS, filename=artifact.filename
        )

    def require_license(self, account_id: str, application_id: str) -> None:
        for owned in self.licenses.runnable_by(account_id):
            if owned.application == application_id and self._usable(owned.license):
                return
        raise LicenseNeeded

    def _usable(self, license_id: str) -> bool:
        """A suspended license may be lifted again, so its holder keeps the installer."""
        head = self.licenses.head(license_id)
        return head is not None and may_download(head.standing, head.ends_at, self.clock())

    def release(self, account_id: str, name: str, only: str) -> tuple[Application, Release]:
        """What the launcher of the application `only` installs, by slug or id.

        NotFound for what is not on offer; LicenseNeeded for another application.
        """
        application = self.catalog.application(name) or self.catalog.by_slug(name)
        self.require_license(account_id, application.id if application.id == only else "")
        release = self.catalog.latest_release(application.id)
        if release is None:
            raise NotFound(f"{application.name} has no release yet.")
        return application, release
