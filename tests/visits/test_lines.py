"""Files as streams: whole, in pieces, damaged, and far too large."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.visits.lines import BUFFER, LONGEST_LINE, TOO_LONG, Unreadable, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=30),
       st.integers(1, 50))  # fmt: skip
def test_lines_come_out_however_the_bytes_arrive(lines: list[bytes], size: int) -> None:
    data = gzip.compress(b"\n".join(lines))
    assert list(lines_of(pieces(data, size))) == [line for line in lines if line]


def test_a_line_that_looks_like_one_that_was_not_kept_is_kept() -> None:
    data = gzip.compress(TOO_LONG + b" at all\nnext")
    for size in (1, 7, 1000):
        assert list(lines_of(pieces(data, size))) == [TOO_LONG + b" at all", b"next"]


def test_a_file_of_several_members_is_one_file() -> None:
    data = gzip.compress(b"one\ntw") + gzip.compress(b"o\nthree\n")
    for size in (1, 7, 1000):
        assert list(lines_of(pieces(data, size))) == [b"one", b"two", b"three"]


def test_an_empty_file_has_no_lines() -> None:
    assert list(lines_of([])) == []
    assert list(lines_of([gzip.compress(b"")])) == []


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"one\ntwo\n")[:-9],
        gzip.compress(b"one\n") + gzip.compress(b"two\n")[:4],
        b"one\ntwo\n",
        gzip.compress(b"one\ntwo\n")[:12] + b"\0\0\0\0\0\0\0\0\0\0",
    ],
    ids=["cut short", "cut in a later member", "plain text", "damaged"],
)
def test_what_is_no_whole_gzip_is_unreadable(data: bytes) -> None:
    for size in (1, 1000):
        with pytest.raises(Unreadable) as caught:
            list(lines_of(pieces(data, size)))
        assert str(caught.value) == ""


def test_a_line_that_is_too_long_is_forgotten_and_the_next_is_read() -> None:
    data = gzip.compress(b"a" * (LONGEST_LINE * 40) + b"\nnext\n")
    assert list(lines_of(pieces(data, 999))) == [TOO_LONG, b"next"]


def test_memory_does_not_grow_with_what_a_file_unpacks_to() -> None:
    def peak(megabytes: int) -> int:
        def compressed() -> Iterator[bytes]:
            for _ in range(megabytes):
                yield gzip.compress(b"b" * 1_000_000 + b"\n")

        tracemalloc.start()
        assert sum(1 for _ in lines_of(compressed())) == megabytes
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(40) < peak(4) + 4 * BUFFER
