"""Installers go to license holders, by links that die, and to nobody else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib import wiring
from chalicelib.core.clock import MINUTE
from chalicelib.core.errors import NotFound
from chalicelib.downloads.rules import LicenseNeeded, may_download
from chalicelib.downloads.service import Downloads
from tests.catalog.test_catalog import add, artifact, publish

if TYPE_CHECKING:
    from chalicelib.catalog.rules import Application, Artifact
    from tests.conftest import FakeClock, Tables

OWNER = "acc_owner"


class HeldLicenses:
    """The licenses of one account, with the standing that a test gives them."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[str, str, int | None]] = {}

    def add(self, application: Application, standing: str, ends_at: int | None = None) -> None:
        self.held[f"lic_{len(self.held)}"] = (application.id, standing, ends_at)

    def runnable_by(self, account_id: str) -> list[Any]:
        mine = self.held if account_id == OWNER else {}
        return [SimpleNamespace(license=i, application=held[0]) for i, held in mine.items()]

    def head(self, license_id: str) -> Any:
        _, standing, ends_at = self.held[license_id]
        return SimpleNamespace(standing=standing, ends_at=ends_at)


@pytest.fixture
def held() -> HeldLicenses:
    return HeldLicenses()


@pytest.fixture
def desk(tables: Tables, clock: FakeClock, held: HeldLicenses) -> Downloads:
    licenses: Any = held
    return Downloads(wiring.catalog(), licenses, wiring.installers(), wiring.now)


@pytest.fixture
def released(desk: Downloads) -> tuple[Application, Artifact]:
    application = add("halyard")
    made = artifact(application)
    publish(application, made)
    return application, made


class TestLinks:
    @pytest.mark.parametrize("standing", ["active", "suspended", "payment_due"])
    @pytest.mark.promise("PS-25")
    def test_a_license_that_may_live_again_gets_a_link_of_five_minutes(
        self,
        desk: Downloads,
        held: HeldLicenses,
        released: tuple[Application, Artifact],
        standing: str,
    ) -> None:
        application, made = released
        held.add(application, standing)
        link = urlsplit(desk.link(OWNER, made.id))
        assert link.path.endswith(made.key)
        assert parse_qs(link.query)["X-Amz-Expires"] == ["300"]

    @pytest.mark.promise("PS-16")
    def test_without_a_license_it_is_refused_and_no_link_is_made(
        self, desk: Downloads, held: HeldLicenses, released: tuple[Application, Artifact]
    ) -> None:
        held.add(add("sextant", vendor_id="vnd_2"), "active")
        with pytest.raises(LicenseNeeded):
            desk.link(OWNER, released[1].id)

    def test_another_account_is_refused(
        self, desk: Downloads, held: HeldLicenses, released: tuple[Application, Artifact]
    ) -> None:
        held.add(released[0], "active")
        with pytest.raises(LicenseNeeded):
            desk.link("acc_stranger", released[1].id)

    def test_a_revoked_or_ended_license_is_no_license(
        self,
        desk: Downloads,
        held: HeldLicenses,
        released: tuple[Application, Artifact],
        clock: FakeClock,
    ) -> None:
        held.add(released[0], "revoked")
        held.add(released[0], "active", ends_at=clock.now)
        with pytest.raises(LicenseNeeded):
            desk.link(OWNER, released[1].id)

    def test_an_unknown_installer_looks_like_one_without_a_license(
        self, desk: Downloads, held: HeldLicenses
    ) -> None:
        held.add(add("sextant", vendor_id="vnd_2"), "active")
        with pytest.raises(LicenseNeeded):
            desk.link(OWNER, f"art_{'0' * 26}")

    def test_a_withdrawn_release_is_handed_out_no_more(
        self,
        desk: Downloads,
        held: HeldLicenses,
        released: tuple[Application, Artifact],
        clock: FakeClock,
    ) -> None:
        application, made = released
        held.add(application, "active")
        assert desk.link(OWNER, made.id)
        (release,) = wiring.catalog().releases(application.id)
        wiring.catalog().withdraw(application.vendor_id, release.id)
        clock.advance(MINUTE)
        with pytest.raises(NotFound) as gone:
            desk.link(OWNER, made.id)
        assert "was withdrawn" in gone.value.detail
        with pytest.raises(NotFound):
            desk.release(OWNER, application.slug, application.id)

    @pytest.mark.parametrize("name", ["art_short", "", "../../etc/passwd", "ARTIFACT#x"])
    def test_what_is_no_id_is_not_found(self, desk: Downloads, name: str) -> None:
        with pytest.raises(NotFound):
            desk.link(OWNER, name)


class TestOffers:
    def test_two_licenses_of_one_application_are_one_offer(
        self, desk: Downloads, held: HeldLicenses, released: tuple[Application, Artifact]
    ) -> None:
        held.add(released[0], "active")
        held.add(released[0], "active")
        (offer,) = desk.offers(OWNER)
        assert offer.application == released[0]
        assert offer.release is not None
        assert offer.release.artifacts == (released[1],)

    def test_an_application_without_a_release_is_offered_without_one(
        self, desk: Downloads, held: HeldLicenses
    ) -> None:
        held.add(add("halyard"), "active")
        (offer,) = desk.offers(OWNER)
        assert offer.release is None

    def test_the_launcher_finds_a_release_by_slug_or_id(
        self, desk: Downloads, held: HeldLicenses, released: tuple[Application, Artifact]
    ) -> None:
        application = released[0]
        held.add(application, "active")
        by_slug = desk.release(OWNER, "halyard", application.id)
        assert by_slug == desk.release(OWNER, application.id, application.id)

    def test_a_credential_of_one_application_gets_no_other_s_installers(
        self, desk: Downloads, held: HeldLicenses, released: tuple[Application, Artifact]
    ) -> None:
        application, made = released
        held.add(application, "active")
        assert desk.link(OWNER, made.id, application.id)
        with pytest.raises(LicenseNeeded):
            desk.link(OWNER, made.id, "app_other")
        with pytest.raises(LicenseNeeded):
            desk.release(OWNER, "halyard", "app_other")


def test_a_license_may_be_used_until_the_instant_of_its_end() -> None:
    assert may_download("active", 1000, 999)
    assert not may_download("active", 1000, 1000)
