"""Ending mail of a kind by the link that stands in it: no sign-in, and in force at once (PS-60)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.mail.templates import TOPICS
from chalicelib.mail.wishes import way_out_hash
from chalicelib.observability import count

if TYPE_CHECKING:
    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.wishes import WayOut, WishStore


class Stopping:
    def __init__(self, wishes: WishStore, keyed: KeyedHash, clock: Clock) -> None:
        self.wishes, self.keyed, self.clock = wishes, keyed, clock

    def way_out(self, token: str) -> WayOut | None:
        """What the token would end; None where no mail of ours carried it. Changes nothing."""
        return self.wishes.way_out(way_out_hash(self.keyed, token))

    def stop(self, token: str) -> WayOut | None:
        """What the token ended, now or before; None where no mail of ours carried it."""
        way = self.way_out(token)
        if way is None:
            return None
        # The address's own row outlives the account; the account's choice follows it to another.
        self.wishes.suppress(way.suppression, way.row, "link", self.clock())
        if way.account and way.topic in TOPICS:
            self.wishes.table.apply(self.wishes.turn_off(way.account, way.topic))
        count("mail_stopped")
        return way
