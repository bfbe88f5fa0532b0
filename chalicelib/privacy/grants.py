"""What is done with a person's grants without opening anything: no key is unwrapped here.

A grant's row is its wrapped key. Whoever leaves or takes a yes back has that row moved or ended,
and the ledger's row is in the same transaction.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from chalicelib.privacy.folding import fold
from chalicelib.privacy.rules import (
    Entry,
    Event,
    Purpose,
    PurposeDenied,
    When,
    because,
    reference,
    use_under,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from chalicelib.core.clock import Clock
    from chalicelib.privacy.ledger import Ledger
    from chalicelib.privacy.rules import Row
    from chalicelib.privacy.store import Grant, VaultStore
    from chalicelib.storage.dynamo import Write


class Grants:
    """`clock` dates the rows of the ledger."""

    def __init__(self, store: VaultStore, ledger: Ledger, clock: Clock) -> None:
        self.store, self.ledger, self.clock = store, ledger, clock

    def granted(self, subject: str) -> dict[Purpose, str]:
        """The id of the policy that each purpose was granted under; nothing is opened."""
        return {grant.purpose: grant.policy for grant in self.store.grants(subject)}

    def stands(self, subject: str, purpose: Purpose) -> Write:
        """The condition that a purpose is granted still, for what is done with what it opened."""
        return self.store.stands(subject, purpose)

    def rests(self, subject: str) -> Write:
        """The same for what was opened of a deactivated account, for its owner's own request."""
        return self.store.rests(subject)

    def noted(self, subject: str, purpose: Purpose) -> frozenset[str]:
        """The names of what was noted for a purpose; nothing is opened."""
        return frozenset(self.store.sealed(subject, purpose) or ())

    def referred(self, subject: str, ids: Iterable[str]) -> dict[str, str]:
        """What each reference in the ledger stands for, of these ids, while the keys stand."""
        grants, ids = self.store.grants(subject), list(ids)
        return {reference(each, grant.wrapped): each for grant in grants for each in ids}

    def note_of(self, subject: str, entry: Entry, about: str = "") -> list[Write]:
        """One row of the ledger, beside whatever it tells of; for `commit`.

        What it is about is keyed by the account's own grant, and left out where that is gone.
        """
        if about:
            grants = self.store.grants(subject)
            key = next((g.wrapped for g in grants if g.purpose is Purpose.ACCOUNT), None)
            if key:
                entry = replace(entry, reason=because(entry.reason or "", about, key))
        return self.ledger.append(subject, [entry], self.clock())

    def commit(self, build: Callable[[], list[Write]]) -> None:
        """Transact what `build` makes, again while nothing but the subject's ledger has moved."""
        self.ledger.commit(build)

    def withdraw(self, subject: str, purpose: Purpose, form: str) -> bool:
        """A yes is taken back, from this instant on; False where it was not granted.

        PurposeDenied for a purpose that is not one to choose. The key, also one on hold, what it
        sealed and the ledger's row go in one transaction.
        """
        return bool(self.ledger.commit(lambda: self._withdraw(subject, purpose, form)))

    def end_choices(self, subject: str, purposes: Collection[Purpose], form: str) -> list[Write]:
        """A yes to any of these is taken back, also one on hold; for `commit`.

        Nothing where none was said: neither in its place nor on hold, nor between them.
        """
        head = self.ledger.head(subject)
        gone = [
            grant for grant in (*self.store.grants(subject), *self.store.held(subject))
            if grant.purpose in purposes
            and use_under(grant.policy, grant.purpose).when is When.CHOICE
        ]  # fmt: skip
        if not gone:
            moved = head != self.ledger.head(subject)
            return self.end_choices(subject, purposes, form) if moved else []
        return self._withdrawn(head, subject, gone, form)

    def take_back(self, subject: str, since: int, form: str) -> list[Write]:
        """Each yes that was said from an instant on is withdrawn, whoever said it; for `commit`.

        Also one whose key is on hold.
        """
        head = self.ledger.head(subject)
        noes = self._said_since(subject, since)
        grants = [*self.store.grants(subject), *self.store.held(subject)]
        gone = [grant for grant in grants if grant.purpose in noes]
        return self._withdrawn(head, subject, gone, form)

    def hold(self, subject: str, form: str) -> list[Write]:
        """Every key goes where no purpose reads, until `release`; for `commit`.

        Nothing where no key is left, so that again is harmless.
        """
        head = self.ledger.head(subject)
        grants = self.store.grants(subject)
        entries = [Entry(Event.DEACTIVATED, g.purpose, g.policy, form) for g in grants]
        moves = [write for grant in grants for write in self.store.hold(grant)]
        return [*moves, *self.ledger.after(head, subject, entries, self.clock())]

    def release(self, subject: str, form: str) -> list[Write]:
        """Every key that was on hold is back in its place; for `commit`."""
        head = self.ledger.head(subject)
        grants = self.store.held(subject)
        entries = [Entry(Event.REACTIVATED, g.purpose, g.policy, form) for g in grants]
        moves = [write for grant in grants for write in self.store.release(grant)]
        return [*moves, *self.ledger.after(head, subject, entries, self.clock())]

    def settled(self, subject: str, form: str) -> list[Write]:
        """Rows for keys that are elsewhere than the ledger says, as after a restore; for `commit`.

        The keys are right: there is no older copy of them.
        """
        head = self.ledger.head(subject)
        told = fold(self.ledger.rows(subject))
        held, standing = self.store.held(subject), self.store.grants(subject)
        entries = [
            Entry(event, grant.purpose, grant.policy, form)
            for event, grants, said in (
                (Event.DEACTIVATED, held, told.granted), (Event.REACTIVATED, standing, told.held),
            )
            for grant in grants
            if said.get(grant.purpose) == grant.policy
        ]  # fmt: skip
        return self.ledger.after(head, subject, entries, self.clock())

    def erase(self, subject: str) -> None:
        """Nothing of the subject opens again, not even from a backup (G10); again is harmless."""
        self.ledger.commit(lambda: self.end(subject))
        self.store.erase_sealed(subject)

    def end(self, subject: str) -> list[Write]:
        """Every key of the subject is gone, also those on hold; for `commit`.

        The head is read before the keys: one that is granted meanwhile moves it.
        """
        head = self.ledger.head(subject)
        grants, held = self.store.grants(subject), self.store.held(subject)
        entries = [Entry(Event.ERASED, grant.purpose, grant.policy) for grant in [*grants, *held]]
        ends = [self.store.end_grant(grant) for grant in grants]
        ends += [self.store.end_held(grant) for grant in held]
        return [*ends, *self.ledger.after(head, subject, entries, self.clock())]

    def _withdraw(self, subject: str, purpose: Purpose, form: str) -> list[Write]:
        """Nothing where it is not granted: neither in its place nor on hold, nor between them."""
        head, grant = self.ledger.head(subject), self.store.grant(subject, purpose)
        grant = grant or self.store.held_grant(subject, purpose)
        if grant is None:
            moved = head != self.ledger.head(subject)
            return self._withdraw(subject, purpose, form) if moved else []
        if use_under(grant.policy, purpose).when is not When.CHOICE:
            raise PurposeDenied
        return self._withdrawn(head, subject, [grant], form)

    def _said_since(self, subject: str, since: int) -> set[Purpose]:
        """By the ledger: a grant's own instant is that of its newest key."""
        recent = takewhile(lambda row: row.at >= since, self.ledger.back(subject))
        entries = [row.entry for row in recent]
        return {e.purpose for e in entries if e.event is Event.GRANTED and e.purpose}

    def _withdrawn(
        self, head: Row | None, subject: str, grants: Sequence[Grant], form: str
    ) -> list[Write]:
        """The keys, what they sealed, and the ledger's word of each."""
        rows = [Entry(Event.WITHDRAWN, g.purpose, g.policy, form) for g in grants]
        return [*self._ends(grants), *self.ledger.after(head, subject, rows, self.clock())]

    def _ends(self, grants: Iterable[Grant]) -> list[Write]:
        return [
            write
            for grant in grants
            for write in (
                self.store.end_grant(grant), self.store.end_sealed(grant.subject, grant.purpose)
            )
        ]  # fmt: skip
