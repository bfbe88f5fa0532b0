"""Which deployment is meant: its stage, and the file of what the operator chose for it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

LIVE = "prod"
"""The one stage that takes real money; every other uses the processor's test mode."""

FORMS = {
    "account": r"\d{12}",
    "region": r"[a-z]{2}(-[a-z]+)+-\d",
    "artifacts": r"[a-z0-9][a-z0-9.-]{2,62}",
    "base_url": r"https://[^/\s]+(/[^/\s]+)*",
    "mail_domain": r"[a-z0-9-]+(\.[a-z0-9-]+)+",
    "alarm_email": r"[^@\s]+@[^@\s]+",
    "certificate": r"(arn:aws[a-z-]*:acm:us-east-1:\d{12}:certificate/[a-z0-9-]+)?",
    "processor_api": r"https://[^/\s]+",
    "processor_origin": r"https://[^/\s]+",
}
OPTIONAL = frozenset({"certificate", "processor_api", "processor_origin"})


class BadParameters(Exception):
    """The stage or the file of parameters cannot be used; the text says what of it, and why."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One stage in one account and region. Without a certificate there is no edge before it."""

    stage: str
    account: str
    region: str
    artifacts: str
    base_url: str
    mail_domain: str
    alarm_email: str
    certificate: str = ""
    processor_api: str = "https://api.stripe.com"
    processor_origin: str = "https://checkout.stripe.com"

    @property
    def stack(self) -> str:
        return f"cetrus-{self.stage}"

    @property
    def edge_stack(self) -> str:
        return f"cetrus-{self.stage}-edge"

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    @property
    def live(self) -> bool:
        return self.stage == LIVE

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of infra/resources.yaml."""
        return {
            "Stage": self.stage,
            "BaseUrl": self.base_url,
            "MailDomain": self.mail_domain,
            "AlarmEmail": self.alarm_email,
            "ProcessorApi": self.processor_api,
            "ProcessorOrigin": self.processor_origin,
        }


def read_deployment(stage: str, file: Path) -> Deployment:
    """Read a file of parameters (JSON, names as in `Deployment`); raises BadParameters."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", stage):
        raise BadParameters("STAGE must be at most 12 small letters and digits, a letter first.")
    try:
        given = json.loads(file.read_text())
    except OSError as error:
        raise BadParameters(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BadParameters(f"{file} is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise BadParameters(f"{file} must hold one JSON object.")
    return Deployment(stage, **_checked(given))


def _checked(given: dict[str, object]) -> dict[str, str]:
    known = {field.name for field in fields(Deployment)} - {"stage"}
    if unknown := sorted(given.keys() - known):
        raise BadParameters(f"Not known: {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
    if missing := [name for name in FORMS if name not in {*given, *OPTIONAL}]:
        raise BadParameters(f"Missing: {', '.join(missing)}.")
    if wrong := [name for name, value in given.items() if not _fits(name, value)]:
        raise BadParameters(f"Not of the form that is wanted: {', '.join(wrong)}.")
    return {name: str(value) for name, value in given.items()}


def _fits(name: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(FORMS[name], value) is not None
