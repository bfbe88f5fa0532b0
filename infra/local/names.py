"""What never changes about the local cloud: its account, its region, how its parts are called."""

from __future__ import annotations

import hashlib
import re

ACCOUNT = "123456789012"
REGION = "eu-west-1"
PARTITION = "aws"
STACK = "cetrus"
OPERATOR_KEY = "AKIALOCALOPERATOR000"
OPERATOR_SECRET = "local-operator"  # noqa: S105  # opens a local process only  # it opens nothing but a process on this machine


def arn(service: str, resource: str, *, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:{PARTITION}:{service}:{region}:{account}:{resource}"


def function_name(logical_id: str) -> str:
    """`MailSender` is `mail_sender`; Chalice calls the routes' function `APIHandler`."""
    if logical_id == "APIHandler":
        return "api_handler"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", logical_id).lower()


def derived(seed: str, *parts: str, length: int = 12) -> str:
    """A stable upper-case suffix: the same data folder gives a resource the same name again."""
    digest = hashlib.sha256("\0".join((seed, *parts)).encode()).hexdigest()
    return digest[:length].upper()


def derived_uuid(seed: str, *parts: str) -> str:
    d = hashlib.sha256("\0".join((seed, *parts)).encode()).hexdigest()
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:32]}"
