"""The lines of a compressed file, as a stream: no more than a line and a buffer is ever held."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUFFER = 256 * 1024
LONGEST_LINE = 64 * 1024  # far above what the front door logs of a request
GZIP = 16 + zlib.MAX_WBITS
TOO_LONG = b"\0 too long"  # stands for a line that was not kept, and is no JSON


class Unreadable(Exception):
    """The file is not what the front door writes; the text never quotes it."""


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Each line without its end, empty ones left out; Unreadable where it is no whole gzip."""
    rest = b""
    for piece in unzipped(chunks):
        first, *more = piece.split(b"\n")
        rest = joined(rest, first)
        if more:
            yield from filter(None, (rest, *more[:-1]))
            rest = more[-1]
    if rest:
        yield rest


def joined(rest: bytes, more: bytes) -> bytes:
    """A line that goes on; one that is too long is forgotten up to its end."""
    if rest is TOO_LONG or len(rest) + len(more) > LONGEST_LINE:
        return TOO_LONG
    return rest + more


def unzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content, piece by piece, of one gzip member or several."""
    member = zlib.decompressobj(GZIP)
    begun = False
    try:
        for chunk in chunks:
            data = chunk
            while data:
                begun = True
                if piece := member.decompress(data, BUFFER):
                    yield piece
                data = member.unconsumed_tail or member.unused_data
                if member.eof:
                    member, begun = zlib.decompressobj(GZIP), bool(data)
    except zlib.error:
        raise Unreadable from None
    if begun:
        raise Unreadable
