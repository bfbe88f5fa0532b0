"""Ending mail of a kind by the link that stands in it: no sign-in, and in force at once (PS-60).

To end offers or partner mail is to take the yes back as well, to each purpose of the class and
where the account still stands: the page of choices then says what holds. Nothing is written of
one that left, also where it leaves at this very instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.errors import Unavailable
from chalicelib.mail.templates import TOPICS
from chalicelib.mail.wishes import way_out_hash
from chalicelib.observability import count
from chalicelib.privacy.timings import Which
from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.rules import MailClass
    from chalicelib.mail.wishes import WayOut, WishStore
    from chalicelib.privacy.timings import Times
    from chalicelib.storage.dynamo import Write

    Commit = Callable[[Callable[[], list[Write]]], None]
    Standing = Callable[[str], list[Write]]
    TakingBack = Callable[[str, MailClass], list[Write]]


TRIES = 4


class Stopping:
    """`take_back` is what a stop of a class does to an account; `which` is how it was asked for.

    `standing` is the condition that an account stands; nothing where it does not.
    """

    def __init__(
        self,
        wishes: WishStore,
        keyed: KeyedHash,
        clock: Clock,
        times: Times,
        commit: Commit,
        standing: Standing,
        take_back: TakingBack,
        which: Which = Which.STOPPED_BY_LINK,
    ) -> None:
        self.wishes, self.keyed, self.clock, self.times = wishes, keyed, clock, times
        self.commit, self.take_back, self.which = commit, take_back, which
        self.standing = standing

    def way_out(self, token: str) -> WayOut | None:
        """What the token would end; None where no mail of ours carried it. Changes nothing."""
        return self.wishes.way_out(way_out_hash(self.keyed, token))

    def stopped(self, way: WayOut) -> bool:
        """Whether the address wants none of it already."""
        return any(item["sk"] == way.row for item in self.wishes.in_force(way.suppression))

    def stop(self, token: str) -> WayOut | None:
        """What the token ended, now or before; None where no mail of ours carried it."""
        asked, way = self.clock(), self.way_out(token)
        if way is None:
            return None
        news = self._stop(way)
        count("mail_stopped")
        if news:
            self.times.note(self.which, asked, self.clock())
        return way

    def _stop(self, way: WayOut) -> bool:
        """All of it or nothing; False where the address wants none of it already."""
        # The address's own row outlives the account; the account's choice follows it to another.
        first = [self.wishes.suppression(way.suppression, way.row, "link", self.clock())]

        def build() -> list[Write]:
            return [*first, *self._of_account(way)]

        for _ in range(TRIES):
            try:
                self.commit(build)
            except ConditionFailed as refusal:
                if first and refusal.at(0):
                    first.clear()
                continue  # otherwise the account left since it was looked at
            return bool(first)
        raise Unavailable

    def _of_account(self, way: WayOut) -> list[Write]:
        stands = self.standing(way.account) if way.account else []
        if not way.account or not stands:
            return []
        if way.whole:
            return [*stands, *self.take_back(way.account, way.whole)]
        if way.topic in TOPICS:
            return [*stands, self.wishes.turn_off(way.account, way.topic)]
        return []
