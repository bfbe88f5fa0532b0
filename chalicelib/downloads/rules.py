"""Who may download: whoever holds a license of the application that is not ended."""

from __future__ import annotations

import re

from chalicelib.core.clock import SECOND
from chalicelib.core.errors import CetrusError

ARTIFACT_ID = re.compile(r"art_[0-9a-z]{26}")
LINK_SECONDS = 300_000 // SECOND


class LicenseNeeded(CetrusError):
    """The installer exists, and this account has no license of its application."""

    status = 402
    code = "license_needed"
    title = "A license comes first"
    detail = "Choose a plan of this application; the download opens once the card is confirmed."


def may_download(standing: str, ends_at: int | None, now: int) -> bool:
    """Not after the license was revoked, nor after its end."""
    return standing != "revoked" and (ends_at is None or now < ends_at)
