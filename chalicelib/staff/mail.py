"""Mail to those who work here: one a fact and member, to the address that they gave for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.storage.dynamo import ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from chalicelib.core.clock import Clock
    from chalicelib.mail.outbox import Outbox
    from chalicelib.mail.rules import Argument
    from chalicelib.staff.rules import Member, Role
    from chalicelib.staff.store import StaffStore
    from chalicelib.storage.dynamo import Write

    Fact = tuple[str | int, ...]


class StaffMail:
    def __init__(self, store: StaffStore, outbox: Outbox, clock: Clock) -> None:
        self.store, self.outbox, self.clock = store, outbox, clock

    def works_here(self, member_id: str) -> bool:
        member = self.store.member(member_id)
        return member is not None and member.active

    def tell(
        self,
        template: str,
        fact: Fact,
        arguments: Mapping[str, Argument] | Callable[[Member], Mapping[str, Argument]],
    ) -> int:
        """Write to everybody who works here, once a fact; how many were written to just now.

        After a death in between the same call again writes to the others.
        """
        told = 0
        for member in self.store.written_to():
            given = arguments(member) if callable(arguments) else arguments
            told += self._one(*self.message(template, fact, given, member))
        return told

    def to(
        self, role: Role, template: str, fact: Fact, arguments: Mapping[str, Argument]
    ) -> Iterator[tuple[str, Write]]:
        """The messages to all with this role, for the transaction that makes the fact."""
        for member in self.store.written_to():
            if role in member.roles:
                yield self.message(template, fact, arguments, member)

    def message(
        self, template: str, fact: Fact, arguments: Mapping[str, Argument], member: Member
    ) -> tuple[str, Write]:
        now = self.clock()
        return self.outbox.message(
            template, fact=(*fact, member.id), account=member.id, arguments=arguments,
            due=now, now=now,
        )  # fmt: skip

    def _one(self, message: str, write: Write) -> bool:
        try:
            self.outbox.store.table.apply(write)
        except ConditionFailed:
            return False  # written before, sent or not
        self.outbox.nudge(message)
        return True
