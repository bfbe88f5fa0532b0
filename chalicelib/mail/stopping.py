"""Ending mail of a kind by the link that stands in it: no sign-in, and in force at once (PS-60).

To end offers or partner mail is to take the yes back as well, where the account still stands: the
page of choices then says what holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.mail.rules import MailClass
from chalicelib.mail.templates import TOPICS
from chalicelib.mail.wishes import class_row, way_out_hash
from chalicelib.observability import count
from chalicelib.privacy.rules import Purpose
from chalicelib.privacy.timings import Which

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.wishes import WayOut, WishStore
    from chalicelib.privacy.timings import Times


CHOSEN = {
    class_row(MailClass.OFFER): Purpose.MARKETING,
    class_row(MailClass.PARTNER): Purpose.PARTNER_MAIL,
}
REASON = "link:unsubscribe"


def keep(account: str, purpose: Purpose, reason: str) -> None:
    """For whoever may not touch keys: the suppression is enough."""


class Stopping:
    """`withdraw` takes an account's yes to a purpose back; `which` is how it was asked for."""

    def __init__(
        self,
        wishes: WishStore,
        keyed: KeyedHash,
        clock: Clock,
        times: Times,
        withdraw: Callable[[str, Purpose, str], None] = keep,
        which: Which = Which.STOPPED_BY_LINK,
    ) -> None:
        self.wishes, self.keyed, self.clock, self.withdraw = wishes, keyed, clock, withdraw
        self.times, self.which = times, which

    def way_out(self, token: str) -> WayOut | None:
        """What the token would end; None where no mail of ours carried it. Changes nothing."""
        return self.wishes.way_out(way_out_hash(self.keyed, token))

    def stop(self, token: str) -> WayOut | None:
        """What the token ended, now or before; None where no mail of ours carried it."""
        asked, way = self.clock(), self.way_out(token)
        if way is None:
            return None
        # The address's own row outlives the account; the account's choice follows it to another.
        news = self.wishes.suppress(way.suppression, way.row, "link", self.clock())
        if way.account and way.topic in TOPICS:
            self.wishes.table.apply(self.wishes.turn_off(way.account, way.topic))
        if way.account and way.row in CHOSEN:
            self.withdraw(way.account, CHOSEN[way.row], REASON)
        count("mail_stopped")
        if news:
            self.times.note(self.which, asked, self.clock())
        return way
