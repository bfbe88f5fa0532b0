"""What the order forms send."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class OrderForm(BaseModel):
    """`attempt` is drawn with the page, so that a double click is one order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_]+$")
    seats: int | None = Field(default=None, ge=0, le=10_000)
    terms: int | None = Field(default=None, ge=1)
    attempt: str = Field(default="", max_length=64, pattern=r"^[A-Za-z0-9_-]*$")


class CheckoutForm(BaseModel):
    """Nothing but the form's own tie to the browser."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CancelForm(BaseModel):
    """`shown` is the version of the subscription whose effect the person saw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shown: int = Field(ge=1)


class CardForm(BaseModel):
    """`attempt` is drawn with the page, so that a double click is one card page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempt: str = Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
