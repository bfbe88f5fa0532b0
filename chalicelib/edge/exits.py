"""The way to other sites: only through a page that says so, and only to addresses of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from chalicelib.core.errors import NotFound
from chalicelib.core.keyed import same
from chalicelib.core.signing import BadSignature, b64, unb64

if TYPE_CHECKING:
    from chalicelib.core.keyed import KeyedHash

USE = "exit"


def link_out(url: str, keyed: KeyedHash) -> str:
    """The path of the exit page for an address; ValueError for what a browser should not follow."""
    if urlsplit(url).scheme != "https" or not host_of(url):
        raise ValueError("only https addresses are linked")
    return f"/exit?to={quote(f'{b64(url.encode())}.{keyed.token(USE, url)}')}"


def read_target(signed: str, keyed: KeyedHash) -> str:
    """The address that we signed; NotFound for any other, so that nobody can use us to redirect."""
    encoded, _, mark = signed.partition(".")
    try:
        url = unb64(encoded).decode()
    except (BadSignature, UnicodeDecodeError):
        raise NotFound from None
    if not same(mark, keyed.token(USE, url)):
        raise NotFound
    return url


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""
