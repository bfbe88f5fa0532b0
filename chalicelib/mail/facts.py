"""What the planner must know of an account, asked of the features that know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY
from chalicelib.downloads.rules import may_download
from chalicelib.mail.mornings import WEEK
from chalicelib.mail.occasions import Known, NewRelease, Renewal, Right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from chalicelib.catalog.rules import Release
    from chalicelib.catalog.service import Catalog
    from chalicelib.licenses.service import Licenses
    from chalicelib.licenses.values import Head
    from chalicelib.mail.occasions import Look
    from chalicelib.payments.on_file import CardOnFile, Charge
    from chalicelib.usage.service import Usage

AFTERGLOW = WEEK + 2 * DAY
"""How long after a license's end its last week may still be summed up."""


class Facts:
    """`card_of` and `charges_of` answer for an account; releases are read once a run."""

    def __init__(
        self,
        licenses: Licenses,
        usage: Usage,
        catalog: Catalog,
        card_of: Callable[[str], CardOnFile | None],
        charges_of: Callable[[str], Iterable[Charge]],
    ) -> None:
        self.licenses, self.usage, self.catalog = licenses, usage, catalog
        self.card_of, self.charges_of = card_of, charges_of
        self._releases: dict[str, Release | None] = {}

    def begin(self) -> None:
        """Forget what an earlier run has read."""
        self._releases = {}

    def known(self, account_id: str, seen: Look, now: int) -> Known | None:
        """None where the account has nothing to use, and had nothing lately."""
        owned = self.licenses.of_account(account_id)
        heads = [head for each in owned if (head := self.licenses.head(each.license))]
        if not any(lately(head, now) for head in heads):
            return None
        rights = tuple(right(head) for head in heads if usable(head, now))
        return Known(
            account=account_id,
            rights=rights,
            card=self.card_of(account_id) if rights else None,
            renewals=tuple(self._renewals(account_id, heads)),
            releases=tuple(self._new_releases(rights)),
            used=self._used(heads, seen),
        )

    def _used(self, heads: Iterable[Head], seen: Look) -> dict[str, int]:
        used: dict[str, int] = {}
        if week := seen.week:
            for head in heads:
                spent = self.usage.between(head.license, *week.days)
                used[head.application_name] = used.get(head.application_name, 0) + spent
        return used

    def _renewals(self, account_id: str, heads: Iterable[Head]) -> Iterator[Renewal]:
        by_license = {head.license: head for head in heads}
        for charge in self.charges_of(account_id):
            if head := by_license.get(charge.license):
                yield Renewal(
                    charge.license, head.application_name, head.plan_name, charge.seats,
                    charge.price, head.currency, charge.next_charge,
                )  # fmt: skip

    def _new_releases(self, rights: Iterable[Right]) -> Iterator[NewRelease]:
        for application, name in {r.application: r.application_name for r in rights}.items():
            if release := self._release(application):
                yield NewRelease(application, name, release.version, release.published_at)

    def _release(self, application: str) -> Release | None:
        if application not in self._releases:
            self._releases[application] = self.catalog.latest_release(application)
        return self._releases[application]


def usable(head: Head, now: int) -> bool:
    """A suspended license may be lifted again, so its owner still hears of it."""
    return may_download(head.standing, head.ends_at, now)


def lately(head: Head, now: int) -> bool:
    """Whether it can be used, or could until a few days ago."""
    return usable(head, now - AFTERGLOW)


def right(head: Head) -> Right:
    return Right(
        license=head.license,
        application=head.application,
        application_name=head.application_name,
        slug=head.slug,
        plan_kind=head.terms.kind,
        plan_name=head.plan_name,
        granted_at=head.granted_at,
        ends_at=head.ends_at,
    )
