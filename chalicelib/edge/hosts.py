"""Which host names are ours: what is stated here is stated of them and of no other (PS-43).

Misdirected   421  the request names another host
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.core.errors import CetrusError
from chalicelib.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Misdirected(CetrusError):
    status = 421
    code = "misdirected"
    title = "Not a name of ours"
    detail = "This service does not answer under that host name."


def ours() -> tuple[str, ...]:
    """Our own host names, without ports; on one machine all names that it has for itself."""
    name = bare(urlsplit(settings().base_url).netloc)
    return LOOPBACK if name in LOOPBACK else (name,)


def bare(host: str) -> str:
    """A host as it is compared: in lower case, without its port."""
    name = host.strip().lower()
    return name if name.endswith("]") else name.rpartition(":")[0] or name


def is_ours(event: Mapping[str, Any]) -> bool:
    """Whether the request was sent to us.

    The front door names the gateway's own host to it and keeps the viewer's, which it has judged
    by itself; a request without any host comes from no browser.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    host = bare(headers.get("host") or "")
    gateway = f"{event['requestContext'].get('apiId', '')}.execute-api."
    return not host or host in ours() or host.startswith(gateway)
