"""Which rows are alike: by the three-letter pieces of their words, whatever their order.

Two texts are as alike as the share of pieces that they have in common (Dice's coefficient), in
percent. Spelling, accents, capitals, punctuation and the order of words count little or nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WORD = re.compile(r"\w+")


def pieces(text: str) -> frozenset[str]:
    """The three-letter pieces of each word, its ends marked by spaces; empty where no word is."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(letter)
    )
    padded = (f"  {word} " for word in WORD.findall(plain))
    return frozenset(word[at : at + 3] for word in padded for at in range(len(word) - 2))


class Rows:
    """Rows so far; each new one is compared with those before it that share a piece with it."""

    def __init__(self, percent: int) -> None:
        self._percent = percent
        self._sizes: list[int] = []
        self._holding: dict[str, list[int]] = defaultdict(list)

    def add(self, text: str) -> Iterator[tuple[int, int]]:
        """Earlier rows at least `percent` alike, by number, each with its exact percentage."""
        own = pieces(text)
        shared = Counter(row for piece in own for row in self._holding.get(piece, ()))
        number = len(self._sizes)
        self._sizes.append(len(own))
        for piece in own:
            self._holding[piece].append(number)
        for row, common in sorted(shared.items()):
            both = self._sizes[row] + len(own)
            if 200 * common >= self._percent * both:
                yield row, 200 * common // both


class Groups:
    """Rows that hang together through pairs; the first of a group stands for it."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def first(self, row: int) -> int:
        while self._above[row] != row:
            self._above[row] = self._above[self._above[row]]
            row = self._above[row]
        return row

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.first(one), self.first(other)))
        self._above[high] = low

    def firsts(self) -> list[int]:
        return [row for row, above in enumerate(self._above) if row == above]
