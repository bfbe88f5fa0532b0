"""The inbox of the local cloud: every mail that a function hands to SES, whole."""

from __future__ import annotations

import base64
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .store import Store
    from .wire import Call

KIND = "mail"
Json = dict[str, Any]


class Inbox:
    """Mails in the order they were sent; they survive a restart."""

    def __init__(self, store: Store, now: Callable[[], str]) -> None:
        self._store, self._now = store, now
        self._mails: list[Json] = [body for _, _, body in store.all(KIND)]
        self._lock = threading.Lock()

    def keep(self, call: Call) -> Json | None:
        """The mail that the call sends, kept; None for a call that sends none."""
        if call.action not in {"SendEmail", "SendRawEmail"}:
            return None
        mail = {**_mail(call), "at": self._now()}
        with self._lock:
            self._store.put(KIND, "", f"{len(self._mails):09d}", mail)
            self._mails.append(mail)
        return mail

    def mails(self, to: str | None = None) -> list[Json]:
        """All, or those with a recipient of exactly this address, in any case of letters."""
        with self._lock:
            found = list(self._mails)
        return [mail for mail in found if to is None or to.lower() in _addresses(mail["to"])]


def _addresses(text: str) -> set[str]:
    return {address.lower() for _, address in getaddresses([text])}


def _mail(call: Call) -> Json:
    raw = _raw(call)
    message = message_from_bytes(raw, policy=policy.default)
    recipients = list(_recipients(call)) or [str(v) for v in message.get_all("To", [])]
    tags = {**_header_tags(message), **_call_tags(call)}
    return {
        "to": ", ".join(recipients),
        "from": str(message["From"] or ""),
        "subject": str(message["Subject"] or ""),
        "class": tags.get("class"),
        "headers": {name: str(value) for name, value in message.items()},
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
        "raw": raw.decode("utf-8", "replace"),
    }


def _raw(call: Call) -> bytes:
    body = call.parameters
    data = body.get("RawMessage.Data") or body.get("Content", {}).get("Raw", {}).get("Data")
    return base64.b64decode(data) if data else _composed(call)


def _composed(call: Call) -> bytes:
    """A mail that the function gave in parts, made into one message."""
    body = call.parameters
    simple = body.get("Content", {}).get("Simple", {})
    message = EmailMessage()
    message["From"] = body.get("FromEmailAddress") or body.get("Source", "")
    message["To"] = ", ".join(_recipients(call))
    message["Subject"] = simple.get("Subject", {}).get("Data") or body.get(
        "Message.Subject.Data", ""
    )
    for header in simple.get("Headers", []):
        message[header["Name"]] = header["Value"]
    parts = simple.get("Body", {})
    text = parts.get("Text", {}).get("Data") or body.get("Message.Body.Text.Data", "")
    html = parts.get("Html", {}).get("Data") or body.get("Message.Body.Html.Data")
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


def _recipients(call: Call) -> Iterable[str]:
    destination = call.parameters.get("Destination")
    if isinstance(destination, dict):
        for kind in ("ToAddresses", "CcAddresses", "BccAddresses"):
            yield from destination.get(kind, [])
    for name, value in call.parameters.items():
        if name.startswith(("Destinations.member.", "Destination.ToAddresses.member.")):
            yield value


def _header_tags(message: Any) -> dict[str, str]:
    pairs = str(message["X-SES-MESSAGE-TAGS"] or "").split(",")
    return {
        name.strip(): value.strip()
        for name, mark, value in (p.partition("=") for p in pairs)
        if mark
    }


def _call_tags(call: Call) -> dict[str, str]:
    tags = call.parameters.get("EmailTags", [])
    return {tag["Name"]: tag["Value"] for tag in tags}


def _part(message: Any, subtype: str) -> str | None:
    for part in message.walk():
        if part.get_content_type() == f"text/{subtype}" and not part.is_attachment():
            return str(part.get_content())
    return None
