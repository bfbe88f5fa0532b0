"""The environment as a frozen value, read on first use and never at import."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cache


@dataclass(frozen=True, slots=True)
class Settings:
    """Names and addresses of what the function works with; no secret is ever among them."""

    stage: str
    base_url: str
    accounts_table: str
    usage_table: str
    keys_table: str
    installers_bucket: str
    logs_bucket: str
    visitor_logs_bucket: str
    heads_bucket: str
    proof_bucket: str
    mail_bucket: str
    mail_queue_url: str
    payments_queue_url: str
    vault_key_id: str
    signing_key_id: str
    ledger_key_id: str
    secrets_prefix: str
    processor_api: str
    processor_origin: str
    mail_from: str
    mail_domain: str
    mail_configuration_set: str


@cache
def settings() -> Settings:
    """Read once a process; KeyError names a variable that the template forgot."""
    return Settings(**{field.name: os.environ[field.name.upper()] for field in fields(Settings)})
