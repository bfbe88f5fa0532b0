"""The contracts that bind those whom we tell anything of somebody (PS-40).

Without one in force nothing is sent, and a checkout says so. A new one takes the place of the one
before it, from now on.
"""

from __future__ import annotations

from typing import Any

from chalicelib import wiring
from chalicelib.core.clock import from_text, to_text
from chalicelib.core.errors import InvalidInput
from chalicelib.privacy.disclosures import Contract
from chalicelib.privacy.policies import RECIPIENTS


def sign(recipient: str, contract: str, until: str) -> dict[str, Any]:
    """In force until the beginning of the day `until`, such as 2027-12-31, in UTC."""
    if recipient not in RECIPIENTS:
        raise InvalidInput(errors={"recipient": f"One of {', '.join(sorted(RECIPIENTS))}."})
    try:
        ends = from_text(f"{until}T00:00:00Z")
    except ValueError:
        raise InvalidInput(errors={"until": "A day such as 2027-12-31."}) from None
    wiring.disclosures().sign(Contract(recipient, contract, ends))
    return {
        "recipient": recipient, "contract": contract, "until": to_text(ends),
        "in_force": ends > wiring.now(),
    }  # fmt: skip
