"""An account's choices about mail: when it is morning, which notices, and mail that comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.errors import Conflict
from chalicelib.mail.rules import LAWS, MailClass
from chalicelib.mail.templates import TOPICS
from chalicelib.mail.wishes import (
    BOUNCED,
    COMPLAINED,
    class_row,
    suppression_of,
    topic_row,
)
from chalicelib.privacy import sinks
from chalicelib.privacy.rules import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chalicelib.core.clock import Clock
    from chalicelib.core.keyed import KeyedHash
    from chalicelib.mail.agenda import AgendaStore
    from chalicelib.mail.wishes import Choices, WishStore
    from chalicelib.privacy.service import Vault

PAGE = "page:/account/notices"


class NotOptional(Conflict):
    """Mail of this class comes with the account (PS-62)."""

    code = "not_optional"
    title = "This mail comes with the account"
    detail = "Mail about your account and about the service cannot be switched off."


class Notices:
    """`subject_of` names whom an account's address is sealed under."""

    def __init__(
        self,
        wishes: WishStore,
        agendas: AgendaStore,
        subject_of: Callable[[str], str],
        vault: Vault,
        keyed: KeyedHash,
        clock: Clock,
    ) -> None:
        self.wishes, self.agendas = wishes, agendas
        self.subject_of, self.vault, self.keyed, self.clock = subject_of, vault, keyed, clock

    def of(self, account: str) -> Choices:
        return self.wishes.choices(account)

    def choose_zone(self, account: str, zone: str) -> None:
        """Mornings are there from now on; nothing is said twice because of it."""
        self.wishes.table.apply(self.wishes.set_zone(account, zone))
        self.agendas.look_at(account, self.clock())

    def choose(self, account: str, wanted: Iterable[str]) -> None:
        """Exactly these topics from now on; to ask for one again ends what once stopped it."""
        off, wanted = self.of(account).topics_off, set(wanted)
        for topic in sorted(TOPICS.keys() - wanted - off):
            self.wishes.table.apply(self.wishes.turn_off(account, topic))
        if again := sorted(wanted & off):
            self._lift(account, [COMPLAINED, class_row(MailClass.NOTICE), *map(topic_row, again)])
            self.wishes.table.apply(self.wishes.clear(account, COMPLAINED, self.clock()))
        for topic in again:
            self.wishes.table.apply(self.wishes.turn_on(account, topic))

    def ask_again(self, account: str, mail_class: MailClass, address: str) -> None:
        """A new yes to mail of this class: what once stopped it does so no more (PS-68)."""
        hashed, now = suppression_of(self.keyed, address), self.clock()
        self.wishes.lift(hashed, [COMPLAINED, class_row(mail_class)], now)
        if self.of(account).complained_at is not None:
            self.wishes.table.apply(self.wishes.clear(account, COMPLAINED, now))

    def stopped(self, address: str) -> dict[Purpose, int]:
        """Since when mail that promotes does not go there, by purpose, as `ask_again` would lift.

        Mail that came back is not somebody's wish.
        """
        held = self.wishes.in_force(suppression_of(self.keyed, address))
        since = {item["sk"]: item["at"] for item in held}
        found: dict[Purpose, int] = {}
        for mail_class, law in LAWS.items():
            ends = [since[row] for row in (COMPLAINED, class_row(mail_class)) if row in since]
            if law.promotes and ends:
                found |= dict.fromkeys(law.purposes, min(ends))
        return found

    def works_again(self, account: str) -> None:
        """The person says that the mailbox takes mail again; what bounces once more says no."""
        self._lift(account, [BOUNCED])
        self.wishes.table.apply(self.wishes.clear(account, BOUNCED, self.clock()))

    def _lift(self, account: str, rows: Iterable[str]) -> None:
        secret = self.vault.open(self.subject_of(account), Purpose.ACCOUNT, PAGE)
        hashed = suppression_of(self.keyed, sinks.mail(secret, "account").address)
        self.wishes.lift(hashed, rows, self.clock())
