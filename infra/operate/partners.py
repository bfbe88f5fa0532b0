"""The register of partners, from the operator's desk."""

from __future__ import annotations

from datetime import date
from typing import Any

from chalicelib import wiring
from chalicelib.core.clock import DAY, from_text, to_text
from chalicelib.core.errors import CetrusError
from chalicelib.settings import settings

Json = dict[str, Any]


def register(name: str, until: str, partner_id: str = "") -> Json:
    """A partner whose contract runs to the end of the day `until`, or another end of one."""
    try:
        date.fromisoformat(until)
    except ValueError:
        raise CetrusError("--until is a day, such as 2027-12-31") from None
    ends_at = from_text(f"{until}T00:00:00Z") + DAY
    made = wiring.partners().register(name, ends_at, partner_id)
    return {"id": made.id, "name": made.name, "ends_at": to_text(made.ends_at)}


def link(partner_id: str, month: str) -> Json:
    """A link that fetches the month's file once, within seven days."""
    token = wiring.partners().new_link(partner_id, month)
    return {"link": f"{settings().base_url}/partners/{token}", "works": "once, for seven days"}
