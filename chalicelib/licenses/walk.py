"""All licenses in the order of their index, a stretch at a time: for jobs that visit them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.licenses.store import SHARDS
from chalicelib.observability import failure

if TYPE_CHECKING:
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Head


class LicenseWalk:
    def __init__(self, store: LicenseStore) -> None:
        self.store = store

    def stretch(self, after: str, limit: int) -> tuple[list[Head], str, int]:
        """Up to `limit` licenses from behind `after`, and where to go on: "" past the last one.

        The last number is how many of them could not be read; each is told, and met next round.
        The index may know one late, so a license that is new is met in this round or the next.
        """
        shard, _, last = after.partition("#")
        found, place = list[str](), after
        for number in range(int(shard or 0), SHARDS):
            for key in self.store.nominated(number, last):
                if len(found) == limit:
                    return self._met(found, place)
                found.append(key.pk.removeprefix("LICENSE#"))
                place = f"{number}#{found[-1]}"
            last = ""
        return self._met(found, "")

    def _met(self, license_ids: list[str], place: str) -> tuple[list[Head], str, int]:
        heads: list[Head] = []
        unread = 0
        for license_id in license_ids:
            try:
                head = self.store.head(license_id)
            except Exception as error:  # noqa: BLE001 - one license must not hide the others
                failure("walk_failed", error, license=license_id)
                unread += 1
            else:
                heads += [head] if head else []
        return heads, place, unread
