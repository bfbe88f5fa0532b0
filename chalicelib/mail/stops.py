"""What a stop does to the yes behind it: the keys of what the class is opened for end (PS-60).

At a page that is one transaction with the stop itself. Whoever takes in mail may end no key: the
stop leaves a row there, and a function that ends keys takes the yes back by it, within minutes.
Nothing is sent meanwhile, since the stop itself counts at once.

| table | pk | sk | holds | index `gsi1` |
|---|---|---|---|---|
| accounts | `NOTICES#<account>` | `STOPPED#<class>` | a class was stopped | `STOPPED` / instant |

    stopped --the sweep-------> no key of the class's purposes, and no row
       +-----a yes to one-----> no key of its other purposes, and no row
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.clock import due_key
from chalicelib.mail.rules import LAWS, MailClass
from chalicelib.storage.dynamo import PRESENT, ConditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chalicelib.core.clock import Clock
    from chalicelib.privacy.grants import Grants
    from chalicelib.privacy.rules import Purpose
    from chalicelib.storage.dynamo import Table, Write

INDEX, STOPPED = "STOPPED", "STOPPED#"
BY_LINK, BY_MAIL = "link:unsubscribe", "stop:mail"
"""How it was stopped, as the ledger says it."""


class Stops:
    """`subject_of` is whose grants an account's are; None where it is gone."""

    def __init__(
        self,
        table: Table,
        grants: Grants,
        subject_of: Callable[[str], str | None],
        clock: Clock,
    ) -> None:
        self.table, self.grants, self.subject_of, self.clock = table, grants, subject_of, clock

    def commit(self, build: Callable[[], list[Write]]) -> None:
        """Transact what `build` makes, again while nothing but the subject's ledger has moved."""
        self.grants.commit(build)

    def at_once(self, account: str, mail_class: MailClass) -> list[Write]:
        """Every yes to mail of the class is taken back; for `commit`, beside the stop."""
        subject, purposes = self.subject_of(account), LAWS[mail_class].purposes
        return self.grants.end_choices(subject, purposes, BY_LINK) if subject else []

    def later(self, account: str, mail_class: MailClass) -> list[Write]:
        """The same by the sweep, for whoever may end no key; beside the stop."""
        now = self.clock()
        return [
            self.table.update(
                f"NOTICES#{account}", f"{STOPPED}{mail_class}",
                "SET #type = :type, v = :one, gsi1pk = :index, gsi1sk = :at",
                {":type": "stopped", ":one": 1, ":index": INDEX, ":at": due_key(now)},
                condition="attribute_not_exists(pk) OR #type = :type", names={"#type": "type"},
            )
        ]  # fmt: skip

    def waiting(self) -> Iterator[tuple[str, MailClass]]:
        """Whose yes is still to be taken back, as the index nominates them."""
        found = self.table.index(
            "gsi1", "gsi1pk", INDEX, range_name="gsi1sk", up_to=due_key(self.clock())
        )
        for key in found:
            name = key.sk.removeprefix(STOPPED)
            yield key.pk.removeprefix("NOTICES#"), MailClass(name)

    def finish(self, account: str, mail_class: MailClass) -> bool:
        """The keys and the row go together; False where a new yes was first, or another run."""
        return self._end(account, mail_class, LAWS[mail_class].purposes)

    def yes_again(self, account: str, mail_class: MailClass, purpose: Purpose) -> None:
        """A new yes is to one purpose: what was stopped beside it stays stopped."""
        if self.table.get(f"NOTICES#{account}", f"{STOPPED}{mail_class}"):
            self._end(account, mail_class, LAWS[mail_class].purposes - {purpose})

    def _end(self, account: str, mail_class: MailClass, purposes: frozenset[Purpose]) -> bool:
        subject = self.subject_of(account)
        row = self.table.delete(f"NOTICES#{account}", f"{STOPPED}{mail_class}", PRESENT)

        def build() -> list[Write]:
            ends = self.grants.end_choices(subject, purposes, BY_MAIL) if subject else []
            return [row, *ends]

        try:
            self.commit(build)
        except ConditionFailed as refusal:
            if not refusal.at(0):
                raise
            return False
        return True
