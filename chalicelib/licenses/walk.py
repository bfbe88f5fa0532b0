"""All licenses in the order of their index, a stretch at a time: for jobs that visit them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.licenses.store import SHARDS

if TYPE_CHECKING:
    from chalicelib.licenses.store import LicenseStore
    from chalicelib.licenses.values import Head


class LicenseWalk:
    def __init__(self, store: LicenseStore) -> None:
        self.store = store

    def stretch(self, after: str, limit: int) -> tuple[list[Head], str]:
        """Up to `limit` licenses from behind `after`, and where to go on: "" past the last one.

        The index may know one late, so a license that is new is met in this round or the next.
        """
        shard, _, last = after.partition("#")
        found, place = list[str](), after
        for number in range(int(shard or 0), SHARDS):
            for key in self.store.nominated(number, last):
                if len(found) == limit:
                    return heads(self.store, found), place
                found.append(key.pk.removeprefix("LICENSE#"))
                place = f"{number}#{found[-1]}"
            last = ""
        return heads(self.store, found), ""


def heads(store: LicenseStore, license_ids: list[str]) -> list[Head]:
    return [head for each in license_ids if (head := store.head(each))]
