"""Subscriptions: periods as frozen instants, when to charge, when it is over. No I/O.

    active ──cancel──> canceling ──end of the period──> ended
      │  ^                │ keep
      │  └────────────────┘
      └─ a charge fails ─> past_due ── a charge succeeds ─> active
                              └── the last day is over ──> ended

A period is `[start, end)`. Its end is counted from the purchase, so that the 31st comes back after
a short month, and is written down when the period begins. The next one is charged at its start;
where that fails, again after 3, 5 and 7 days. The license lasts GRACE beyond what is paid while
that is tried, so that neither a late sweep nor a card that was replaced stops anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from chalicelib.core.clock import DAY, SECOND, months_after
from chalicelib.core.errors import Conflict, NotFound, TooMany

if TYPE_CHECKING:
    from chalicelib.payments.rules import Order

ACTIVE, CANCELING, PAST_DUE, ENDED = "active", "canceling", "past_due", "ended"
TRY_AFTER = (0, 3 * DAY, 5 * DAY, 7 * DAY)
GRACE = 8 * DAY
MOST_TRIES = 8  # of one period, with whatever cards
# Declines after which another try with the same card is pointless or forbidden.
HARD = frozenset(
    {
        "authentication_required",
        "expired_card",
        "fraudulent",
        "invalid_account",
        "lost_card",
        "merchant_blacklist",
        "no_card",
        "payment_method_unexpected_state",
        "pickup_card",
        "resource_missing",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
    }
)


class SubscriptionUnknown(NotFound):
    code = "subscription_unknown"
    title = "No such subscription"
    detail = "This account has no such subscription."


class EffectChanged(Conflict):
    """What was shown is not what would happen now."""

    code = "subscription_changed"
    title = "The subscription changed meanwhile"
    detail = "The subscription changed after this page was shown. Look at the effect again."


class OverAlready(Conflict):
    code = "subscription_ended"
    title = "This subscription has ended"
    detail = "It has ended and cannot be taken up again. Order the plan anew."


class TooManyCards(TooMany):
    """So that nobody finds out here which of many card numbers are good."""

    code = "too_many_cards"
    detail = "Another card can be given five times a day, and tried eight times a period."

    def __init__(self) -> None:
        super().__init__(DAY // SECOND)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is renewed: `price` is of one seat and period, frozen when it was ordered.

    `period` counts from 0 what is paid, `due` is when there is something to do next, `tries` how
    often the next period was tried. `charging` is the number of a try whose outcome is not known
    yet, and `refused` why the last one failed.
    """

    license_id: str
    account_id: str
    order_id: str
    vendor_id: str
    application_id: str
    application_name: str
    slug: str
    plan_id: str
    plan_name: str
    currency: str
    price: int
    seats: int
    months: int
    anchor: int
    period: int
    period_start: int
    period_end: int
    state: str = ACTIVE
    due: int | None = None
    tries: int = 0
    charging: int | None = None
    refused: str = ""
    version: int = 1

    @property
    def amount(self) -> int:
        """What a period costs, in minor units."""
        return self.price * self.seats

    @property
    def last_instant(self) -> int:
        """Until when the license lasts unless the next period is paid."""
        return self.period_end if self.state in {CANCELING, ENDED} else self.period_end + GRACE

    @property
    def set_end(self) -> int:
        """Where payments last set the license's end; another one is its vendor's word."""
        canceled = self.state == CANCELING and self.charging is None
        return self.period_end if canceled else self.period_end + GRACE

    @property
    def next_charge(self) -> int | None:
        """When the card is charged next, if it is."""
        if self.state in {CANCELING, ENDED} or self.refused in HARD:
            return None
        return self.due if self.state == PAST_DUE else self.period_end


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to charge one period; written before the processor is asked."""

    license_id: str
    account_id: str
    period: int
    number: int
    customer: str
    method: str
    card: str
    amount: int
    currency: str
    started_at: int
    outcome: str = "started"
    payment_id: str = ""
    code: str = ""

    @property
    def key(self) -> str:
        """The idempotency key: the same try is the same payment."""
        return f"{self.license_id}:{self.period}:{self.number}"

    @property
    def facts(self) -> dict[str, str]:
        """What its payment is found by, whichever try it was."""
        return {"subscription": self.license_id, "period": str(self.period)}


class Step(Enum):
    WAIT = "wait"
    CHARGE = "charge"
    END = "end"


def begun(order: Order, license_id: str, now: int) -> Subscription:
    """The subscription that a paid order begins: its first period is paid."""
    plan, months = order.plan, order.plan.terms.period_months or 1
    first_end = months_after(now, months)
    return Subscription(
        license_id, order.account_id, order.id, plan.vendor_id, plan.application_id,
        order.application_name, order.slug, plan.id, plan.name, plan.currency, plan.terms.price,
        order.seats or 1, months, anchor=now, period=0, period_start=now, period_end=first_end,
        due=first_end,
    )  # fmt: skip


def next_step(of: Subscription, now: int, *, payable: bool, over: bool) -> tuple[Step, int]:
    """What to do now, and for WAIT until when."""
    last = of.period_end + GRACE
    if over or now >= last:
        return Step.END, now
    if now < of.period_end:
        return Step.WAIT, of.period_end
    if of.state == CANCELING:
        return Step.END, now
    if not payable:
        return Step.WAIT, min(now + DAY, last)
    return Step.CHARGE, now


def renewed(of: Subscription) -> Subscription:
    """One more period is paid: from the end of the last, to an end counted from the purchase."""
    until = months_after(of.anchor, (of.period + 2) * of.months)
    return replace(
        of, period=of.period + 1, period_start=of.period_end, period_end=until, due=until,
        state=CANCELING if of.state == CANCELING else ACTIVE, tries=0, charging=None, refused="",
        version=of.version + 1,
    )  # fmt: skip


def failed(of: Subscription, code: str, now: int) -> Subscription:
    """A try failed: the next one, or the last day; one that was to end anyway ends now."""
    if of.state == CANCELING:
        return ended(replace(of, charging=None, refused=code))
    again = of.tries + 1 < MOST_TRIES
    due = next_try(of.period_end, code, now) if again else of.period_end + GRACE
    return replace(
        of, state=PAST_DUE, due=due, tries=of.tries + 1, charging=None, refused=code,
        version=of.version + 1,
    )  # fmt: skip


def next_try(period_end: int, code: str, now: int) -> int:
    """The next of the days on which a charge is tried, or the end of the grace."""
    days = () if code in HARD else TRY_AFTER
    return next((period_end + day for day in days if period_end + day > now), period_end + GRACE)


def charging(of: Subscription) -> Subscription:
    return replace(of, charging=of.tries + 1, version=of.version + 1)


def with_another_card(of: Subscription, now: int) -> Subscription | None:
    """A charge that failed is tried at once with it; None where nothing waits for a card."""
    if of.state != PAST_DUE or of.charging is not None or of.tries >= MOST_TRIES:
        return None
    return replace(of, refused="", due=now, version=of.version + 1)


def end_on_canceling(of: Subscription, ends_at: int | None, now: int) -> int | None:
    """Where the license ends once it is canceled, if it ends at `ends_at` now; never later.

    An end that its vendor set within the grace stays, so that keeping the subscription cannot move
    it; the sweep ends what is not paid.
    """
    if now >= of.period_end:
        return now if ends_at is None else min(ends_at, now)
    vendors = ends_at is not None and ends_at != of.set_end and ends_at < of.period_end + GRACE
    return ends_at if vendors else of.period_end


def end_on_paying(of: Subscription, after: Subscription, ends_at: int | None) -> int | None:
    """Where the license ends once more is paid or kept: what its vendor set stays."""
    return after.last_instant if ends_at == of.set_end else ends_at


def cut_short(of: Subscription, ends_at: int | None) -> bool:
    """Does the license end, by its vendor's word, before the next period does?"""
    return ends_at is not None and ends_at != of.set_end and ends_at < renewed(of).period_end


def waiting(of: Subscription, until: int) -> Subscription:
    return replace(of, due=until, version=of.version + 1)


def ended(of: Subscription) -> Subscription:
    return replace(of, state=ENDED, due=None, version=of.version + 1)


def canceled(of: Subscription, now: int) -> Subscription:
    """It runs to the end of what is paid; what is not paid ends now.

    A charge whose outcome is not known is waited for.
    """
    if of.charging is None and now >= of.period_end:
        return ended(of)
    due = of.due if of.charging is not None else of.period_end
    return replace(of, state=CANCELING, due=due, version=of.version + 1)


def kept(of: Subscription) -> Subscription:
    """As if it had not been canceled."""
    due = of.due if of.charging is not None else of.period_end
    state = PAST_DUE if of.tries else ACTIVE
    return replace(of, state=state, due=due, version=of.version + 1)
