"""What a vendor offers: applications, plans with versioned terms, releases with their artifacts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from chalicelib.core.clock import HOUR, SECOND, months_after
from chalicelib.core.errors import InvalidInput
from chalicelib.core.ids import derived_id
from chalicelib.core.interests import INTERESTS, OTHER
from chalicelib.core.money import EXPONENTS, MICRO, Money

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.core.signing import Jwk

SLUG = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
VERSION = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,3}(-[0-9a-z.]{1,20})?")
PRICE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,8})?")
FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
PLATFORMS = ("linux", "macos", "windows")
KINDS = METERED, PASS, SUBSCRIPTION, TRIAL = ("metered", "pass", "subscription", "trial")
RELEASE_TYP = "release+jwt"


@dataclass(frozen=True, slots=True)
class Terms:
    """One immutable version of what a plan promises.

    Times are milliseconds; the rate is in 10⁻⁶ minor units an hour; `price` is in minor units: of
    a whole pass, or of one seat for one period of a subscription.
    """

    version: int
    rate: int
    free_ms: int = 0
    seats: int | None = None
    capped: bool = False
    lease_ms: int = 300 * SECOND
    heartbeat_ms: int = 150 * SECOND
    resume_grace_ms: int = 12 * HOUR
    outage_grace_ms: int = HOUR
    outage_mode: str = "run"
    outage_bill: str = "free"
    price: int = 0
    prepaid_ms: int | None = None
    valid_ms: int | None = None
    period_months: int | None = None

    @property
    def kind(self) -> str:
        """What a license that has only its terms is one of."""
        if self.prepaid_ms is not None:
            return PASS
        if self.period_months is not None:
            return SUBSCRIPTION
        return METERED if self.valid_ms is None else TRIAL


@dataclass(frozen=True, slots=True)
class Plan:
    """The terms that an application is offered under.

    | kind | paid | runs |
    |---|---|---|
    | metered | afterwards, by the time used at `rate` | without an end |
    | pass | `price` at once, for `prepaid_ms` of use | `valid_ms` long, or without an end |
    | subscription | `price` a seat, for `period_months` ahead | to the end of what is paid |
    | trial | nothing | `valid_ms` long |
    """

    id: str
    vendor_id: str
    application_id: str
    kind: str
    name: str
    currency: str
    terms: Terms

    @property
    def hourly(self) -> str:
        """`0.37 USD`, or with as many decimals as the exact rate needs."""
        return price_text(self.terms.rate, self.currency)

    def due(self, seats: int = 1) -> Money:
        """What an order is charged at once: a pass, or the first period of so many seats."""
        return Money(self.terms.price * (seats if self.kind == SUBSCRIPTION else 1), self.currency)

    @property
    def wallet(self) -> int | None:
        """What a pass holds when it is bought, in 10⁻⁶ minor units."""
        return self.terms.price * MICRO if self.kind == PASS else None

    def ends_at(self, bought_at: int, periods: int = 1) -> int | None:
        """When a license bought at this instant ends, a subscription after so many paid periods.

        Every period is counted from the purchase, so that the 31st comes back after a short month.
        """
        if self.terms.period_months is not None:
            return months_after(bought_at, periods * self.terms.period_months)
        return None if self.terms.valid_ms is None else bought_at + self.terms.valid_ms


@dataclass(frozen=True, slots=True)
class Application:
    id: str
    vendor_id: str
    vendor_name: str
    slug: str
    name: str
    summary: str
    description: str = ""
    interest: str = OTHER


@dataclass(frozen=True, slots=True)
class Artifact:
    """One installer: its bytes are in the bucket under `key`, its promises are signed twice."""

    id: str
    application_id: str
    version: str
    platform: str
    filename: str
    size: int
    sha256: str
    key: str
    vendor_signature: str
    countersignature: str
    vendor_key: Jwk = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Release:
    id: str
    application_id: str
    vendor_id: str
    version: str
    notes: str
    published_at: int
    state: str
    artifacts: tuple[Artifact, ...] = ()

    def artifact_for(self, platform: str) -> Artifact | None:
        return next((found for found in self.artifacts if found.platform == platform), None)


class UnsignedRelease(InvalidInput):
    code = "unsigned_release"
    detail = "The artifact is not signed by a key that the vendor registered."


def plan_from(item: Mapping[str, Any]) -> Plan:
    """A plan as it was stored or frozen in an order; unknown attributes are ignored."""
    given = item["terms"]
    terms = Terms(**{name: given[name] for name in Terms.__slots__ if given.get(name) is not None})
    facts = {name: item[name] for name in Plan.__slots__ if name != "terms"}
    return Plan(**facts, terms=terms)


def price_text(rate: int, currency: str) -> str:
    """The price of an hour as people write it, exact, with at least the currency's decimals."""
    digits = EXPONENTS.get(currency, 2)
    if rate % MICRO == 0:
        return str(Money(rate // MICRO, currency))
    whole, rest = divmod(rate, MICRO * 10**digits)
    decimals = f"{rest:0{6 + digits}d}".rstrip("0")
    return f"{whole}.{decimals} {currency}"


def parse_rate(price: str, currency: str) -> int:
    """`0.37` an hour in 10⁻⁶ minor units; InvalidInput where it is finer than that, or no price."""
    if not PRICE.fullmatch(price):
        raise InvalidInput(errors={"price": "A price such as 0.37, without a sign."})
    exact = Fraction(price) * MICRO * Money.units(currency)
    if exact.denominator != 1:
        raise InvalidInput(errors={"price": "Finer than a millionth of the smallest coin."})
    return exact.numerator


def check_slug(slug: str) -> None:
    if not SLUG.fullmatch(slug):
        raise InvalidInput(errors={"slug": "3 to 40 small letters, digits and dashes."})


def check_interest(word: str) -> None:
    if word not in INTERESTS:
        raise InvalidInput(errors={"interest": f"One of {', '.join(INTERESTS)}."})


def artifact_id(application_id: str, version: str, platform: str) -> str:
    return derived_id("art", application_id, version, platform)


def statement(
    *, application: str, version: str, platform: str, filename: str, size: int, sha256: str
) -> dict[str, str | int]:
    """What the vendor signs and Cetrus countersigns about an artifact."""
    return {
        "application": application,
        "version": version,
        "platform": platform,
        "filename": filename,
        "size": size,
        "sha256": sha256,
    }
