"""Single-use links in mail: derived from the message, so that nothing stored can open anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chalicelib.core.keyed import KeyedHash


def link_token(keyed: KeyedHash, message_id: str) -> str:
    """The token that this message's link carries; made when it is handed over, and never stored."""
    return keyed.token("link", message_id)


def link_hash(keyed: KeyedHash, token: str) -> str:
    """What is stored in place of the token."""
    return keyed.of("link-hash", token)
