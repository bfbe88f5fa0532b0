"""Cards as people know theirs."""

from __future__ import annotations


def card_text(brand: str, last4: str) -> str:
    """`Visa ending in 4242`."""
    return f"{brand.capitalize()} ending in {last4}"
