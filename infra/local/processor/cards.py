"""The test cards: what each one does. No other number is taken, and no number is kept."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from infra.local.processor.errors import CardError, JsonObject

Step = Literal["setup", "charge"]


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card is refused, in Stripe's codes."""

    code: str
    message: str
    decline_code: str | None = None

    def error(self) -> CardError:
        if self.decline_code is None:
            return CardError(self.message, self.code)
        return CardError(self.message, self.code, decline_code=self.decline_code)


@dataclass(frozen=True, slots=True)
class Behavior:
    """What a test card does when it is saved, charged, and after the charge.

    `authenticates` says when the person is asked to confirm: never, in the session only, or
    for every payment (so that a charge without the person is refused).
    """

    name: str
    summary: str
    setup: Decline | None = None
    charge: Decline | None = None
    authenticates: Literal["never", "session", "always"] = "never"
    dispute: Literal["needs_response", "warning_needs_response"] | None = None

    def decline(self, step: Step) -> Decline | None:
        return self.setup if step == "setup" else self.charge


@dataclass(frozen=True, slots=True)
class Card:
    """All that is kept of a card that was typed in."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int
    behavior: str

    def public(self) -> JsonObject:
        return {
            "brand": self.brand,
            "last4": self.last4,
            "exp_month": self.exp_month,
            "exp_year": self.exp_year,
            "country": "US",
            "funding": "credit",
            "checks": {"cvc_check": "pass"},
        }


_DECLINED = "Your card was declined."
_GENERIC = Decline("card_declined", _DECLINED, "generic_decline")
_FUNDS = Decline("card_declined", "Your card has insufficient funds.", "insufficient_funds")
_EXPIRED = Decline("expired_card", "Your card has expired.")

AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
AUTHENTICATION_FAILED_MESSAGE = (
    "We are unable to authenticate your payment method. "
    "Please choose a different payment method and try again."
)

BEHAVIORS = MappingProxyType(
    {
        behavior.name: behavior
        for behavior in (
            Behavior("succeeds", "Succeeds"),
            Behavior("declined", "Is declined", _GENERIC, _GENERIC),
            Behavior("insufficient-funds", "Has insufficient funds", _FUNDS, _FUNDS),
            Behavior("expired", "Is declined as expired", _EXPIRED, _EXPIRED),
            Behavior(
                "declined-when-charged",
                "Is saved, then declined at every charge",
                charge=_GENERIC,
            ),
            Behavior(
                "authenticates-once",
                "Asks to confirm now; later charges succeed",
                authenticates="session",
            ),
            Behavior(
                "authenticates-always",
                "Asks to confirm now; later charges without you are refused",
                authenticates="always",
            ),
            Behavior(
                "disputed",
                "Is saved; its charges are disputed as fraudulent",
                dispute="needs_response",
            ),
            Behavior(
                "inquired",
                "Is saved; its charges are inquired about",
                dispute="warning_needs_response",
            ),
        )
    }
)

_NUMBERS = MappingProxyType(
    {
        "4242424242424242": ("visa", "succeeds"),
        "5555555555554444": ("mastercard", "succeeds"),
        "4000000000000002": ("visa", "declined"),
        "4000000000009995": ("visa", "insufficient-funds"),
        "4000000000000069": ("visa", "expired"),
        "4000000000000341": ("visa", "declined-when-charged"),
        "4000002500003155": ("visa", "authenticates-once"),
        "4000000000003220": ("visa", "authenticates-always"),
        "4000000000000259": ("visa", "disputed"),
        "4000000000001976": ("visa", "inquired"),
    }
)


def digits(text: str) -> str:
    """The number as typed, without the spaces and dashes people put in."""
    return text.translate(str.maketrans("", "", " -\u00a0\u202f"))


def known(number: str) -> bool:
    return digits(number) in _NUMBERS


def read_card(number: str, exp_month: int, exp_year: int) -> Card | None:
    """What is kept of a test card; None for every other number."""
    plain = digits(number)
    if plain not in _NUMBERS:
        return None
    brand, behavior = _NUMBERS[plain]
    return Card(brand, plain[-4:], exp_month, exp_year, behavior)


def number_for(behavior: str) -> str | None:
    """The first test number with this behavior, in groups of four."""
    for number, (_brand, name) in _NUMBERS.items():
        if name == behavior:
            return " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    return None
